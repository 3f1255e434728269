"""A handle that reads with summaries holds the newest one and the turns after it, and is never wrong about either."""

import asyncio
import tempfile
from pathlib import Path
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recuerda import ChatMessage, ChatMessageStore, ContextWindow, Storage, ThreadConflict, Turn
from recuerda.errors import InvalidInput, ThreadNotFound
from recuerda.storage.contract import Storage as AnyStorage
from tests.conversation import Counts, exchange
from tests.storage.matrix import STORAGES

Look: TypeAlias = tuple[bytes | None, list[int]]


@pytest.fixture
def store(storage: Storage) -> ChatMessageStore:
    return ChatMessageStore(storage=storage, thread_id="t")


@pytest.fixture
def other(another: Storage) -> ChatMessageStore:
    return ChatMessageStore(storage=another, thread_id="t")


def a_turn(text: str = "hi") -> Turn:
    return Turn(messages=(ChatMessage("user", text),))


async def fill(store: ChatMessageStore, count: int) -> None:
    for i in range(count):
        await store.add_messages(exchange(str(i)))


async def look(store: ChatMessageStore, last: int | None = None, *, with_summary: bool = True) -> Look:
    """Return the summary and the turns of a refreshed handle."""
    window = None if last is None else ContextWindow(max_messages=last)
    await store.refresh(window, with_summary=with_summary)
    return store.summary and store.summary.body, [turn.number for turn in store.turns]


async def test_a_handle_holds_the_newest_summary_and_what_came_after(
    store: ChatMessageStore, other: ChatMessageStore
) -> None:
    await fill(other, 4)
    await other.summarize(b"so far", through=3)
    assert await look(store) == (b"so far", [4])
    assert len(store.history.messages()) == 2
    await fill(other, 1)
    assert await look(store) == (b"so far", [4, 6])


