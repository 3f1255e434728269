"""A chat client for summaries without a language model: it keeps the sentences in which a user states facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
        kept: dict[str, str] = {}
        for sentence in (sentence for line in _said_by_user(told) for sentence in sentences(line)):
            for fact in learn([sentence]):
                kept.pop(fact.kind, None)
                kept[fact.kind] = sentence.text
        text = "\n".join(f"{sentence}." for sentence in kept.values()) or "-"
        return ChatResponse(message=ChatMessage("assistant", text), finish_reason="stop")


def _said_by_user(lines: Iterable[str]) -> Iterator[str]:
    """Yield the earlier notes and the user's lines. An indented line belongs to the speaker of the line before."""
    is_users = True
    for line in lines:
        if not line.startswith(" "):
            is_users = not line.startswith(_SAID_BY_ASSISTANT)
        if is_users:
            yield line.strip().removeprefix(_SAID_BY_USER)
