"""One thread as plain data in memory: the rules that every storage follows, in ordinary Python.

`MemoryStorage` holds one `ThreadLog` for each thread. The class is also the shortest complete statement of the effects
of an append, a read and a draft. A storage that loads and saves whole threads needs nothing else. The class has no
clock, no lock and no event loop: its user must let each operation end before the next operation begins.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import msgspec

from recuerda.errors import TurnDropped, TurnGone
from recuerda.ids import new_id
from recuerda.storage.drafts import DraftInfo, DraftStep
from recuerda.storage.operations import Appended, Guard, NewBodies, NewRecord, ReadQuery, ThreadChanges, ThreadSlice
from recuerda.storage.records import REMEMBERED, Blob, TurnRecord
from recuerda.storage.rules import (
    changed_after,
    check_history,
    check_last_step,
    check_state,
    check_user,
    edits_after,
    is_new_step,
    is_same_history,
    metadata_after,
    owner_after,
    parent_after,
    title_after,
    updated_after,
    wanted_blobs,
)
from recuerda.storage.thread_filter import ListedThreads, ThreadFilter, matching
from recuerda.storage.thread_info import ThreadInfo, ThreadParent

_SWEEP = 100
"""The number of records after which old ids are forgotten."""


class ThreadLog(msgspec.Struct):
    """A thread's records, settings and draft. msgspec turns it into JSON and back.

    Attributes:
        id: the thread's id.
        created_us: the time of the first record, draft or setting, in microseconds since 1970 (UTC). None if there is
            none; then the thread does not exist.
        updated_us: the time of the last record or setting.
        incarnation: a random id. A thread that begins again after its deletion gets a new id.
        revision: the number of records ever written.
        first: a number; all records with a lower number are gone.
        messages: the number of messages in the records.
        turns: the number of records that are turns.
        records: the records by their numbers.
        edits: see `ThreadInfo`.
        rewritten: the value of `edits` after the last change of a body.
        title_turn: the number of the turn from which the title was made; see `ThreadInfo.title_turn`.
        parent: the thread from which the thread was begun as a fork.
        archived: True if lists leave the thread out.
        tags: the thread's tags, in order and each once.
        numbers: the numbers of the records by their ids.
        dropped: the ids of removed records by their numbers, among the newest `REMEMBERED` numbers.
        retries: the numbers of dropped turns by their ids, which no other turn may use.
        summaries: the numbers of the summaries, ascending.
        draft: the steps of the turn that has begun and is not committed.
        blobs: the bytes of the blobs by their digests.
        uses: the number of turns that name each blob, by its digest.
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
    edits: int = 0
    rewritten: int = 0
    title_turn: int | None = None
    parent: ThreadParent | None = None
    archived: bool = False
    tags: tuple[str, ...] = ()
    numbers: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    dropped: dict[int, str] = msgspec.field(default_factory=dict[int, str])
    retries: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    summaries: list[int] = msgspec.field(default_factory=list[int])
    draft: list[DraftStep] = msgspec.field(default_factory=list[DraftStep])
    blobs: dict[str, bytes] = msgspec.field(default_factory=dict[str, bytes])
    uses: dict[str, int] = msgspec.field(default_factory=dict[str, int])

    @property
    def exists(self) -> bool:
        """True when the thread exists."""
        return self.created_us is not None

    @property
    def record_id(self) -> str:
        """The id of the newest record; "" without one."""
        # Every record that is removed is older than the record that removes it.
        return self.records[self.revision].id if self.revision else ""

    def info(self) -> ThreadInfo:
        """Return the information about the thread, which must exist."""
        return ThreadInfo(
            id=self.id,
            revision=self.revision,
            incarnation=self.incarnation,
            record_id=self.record_id,
            edits=self.edits,
            rewritten=self.rewritten,
            first=self.first,
            turns=self.turns,
            messages=self.messages,
            user_id=self.user_id,
            title=self.title,
            title_turn=self.title_turn,
            metadata=deepcopy(self.metadata),
            created_us=self.created_us or 0,
            updated_us=self.updated_us,
            parent=self.parent,
            archived=self.archived,
            tags=self.tags,
        )

    def check_user(self, guard: Guard) -> None:
        """Refuse the thread of another user."""
        check_user(self.id, guard, self.user_id)

    def check_state(self, guard: Guard) -> None:
        """Refuse a thread that is not in the guard's state."""
        check_state(
            self.id,
            guard,
            revision=self.revision,
            incarnation=self.incarnation if self.exists else None,
            record_id=self.record_id,
            edits=self.edits,
        )

    # -- records -------------------------------------------------------------------------------------------------------

    def append(self, record: NewRecord, guard: Guard) -> Appended:
        """Do what `Storage._append` describes."""
        self.check_user(guard)
        if not record.is_new_id:
            if number := self.numbers.get(record.id):
                if self.draft and self.draft[0].turn_id == record.id:
                    self.draft = []
                return Appended(revision=number, replayed=True, record=self.records[number])
            if number := self.retries.get(record.id):
                raise TurnDropped(self.id, turn_id=record.id, number=number)
        self.check_state(guard)
        self._check_last_step(guard, record.id)
        if record.replaced is not None:
            self._replace(record.replaced, record)
        is_first = self.revision == 0
        self._make(record.created_us, guard)
        if record.kind == "turn":
            self.draft = []
        committed = record.numbered(self.revision + 1)
        self._add(committed)
        for blob in record.blobs:
            self.blobs.setdefault(blob.digest, blob.data)
            self.uses[blob.digest] = self.uses.get(blob.digest, 0) + 1
        self._cut(record)
        self._forget_old_ids()
        self.title, self.title_turn = title_after(
            record.title, title=self.title, title_turn=self.title_turn, revision=committed.number - 1
        )
        return Appended(revision=committed.number, replayed=False, record=committed, created=is_first)

    def read(self, query: ReadQuery) -> ThreadSlice:
        """Do what `Storage._read` describes."""
        if not self.exists:
            return ThreadSlice(info=None)
        after = query.after if self._continues(query) else 0
        found = self.numbers.get(query.turn_id) if query.turn_id else None
        newest = self.summaries[-1] if query.with_summary and not after and self.summaries else 0
        summary = self.records.get(newest)
        lowest = max(after + 1, self.first, (summary.target or 0) + 1 if summary else 1)
        records, start = self._newest(after, lowest, query)
        return ThreadSlice(
            info=self.info(),
            records=tuple(reversed(records)),
            start=start,
            is_continued=after > 0,
            found=self.records[found] if found else None,
            dropped=self.retries.get(query.turn_id) if query.turn_id and not found else None,
            summary=summary,
            has_draft=bool(self.draft),
            blobs={digest: self.blobs[digest] for digest in wanted_blobs(query, records) if digest in self.blobs},
        )

    def replace_blob(self, digest: str, blob: Blob, guard: Guard) -> bool:
        """Do what `Storage._replace_blob` describes."""
        self.check_user(guard)
        self.check_state(guard)
        if digest not in self.blobs:
            return False
        del self.blobs[digest], self.uses[digest]
        self.blobs[blob.digest] = blob.data
        for record in list(self.records.values()):
            if digest in record.blobs:
                names = dict.fromkeys(blob.digest if name == digest else name for name in record.blobs)
                self.records[record.number] = msgspec.structs.replace(record, blobs=tuple(names))
        self.uses[blob.digest] = sum(blob.digest in record.blobs for record in self.records.values())
        return True

    def rewrite(self, change: NewBodies, now_us: int, guard: Guard) -> int | None:
        """Do what `Storage._rewrite` describes."""
        self.check_user(guard)
        self.check_state(guard)
        if not self.exists:
            return None
        self.edits = self.rewritten = edits_after(self.edits, now_us)
        for number, body in change.bodies.items():
            if (record := self.records.get(number)) is not None:
                gone = [digest for digest in record.blobs if digest in change.released_by(number)]
                left = tuple(digest for digest in record.blobs if digest not in gone)
                self.records[number] = msgspec.structs.replace(record, body=body, blobs=left)
                for digest in gone:
                    self._release_blob(digest)
        return self.edits

    def update(self, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        """Do what `Storage._update` describes."""
        self.check_user(guard)
        self.check_state(guard)
        changed_us = changed_after(changes, now_us, updated_us=self.updated_us)
        self._make(changed_us, guard)
        self.updated_us = changed_us
        self.edits = edits_after(self.edits, now_us)
        self.parent = parent_after(self.parent, changes, owner=self.user_id)
        if changes.user_id is not msgspec.UNSET:
            self.user_id = changes.user_id
        if changes.title is not msgspec.UNSET:
            self.title, self.title_turn = changes.title, changes.title_turn
        if changes.metadata is not msgspec.UNSET:
            self.metadata = metadata_after(self.metadata, changes.metadata)
        if changes.archived is not msgspec.UNSET:
            self.archived = changes.archived
        if changes.tags is not msgspec.UNSET:
            self.tags = changes.tags
        return self.info()

    def _make(self, now_us: int, guard: Guard) -> None:
        """Make the thread if it does not exist. Without a record and a user, it becomes the guard's user's."""
        if self.created_us is None:
            self.created_us = self.updated_us = now_us
        self.user_id = owner_after(guard.user_id, owner=self.user_id, revision=self.revision)

    def _replace(self, number: int, record: NewRecord) -> None:
        """Undo the turn that a new turn replaces."""
        held = self.records.get(number)
        if held is None or held.kind != "turn":
            raise TurnGone(self.id, turn=number, revision=self.revision)
        self._add(record.undo(self.revision + 1))
        self._undo(number)

    def _continues(self, query: ReadQuery) -> bool:
        """Return True if the records after the query's position continue what its reader knows."""
        if not is_same_history(query, incarnation=self.incarnation, edits=self.edits, rewritten=self.rewritten):
            return False
        if query.record_id is None or not query.after:
            return True
        return query.record_id == self._id_at(query.after)

    def _id_at(self, number: int) -> str | None:
        """Return the id of a record that the thread holds or remembers, by its number; "" for 0."""
        held = self.records.get(number)
        return held.id if held else self.dropped.get(number) if number else ""

    def _add(self, record: TurnRecord) -> None:
        self.records[record.number] = record
        self.numbers[record.id] = record.number
        self.revision = record.number
        self.turns += record.kind == "turn"
        self.messages += record.message_count
        self.updated_us = updated_after(record, updated_us=self.updated_us)
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
        self.retries.pop(self.dropped.get(number, ""), None)
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
            if record.kind == "turn":
                self.retries[record.id] = number
            if self.title_turn == number:
                self.title, self.title_turn = None, 0
            self.dropped[number] = record.id
            for digest in record.blobs:
                self._release_blob(digest)

    def _release_blob(self, digest: str) -> None:
        """Count one turn less that names a blob, and drop the blob with its last turn."""
        self.uses[digest] -= 1
        if not self.uses[digest]:
            del self.uses[digest], self.blobs[digest]

    def _forget_old_ids(self) -> None:
        """Forget the ids of removed records that are too old for a retry or a continued read."""
        if self.revision % _SWEEP:
            return
        for number in [number for number in self.dropped if number <= self.revision - REMEMBERED]:
            record_id = self.dropped.pop(number)
            if self.retries.get(record_id) == number:
                del self.retries[record_id]

    def _newest(self, after: int, lowest: int, query: ReadQuery) -> tuple[list[TurnRecord], int]:
        """Return the records that a query asks for, newest first, and the number from which they are complete."""
        records: list[TurnRecord] = []
        messages = turns = 0
        if query.last_turns == 0:
            return records, max(after, self.revision) + 1
        for number in range(query.highest(self.revision), lowest - 1, -1):
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

    def save_step(self, step: DraftStep, guard: Guard) -> str:
        """Do what `Storage._save_draft` describes."""
        self.check_user(guard)
        check_history(
            self.id,
            guard,
            revision=self.revision,
            incarnation=self.incarnation if self.exists else None,
            record_id=self._id_at(guard.revision or 0),
        )
        is_new = is_new_step(
            self.id,
            step,
            first=self.draft[0] if self.draft else None,
            same=self.draft[step.number - 1] if step.number <= len(self.draft) else None,
            newest=len(self.draft),
            newest_id=self.draft[-1].id if self.draft else "",
            revision=self.revision,
        )
        saved = msgspec.structs.replace(step, previous=None)
        if is_new and step.number == 1:
            self.check_state(guard)
            self._make(step.created_us, guard)
            self.draft = [saved]
        elif is_new:
            self.draft = [*self.draft, saved]
        return self.incarnation

    def load_draft(self, guard: Guard) -> list[DraftStep]:
        """Do what `Storage._load_draft` describes."""
        self.check_user(guard)
        return list(self.draft)

    def draft_info(self) -> DraftInfo:
        """Return the entry of the draft in a list of drafts."""
        return DraftInfo(thread_id=self.id, user_id=self.user_id, begun_us=self.draft[0].created_us)

    def drop_draft(self, turn_id: str | None, guard: Guard) -> bool:
        """Do what `Storage._drop_draft` describes."""
        self.check_user(guard)
        if not self.draft or turn_id not in (None, self.draft[0].turn_id):
            return False
        self.check_state(guard)
        self._check_last_step(guard, self.draft[0].turn_id)
        self.draft = []
        return True

    def _check_last_step(self, guard: Guard, turn_id: str) -> None:
        check_last_step(self.id, guard, turn_id=turn_id, last_step=self.draft[-1].id if self.draft else "")


def list_infos(
    logs: Iterable[ThreadLog], wanted: ThreadFilter, limit: int, position: tuple[int, str] | None
) -> ListedThreads:
    """Do what `Storage._list` describes, over all threads of a storage."""
    start = wanted.start(position)
    behind = [
        log
        for log in logs
        if log.exists
        and wanted.user_id in (None, log.user_id)
        and wanted.archived in (None, log.archived)
        and (start is None or (log.updated_us, log.id) < start)
    ]
    newest = sorted(behind, key=lambda log: (log.updated_us, log.id), reverse=True)
    return matching((log.info() for log in newest), wanted, limit)
