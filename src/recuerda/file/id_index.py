"""An index of the turn ids in threads' files, so that a look-up does not read the whole file each time.

Only ids that a caller gave are looked up. In each process, the first look-up in a thread reads the whole file; later
look-ups read only the added lines. A file may have been rewritten in between. So each look-up checks that the last line
it knows is still at its offset, and that a line it finds has the id.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from recuerda.file.lines import Line, is_gone, parse_gone, parse_record
from recuerda.file.log import Log, forward_lines, line_at
from recuerda.storage.records import TurnRecord

MAX_FILES = 256
"""The largest number of files in the index. The least recently used file is dropped first."""

MAX_IDS = 1_000_000
"""The number of ids in the index at which files are dropped. An id takes about 100 bytes of memory."""


class Found(NamedTuple):
    """The record that a thread holds under an id, or the number of a turn with that id that it has dropped."""

    record: TurnRecord | None = None
    dropped: int | None = None


NOTHING = Found()
"""The thread does not hold the id and does not remember it."""


@dataclass(slots=True)
class _FileIds:
    offsets: dict[str, int] = field(default_factory=dict[str, int])
    last: Line | None = None
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def catch_up(self, log: Log) -> None:
        start = 0
        if self.last is not None:
            if line_at(log.fd, self.last.at, log.state.end) == self.last:
                start = self.last.end
            else:
                self.forget()
        for line in forward_lines(log.fd, start, log.state.end):
            self.last = line
            known = parse_gone(line.data) if is_gone(line.data) else parse_record(line.data)
            if known is not None:
                self.offsets[known.id] = line.at

    def forget(self) -> None:
        self.offsets.clear()
        self.last = None

    def look_up(self, log: Log, record_id: str) -> Found | None:
        """Return what the log knows of the id; None if the index is wrong."""
        self.catch_up(log)
        offset = self.offsets.get(record_id)
        if offset is None:
            return NOTHING
        line = line_at(log.fd, offset, log.state.end).data
        if is_gone(line):
            gone = parse_gone(line)
            return Found(dropped=gone.gone if gone.dropped else None) if gone and gone.id == record_id else None
        record = parse_record(line)
        if record is None or record.id != record_id:
            return None
        if record.number >= log.state.first:
            return Found(record=record.record())
        return Found(dropped=None if record.kind else record.number)


class IdIndex:
    """The turn ids of the threads in which an id was looked up most recently."""

    def __init__(self) -> None:
        self._files: OrderedDict[str, _FileIds] = OrderedDict()
        self._mutex = threading.Lock()

    def find(self, log: Log, record_id: str) -> Found:
        """Return the record with this id, or the number of the turn that had it."""
        file = self._file(log.path)
        with file.mutex:
            found = file.look_up(log, record_id)
            if found is None:
                file.forget()
                found = file.look_up(log, record_id)
        return found or NOTHING

    def forget(self, path: str) -> None:
        """Forget the ids of a file that was deleted."""
        with self._mutex:
            self._files.pop(path, None)

    def _file(self, path: str) -> _FileIds:
        with self._mutex:
            file = self._files.get(path)
            if file is None:
                while self._is_full():
                    self._files.popitem(last=False)
                file = self._files[path] = _FileIds()
            self._files.move_to_end(path)
            return file

    def _is_full(self) -> bool:
        count = len(self._files)
        return count >= MAX_FILES or sum(len(file.offsets) for file in self._files.values()) > MAX_IDS
