"""The conversation with a model: what is asked, and what comes back.

`ChatModel` is all that an agent needs of a client. A client holds no conversation itself: either the whole thread is
sent with every request, or the service keeps it (`keeps_threads`), and a request names it and adds to it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from recuerda.agent.tools import FunctionTool
from recuerda.json_value import Json
from recuerda.messages.message import AnyContent, ChatMessage, TextContent, TextReasoningContent, Usage


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a model.

    Attributes:
        messages: the conversation, the oldest first; where the service keeps it, only what the service does not have
            yet.
        instructions: the system prompt, or None.
        tools: what the model may call.
        may_call_tools: False asks for an answer without calls, although earlier calls are in the messages.
        options: the service's own options, such as `temperature`.
        service_thread_id: the thread that the service keeps, or None for a new one. Only for models that keep threads.
        is_temporary: True when the service is to keep nothing of it: `messages` is then the whole conversation.
    """

    messages: Sequence[ChatMessage]
    instructions: str | None = None
    tools: Sequence[FunctionTool] = ()
    may_call_tools: bool = True
    options: Mapping[str, Json] = msgspec.field(default_factory=dict[str, Json])
    service_thread_id: str | None = None
    is_temporary: bool = False


class ChatResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A model's complete answer.

    Attributes:
        message: with role "assistant".
        usage: what the call cost, where the service says it.
        finish_reason: the service's word for why it stopped.
        service_thread_id: what to name the thread from now on, where the service keeps it; it may change with every
            answer.
        response_id: the service's id of this answer, where it has one.
    """

    message: ChatMessage
    usage: Usage | None = None
    finish_reason: str | None = None
    service_thread_id: str | None = None
    response_id: str | None = None


class ChatUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a streamed answer. Text and reasoning come in fragments, function calls whole.

    Attributes:
        contents: the new parts. A fragment's `additional_properties` are those of the whole that it ends.
        message_id: the service's id of the message, once it is known.
        usage: of the whole call; comes once, at the end.
        finish_reason: likewise.
        service_thread_id: likewise; see `ChatResponse`.
        response_id: the service's id of this answer, once it is known.
    """

    contents: Sequence[AnyContent] = ()
    message_id: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    service_thread_id: str | None = None
    response_id: str | None = None


class ChatModel(Protocol):
    """What an agent needs of a client. `ChatClient` says what each method promises.

    Attributes:
        keeps_threads: whether the service keeps the threads, so that only what is new is sent.
    """

    keeps_threads: bool = False

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """Return the model's whole answer."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        """Give the model's answer as it comes. Closing the generator ends the call."""
        ...

    async def retract(self, request: ChatRequest, responses: Sequence[ChatResponse]) -> None:
        """Take a turn that failed out of the service's thread."""
        ...

    async def read_thread(self, service_thread_id: str) -> list[ChatMessage]:
        """Return all messages of a thread that the service keeps."""
        ...

    async def create_thread(self, messages: Sequence[ChatMessage]) -> str:
        """Hand messages over to the service, and return the id of its thread."""
        ...

    async def delete_thread(self, service_thread_id: str) -> bool:
        """Delete a thread that the service keeps; return whether there was one."""
        ...


def join_updates(updates: Iterable[ChatUpdate]) -> ChatResponse:
    """Return the answer that a stream's updates make up."""
    contents: list[AnyContent] = []
    message_id = usage = finish_reason = service_thread_id = response_id = None
    for update in updates:
        message_id = update.message_id or message_id
        usage = update.usage or usage
        finish_reason = update.finish_reason or finish_reason
        service_thread_id = update.service_thread_id or service_thread_id
        response_id = update.response_id or response_id
        for part in update.contents:
            if contents and (joined := _joined(contents[-1], part)) is not None:
                contents[-1] = joined
            else:
                contents.append(part)
    return ChatResponse(
        message=ChatMessage("assistant", contents, message_id=message_id),
        usage=usage,
        finish_reason=finish_reason,
        service_thread_id=service_thread_id,
        response_id=response_id,
    )


def _joined(last: AnyContent, part: AnyContent) -> AnyContent | None:
    if last.additional_properties:
        return None
    properties = part.additional_properties
    if isinstance(last, TextContent) and isinstance(part, TextContent):
        return TextContent(last.text + part.text, additional_properties=properties)
    if isinstance(last, TextReasoningContent) and isinstance(part, TextReasoningContent) and not last.protected_data:
        return TextReasoningContent(last.text + part.text, part.protected_data, additional_properties=properties)
    return None
