"""The ends of the files that one storage has read or written lately.

The last line of a thread's file tells the thread's state, and a turn asks for it twice. While the file is the same, its
state is the same too, so neither operation reads and parses the line again. Each operation still opens the file by its
name, because only then a network file system tells what other machines have written.

A writer makes a file longer, or puts another file in its place. If a thread is deleted and begun anew within one tick
of the system's clock (about 4 ms), its new file may have the number, the length and the times of the old one. So the
start of the file is compared too, which has the random incarnation of the thread. Somebody who edits a file may keep
its length. The times tell that, unless the edit follows the last append within one tick. People edit files while nobody
writes, so they are never that fast.
"""

from __future__ import annotations

import os
import threading
from typing import NamedTuple, TypeAlias

from recuerda.file.disk import pread
from recuerda.file.lines import SettingsLine, State

Mark: TypeAlias = tuple[int, int, int, int, int]
"""The facts that tell one content of a file from another: its device, its number, its size, and the times of its last
changes."""

START_BYTES = 1024
"""The number of bytes at the start of a file that are compared. They hold the incarnation of any thread."""

MAX_FILES = 1024
MAX_METADATA = 4 * 1024
"""The bytes of metadata from which on a thread's settings are not kept in memory."""


class Tail(NamedTuple):
    """The state of a thread after the last line of its file.

    Attributes:
        mark: the mark of the file.
        start: the first bytes of the file, `START_BYTES` at most.
        state: the state. All bytes of the file count.
        settings: the current settings; None if they have to be read.
    """

    mark: Mark
    start: bytes
    state: State
    settings: SettingsLine | None


def mark_of(found: os.stat_result) -> Mark:
    """Return the mark of a file."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class Tails:
    """The ends of the files that were read or written most recently. Any OS thread may use them."""

    def __init__(self) -> None:
        self._tails: dict[str, Tail] = {}
        self._mutex = threading.Lock()

    def find(self, path: str, mark: Mark, fd: int) -> Tail | None:
        """Return the end of an open file; None if it is not known, or the file has changed."""
        tail = self._tails.get(path)
        if tail is None or tail.mark != mark or pread(fd, len(tail.start), 0) != tail.start:
            return None
        return tail

    def keep(self, path: str, tail: Tail) -> None:
        """Remember the end of a file. Nothing is remembered if the file has other bytes than those that count."""
        if tail.mark[2] != tail.state.end:
            return
        if tail.settings is not None and memoryview(tail.settings.metadata).nbytes > MAX_METADATA:
            tail = tail._replace(settings=None)
        with self._mutex:
            self._tails.pop(path, None)
            self._tails[path] = tail
            if len(self._tails) > MAX_FILES:
                del self._tails[next(iter(self._tails))]

    def forget(self, path: str) -> None:
        """Forget the end of a file that was deleted."""
        with self._mutex:
            self._tails.pop(path, None)
