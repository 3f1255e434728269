"""Read one thread's file in the state in which it was opened.

A writer only adds lines at the end or replaces the whole file. So an open file, up to its last newline, is a consistent
snapshot without a lock. Bytes after the last newline belong to a write that never finished and was never acknowledged;
they are ignored. Reading goes backwards from the end and stops when it has enough records, so its cost depends on the
returned records and not on the length of the thread.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain
from pathlib import Path

from msgspec.structs import replace

from recuerda.errors import StorageUnavailable
from recuerda.file.disk import opened, read_at
from recuerda.file.lines import (
    FORMAT,
    Line,
    RecordLine,
    SettingsLine,
    State,
    format_of,
    is_settings,
    parse_record,
    parse_settings,
    read_record,
)
from recuerda.storage.records import ReadQuery, TurnRecord

FIRST_CHUNK = 8 * 1024
LARGEST_CHUNK = 512 * 1024


class Log:
    """A thread's open file.

    Attributes:
        fd: the file's descriptor. The code that opened it closes it.
        path: the file's path.
        size: the file's size when it was opened.
        state: the thread's state after the last complete line.
        is_empty: True when the file has no complete line. Then the thread does not exist.
    """

    def __init__(self, fd: int, path: Path) -> None:
        self.fd = fd
        self.path = path
        self.size: int = os.fstat(fd).st_size
        if format_of(read_at(fd, 0, 32)) > FORMAT:
            raise StorageUnavailable(f"{path} was written by a newer recuerda: upgrade recuerda")
        self._older = backward_lines(fd, self.size)
        self._seen: list[Line] = []
        self.state: State = self._last_state()
        self.is_empty: bool = not self._seen

    def settings(self) -> SettingsLine | None:
        """Return the current settings.

        If they are damaged, return the last readable settings, or None if there are none.
        """
        found = parse_settings(line_at(self.fd, self.state.settings_at, self.state.end).data)
        if found is None:
            for line in forward_lines(self.fd, 0, self.state.end):
                found = parse_settings(line.data) or found
        return found

    def settings_of(self, thread_id: str) -> SettingsLine:
        """Return the current settings; empty settings if all are damaged, so that the turns stay readable."""
        found = self.settings()
        if found is None:
            incarnation = hashlib.sha256(read_at(self.fd, 0, 256)).hexdigest()[:12]
            return SettingsLine(recuerda=FORMAT, thread=thread_id, incarnation=incarnation, created_us=0, updated_us=0)
        return found

    def summary(self) -> TurnRecord | None:
        """Return the newest summary, or None when the thread has none."""
        if not self.state.summary_at:
            return None
        line = parse_record(line_at(self.fd, self.state.summary_at, self.state.end).data)
        if line is not None and line.kind == "summary":
            return line.record() if line.number >= self.state.first else None
        # The line is damaged, or moved when somebody edited the file. Take the newest summary that can be read.
        readable = [parse_record(line.data) for line, record in self.records() if record.kind == "summary"]
        return next((line.record() for line in reversed(readable) if line is not None), None)

    def newest(self, after: int, query: ReadQuery, *, covered: int = 0) -> tuple[list[TurnRecord], int]:
        """Return the records that the query asks for, newest first, and the number from which they are complete.

        Turns up to the number `covered` are left out.
        """
        lowest = max(after, covered, self.state.first - 1) + 1
        records: list[TurnRecord] = []
        turns = messages = 0
        for record in self._backward_records():
            if record.number < lowest:
                break
            is_turn = record.kind == "turn"
            if not is_turn and not after:
                continue
            turns += is_turn
            messages += record.message_count
            is_enough = query.last_turns is not None and turns > query.last_turns
            is_too_much = query.last_messages is not None and messages > query.last_messages and turns > 1
            if is_enough or is_too_much:
                return records, record.number + 1
            records.append(record)
        return records, lowest

    def records(self) -> Iterator[tuple[Line, TurnRecord]]:
        """Yield the records that the thread holds, with their lines, the oldest record first."""
        number = self.state.first - 1
        for line in forward_lines(self.fd, self._first_at(), self.state.end):
            if is_settings(line.data):
                continue
            record = read_record(line.data, number + 1)
            if record.number >= self.state.first:
                number = record.number
                yield line, record

    def _backward_records(self) -> Iterator[TurnRecord]:
        number = self.state.revision + 1
        for line in chain(self._seen, self._older):
            if not is_settings(line.data):
                record = read_record(line.data, number - 1)
                number = record.number
                yield record

    def _first_at(self) -> int:
        # Offsets may be wrong when somebody has edited the file. Then the search starts at the beginning.
        line = parse_record(line_at(self.fd, self.state.first_at, self.state.end).data)
        return self.state.first_at if line is not None and line.number == self.state.first else 0

    def _last_state(self) -> State:
        damaged: list[Line] = []
        for line in self._older:
            self._seen.append(line)
            found = parse_record(line.data) or parse_settings(line.data)
            if found is not None:
                return _after_damage(_state(found), damaged, self._seen[0].end)
            damaged.append(line)
        if damaged:
            raise StorageUnavailable(
                f"{self.path} is damaged: none of its lines can be read; restore a copy, or move the file away"
            )
        return State()


@contextmanager
def open_log(path: Path, *, is_writer: bool = False) -> Generator[Log | None, None, None]:
    """Open a thread's file for a `with` block; the block gets None when there is no thread."""
    with ExitStack() as stack:
        log = None
        with suppress(FileNotFoundError):
            log = Log(stack.enter_context(opened(path, os.O_RDWR if is_writer else os.O_RDONLY)), path)
        yield None if log is None or log.is_empty else log


