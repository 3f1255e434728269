"""The part of a thread that a handle has already read: its warm view.

The first read of a thread fetches its window. Every later read asks only for records that are newer than the version
held here. That works because a version never comes back with another meaning: an undo and a trim are records as well, a
thread that was deleted and made again has another incarnation, and a storage that was put back has other records. A
view that cannot be continued is replaced by a new one.

There are two views of a thread: all of its turns, or its newest summary and the turns that the summary does not cover.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from recuerda.errors import CorruptTurn
from recuerda.json_value import JsonObject
from recuerda.messages.codec import decode_turn
from recuerda.messages.files import files_in, has_files, turn_with_files
from recuerda.messages.message import ChatMessage, Turn, Usage, file_title
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.records import NO_BLOBS, TurnRecord, from_microseconds
from recuerda.storage.thread_info import Expected, ThreadInfo
from recuerda.threads.held_files import HeldFiles
from recuerda.threads.pins import PinnedTurns
from recuerda.window.explaining import WindowReport
from recuerda.window.tally import Tally
from recuerda.window.window import ContextWindow

TITLE_LENGTH = 60
"""The length of the longest title that is made from the first user message, in characters."""

MESSAGE_BYTES = 300
"""About the number of bytes that a held message takes beyond its texts."""

PART_BYTES = 340
"""About the number of bytes that a part of a message takes beyond its texts, such as a call of a tool."""

SHRINK_TURNS = 16
"""A handle looks whether it holds too many turns when their number is a multiple of this."""


# gc=False: a turn is never in a reference cycle, and a long thread holds thousands of turns that the collector would
# visit.
class StoredTurn(msgspec.Struct, frozen=True, gc=False):
    """A turn that is stored in a thread.

    Attributes:
        number: the revision that the turn got.
        id: the turn's id, which makes a retry safe.
        created_us: the time of the commit, in microseconds since 1970 (UTC).
        turn: the turn's messages, with their usage.
        blobs: the digests of the files that the storage keeps beside the turn.
    """

    number: int
    id: str
    created_us: int
    turn: Turn
    blobs: tuple[str, ...] = ()

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """The turn's messages."""
        return self.turn.messages

    @property
    def usage(self) -> Usage | None:
        """The tokens that the turn's answer cost; None when the service did not say."""
        return self.turn.usage

    @property
    def metadata(self) -> JsonObject:
        """The application's metadata of the turn; empty if there is none."""
        return self.turn.metadata or {}

    @property
    def created_at(self) -> datetime:
        """`created_us` as an aware UTC time."""
        return from_microseconds(self.created_us)

    @property
    def duration(self) -> timedelta | None:
        """The time that the turn's runs worked on it; None for a turn that no run has made. See `TurnRuns`."""
        return self.turn.duration

    @property
    def started_at(self) -> datetime | None:
        """The time at which the turn's first run began, in UTC; None for a turn that no run has made."""
        if (runs := self.turn.runs) is None:
            return None
        if runs.began_us is not None:
            return from_microseconds(runs.began_us)
        return from_microseconds(max(0, self.created_us - 1000 * runs.took_ms))

    @property
    def run_count(self) -> int:
        """The number of runs that worked on the turn; 0 for a turn that no run has made."""
        return 0 if self.turn.runs is None else self.turn.runs.count


def stored_turn(record: TurnRecord, thread_id: str, blobs: Mapping[str, bytes] = NO_BLOBS) -> StoredTurn:
    """Return a record with its messages decoded.

    Args:
        record: the record.
        thread_id: the thread's id, for the error.
        blobs: the bytes of files that the storage keeps beside the turn. A file whose bytes are not given stays a
            `StoredFile`, which is enough for a reader of the text.

    Raises:
        CorruptTurn: the record cannot be decoded; the error names the thread and the number.
    """
    turn = decode_turn(record.body, thread_id=thread_id, number=record.number)
    if record.blobs and blobs:
        turn = turn_with_files(turn, blobs)
    return StoredTurn(record.number, record.id, record.created_us, turn, record.blobs)


def readable_turns(
    records: Sequence[TurnRecord], thread_id: str, blobs: Mapping[str, bytes] = NO_BLOBS
) -> list[StoredTurn]:
    """Return the turns of a read that can be decoded, and leave out the other turns. See `stored_turn`."""
    turns: list[StoredTurn] = []
    for record in records:
        try:
            turns.append(stored_turn(record, thread_id, blobs))
        except CorruptTurn:
            continue
    return turns


