"""Protection against forks: no connection is open while the process forks.

SQLite notes in memory which locks its process holds. A forked child inherits the notes but not the locks, and trusts
the notes even for connections that it opens itself. The parent then believes that it is the only user, and removes the
write-ahead log into which the child still writes, so the commits of the child are lost without an error. Therefore the
workers finish and stop before a fork, and start again in both processes with their next job. See "carrying an open
database file across a fork" in https://sqlite.org/howtocorrupt.html
"""

from __future__ import annotations

import functools
import os
import threading
from typing import Protocol

gate: threading.RLock = threading.RLock()
"""The lock that is held across a fork, and by a caller that starts a worker or gives it a job. A worker never waits for
it."""


class Stoppable(Protocol):
    """A worker that is stopped before a fork."""

    def stop(self) -> None:
        """Finish the jobs and close the connection. The call blocks until that is done. Stopping twice is fine."""
        ...


_running: set[Stoppable] = set()


def watch(worker: Stoppable) -> None:
    """Stop this worker before a fork."""
    _install()
    _running.add(worker)


def forget(worker: Stoppable) -> None:
    """Undo `watch`, because the worker has closed its connection."""
    _running.discard(worker)


@functools.cache
def _install() -> None:
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=gate.release, after_in_child=gate.release)


def _before() -> None:
    gate.acquire()
    for worker in tuple(_running):
        worker.stop()
