"""The parts that providers of long-term memory share."""

from collections.abc import Sequence

import pytest

from recuerda import AgentThread, ChatMessage, ContextProvider
from recuerda.errors import ConfigurationError, ProviderError, ThreadOwnershipError
from recuerda.providers import Deferred
from recuerda.providers.remembering import (
    check_one_thread_scope,
    check_thread_user,
    follow_storage,
    input_text,
    quotes_below,
    raise_failures,
    user_of,
)
from recuerda.storage import MemoryStorage
from recuerda.threads.store import ChatMessageStore


def thread_of(user_id: str | None) -> AgentThread:
    return AgentThread(message_store=ChatMessageStore(storage=MemoryStorage(), thread_id="t", user_id=user_id))


def test_the_input_is_the_users_texts_without_blank_ones() -> None:
    messages = [
        ChatMessage("system", "Be brief."),
        ChatMessage("user", " My dog barks. "),
        ChatMessage("user", "\n"),
        ChatMessage("assistant", "Does it?"),
        ChatMessage("user", "Why?"),
    ]
    assert input_text(messages) == "My dog barks.\nWhy?"
    assert input_text(messages[:1]) == ""


def test_quotes_stop_where_the_next_one_does_not_fit() -> None:
    assert quotes_below("P", ["aa", "bb", "c"], max_characters=4) == "P\naa\nbb"
    assert quotes_below("P", ["aaaaaa", "b"], max_characters=4) == "P\naaaaaa"
    assert quotes_below("P", [], max_characters=4) == "P"


def test_a_thread_of_another_user_is_refused_with_the_next_step() -> None:
    with pytest.raises(ThreadOwnershipError, match=r"another user.*user_id='ana'; make another one"):
        check_thread_user(thread_of("ben"), "ana", advice="make another one")
    check_thread_user(thread_of("ana"), "ana", advice="")
    check_thread_user(thread_of(None), "ana", advice="")
    check_thread_user(thread_of("ben"), None, advice="")


async def test_a_thread_that_was_opened_without_a_user_belongs_to_its_stored_owner() -> None:
    storage = MemoryStorage()
    bens = ChatMessageStore(storage=storage, thread_id="t", user_id="ben")
    await bens.add_messages([ChatMessage("user", "Hello.")])
    store = ChatMessageStore(storage=storage, thread_id="t")
    thread = AgentThread(message_store=store)
    assert user_of(thread) is None
    await store.refresh()
    assert user_of(thread) == "ben"
    with pytest.raises(ThreadOwnershipError, match="another user"):
        check_thread_user(thread, "ana", advice="")


async def test_memories_are_told_which_users_the_threads_storage_erases() -> None:
    class Memories:
        name = "memories"

        def __init__(self) -> None:
            self.forgotten: list[tuple[tuple[str, ...], str | None]] = []

        async def forget(self, thread_ids: Sequence[str], *, user_id: str | None) -> int:
            self.forgotten.append((tuple(thread_ids), user_id))
            return len(thread_ids)

    storage, memories = MemoryStorage(), Memories()
    store = ChatMessageStore(storage=storage, thread_id="t", user_id="ana")
    follow_storage(AgentThread(message_store=store), memories)
    await store.add_messages([ChatMessage("user", "Hello.")])
    receipt = await storage.erase_user("ana")
    assert memories.forgotten == [(("t",), "ana")]
    assert [(answer.name, answer.outcome, answer.items) for answer in receipt.followers] == [("memories", "removed", 1)]


def test_a_thread_that_a_service_keeps_has_no_storage_to_follow() -> None:
    follow_storage(AgentThread(service_thread_id="s"), object())  # pyright: ignore[reportArgumentType] - never used


def test_two_thread_scopes_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="give only one of them"):
        check_one_thread_scope("t", is_per_thread=True)
    check_one_thread_scope("t", is_per_thread=False)
    check_one_thread_scope(None, is_per_thread=True)


async def test_failures_to_learn_are_reported_once() -> None:
    async def fail() -> None:
        raise ValueError("no room")

    learning = Deferred("memory")
    await learning.start("t", fail)
    await learning.finish()
    with pytest.raises(ProviderError, match=r"earlier turns were not remembered: .*no room"):
        raise_failures(learning)
    raise_failures(learning)


async def test_leaving_a_provider_closes_it() -> None:
    class Closing(ContextProvider):
        is_closed = False

        async def close(self) -> None:
            self.is_closed = True

    async with Closing() as provider:
        assert not provider.is_closed
    assert provider.is_closed
