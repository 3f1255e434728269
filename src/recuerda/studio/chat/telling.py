"""The events of a run as the chat pane gets them: one JSON object for each, without secrets.

A secret may come in several fragments of a text. So the last word of a text waits until it has ended, and when a secret
is recognized late, the event holds the whole text again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from recuerda.agent.events import (
    ApprovalEvent,
    ContentEvent,
    OutputRejectedEvent,
    ReasoningEvent,
    RunEvent,
    TextEvent,
    ToolCallEvent,
    ToolResultEvent,
    TurnCommittedEvent,
)
from recuerda.messages.message import FunctionResultContent
from recuerda.studio.redaction import Redaction
from recuerda.studio.visible import marked

EventKind: TypeAlias = Literal[
    "text", "reasoning", "call", "result", "content", "rejected", "approval", "decided", "committed", "failed"
]

_SPACES = " \n\t"
_SETTLED = 1_500
"""The length from which on the beginning of a text is not looked at again."""

_KEPT = 500
"""The number of characters at the end of a text that are always looked at again."""


class ChatEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened in a run.

    Attributes:
        kind: what happened.
        text: new text; for other kinds, words about the event.
        is_whole: whether `text` is the whole text since the last event of another kind, and not only its end.
        call_id: the call of a tool.
        name: the tool.
        arguments: the arguments of the call.
        result: the result of the call.
        is_error: whether the result is an error.
        turn_id: the turn that was committed.
        href: the address of the turn.
        seen_href: the address of the page that shows the messages that the model was sent.
    """

    kind: EventKind
    text: str | None = None
    is_whole: bool = False
    call_id: str | None = None
    name: str | None = None
    arguments: str | Mapping[str, Any] | None = None
    result: Any = None
    is_error: bool = False
    turn_id: str | None = None
    href: str | None = None
    seen_href: str | None = None


class GrowingText:
    """A text that grows, without its secrets.

    Args:
        redaction: hides secrets.
    """

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._settled = ""
        self._open = ""
        self._shown = ""

    def add(self, fragment: str) -> tuple[str, bool]:
        """Add a fragment. Return the text that is new, and whether it is the whole text because a part has changed."""
        self._open += fragment
        if not any(space in fragment for space in _SPACES):
            return "", False
        return self._newly(self._open[: len(self._open) - _last_word(self._open)])

    def end(self) -> tuple[str, bool]:
        """Return the rest, as `add` does."""
        return self._newly(self._open)

    def _newly(self, words: str) -> tuple[str, bool]:
        shown = self._settled + self._redaction.text(words)
        before, self._shown = self._shown, shown
        self._settle()
        return (shown[len(before) :], False) if shown.startswith(before) else (shown, True)

    def _settle(self) -> None:
        """Put the beginning of a long text aside, so that the cost of a fragment stays the same."""
        if len(self._open) < _SETTLED:
            return
        cut = self._open.rfind(" ", 0, len(self._open) - _KEPT) + 1
        text = self._redaction.text
        if cut and text(self._open[:cut]) + text(self._open[cut:]) == text(self._open):
            self._settled += text(self._open[:cut])
            self._open = self._open[cut:]


def _last_word(text: str) -> int:
    """Return the length of the last word, which may not be whole yet."""
    return len(text) - max(text.rfind(space) for space in _SPACES) - 1


class Telling:
    """Turns the events of a run into events of the chat pane.

    Args:
        redaction: hides secrets.
    """

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._texts: dict[EventKind, GrowingText] = {}

    def told(self, event: RunEvent[object]) -> Iterator[ChatEvent]:
        """Yield the events of the chat pane for one event of the run."""
        match event:
            case TextEvent(text):
                yield from self._grown("text", text)
            case ReasoningEvent(text):
                yield from self._grown("reasoning", text)
            case _:
                yield from self.ended()
                if (told := _told(event)) is not None:
                    yield self._redaction.value(told)

    def ended(self) -> Iterator[ChatEvent]:
        """Yield the rests of texts that have ended."""
        for kind, text in self._texts.items():
            rest, is_whole = text.end()
            if rest or is_whole:
                yield ChatEvent(kind=kind, text=marked(rest), is_whole=is_whole)
        self._texts = {}

    def _grown(self, kind: EventKind, fragment: str) -> Iterator[ChatEvent]:
        if kind not in self._texts:
            yield from self.ended()
            self._texts[kind] = GrowingText(self._redaction)
        new, is_whole = self._texts[kind].add(fragment)
        if new or is_whole:
            yield ChatEvent(kind=kind, text=marked(new), is_whole=is_whole)


def _told(event: RunEvent[object]) -> ChatEvent | None:
    match event:
        case ToolCallEvent(call):
            return ChatEvent(kind="call", call_id=call.call_id, name=call.name, arguments=call.arguments)
        case ToolResultEvent(result):
            return _told_result(result)
        case ApprovalEvent(call):
            return ChatEvent(kind="approval", call_id=call.call_id, name=call.name, arguments=call.arguments)
        case ContentEvent(content):
            return ChatEvent(kind="content", name=type(content).__name__.removesuffix("Content"))
        case OutputRejectedEvent(reason):
            return ChatEvent(kind="rejected", text=reason)
        case TurnCommittedEvent(response):
            return ChatEvent(kind="committed", turn_id=response.turn_id)
        case _:
            return None


def _told_result(result: FunctionResultContent) -> ChatEvent:
    value = result.result if not result.parts else [type(part).__name__ for part in result.parts]
    return ChatEvent(kind="result", call_id=result.call_id, result=value, is_error=result.is_error)
