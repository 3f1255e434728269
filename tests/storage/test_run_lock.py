"""The lock of a thread's runs: fair, across event loops and OS threads, also when one of them ends."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from recuerda import Agent, ChatMessage, ChatRequest, ChatResponse, MemoryStorage
from recuerda.storage import run_lock
from recuerda.storage.run_lock import RunLock, RunLocks


async def hold(lock: RunLock, order: list[int], number: int) -> None:
    async with lock:
        assert lock.locked()
        order.append(number)
        await asyncio.sleep(0)
        assert order[-1] == number


def test_a_name_has_one_lock_as_long_as_somebody_has_it() -> None:
    locks = RunLocks()
    lock = locks.of("a")
    assert locks.of("a") is lock
    assert locks.of("b") is not lock
    assert len(locks) == 1
    del lock
    gc.collect()
    assert len(locks) == 0


async def test_waiters_get_the_lock_in_order() -> None:
    lock, order = RunLock(), list[int]()
    await asyncio.gather(*(hold(lock, order, number) for number in range(20)))
    assert order == list(range(20))
    assert not lock.locked()


async def test_a_waiter_that_is_cancelled_leaves_the_queue() -> None:
    lock, order = RunLock(), list[int]()
    await lock.acquire()
    tasks = [asyncio.create_task(hold(lock, order, number)) for number in range(4)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[2].cancel()
    await asyncio.sleep(0)
    lock.release()
    tasks[1].cancel()  # It has been called, and has not run yet.
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [3]
    assert not lock.locked()


def test_runs_in_many_event_loops_queue() -> None:
    class Slow:
        model_id = "slow"

        async def respond(self, request: ChatRequest) -> ChatResponse:
            await asyncio.sleep(0.01)
            return ChatResponse(message=ChatMessage("assistant", f"{len(request.messages)}"))

    agent = Agent(Slow(), storage=MemoryStorage())  # pyright: ignore[reportArgumentType] - it needs no stream
    answers: list[str] = []

    def request() -> None:
        answers.append(asyncio.run(agent.run("hello", thread="t")).text)

    threads = [threading.Thread(target=request) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, answers)) == [1, 3, 5, 7, 9, 11, 13, 15]


def test_a_waiter_whose_loop_stands_still_does_not_block_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "CHECK_S", 0.01)
    lock, still = RunLock(), asyncio.new_event_loop()

    async def begin_to_wait() -> asyncio.Task[bool]:
        task = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
        return task

    async def program() -> None:
        async with lock:
            pass

    holding = asyncio.new_event_loop()
    assert holding.run_until_complete(lock.acquire())
    waiting = still.run_until_complete(begin_to_wait())
    lock.release()
    holding.close()
    asyncio.run(asyncio.wait_for(program(), 5))
    assert still.run_until_complete(waiting)
    lock.release()
    still.close()


def test_a_run_whose_loop_was_closed_has_no_lock_and_frees_the_lock_of_no_other_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_lock, "CHECK_S", 0.01)
    lock, closed = RunLock(), asyncio.new_event_loop()

    async def endless() -> None:
        await lock.acquire()
        try:
            await closed.create_future()
        finally:
            lock.release(closed)

    async def program() -> None:
        waiting = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
        assert not waiting.done()
        closed.close()
        await asyncio.wait_for(waiting, 5)
        run.close()  # as the garbage collector does
        assert lock.locked()
        lock.release()

    run = endless()
    left = closed.create_task(run)
    left._log_destroy_pending = False  # pyright: ignore[reportAttributeAccessIssue] - the test leaves it on purpose
    closed.run_until_complete(asyncio.sleep(0))
    asyncio.run(program())
    assert not lock.locked()
