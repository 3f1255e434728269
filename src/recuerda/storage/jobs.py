"""Jobs that OS threads of a storage run for coroutines, and the way of their outcomes back to the event loops.

The outcomes of jobs that end together wake each event loop once.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, cast

import msgspec

from recuerda.storage.finishing import until_ended

T = TypeVar("T")
Outcome: TypeAlias = "tuple[Job[Any], Any, BaseException | None]"


class Job(msgspec.Struct, Generic[T], eq=False):
    """A job, and the future that gets its outcome.

    Attributes:
        run: does the job.
        future: the future for which the job's caller waits.
        loop: the event loop of the future.
    """

    run: Callable[..., Any]
    future: asyncio.Future[T]
    loop: asyncio.AbstractEventLoop
    _failure: BaseException | None = None
    _is_ended: bool = False
    _end: asyncio.Future[None] | None = None

    def end(self, result: T | None, error: BaseException | None) -> None:
        """Give the outcome to the callers. This runs on the job's loop."""
        self._failure, self._is_ended = error, True
        if self._end is not None and not self._end.done():
            self._end.set_result(None)
        if self.future.done():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(cast("T", result))

    async def failure(self) -> BaseException | None:
        """Return the job's error after its caller was cancelled. Wait until the job has ended.

        A future for this wait is only made now. To shield each job from a cancellation would cost a tenth of an append.
        """
        if not self._is_ended:
            self._end = self.loop.create_future()
            await until_ended(self._end)
        return self._failure


def settle(outcomes: Sequence[Outcome]) -> None:
    """Give outcomes to the callers of their jobs, from any OS thread."""
    if len(outcomes) == 1:  # usual, and cheaper
        _tell(outcomes[0][0].loop, outcomes)
        return
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_loop[outcome[0].loop].append(outcome)
    for loop, mine in by_loop.items():
        _tell(loop, mine)


def _tell(loop: asyncio.AbstractEventLoop, outcomes: Sequence[Outcome]) -> None:
    try:
        loop.call_soon_threadsafe(_resolve, outcomes)
    except RuntimeError:
        return  # The loop has ended, so nobody waits for these outcomes any more. Committed jobs stay committed.


def _resolve(outcomes: Sequence[Outcome]) -> None:
    for job, result, error in outcomes:
        job.end(result, error)
