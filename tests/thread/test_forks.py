"""Copies of a thread, and turns taken back."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from recuerda import (
    ChatMessageStore,
    InvalidInput,
    MemoryStorage,
    NewTurn,
    Storage,
    ThreadConflict,
    ThreadInfo,
    ThreadNotFound,
    ThreadOwnershipError,
    ThreadParent,
)
from recuerda.copying import copy_threads
from recuerda.sqlite import SQLiteStorage
from recuerda.storage import Blob
from tests.conversation import exchange, texts


@pytest.fixture
async def store(storage: Storage) -> ChatMessageStore:
    store = ChatMessageStore(storage=storage, thread_id="t")
    for name in ("one", "two", "three"):
        await store.add_messages(exchange(name))
    return store


async def test_a_fork_starts_as_a_copy_and_goes_its_own_way(store: ChatMessageStore) -> None:
    fork = await store.fork()
    await fork.add_messages(exchange("fork"))
    await store.add_messages(exchange("main"))
    assert texts(await fork.list_messages())[-4:] == ["three", "three!", "fork", "fork!"]
    assert texts(await store.list_messages())[-4:] == ["three", "three!", "main", "main!"]


async def test_a_fork_can_end_at_an_earlier_turn(store: ChatMessageStore) -> None:
    fork = await store.fork(through=2, thread_id="copy")
    assert fork.thread_id == "copy"
    assert texts(await fork.list_messages()) == ["one", "one!", "two", "two!"]


async def test_a_fork_keeps_the_turns_ids_and_times(store: ChatMessageStore) -> None:
    fork = await store.fork()
    assert [(turn.id, turn.created_us) for turn in await fork.list_turns()] == [
        (turn.id, turn.created_us) for turn in await store.list_turns()
    ]


async def test_a_fork_from_a_turn_that_is_not_there_is_refused(store: ChatMessageStore) -> None:
    for turn in (0, 4, -1, "unknown"):
        with pytest.raises(InvalidInput, match="has no turn"):
            await store.fork(through=turn, thread_id="copy")
        with pytest.raises(InvalidInput, match="has no turn"):
            await store.fork(before=turn, thread_id="copy")
    assert await store.storage.head("copy") is None


async def test_a_fork_leaves_before_a_turn_named_in_any_way(store: ChatMessageStore) -> None:
    await store.undo(number=2)
    await store.add_messages(exchange("four"))
    await store.storage.summarize("t", b"sum", through=3)
    await store.add_messages(exchange("five"))
    turns = await store.list_turns()
    for place, turn in enumerate(turns):
        for named in (turn, turn.id, turn.number):
            before, through = await store.fork(before=named), await store.fork(through=named)
            assert [one.id for one in await before.list_turns()] == [one.id for one in turns[:place]]
            assert [one.id for one in await through.list_turns()] == [one.id for one in turns[: place + 1]]


async def test_a_fork_knows_where_it_left_its_parent(store: ChatMessageStore) -> None:
    first, second, _ = await store.list_turns()
    incarnation = (await info_of(store)).incarnation
    empty, fork = await store.fork(before=first), await store.fork(before=3)
    assert (await info_of(empty)).parent == ThreadParent(thread_id="t", incarnation=incarnation)
    assert (await info_of(fork)).parent == ThreadParent(
        thread_id="t", incarnation=incarnation, turn_id=second.id, number=2, turns=2
    )
    assert (await info_of(await fork.fork())).parent == ThreadParent(
        thread_id=fork.thread_id, incarnation=(await info_of(fork)).incarnation, turn_id=second.id, number=2, turns=2
    )


async def test_a_fork_keeps_user_and_metadata_and_each_user_their_own(storage: Storage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t", user_id="ana")
    await store.add_messages(exchange("one"))
    await storage.update_thread("t", metadata={"folder": "work"}, tags=["blue"], archived=True)
    for fork in (await store.fork(before=1), await ChatMessageStore(storage=storage, thread_id="t").fork()):
        assert fork.user_id == "ana"
        info = await info_of(fork)
        assert (info.user_id, info.metadata, info.tags) == ("ana", {"folder": "work"}, ("blue",))
        assert not info.archived
    with pytest.raises(ThreadOwnershipError):
        await ChatMessageStore(storage=storage, thread_id="t", user_id="bob").fork(thread_id="bobs")
    assert await storage.head("bobs") is None


async def test_a_made_title_goes_to_the_fork_with_its_turn_only(store: ChatMessageStore) -> None:
    await store.undo(number=1)
    await store.add_messages(exchange("four"))
    assert (await info_of(store)).title == "four"
    whole, part = await store.fork(), await store.fork(before=5)
    assert ((await info_of(whole)).title, (await info_of(part)).title) == ("four", None)
    await part.add_messages(exchange("five"))
    await whole.undo()
    assert ((await info_of(whole)).title, (await info_of(part)).title) == (None, "five")
    await store.storage.update_thread("t", title="Chosen")
    assert (await info_of(await store.fork(before=2))).title == "Chosen"


async def test_a_repeated_fork_returns_the_fork_as_it_is_now(store: ChatMessageStore) -> None:
    fork = await store.fork(before=3, thread_id="fork")
    await fork.undo()
    await fork.add_messages(exchange("mine"))
    again = await store.fork(before=3, thread_id="fork")
    assert texts(await again.list_messages()) == ["one", "one!", "mine", "mine!"]
    with pytest.raises(ThreadConflict):
        await store.fork(before=2, thread_id="fork")


async def test_a_fork_of_all_turns_is_repeated_as_it_was_begun(store: ChatMessageStore) -> None:
    await store.fork(thread_id="fork")
    await store.add_messages(exchange("four"))
    again = await store.fork(thread_id="fork")
    assert texts(await again.list_messages())[-2:] == ["three", "three!"]
    await store.undo(number=3)
    again = await store.fork(thread_id="fork")
    assert texts(await again.list_messages())[-2:] == ["three", "three!"]


async def test_a_fork_that_was_interrupted_is_completed(store: ChatMessageStore, storage: Storage) -> None:
    parent = (await info_of(await store.fork())).parent
    records = (await storage.read("t")).records
    for copied in (0, 1, 2):
        await storage.update_thread(f"fork{copied}", parent=parent, title="one", title_turn=1)
        await storage.append_all(f"fork{copied}", [record.as_new_turn() for record in records[:copied]])
        fork = await store.fork(thread_id=f"fork{copied}")
        assert texts(await fork.list_messages()) == texts(await store.list_messages())


async def test_a_fork_is_completed_where_its_parent_was_copied(store: ChatMessageStore) -> None:
    await store.undo(number=1)
    await store.add_messages(exchange("four"))
    fork = await store.fork(before=5)
    elsewhere = MemoryStorage()
    assert [one.problem async for one in copy_threads(store.storage, elsewhere)] == [None, None]
    there = ChatMessageStore(storage=elsewhere, thread_id="t")
    info = await elsewhere.head(fork.thread_id)
    assert info is not None
    assert info.parent is not None
    assert (info.parent.number, info.parent.turns) == (2, 2)
    again = await there.fork(before=3, thread_id=fork.thread_id)
    assert texts(await again.list_messages()) == ["two", "two!", "three", "three!"]
    assert [one.id for one in await there.list_branches()] == [fork.thread_id]


async def test_a_fork_that_cannot_be_completed_is_refused(store: ChatMessageStore, storage: Storage) -> None:
    parent = (await info_of(await store.fork())).parent
    await storage.update_thread("other", parent=parent)
    await ChatMessageStore(storage=storage, thread_id="other").add_messages(exchange("mine"))
    await storage.update_thread("late", parent=parent)
    await storage.append("taken", NewTurn(body=b"x", message_count=1))
    for taken in (store.thread_id, "taken"):
        with pytest.raises(ThreadConflict, match=f"'{taken}' is there already and is not this fork"):
            await store.fork(thread_id=taken)
    with pytest.raises(ThreadConflict, match="was not completed"):
        await store.fork(thread_id="other")
    await store.undo(number=1)
    with pytest.raises(ThreadConflict, match="was not completed"):
        await store.fork(thread_id="late")
    assert texts(await ChatMessageStore(storage=storage, thread_id="other").list_messages()) == ["mine", "mine!"]
    assert (await storage.read("late")).records == ()


async def test_a_fork_of_an_earlier_life_of_its_parent_is_refused(store: ChatMessageStore) -> None:
    fork = await store.fork(thread_id="fork")
    await store.clear()
    await store.add_messages(exchange("one"))
    with pytest.raises(ThreadConflict):
        await store.fork(thread_id="fork")
    assert len(await fork.list_turns()) == 3


async def test_the_branches_of_a_users_thread_are_looked_for_among_the_users_threads(storage: Storage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t", user_id="ana")
    await store.add_messages(exchange("one"))
    kept, given = await store.fork(), await store.fork()
    await storage.update_thread(given.thread_id, user_id="bob")
    for view in (store, ChatMessageStore(storage=storage, thread_id="t")):
        assert [info.id for info in await view.list_branches()] == [kept.thread_id]


async def test_a_fork_has_the_blobs_of_its_turns(tmp_path: Path) -> None:
    for storage in (MemoryStorage(), SQLiteStorage(tmp_path / "threads.db")):
        async with storage:
            for i in range(20):
                blobs = tuple(Blob.of(f"{i} {j}".encode()) for j in range(i % 4))
                await storage.append("t", NewTurn(body=b"{}", message_count=1, blobs=blobs))
            fork = await ChatMessageStore(storage=storage, thread_id="t").fork(thread_id="fork")
            there, here = await storage.read("fork", blobs=None), await storage.read("t", blobs=None)
            assert (there.blobs, len(there.blobs)) == (here.blobs, 30)
            assert [record.blobs for record in there.records] == [record.blobs for record in here.records]
            await storage.delete("t")
            assert (await storage.read(fork.thread_id, blobs=None)).blobs == here.blobs


async def test_forks_share_the_bytes_of_files_in_sqlite_until_the_last_one_is_gone(tmp_path: Path) -> None:
    def stored() -> int:
        with closing(sqlite3.connect(tmp_path / "threads.db")) as database:
            return database.execute("SELECT count(*) FROM blobs").fetchone()[0]

    async with SQLiteStorage(tmp_path / "threads.db") as storage:
        picture = Blob.of(b"a picture")
        await storage.append("t", NewTurn(body=b"{}", message_count=1, blobs=(picture,)), user_id="ana")
        store = ChatMessageStore(storage=storage, thread_id="t")
        forks = [await store.fork() for _ in range(3)]
        of_fork = await forks[0].fork()
        given = await store.fork(before=1)
        await storage.update_thread(given.thread_id, user_id="bob")
        assert stored() == 1
        await storage.append(given.thread_id, NewTurn(body=b"{}", message_count=1, blobs=(picture,)))
        assert stored() == 2
        await storage.erase_user("bob")
        assert stored() == 1
        for thread_id in ("t", *(fork.thread_id for fork in forks)):
            await storage.delete(thread_id)
            assert (await storage.read(of_fork.thread_id, blobs=None)).blobs == {picture.digest: picture.data}
        await of_fork.undo()
        assert stored() == 0


async def test_the_branches_of_a_thread_can_be_listed(store: ChatMessageStore) -> None:
    assert await store.list_branches() == []
    first, second = await store.fork(before=2), await store.fork()
    of_second = await second.fork()
    await store.storage.update_thread(first.thread_id, archived=True)
    assert [info.id for info in await store.list_branches()] == [first.thread_id, second.thread_id]
    assert [info.id for info in await second.list_branches()] == [of_second.thread_id]
    await store.clear()
    await store.add_messages(exchange("another life"))
    assert await store.list_branches() == []


async def test_a_fork_begins_with_its_settings_in_one_write_and_then_copies(store: ChatMessageStore) -> None:
    counting = Counting()
    there = ChatMessageStore(storage=counting, thread_id="t")
    await there.import_jsonl(await store.export_jsonl())
    counting.calls.clear()
    await there.fork(before=3)
    assert counting.calls == ["_read", "_read", "_update", "_append_all"]


class Counting(MemoryStorage):
    """A storage that notes the hooks that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> object:
        if name in ("_read", "_update", "_append_all"):
            self.calls.append(name)
        return super().__getattribute__(name)


