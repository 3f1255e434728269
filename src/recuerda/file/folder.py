"""The operations of a storage on a folder of files. They run in the calling OS thread and may block.

A writer holds the thread's lock; a reader holds none (see `log.py`). An append reads the end of the file, adds one line
and syncs. Rarer operations write a new file. An operation is done once its line is in the file, or once the new file is
in place. Deleting the draft's file afterwards only tidies up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from recuerda.errors import ThreadConflict
from recuerda.file.disk import Disk
from recuerda.file.drafts import drop_draft, end_draft, list_drafts, load_steps, save_step
from recuerda.file.id_index import IdIndex
from recuerda.file.lines import thread_info
from recuerda.file.listing import Listing
from recuerda.file.locks import StripedLocks
from recuerda.file.log import open_log
from recuerda.file.names import ThreadFiles, files_of
from recuerda.file.writing import (
    changed_settings,
    new_settings,
    write_bodies,
    write_record,
    write_records,
    write_settings,
)
from recuerda.storage.records import (
    Appended,
    DraftStep,
    NewRecord,
    ReadQuery,
    ThreadChanges,
    ThreadInfo,
    ThreadSlice,
)


class Folder:
    """A folder of threads.

    Args:
        path: the folder. The first write makes it, with the folders above it.
        busy_timeout_s: the number of seconds to wait for another writer.
        fsync: whether a write must be on the disk before it is acknowledged.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float, fsync: bool) -> None:
        self._path = path
        self._disk = Disk(fsync=fsync)
        self._locks = StripedLocks(path / ".locks", timeout_s=busy_timeout_s, disk=self._disk)
        self._ids = IdIndex()
        self._listing = Listing(path)

    def append(self, thread_id: str, record: NewRecord, expected: int | None) -> Appended:
        """See `Storage._append`."""
        files = files_of(self._path, thread_id)
        with self._locks.hold(files.stripe):
            with open_log(files.log, is_writer=True) as log:
                if log is not None and not record.is_new_id and (found := self._ids.find(log, record.id)):
                    end_draft(files, self._disk, {record.id})
                    return Appended(revision=found.number, replayed=True, record=found)
                revision = log.state.revision if log else 0
                if expected not in (None, revision):
                    raise ThreadConflict(thread_id, expected=expected or 0, actual=revision)
                committed, is_new_file = write_record(files, self._disk, thread_id=thread_id, log=log, record=record)
            if is_new_file:
                self._disk.put_in_place(files.new_log, files.log)
            if committed.kind == "turn":
                _clear_draft(files)
        return Appended(revision=committed.number, replayed=False, record=committed, created=revision == 0)

    def append_all(self, thread_id: str, records: Sequence[NewRecord], expected: int | None) -> list[Appended]:
        """See `Storage.append_all`. All turns after the first are added in one write and one sync."""
        if not records:
            return []
        first = self.append(thread_id, records[0], expected)
        files = files_of(self._path, thread_id)
        with self._locks.hold(files.stripe), open_log(files.log, is_writer=True) as log:
            if log is not None:
                rest = write_records(log, self._disk, records=records[1:], find=partial(self._ids.find, log))
                if all(one.replayed for one in rest):
                    end_draft(files, self._disk, {record.id for record in records})
                else:
                    _clear_draft(files)
                return [first, *rest]
        # Another process deleted the thread in between.
        return [first, *(self.append(thread_id, record, None) for record in records[1:])]

    def read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        """See `Storage.read`."""
        files = files_of(self._path, thread_id)
        has_draft = files.draft.exists()
        with open_log(files.log) as log:
            if log is None:
                return ThreadSlice(info=None, has_draft=has_draft)
            info = thread_info(log.settings_of(thread_id), log.state)
            after = query.after if query.incarnation in (None, info.incarnation) else 0
            found = self._ids.find(log, query.turn_id) if query.turn_id else None
            summary = log.summary() if query.with_summary and not after else None
            if after >= info.revision or query.last_turns == 0:
                start = max(after, info.revision) + 1
                return ThreadSlice(info=info, start=start, found=found, summary=summary, has_draft=has_draft)
            covered = summary.target or 0 if summary else 0
            records, start = log.newest(after, query, covered=covered)
            return ThreadSlice(
                info=info,
                records=tuple(reversed(records)),
                start=start,
                found=found,
                summary=summary,
                has_draft=has_draft,
            )

    def newest(self, user_id: str | None, limit: int, position: tuple[int, str] | None) -> list[ThreadInfo]:
        """See `Storage._list`."""
        return self._listing.newest(user_id, limit, position)

    def update(self, thread_id: str, changes: ThreadChanges, now_us: int) -> ThreadInfo:
        """See `Storage.update_thread`."""
        files = files_of(self._path, thread_id)
        with self._locks.hold(files.stripe):
            with open_log(files.log, is_writer=True) as log:
                settings = log.settings_of(thread_id) if log else new_settings(thread_id, now_us)
                settings = changed_settings(settings, changes, now_us)
                state, is_new_file = write_settings(files, self._disk, log=log, settings=settings)
            if is_new_file:
                self._disk.put_in_place(files.new_log, files.log)
        return thread_info(settings, state)

    def rewrite(self, thread_id: str, bodies: Mapping[int, bytes]) -> None:
        """See `Storage.rewrite`. A new file replaces the old one in one atomic operation."""
        files = files_of(self._path, thread_id)
        with self._locks.hold(files.stripe):
            with open_log(files.log, is_writer=True) as log:
                if log is None:
                    return
                write_bodies(files, self._disk, log=log, thread_id=thread_id, bodies=bodies)
            self._disk.put_in_place(files.new_log, files.log)

    def delete(self, thread_id: str) -> bool:
        """See `Storage.delete`."""
        files = files_of(self._path, thread_id)
        if not any(path.exists() for path in files.paths):
            return False
        with self._locks.hold(files.stripe):
            was_there = self._disk.remove(files.log)
            for path in files.paths:
                path.unlink(missing_ok=True)
        return was_there

    def save_draft(self, thread_id: str, step: DraftStep) -> None:
        """See `Storage.save_draft`."""
        files = files_of(self._path, thread_id)
        with self._locks.hold(files.stripe):
            save_step(files, self._disk, thread_id, step)

    def load_draft(self, thread_id: str) -> list[DraftStep]:
        """See `Storage.load_draft`."""
        return load_steps(files_of(self._path, thread_id))

    def list_drafts(self, limit: int) -> list[str]:
        """See `Storage.list_drafts`."""
        return list_drafts(self._path, limit)

    def drop_draft(self, thread_id: str) -> bool:
        """See `Storage.drop_draft`."""
        files = files_of(self._path, thread_id)
        if not files.draft.exists():
            return False
        with self._locks.hold(files.stripe):
            return drop_draft(files, self._disk)


def _clear_draft(files: ThreadFiles) -> None:
    # The thread has a later turn, so the draft no longer counts. A draft file that cannot be deleted is no reason to
    # fail.
    with suppress(OSError):
        files.draft.unlink()
