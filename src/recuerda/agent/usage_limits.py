"""The budget of one run: calls of the model, calls of tools, and tokens.

A limit stops a run before its next step: before the model is called, and before the tools of an answer run. So a whole
answer that was paid for is never thrown away, and no tool runs whose result nobody would read.
"""

from __future__ import annotations

import msgspec

from recuerda.errors import InvalidInput, UsageLimitExceeded
from recuerda.messages.message import Usage


class UsageLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The budget of one run. None sets no limit.

    A run that has reached a limit takes no further step and raises `UsageLimitExceeded`. Tokens are known only after a
    call of the model, so the last call may exceed its limit.

    Attributes:
        request_limit: the largest number of calls of the model.
        tool_calls_limit: the largest number of calls of tools. An answer with too many calls runs none of them.
        input_tokens_limit: the number of input tokens after which the model is not called again.
        output_tokens_limit: the same for output tokens.
        total_tokens_limit: the same for all tokens.

    Raises:
        InvalidInput: a limit is not a whole number, or is below 1 (`tool_calls_limit`: below 0).
    """

    request_limit: int | None = None
    tool_calls_limit: int | None = None
    input_tokens_limit: int | None = None
    output_tokens_limit: int | None = None
    total_tokens_limit: int | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            limit: object = getattr(self, name)
            least = 0 if name == "tool_calls_limit" else 1
            if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < least):
                raise InvalidInput(f"{name} must be a whole number from {least}, or None, not {limit!r}")

    @property
    def counts_tokens(self) -> bool:
        """True if there is a limit of tokens."""
        limits = (self.input_tokens_limit, self.output_tokens_limit, self.total_tokens_limit)
        return any(limit is not None for limit in limits)

    def check_request(self, requests: int, usage: Usage | None) -> None:
        """Check that the model may be called again.

        Args:
            requests: the number of calls so far.
            usage: the tokens so far.

        Raises:
            UsageLimitExceeded: a limit is reached.
        """
        _check("request_limit", self.request_limit, requests)
        if usage is not None:
            _check("input_tokens_limit", self.input_tokens_limit, usage.input_tokens)
            _check("output_tokens_limit", self.output_tokens_limit, usage.output_tokens)
            _check("total_tokens_limit", self.total_tokens_limit, usage.total_tokens)

    def check_tool_calls(self, calls: int) -> None:
        """Check that tools may be called, up to this number of calls in the run.

        Raises:
            UsageLimitExceeded: these are too many.
        """
        limit = self.tool_calls_limit
        _check("tool_calls_limit", None if limit is None else limit + 1, calls, allowed=limit)


def _check(name: str, limit: int | None, used: int, *, allowed: int | None = None) -> None:
    if limit is not None and used >= limit:
        raise UsageLimitExceeded(name, allowed=limit if allowed is None else allowed, used=used)
