"""Copies of a thread, and turns taken back."""

import pytest

from recuerda import ChatMessageStore, InvalidInput, Storage, ThreadConflict, ThreadNotFound
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


@pytest.mark.parametrize("through", [0, 4, -1])
async def test_a_fork_from_a_turn_that_is_not_there_is_refused(store: ChatMessageStore, through: int) -> None:
    with pytest.raises(InvalidInput, match="has no turn"):
        await store.fork(through=through, thread_id="copy")
    assert await store.storage.head("copy") is None


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
