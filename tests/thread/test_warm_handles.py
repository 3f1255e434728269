"""A handle that has read a thread reads only what is new, and is never wrong about the rest."""

import pytest

from recuerda import ChatMessageStore, ContextWindow, Storage
from tests.conversation import Counts, exchange, texts


@pytest.fixture
def store(storage: Storage) -> ChatMessageStore:
    return ChatMessageStore(storage=storage, thread_id="t")


@pytest.fixture
def other(another: Storage) -> ChatMessageStore:
    return ChatMessageStore(storage=another, thread_id="t")


async def fill(store: ChatMessageStore, *names: str) -> None:
    for name in names:
        await store.add_messages(exchange(name))


def said(*names: str) -> list[str]:
    return [text for name in names for text in (name, f"{name}!")]


async def test_a_warm_read_gets_only_new_records(
    store: ChatMessageStore, other: ChatMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(other, "one", "two", "three")
    counts = Counts(store.storage, monkeypatch)
    await store.list_messages()
    await store.list_messages()
    await fill(other, "four")
    counts.appends = 0
    assert texts(await store.list_messages()) == said("one", "two", "three", "four")
    assert counts.taken() == ([3, 0, 1], 0)


async def test_a_warm_window_gets_only_new_records(
    store: ChatMessageStore, other: ChatMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(other, *"abcdefgh")
    counts = Counts(store.storage, monkeypatch)
    await store.list_messages(limit=4)
    await fill(other, "i")
    assert texts(await store.list_messages(limit=4)) == said("h", "i")
    assert counts.taken()[0] == [2, 1]


async def test_a_handle_need_not_read_what_it_wrote(store: ChatMessageStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(store, "one")
    await store.list_messages()
    counts = Counts(store.storage, monkeypatch)
    await fill(store, "two")
    assert texts(await store.list_messages()) == said("one", "two")
    assert counts.taken() == ([0], 1)


async def test_a_smaller_window_is_cut_from_a_larger_one(
    store: ChatMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, *"abcd")
    counts = Counts(store.storage, monkeypatch)
    assert texts(await store.list_messages(limit=6)) == said(*"bcd")
    assert texts(await store.list_messages(limit=3)) == said("d")
    assert texts(await store.list_messages(limit=8)) == said(*"abcd")
    assert texts(await store.list_messages(limit=100)) == said(*"abcd")
    assert counts.taken()[0] == [3, 0, 4, 0]


async def test_a_whole_read_after_a_window_is_whole(store: ChatMessageStore) -> None:
    await fill(store, *"abcd")
    await store.list_messages(limit=2)
    assert texts(await store.list_messages()) == said(*"abcd")


@pytest.mark.parametrize("last", [None, 2, 4, 100])
async def test_an_undo_is_seen(store: ChatMessageStore, other: ChatMessageStore, last: int | None) -> None:
    await fill(store, *"abcd")
    await other.list_messages(limit=last)
    await store.undo()
    expected = said(*"abc")
    assert texts(await other.list_messages(limit=last)) == (expected if last is None else expected[-last:])
    await store.undo()
    await fill(store, "e")
    expected = said(*"abe")
    assert texts(await other.list_messages(limit=last)) == (expected if last is None else expected[-last:])


@pytest.mark.parametrize("last", [None, 2, 4, 100])
async def test_a_trim_is_seen(store: ChatMessageStore, other: ChatMessageStore, last: int | None) -> None:
    await fill(store, *"abcd")
    await other.list_messages(limit=last)
    assert await store.trim(keep_turns=2) == 2
    expected = said(*"cd")
    assert texts(await other.list_messages(limit=last)) == (expected if last is None else expected[-last:])


@pytest.mark.parametrize("last", [None, 2])
async def test_a_trim_of_all_that_a_handle_knows_is_seen(
    store: ChatMessageStore, other: ChatMessageStore, last: int | None
) -> None:
    await fill(store, *"ab")
    await other.list_messages(limit=last)
    await fill(store, *"cdef")
    await store.trim(keep_turns=1)
    assert texts(await other.list_messages(limit=last)) == said("f")


@pytest.mark.parametrize("last", [None, 2, 100])
@pytest.mark.parametrize("count", [1, 3, 5])
async def test_a_thread_that_was_deleted_and_made_anew_is_seen(
    store: ChatMessageStore, other: ChatMessageStore, last: int | None, count: int
) -> None:
    await fill(store, *"abc")
    await other.list_messages(limit=last)
    assert await store.clear()
    await fill(store, *"vwxyz"[:count])
    expected = said(*"vwxyz"[:count])
    assert texts(await other.list_messages(limit=last)) == (expected if last is None else expected[-last:])


@pytest.mark.parametrize("last", [None, 2])
async def test_a_deleted_thread_is_empty(store: ChatMessageStore, other: ChatMessageStore, last: int | None) -> None:
    await fill(store, *"abc")
    await other.list_messages(limit=last)
    await store.clear()
    assert await other.list_messages(limit=last) == []
    assert other.revision == 0


async def test_an_append_onto_a_thread_that_was_made_anew_does_not_mix_the_two(
    store: ChatMessageStore, other: ChatMessageStore
) -> None:
    await fill(store, *"abc")
    await other.list_messages()
    await store.clear()
    await fill(store, *"xyz")
    await fill(other, "new")
    assert texts(await other.list_messages()) == said("x", "y", "z", "new")


async def test_a_windowed_handle_on_an_endless_thread_stays_small(store: ChatMessageStore) -> None:
    window = ContextWindow(max_messages=4)
    for i in range(150):
        await fill(store, str(i))
        await store.refresh(window)
    assert sum(len(turn.messages) for turn in store.turns) <= 2 * 4 + 100 + 2
    assert texts(await store.list_messages(limit=4)) == said("148", "149")


async def test_an_undo_costs_a_windowed_handle_no_second_read_while_it_holds_enough(
    store: ChatMessageStore, other: ChatMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, *"abcdef")
    await other.list_messages(limit=8)
    await store.undo()
    counts = Counts(other.storage, monkeypatch)
    assert texts(await other.list_messages(limit=4)) == said(*"de")
    assert len(counts.taken()[0]) == 1
    assert texts(await other.list_messages(limit=8)) == said(*"bcde")
