"""The file storage: each hook of a storage is one job in a small pool of OS threads.

Disks block, and an event loop must not. Reads and writes have separate pools, so a read never waits for an fsync, and
the fsyncs of many conversations overlap: a file system writes the syncs that wait together in one go. A job that is
cancelled before it starts does not run. A job that has started runs to its end. So a job does all of its work or none
of it.

A short read of a file whose pages are in memory runs in the event loop itself, and so does the read of a thread that
has no file. Without syncs an append does so too. The change to an OS thread and back would cost more than the operation
(see `storage/recent.py`).
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, Self, TypeVar
from urllib.parse import unquote, urlsplit

from recuerda.errors import (
    ConfigurationError,
    RecuerdaError,
    StorageFull,
    StorageReadOnly,
    StorageUnavailable,
)
from recuerda.file.folder import Folder
from recuerda.file.names import files_of
from recuerda.file.place import Place
from recuerda.file.workers import Workers
from recuerda.storage.contract import Clock, Storage, system_clock
from recuerda.storage.drafts import DraftInfo, DraftStep, first_drafts
from recuerda.storage.jobs import Job
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.operations import Appended, Guard, NewBodies, NewRecord, ReadQuery, ThreadChanges, ThreadSlice
from recuerda.storage.recent import RecentReads
from recuerda.storage.records import Blob
from recuerda.storage.thread_filter import ListedThreads, ThreadFilter
from recuerda.storage.thread_info import ThreadInfo

T = TypeVar("T")

WRITERS = 16
READERS = 4
READS_TOGETHER = 16

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


class _Work:
    """A folder and the thread pools that work on it. A forked child makes its own pools."""

    def __init__(self, folder: Folder) -> None:
        self.process = os.getpid()
        self.folder = folder
        self.readers = Workers(READERS, "recuerda-file-reader", share=READS_TOGETHER)
        self.writers = Workers(WRITERS, "recuerda-file-writer")

    def stop(self) -> None:
        self.readers.stop()
        self.writers.stop()


class FileStorage(Storage):
    """Keep threads in a folder, each in one file of JSON Lines.

    Any number of processes may use the folder at once. People may read and copy the files, and edit them while nobody
    writes. A file that is put into the folder belongs to the thread that it names. Deleting a thread's file deletes the
    thread. If the folder itself is removed, renamed or replaced, the next operation raises `StorageUnavailable`, also a
    read. From then on, every write raises it until the storage is closed and a new one is made, and a read reads the
    folder that is in place.

    An append costs the same however long the thread is. The first append with a caller's own turn id reads the
    thread's file once in each process. As soon as `keep_messages` drops a turn, no reader sees it any more. Its bytes
    leave the file once the dropped bytes outweigh the other bytes. An undo and a trim write a new file, so they delete
    bytes at once.

    Args:
        path: the folder. The first write makes it if it is missing. Its file system must have working locks. The folder
            and its files are made for their owner alone (modes 0700 and 0600).
        fsync: True writes each acknowledged turn to the disk. False is faster, but a power failure may lose turns.
        busy_timeout_s: the number of seconds to wait for another process that writes the same thread, before
            `StorageBusy`. A write also waits at most this long for earlier writes of this storage to the thread.
        clock: a function that returns the time in microseconds since 1970 (UTC).

    Raises:
        ConfigurationError: the path is empty or holds a NUL character.
    """

    kind: ClassVar[str] = "file"
    max_blob_bytes: ClassVar[int | None] = None
    # Each write is one job in an OS thread, and waits for its end.
    write_patience_s: float | None = None
    driver_errors: ClassVar[tuple[type[Exception], ...]] = (OSError, UnicodeError)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fsync: bool = True,
        busy_timeout_s: float = 10.0,
        clock: Clock = system_clock,
    ) -> None:
        super().__init__(clock=clock)
        if not str(path) or "\x00" in str(path):
            raise ConfigurationError("a file storage needs the path of a folder, without a NUL character")
        # The path is made absolute, because a later change of the working directory must not change the storage.
        self.path: Path = Path(path).expanduser().absolute()
        self._place = Place(self.path)
        self._make_folder = partial(Folder, self.path, busy_timeout_s=busy_timeout_s, fsync=fsync, place=self._place)
        self._fsync = fsync
        self._recent = RecentReads()
        self._work = _Work(self._make_folder())  # its OS threads start when they are needed
        self._is_closed = False

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the storage at `file:///absolute/folder` (RFC 8089), `file:relative/folder` or `file:~/folder`.

        Raises:
            ConfigurationError: the URL has another form.
        """
        parts = urlsplit(url)
        path = unquote(parts.path)
        if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or not path:
            raise ConfigurationError(
                "the URL of a file storage has the form file:///absolute/folder, file:relative/folder or file:~/folder"
            )
        if os.name == "nt" and re.match(r"/[A-Za-z]:", path):
            path = path[1:]
        return cls(path)

    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        self._recent.grow(thread_id, [record], guard)
        if self._may_append_now(thread_id, record, guard):
            appended = self._recent.timed(self._working().folder.append_now)(thread_id, record, guard)
            if appended is not None:
                return appended
        return await self._write(thread_id, lambda folder: folder.append(thread_id, record, guard))

    async def _append_all(self, thread_id: str, records: Sequence[NewRecord], guard: Guard) -> list[Appended]:
        self._recent.grow(thread_id, records, guard)
        return await self._write(thread_id, lambda folder: folder.append_all(thread_id, records, guard))

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        if not (self._is_closed or self._recent.is_paused or query.turn_id or query.digests):
            self._place.check_once()
            found = self._read_now(thread_id, query)
            if found is not None:
                return found
        found = await self._look(lambda folder: folder.read(thread_id, query))
        if not query.after:
            self._recent.note(thread_id, query, found)
        return found

    def _may_append_now(self, thread_id: str, record: NewRecord, guard: Guard) -> bool:
        """Return True if an append only hands one line to the operating system, and no write of its stripe waits."""
        if self._fsync or self._is_closed or self._recent.is_paused or guard.last_step is not None:
            return False
        only_adds = record.is_new_id and record.kind == "turn" and record.target is None
        if not only_adds or record.keep_messages is not None or record.blobs:
            return False
        return not self._working().writers.has(files_of(self.path, thread_id).stripe)

    def _read_now(self, thread_id: str, query: ReadQuery) -> ThreadSlice | None:
        """Read in the event loop if that is short. Return None if the read needs an OS thread.

        It is short if it repeats a short one, or if its handle has read the thread before: the pages of the file are in
        memory. It is also short if there is no file. To look for one may wait for the disk, but then no read is done
        here for a while.
        """
        folder = self._working().folder
        if query.after or self._recent.is_short(thread_id, query):
            return self._recent.timed(folder.read_now)(thread_id, query)
        return self._recent.timed(folder.read_missing)(thread_id)

    async def _list(self, wanted: ThreadFilter, limit: int, position: tuple[int, str] | None) -> ListedThreads:
        return await self._look(lambda folder: folder.newest(wanted, limit, position))

    async def _walk(self, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
        return await self._look(lambda folder: folder.walk(user_id, position))

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        return await self._write(thread_id, lambda folder: folder.update(thread_id, changes, now_us, guard))

    async def _delete(self, thread_id: str, guard: Guard) -> bool:
        self._recent.forget(thread_id)
        return await self._write(thread_id, lambda folder: folder.delete(thread_id, guard))

    async def _save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
        return await self._write(thread_id, lambda folder: folder.save_draft(thread_id, step, guard))

    async def _load_draft(self, thread_id: str, guard: Guard) -> list[DraftStep]:
        return await self._look(lambda folder: folder.load_draft(thread_id, guard))

    async def _list_drafts(self, limit: int, user_id: str | None, position: tuple[int, str] | None) -> list[DraftInfo]:
        return first_drafts(await self._look(lambda folder: folder.list_drafts()), limit, user_id, position)

    async def _drop_draft(self, thread_id: str, turn_id: str | None, guard: Guard) -> bool:
        return await self._write(thread_id, lambda folder: folder.drop_draft(thread_id, turn_id, guard))

    async def _rewrite(self, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
        return await self._write(thread_id, lambda folder: folder.rewrite(thread_id, change, now_us, guard))

    async def _replace_blob(self, thread_id: str, digest: str, blob: Blob, guard: Guard) -> bool:
        return await self._write(thread_id, lambda folder: folder.replace_blob(thread_id, digest, blob, guard))

    async def _lease(self, thread_id: str, holder: str, ttl_us: int, guard: Guard) -> bool:
        return await self._write(thread_id, lambda folder: folder.lease(thread_id, holder, ttl_us, guard))

    async def _release(self, thread_id: str, holder: str) -> None:
        await self._write(thread_id, lambda folder: folder.release(thread_id, holder))

    async def _list_leases(self, limit: int) -> list[LeaseInfo]:
        return await self._look(lambda folder: folder.list_leases(limit))

    async def _clean_up(self) -> None:
        await self._write(None, lambda folder: folder.clean_up())

    async def _close(self) -> None:
        self._is_closed = True
        if self._work.process == os.getpid():
            await asyncio.to_thread(self._work.stop)

    async def _look(self, job: Callable[[Folder], T]) -> T:
        work = self._working()

        def look() -> T:
            self._place.check_once()
            return job(work.folder)

        return await self._submit(work.readers, look).future

    async def _write(self, thread_id: str | None, job: Callable[[Folder], T]) -> T:
        work = self._working()
        stripe = None if thread_id is None else files_of(self.path, thread_id).stripe
        began = time.monotonic()

        def write() -> T:
            work.folder.check_wait(began)
            return job(work.folder)

        running = self._submit(work.writers, write, stripe=stripe)
        try:
            return await running.future
        except asyncio.CancelledError as cancelled:
            raise cancelled from await running.failure()

    def _working(self) -> _Work:
        if self._work.process != os.getpid():
            # After a fork, the parent's OS threads do not exist here, and its mutexes may be held for ever.
            self._work = _Work(self._make_folder())
        return self._work

    def _submit(self, workers: Workers, job: Callable[[], T], *, stripe: int | None = None) -> Job[T]:
        closed = StorageUnavailable(f"the storage of {self.path} has been closed: make a new one")
        if self._is_closed:
            raise closed
        try:
            return workers.submit(job, stripe=stripe)
        except RuntimeError:
            raise closed from None  # another event loop closed it at this moment

    def _translate(self, error: Exception, action: str) -> RecuerdaError:
        code = error.errno if isinstance(error, OSError) else None
        where = (error.filename if isinstance(error, OSError) else None) or self.path
        if code in _FULL:
            return StorageFull(
                f"could not {action}: {where} cannot grow, the disk or a quota is full: free some space and try again"
            )
        if code in _READ_ONLY:
            return StorageReadOnly(
                f"could not {action}: no permission on {where}: check its permissions and those of its folder"
            )
        reason = os.strerror(code or errno.EIO)
        return StorageUnavailable(f"could not {action}: {where} cannot be used ({reason}): check the path and the disk")
