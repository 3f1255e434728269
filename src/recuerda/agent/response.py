"""What a run gives back: its whole answer, or the pieces of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec

from recuerda.messages.message import AnyContent, ChatMessage, TextContent, Usage
from recuerda.threads.history import StoredTurn


class PendingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a tool that has no result yet.

    Attributes:
        call_id: by which `Agent.resume` is told what to do with it.
        name: of the tool.
        arguments: as the model gave them: an object, or the text that was to be one.
        is_started: True when the tool was started, and nobody knows whether it finished; False when it waits to be
            allowed, or for its turn.
    """

    call_id: str
    name: str
    arguments: str | Mapping[str, Any]
    is_started: bool = False


class PendingTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that was begun on a thread and is not committed.

    Attributes:
        thread_id: the thread's id.
        turn_id: the turn's id.
        revision: of the thread when the turn began; when it is another one now, the turn cannot be resumed.
        steps: how many steps are saved.
        age: since the last of them.
        input: the messages with which it began.
        messages: what the model and its tools have added so far.
        calls: the calls that have no result yet.
    """

    thread_id: str
    turn_id: str
    revision: int
    steps: int
    age: timedelta
    input: tuple[ChatMessage, ...]
    messages: tuple[ChatMessage, ...]
    calls: tuple[PendingCall, ...]


class AgentResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a run gave.

    Attributes:
        messages: what the run added besides its input: calls, results, the answer.
        usage: what all its model calls cost together, where the service says it.
        thread_id: the thread's id.
        turn_id: the turn's id; None when the thread's store knows no turns.
        is_replay: True when a turn of the given `turn_id` was there already: this is its answer, and no model was
            called.
        is_interrupted: True for the replay of a turn that was stopped before the model had answered.
        pending: the calls that wait to be allowed: the run has ended, the turn has not. Go on with `Agent.resume`.
        warnings: what went wrong without ending the run: a provider that failed, a summary that could not be made.
    """

    messages: tuple[ChatMessage, ...]
    usage: Usage | None
    thread_id: str
    turn_id: str | None
    is_replay: bool = False
    is_interrupted: bool = False
    pending: tuple[PendingCall, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The answer: the text of the last message that the model wrote."""
        return next((message.text for message in reversed(self.messages) if message.role == "assistant"), "")

    def __str__(self) -> str:
        return self.text


class AgentResponseUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a streamed run.

    Attributes:
        role: "assistant" for what the model says, "tool" for the results of its calls.
        contents: the new parts: fragments of text, whole calls, results.
    """

    role: str
    contents: tuple[AnyContent, ...]

    @property
    def text(self) -> str:
        """The new text; empty for a call or a result."""
        return (
            "".join(part.text for part in self.contents if isinstance(part, TextContent)) if self.role != "tool" else ""
        )


def replayed(stored: StoredTurn, thread_id: str) -> AgentResponse:
    """Return the answer of a turn that is in the thread already."""
    return AgentResponse(
        messages=stored.turn.answer,
        usage=stored.usage,
        thread_id=thread_id,
        turn_id=stored.id,
        is_replay=True,
        is_interrupted=stored.turn.is_interrupted,
    )
