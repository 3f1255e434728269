"""Cancel a task at a chosen step, also when a step waits for a server.

A step of a task ends when its coroutine waits for something. A wrapper around each coroutine counts these moments, for
the task itself and for every task that it starts. So a test meets each of them, however long an answer of a server
takes, and whichever task waits for it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Generator
from dataclasses import dataclass, field
from typing import Any

_counting: contextvars.ContextVar[Cancelling | None] = contextvars.ContextVar("counting", default=None)


@dataclass(frozen=True)
class Moment:
    """When a task is cancelled.

    Attributes:
        step: the number of the step after which it is cancelled first; 0 for never.
        times: at how many steps in a row it is cancelled.
        is_ready: True cancels the task when the thing that it waits for is there, just before the task goes on with it.
            False cancels it as soon as it waits.
    """

    step: int
    times: int = 1
    is_ready: bool = False


@dataclass
class Cancelling:
    """Run work in a task, and cancel the task at a moment.

    Attributes:
        moment: the moment.
        steps: the number of steps so far, of the task and of every task that it started.
        tasks: these tasks.
        cancellations: how often the task was cancelled.
    """

    moment: Moment
    steps: int = 0
    task: asyncio.Task[None] | None = None
    tasks: list[asyncio.Task[Any]] = field(default_factory=list[asyncio.Task[Any]])
    cancellations: int = 0

    async def carry_out(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do the work. Return True if it was cancelled, and False if it ended by itself."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(_stepped_task)
        context = contextvars.copy_context()
        context.run(_counting.set, self)
        try:
            self.task = loop.create_task(work, context=context)
            await asyncio.wait([self.task])
        finally:
            loop.set_task_factory(None)
        if not self.task.cancelled():
            self.task.result()
        return self.task.cancelled()

    @property
    def unfinished(self) -> list[asyncio.Task[Any]]:
        """The tasks that are left."""
        return [task for task in self.tasks if not task.done()]

    def stepped(self, awaited: asyncio.Future[Any] | None) -> None:
        """Count a step that ended because a task waits, and cancel the task if it is the moment."""
        self.steps += 1
        first = self.moment.step
        if not first <= self.steps < first + self.moment.times or not first or self.task is None:
            return
        if awaited is not None and self.moment.is_ready:
            awaited.add_done_callback(lambda _: self._cancel())
        else:
            asyncio.get_running_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if self.task is not None and self.task.cancel():
            self.cancellations += 1


class _Stepped(Coroutine[Any, Any, Any]):
    """A coroutine that reports each of its steps."""

    def __init__(self, work: Coroutine[Any, Any, Any], cancelling: Cancelling) -> None:
        self._work = work
        self._cancelling = cancelling

    def send(self, value: Any) -> Any:
        return self._noted(self._work.send(value))

    def throw(self, *error: Any) -> Any:
        return self._noted(self._work.throw(*error))

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise TypeError("a task runs this coroutine; nothing awaits it")

    def _noted(self, awaited: Any) -> Any:
        self._cancelling.stepped(awaited)
        return awaited


def _stepped_task(
    loop: asyncio.AbstractEventLoop, work: Any, *, context: contextvars.Context | None = None, **options: Any
) -> asyncio.Task[Any]:
    cancelling = _counting.get() if context is None else context.get(_counting)
    if cancelling is None:
        return asyncio.Task(work, loop=loop, context=context, **options)
    task = asyncio.Task(_Stepped(work, cancelling), loop=loop, context=context, **options)
    cancelling.tasks.append(task)
    return task
