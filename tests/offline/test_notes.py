"""The offline summarizer keeps what users tell, word for word."""

import pytest

from recuerda import ChatMessage, ChatRequest
from recuerda.offline import OfflineChatClient, OfflineNotesClient
from recuerda.window.summary import INTRODUCTION


async def notes(text: str) -> str:
    response = await OfflineNotesClient().respond(ChatRequest(messages=[ChatMessage("user", text)]))
    return response.message.text


@pytest.mark.parametrize(
    ("transcript", "kept"),
    [
        ("user: My name is Riker.\nassistant: My name is Bot.\nuser: Nice weather.", "My name is Riker."),
        ("Notes so far:\n\nI live in Lima.\n\nuser: I live in Oslo.", "I live in Oslo."),
        ("user: Me llamo Ana y vivo en Lima.", "Me llamo Ana.\nvivo en Lima."),
        ("user: hello", "-"),
    ],
)
async def test_facts_are_kept_and_the_later_counts(transcript: str, kept: str) -> None:
    assert await notes(transcript) == kept


async def test_the_stand_in_knows_what_a_summary_tells() -> None:
    instructions = f"Be kind.\n\n{INTRODUCTION}\n\n{await notes('user: My name is Riker.')}"
    request = ChatRequest(messages=[ChatMessage("user", "What is my name?")], instructions=instructions)
    assert (await OfflineChatClient().respond(request)).message.text == "Your name is Riker."
