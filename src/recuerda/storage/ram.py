"""A storage in this process's memory, for tests and short-lived programs. Tests compare other storages with it.

No operation awaits between reading and writing, so each operation is atomic on one event loop. A lock also makes it
atomic across event loops in several OS threads. `thread_log.py` states what each operation does.
"""

from __future__ import annotations

import threading
import time
from itertools import islice
from typing import ClassVar, Self

from recuerda.errors import ConfigurationError, StorageUnavailable
from recuerda.storage.contract import Clock, Storage, system_clock
from recuerda.storage.drafts import DraftInfo, DraftStep, first_drafts
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.operations import Appended, Guard, NewBodies, NewRecord, ReadQuery, ThreadChanges, ThreadSlice
from recuerda.storage.records import Blob
from recuerda.storage.thread_filter import ListedThreads, ThreadFilter
from recuerda.storage.thread_info import ThreadInfo
from recuerda.storage.thread_log import ThreadLog, list_infos


class MemoryStorage(Storage):
    """Keep threads in memory. They end with the process.

    Args:
        clock: a function that returns the time in microseconds since 1970 (UTC).
    """

    kind: ClassVar[str] = "memory"
    max_blob_bytes: ClassVar[int | None] = None
    write_patience_s: float | None = None

    def __init__(self, *, clock: Clock = system_clock) -> None:
        super().__init__(clock=clock)
        self._logs: dict[str, ThreadLog] = {}
        self._leases: dict[str, tuple[str, int]] = {}
        self._mutex = threading.RLock()
        self._is_closed = False

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return a new, empty storage. The URL must be `memory:`."""
        if url.partition(":")[2] not in ("", "/", "//", "///"):
            raise ConfigurationError("the URL of the RAM storage must be 'memory:'")
        return cls()

    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        with self._open():
            log = self._log(thread_id)
            appended = log.append(record, guard)
            self._logs[thread_id] = log
            return appended

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        with self._open():
            return self._log(thread_id).read(query)

    async def _list(self, wanted: ThreadFilter, limit: int, position: tuple[int, str] | None) -> ListedThreads:
        with self._open():
            return list_infos(self._logs.values(), wanted, limit, position)

    async def _walk(self, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
        with self._open():
            # One step returns all threads, so nothing can change in between.
            return [log.info() for log in self._logs.values() if user_id in (None, log.user_id)], None

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        with self._open():
            log = self._log(thread_id)
            info = log.update(changes, now_us, guard)
            self._logs[thread_id] = log
            return info

    async def _delete(self, thread_id: str, guard: Guard) -> bool:
        with self._open():
            log = self._logs.get(thread_id)
            if log is None:
                return False
            log.check_user(guard)
            log.check_state(guard)
            del self._logs[thread_id]
            return True

    async def _save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
        with self._open():
            log = self._log(thread_id)
            incarnation = log.save_step(step, guard)
            self._logs[thread_id] = log
            return incarnation

    async def _load_draft(self, thread_id: str, guard: Guard) -> list[DraftStep]:
        with self._open():
            return self._log(thread_id).load_draft(guard)

    async def _list_drafts(self, limit: int, user_id: str | None, position: tuple[int, str] | None) -> list[DraftInfo]:
        with self._open():
            found = (log.draft_info() for log in self._logs.values() if log.draft)
            return first_drafts(found, limit, user_id, position)

    async def _drop_draft(self, thread_id: str, turn_id: str | None, guard: Guard) -> bool:
        with self._open():
            return self._log(thread_id).drop_draft(turn_id, guard)

    async def _rewrite(self, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
        with self._open():
            return self._log(thread_id).rewrite(change, now_us, guard)

    async def _replace_blob(self, thread_id: str, digest: str, blob: Blob, guard: Guard) -> bool:
        with self._open():
            return self._log(thread_id).replace_blob(digest, blob, guard)

    async def _lease(self, thread_id: str, holder: str, ttl_us: int, guard: Guard) -> bool:
        with self._open():
            self._log(thread_id).check_user(guard)
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

    async def _list_leases(self, limit: int) -> list[LeaseInfo]:
        with self._open():
            now_us = time.monotonic_ns() // 1000
            held = (
                LeaseInfo(thread_id=thread_id, left_us=until_us - now_us)
                for thread_id, (_, until_us) in self._leases.items()
                if now_us < until_us
            )
            return list(islice(held, limit))

    async def _close(self) -> None:
        self._is_closed = True

    def _open(self) -> threading.RLock:
        if self._is_closed:
            raise StorageUnavailable("the RAM storage has been closed: make a new one")
        return self._mutex

    def _log(self, thread_id: str) -> ThreadLog:
        """Return the thread's log. Without one, return a new log that the storage does not hold yet."""
        return self._logs.get(thread_id) or ThreadLog(thread_id)
