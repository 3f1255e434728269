"""A turn that this process has just committed enters the index without being read again, unless something came between.

Each race is forced: the other writer works at the moment at which the index would add the turn.
"""

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from recuerda import AgentThread, ChatMessage, ChatMessageStore, DataContent, TextContent, Turn
from recuerda.encryption import EncryptedStorage, UserKeys
from recuerda.errors import DecryptionError, ThreadOwnershipError
from recuerda.recall import RecallIndex, RecallProvider, SQLiteRecallIndex
from recuerda.recall.index import ThreadUpdate
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ReadQuery, ThreadSlice
from recuerda.storage.view import UserStorage
from tests.recall.talking import pair, say

Action = Callable[[Storage], Awaitable[object]]


def index_of(recall: RecallProvider) -> RecallIndex:
    return recall._of().index  # pyright: ignore[reportPrivateUsage] - to look into it without a search


async def indexed(index: RecallIndex, scope: str = "user:ana") -> list[str]:
    """Return the user's words in the index, in order, as they are: nothing is followed before."""
    keys = sorted(await index.newest(scope, None, 1000))
    documents = await index.documents(keys)
    return [documents[key].text for key in keys if documents[key].role == "user"]


async def held(storage: Storage, thread_id: str = "one") -> list[str]:
    messages = await ChatMessageStore(storage=storage, thread_id=thread_id).list_messages()
    return [message.text for message in messages if message.role == "user"]


async def tell(recall: RecallProvider, store: ChatMessageStore, text: str) -> None:
    """Say something in a thread, as an agent's run does."""
    await store.add_messages(pair(text))
    await recall.invoked([], [], thread=AgentThread(message_store=store))


