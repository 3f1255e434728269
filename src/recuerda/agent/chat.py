"""Requests to a model, and its responses.

`ChatModel` lists the methods of a client that an agent calls. A client holds no conversation. Either the whole thread
is sent with every request, or the service keeps the thread (`keeps_threads`), and a request names it and adds to it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from recuerda.agent.tools import FunctionTool
from recuerda.json_value import Json, JsonObject
from recuerda.messages.message import AnyContent, ChatMessage, TextContent, TextReasoningContent, Usage


class OutputSchema(msgspec.Struct, frozen=True, kw_only=True):
    """The form that an answer has to have.

    Attributes:
        name: a name of letters, digits, `_` and `-`.
        schema: the JSON schema of the answer; the schema of an object.
    """

    name: str
    schema: JsonObject

    @property
    def parameters(self) -> JsonObject:
        """The schema, under the name by which windows count the schemas of tools."""
        return self.schema

    @property
    def description(self) -> str:
        """Nothing, because the schema holds all descriptions."""
        return ""


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a model.

    Attributes:
        messages: the conversation, the oldest message first. When the service keeps the thread, only the messages that
            it does not have yet.
        instructions: the system prompt, or None.
        tools: the tools that the model may call.
        may_call_tools: False asks for an answer without tool calls, even if the messages contain earlier calls.
        options: the service's own options, such as `temperature`.
        service_thread_id: the thread that the service keeps, or None for a new one. Only for models that keep threads.
        is_temporary: True when the service must not keep the request; `messages` is then the whole conversation.
        context_count: the number of messages, at the beginning of `messages`, that come from context providers and are
            meant for this turn only. See `ChatClient.forget_context`.
        agent_name: the name of the agent that asks, or None. An assistant's message under another name was said by
            another agent.
        output: the form of the answer; None for text. Only for clients that support JSON schemas.
    """

    messages: Sequence[ChatMessage]
    instructions: str | None = None
    tools: Sequence[FunctionTool] = ()
    may_call_tools: bool = True
    options: Mapping[str, Json] = msgspec.field(default_factory=dict[str, Json])
    service_thread_id: str | None = None
    is_temporary: bool = False
    context_count: int = 0
    agent_name: str | None = None
    output: OutputSchema | None = None


class ChatResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A model's complete answer.

    Attributes:
        message: the answer; its role is "assistant".
        usage: the tokens that the call cost; None when the service does not report them.
        finish_reason: why the model stopped, in the service's words.
        service_thread_id: the service's id of the thread from now on; it may change with every answer. None when the
            service keeps no threads.
        response_id: the service's id of this answer; None when the service gives none.
    """

    message: ChatMessage
    usage: Usage | None = None
    finish_reason: str | None = None
    service_thread_id: str | None = None
    response_id: str | None = None


class ChatUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a streamed answer. Text and reasoning come in fragments; each function call comes in one piece.

    Attributes:
        contents: the new parts. `additional_properties` of a fragment belong to the whole part, and such a fragment is
            the last of its part.
        message_id: the service's id of the message, once it is known.
        usage: the tokens that the whole call cost. It comes once, at the end.
        finish_reason: as in `ChatResponse`. It comes once, at the end.
        service_thread_id: as in `ChatResponse`. It comes once, at the end.
        response_id: the service's id of this answer, once it is known.
    """

    contents: Sequence[AnyContent] = ()
    message_id: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    service_thread_id: str | None = None
    response_id: str | None = None


class ChatModel(Protocol):
    """The methods of a client that an agent calls. `ChatClient` documents each of them.

    Attributes:
        keeps_threads: True when the service keeps the threads, so that only new messages are sent.
        supports_json_schema: True when the service answers in the form of `ChatRequest.output`.
    """

    keeps_threads: bool = False
    supports_json_schema: bool = False

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """Return the model's whole answer."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        """Yield the model's answer in pieces, as they arrive. Closing the generator ends the call."""
        ...

    async def retract(self, request: ChatRequest, responses: Sequence[ChatResponse]) -> None:
        """Remove a failed turn from the service's thread."""
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


def provider_of(model: object) -> str:
    """Return the name of a model's service for telemetry. Without `provider_name`, it is the name of the class."""
    return getattr(model, "provider_name", None) or type(model).__name__


def join_updates(updates: Iterable[ChatUpdate]) -> ChatResponse:
    """Return the whole answer, joined from the updates of a stream."""
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
