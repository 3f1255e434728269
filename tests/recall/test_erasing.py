"""What is erased in the storage is gone from the index: told by the storage, or found without a search."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from recuerda import AgentThread, ChatMessageStore
from recuerda.recall import FactExtractor, Progress, RecallProvider
from recuerda.recall.checking import CHECK_EVERY, CHECKED_PER_TURN
from recuerda.recall.index import RecallIndex, ThreadUpdate
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.erasure import Forgotten
from recuerda.storage.ram import MemoryStorage
from recuerda.testing.scripted import ScriptedChatClient
from tests.conversation import Counts
from tests.recall.talking import pair, say
from tests.recall.test_facts import finds
from tests.recall.test_meaning import Meanings


async def taught(recall: RecallProvider, storage: SQLiteStorage | MemoryStorage, thread_id: str, user_id: str) -> None:
    """Say something in a thread, as an agent's run does."""
    store = ChatMessageStore(storage=storage, thread_id=thread_id, user_id=user_id)
    await store.add_messages(pair(f"I collect amber in {thread_id}."))
    await recall.invoked([], [], thread=AgentThread(message_store=store))


async def ben_goes_on(recall: RecallProvider, storage: SQLiteStorage | MemoryStorage, turns: int) -> None:
    for number in range(turns):
        await taught(recall, storage, f"ben {number}", "ben")
    await recall.flush()


async def test_erasing_a_user_erases_the_users_messages_vectors_and_facts_at_once(storage: SQLiteStorage) -> None:
    finder = ScriptedChatClient(default=finds({"text": "They collect amber."}))
    recall = RecallProvider(storage=storage, embedder=Meanings(), facts=FactExtractor(finder))
    for user_id in ("ana", "ben"):
        await taught(recall, storage, f"of {user_id}", user_id)
    await recall.flush()
    receipt = await storage.erase_user("ana")
    assert receipt.followers == (Forgotten(name="RecallProvider", outcome="removed", items=3),)
    stats = await recall.stats()
    assert (stats.scopes, stats.threads, stats.documents, stats.vectors) == (1, 1, 2, 2)
    assert await recall.facts(user_id="ana", has_history=True) == []
    assert len(await recall.facts(user_id="ben")) == 1
    again = await storage.erase_user("ana")
    assert again.followers == (Forgotten(name="RecallProvider", outcome="nothing"),)
    await recall.close()


async def test_a_provider_that_knows_its_storage_follows_it_before_its_first_run(storage: SQLiteStorage) -> None:
    before = RecallProvider(storage=storage)
    await taught(before, storage, "one", "ana")
    await before.close()
    recall = RecallProvider(storage=storage)
    receipt = await storage.erase_user("ana")
    assert [answer.outcome for answer in receipt.followers] == ["removed"]
    assert (await recall.stats()).threads == 0
    await recall.close()


async def test_a_users_view_of_a_storage_tells_the_index_too(storage: SQLiteStorage) -> None:
    recall = RecallProvider()
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    await store.add_messages(pair("I collect amber."))
    await recall.invoked([], [], thread=AgentThread(message_store=store))
    await store.clear()
    assert (await recall.stats()).documents == 0
    await recall.close()


async def test_a_thread_of_nobody_that_was_followed_for_a_user_is_erased_with_the_user(storage: SQLiteStorage) -> None:
    recall = RecallProvider(storage=storage, user_id="ana")
    store = ChatMessageStore(storage=storage, thread_id="nobody's")
    await store.add_messages(pair("I collect amber."))
    await recall.invoked([], [], thread=AgentThread(message_store=store))
    assert (await storage.erase_user("ana")).followers[0].items == 2
    assert (await recall.stats()).documents == 0
    await recall.close()


async def test_a_deletion_forgets_the_list_of_forgotten_turns(storage: SQLiteStorage) -> None:
    recall = RecallProvider(storage=storage)
    await taught(recall, storage, "one", "ana")
    await recall.forget(thread="one")
    assert (await recall.stats()).forgotten == 1
    await storage.delete("one")
    assert (await recall.stats()).forgotten == 0
    await recall.close()