def title_of(turn: Turn) -> str | None:
    """Return the title of a thread that begins with a turn: the start of the user's text, or the user's first file.

    None if the user has given neither.
    """
    asked = [message for message in turn.messages if message.role == "user"]
    text = next((message.text for message in asked if message.text.strip()), None)
    if text is None and has_files(asked):
        text = next((file_title(part) for part in files_in(asked)), None)
    if text is None:
        return None
    line = text.strip().splitlines()[0]
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


class History:
    """The part of a thread that was read.

    Args:
        thread_id: the thread's id.
        with_summary: True holds the newest summary, and only the turns that it does not cover.
    """

    def __init__(self, thread_id: str, *, with_summary: bool = False) -> None:
        self.thread_id = thread_id
        self.with_summary = with_summary
        self.info: ThreadInfo | None = None
        self.summary: TurnRecord | None = None
        self.turns: list[StoredTurn] = []
        self._start = 1
        self._window: int | None = None
        self._messages: list[ChatMessage] | None = None
        self._tally: Tally | None = None
        self.has_draft: bool = False
        self._pinned = PinnedTurns()
        self.files: HeldFiles = HeldFiles()
        self.has_files: bool = False
        self._turn_bytes = 0

    @property
    def revision(self) -> int:
        """The revision of the last read; 0 for a thread that does not exist."""
        return 0 if self.info is None else self.info.revision

    @property
    def version(self) -> Expected:
        """The version of the last read, from which the next read continues; 0 for a thread that does not exist."""
        return 0 if self.info is None else self.info.version

    @property
    def size_bytes(self) -> int:
        """About the number of bytes that the held turns and files take in memory."""
        held = self._turn_bytes if self.summary is None else self._turn_bytes + len(self.summary.body)
        return held + self.files.size_bytes if self.has_files else held

    def messages(self) -> list[ChatMessage]:
        """Return the messages of all held turns, in order, as a new list."""
        if self._messages is None:
            self._messages = [message for stored in self.turns for message in stored.turn.messages]
        return self.files.put_into(self._messages) if self.has_files else self._messages.copy()

    def turns_with_files(self, *, last: int | None = None) -> Sequence[StoredTurn]:
        """Return the held turns with the held files.

        Args:
            last: return only this number of the newest turns, as a new list. None returns all turns.
        """
        turns = self.turns if last is None else self.turns[-last:]
        if not self.files:
            return turns
        put = self.files.put_into_turn
        return [msgspec.structs.replace(one, turn=put(one.turn)) if one.blobs else one for one in turns]

    def missing_files(self) -> list[str]:
        """Return the digests of the files that the last read asked for and that are not held."""
        return self.files.missing(self.turns) if self.has_files else []

    def window(self, window: ContextWindow, *, overhead_tokens: int = 0, input_tokens: int = 0) -> list[ChatMessage]:
        """Return the messages that a window selects. The cost of each turn is remembered for the next call."""
        self._tally = window.tally(self.turns, self._tally)
        sent = window.plan(
            self._tally, overhead_tokens=overhead_tokens, input_tokens=input_tokens, is_rest=self._is_rest
        )
        return self._with_files(sent, window.keep_files) if self.has_files else sent

    def _with_files(self, sent: list[ChatMessage], keep: int | None) -> list[ChatMessage]:
        """Return the messages of a window with the held files. The window has named the files of older turns."""
        newest = self.turns if keep is None else self.turns[max(0, len(self.turns) - keep) :]
        older = max(0, len(sent) - sum([len(turn.turn.messages) for turn in newest]))
        sent[older:] = self.files.put_into(sent[older:])
        return sent

    def report(
        self, window: ContextWindow, sent: Sequence[ChatMessage], *, overhead_tokens: int = 0, input_tokens: int = 0
    ) -> WindowReport:
        """Return the report on `sent`, which `window` returned for the other arguments."""
        self._tally = window.tally(self.turns, self._tally)
        return window.report(
            self._tally, sent, overhead_tokens=overhead_tokens, input_tokens=input_tokens, is_rest=self._is_rest
        )

    def first_sent(self, window: ContextWindow, *, overhead_tokens: int, input_tokens: int) -> int:
        """Return the number of the first turn that a window selects; 0 if there is no turn."""
        self._tally = window.tally(self.turns, self._tally)
        return window.first_sent(
            self._tally, overhead_tokens=overhead_tokens, input_tokens=input_tokens, is_rest=self._is_rest
        )

    @property
    def start(self) -> int:
        """The number from which on all turns of the thread are held."""
        return self._start

    @property
    def first(self) -> int:
        """The number of the thread's first turn, or of a turn before it."""
        return 1 if self.info is None else self.info.first

    def without(self, stored: StoredTurn) -> History:
        """Return a copy that does not hold one of the held turns, for a run that replaces the turn."""
        copy = History(self.thread_id, with_summary=self.with_summary)
        copy.info, copy.summary, copy.has_draft = self.info, self.summary, self.has_draft
        copy.turns = [turn for turn in self.turns if turn.number != stored.number]
        copy._turn_bytes = self._turn_bytes
        copy._start, copy._window = self._start, self._window
        copy.files, copy.has_files = self.files, self.has_files
        copy._pinned = self.pinned().without(stored.number, copy.turns)
        return copy

    def pinned(self) -> PinnedTurns:
        """Return the turns with pinned messages: the held ones, and the earlier ones that were read for them."""
        self._pinned.follow(self.turns)
        return self._pinned

    @property
    def _is_rest(self) -> bool:
        # The window leaves out turns to move in steps. Without a summary, no text would stand for these turns.
        return self.with_summary and self._start <= max(self.first, _after(self.summary))

    def covers(self, last_messages: int | None, *, with_summary: bool = False) -> bool:
        """Return True if the held turns contain a window with this number of messages (None: the whole view)."""
        if self.info is None or not self._is_view(with_summary=with_summary):
            return False
        if self._start <= max(self.info.first, _after(self.summary)):
            return True
        return last_messages is not None and self._window is not None and last_messages <= self._window

    def _is_view(self, *, with_summary: bool) -> bool:
        # Both views of a thread without a summary are the same, but only a read with the summary shows that.
        return self.with_summary == with_summary or (self.with_summary and self.summary is None)

    def forget(self) -> None:
        """Drop everything, so that the next read starts anew."""
        self.info = None
        self.summary = None
        self._turn_bytes = 0
        self.turns = []
        self._messages = None
        self._tally = None

    def take(self, found: ThreadSlice, *, last_messages: int | None) -> None:
        """Add the result of a read. The read asked for the records after `revision`, or started anew.

        Raises:
            CorruptTurn: a record cannot be decoded; nothing has changed.
        """
        self.has_draft = found.has_draft
        is_next = found.is_continued and found.start <= self.revision + 1
        is_gap = found.is_continued and not is_next
        if found.info is None or (self.with_summary and (is_gap or not self._has_newest_summary(found))):
            self.forget()
            return
        records = [record for record in found.records if record.kind == "turn"]
        new = [stored_turn(record, self.thread_id) for record in records]
        undone = {record.target or 0 for record in found.records if record.kind == "undo"}
        if is_next:
            self._pinned.forget(undone)
            self._extend(new, undone, found.info.first)
            self._take_summary(found)
        else:
            self._turn_bytes = 0
            self.turns, self._messages = new, None
            self.has_files = any(turn.blobs for turn in new)
            self._start, self._window = found.start, last_messages
            self.summary = found.summary
        self._turn_bytes += _held_bytes(records, new)
        self.info = found.info
        if is_next and undone and self._window is not None:
            # A window that lost a turn at its end may need an older turn at its start.
            self._window = min(self._window, sum(len(turn.messages) for turn in self.turns))

    def _has_newest_summary(self, found: ThreadSlice) -> bool:
        """Return True if the newest summary is known after a continued read.

        An undo may make an older summary the newest.
        """
        covered = _after(self.summary) - 1
        undone = [record.target or 0 for record in found.records if record.kind == "undo"]
        return min(undone, default=covered + 1) > covered or any(one.kind == "summary" for one in found.records)

    def _take_summary(self, found: ThreadSlice) -> None:
        """Add the newest summary of a continued read, and drop the turns that it covers."""
        if not self.with_summary or found.info is None:
            return
        summaries = [record for record in found.records if record.kind == "summary"]
        self.summary = summaries[-1] if summaries else self.summary
        if self.summary is not None and self.summary.number < found.info.first:
            self.summary = None
        first = _after(self.summary)
        if first > self._start:
            self._start = first
            self._hold([turn for turn in self.turns if turn.number >= first])

    def summarized(self, record: TurnRecord) -> None:
        """Add a summary that this handle appended, if it is the next record."""
        if self.info is not None and record.number == self.info.revision + 1:
            self.info = _with_record(self.info, record)
            self._take_summary(ThreadSlice(info=self.info, records=(record,)))

    def committed(self, record: TurnRecord, turn: Turn) -> StoredTurn | None:
        """Add a turn that this handle appended, if it is the next record.

        Returns the turn as a reader of the thread gets it, or None if the turn was not added and would have to be
        decoded first.
        """
        stored: StoredTurn | None = None
        if all(type(message.content) is str and message.additional_properties is None for message in turn.messages):
            stored = StoredTurn(record.number, record.id, record.created_us, turn)
        if self.info is None or record.number != self.info.revision + (1 if record.target is None else 2):
            return stored
        if record.target is not None and not self._drop(record.target):
            self.forget()
            return stored
        # Other values may read back in another form, so the turn is decoded, as a reader of the thread would decode it.
        stored = stored or stored_turn(record, self.thread_id)
        self._extend([stored], set(), self.info.first)
        self._turn_bytes += _held_bytes([record], [stored])
        self.info = _with_record(self.info, record)
        self._shrink()
        return stored

    def _drop(self, number: int) -> bool:
        """Drop a turn that is replaced. Return False if the rest is not known without another read."""
        old = next((turn for turn in reversed(self.turns) if turn.number == number), None)
        if self.info is None or old is None or number < _after(self.summary):
            return False
        self._pinned.forget({number})
        self._extend([], {number}, self.info.first)
        if self._window is not None:
            self._window = min(self._window, sum(len(turn.messages) for turn in self.turns))
        self.info = _without_turn(self.info, old)
        return True

    def _extend(self, new: Iterable[StoredTurn], undone: set[int], first: int) -> None:
        if undone or (self.turns and self.turns[0].number < first):
            self._hold([turn for turn in self.turns if turn.number not in undone and turn.number >= first])
        self._start = max(self._start, first)
        for turn in new:
            self.turns.append(turn)
            if turn.blobs:
                self.has_files = True
            if self._messages is not None:
                self._messages.extend(turn.messages)

    def _hold(self, turns: list[StoredTurn]) -> None:
        """Hold only some of the held turns."""
        # Turns of one thread have about the same size. To note each size would make every turn larger.
        self._turn_bytes = self._turn_bytes * len(turns) // max(1, len(self.turns))
        self.turns, self._messages = turns, None

    def _shrink(self) -> None:
        """Drop turns far outside of the window, so that a handle on an endless thread stays small."""
        if not self._window or len(self.turns) % SHRINK_TURNS:
            return
        total = sum(len(stored.turn.messages) for stored in self.turns)
        if total <= 2 * self._window + 100:
            return
        drop = 0
        while total - len(self.turns[drop].messages) >= self._window:
            total -= len(self.turns[drop].messages)
            drop += 1
        self._start = self.turns[drop].number
        self._hold(self.turns[drop:])


