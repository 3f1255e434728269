"""The queue of runs on one thread.

Runs on one thread follow one another, so that each run sees the turns of the earlier runs. A run that is started inside
another run on the same thread would wait forever: the outer run waits for the inner run, and the inner run waits for
the outer run. So the inner run is refused. There are two ways to start a run inside another run. A tool or a provider
of the outer run can start it; a context variable shows that. Or the body of a loop over a stream can start it; then the
same task already holds the queue.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar

from recuerda._events import fields
from recuerda.errors import ConfigurationError
from recuerda.storage.run_lock import RunLock
from recuerda.threads.thread import AgentThread

T = TypeVar("T")

LEFT_S = 5.0
"""The seconds for which a stream must not have been read before it is logged that runs wait for it."""

GIVE_UP_S = 60.0
"""The seconds for which a stream must not have been read before a run that waits for it fails."""

_logger = logging.getLogger("recuerda.agent")


class QueueTicket:
    """One run's ticket in the queue of its thread. Within `async with`, the run is at the head of the queue.

    Args:
        thread: the thread.
        lease: the duration of a lease that makes runs in other processes queue as well. If None, no lease is taken.
    """

    def __init__(self, thread: AgentThread, lease: timedelta | None) -> None:
        self._thread = thread
        self._lease = lease
        self._task: asyncio.Task[Any] | None = None
        self._is_abandoned = False
        self._unread_since: float | None = None
        self._told_at = -math.inf
        self._held: tuple[RunLock, asyncio.AbstractEventLoop, AbstractAsyncContextManager[object]] | None = None

    # Every run comes here, so this is not written as a generator, which would cost more.

    async def __aenter__(self) -> None:
        """Wait for the earlier runs on the thread, and keep later runs waiting until the context is left.

        Raises:
            ConfigurationError: the run was started inside another run on the same thread. Or it has waited for
                `GIVE_UP_S` seconds for a stream that nobody reads.
        """
        lock, loop = self._thread.run_lock(), asyncio.get_running_loop()
        self._refuse_to_wait_for_an_outer_run(lock)
        self._task = asyncio.current_task()
        try:
            await lock.acquire(look=lambda: _tell_if_unread(lock))
            try:
                lease = self._thread.lease(self._lease)
                await lease.__aenter__()
            except BaseException:
                lock.release(loop)
                raise
        except BaseException:
            self._task = None
            raise
        self._held = lock, loop, lease
        lock.held_by = self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the next run begin."""
        if self._held is None:
            return
        (lock, loop, lease), self._held = self._held, None
        if lock.held_by is self:
            lock.held_by = None
        try:
            await lease.__aexit__(kind, error, trace)
        finally:
            lock.release(loop)
            self._task = None

    def read(self, *, is_read: bool) -> None:
        """Note that somebody reads the run's stream now, or that its reader is busy with the last update."""
        self._unread_since = None if is_read else time.monotonic()

    def tell_unread(self) -> None:
        """Log that runs wait for this run's stream, if nobody has read it for `LEFT_S` seconds.

        Raises:
            ConfigurationError: nobody has read it for `GIVE_UP_S` seconds.
        """
        now = time.monotonic()
        unread_s = 0.0 if self._unread_since is None else now - self._unread_since
        if unread_s < LEFT_S or now < self._told_at + LEFT_S:
            return
        self._told_at = now
        text = (
            f"a run on thread {self._thread.id!r} waits for a stream that nobody has read for {unread_s:.0f} s: "
            "read it to its end, or leave it with `async with` or `aclose()`"
        )
        if unread_s >= GIVE_UP_S:
            raise ConfigurationError(text)
        event = fields("stream_not_read", thread_id=self._thread.id, unread_s=unread_s)
        _logger.warning("%s", text, extra=event)

    async def inside(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work` as part of the run.

        Call this in a task of its own, because the task's context remembers the run.
        """
        _outer_runs.set((*_outer_runs.get(), self))
        return await work

    def abandon(self) -> None:
        """Note that the run's stream was dropped. The event loop ends the run soon, so other runs may wait for it."""
        self._is_abandoned = True

    def _refuse_to_wait_for_an_outer_run(self, lock: RunLock) -> None:
        holder = lock.held_by
        task = asyncio.current_task()
        is_in_loop_body = isinstance(holder, QueueTicket) and holder._task is task and not holder._is_abandoned
        is_in_hook = any(
            outer._task is not None and outer._thread.identity == self._thread.identity for outer in _outer_runs.get()
        )
        if is_in_loop_body or is_in_hook:
            raise ConfigurationError(
                f"this run on thread {self._thread.id!r} was started inside another run of the same thread, which "
                "waits for it: use another thread, or finish the stream first"
            )


def _tell_if_unread(lock: RunLock) -> None:
    if isinstance(lock.held_by, QueueTicket):
        lock.held_by.tell_unread()


_outer_runs: ContextVar[tuple[QueueTicket, ...]] = ContextVar("recuerda_outer_runs", default=())
"""The runs inside which the current task works."""
