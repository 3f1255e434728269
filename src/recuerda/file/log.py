"""Read one thread's file in the state in which it was opened.

A writer only adds lines at the end or replaces the whole file. So an open file, up to its last newline, is a consistent
snapshot without a lock. Reading goes backwards from the end and stops when it has enough records, so its cost depends
on the returned records and not on the length of the thread.

A writer sets the last newline after its sync. (In a new thread, it sets a mark in the first line.) The last lines are
in doubt without that newline, and also if the last line says that `more` was written together with it. While a writer
is at work, lines in doubt do not count, because the sync may still fail. If no writer is at work, the writer was killed
or the power failed, perhaps after it had acknowledged the lines. Then the reader syncs them itself, and whole lines
count.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import chain

from msgspec.structs import replace

from recuerda._drivers.private_files import open_private
from recuerda.errors import StorageUnavailable
from recuerda.file.disk import Disk, read_at, write_at
from recuerda.file.lines import (
    FINISHED,
    FINISHED_AT,
    FORMAT,
    GoneLine,
    Line,
    RecordLine,
    SettingsLine,
    State,
    format_of,
    holds_record,
    is_gone,
    is_settings,
    is_unfinished,
    number_of,
    parse_gone,
    parse_record,
    parse_settings,
    read_record,
)
from recuerda.file.os_locks import shared
from recuerda.file.tails import START_BYTES, Mark, Tail, Tails, mark_of
from recuerda.storage.operations import ReadQuery
from recuerda.storage.records import REMEMBERED, TurnRecord

FIRST_CHUNK = 8 * 1024
LARGEST_CHUNK = 512 * 1024
_SHORT_LINE = 1024
_NUMBER = 40
"""The number of bytes at the start of a line that hold its number."""


class WouldWait(Exception):
    """A reader that must not wait would have to wait, or to read much."""


class Log:
    """A thread's open file.

    Args:
        fd: the file's descriptor. The code that opened it closes it.
        path: the file's path.
        counts_all: True also counts the whole lines that are in doubt. Give it only while no writer is at work.
        tails: the ends of files that are known. The end of this file is looked up there.

    Attributes:
        size: the file's size when it was opened.
        state: the thread's state after the last line that counts.
        is_empty: True when no line counts. Then the thread does not exist.
    """

    def __init__(self, fd: int, path: str, *, counts_all: bool = False, tails: Tails | None = None) -> None:
        self.fd = fd
        self.path = path
        self._counts_all = counts_all
        self._seen: list[Line] = []
        self._mark: Mark = mark_of(os.fstat(fd))
        self.size: int = self._mark[2]
        self._known: Tail | None = tails and tails.find(path, self._mark, fd)
        if self._known is not None:
            self.is_unfinished, self.is_empty = False, False
            _, self._start, self.state, self._settings = self._known
            self._older = backward_lines(fd, self.size)
        else:
            self._settings = None
            self._read_end()

    def _read_end(self) -> None:
        """Read the last lines."""
        fd, path, counts_all = self.fd, self.path, self._counts_all
        end_at = max(0, self.size - FIRST_CHUNK)
        end = read_at(fd, end_at, self.size - end_at)
        self._start: bytes = read_at(fd, 0, START_BYTES) if end_at else end
        if format_of(self._start) > FORMAT:
            raise StorageUnavailable(f"{path} was written by a newer recuerda: upgrade recuerda")
        self.is_unfinished: bool = is_unfinished(self._start)
        has_tail = counts_all and _has_whole_tail(fd, self.size)
        self._older = backward_lines(fd, end_at + len(end), with_tail=has_tail, last=end)
        self.state: State = State() if self.is_unfinished and self._is_beginning() else self._last_state()
        self.is_empty: bool = not self._seen

    @property
    def start(self) -> bytes:
        """The first bytes of the file, `START_BYTES` at most."""
        return self._start[:START_BYTES]

    def new_tail(self) -> Tail | None:
        """Return the end of the file, with the settings if they were read; None if it is known already, or in doubt."""
        if self._known is not None:
            return None if self._settings is self._known.settings else self._tail()
        counts = not (self._counts_all or self.is_empty or self.is_unfinished or self.state.end != self.size)
        return self._tail() if counts else None

    def _tail(self) -> Tail:
        return Tail(self._mark, self.start, self.state, self._settings)

    @property
    def is_in_doubt(self) -> bool:
        """True if there are bytes after the lines that count."""
        return self.size > self.state.end

    @property
    def user_id(self) -> str | None:
        """The thread's user."""
        settings = self.settings()
        return settings.user_id if settings else None

    def settings(self) -> SettingsLine | None:
        """Return the current settings, without a title that was made from a turn that is gone.

        If they are damaged, return the last readable settings, or None if there are none.
        """
        if self._settings is None:
            found = parse_settings(self._settings_line())
            if found is None:
                for line in forward_lines(self.fd, 0, self.state.end):
                    found = parse_settings(line.data) or found
            self._settings = found and without_lost_title(found, self.state.first)
        return self._settings

    @property
    def known_settings(self) -> SettingsLine | None:
        """The current settings if they have been read; otherwise None."""
        return self._settings

    def _settings_line(self) -> bytes:
        at = self.state.settings_at
        if at == 0 and (end := self._start.find(b"\n", 0, self.state.end)) > 0:
            return self._start[:end]
        return line_at(self.fd, at, self.state.end).data

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

    def id_at(self, number: int) -> str | None:
        """Return the id of a record that the thread holds or remembers, by its number."""
        state = self.state
        if number == state.revision:
            return state.record_id
        if number < state.first and number <= state.revision - REMEMBERED:
            return None
        for line in backward_lines(self.fd, min(state.end, self.size)):
            found = number_of(line.data)
            if found == number:
                known = parse_gone(line.data) if is_gone(line.data) else read_record(line.data, number)
                return known and known.id
            if 0 < found < number:
                return None
        return None

    def newest(self, after: int, query: ReadQuery, *, covered: int = 0) -> tuple[list[TurnRecord], int]:
        """Return the records that the query asks for, newest first, and the number from which they are complete.

        Turns up to the number `covered` are left out.
        """
        lowest = max(after, covered, self.state.first - 1) + 1
        records: list[TurnRecord] = []
        turns = messages = 0
        for record in self._backward_records(query.highest(self.state.revision)):
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
        first_at = self._first_at()
        for line, record in self._history(first_at, first_at):
            if isinstance(record, TurnRecord) and record.number >= self.state.first:
                yield line, record

    def history(self) -> Iterator[tuple[Line, TurnRecord | GoneLine]]:
        """Yield all records in the file with their lines, including dropped and removed records."""
        yield from self._history(0, self._first_at())

    def _history(self, start: int, first_at: int) -> Iterator[tuple[Line, TurnRecord | GoneLine]]:
        number = self.state.first - 1
        for line in forward_lines(self.fd, start, self.state.end):
            record: TurnRecord | GoneLine | None = None
            if is_gone(line.data):
                record = parse_gone(line.data)
            elif line.at < first_at:
                found = parse_record(line.data)
                record = found and found.record()
            elif not is_settings(line.data):
                record = read_record(line.data, number + 1)
                number = record.number if record.number >= self.state.first else number
            if record is not None:
                yield line, record

    def _backward_records(self, highest: int) -> Iterator[TurnRecord]:
        number = highest + 1
        if highest == self.state.revision:
            lines = chain(self._seen, self._older)
        else:
            lines = backward_lines(self.fd, end_before(self.fd, number, self.state.end))
        for line in lines:
            if holds_record(line.data):
                record = read_record(line.data, number - 1)
                number = record.number
                yield record

    def _first_at(self) -> int:
        # Offsets may be wrong when somebody has edited the file. Then the search starts at the beginning.
        line = parse_record(line_at(self.fd, self.state.first_at, self.state.end).data)
        return self.state.first_at if line is not None and line.number == self.state.first else 0

    def _is_beginning(self) -> bool:
        """Return True if an unfinished file does not hold its thread yet."""
        first = line_at(self.fd, 0, self.size)
        settings = parse_settings(first.data)
        is_complete = settings is not None and self.size >= first.end + settings.rest
        return not (self._counts_all and is_complete and _ends_with_newline(self.fd, self.size))

    def _last_state(self) -> State:
        damaged: list[Line] = []
        for line in self._older:
            found = None if is_gone(line.data) else parse_record(line.data) or parse_settings(line.data)
            if found is not None and not self._seen and not self._counts(found):
                continue
            self._seen.append(line)
            if found is not None:
                state = _state(found, self._seen[0].end)
                return _after_damage(state, damaged) if damaged else state
            if not is_gone(line.data):
                damaged.append(line)
        if damaged:
            raise StorageUnavailable(
                f"{self.path} is damaged: none of its lines can be read; restore a copy, or move the file away"
            )
        return State()

    def _counts(self, last: RecordLine | SettingsLine) -> bool:
        # New settings belong to the record after them. Alone they would give a title or a user to nothing.
        return not last.more or (self._counts_all and isinstance(last, RecordLine))