def _after(summary: TurnRecord | None) -> int:
    """Return the number of the first turn that a summary does not cover."""
    return 1 if summary is None else (summary.target or 0) + 1


def _without_turn(info: ThreadInfo, turn: StoredTurn) -> ThreadInfo:
    title, title_turn = (None, 0) if info.title_turn == turn.number else (info.title, info.title_turn)
    return msgspec.structs.replace(
        info,
        turns=info.turns - 1,
        messages=info.messages - len(turn.messages),
        title=title,
        title_turn=title_turn,
    )


def _with_record(info: ThreadInfo, record: TurnRecord) -> ThreadInfo:
    return msgspec.structs.replace(
        info,
        revision=record.number,
        record_id=record.id,
        turns=info.turns + (record.kind == "turn"),
        messages=info.messages + record.message_count,
        updated_us=record.created_us,
    )


def _held_bytes(records: Sequence[TurnRecord], turns: Sequence[StoredTurn]) -> int:
    """Return about the number of bytes that turns take in memory, rather too many than too few.

    Python keeps all characters of a text in the width of its widest one. An emoji therefore makes a text four times as
    large.
    """
    bodies = [record.body for record in records]
    size = sum([len(body) if body.isascii() else sys.getsizeof(str(body, "utf-8", "replace")) for body in bodies])
    contents = [message.content for stored in turns for message in stored.turn.messages]
    parts = sum([len(content) for content in contents if type(content) is not str])
    return size + MESSAGE_BYTES * len(contents) + PART_BYTES * parts
