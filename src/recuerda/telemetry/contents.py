"""The contents of messages, tools and memories in the form of the conventions, each text redacted.

The form is that of the JSON schemas beside the conventions, such as `gen-ai-input-messages.json`. The bytes of files
are never recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, cast

import msgspec

from recuerda._observing import Record
from recuerda.json_value import Json
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
)

Redact: TypeAlias = Callable[[str], str]
"""A function that returns a text without its secrets. It gets every text before the text is recorded."""

FAILED = "[the redaction of this text failed]"

NO_JSON = "[this content cannot be written as JSON]"
"""The value for a content that no storage would take either, such as a text with half of a surrogate pair."""


class Contents:
    """Turns contents into the values of attributes.

    Args:
        redact: is called with each text; None to record texts as they are.
    """

    def __init__(self, redact: Redact | None) -> None:
        self._redact = redact

    def text(self, text: str) -> str:
        """Return a text as it may be recorded. If the redaction fails, the text is not recorded."""
        if self._redact is None:
            return text
        try:
            redacted = cast("object", self._redact(text))
        except Exception:  # noqa: BLE001 - the function is the application's, and must neither end a run nor let a text through
            return FAILED
        # A subclass of str, such as the one of a template engine, is made a plain text, because JSON knows no other.
        return str.__str__(redacted) if isinstance(redacted, str) else FAILED

    def instructions(self, text: str) -> str:
        """Return the value for the instructions of a model."""
        return _encoded(lambda: [{"type": "text", "content": self.text(text)}])

    def messages(self, messages: Iterable[ChatMessage], *, finish_reason: str | None = None) -> str:
        """Return the value for messages. Messages with a reason why the model has stopped are its answer."""
        more = {} if finish_reason is None else {"finish_reason": finish_reason}
        return _encoded(lambda: [{"role": one.role, "parts": self._parts(one.contents), **more} for one in messages])

    def value(self, value: object) -> str:
        """Return the value for the arguments or the result of a tool, with each text in it redacted."""
        return self.text(value) if isinstance(value, str) else _encoded(lambda: self._redacted(value))

    def records(self, records: Iterable[Record]) -> str:
        """Return the value for memories."""
        return _encoded(lambda: [{"id": name, "content": self.text(text)} for name, text in records])

    def _parts(self, parts: Sequence[AnyContent]) -> list[Json]:
        return [self._part(part) for part in parts]

    def _part(self, part: AnyContent) -> Json:
        if isinstance(part, TextContent):
            return {"type": "text", "content": self.text(part.text)}
        if isinstance(part, TextReasoningContent):
            return {"type": "reasoning", "content": self.text(part.text)}
        if isinstance(part, FunctionCallContent):
            arguments = self._redacted(part.arguments)
            return {"type": "tool_call", "id": part.call_id, "name": part.name, "arguments": arguments}
        if isinstance(part, FunctionResultContent):
            return {"type": "tool_call_response", "id": part.call_id, "response": self._redacted(part.result)}
        if isinstance(part, RefusalContent):
            return {"type": "refusal", "content": self.text(part.refusal)}
        return {"type": type(part).__name__}

    def _redacted(self, value: object) -> Json:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {str(key): self._redacted(item) for key, item in cast("Mapping[object, object]", value).items()}
        if isinstance(value, list | tuple):
            return [self._redacted(item) for item in cast("Sequence[object]", value)]
        return value if isinstance(value, bool | int | float) or value is None else type(value).__name__


def _encoded(made: Callable[[], object]) -> str:
    """Return a value as JSON. A value that cannot be written ends no run: the run itself says what is wrong with it."""
    try:
        return msgspec.json.encode(made()).decode()
    except (ValueError, TypeError, OverflowError, RecursionError):
        return NO_JSON