def backward_lines(fd: int, end: int) -> Iterator[Line]:
    """Yield a file's complete lines from the last to the first."""
    position, chunk = end, FIRST_CHUNK
    is_torn = True
    held: list[bytes] = []  # the pieces of a line whose start has not been read yet, the last piece first
    while position > 0:
        size = min(chunk, position)
        position -= size
        chunk = min(chunk * 2, LARGEST_CHUNK)
        data = read_at(fd, position, size)
        pieces = data.split(b"\n")
        at = position + len(data)
        for piece in reversed(pieces[1:]):
            at -= len(piece)
            held.append(piece)
            if not is_torn:
                yield Line(at, b"".join(reversed(held)))
            is_torn = False
            held.clear()
            at -= 1
        held.append(pieces[0])
    if not is_torn:
        yield Line(0, b"".join(reversed(held)))


def forward_lines(fd: int, start: int, end: int) -> Iterator[Line]:
    """Yield a file's complete lines, from the line at `start` to the last line before `end`."""
    at = position = start
    held: list[bytes] = []
    while position < end and (data := read_at(fd, position, min(LARGEST_CHUNK, end - position))):
        position += len(data)
        pieces = data.split(b"\n")
        for piece in pieces[:-1]:
            held.append(piece)
            line = Line(at, b"".join(held))
            yield line
            at = line.end
            held.clear()
        held.append(pieces[-1])


def line_at(fd: int, offset: int, end: int) -> Line:
    """Return the line at an offset; an empty line if there is none."""
    held: list[bytes] = []
    chunk, position = FIRST_CHUNK, offset
    while position < end and (data := read_at(fd, position, min(chunk, end - position))):
        piece, newline, _ = data.partition(b"\n")
        held.append(piece)
        if newline:
            return Line(offset, b"".join(held))
        position += len(data)
        chunk = min(chunk * 2, LARGEST_CHUNK)
    return Line(offset, b"")


def _state(line: RecordLine | SettingsLine) -> State:
    is_record = isinstance(line, RecordLine)
    revision = line.number if is_record else line.revision
    is_turn = is_record and line.kind is None
    return State(
        revision=revision,
        first=line.first,
        turns=line.turns,
        messages=line.messages,
        updated_us=line.created_us if is_record else line.updated_us,
        first_at=line.first_at,
        settings_at=line.settings_at,
        summary_at=line.summary_at,
        last_turn=revision if is_turn else line.last_turn,
        dead=line.dead,
    )


def _after_damage(state: State, damaged: list[Line], end: int) -> State:
    """Return the state after lines that cannot be read.

    Each of them counts as a turn, the most likely kind of record.
    """
    revision, turns, messages = state.revision, state.turns, state.messages
    for line in reversed(damaged):
        if not is_settings(line.data):
            record = read_record(line.data, revision + 1)
            revision, messages = max(record.number, revision + 1), messages + record.message_count
            turns += record.kind == "turn"
    return replace(
        state,
        revision=revision,
        turns=turns,
        messages=messages,
        last_turn=revision if turns > state.turns else state.last_turn,
        end=end,
    )
