"""Large requests are worked on beside the event loop, for a part of the time."""

from __future__ import annotations

import threading

from recuerda.server.beside import Beside


async def test_work_on_large_requests_waits_until_the_thread_has_rested_twice_as_long_as_it_worked() -> None:
    rests: list[float] = []
    clock = iter([0.0, 1000.0, 5000.0, 5000.0, 5000.0, 5000.0])  # the first piece of work takes 1,000 s
    beside = Beside(sleep=rests.append, worked=lambda: next(clock))
    large = b"x" * 100_000
    names = [await beside.run(large, lambda: threading.current_thread().name) for _ in range(2)]
    assert names == ["recuerda-large_0"] * 2
    assert [round(rest, -2) for rest in rests] == [2000]
    assert await beside.run(b"x", lambda: threading.current_thread() is threading.main_thread())
    assert len(rests) == 1
    await beside.run(large, lambda: None)
    assert len(rests) == 1, "work that took no time needs no rest"
