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
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeAlias

from recuerda._events import fields
from recuerda.errors import StorageError
from recuerda.file.disk import Disk
from recuerda.file.lines import SettingsLine, State, thread_info
from recuerda.file.log import open_log
from recuerda.file.names import LOG_SUFFIX, file_stem, is_log_name
from recuerda.storage.thread_filter import LOOKED_AT, ListedThreads, Position, ThreadFilter, matching
from recuerda.storage.thread_info import ThreadInfo

MAX_KNOWN = 100_000
"""The largest number of files that are remembered. Any further file is read for every list."""

NAMES_PER_PAGE = 2_000
"""The number of files that one step of a walk looks at. Each step lists the folder, so a step takes many files."""

Stamp: TypeAlias = tuple[int, int, int, int]

_log = logging.getLogger("recuerda.storage.file")


class _Thread(NamedTuple):
    settings: SettingsLine
    state: State

    @property
    def position(self) -> tuple[int, str]:
        return self.state.updated_us, self.settings.thread


class Listing:
    """The list of the threads in one folder."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._disk = disk
        self._known: dict[str, tuple[Stamp, _Thread | None]] = {}
        self._mutex = threading.Lock()

    def newest(self, wanted: ThreadFilter, limit: int, position: Position | None) -> ListedThreads:
        """Do `Storage._list`."""
        start = wanted.start(position)
        with self._mutex:
            threads = (
                thread
                for thread in self._threads()
                if wanted.user_id in (None, thread.settings.user_id)
                and wanted.archived in (None, thread.settings.archived)
                and (start is None or thread.position < start)
            )
            compared = LOOKED_AT if wanted.is_selective else limit
            newest = heapq.nlargest(compared, threads, key=lambda thread: thread.position)
        return matching((thread_info(thread.settings, thread.state) for thread in newest), wanted, limit)

    def walk(self, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
        """Return the threads in the next files by name after a position, and the position after them.

        A file's name never changes, so the use of a thread does not move it.
        """
        names = heapq.nsmallest(NAMES_PER_PAGE, (name for name in self._names() if position is None or name > position))
        with self._mutex:
            found = [self._entry(name, stamp) for name in names if (stamp := _stamp(self._folder / name))]
        threads = [thread for _, thread in found if thread and user_id in (None, thread.settings.user_id)]
        last = names[-1] if len(names) == NAMES_PER_PAGE else None
        return [thread_info(thread.settings, thread.state) for thread in threads], last

    def _names(self) -> set[str]:
        # While a file is replaced, some file systems leave it out of a list of the folder. A second list has it.
        with suppress(FileNotFoundError):
            twice = chain(self._folder.iterdir(), self._folder.iterdir())
            return {path.name for path in twice if is_log_name(path.name)}
        return set()

    def _threads(self) -> Iterator[_Thread]:
        known = self._known
        self._known = {}
        for name, stamp in _stamps(self._folder):
            if name in known:
                self._known[name] = known[name]
            _, thread = self._entry(name, stamp)
            if thread is not None:
                yield thread

    def _entry(self, name: str, stamp: Stamp) -> tuple[Stamp, _Thread | None]:
        """Return the thread in a file, from memory if the file has not changed."""
        before = self._known.get(name)
        if before and before[0] == stamp:
            return before
        thread, is_settled = self._look(name)
        if is_settled and len(self._known) < MAX_KNOWN:
            self._known[name] = stamp, thread
        else:
            self._known.pop(name, None)
        return stamp, thread

    def _look(self, name: str) -> tuple[_Thread | None, bool]:
        """Return the thread in a file, and whether the file has to change before another thread is in it."""
        path = self._folder / name
        try:
            with open_log(str(path), self._disk) as log:
                if log is None:
                    return None, False
                settings, state, is_settled = log.settings(), log.state, not log.is_in_doubt
        except StorageError as error:
            # One bad file must not hide the other files.
            _log.warning("not listed: %s", error, extra=fields("thread_not_listed", error=type(error).__name__))
            return None, True
        if settings is None:
            _log.warning(
                "not listed: the settings of %s cannot be read. Its turns can be read by the thread's id.",
                path,
                extra=fields("thread_not_listed", path=str(path)),
            )
            return None, True
        # A copy of a file under another name is not a second thread.
        is_copy = name != file_stem(settings.thread) + LOG_SUFFIX
        return None if is_copy else _Thread(settings, state), is_settled


def _stamps(folder: Path) -> Iterator[tuple[str, Stamp]]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if is_log_name(entry.name):
                with suppress(FileNotFoundError):
                    yield entry.name, _stamp_of(entry.stat())


def _stamp(path: Path) -> Stamp | None:
    with suppress(FileNotFoundError):
        return _stamp_of(path.stat())
    return None


def _stamp_of(found: os.stat_result) -> Stamp:
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
