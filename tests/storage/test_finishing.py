"""Work that goes on after its caller was cancelled: when the cancellation is raised, and when the work is cancelled."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress

import pytest

from recuerda.storage import finishing
from recuerda.storage.finishing import settled


class Work:
    """Work that waits for `go`, and notes how often it was cancelled. It gives up at the cancellation `gives_up_at`."""

    def __init__(self, *, gives_up_at: int = 1) -> None:
        self.go = asyncio.Event()
        self.cancellations = 0
        self.is_done = False
        self._gives_up_at = gives_up_at

    async def run(self) -> str:
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.cancellations += 1
                if self.cancellations == self._gives_up_at:
                    raise
        self.is_done = True
        return "done"


async def cancelled(call: Coroutine[object, object, object], *, times: int) -> asyncio.Task[object]:
    """Start a call, and cancel it again and again."""
    task = asyncio.create_task(call)
    await asyncio.sleep(0)
    for _ in range(times):
        task.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
    return task


async def test_a_cancellation_is_raised_when_the_work_has_ended() -> None:
    for times in (1, 3):
        work = Work()
        task = await cancelled(settled(work.run(), patience_s=60), times=times)
        assert not task.done()
        work.go.set()
        with suppress(asyncio.CancelledError):
            await task
        assert (task.cancelled(), work.is_done, work.cancellations) == (True, True, 0)


async def test_work_without_patience_is_cancelled_once_and_waited_for() -> None:
    work = Work(gives_up_at=2)
    task = await cancelled(settled(work.run(), patience_s=0), times=3)
    assert (task.done(), work.cancellations) == (False, 1)
    work.go.set()
    with suppress(asyncio.CancelledError):
        await task
    assert (task.cancelled(), work.is_done) == (True, True)


async def test_work_that_does_not_end_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finishing, "AGAIN_S", 0.0)
    work = Work(gives_up_at=3)
    task = await cancelled(settled(work.run(), patience_s=0), times=1)
    with suppress(asyncio.CancelledError):
        await task
    assert (task.cancelled(), work.cancellations) == (True, 3)


async def test_an_error_of_the_work_is_raised_and_after_a_cancellation_is_its_cause() -> None:
    async def fail(go: asyncio.Event) -> None:
        await go.wait()
        raise OSError("no space")

    go = asyncio.Event()
    task = await cancelled(settled(fail(go), patience_s=60), times=1)
    go.set()
    with pytest.raises(asyncio.CancelledError) as cancellation:
        await task
    assert isinstance(cancellation.value.__cause__, OSError)
    with pytest.raises(OSError, match="no space"):
        await settled(fail(go), patience_s=60)