async def test_a_warm_handle_sees_a_new_summary_in_one_trip(
    store: ChatMessageStore, other: ChatMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(other, 4)
    assert await look(store) == (None, [1, 2, 3, 4])
    await other.summarize(b"1", through=2)
    counts = Counts(store.storage, monkeypatch)
    assert await look(store) == (b"1", [3, 4])
    await fill(store, 1)
    await other.summarize(b"2", through=4)
    counts.reads.clear()
    assert await look(store) == (b"2", [6])
    assert len(counts.reads) == 1


async def test_a_handle_need_not_read_the_summary_that_it_made(
    store: ChatMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, 4)
    await store.refresh(with_summary=True)
    appended = await store.summarize(b"so far", through=3, expected=4)
    assert store.revision == appended.revision == 5
    assert (store.summary, [turn.number for turn in store.turns]) == (appended.record, [4])
    counts = Counts(store.storage, monkeypatch)
    assert await look(store) == (b"so far", [4])
    assert counts.reads == [0]


async def test_turning_summaries_off_brings_everything_back(store: ChatMessageStore) -> None:
    await fill(store, 4)
    await store.summarize(b"so far", through=3)
    assert await look(store) == (b"so far", [4])
    assert await look(store, with_summary=False) == (None, [1, 2, 3, 4])
    assert await look(store) == (b"so far", [4])
    assert len(await store.list_messages()) == 8
    assert await look(store, 4) == (b"so far", [4])
    assert await look(store, 4, with_summary=False) == (None, [3, 4])


async def test_both_views_of_a_thread_without_a_summary_are_one(
    store: ChatMessageStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(store, 4)
    await look(store)
    counts = Counts(store.storage, monkeypatch)
    assert await look(store, with_summary=False) == (None, [1, 2, 3, 4])
    assert await look(store) == (None, [1, 2, 3, 4])
    assert counts.reads == [0, 0]


async def test_a_summary_that_covers_less_than_the_one_before_brings_turns_back(
    store: ChatMessageStore, other: ChatMessageStore
) -> None:
    await fill(other, 4)
    await other.summarize(b"1", through=3)
    assert await look(store) == (b"1", [4])
    await other.summarize(b"2", through=1)
    assert await look(store) == (b"2", [2, 3, 4])


async def test_an_undo_of_a_covered_turn_brings_the_older_summary_back(
    store: ChatMessageStore, other: ChatMessageStore
) -> None:
    await fill(other, 2)
    await other.summarize(b"1", through=1)
    await fill(other, 2)
    await other.summarize(b"2", through=5)
    assert await look(store) == (b"2", [])
    await other.undo()
    assert await look(store) == (b"1", [2, 4])
    await other.undo()
    assert await look(store) == (b"1", [2])


async def test_a_trim_that_takes_the_summary_leaves_the_turns(store: ChatMessageStore, other: ChatMessageStore) -> None:
    await fill(other, 2)
    await other.summarize(b"1", through=2)
    await fill(other, 3)
    assert await look(store) == (b"1", [4, 5, 6])
    await other.trim(keep_turns=2)
    assert await look(store) == (None, [5, 6])


async def test_a_handle_far_behind_reads_afresh(store: ChatMessageStore, other: ChatMessageStore) -> None:
    await fill(other, 2)
    await other.summarize(b"1", through=1)
    assert await look(store, 2) == (b"1", [2])
    await fill(other, 9)
    assert await look(store, 2) == (b"1", [12])
    await other.summarize(b"2", through=12)
    await fill(other, 9)
    assert await look(store, 4) == (b"2", [21, 22])


async def test_a_thread_made_anew_has_no_summary(store: ChatMessageStore, other: ChatMessageStore) -> None:
    await fill(other, 2)
    await other.summarize(b"1", through=1)
    assert await look(store) == (b"1", [2])
    await other.clear()
    assert await look(store) == (None, [])
    await fill(other, 4)
    assert await look(store) == (None, [1, 2, 3, 4])


async def test_a_turn_that_was_made_meanwhile_is_appended_after_a_summary(
    store: ChatMessageStore, other: ChatMessageStore
) -> None:
    await fill(store, 3)
    assert await look(store) == (None, [1, 2, 3])
    for body in (b"1", b"2"):
        await other.summarize(body, through=2)
    appended = await store.append(a_turn(), expected=3)
    assert appended.revision == 6
    assert await look(store) == (b"2", [3, 6])


async def test_a_turn_that_was_made_meanwhile_conflicts_with_anything_else(
    store: ChatMessageStore, other: ChatMessageStore
) -> None:
    await fill(store, 3)
    await other.summarize(b"1", through=2)
    await fill(other, 1)
    with pytest.raises(ThreadConflict):
        await store.append(a_turn(), expected=3)
    await other.undo()
    with pytest.raises(ThreadConflict):
        await store.append(a_turn(), expected=3)
    await other.trim(keep_turns=1)
    with pytest.raises(ThreadConflict):
        await store.append(a_turn(), expected=3)
    with pytest.raises(ThreadConflict):
        await store.append(a_turn(), expected=99)
    assert (await store.append(a_turn(), expected=7)).revision == 8


async def test_a_turn_of_a_thread_that_ended_conflicts(store: ChatMessageStore, other: ChatMessageStore) -> None:
    await fill(store, 1)
    await look(store)
    await other.clear()
    await fill(other, 1)
    await other.summarize(b"1", through=1)
    with pytest.raises(ThreadConflict):
        await store.append(a_turn(), expected=1)


async def test_a_summary_is_good_after_later_turns(store: ChatMessageStore, other: ChatMessageStore) -> None:
    await fill(store, 3)
    await fill(other, 2)
    await other.undo()
    appended = await store.summarize(b"1", through=2, expected=3)
    assert appended.revision == 7
    assert await look(other) == (b"1", [3, 4])


async def test_a_summary_of_what_was_undone_or_summarised_conflicts(
    store: ChatMessageStore, other: ChatMessageStore
) -> None:
    await fill(store, 3)
    await other.undo()
    with pytest.raises(ThreadConflict):
        await store.summarize(b"1", through=3, expected=3)
    assert (await store.summarize(b"2", through=2, expected=3)).revision == 5
    with pytest.raises(ThreadConflict):
        await other.summarize(b"3", through=1, expected=4)
    assert await look(other) == (b"2", [])


async def test_a_summary_of_what_is_not_there_is_refused(store: ChatMessageStore) -> None:
    with pytest.raises(ThreadNotFound):
        await store.summarize(b"1", through=1)
    await fill(store, 1)
    with pytest.raises(InvalidInput):
        await store.summarize(b"1", through=2)


async def test_of_summaries_made_at_once_one_is_kept(store: ChatMessageStore, other: ChatMessageStore) -> None:
    await fill(store, 3)
    outcomes = await asyncio.gather(
        *((store, other)[i % 2].summarize(b"%d" % i, through=2, expected=3) for i in range(8)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in outcomes) == ["Appended"] + ["ThreadConflict"] * 7


async def test_copies_forks_and_exports_leave_summaries_out(store: ChatMessageStore, other: ChatMessageStore) -> None:
    await fill(store, 3)
    await store.summarize(b"1", through=2)
    await fill(store, 1)
    fork = await store.fork()
    assert await look(fork) == (None, [1, 2, 3, 4])
    text = await store.export_jsonl()
    assert len(text.splitlines()) == 5
    assert await other.import_jsonl(text) == 0
    assert await look(other) == (b"1", [3, 5])


STEPS = st.one_of(
    st.tuples(st.just("append"), st.integers(0, 1), st.integers(1, 3)),
    st.tuples(st.just("replace"), st.integers(0, 1), st.integers(0, 3)),
    st.tuples(st.just("look"), st.integers(0, 1), st.none() | st.integers(1, 6)),
    st.tuples(st.just("whole"), st.integers(0, 1), st.none() | st.integers(1, 6)),
    st.tuples(st.just("summarize"), st.integers(0, 1), st.integers(0, 4)),
    st.tuples(st.sampled_from(["undo", "clear"]), st.integers(0, 1), st.none()),
    st.tuples(st.just("trim"), st.integers(0, 1), st.integers(1, 4)),
)


async def check(handle: ChatMessageStore, fresh: AnyStorage, last: int | None, *, with_summary: bool) -> None:
    """Compare what a warm handle holds with what a new one reads."""
    new = ChatMessageStore(storage=fresh, thread_id="t")
    wanted = await look(new, last, with_summary=with_summary)
    got = await look(handle, last, with_summary=with_summary)
    assert got[0] == wanted[0]
    # A handle may hold more than the window asks for, at its front, but nothing that is covered.
    assert got[1][len(got[1]) - len(wanted[1]) :] == wanted[1]
    covered = 0 if handle.summary is None else handle.summary.target or 0
    assert all(number > covered for number in got[1])
    everything = [turn.number for turn in await new.list_turns()]
    assert set(got[1]) <= set(everything)


async def run(steps: list[tuple[str, int, int | None]], folder: Path) -> None:
    async with STORAGES["sqlite"](folder) as storage:
        handles = [ChatMessageStore(storage=storage, thread_id="t") for _ in range(2)]
        for action, who, number in steps:
            handle = handles[who]
            info = await handle.info()
            match action, number:
                case "append", int(count):
                    await handle.add_messages([ChatMessage("user", "x")] * count)
                case (("look" | "whole"), last):
                    await check(handle, storage, last, with_summary=action == "look")
                case "summarize", int(back) if info and info.revision > back:
                    await handle.summarize(f"{info.revision}".encode(), through=info.revision - back)
                case "replace", int(back) if info and info.turns:
                    numbers = [record.number for record in (await storage.read("t")).records]
                    await handle.append(a_turn(), replaces=numbers[-1 - back % len(numbers)])
                case "undo", _:
                    await handle.undo()
                case "clear", _:
                    await handle.clear()
                case "trim", int(keep) if info:
                    await handle.trim(keep_turns=keep)
                case _:
                    pass
        for handle in handles:
            await check(handle, storage, None, with_summary=True)


@settings(max_examples=settings().max_examples * 2)
@given(steps=st.lists(STEPS, min_size=3, max_size=25))
def test_whatever_is_done_a_warm_handle_sees_what_a_new_one_reads(
    steps: list[tuple[str, int, int | None]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(steps, Path(folder)))
