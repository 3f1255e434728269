"""Threads in this process's memory: for tests, short-lived programs, and as the oracle of what a storage does.

Nothing is awaited between looking and writing, so on one event loop every operation is atomic by itself; a lock keeps
it so when several loops in several OS threads share the storage.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

import msgspec

from recuerda.errors import ConfigurationError, StorageUnavailable, ThreadConflict
from recuerda.ids import new_id
from recuerda.storage.contract import Clock, Storage, system_clock
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


class _Thread(msgspec.Struct):
    created_us: int
    updated_us: int
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

    def add(self, record: TurnRecord) -> None:
        self.records[record.number] = record
        self.numbers[record.id] = record.number
        self.revision = record.number
        self.turns += record.kind == "turn"
        self.messages += record.message_count
        self.updated_us = record.created_us
        if record.kind == "summary":
            self.summaries.append(record.number)

    def drop(self, number: int) -> None:
        record = self.records.pop(number, None)
        if record is not None:
            del self.numbers[record.id]
            self.turns -= record.kind == "turn"
            self.messages -= record.message_count
            if record.kind == "summary":
                self.summaries.remove(number)

    def undo(self, number: int) -> None:
        self.drop(number)
        # A summary is newer than what it covers.
        for summary in [one for one in self.summaries if one > number and (self.records[one].target or 0) >= number]:
            self.drop(summary)

    def drop_before(self, number: int) -> None:
        while self.first < number:
            self.drop(self.first)
            self.first += 1


class MemoryStorage(Storage):
    """Keep threads in RAM; they end with the process.

    Args:
        clock: gives the time in microseconds since 1970.
    """

    kind: ClassVar[str] = "memory"

    def __init__(self, *, clock: Clock = system_clock) -> None:
        super().__init__(clock=clock)
        self._threads: dict[str, _Thread] = {}
        self._drafts: dict[str, list[DraftStep]] = {}
        self._leases: dict[str, tuple[str, int]] = {}
        self._mutex = threading.RLock()
        self._is_closed = False

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Make a new, empty storage from `memory:`."""
        if urlsplit(url).path not in ("", "/") or urlsplit(url).netloc:
            raise ConfigurationError("the URL of the RAM storage is just 'memory:'")
        return cls()

    async def _append(self, thread_id: str, record: NewRecord, expected: int | None) -> Appended:
        with self._open():
            thread = self._threads.get(thread_id)
            if thread is not None and not record.is_new_id and (number := thread.numbers.get(record.id)):
                self._end_draft(thread_id, record.id)
                return Appended(revision=number, replayed=True, record=thread.records[number])
            revision = thread.revision if thread else 0
            if expected is not None and expected != revision:
                raise ThreadConflict(thread_id, expected=expected, actual=revision)
            if thread is None:
                thread = self._threads[thread_id] = _Thread(record.created_us, record.created_us)
            if revision == 0:
                thread.user_id = record.user_id if thread.user_id is None else thread.user_id
                thread.title = record.title if thread.title is None else thread.title
            if record.kind == "turn":
                self._drafts.pop(thread_id, None)
            committed = record.numbered(revision + 1)
            thread.add(committed)
            self._cut(thread, record)
            return Appended(revision=committed.number, replayed=False, record=committed, created=revision == 0)

    def _end_draft(self, thread_id: str, turn_id: str) -> None:
        """Remove the draft of a turn that is committed already."""
        steps = self._drafts.get(thread_id)
        if steps and steps[0].turn_id == turn_id:
            del self._drafts[thread_id]

    def _cut(self, thread: _Thread, record: NewRecord) -> None:
        if record.kind == "undo" and record.target is not None:
            thread.undo(record.target)
        if record.kind == "trim" and record.target is not None:
            thread.drop_before(record.target)
        if record.keep_messages is not None and thread.messages > record.keep_messages:
            while thread.messages > max(record.keep_messages, record.message_count):
                thread.drop_before(thread.first + 1)
            while thread.first not in thread.records:
                thread.first += 1

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        with self._open():
            thread = self._threads.get(thread_id)
            if thread is None:
                return ThreadSlice(info=None, has_draft=thread_id in self._drafts)
            is_same = query.incarnation in (None, thread.incarnation)
            after = query.after if is_same else 0
            found = thread.numbers.get(query.turn_id) if query.turn_id else None
            number = thread.summaries[-1] if query.with_summary and not after and thread.summaries else 0
            summary = thread.records.get(number)
            lowest = max(after + 1, thread.first, (summary.target or 0) + 1 if summary else 1)
            records, start = self._newest(thread, after, lowest, query)
            return ThreadSlice(
                info=self._info(thread_id, thread),
                records=tuple(reversed(records)),
                start=start,
                found=thread.records[found] if found else None,
                summary=summary,
                has_draft=thread_id in self._drafts,
            )

    def _newest(self, thread: _Thread, after: int, lowest: int, query: ReadQuery) -> tuple[list[TurnRecord], int]:
        records: list[TurnRecord] = []
        messages = turns = 0
        if query.last_turns == 0:
            return records, max(after, thread.revision) + 1
        for number in range(thread.revision, lowest - 1, -1):
            record = thread.records.get(number)
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

    async def _list(self, user_id: str | None, limit: int, position: tuple[int, str] | None) -> list[ThreadInfo]:
        with self._open():
            infos = [
                self._info(thread_id, thread)
                for thread_id, thread in self._threads.items()
                if (user_id is None or thread.user_id == user_id)
                and (position is None or (thread.updated_us, thread_id) < position)
            ]
        return sorted(infos, key=lambda info: (info.updated_us, info.id), reverse=True)[:limit]

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int) -> ThreadInfo:
        with self._open():
            thread = self._threads.setdefault(thread_id, _Thread(now_us, now_us))
            thread.updated_us = now_us
            for name in ("user_id", "title", "metadata"):
                if (value := getattr(changes, name)) is not msgspec.UNSET:
                    setattr(thread, name, value)
            return self._info(thread_id, thread)

    async def _delete(self, thread_id: str) -> bool:
        with self._open():
            self._drafts.pop(thread_id, None)
            return self._threads.pop(thread_id, None) is not None

    async def _save_draft(self, thread_id: str, step: DraftStep) -> None:
        with self._open():
            steps = self._drafts.get(thread_id, [])
            thread = self._threads.get(thread_id)
            is_new = is_new_step(
                thread_id,
                step,
                first=steps[0] if steps else None,
                same=steps[step.number - 1] if step.number <= len(steps) else None,
                newest=len(steps),
                revision=thread.revision if thread else 0,
            )
            if is_new:
                self._drafts[thread_id] = [step] if step.number == 1 else [*steps, step]

    async def _load_draft(self, thread_id: str) -> list[DraftStep]:
        with self._open():
            return list(self._drafts.get(thread_id, ()))

    async def _list_drafts(self, limit: int) -> list[str]:
        with self._open():
            return sorted(self._drafts)[:limit]

    async def _drop_draft(self, thread_id: str) -> bool:
        with self._open():
            return self._drafts.pop(thread_id, None) is not None

    async def _rewrite(self, thread_id: str, bodies: Mapping[int, bytes]) -> None:
        with self._open():
            records = self._threads[thread_id].records if thread_id in self._threads else {}
            for number, body in bodies.items():
                if number in records:
                    records[number] = msgspec.structs.replace(records[number], body=body)

    async def _lease(self, thread_id: str, holder: str, ttl_us: int) -> bool:
        with self._open():
            now_us = time.monotonic_ns() // 1000
            other, until_us = self._leases.get(thread_id, (holder, 0))
            if other != holder and now_us < until_us:
                return False
            self._leases[thread_id] = (holder, now_us + ttl_us)
            return True

    async def _release(self, thread_id: str, holder: str) -> None:
        with self._open():
            if self._leases.get(thread_id, ("", 0))[0] == holder:
                del self._leases[thread_id]

    async def _close(self) -> None:
        self._is_closed = True

    def _open(self) -> threading.RLock:
        if self._is_closed:
            raise StorageUnavailable("the RAM storage has been closed; make a new one")
        return self._mutex

    @staticmethod
    def _info(thread_id: str, thread: _Thread) -> ThreadInfo:
        return ThreadInfo(
            id=thread_id,
            revision=thread.revision,
            incarnation=thread.incarnation,
            first=thread.first,
            turns=thread.turns,
            messages=thread.messages,
            user_id=thread.user_id,
            title=thread.title,
            metadata=deepcopy(thread.metadata),
            created_us=thread.created_us,
            updated_us=thread.updated_us,
        )
