"""A chat client for summaries without a language model: it keeps the sentences in which a user states facts."""

from __future__ import annotations

from recuerda.agent.chat import ChatRequest, ChatResponse
from recuerda.agent.client import ChatClient
from recuerda.messages.message import ChatMessage
from recuerda.offline.facts import learn
from recuerda.offline.sentences import sentences

_SAID_BY_USER = "user: "
_SAID_BY_ASSISTANT = ("assistant: ", "tool: ")


class OfflineNotesClient(ChatClient):
    """A chat client that summarizes conversations for a `Summarizer` without a language model.

    It keeps the user's sentences in which `OfflineChatClient` finds facts, word for word. If two facts are of the
    same kind, it keeps the later one. The same request always gets the same notes.
    """

    async def respond(self, request: ChatRequest) -> ChatResponse:
        """Return the notes: one sentence for each fact."""
        told = [line for message in request.messages for line in message.text.splitlines()]
        lines = [line.removeprefix(_SAID_BY_USER) for line in told if not line.startswith(_SAID_BY_ASSISTANT)]
        kept: dict[str, str] = {}
        for sentence in (sentence for line in lines for sentence in sentences(line)):
            for fact in learn([sentence]):
                kept.pop(fact.kind, None)
                kept[fact.kind] = sentence.text
        text = "\n".join(f"{sentence}." for sentence in kept.values()) or "-"
        return ChatResponse(message=ChatMessage("assistant", text), finish_reason="stop")
