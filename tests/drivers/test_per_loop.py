"""One value for each event loop: made once, closed in its loop, never inherited by a forked child."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, cast

import pytest

from recuerda._drivers.per_loop import PerLoop


@dataclass(eq=False)
class Line:
    """A stand-in for a client: it notes in which loop it was made and closed."""

    made_in: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    closed_in: list[asyncio.AbstractEventLoop] = field(default_factory=list[asyncio.AbstractEventLoop])
    is_finished: bool = False

    async def close(self) -> None:
        await asyncio.sleep(0)
        self.closed_in.append(asyncio.get_running_loop())

    def finish(self) -> None:
        self.is_finished = True


def lines() -> PerLoop[Line]:
    return PerLoop(Line, Line.close, finish=Line.finish, refusal=lambda: RuntimeError("has been closed"))


@contextmanager
def other_loop() -> Generator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread of its own, and ends as it does under `asyncio.run`."""
    loop = asyncio.new_event_loop()

    def run() -> None:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield loop
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(loop.stop)
        thread.join()


async def test_a_loop_gets_the_same_value_each_time() -> None:
    per_loop = lines()
    first, *others = await asyncio.gather(*(per_loop.get() for _ in range(5)))
    assert all(one is first for one in others)
    assert len(per_loop) == 1
    await per_loop.close()
    assert len(per_loop) == 0


def test_a_value_is_closed_once_with_its_loop() -> None:
    per_loop = lines()
    values = [asyncio.run(per_loop.get()) for _ in range(3)]
    assert len(set(map(id, values))) == 3
    assert [value.closed_in for value in values] == [[value.made_in] for value in values]
    assert len(per_loop) == 0


async def test_closing_reaches_every_loop_that_runs() -> None:
    per_loop = lines()
    here = await per_loop.get()
    with other_loop() as loop:
        there = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(per_loop.get(), loop))
        assert len(per_loop) == 2
        await per_loop.close()
        await per_loop.close()
        assert (here.closed_in, there.closed_in) == ([here.made_in], [loop])


async def test_a_closed_one_refuses() -> None:
    per_loop = lines()
    await per_loop.close()
    with pytest.raises(RuntimeError, match="has been closed"):
        await per_loop.get()


async def test_without_a_refusal_a_closed_one_begins_again() -> None:
    per_loop = PerLoop(Line, Line.close)
    first = await per_loop.get()
    await per_loop.close()
    assert await per_loop.get() is not first
    await per_loop.close()


async def test_an_error_in_closing_comes_after_every_value_is_closed() -> None:
    async def fail(line: Line) -> None:
        await line.close()
        raise OSError("no answer")

    per_loop = PerLoop(Line, fail)
    here = await per_loop.get()
    with other_loop() as loop:
        there = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(per_loop.get(), loop))
        with pytest.raises(OSError, match="no answer"):
            await per_loop.close()
    assert (here.closed_in, there.closed_in) == ([here.made_in], [loop])


async def test_values_end_with_an_owner_that_nobody_holds() -> None:
    per_loop = lines()
    value = await per_loop.get()
    del per_loop
    gc.collect()
    for _ in range(10):
        await asyncio.sleep(0)
    assert value.closed_in == [value.made_in]


class Witness(Line):
    """Note, when it is collected, whether it had been closed by then."""

    was_closed: ClassVar[list[bool]] = []

    def __del__(self) -> None:
        self.was_closed.append(bool(self.closed_in))


async def test_a_value_is_closed_before_it_is_collected_with_an_owner_in_a_cycle() -> None:
    Witness.was_closed.clear()
    ring: list[object] = [PerLoop(Witness, Witness.close)]
    await cast("PerLoop[Witness]", ring[0]).get()
    ring.append(ring)
    del ring
    async with asyncio.timeout(10):
        while not Witness.was_closed:
            gc.collect()
            await asyncio.sleep(0)
    assert Witness.was_closed == [True]


def test_a_loop_that_ended_without_closing_its_generators_leaves_a_value_to_finish() -> None:
    per_loop = lines()
    loop = asyncio.new_event_loop()
    value = loop.run_until_complete(per_loop.get())
    loop.close()
    assert not value.is_finished
    asyncio.run(per_loop.get())
    assert value.is_finished
    assert value.closed_in == []


async def test_closing_ends_although_the_other_loop_stops_before_it_comes_to_it() -> None:
    per_loop = lines()
    with other_loop() as loop:
        value = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(per_loop.get(), loop))
        loop.call_soon_threadsafe(time.sleep, 0.2)
        loop.call_soon_threadsafe(loop.stop)
        await per_loop.close()
        assert value.is_finished


def test_a_forked_child_makes_its_own_value_and_never_closes_its_parents() -> None:
    per_loop = lines()
    loop = asyncio.new_event_loop()
    inherited = loop.run_until_complete(per_loop.get())
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert len(per_loop) == 0
            own = asyncio.run(per_loop.get())
            loop.run_until_complete(loop.shutdown_asyncgens())
            asyncio.run(per_loop.close())
            del loop, per_loop
            gc.collect()
            assert own is not inherited
            assert (len(own.closed_in), inherited.closed_in, inherited.is_finished) == (1, [], False)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert loop.run_until_complete(per_loop.get()) is inherited
    loop.run_until_complete(per_loop.close())
    assert inherited.closed_in == [loop]
    loop.close()
