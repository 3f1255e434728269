"""Chats between a user and an assistant: the user's words are the evidence, replies speak for them."""

from datetime import UTC, datetime, timedelta

from recuerda import ChatMessage
from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from tests.recall.chats import CHATS, PADDING, QUESTIONS
from tests.recall.talking import say


async def tell(storage: SQLiteStorage, *, in_one_thread: bool) -> dict[tuple[str, int], tuple[str, int]]:
    """Say everything, and return in which turn each exchange is."""
    places: dict[tuple[str, int], tuple[str, int]] = {}
    for number, (name, exchanges) in enumerate(CHATS.items()):
        thread = "all" if in_one_thread else name
        for place, (question, answer) in enumerate(exchanges):
            at = datetime(2026, 1, 5 + 7 * number, tzinfo=UTC) + timedelta(minutes=3 * place)
            messages = (ChatMessage("user", question), ChatMessage("assistant", f"{answer} {PADDING}"))
            places[name, place] = thread, await say(storage, thread, *messages, at=at)
    return places


async def ranks(storage: SQLiteStorage, recall: RecallProvider, *, in_one_thread: bool) -> list[int]:
    """Return at which rank the evidence of each question comes."""
    places = await tell(storage, in_one_thread=in_one_thread)
    found_at: list[int] = []
    for question, name, place, role in QUESTIONS:
        found = await recall.search(question, limit=50)
        keys = [(memory.thread_id, memory.turn, memory.role) for memory in found]
        found_at.append(keys.index((*places[name, place], role)) + 1)
    return found_at


async def test_the_evidence_comes_first_or_nearly_so(storage: SQLiteStorage, recall: RecallProvider) -> None:
    found_at = await ranks(storage, recall, in_one_thread=False)
    assert sum(rank == 1 for rank in found_at) >= 0.85 * len(found_at)
    assert max(found_at) <= 3


async def test_it_does_so_too_when_everything_is_one_thread(storage: SQLiteStorage, recall: RecallProvider) -> None:
    found_at = await ranks(storage, recall, in_one_thread=True)
    assert sum(rank == 1 for rank in found_at) >= 0.85 * len(found_at)
    assert max(found_at) <= 3
