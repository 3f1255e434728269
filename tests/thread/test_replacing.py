"""A turn that replaces another one: every handle on the thread forgets the old turn, and reads no more for it."""

import pytest

from recuerda import ChatMessage, ChatMessageStore, ContextWindow, Storage, ThreadConflict, Turn, TurnGone
from tests.conversation import Counts, exchange, texts


@pytest.fixture
def store(storage: Storage) -> ChatMessageStore:
    return ChatMessageStore(storage=storage, thread_id="t")


@pytest.fixture
def other(another: Storage) -> ChatMessageStore:
    return ChatMessageStore(storage=another, thread_id="t")


def a_turn(text: str) -> Turn:
    return Turn(messages=tuple(exchange(text)))


async def fill(store: ChatMessageStore, *names: str) -> None:
    for name in names:
        await store.append(a_turn(name))


def said(*names: str) -> list[str]:
    return [text for name in names for text in (name, f"{name}!")]


async def test_a_warm_handle_reads_the_new_turn_and_forgets_the_old_one(
    store: ChatMessageStore, other: ChatMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(other, "one", "two")
    counts = Counts(store.storage, monkeypatch)
    await store.list_messages()
    await other.append(a_turn("new"), replaces=2)
    await other.append(a_turn("newer"), replaces=4)
    counts.appends = 0
    assert texts(await store.list_messages()) == said("one", "newer")
    assert counts.taken() == ([2, 3], 0)


async def test_the_handle_that_replaced_a_turn_need_not_read_it(
    store: ChatMessageStore, other: ChatMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, "one", "two")
    await store.list_messages()
    counts = Counts(store.storage, monkeypatch)
    await store.append(a_turn("new"), expected=store.version, replaces=2)
    info = store.history.info
    assert texts(await store.list_messages()) == said("one", "new")
    assert counts.taken() == ([0], 1)
    assert info == store.history.info
    assert await other.list_turns() == list(store.turns)


async def test_a_window_that_lost_a_turn_is_filled_from_older_turns(
    store: ChatMessageStore, other: ChatMessageStore
) -> None:
    await fill(other, *"abcd")
    assert texts(await store.list_messages(limit=4)) == said("c", "d")
    await store.append(Turn(messages=(ChatMessage("user", "e"),)), replaces=4)
    assert texts(await store.list_messages(limit=4)) == [*said("c"), "e"]
    assert texts(await store.list_messages(limit=5)) == [*said("b", "c"), "e"]
    await other.append(Turn(messages=(ChatMessage("user", "f"),)), replaces=3)
    assert texts(await store.list_messages(limit=4)) == [*said("b"), "e", "f"]


async def test_a_replaced_turn_outside_of_the_window_is_counted(
    store: ChatMessageStore, other: ChatMessageStore
) -> None:
    await fill(other, *"abcd")
    await store.refresh(ContextWindow(max_messages=2))
    await store.append(a_turn("new"), replaces=1)
    await store.refresh(ContextWindow(max_messages=2))
    assert store.history.info is not None
    assert (store.history.info.turns, store.history.info.messages) == (4, 8)
    assert texts(await store.list_messages()) == said("b", "c", "d", "new")


async def test_a_summary_goes_with_the_replaced_turn_in_every_handle(
    store: ChatMessageStore, other: ChatMessageStore
) -> None:
    await fill(store, "one", "two", "three")
    await store.summarize(b"all", through=3)
    for one in (store, other):
        await one.refresh(with_summary=True)
        assert (one.summary and one.summary.body, len(one.turns)) == (b"all", 0)
    await store.append(a_turn("new"), replaces=3)
    for one in (store, other):
        await one.refresh(with_summary=True)
        assert one.summary is None
        assert [turn.number for turn in one.turns] == [1, 2, 6]


async def test_a_summary_after_the_read_is_no_conflict_and_another_replacement_is(
    store: ChatMessageStore, other: ChatMessageStore
) -> None:
    await fill(store, "one", "two")
    await store.refresh()
    await other.summarize(b"one", through=1)
    version = store.version
    assert (await store.append(a_turn("new"), expected=version, replaces=2)).revision == 5
    with pytest.raises(ThreadConflict) as conflict:
        await other.append(a_turn("late"), expected=version, replaces=2)
    assert not isinstance(conflict.value, TurnGone)
    with pytest.raises(TurnGone, match="does not hold turn 2"):
        await other.append(a_turn("late"), replaces=2)
    # A summary may still be written after turns that it does not cover have changed.
    await other.refresh()
    await store.append(a_turn("newest"), replaces=5)
    assert (await other.summarize(b"one", through=1, expected=other.version)).revision == 8
    await other.refresh()
    await store.append(a_turn("first"), replaces=1)
    with pytest.raises(ThreadConflict):
        await other.summarize(b"one", through=1, expected=other.version)


async def test_the_title_follows_the_first_turn(store: ChatMessageStore) -> None:
    await fill(store, "one", "two")
    await store.refresh()
    for number, text, title in ((2, "three", "one"), (1, "four", "four"), (6, "five", "five")):
        await store.append(a_turn(text), replaces=number)
        info = await store.info()
        assert info is not None
        assert info.title == title


async def test_the_pins_of_a_replaced_turn_are_not_noted(store: ChatMessageStore) -> None:
    def pinned(text: str) -> Turn:
        return Turn(messages=(ChatMessage("user", text, additional_properties={"pinned": True}),))

    await store.append(pinned("no nuts"), turn_id="a")
    await store.append(pinned("no milk"), turn_id="b")
    await store.refresh()
    await store.append(a_turn("new"), turn_id="c", replaces=2)
    await store.append(a_turn("next"))
    assert [turn.turn.pins for turn in await store.list_turns()] == [(), ("a",), ("a",)]
