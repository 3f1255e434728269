"""A chat client that gives the answers of a script, for tests without a network.

It records every request, so that a test can check the messages that a model would have got.
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
    """Raised when the client gets more requests than its script has answers."""


class ScriptedChatClient(ChatClient):
    """A chat client that gives the answers of a script, one after the other.

    Args:
        answers: the script. An answer is a text, a message (for example one that calls functions, see `call`), a
            `ChatResponse`, an exception to raise, or a function that gets the request and returns an answer.
        default: the answer to every request after the end of the script. Without a default, such a request raises
            `ScriptExhausted`.
        usage: the token usage that each answer reports, unless the answer is a `ChatResponse`.

    Attributes:
        answers: the answers that are left; a test may add more.
        requests: all requests in the order in which they came.
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
        """Return the next answer of the script.

        Raises:
            ScriptExhausted: the script is at its end and there is no default.
        """
        self.requests.append(request)
        if not self.answers and self._default is None:
            raise ScriptExhausted(
                f"the script has no answer for request {len(self.requests)}: add an answer, or give a default"
            )
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
        """Yield the next answer of the script word by word."""
        response = await self.respond(request)
        for part in response.message.contents:
            if isinstance(part, TextContent):
                for word in re.findall(r"\s*\S+|\s+$", part.text):
                    yield ChatUpdate(contents=[TextContent(word)])
            else:
                yield ChatUpdate(contents=[part])
        yield ChatUpdate(usage=response.usage, finish_reason=response.finish_reason)


def call(name: str, arguments: str | dict[str, object] | None = None, *, call_id: str = "call_1") -> ChatMessage:
    """Return an assistant's message that calls one function, for a script.

    Args:
        name: the function's name.
        arguments: the arguments, as a dictionary or as the text that a model would write; None for no arguments.
        call_id: the id of the call. Two calls in one turn need different ids.
    """
    return ChatMessage("assistant", [FunctionCallContent(call_id, name, arguments or {})])
