"""One thread as plain data in memory: the rules that every storage follows, in ordinary Python.

`MemoryStorage` holds one `ThreadLog` for each thread. The class is also the shortest complete statement of the effects
of an append, a read and a draft. A storage that loads and saves whole threads needs nothing else. The class has no
clock, no lock and no event loop: its user must let each operation end before the next operation begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

import msgspec

from recuerda.errors import ThreadConflict
from recuerda.ids import new_id
from recuerda.storage.hooks import is_new_step
from recuerda.storage.records import (
    Appended,
    DraftStep,
    NewRecord,
    ReadQuery,
    ThreadChanges,
    ThreadInfo,
    ThreadSlice,
    TurnRecord,
)


class ThreadLog(msgspec.Struct):
    """A thread's records, settings and draft. msgspec turns it into JSON and back.

    Attributes:
        id: the thread's id.
        created_us: the time of the first record or setting, in microseconds since 1970 (UTC). None if there is neither;
            then the thread does not exist, but it may have a draft.
        updated_us: the time of the last record or setting.
        incarnation: a random id. A thread that begins again after its deletion gets a new id.
        revision: the number of records ever written.
        first: a number; all records with a lower number are gone.
        messages: the number of messages in the records.
        turns: the number of records that are turns.
        records: the records by their numbers.
        numbers: the numbers of the records by their ids.
        summaries: the numbers of the summaries, ascending.
        draft: the steps of the turn that has begun and is not committed.
    """

    id: str
    created_us: int | None = None
    updated_us: int = 0
    user_id: str | None = None
    title: str | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    incarnation: str = msgspec.field(default_factory=new_id)
    revision: int = 0
    first: int = 1
    messages: int = 0
    turns: int = 0
    records: dict[int, TurnRecord] = msgspec.field(default_factory=dict[int, TurnRecord])
    numbers: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    summaries: list[int] = msgspec.field(default_factory=list[int])
    draft: list[DraftStep] = msgspec.field(default_factory=list[DraftStep])

    @property
    def exists(self) -> bool:
        """True when the thread exists; False when it has at most a draft."""
        return self.created_us is not None

    def info(self) -> ThreadInfo:
        """Return the information about the thread, which must exist."""
        return ThreadInfo(
            id=self.id,
            revision=self.revision,
            incarnation=self.incarnation,
            first=self.first,
            turns=self.turns,
            messages=self.messages,
            user_id=self.user_id,
            title=self.title,
            metadata=deepcopy(self.metadata),
            created_us=self.created_us or 0,
            updated_us=self.updated_us,
        )

    # -- records -------------------------------------------------------------------------------------------------------

    def append(self, record: NewRecord, expected: int | None) -> Appended:
        """Do what `Storage._append` describes."""
        if not record.is_new_id and (number := self.numbers.get(record.id)):
            if self.draft and self.draft[0].turn_id == record.id:
                self.draft = []
            return Appended(revision=number, replayed=True, record=self.records[number])
        if expected is not None and expected != self.revision:
            raise ThreadConflict(self.id, expected=expected, actual=self.revision)
        is_first = self.revision == 0
        if self.created_us is None:
            self.created_us = record.created_us
        if is_first:
            self.user_id = record.user_id if self.user_id is None else self.user_id
            self.title = record.title if self.title is None else self.title
        if record.kind == "turn":
            self.draft = []
        committed = record.numbered(self.revision + 1)
        self._add(committed)
        self._cut(record)
        return Appended(revision=committed.number, replayed=False, record=committed, created=is_first)

    def read(self, query: ReadQuery) -> ThreadSlice:
        """Do what `Storage._read` describes."""
        if not self.exists:
            return ThreadSlice(info=None, has_draft=bool(self.draft))
        after = query.after if query.incarnation in (None, self.incarnation) else 0
        found = self.numbers.get(query.turn_id) if query.turn_id else None
        newest = self.summaries[-1] if query.with_summary and not after and self.summaries else 0
        summary = self.records.get(newest)
        lowest = max(after + 1, self.first, (summary.target or 0) + 1 if summary else 1)
        records, start = self._newest(after, lowest, query)
        return ThreadSlice(
            info=self.info(),
            records=tuple(reversed(records)),
            start=start,
            found=self.records[found] if found else None,
            summary=summary,
            has_draft=bool(self.draft),
        )

    def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Replace the bodies of records by number. A number that is gone is skipped."""
        for number, body in bodies.items():
            if number in self.records:
                self.records[number] = msgspec.structs.replace(self.records[number], body=body)

    def update(self, changes: ThreadChanges, now_us: int) -> ThreadInfo:
        """Set the given settings, and return the information about the thread, which exists from now on."""
        self.created_us = now_us if self.created_us is None else self.created_us
        self.updated_us = now_us
        for name in ("user_id", "title", "metadata"):
            if (value := getattr(changes, name)) is not msgspec.UNSET:
                setattr(self, name, value)
        return self.info()

    def _add(self, record: TurnRecord) -> None:
        self.records[record.number] = record
        self.numbers[record.id] = record.number
        self.revision = record.number
        self.turns += record.kind == "turn"
        self.messages += record.message_count
        self.updated_us = record.created_us
        if record.kind == "summary":
            self.summaries.append(record.number)

    def _cut(self, record: NewRecord) -> None:
        """Drop the records that a new record removes from the thread."""
        if record.kind == "undo" and record.target is not None:
            self._undo(record.target)
        if record.kind == "trim" and record.target is not None:
            self._drop_before(record.target)
        if record.keep_messages is not None and self.messages > record.keep_messages:
            while self.messages > max(record.keep_messages, record.message_count):
                self._drop_before(self.first + 1)
            while self.first not in self.records:
                self.first += 1

    def _undo(self, number: int) -> None:
        self._drop(number)
        # A summary is newer than every turn that it covers.
        for summary in [one for one in self.summaries if one > number and (self.records[one].target or 0) >= number]:
            self._drop(summary)

    def _drop_before(self, number: int) -> None:
        while self.first < number:
            self._drop(self.first)
            self.first += 1

    def _drop(self, number: int) -> None:
        record = self.records.pop(number, None)
        if record is not None:
            del self.numbers[record.id]
            self.turns -= record.kind == "turn"
            self.messages -= record.message_count
            if record.kind == "summary":
                self.summaries.remove(number)

    def _newest(self, after: int, lowest: int, query: ReadQuery) -> tuple[list[TurnRecord], int]:
        """Return the records that a query asks for, newest first, and the number from which they are complete."""
        records: list[TurnRecord] = []
        messages = turns = 0
        if query.last_turns == 0:
            return records, max(after, self.revision) + 1
        for number in range(self.revision, lowest - 1, -1):
            record = self.records.get(number)
            if record is None or (record.kind != "turn" and not after):
                continue
            messages += record.message_count
            turns += record.kind == "turn"
            if query.last_turns is not None and turns > query.last_turns:
                return records, number + 1
            if query.last_messages is not None and messages > query.last_messages and turns > 1:
                return records, number + 1
            records.append(record)
        return records, lowest

    # -- the draft -----------------------------------------------------------------------------------------------------

    def save_step(self, step: DraftStep) -> None:
        """Do what `Storage._save_draft` describes."""
        is_new = is_new_step(
            self.id,
            step,
            first=self.draft[0] if self.draft else None,
            same=self.draft[step.number - 1] if step.number <= len(self.draft) else None,
            newest=len(self.draft),
            revision=self.revision,
        )
        if is_new:
            self.draft = [step] if step.number == 1 else [*self.draft, step]

    def drop_draft(self) -> bool:
        """Remove the draft; return whether there was one."""
        had_draft, self.draft = bool(self.draft), []
        return had_draft


def list_infos(
    logs: Iterable[ThreadLog], user_id: str | None, limit: int, position: tuple[int, str] | None
) -> list[ThreadInfo]:
    """Do what `Storage._list` describes, over all threads of a storage."""
    behind = [
        log
        for log in logs
        if log.exists and user_id in (None, log.user_id) and (position is None or (log.updated_us, log.id) < position)
    ]
    newest = sorted(behind, key=lambda log: (log.updated_us, log.id), reverse=True)
    return [log.info() for log in newest[:limit]]
