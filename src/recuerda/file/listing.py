"""A list of the threads in a folder, the most recently changed first.

The folder itself is the list, so no second list can disagree with it. A process remembers the facts from each file
together with the file's size and times, and reads a file again when these change. So the first list of a process reads
the end of every file, and later lists read only the changed files.
"""

from __future__ import annotations

import heapq
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeAlias

from recuerda.errors import StorageError
from recuerda.file.lines import SettingsLine, State, thread_info
from recuerda.file.log import open_log
from recuerda.file.names import LOG_SUFFIX, file_stem, is_log_name
from recuerda.storage.records import ThreadInfo

MAX_KNOWN = 100_000
"""The largest number of files that are remembered. Any further file is read for every list."""

Stamp: TypeAlias = tuple[int, int, int, int]

_log = logging.getLogger(__name__)


class _Thread(NamedTuple):
    settings: SettingsLine
    state: State

    @property
    def position(self) -> tuple[int, str]:
        return self.state.updated_us, self.settings.thread


class Listing:
    """The list of the threads in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[Stamp, _Thread | None]] = {}
        self._mutex = threading.Lock()

    def newest(self, user_id: str | None, limit: int, position: tuple[int, str] | None) -> list[ThreadInfo]:
        """Return up to `limit` threads after a position, of one user or of all users."""
        with self._mutex:
            threads = (
                thread
                for thread in self._threads()
                if (user_id is None or thread.settings.user_id == user_id)
                and (position is None or thread.position < position)
            )
            newest = heapq.nlargest(limit, threads, key=lambda thread: thread.position)
        return [thread_info(thread.settings, thread.state) for thread in newest]

    def _threads(self) -> Iterator[_Thread]:
        known = self._known
        self._known = {}
        for name, stamp in _stamps(self._folder):
            before = known.get(name)
            entry = before if before and before[0] == stamp else (stamp, self._look(name))
            if len(self._known) < MAX_KNOWN:
                self._known[name] = entry
            if entry[1] is not None:
                yield entry[1]

    def _look(self, name: str) -> _Thread | None:
        path = self._folder / name
        try:
            with open_log(path) as log:
                if log is None:
                    return None
                settings, state = log.settings(), log.state
        except StorageError as error:
            # One bad file must not hide the other files.
            _log.warning("not listed: %s", error)
            return None
        if settings is None:
            _log.warning(
                "not listed: the settings of %s cannot be read. Its turns can be read by the thread's id.", path
            )
            return None
        # A copy of a file under another name is not a second thread.
        return _Thread(settings, state) if name == file_stem(settings.thread) + LOG_SUFFIX else None


def _stamps(folder: Path) -> Iterator[tuple[str, Stamp]]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if is_log_name(entry.name):
                with suppress(FileNotFoundError):
                    found = entry.stat()
                    yield entry.name, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