def open_log(
    path: str, disk: Disk, *, is_writer: bool = False, waits: bool = True, tails: Tails | None = None
) -> AbstractContextManager[Log | None]:
    """Open a thread's file for a `with` block; the block gets None when there is no thread.

    Args:
        path: the file.
        disk: the disk.
        is_writer: True for a writer, who holds the thread's lock.
        waits: False for a reader who must not wait for a lock or for the disk.
        tails: the ends of files that are known. A reader adds the end of this file.

    Raises:
        WouldWait: the last lines are in doubt, and the reader must not wait.
    """
    return _OpenLog(path, disk, is_writer=is_writer, waits=waits, tails=tails)


class _OpenLog:
    """A `with` block for `open_log`. Each turn has two, and a generator would cost five times as much."""

    __slots__ = ("_disk", "_fd", "_is_writer", "_log", "_path", "_tails", "_waits")

    def __init__(self, path: str, disk: Disk, *, is_writer: bool, waits: bool, tails: Tails | None) -> None:
        self._path, self._disk, self._is_writer, self._waits, self._tails = path, disk, is_writer, waits, tails
        self._fd = -1
        self._log: Log | None = None

    def __enter__(self) -> Log | None:
        try:
            self._fd = open_private(self._path, os.O_RDWR if self._is_writer else os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            log = Log(self._fd, self._path, tails=self._tails)
            if log.is_in_doubt:
                if not self._waits:
                    raise WouldWait
                log = _finished(log, self._disk) if self._is_writer else _decided(log, self._disk)
        except BaseException:
            os.close(self._fd)
            raise
        self._log = None if log.is_empty else log
        return self._log

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        if self._tails is None or self._log is None or self._is_writer:
            return
        if (tail := self._log.new_tail()) is not None:
            self._tails.keep(self._path, tail)


def _decided(log: Log, disk: Disk) -> Log:
    """Return the log for a reader, without the lines in doubt if a writer is at work."""
    with shared(log.fd) as is_settled:
        if not is_settled:
            return log
        again = Log(log.fd, log.path)  # the writer may have finished, or given up
        whole = Log(log.fd, log.path, counts_all=True) if again.is_in_doubt else again
        if whole.state.end != again.state.end:
            disk.sync_file(log.path)
        return whole


def _finished(log: Log, disk: Disk) -> Log:
    """Return the log for a writer, who finishes the work of an earlier writer."""
    whole = Log(log.fd, log.path, counts_all=True)
    if whole.state.end != log.state.end:
        disk.sync(log.fd)
        if whole.state.end > whole.size:
            write_at(log.fd, whole.size, b"\n")
        if whole.is_unfinished:
            write_at(log.fd, FINISHED_AT, FINISHED)
        return Log(log.fd, log.path, counts_all=True)
    return whole


def without_lost_title(settings: SettingsLine, first: int) -> SettingsLine:
    """Return the settings without the title, if it was made from a turn before number `first`."""
    if settings.title_turn and settings.title_turn < first:
        return replace(settings, title=None, title_turn=0)
    return settings


def last_piece(fd: int, size: int) -> bytes:
    """Return the bytes after the last newline."""
    if not size or _ends_with_newline(fd, size):
        return b""
    return next(backward_lines(fd, size, with_tail=True)).data


def _ends_with_newline(fd: int, size: int) -> bool:
    return read_at(fd, size - 1, 1) == b"\n"


def _has_whole_tail(fd: int, size: int) -> bool:
    tail = last_piece(fd, size)
    return bool(tail) and (parse_record(tail) or parse_settings(tail)) is not None


def backward_lines(fd: int, end: int, *, with_tail: bool = False, last: bytes = b"") -> Iterator[Line]:
    """Yield a file's complete lines from the last to the first.

    `with_tail` also yields the bytes after the last newline, as a line. `last` are the bytes before `end`, if they have
    been read.
    """
    position, chunk = end, FIRST_CHUNK
    is_torn = not with_tail
    held: list[bytes] = []  # the pieces of a line whose start has not been read yet, the last piece first
    while position > 0:
        size = len(last) or min(chunk, position)
        position -= size
        chunk = min(chunk * 2, LARGEST_CHUNK)
        data, last = last or read_at(fd, position, size), b""
        end = len(data)
        while (at := data.rfind(b"\n", 0, end) + 1) > 0:
            if not is_torn:
                piece = data[at:end]
                yield Line(position + at, b"".join((piece, *reversed(held))) if held else piece)
            is_torn = False
            held.clear()
            end = at - 1
        held.append(data[:end])
    if not is_torn:
        yield Line(0, b"".join(reversed(held)))


def end_before(fd: int, number: int, end: int) -> int:
    """Return the offset of the first line with this number or a higher one; `end` if there is none.

    The numbers of a file's lines grow, so each look at the middle of a part leaves half of it.
    """
    low, high, found = 0, end, end
    while low < high:
        middle = (low + high) // 2
        at, its_number = _next_number(fd, middle, high)
        if its_number and its_number < number:
            low = at + 1
        else:
            high, found = middle, at if its_number else found
    return found


def _next_number(fd: int, start: int, end: int) -> tuple[int, int]:
    """Return the offset and the number of the first line with a number that starts in a part; 0 as number for none."""
    at = 0 if start == 0 else _line_start(fd, start - 1, end)
    while at < end:
        if number := number_of(read_at(fd, at, _NUMBER)):
            return at, number
        at = _line_start(fd, at, end)
    return end, 0


def _line_start(fd: int, start: int, end: int) -> int:
    """Return the offset after the first newline in a part; `end` if there is none."""
    chunk = _SHORT_LINE
    while start < end and (data := read_at(fd, start, min(chunk, end - start))):
        at = data.find(b"\n")
        if at >= 0:
            return start + at + 1
        start += len(data)
        chunk = min(chunk * 2, LARGEST_CHUNK)
    return end


def forward_lines(fd: int, start: int, end: int) -> Iterator[Line]:
    """Yield a file's lines, from the line at `start` to the last line before `end`, which may lack its newline."""
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
    if tail := b"".join(held):
        yield Line(at, tail)


def line_at(fd: int, offset: int, end: int) -> Line:
    """Return the line at an offset; an empty line if there is none. The last line may lack its newline."""
    held: list[bytes] = []
    chunk, position = FIRST_CHUNK, offset
    while position < end and (data := read_at(fd, position, min(chunk, end - position))):
        piece, newline, _ = data.partition(b"\n")
        held.append(piece)
        if newline:
            break
        position += len(data)
        chunk = min(chunk * 2, LARGEST_CHUNK)
    return Line(offset, b"".join(held))


def _state(line: RecordLine | SettingsLine, end: int) -> State:
    is_record = isinstance(line, RecordLine)
    revision = line.number if is_record else line.revision
    is_turn = is_record and line.kind is None
    return State(
        revision=revision,
        record_id=line.id if isinstance(line, RecordLine) else line.record_id,
        first=line.first,
        turns=line.turns,
        messages=line.messages,
        updated_us=line.updated_us or line.created_us,
        first_at=line.first_at,
        settings_at=line.settings_at,
        summary_at=line.summary_at,
        last_turn=revision if is_turn else line.last_turn,
        dead=line.dead,
        end=end,
    )


def _after_damage(state: State, damaged: list[Line]) -> State:
    """Return the state after lines that cannot be read.

    Each of them counts as a turn, the most likely kind of record.
    """
    revision, turns, messages, record_id = state.revision, state.turns, state.messages, state.record_id
    for line in reversed(damaged):
        if not is_settings(line.data):
            record = read_record(line.data, revision + 1)
            revision, messages = max(record.number, revision + 1), messages + record.message_count
            turns += record.kind == "turn"
            record_id = record.id
    return replace(
        state,
        revision=revision,
        record_id=record_id,
        turns=turns,
        messages=messages,
        last_turn=revision if turns > state.turns else state.last_turn,
    )
