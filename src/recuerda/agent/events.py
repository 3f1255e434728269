"""The events of a run: what happens in a stream, as one class for each kind, so that one `match` handles them all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeAlias

import msgspec

from recuerda.agent.generics import V_co
from recuerda.agent.response import AgentResponse, AgentResponseUpdate, PendingCall
from recuerda.messages.message import (
    AnyContent,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    TextReasoningContent,
)


class TextEvent(msgspec.Struct, frozen=True):
    """A fragment of the model's text."""

    text: str


class ReasoningEvent(msgspec.Struct, frozen=True):
    """A fragment of the model's reasoning, from models that show it."""

    text: str


class ToolCallEvent(msgspec.Struct, frozen=True):
    """A call that the model has asked for. The tool runs next, unless the call waits for approval."""

    call: FunctionCallContent


class ToolResultEvent(msgspec.Struct, frozen=True):
    """The result of a call."""

    result: FunctionResultContent


class ContentEvent(msgspec.Struct, frozen=True):
    """Another part of the model's answer, such as a refusal or a picture."""

    content: AnyContent


class OutputRejectedEvent(msgspec.Struct, frozen=True):
    """The text since the last call did not have the form of `output_type`, and the model is asked once more.

    `reason` holds the checker's words.
    """

    reason: str


class ApprovalEvent(msgspec.Struct, frozen=True):
    """A call that waits for approval. The stream ends, and `Agent.resume` continues the turn."""

    call: PendingCall


class TurnCommittedEvent(msgspec.Struct, Generic[V_co], frozen=True):
    """The turn is in the thread. It is the last event of a run that the model has answered."""

    response: AgentResponse[V_co]


RunEvent: TypeAlias = (
    TextEvent
    | ReasoningEvent
    | ToolCallEvent
    | ToolResultEvent
    | ContentEvent
    | OutputRejectedEvent
    | ApprovalEvent
    | TurnCommittedEvent[V_co]
)
"""What happens in a run."""


def events_of(update: AgentResponseUpdate) -> Iterator[RunEvent[object]]:
    """Yield the events of one update."""
    for part in update.contents:
        match part:
            case TextContent():
                yield TextEvent(part.text)
            case TextReasoningContent():
                yield ReasoningEvent(part.text)
            case FunctionCallContent():
                yield ToolCallEvent(part)
            case FunctionResultContent():
                yield ToolResultEvent(part)
            case _:
                yield ContentEvent(part)
    if update.rejected is not None:
        yield OutputRejectedEvent(update.rejected)
