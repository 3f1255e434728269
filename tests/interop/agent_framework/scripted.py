"""A chat client of Agent Framework that gives the answers of a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any

from agent_framework import (
    BaseChatClient,
    ChatMiddlewareLayer,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    Message,
    ResponseStream,
)


class ScriptedClient(FunctionInvocationLayer[Any], ChatMiddlewareLayer[Any], BaseChatClient[Any]):
    """Give one answer after the other, and keep what was sent. A text, or the contents of an answer."""

    def __init__(self, *answers: str | Sequence[Content], default: str = "OK.") -> None:
        super().__init__()
        self.answers = [*answers]
        self.default = default
        self.sent: list[list[Message]] = []

    def _inner_get_response(
        self, *, messages: Sequence[Message], stream: bool, options: Mapping[str, Any], **kwargs: Any
    ) -> Awaitable[ChatResponse] | ResponseStream[ChatResponseUpdate, ChatResponse]:
        self.sent.append([*messages])
        answer = self.answers.pop(0) if self.answers else self.default
        contents = [Content.from_text(answer)] if isinstance(answer, str) else [*answer]

        async def whole() -> ChatResponse:
            return ChatResponse(messages=[Message("assistant", contents)])

        async def pieces() -> AsyncIterator[ChatResponseUpdate]:
            for content in contents:
                yield ChatResponseUpdate(role="assistant", contents=[content])

        if stream:
            return ResponseStream(pieces(), finalizer=ChatResponse.from_updates)
        return whole()


def said(messages: Sequence[Message]) -> list[str]:
    return [message.text for message in messages]
