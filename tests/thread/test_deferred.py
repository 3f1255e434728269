"""Work after a reply is done in order and bounded, and its failures are never lost."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable

import pytest

from recuerda import InvalidInput
from recuerda.agent.background import run_in_background
from recuerda.providers.deferred import Deferred


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return recuerda's messages. asyncio may report a task of an earlier test while this one runs."""
    return [record.getMessage() for record in caplog.records if record.name == "recuerda.providers"]


def gated(gate: asyncio.Event, done: list[str], name: str) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        await gate.wait()
        done.append(name)

    return work


def noting(done: list[str], name: str) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        done.append(name)

    return work


def failing(error: Exception) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        raise error

    return work


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_the_caller_does_not_wait_for_the_work() -> None:
    deferred, gate, done = Deferred("p"), asyncio.Event(), list[str]()
    await deferred.start("t", gated(gate, done, "a"))
    assert done == []
    gate.set()
    await deferred.finish()
    assert done == ["a"]


async def test_work_of_one_key_is_done_in_order_and_of_others_meanwhile() -> None:
    deferred, gate, done = Deferred("p"), asyncio.Event(), list[str]()
    await deferred.start("t", gated(gate, done, "t1"))
    await deferred.start("t", noting(done, "t2"))
    await deferred.start("t", noting(done, "t3"))
    await deferred.start("u", noting(done, "u1"))
    await settle()
    assert done == ["u1"]
    gate.set()
    await deferred.finish()
    assert done == ["u1", "t1", "t2", "t3"]


async def test_when_too_much_waits_the_next_start_waits_until_one_has_ended() -> None:
    deferred, gate, done = Deferred("p", max_waiting=2), asyncio.Event(), list[str]()
    await deferred.start("t", gated(gate, done, "a"))
    await deferred.start("t", noting(done, "b"))
    third = asyncio.create_task(deferred.start("u", noting(done, "c")))
    await settle()
    assert not third.done()
    gate.set()
    await third
    await deferred.finish()
    assert sorted(done) == ["a", "b", "c"]


async def test_a_start_that_is_cancelled_while_it_waits_starts_nothing() -> None:
    deferred, gate, done = Deferred("p", max_waiting=1), asyncio.Event(), list[str]()
    await deferred.start("t", gated(gate, done, "a"))
    second = asyncio.create_task(deferred.start("t", noting(done, "b")))
    await settle()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    await deferred.finish()
    assert done == ["a"]
    assert deferred.take_failures() == ()


async def test_a_failure_is_logged_and_told_once_and_does_not_stop_what_follows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    deferred, done = Deferred("Memories"), list[str]()
    with caplog.at_level(logging.WARNING, "recuerda"):
        await deferred.start("t", failing(LookupError("the service is down")))
        await deferred.start("t", noting(done, "b"))
        await deferred.finish()
    expected = "Memories: work after a reply failed (t): LookupError: the service is down"
    assert logged(caplog) == [expected]
    assert deferred.take_failures() == (expected,)
    assert deferred.take_failures() == ()
    assert done == ["b"]


async def test_of_many_failures_the_last_are_kept() -> None:
    deferred = Deferred("p", max_waiting=3)
    for number in range(5):
        await deferred.start("t", failing(LookupError(str(number))))
    await deferred.finish()
    assert [text[-1] for text in deferred.take_failures()] == ["2", "3", "4"]


async def test_a_callers_cancellation_does_not_stop_started_work() -> None:
    deferred, gate, done = Deferred("p"), asyncio.Event(), list[str]()

    async def caller() -> None:
        await deferred.start("t", gated(gate, done, "a"))
        await asyncio.sleep(3600)

    task = asyncio.create_task(caller())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await deferred.finish()
    assert done == ["a"]


async def test_finish_that_is_cancelled_leaves_the_work_alone() -> None:
    deferred, gate, done = Deferred("p"), asyncio.Event(), list[str]()
    await deferred.start("t", gated(gate, done, "a"))
    finishing = asyncio.create_task(deferred.finish())
    await settle()
    finishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await finishing
    gate.set()
    await deferred.finish()
    assert done == ["a"]


async def test_finish_waits_for_what_is_started_meanwhile() -> None:
    deferred, gate, done = Deferred("p"), asyncio.Event(), list[str]()
    await deferred.start("t", gated(gate, done, "a"))
    finishing = asyncio.create_task(deferred.finish())
    await settle()
    await deferred.start("t", noting(done, "b"))
    gate.set()
    await finishing
    assert done == ["a", "b"]


def test_finish_on_another_loop_waits_for_work_of_a_loop_that_runs() -> None:
    deferred, done, is_let_go = Deferred("p"), list[str](), threading.Event()

    async def work() -> None:
        await asyncio.to_thread(is_let_go.wait)
        done.append("a")

    async def close() -> None:
        finishing = asyncio.create_task(deferred.finish())
        await settle()
        assert not finishing.done()
        is_let_go.set()
        await finishing

    run_in_background(deferred.start("t", work))
    asyncio.run(close())
    assert done == ["a"]


def test_a_keys_order_holds_across_loops() -> None:
    deferred, done, is_let_go = Deferred("p"), list[str](), threading.Event()

    async def first() -> None:
        await asyncio.to_thread(is_let_go.wait)
        done.append("a")

    async def second() -> None:
        await deferred.start("t", noting(done, "b"))
        await settle()
        assert done == []
        is_let_go.set()
        await deferred.finish()

    run_in_background(deferred.start("t", first))
    asyncio.run(second())
    assert done == ["a", "b"]


