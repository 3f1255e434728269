"""The histories of the threads that were used last, within a number of bytes.

A program that serves many people opens a thread for each request. Without this memory, each run would read and decode
the whole window again. With it, a run reads only the records that are new. A read still asks the storage first, so
a thread that was changed, deleted or given to another user is never answered from here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from recuerda.threads.history import History


class WarmHistories:
    """Keep histories by their threads. The least recently used histories go first.

    A history is changed in place, without a lock. So each OS thread has histories of its own.

    Args:
        max_bytes: the largest size of all histories together, as `History.size_bytes` estimates it. A history that is
            larger is not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._held: OrderedDict[tuple[int, str], tuple[History, int]] = OrderedDict()
        self._mutex = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """The size of all histories together."""
        return self._size_bytes

    def __len__(self) -> int:
        return len(self._held)

    def get(self, thread_id: str) -> History | None:
        """Return the history of a thread; None if none is kept."""
        held = self._held.get((threading.get_ident(), thread_id))
        return None if held is None else held[0]

    def keep(self, history: History) -> None:
        """Keep a thread's history in the place of an earlier one."""
        key, size = (threading.get_ident(), history.thread_id), history.size_bytes
        if size > self._max_bytes:
            self.forget(history.thread_id)
            return
        with self._mutex:  # every run comes here, so the usual path calls little
            old = self._held.pop(key, None)
            self._held[key] = history, size
            self._size_bytes += size if old is None else size - old[1]
            while self._size_bytes > self._max_bytes:
                _, (_, gone) = self._held.popitem(last=False)
                self._size_bytes -= gone

    def forget(self, thread_id: str) -> None:
        """Drop the history of a thread."""
        with self._mutex:
            held = self._held.pop((threading.get_ident(), thread_id), None)
            if held is not None:
                self._size_bytes -= held[1]

    def clear(self) -> None:
        """Drop all histories."""
        with self._mutex:
            self._held.clear()
            self._size_bytes = 0
