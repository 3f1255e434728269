"""Threads that stay in memory between runs, and the limit for their size."""

from __future__ import annotations

import threading

import pytest

from recuerda import ChatMessage, ChatMessageStore, DataContent, MemoryStorage
from recuerda.threads.history import History
from recuerda.threads.warm_histories import WarmHistories
from tests.conversation import exchange


async def a_history(thread_id: str, *, turns: int = 1, picture_bytes: int = 0) -> History:
    store = ChatMessageStore(storage=MemoryStorage(), thread_id=thread_id)
    for number in range(turns):
        await store.add_messages(exchange(f"{number}" + "x" * 1000))
    if picture_bytes:
        await store.add_messages([ChatMessage("user", [DataContent(bytes(picture_bytes), "image/png")])])
    await store.refresh(keep_files=1)
    return store.history


async def test_the_size_of_a_history_is_about_the_size_of_its_bodies_and_files() -> None:
    one, ten = await a_history("a"), await a_history("b", turns=10)
    assert 1500 < one.size_bytes < 3500
    assert 9 * one.size_bytes < ten.size_bytes < 11 * one.size_bytes
    assert 300_000 < (await a_history("c", picture_bytes=300_000)).size_bytes < 305_000


async def test_a_history_that_loses_turns_gets_smaller() -> None:
    store = ChatMessageStore(storage=MemoryStorage(), thread_id="a")
    for number in range(10):
        await store.add_messages(exchange(f"{number}" + "x" * 1000))
    await store.refresh()
    before = store.history.size_bytes
    for _ in range(5):
        await store.undo()
    await store.refresh()
    assert store.history.size_bytes == pytest.approx(before / 2, rel=0.01)


async def test_the_least_recently_used_histories_go_first() -> None:
    histories = [await a_history(name) for name in "abcd"]
    warm = WarmHistories(3 * histories[0].size_bytes)
    for history in histories[:3]:
        warm.keep(history)
    warm.keep(histories[0])
    warm.keep(histories[3])
    assert [name for name in "abcd" if warm.get(name)] == ["a", "c", "d"]
    assert warm.size_bytes == sum(histories[place].size_bytes for place in (0, 2, 3))
    warm.forget("c")
    assert (len(warm), warm.size_bytes) == (2, 2 * histories[0].size_bytes)
    warm.clear()
    assert (len(warm), warm.size_bytes) == (0, 0)


async def test_a_history_that_is_larger_than_the_limit_is_not_kept_and_drops_no_other() -> None:
    small, large = await a_history("small"), await a_history("large", turns=10)
    warm = WarmHistories(2 * small.size_bytes)
    warm.keep(small)
    warm.keep(large)
    assert (warm.get("small"), warm.get("large")) == (small, None)


async def test_a_history_that_has_grown_is_counted_anew() -> None:
    store = ChatMessageStore(storage=MemoryStorage(), thread_id="a")
    await store.add_messages(exchange("one"))
    await store.refresh()
    warm = WarmHistories(100_000)
    warm.keep(store.history)
    await store.add_messages(exchange("two" * 1000))
    warm.keep(store.history)
    assert (len(warm), warm.size_bytes) == (1, store.history.size_bytes)
    assert warm.size_bytes > 3000


async def test_another_os_thread_gets_no_history() -> None:
    warm, found = WarmHistories(100_000), list[History | None]()
    warm.keep(await a_history("a"))
    other = threading.Thread(target=lambda: found.append(warm.get("a")))
    other.start()
    other.join()
    assert found == [None]