async def test_the_receipt_counts_what_the_provider_removed_by_itself_during_the_erasure(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    recall = RecallProvider(storage=storage)
    await taught(recall, storage, "one", "ana")
    index = recall._of().index  # pyright: ignore[reportPrivateUsage] - to check the threads at this very moment
    erase = index.erase

    async def check_and_erase(thread_ids: Sequence[str], scope: str | None) -> int:
        monkeypatch.undo()
        assert await recall._of().check() == 1  # pyright: ignore[reportPrivateUsage]
        return await erase(thread_ids, scope)

    monkeypatch.setattr(index, "erase", check_and_erase)
    (answer,) = (await storage.erase_user("ana")).followers
    assert (answer.outcome, answer.items) == ("removed", 2)
    await recall.close()


async def test_a_closed_provider_is_not_told(storage: SQLiteStorage) -> None:
    recall = RecallProvider(storage=storage)
    await taught(recall, storage, "one", "ana")
    await recall.close()
    assert (await storage.erase_user("ana")).followers == ()


async def test_threads_that_another_process_erased_are_found_without_a_search(
    storage: SQLiteStorage, elsewhere: SQLiteStorage
) -> None:
    recall = RecallProvider()
    await taught(recall, storage, "ana 1", "ana")
    await elsewhere.erase_user("ana")
    await ben_goes_on(recall, storage, CHECK_EVERY)
    assert (await recall.stats()).scopes == 1
    assert (await recall.stats()).threads == CHECK_EVERY
    await recall.close()


async def test_turns_that_another_process_removed_are_found_without_a_search(
    storage: SQLiteStorage, elsewhere: SQLiteStorage
) -> None:
    recall = RecallProvider()
    for _ in range(2):
        await taught(recall, storage, "ana 1", "ana")
    await elsewhere.undo("ana 1")
    await ben_goes_on(recall, storage, CHECK_EVERY)
    assert (await recall.stats()).documents == 2 + 2 * CHECK_EVERY
    await recall.close()


async def test_all_threads_are_checked_in_turn_also_across_providers(
    storage: SQLiteStorage, elsewhere: SQLiteStorage
) -> None:
    recall = RecallProvider(storage=storage)
    for number in range(3 * CHECKED_PER_TURN):
        await say(storage, f"ana {number:02}", *pair("I collect amber."))
    await recall.catch_up()
    await recall.close()
    await elsewhere.erase_user("ana")
    for left in (3 * CHECKED_PER_TURN, 2 * CHECKED_PER_TURN, CHECKED_PER_TURN, 0):
        provider = RecallProvider(storage=storage)
        assert (await provider.stats()).threads - await _of_zoe(provider) == left
        await taught(provider, storage, "zoe's", "zoe")
        await provider.close()


async def _of_zoe(provider: RecallProvider) -> int:
    return len(await provider._of().index.followed("user:zoe"))  # pyright: ignore[reportPrivateUsage] - what is kept


async def test_a_turn_waits_for_no_check(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    recall = RecallProvider(storage=storage)
    await ben_goes_on(recall, storage, CHECK_EVERY - 1)
    counts = Counts(storage, monkeypatch)
    await taught(recall, storage, "ben last", "ben")
    assert counts.taken() == ([1], 1)
    await recall.flush()
    assert len(counts.reads) == CHECK_EVERY
    await recall.close()


async def test_a_check_that_fails_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    storage = MemoryStorage()
    recall = RecallProvider(storage=storage)
    await ben_goes_on(recall, storage, 3)
    await storage.close()
    await recall.close()
    assert caplog.records == []


async def test_catching_up_removes_all_threads_that_are_gone(storage: SQLiteStorage, elsewhere: SQLiteStorage) -> None:
    recall = RecallProvider(storage=storage)
    for user_id in ("ana", "ben", "cleo"):
        await taught(recall, storage, f"of {user_id}", user_id)
    await recall.forget(thread="of cleo")
    for user_id in ("ana", "cleo"):
        await elsewhere.erase_user(user_id)
    assert await recall.catch_up() == Progress(threads=1, messages=0)
    stats = await recall.stats()
    assert (stats.scopes, stats.threads, stats.documents, stats.forgotten) == (1, 1, 2, 0)
    await recall.close()


async def test_a_thread_in_another_storage_of_this_process_is_not_taken_for_gone() -> None:
    first, second = MemoryStorage(), MemoryStorage()
    recall = RecallProvider(storage=first)
    await taught(recall, second, "in the second", "ana")
    await ben_goes_on(recall, first, CHECK_EVERY)
    await recall.catch_up()
    assert (await recall.stats()).threads == 1 + CHECK_EVERY
    await recall.close()


async def test_a_users_view_as_storage_leaves_other_users_threads_in_the_index(storage: SQLiteStorage) -> None:
    everybodys = RecallProvider(storage=storage)
    await taught(everybodys, storage, "one", "ana")
    await taught(everybodys, storage, "two", "ben")
    anas = RecallProvider(everybodys._of().index, storage=storage.for_user("ana"))  # pyright: ignore[reportPrivateUsage] - to share it
    await anas.catch_up()
    assert (await everybodys.stats()).threads == 2
    await anas.close()
    await everybodys.close()


async def test_an_erasure_while_a_thread_is_being_added_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = MemoryStorage()
    recall = RecallProvider(storage=storage)
    index = recall._of().index  # pyright: ignore[reportPrivateUsage] - to stop within an update
    apply = index.apply

    async def erase_and_apply(update: ThreadUpdate) -> bool:
        monkeypatch.undo()
        await storage.erase_user("ana")
        return await apply(update)

    monkeypatch.setattr(index, "apply", erase_and_apply)
    await taught(recall, storage, "one", "ana")
    assert (await recall.stats()).documents == 0
    await recall.close()


async def test_the_receipt_says_that_the_index_cannot_be_reached(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recuerda.errors import StorageUnavailable

    recall = RecallProvider(storage=storage)
    await taught(recall, storage, "one", "ana")
    index: RecallIndex = recall._of().index  # pyright: ignore[reportPrivateUsage] - to break it

    async def is_away(*arguments: object) -> int:
        raise StorageUnavailable("the index is away")

    monkeypatch.setattr(index, "erase", is_away)
    (answer,) = (await storage.erase_user("ana")).followers
    assert (answer.outcome, answer.problem) == ("not reachable", "the index is away")
    monkeypatch.undo()
    await recall.catch_up()
    assert (await recall.stats()).documents == 0
    await recall.close()
