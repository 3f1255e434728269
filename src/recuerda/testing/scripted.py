"""A chat client that says what it is told to say: for tests without a network.

It records every request, so that a test can assert on what a model would have been sent.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import TypeAlias

from recuerda.agent.chat import ChatRequest, ChatResponse, ChatUpdate
from recuerda.agent.client import ChatClient
from recuerda.messages.message import ChatMessage, FunctionCallContent, TextContent, Usage

__all__ = ["ScriptExhausted", "ScriptedAnswer", "ScriptedChatClient", "call"]

ScriptedAnswer: TypeAlias = (
    "str | ChatMessage | ChatResponse | BaseException | Callable[[ChatRequest], str | ChatMessage | ChatResponse]"
)


class ScriptExhausted(AssertionError):
    """Raised when the model is asked more often than the script has answers."""


class ScriptedChatClient(ChatClient):
    """Answer from a script, in order.

    Args:
        answers: texts, messages (with function calls, say), responses, exceptions to raise, or functions of the
            request.
        default: the answer to everything after the script; without one, the script's end is an error.
        usage: what every answer claims to have cost, unless it is a `ChatResponse`.

    Attributes:
        requests: what was asked, in order.
    """

    def __init__(
        self,
        answers: Iterable[ScriptedAnswer] | str = (),
        *,
        default: ScriptedAnswer | None = None,
        usage: Usage | None = None,
    ) -> None:
        self.answers: deque[ScriptedAnswer] = deque([answers] if isinstance(answers, str) else answers)
        self.requests: list[ChatRequest] = []
        self._default = default
        self._usage = usage

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """Return the next answer of the script."""
        self.requests.append(request)
        if not self.answers and self._default is None:
            raise ScriptExhausted(f"the script has no answer for request {len(self.requests)}")
        answer = self.answers.popleft() if self.answers else self._default
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, ChatResponse):
            return answer
        message = answer if isinstance(answer, ChatMessage) else ChatMessage("assistant", answer)
        return ChatResponse(message=message, usage=self._usage)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        """Give the next answer word by word."""
        response = await self.respond(request)
        for part in response.message.contents:
            if isinstance(part, TextContent):
                for word in re.findall(r"\s*\S+|\s+$", part.text):
                    yield ChatUpdate(contents=[TextContent(word)])
            else:
                yield ChatUpdate(contents=[part])
        yield ChatUpdate(usage=response.usage, finish_reason=response.finish_reason)


def call(name: str, arguments: str | dict[str, object] | None = None, *, call_id: str = "call_1") -> ChatMessage:
    """Return an assistant's message that calls one function."""
    return ChatMessage("assistant", [FunctionCallContent(call_id, name, arguments or {})])