def test_work_runs_on_the_loop_that_started_it() -> None:
    deferred, loops = Deferred("p"), list[asyncio.AbstractEventLoop]()

    async def work() -> None:
        loops.append(asyncio.get_running_loop())

    async def start() -> asyncio.AbstractEventLoop:
        await deferred.start("t", work)
        return asyncio.get_running_loop()

    background = run_in_background(start())

    async def both() -> asyncio.AbstractEventLoop:
        here = await start()
        await deferred.finish()
        return here

    here = asyncio.run(both())
    assert loops == [background, here]


def test_work_that_its_ending_loop_cancels_is_told(caplog: pytest.LogCaptureFixture) -> None:
    deferred, done = Deferred("p"), list[str]()

    async def program() -> None:
        await deferred.start("t", gated(asyncio.Event(), done, "a"))
        await deferred.start("t", noting(done, "b"))

    with caplog.at_level(logging.WARNING, "recuerda"):
        asyncio.run(program())
    assert done == []
    assert [text.rpartition(": ")[2] for text in deferred.take_failures()] == [
        "it was cancelled because its event loop ended",
        "it was cancelled because its event loop ended",
    ]
    assert len(logged(caplog)) == 2


def test_finish_does_not_wait_for_a_loop_that_stands_still() -> None:
    deferred, done, gate = Deferred("p"), list[str](), asyncio.Event()
    stopped = asyncio.new_event_loop()
    stopped.run_until_complete(deferred.start("t", gated(gate, done, "a")))

    async def elsewhere() -> None:
        await deferred.start("t", noting(done, "b"))
        await deferred.finish()

    asyncio.run(elsewhere())
    assert done == ["b"]
    (failure,) = deferred.take_failures()
    assert failure.endswith("its event loop was stopped before it ended")
    gate.set()
    stopped.run_until_complete(settle())
    stopped.close()


def test_work_of_a_closed_loop_is_told_at_the_next_start() -> None:
    deferred, done = Deferred("p", max_waiting=1), list[str]()
    closed = asyncio.new_event_loop()
    closed.run_until_complete(deferred.start("t", gated(asyncio.Event(), done, "a")))
    closed.run_until_complete(settle())
    closed.close()

    async def elsewhere() -> tuple[str, ...]:
        await deferred.start("t", noting(done, "b"))
        return deferred.take_failures()

    (failure,) = asyncio.run(elsewhere())
    assert failure.endswith("its event loop was stopped before it ended")


@pytest.mark.parametrize("limit", [0, -1, True])
def test_the_bound_is_a_positive_number(limit: int) -> None:
    with pytest.raises(InvalidInput, match="max_waiting"):
        Deferred("p", max_waiting=limit)


def test_many_threads_start_work_of_one_key_and_all_of_it_is_done() -> None:
    deferred, done = Deferred("p", max_waiting=5), list[str]()

    async def program(name: str) -> None:
        for number in range(50):
            await deferred.start("t", noting(done, f"{name}{number}"))
        await deferred.finish()

    def run(name: str) -> None:
        asyncio.run(program(name))

    threads = [threading.Thread(target=run, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 200
    for name in "abcd":
        assert [entry for entry in done if entry[0] == name] == [f"{name}{number}" for number in range(50)]
    assert deferred.take_failures() == ()


async def test_optional_work_is_left_out_at_the_limit_and_fails_quietly(caplog: pytest.LogCaptureFixture) -> None:
    deferred, gate, done = Deferred("p", max_waiting=1), asyncio.Event(), list[str]()
    await deferred.start("t", gated(gate, done, "t1"))
    await deferred.start("index", noting(done, "left out"), is_optional=True)
    gate.set()
    await deferred.finish()
    await deferred.start("index", failing(ValueError("no room")), is_optional=True)
    await deferred.finish()
    assert done == ["t1"]
    assert deferred.take_failures() == ()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_single_work_is_left_out_while_a_job_of_its_key_has_not_begun() -> None:
    deferred, gate, done = Deferred("p"), asyncio.Event(), list[str]()
    for name in ("runs", "waits", "left out"):
        await deferred.start("k", gated(gate, done, name), is_single=True)
        await asyncio.sleep(0)
    await deferred.start("other", gated(gate, done, "of another key"), is_single=True)
    gate.set()
    await deferred.finish()
    assert sorted(done) == ["of another key", "runs", "waits"]


async def test_the_end_does_not_wait_for_the_time_limit_of_each_job_of_a_service_that_hangs() -> None:
    deferred, gate, done = Deferred("p"), asyncio.Event(), list[str]()

    async def hangs() -> None:
        await gate.wait()
        raise TimeoutError("no answer in 60 s")

    await deferred.start("t", hangs)
    for name in ("waits", "waits too"):
        await deferred.start("t", noting(done, name))
    await deferred.start("other", noting(done, "of another key"))
    asyncio.get_running_loop().call_soon(gate.set)
    await deferred.finish()
    assert done == ["of another key"]
    left_out = "p: work after a reply failed (t): TimeoutError: the work before it took too long, so it was left out"
    assert deferred.take_failures()[1:] == (left_out, left_out)
    await deferred.start("t", noting(done, "later"))
    await deferred.finish()
    assert done == ["of another key", "later"]


async def test_without_somebody_who_waits_for_the_end_no_job_is_left_out() -> None:
    deferred, gate, done = Deferred("p"), asyncio.Event(), list[str]()

    async def hangs() -> None:
        await gate.wait()
        raise RuntimeError("it failed") from TimeoutError()

    await deferred.start("t", hangs)
    await deferred.start("t", noting(done, "goes on"))
    gate.set()
    await settle()
    assert done == ["goes on"]
    await deferred.finish()
