"""Which turn ids a thread's file has, without reading it each time.

Only a caller's own turn ids are ever looked up. The first look at a thread in a process reads its file once; later
ones read what was added since. Nothing here is trusted blindly: a file may have been rewritten, so the last line that
was read must still be where it was, and a line that is found must have the id.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from recuerda.file.lines import Line, parse_record
from recuerda.file.log import Log, forward_lines, line_at
from recuerda.storage.records import TurnRecord

MAX_FILES = 256
MAX_IDS = 1_000_000
"""Bounds of what is kept in memory, about 100 bytes an id; the threads that were not looked at for longest go first."""


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
            record = parse_record(line.data)
            if record is not None:
                self.offsets[record.id] = line.at

    def forget(self) -> None:
        self.offsets.clear()
        self.last = None

    def look_up(self, log: Log, record_id: str) -> tuple[bool, TurnRecord | None]:
        self.catch_up(log)
        offset = self.offsets.get(record_id)
        if offset is None:
            return True, None
        line = parse_record(line_at(log.fd, offset, log.state.end).data)
        if line is None or line.id != record_id:
            return False, None
        return True, line.record() if line.number >= log.state.first else None


class IdIndex:
    """The ids of the threads that were last looked at."""

    def __init__(self) -> None:
        self._files: OrderedDict[Path, _FileIds] = OrderedDict()
        self._mutex = threading.Lock()

    def find(self, log: Log, record_id: str) -> TurnRecord | None:
        """Return the record of an id that a thread holds, or None."""
        file = self._file(log.path)
        with file.mutex:
            is_sure, record = file.look_up(log, record_id)
            if not is_sure:
                file.forget()
                _, record = file.look_up(log, record_id)
        return record

    def _file(self, path: Path) -> _FileIds:
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
