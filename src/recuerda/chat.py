"""The conversation with a model: what is asked, and what comes back.

`ChatModel` is all that an agent needs of a client. Clients are stateless here: the thread is sent with every request.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from recuerda.json_value import Json
from recuerda.messages import AnyContent, ChatMessage, TextContent, TextReasoningContent, Usage
from recuerda.tools import FunctionTool


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a model.

    Attributes:
        messages: the conversation, the oldest first.
        instructions: the system prompt, or None.
        tools: what the model may call.
        may_call_tools: False asks for an answer without calls, although earlier calls are in the messages.
        options: the service's own options, such as `temperature`.
    """

    messages: Sequence[ChatMessage]
    instructions: str | None = None
    tools: Sequence[FunctionTool] = ()
    may_call_tools: bool = True
    options: Mapping[str, Json] = msgspec.field(default_factory=dict[str, Json])


class ChatResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A model's complete answer.

    Attributes:
        message: with role "assistant".
        usage: what the call cost, where the service says it.
        finish_reason: the service's word for why it stopped.
    """

    message: ChatMessage
    usage: Usage | None = None
    finish_reason: str | None = None


class ChatUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a streamed answer. Text and reasoning come in fragments, function calls whole.

    Attributes:
        contents: the new parts.
        message_id: the service's id of the message, once it is known.
        usage: of the whole call; comes once, at the end.
        finish_reason: likewise.
    """

    contents: Sequence[AnyContent] = ()
    message_id: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None


class ChatModel(Protocol):
    """What an agent needs of a client."""

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """Return the model's whole answer."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        """Give the model's answer as it comes. Closing the generator ends the call."""
        ...


def join_updates(updates: Iterable[ChatUpdate]) -> ChatResponse:
    """Return the answer that a stream's updates make up."""
    contents: list[AnyContent] = []
    message_id = usage = finish_reason = None
    for update in updates:
        message_id = update.message_id or message_id
        usage = update.usage or usage
        finish_reason = update.finish_reason or finish_reason
        for part in update.contents:
            if contents and (joined := _joined(contents[-1], part)) is not None:
                contents[-1] = joined
            else:
                contents.append(part)
    message = ChatMessage("assistant", contents, message_id=message_id)
    return ChatResponse(message=message, usage=usage, finish_reason=finish_reason)


def _joined(last: AnyContent, part: AnyContent) -> AnyContent | None:
    if last.additional_properties or part.additional_properties:
        return None
    if isinstance(last, TextContent) and isinstance(part, TextContent):
        return TextContent(last.text + part.text)
    if isinstance(last, TextReasoningContent) and isinstance(part, TextReasoningContent) and not last.protected_data:
        return TextReasoningContent(last.text + part.text, part.protected_data)
    return None