def records_read(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which each read of the storage adds the number of its records."""
    counts: list[int] = []
    read = storage._read  # pyright: ignore[reportPrivateUsage] - to count

    async def counted(thread_id: str, query: ReadQuery) -> ThreadSlice:
        found = await read(thread_id, query)
        counts.append(len(found.records))
        return found

    monkeypatch.setattr(storage, "_read", counted)
    return counts


def before_the_index_adds(
    index: RecallIndex, monkeypatch: pytest.MonkeyPatch, action: Callable[[], Awaitable[object]]
) -> None:
    """Let another writer work once, after the commit and before the index looks whether it may add the turn."""
    apply = index.apply_checked

    async def act_and_apply(update: ThreadUpdate, storage: Storage, *, first: int) -> bool | None:
        monkeypatch.undo()
        await action()
        return await apply(update, storage, first=first)

    monkeypatch.setattr(index, "apply_checked", act_and_apply)


# -- nothing came between ----------------------------------------------------------------------------------------------


async def test_turns_of_a_handle_are_indexed_without_reading_them(
    storage: SQLiteStorage, recall: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    await tell(recall, store, "I collect amber.")
    counts = records_read(storage, monkeypatch)
    for word in ("basalt", "cobalt"):
        await tell(recall, store, f"I collect {word}.")
    assert sum(counts) == 0
    monkeypatch.undo()
    assert await indexed(index_of(recall)) == ["I collect amber.", "I collect basalt.", "I collect cobalt."]
    before = await recall.search("collect", limit=10)
    await recall.rebuild()
    assert await recall.search("collect", limit=10) == before


async def test_a_turn_in_a_thread_that_was_trimmed_is_not_read_either(
    storage: SQLiteStorage, recall: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    for word in ("amber", "basalt"):
        await tell(recall, store, f"I collect {word}.")
    await store.trim(keep_turns=1)
    await tell(recall, store, "I collect cobalt.")
    counts = records_read(storage, monkeypatch)
    await tell(recall, store, "I collect diamonds.")
    assert sum(counts) == 0
    monkeypatch.undo()
    assert await indexed(index_of(recall)) == await held(storage)


async def test_a_turn_with_a_file_is_indexed_as_it_is_read(storage: SQLiteStorage, recall: RecallProvider) -> None:
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    await tell(recall, store, "I collect amber.")
    await store.refresh()
    parts = [TextContent("This is my basalt."), DataContent(data=b"\x89PNG", media_type="image/png")]
    await store.append(Turn(messages=(ChatMessage("user", parts),)))
    await recall.invoked([], [], thread=AgentThread(message_store=store))
    assert await indexed(index_of(recall)) == ["I collect amber.", "This is my basalt."]


async def test_turns_of_two_handles_are_indexed_in_order(storage: SQLiteStorage, recall: RecallProvider) -> None:
    one, other = (ChatMessageStore(storage=storage, thread_id="one", user_id="ana") for _ in range(2))
    await tell(recall, one, "entry e1")
    await one.add_messages(pair("entry e2"))
    await other.add_messages(pair("entry e3"))
    # The provider hears of the third turn first, and then of the second one, which it has read with the third.
    await recall.invoked([], [], thread=AgentThread(message_store=other))
    await recall.invoked([], [], thread=AgentThread(message_store=one))
    await tell(recall, other, "entry e4")
    assert await indexed(index_of(recall)) == [f"entry e{number}" for number in range(1, 5)]


async def test_a_forgotten_turn_is_not_indexed(
    storage: SQLiteStorage, recall: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    await tell(recall, store, "I collect amber.")
    other = RecallProvider(index_of(recall), storage=storage, user_id="ana")
    before_the_index_adds(index_of(recall), monkeypatch, lambda: other.forget(thread="one"))
    await tell(recall, store, "I collect basalt.")
    assert await indexed(index_of(recall)) == []
    await tell(recall, store, "I collect cobalt.")
    assert await indexed(index_of(recall)) == ["I collect cobalt."]


# -- another writer came between ---------------------------------------------------------------------------------------


async def replaced(storage: Storage) -> None:
    turn = Turn(messages=tuple(pair("I collect diamonds.")))
    await ChatMessageStore(storage=storage, thread_id="one").append(turn, replaces=2)


async def begun_anew(storage: Storage) -> None:
    await storage.delete("one")
    for word in ("diamonds", "emeralds"):
        await say(storage, "one", *pair(f"I collect {word}."))


async def rated(storage: Storage) -> None:
    await ChatMessageStore(storage=storage, thread_id="one").update_turn(2, metadata={"rating": 5})


async def undone_and_said(storage: Storage) -> None:
    await storage.undo("one")
    await say(storage, "one", *pair("I collect diamonds."))


CHANGES: dict[str, Action] = {
    "undo": lambda storage: storage.undo("one"),
    "undo both": lambda storage: storage.undo("one", number=1),
    "undo and say": undone_and_said,
    "replace": replaced,
    "trim": lambda storage: storage.trim("one", keep_turns=1),
    "delete": lambda storage: storage.delete("one"),
    "erase": lambda storage: storage.erase_user("ana"),
    "begin anew": begun_anew,
    "go on": lambda storage: say(storage, "one", *pair("I collect diamonds.")),
    "rate": rated,
    "name": lambda storage: storage.update_thread("one", title="Collections"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_what_another_process_changed_after_the_commit_is_followed(
    change: str,
    storage: SQLiteStorage,
    elsewhere: SQLiteStorage,
    recall: RecallProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    await tell(recall, store, "I collect amber.")
    before_the_index_adds(index_of(recall), monkeypatch, lambda: CHANGES[change](elsewhere))
    await tell(recall, store, "I collect basalt.")
    assert await indexed(index_of(recall)) == await held(elsewhere)
    if change not in ("delete", "erase"):
        await tell(recall, store, "I collect zircon.")
        assert await indexed(index_of(recall)) == await held(elsewhere)


async def test_a_turn_of_a_thread_that_was_given_away_is_not_indexed_for_its_former_user(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, recall: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    await tell(recall, store, "I collect amber.")
    before_the_index_adds(index_of(recall), monkeypatch, lambda: elsewhere.update_thread("one", user_id="ben"))
    with pytest.raises(ThreadOwnershipError):
        await tell(recall, store, "I collect basalt.")
    assert "I collect basalt." not in await indexed(index_of(recall))


async def test_an_erasure_by_this_process_leaves_nothing_in_the_index(
    storage: SQLiteStorage, recall: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    await tell(recall, store, "I collect amber.")
    before_the_index_adds(index_of(recall), monkeypatch, lambda: storage.erase_user("ana"))
    await tell(recall, store, "I collect basalt.")
    assert (await recall.stats()).documents == 0


@pytest.mark.parametrize("change", ["undo", "replace", "delete", "erase", "begin anew", "go on"])
async def test_what_another_process_has_followed_after_the_check_is_not_undone(
    change: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with SQLiteStorage(path) as storage, SQLiteStorage(path) as elsewhere:
        mine, theirs = (RecallProvider(storage=one, user_id="ana") for one in (storage, elsewhere))
        store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
        await tell(mine, store, "I collect amber.")
        index = index_of(mine)
        apply = index.apply

        async def change_and_apply(update: ThreadUpdate) -> bool:
            monkeypatch.undo()
            await CHANGES[change](elsewhere)
            await theirs.catch_up()
            return await apply(update)

        monkeypatch.setattr(index, "apply", change_and_apply)
        await tell(mine, store, "I collect basalt.")
        assert await indexed(index) == await held(elsewhere)
        await theirs.close()
        await mine.close()


async def test_an_erasure_by_this_process_after_the_check_leaves_nothing_in_the_index(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        recall = RecallProvider(storage=storage, user_id="ana")
        store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
        await tell(recall, store, "I collect amber.")
        index = index_of(recall)
        with pytest.MonkeyPatch.context() as patch:
            apply = index.apply

            async def erase_and_apply(update: ThreadUpdate) -> bool:
                patch.undo()
                await storage.erase_user("ana")
                return await apply(update)

            patch.setattr(index, "apply", erase_and_apply)
            await tell(recall, store, "I collect basalt.")
        assert (await recall.stats()).documents == 0
        await recall.close()


# -- encrypted threads -------------------------------------------------------------------------------------------------


async def test_a_turn_of_an_encrypted_thread_is_indexed_only_while_its_key_is_there(
    path: Path, index_path: Path
) -> None:
    keys = {"ana": b"a" * 32, "ben": b"b" * 32}
    async with EncryptedStorage(SQLiteStorage(path), UserKeys(keys)) as storage:
        recall = RecallProvider(index_path, storage=storage, user_id="ana")
        store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
        for word in ("amber", "basalt"):
            await tell(recall, store, f"I collect {word}.")
        assert await indexed(index_of(recall)) == ["I collect amber.", "I collect basalt."]
        await store.add_messages(pair("I collect cobalt."))
        del keys["ana"]
        with contextlib.suppress(DecryptionError):
            await recall.invoked([], [], thread=AgentThread(message_store=store))
        assert await indexed(index_of(recall)) == []
        await recall.close()


async def test_a_view_of_one_users_threads_serves_as_storage(storage: SQLiteStorage) -> None:
    view = storage.for_user("ana")
    assert isinstance(view, UserStorage)
    recall = RecallProvider(SQLiteRecallIndex(":memory:"), storage=view, user_id="ana")
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    for word in ("amber", "basalt"):
        await tell(recall, store, f"I collect {word}.")
    assert await indexed(index_of(recall)) == ["I collect amber.", "I collect basalt."]
    await recall.close()
