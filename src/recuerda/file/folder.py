"""The operations of a storage on a folder of files. They run in the calling OS thread and may block.

A writer holds the thread's lock; a reader holds none (see `log.py`). An append reads the end of the file, adds lines
and syncs. Rarer operations write a new file. An operation is done once its lines count, or once the new file is in
place. Deleting the draft's file and freeing space afterwards only tidy up.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import takewhile
from pathlib import Path

from recuerda.errors import StorageBusy, StorageUnavailable, TurnDropped, TurnGone
from recuerda.file.blobs import (
    finish_blobs,
    named_blobs,
    read_blobs,
    release_blobs,
    remove_blobs,
    sweep_blobs,
    write_blobs,
)
from recuerda.file.disk import Disk
from recuerda.file.drafts import end_draft, last_step, list_drafts, load_steps, save_step
from recuerda.file.id_index import NOTHING, IdIndex
from recuerda.file.leases import Leases
from recuerda.file.lines import State, thread_info
from recuerda.file.listing import Listing
from recuerda.file.locks import StripedLocks
from recuerda.file.log import Log, WouldWait, open_log
from recuerda.file.names import BLOBS_SUFFIX, ThreadFiles, files_of, stripe_of
from recuerda.file.place import Place
from recuerda.file.rewrite import is_worth_it, write_bodies, write_names, write_removal, write_without_dead
from recuerda.file.tails import Tails
from recuerda.file.writing import add_records, add_settings, changed_settings, new_settings, owned
from recuerda.storage.drafts import DraftInfo, DraftStep
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.operations import (
    NO_GUARD,
    Appended,
    Guard,
    NewBodies,
    NewRecord,
    ReadQuery,
    ThreadChanges,
    ThreadSlice,
)
from recuerda.storage.records import Blob, TurnRecord
from recuerda.storage.rules import (
    changed_after,
    check_history,
    check_last_step,
    check_state,
    check_user,
    is_same_history,
    wanted_blobs,
)
from recuerda.storage.thread_filter import ListedThreads, ThreadFilter
from recuerda.storage.thread_info import ThreadInfo


class Folder:
    """A folder of threads.

    Args:
        path: the folder. The first write makes it, with the folders above it.
        busy_timeout_s: the number of seconds to wait for another writer.
        fsync: whether a write must be on the disk before it is acknowledged.
        place: the place of the folder.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float, fsync: bool, place: Place) -> None:
        self._path = path
        self._place = place
        self._disk = Disk(fsync=fsync)
        self._locks = StripedLocks(path / ".locks", timeout_s=busy_timeout_s, disk=self._disk, place=place)
        self._ids = IdIndex()
        self._tails = Tails()
        self._listing = Listing(path, self._disk)
        self._leases = Leases()

    def check_wait(self, began: float) -> None:
        """Check that an operation has not waited for too long, since a reading of the monotonic clock.

        Raises:
            StorageBusy: it has waited for longer than the timeout.
        """
        self._locks.check_wait(began)

    # -- records -------------------------------------------------------------------------------------------------------

    def append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        """See `Storage._append`."""
        if record.kind in ("undo", "trim") or record.replaced is not None:
            return self._remove(thread_id, record, guard)
        return self._append(thread_id, record, guard)

    def append_now(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended | None:
        """Append a record that only adds a line. Return None if this would wait for another writer."""
        try:
            return self._append(thread_id, record, guard, waits=False)
        except StorageBusy:
            return None

    def _append(self, thread_id: str, record: NewRecord, guard: Guard, *, waits: bool = True) -> Appended:
        files = files_of(self._path, thread_id)
        self._place.check()
        with self._locks.hold(files.stripe, waits=waits):
            self._place.remember()
            with self._open(files) as log:
                if (held := self._held(files, log, thread_id, record, guard)) is not None:
                    return _replayed(held)
                committed, state, dropped = self._add(files, log, thread_id, [record], guard)
            self._finish(files, thread_id, committed[0], state, dropped)
        done = committed[0]
        return Appended(revision=done.number, replayed=False, record=done, created=done.number == 1)

    def append_all(self, thread_id: str, records: Sequence[NewRecord], guard: Guard) -> list[Appended]:
        """See `Storage.append_all`. All records are added in one write and one sync."""
        if not records:
            return []
        files = files_of(self._path, thread_id)
        with self._locked(files):
            with self._open(files) as log:
                _check_user(thread_id, guard, log)
                held = [self._find(log, thread_id, record) for record in records]
                if held[0] is None:
                    _check_state(thread_id, guard, log)
                    self._check_last_step(files, thread_id, guard, records[0].id, log)
                new = _first_of_each_id(records, held)
                if not new:
                    end_draft(files, self._disk, {record.id for record in records})
                    return [_replayed(record) for record in held if record is not None]
                committed, state, dropped = self._add(files, log, thread_id, new, guard)
            self._finish(files, thread_id, committed[0], state, dropped)
        return _outcomes(records, held, committed, is_first=committed[0].number == 1)

    def _add(
        self, files: ThreadFiles, log: Log | None, thread_id: str, records: Sequence[NewRecord], guard: Guard
    ) -> tuple[list[TurnRecord], State, set[str]]:
        """Add records with their blobs. Return them, the state after them, and the digests that dropped turns name."""
        blobs = [blob for record in records for blob in record.blobs]
        if blobs:
            write_blobs(files, self._disk, blobs, log=log)
        committed, tail = add_records(
            files, self._disk, log=log, thread_id=thread_id, records=records, user_id=guard.user_id
        )
        self._tails.keep(files.log_name, tail)
        if blobs:
            finish_blobs(files, [blob.digest for blob in blobs])
        return committed, tail.state, _dropped_blobs(log, tail.state)

    def _finish(self, files: ThreadFiles, thread_id: str, record: TurnRecord, state: State, dropped: set[str]) -> None:
        """Remove what a thread does not need any more after an append."""
        if dropped:
            with self._open(files) as log:
                release_blobs(files, self._disk, dropped - named_blobs(log))
        self._tidy_up(files, thread_id, state)
        if record.kind == "turn":
            _end_any_draft(files)

    def _remove(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        """Undo, trim or replace a turn. The new file holds no byte of the removed records but their ids."""
        files = files_of(self._path, thread_id)
        with self._locked(files):
            with self._open(files) as log:
                if (held := self._held(files, log, thread_id, record, guard)) is not None:
                    return _replayed(held)
                if record.replaced is not None:
                    _check_holds_turn(thread_id, record.replaced, log)
                if log is None:
                    raise StorageUnavailable(f"thread {thread_id!r} does not exist, so nothing can be removed from it")
                if record.blobs:
                    write_blobs(files, self._disk, record.blobs, log=log)
                committed = write_removal(files, self._disk, log=log, thread_id=thread_id, record=record)
            self._disk.put_in_place(files.new_log, files.log)
            finish_blobs(files, committed.blobs)
            self._sweep(files)
            if committed.kind == "turn":
                _end_any_draft(files)
        return Appended(revision=committed.number, replayed=False, record=committed)

    def read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        """See `Storage._read`. If a blob is missing, the thread is read again: a writer may have removed the turn."""
        found = self._read(thread_id, query)
        if query.blobs == 0 and not query.digests:
            return found
        while found.blobs.keys() < set(wanted_blobs(query, reversed(found.records))):
            before, found = found, self._read(thread_id, query)
            if found.info == before.info:
                break  # nothing was removed: the blob is lost, or the thread never held it
        return found

    def read_now(self, thread_id: str, query: ReadQuery) -> ThreadSlice | None:
        """Do a short read that does not wait. Return None if it would wait, or has to return new records."""
        try:
            return self._read(thread_id, query, waits=False)
        except WouldWait:
            return None

    def read_missing(self, thread_id: str) -> ThreadSlice | None:
        """Do the read of a thread that does not exist. Return None if there is a file."""
        try:
            os.stat(files_of(self._path, thread_id).log_name)  # noqa: PTH116 - costs less than the method
        except FileNotFoundError:
            return ThreadSlice(info=None)
        except OSError:
            return None  # The full read meets the same error, and reports it.
        return None

    def _read(self, thread_id: str, query: ReadQuery, *, waits: bool = True) -> ThreadSlice:
        files = files_of(self._path, thread_id)
        has_draft = os.access(files.draft_name, os.F_OK)  # unlike `exists`, it raises no error inside
        with open_log(files.log_name, self._disk, waits=waits, tails=self._tails) as log:
            if log is None:
                return ThreadSlice(info=None)
            if not waits and query.after and query.after < log.state.revision:
                raise WouldWait
            info = thread_info(log.settings_of(thread_id), log.state)
            after = query.after if _continues(log, info, query) else 0
            if not waits and after < query.after:
                raise WouldWait  # the thread has another history, and is read anew
            found = self._ids.find(log, query.turn_id) if query.turn_id else NOTHING
            summary = log.summary() if query.with_summary and not after else None
            if after >= info.revision or query.last_turns == 0:
                records, start = [], max(after, info.revision) + 1
            else:
                records, start = log.newest(after, query, covered=summary.target or 0 if summary else 0)
            blobs = _read_blobs(files, wanted, records, log) if (wanted := wanted_blobs(query, records)) else {}
        return ThreadSlice(
            info=info,
            records=tuple(reversed(records)),
            start=start,
            is_continued=after > 0,
            found=found.record,
            dropped=found.dropped,
            summary=summary,
            has_draft=has_draft,
            blobs=blobs,
        )

    def rewrite(self, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
        """See `Storage._rewrite`. A new file replaces the old one in one atomic operation."""
        files = files_of(self._path, thread_id)
        with self._locked(files):
            with self._open(files) as log:
                _check_user(thread_id, guard, log)
                _check_state(thread_id, guard, log)
                if log is None:
                    return None
                edits = write_bodies(files, self._disk, log=log, thread_id=thread_id, change=change, now_us=now_us)
            self._disk.put_in_place(files.new_log, files.log)
            if change.released:
                self._sweep(files)
        return edits

    def replace_blob(self, thread_id: str, digest: str, blob: Blob, guard: Guard) -> bool:
        """See `Storage._replace_blob`."""
        files = files_of(self._path, thread_id)
        with self._locked(files):
            with self._open(files) as log:
                _check_user(thread_id, guard, log)
                _check_state(thread_id, guard, log)
                if log is None or digest not in named_blobs(log):
                    return False
                write_blobs(files, self._disk, [blob], log=log, replaces=True)
                write_names(files, self._disk, log=log, thread_id=thread_id, old=digest, new=blob.digest)
            self._disk.put_in_place(files.new_log, files.log)
            finish_blobs(files, [blob.digest])
            self._sweep(files)
        return True

    def clean_up(self) -> None:
        """See `Storage._clean_up`. A process that was killed may have left blobs that no turn names."""
        for folder in self._path.glob(f"*{BLOBS_SUFFIX}"):
            files = ThreadFiles(self._path, folder.stem, stripe_of(folder.stem))
            with self._locked(files), self._open(files) as log:
                sweep_blobs(files, self._disk, log)
                if log is None:
                    remove_blobs(files)

    def _sweep(self, files: ThreadFiles) -> None:
        if files.blobs.exists():
            with self._open(files) as log:
                sweep_blobs(files, self._disk, log)

    # -- threads -------------------------------------------------------------------------------------------------------

    def newest(self, wanted: ThreadFilter, limit: int, position: tuple[int, str] | None) -> ListedThreads:
        """See `Storage._list`."""
        return self._listing.newest(wanted, limit, position)

    def walk(self, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
        """See `Storage._walk`."""
        return self._listing.walk(user_id, position)

    def update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        """See `Storage._update`."""
        files = files_of(self._path, thread_id)
        with self._locked(files):
            with self._open(files) as log:
                _check_user(thread_id, guard, log)
                _check_state(thread_id, guard, log)
                changed_us = changed_after(changes, now_us, updated_us=log.state.updated_us if log else 0)
                settings = log.settings_of(thread_id) if log else new_settings(thread_id, changed_us)
                settings = owned(settings, log.state.revision if log else 0, guard.user_id)
                settings = changed_settings(settings, changes, now_us=now_us, changed_us=changed_us)
                state = add_settings(files, self._disk, log=log, settings=settings)
            self._tidy_up(files, thread_id, state)
        return thread_info(settings, state)

    def delete(self, thread_id: str, guard: Guard) -> bool:
        """See `Storage._delete`. The thread's own file goes before its blobs: no turn is without its blobs.

        An interrupted deletion can be repeated. Otherwise `clean_up` removes the blobs that are left.
        """
        files = files_of(self._path, thread_id)
        if not any(path.exists() for path in (files.blobs, *files.paths)):
            self._place.check()
            return False
        with self._locked(files):
            was_there = self._check_before_delete(files, thread_id, guard)
            for path in files.paths:
                self._disk.unlink(path)
            self._disk.sync_folder(self._path)
            remove_blobs(files)
            self._ids.forget(files.log_name)
            self._tails.forget(files.log_name)
        return was_there

    def _check_before_delete(self, files: ThreadFiles, thread_id: str, guard: Guard) -> bool:
        """Check the guard, and return whether the thread exists."""
        try:
            with self._open(files) as log:
                if log is not None:
                    _check_user(thread_id, guard, log)
                    _check_state(thread_id, guard, log)
                return log is not None
        except StorageUnavailable:
            if guard != NO_GUARD:
                raise
            return True  # a file that cannot be read can still be deleted

    # -- drafts --------------------------------------------------------------------------------------------------------

    def save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
        """See `Storage._save_draft`."""
        files = files_of(self._path, thread_id)
        with self._locked(files), self._open(files) as log:
            _check_user(thread_id, guard, log)
            _check_history(thread_id, guard, log)

            def begin() -> str:
                _check_state(thread_id, guard, log)
                return self._owned_thread(files, thread_id, log, step.created_us, guard)

            return save_step(files, self._disk, thread_id, step, log=log, begin=begin)

    def _owned_thread(self, files: ThreadFiles, thread_id: str, log: Log | None, now_us: int, guard: Guard) -> str:
        """Make the thread of a draft, or give it a user. Return its incarnation."""
        settings = log.settings_of(thread_id) if log else new_settings(thread_id, now_us)
        mine = owned(settings, log.state.revision if log else 0, guard.user_id)
        if log is None or mine != settings:
            add_settings(files, self._disk, log=log, settings=mine)
        return mine.incarnation

    def load_draft(self, thread_id: str, guard: Guard) -> list[DraftStep]:
        """See `Storage._load_draft`."""
        files = files_of(self._path, thread_id)
        return load_steps(files, self._disk, check=lambda user_id: check_user(thread_id, guard, user_id))

    def list_drafts(self) -> list[DraftInfo]:
        """Return the entries of all drafts."""
        return list_drafts(self._path, self._disk)

    def drop_draft(self, thread_id: str, turn_id: str | None, guard: Guard) -> bool:
        """See `Storage._drop_draft`."""
        files = files_of(self._path, thread_id)
        if guard.user_id is None and not files.draft.exists():
            self._place.check()
            return False
        with self._locked(files):
            steps = self.load_draft(thread_id, guard)
            if steps:
                if turn_id not in (None, steps[0].turn_id):
                    return False
                with self._open(files) as log:
                    _check_state(thread_id, guard, log)
                    self._check_last_step(files, thread_id, guard, steps[0].turn_id, log)
            self._disk.remove(files.draft)
        return bool(steps)

    def _check_last_step(self, files: ThreadFiles, thread_id: str, guard: Guard, turn_id: str, log: Log | None) -> None:
        if guard.last_step is not None:
            check_last_step(thread_id, guard, turn_id=turn_id, last_step=last_step(files, self._disk, log))

    # -- leases --------------------------------------------------------------------------------------------------------

    def lease(self, thread_id: str, holder: str, ttl_us: int, guard: Guard) -> bool:
        """See `Storage._lease`."""
        files = files_of(self._path, thread_id)
        with self._locked(files):
            if guard.user_id is not None:
                with self._open(files) as log:
                    _check_user(thread_id, guard, log)
            return self._leases.take(files.lease, thread_id, holder, ttl_us)

    def release(self, thread_id: str, holder: str) -> None:
        """See `Storage._release`."""
        files = files_of(self._path, thread_id)
        if files.lease.exists():
            with self._locked(files):
                self._leases.release(files.lease, holder)

    def list_leases(self, limit: int) -> list[LeaseInfo]:
        """See `Storage._list_leases`."""
        return self._leases.list_held(self._path, limit)

    # -- shared by the methods above -----------------------------------------------------------------------------------

    @contextmanager
    def _locked(self, files: ThreadFiles) -> Generator[None, None, None]:
        """Hold a thread's lock for a `with` block, in the folder of the earlier operations."""
        self._place.check()
        with self._locks.hold(files.stripe):
            self._place.remember()
            yield

    def _open(self, files: ThreadFiles) -> AbstractContextManager[Log | None]:
        return open_log(files.log_name, self._disk, is_writer=True, tails=self._tails)

    def _held(
        self, files: ThreadFiles, log: Log | None, thread_id: str, record: NewRecord, guard: Guard
    ) -> TurnRecord | None:
        """Return the record that a thread holds under a new record's id, and end its draft; or check the guard."""
        _check_user(thread_id, guard, log)
        held = self._find(log, thread_id, record)
        if held is not None:
            end_draft(files, self._disk, {record.id})
            return held
        _check_state(thread_id, guard, log)
        self._check_last_step(files, thread_id, guard, record.id, log)
        return None

    def _find(self, log: Log | None, thread_id: str, record: NewRecord) -> TurnRecord | None:
        """Return the record that a thread holds under a new record's id.

        Raises:
            TurnDropped: the thread has dropped the turn with this id.
        """
        if log is None or record.is_new_id:
            return None
        found = self._ids.find(log, record.id)
        if found.dropped is not None:
            raise TurnDropped(thread_id, turn_id=record.id, number=found.dropped)
        return found.record

    def _tidy_up(self, files: ThreadFiles, thread_id: str, state: State) -> None:
        """Free the space of dropped turns and former settings, if it is worth its cost."""
        if not is_worth_it(state):
            return
        with suppress(OSError):  # the next append tries again
            with self._open(files) as log:
                if log is None:
                    return
                write_without_dead(files, self._disk, log=log, thread_id=thread_id)
            self._disk.put_in_place(files.new_log, files.log)


def _dropped_blobs(log: Log | None, state: State) -> set[str]:
    """Return the digests that dropped turns name: those before the thread's first record after an append."""
    if log is None or state.first == log.state.first:
        return set()
    older = takewhile(lambda record: record.number < state.first, (record for _, record in log.records()))
    return {digest for record in older for digest in record.blobs}


def _check_user(thread_id: str, guard: Guard, log: Log | None) -> None:
    if log is not None and guard.user_id is not None:
        check_user(thread_id, guard, log.user_id)


def _check_state(thread_id: str, guard: Guard, log: Log | None) -> None:
    if guard == NO_GUARD:
        return
    if log is None:
        check_state(thread_id, guard, revision=0, incarnation=None, record_id="", edits=0)
        return
    needs_settings = guard.incarnation is not None or guard.edits is not None
    settings = log.settings_of(thread_id) if needs_settings else None
    check_state(
        thread_id,
        guard,
        revision=log.state.revision,
        incarnation=settings and settings.incarnation,
        record_id=log.state.record_id,
        edits=settings.edits if settings else 0,
    )


def _check_history(thread_id: str, guard: Guard, log: Log | None) -> None:
    if guard == NO_GUARD:
        return
    settings = log.settings_of(thread_id) if log is not None and guard.incarnation is not None else None
    check_history(
        thread_id,
        guard,
        revision=0 if log is None else log.state.revision,
        incarnation=settings and settings.incarnation,
        record_id=log.id_at(guard.revision or 0) if log is not None and guard.record_id else "",
    )


def _check_holds_turn(thread_id: str, number: int, log: Log | None) -> None:
    turns = () if log is None else (record.number for _, record in log.records() if record.kind == "turn")
    if number not in turns:
        raise TurnGone(thread_id, turn=number, revision=log.state.revision if log else 0)


def _end_any_draft(files: ThreadFiles) -> None:
    if os.access(files.draft_name, os.F_OK):
        with suppress(OSError):  # the thread has a later turn, so the draft no longer counts
            files.draft.unlink()


def _read_blobs(files: ThreadFiles, wanted: Sequence[str], records: Sequence[TurnRecord], log: Log) -> dict[str, bytes]:
    named = {digest for record in records for digest in record.blobs}
    return read_blobs(files, wanted, is_named=lambda digest: digest in named or digest in named_blobs(log))


def _continues(log: Log, info: ThreadInfo, query: ReadQuery) -> bool:
    """Return True if the records after the query's position continue the records that its reader knows."""
    if not is_same_history(query, incarnation=info.incarnation, edits=info.edits, rewritten=info.rewritten):
        return False
    if query.record_id is None or not query.after:
        return True
    return query.after <= info.revision and log.id_at(query.after) == query.record_id


def _first_of_each_id(records: Sequence[NewRecord], held: Sequence[TurnRecord | None]) -> list[NewRecord]:
    """Return the records that the thread does not hold, without a second record of the same id."""
    new: dict[str, NewRecord] = {}
    for record, old in zip(records, held, strict=True):
        if old is None:
            new.setdefault(record.id, record)
    return list(new.values())


def _outcomes(
    records: Sequence[NewRecord],
    held: Sequence[TurnRecord | None],
    committed: Sequence[TurnRecord],
    *,
    is_first: bool,
) -> list[Appended]:
    by_id = {record.id: record for record in committed}
    done: list[Appended] = []
    written = set[str]()
    for record, old in zip(records, held, strict=True):
        if old is not None or record.id in written:
            done.append(_replayed(old or by_id[record.id]))
            continue
        written.add(record.id)
        now = by_id[record.id]
        done.append(Appended(revision=now.number, replayed=False, record=now, created=is_first and len(written) == 1))
    return done


def _replayed(record: TurnRecord) -> Appended:
    return Appended(revision=record.number, replayed=True, record=record)