async def info_of(store: ChatMessageStore) -> ThreadInfo:
    info = await store.info()
    assert info is not None
    return info


async def test_a_fork_from_a_turn_that_was_undone_is_refused(store: ChatMessageStore) -> None:
    await store.undo()
    await store.add_messages(exchange("four"))
    with pytest.raises(InvalidInput, match="has no turn 3"):
        await store.fork(through=3)
    fork = await store.fork()
    assert texts(await fork.list_messages())[-2:] == ["four", "four!"]


async def test_a_fork_onto_a_thread_that_has_turns_is_refused(store: ChatMessageStore, storage: Storage) -> None:
    taken = ChatMessageStore(storage=storage, thread_id="taken")
    await taken.add_messages(exchange("mine"))
    for thread_id in ("taken", "t"):
        with pytest.raises(ThreadConflict):
            await store.fork(thread_id=thread_id)
    assert texts(await taken.list_messages()) == ["mine", "mine!"]


async def test_a_thread_that_does_not_exist_cannot_be_forked(storage: Storage) -> None:
    with pytest.raises(ThreadNotFound):
        await ChatMessageStore(storage=storage, thread_id="nobody").fork()


async def test_a_fork_keeps_the_title(store: ChatMessageStore) -> None:
    info = await (await store.fork()).info()
    assert info is not None
    assert info.title == "one"


async def test_an_undo_gives_the_turn_back(store: ChatMessageStore) -> None:
    undone = await store.undo()
    assert undone is not None
    assert texts(undone.messages) == ["three", "three!"]
    assert texts(await store.list_messages()) == ["one", "one!", "two", "two!"]


async def test_undoing_everything_leaves_an_empty_thread(store: ChatMessageStore) -> None:
    while await store.undo():
        pass
    assert await store.list_messages() == []
    await store.add_messages(exchange("again"))
    assert texts(await store.list_messages()) == ["again", "again!"]


async def test_there_is_nothing_to_undo_in_a_thread_that_does_not_exist(storage: Storage) -> None:
    assert await ChatMessageStore(storage=storage).undo() is None
