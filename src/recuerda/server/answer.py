"""The model's answer, read from the completion or the chunks that its server sends.

One class reads both forms of an answer: a whole answer is a stream of a single piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import cast

from recuerda.json_value import JsonObject
from recuerda.messages.message import Usage
from recuerda.openai.completion import Completion, decode_completion
from recuerda.openai.reader import AnswerReader, Fragment
from recuerda.server.faults import INVALID_REQUEST, ApiFault
from recuerda.server.names import TurnName
from recuerda.server.output_items import Cuts, Event, OutputItems, unreadable
from recuerda.server.requests import Item


def read_answer(data: bytes) -> Completion:
    """Return a completion or a chunk from its JSON.

    Raises:
        ApiFault: the data is neither a completion nor a chunk, or the model's server reports an error in it.
    """
    try:
        completion = decode_completion(data)
    except (ValueError, RecursionError):
        raise unreadable() from None
    if completion.error:
        raise _reported(completion.error)
    return completion


def _reported(error: object) -> ApiFault:
    """Return the fault for an error in an answer. Its text is shown if it is about the request."""
    details = cast("JsonObject", error) if isinstance(error, dict) else {}
    code, message = details.get("code"), details.get("message")
    is_about_request = code in _ABOUT_REQUEST or details.get("type") == INVALID_REQUEST
    if is_about_request and isinstance(message, str):
        return ApiFault(400, message, code=code if isinstance(code, str) else None)
    return ApiFault(502, "The model's server reported an error in its answer.", code="upstream_error")


_ABOUT_REQUEST = ("context_length_exceeded", "invalid_prompt", 400, 413, 422)


class Answer:
    """Build the output items of one answer from its pieces, and report each step as events.

    Args:
        name: the thread and the turn that will hold the items.
        first: the number of items that the turn holds before these items, which is the length of the response's input.
        call_fields: the fields of a call that name its function, by the name that the model has for it.
        summarizes: True if reasoning is given as a summary.
        notes_fragments: True if the fragments are noted for `new_fragments`.
    """

    def __init__(
        self,
        name: TurnName,
        *,
        first: int,
        call_fields: Mapping[str, Item],
        summarizes: bool = False,
        notes_fragments: bool = False,
    ) -> None:
        self._reader = AnswerReader()
        self._notes_fragments = notes_fragments
        self._noted: list[Fragment] = []
        id_of: Callable[[str, int], str] = lambda kind, index: name.item_id(kind, first + index)  # noqa: E731
        self._output = OutputItems(id_of, call_fields, summarizes=summarizes)

    @property
    def items(self) -> list[Item]:
        """The output items so far."""
        return self._output.items

    @property
    def cuts(self) -> Cuts:
        """The lengths of the deltas so far, with which the events can be made again."""
        return self._output.cuts

    @property
    def model(self) -> str | None:
        """The model that answers, as its server names it."""
        return self._reader.model

    @property
    def service_tier(self) -> str | None:
        """The service tier that the model's server reports."""
        return self._reader.service_tier

    @property
    def usage(self) -> Usage | None:
        """The tokens that the model's server reports."""
        return self._reader.usage

    @property
    def is_whole(self) -> bool:
        """True when the model has finished its answer. Only the token usage can still follow."""
        return self._reader.is_whole

    @property
    def incomplete_reason(self) -> str | None:
        """The reason why the answer is incomplete; None if it is complete."""
        reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
        return reasons.get(self._reader.finish_reason or "")

    def take(self, completion: Completion) -> Iterator[Event]:
        """Yield the events that a completion or a chunk causes."""
        for fragment in self._reader.take(completion):
            if self._notes_fragments:
                self._noted.append(fragment)
            yield from self._output.take(fragment)

    def new_fragments(self) -> list[Fragment]:
        """Return the fragments since the last call of this method, if fragments are noted."""
        new, self._noted = self._noted, []
        return new

    def end(self, *, is_whole: bool = False) -> Iterator[Event]:
        """Yield the events that finish the open items.

        Args:
            is_whole: True if the answer did not come as a stream. Some servers do not say then why it ends.

        Raises:
            ApiFault: the model's server stopped before the answer was complete, or reported that the model failed.
        """
        if self._reader.has_failed:
            raise ApiFault(502, "The model's server reported that the model failed.", code="upstream_error")
        if not self.is_whole and not is_whole:
            raise ApiFault(502, "The model's server ended its answer too early.", code="upstream_broken")
        for fragment in self._reader.end():
            if self._notes_fragments:
                self._noted.append(fragment)
            yield from self._output.take(fragment)
        yield from self._output.end("incomplete" if self.incomplete_reason else "completed")
