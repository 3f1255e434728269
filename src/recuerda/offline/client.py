"""The offline chat client, which connects an agent with the tables of facts and replies."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence

from recuerda.agent.chat import ChatRequest, ChatResponse, ChatUpdate
from recuerda.agent.client import ChatClient
from recuerda.messages.message import ChatMessage, TextContent
from recuerda.offline.answers import answer
from recuerda.offline.facts import learn
from recuerda.offline.language import Language
from recuerda.offline.languages import choose_language
from recuerda.offline.sentences import sentences
from recuerda.window.summary import INTRODUCTION

_WORDS = re.compile(r"\S+\s*|\s+")
_SPEAKS_FOR_ITSELF = ("assistant", "tool")


class OfflineChatClient(ChatClient):
    """A chat client that answers questions about the conversation without a language model.

    It reads the messages of the request, and the summary of older messages in the instructions. It ignores the rest of
    the instructions, tools and options, and the messages of assistants and tools, and it keeps nothing between calls. A
    later fact replaces an earlier one. Only the first 20,000 characters of each message are read. The same request
    always gets the same answer. Answers report no token usage.
    """

    provider_name: str | None = "recuerda.offline"

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """Return the answer, in the language of the last user message."""
        return ChatResponse(message=ChatMessage("assistant", _reply(request)), finish_reason="stop")

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        """Yield the answer word by word."""
        for word in _WORDS.findall(_reply(request)):
            yield ChatUpdate(contents=[TextContent(word)])
        yield ChatUpdate(finish_reason="stop")


def _reply(request: ChatRequest) -> str:
    told = [message for message in request.messages if message.role not in _SPEAKS_FOR_ITSELF]
    _, _, summary = (request.instructions or "").partition(INTRODUCTION)
    told.insert(0, ChatMessage("system", summary))
    asked = next((message.text for message in reversed(told) if message.role == "user"), "")
    facts = learn(sentence for message in told for sentence in sentences(message.text))
    return answer(sentences(asked), facts, _language(told))


def _language(told: Sequence[ChatMessage]) -> Language:
    return choose_language(message.text for message in reversed(told) if message.role == "user")
