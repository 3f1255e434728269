"""The storage contract: the home of many threads.

A storage keeps each thread as a log of records. It makes five promises about every append, on every backend, even if
the process is killed: the append is atomic, ordered, checked against a revision, and idempotent by id, and it costs the
same however long the thread is. The public methods here check arguments and translate errors for all backends. A
backend implements the hooks of `hooks.py` and nothing else. `messages/codec.py` decides how messages become a turn's
bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import msgspec
from msgspec import structs

from recuerda.errors import ConfigurationError, EncodeError, InvalidInput, ThreadConflict, ThreadNotFound
from recuerda.ids import check_id, check_limit, new_id
from recuerda.json_value import check_text, to_json_object
from recuerda.storage.hooks import Clock, StorageHooks
from recuerda.storage.leases import Lease
from recuerda.storage.records import (
    Appended,
    Draft,
    DraftStep,
    NewRecord,
    NewTurn,
    ReadQuery,
    RecordKind,
    ThreadChanges,
    ThreadInfo,
    ThreadPage,
    ThreadSlice,
    TurnRecord,
    parse_cursor,
    to_microseconds,
)

_MOST = 2**63 - 1
"""The largest limit that every backend accepts. No storage holds more threads than that."""


def system_clock() -> int:
    """Return the machine's time in microseconds since 1970."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A receipt for the threads of a user that were erased, or that would be erased in a dry run.

    Attributes:
        user_id: the user who owned the threads.
        threads: the number of threads.
        turns: the number of turns in these threads.
        messages: the number of messages in these turns.
        is_dry_run: True when the threads were only counted.
    """

    user_id: str
    threads: int
    turns: int
    messages: int
    is_dry_run: bool


class Storage(StorageHooks):
    """Keep many threads, each a log of turns.

    Any number of threads, stores and agents may share one storage, also across event loops. Use it as an async context
    manager, or call `close`. A deletion works thread by thread, or cuts between turns. If it is interrupted, whole
    threads or whole turns remain, and the same call finishes the work.
    """

    kind: ClassVar[str]
    """The scheme of the storage's URLs, and its name in a saved state."""

    def __init__(self, *, clock: Clock = system_clock) -> None:
        super().__init__(clock=clock)
        self._locks: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the storage that a URL names. A storage without a URL form does not override this method."""
        raise ConfigurationError(
            f"{cls.__name__} cannot be made from a URL (the scheme was {urlsplit(url).scheme!r}): call the class"
        )

    # -- turns ---------------------------------------------------------------------------------------------------------

    async def append(
        self,
        thread_id: str,
        turn: NewTurn,
        *,
        expected: int | None = None,
        keep_messages: int | None = None,
        user_id: str | None = None,
        title: str | None = None,
    ) -> Appended:
        """Append one turn to a thread, and make the thread if it does not exist.

        When this method returns, the turn is as durable as the storage promises. When it raises or is cancelled, the
        turn is in the thread whole or not at all. To find out, append it again with the same `turn.id`.

        Args:
            thread_id: any text of 1 to 512 bytes without NUL.
            turn: the turn to append.
            expected: the revision that the thread must have: 0 for a new thread, None for any revision.
            keep_messages: after the append, drop the oldest whole turns until the thread holds at most this number of
                messages. The new turn always stays.
            user_id: the thread's user. It is set only by the first turn, and only if the thread has no user yet.
            title: the thread's title. It is set only by the first turn, and only if the thread has no title yet.

        Raises:
            ThreadConflict: the thread is not at `expected`. A turn id that the thread already holds is a replay, not a
                conflict.
            InvalidInput: an id cannot be used.
            EncodeError: the body is longer than the storage's `max_body_bytes`.
            StorageError: the storage cannot append now; the subclasses say why.
        """
        check_id(thread_id, "thread id")
        record = self._new_record(turn, keep_messages=keep_messages, user_id=user_id, title=title)
        with self._translated("append to", thread_id):
            return await self._append(thread_id, record, expected)

    async def append_all(
        self,
        thread_id: str,
        turns: Sequence[NewTurn],
        *,
        expected: int | None = None,
        user_id: str | None = None,
        title: str | None = None,
    ) -> list[Appended]:
        """Append several turns in order, as fast as the storage can. Imports, copies and forks use this method.

        Each turn is atomic, but the sequence may be interrupted between two turns. If the turns have ids, the same call
        continues where the first call stopped. The arguments mean the same as in `append`. `expected` is checked before
        the first turn only.
        """
        check_id(thread_id, "thread id")
        records = [self._new_record(turn, keep_messages=None, user_id=user_id, title=title) for turn in turns]
        with self._translated("append to", thread_id):
            return await self._append_all(thread_id, records, expected)

    async def read(
        self,
        thread_id: str,
        *,
        after: int = 0,
        incarnation: str | None = None,
        last_messages: int | None = None,
        last_turns: int | None = None,
        turn_id: str | None = None,
        with_summary: bool = False,
    ) -> ThreadSlice:
        """Return the information about a thread, and its records: one consistent snapshot, in one trip.

        Args:
            thread_id: the thread. A thread that does not exist gives an empty slice.
            after: return only records with a higher number, including undos, trims and summaries. 0 starts a new read
                and returns turns only.
            incarnation: the incarnation that the thread had when `after` was read. If it has changed, the read starts
                anew.
            last_messages: return only the newest whole turns that together hold at most this number of messages. The
                newest turn is returned in any case.
            last_turns: return only this number of the newest turns. 0 returns only the information about the thread.
            turn_id: also find the turn with this id, wherever it is in the thread.
            with_summary: if the read starts anew and the thread has a summary, return the newest summary, and only the
                turns after the last turn that it covers.

        Raises:
            InvalidInput: an id cannot be used, `last_messages` is below 1, or another number is below 0.
        """
        check_id(thread_id, "thread id")
        query = ReadQuery(
            after=after,
            incarnation=incarnation,
            last_messages=last_messages,
            last_turns=last_turns,
            turn_id=turn_id,
            with_summary=with_summary,
        )
        with self._translated("read", thread_id):
            return await self._read(thread_id, query)

    async def head(self, thread_id: str) -> ThreadInfo | None:
        """Return the information about a thread without its turns, or None if the thread does not exist."""
        return (await self.read(thread_id, last_turns=0)).info

    async def undo(self, thread_id: str, *, expected: int | None = None) -> TurnRecord | None:
        """Remove the last turn of a thread and return it, or None when the thread holds no turn.

        The turn's body is deleted for good, its id may be used again, and the summaries that cover the turn are deleted
        too. The undo is a record of its own, so the revision grows.

        Raises:
            ThreadConflict: the thread is not at `expected`, or another writer changed it in between.
        """
        found = await self.read(thread_id, last_turns=1)
        if found.info is None or not found.records:
            return None
        if expected not in (None, found.info.revision):
            raise ThreadConflict(thread_id, expected=expected or 0, actual=found.info.revision)
        last = found.records[-1]
        await self._append_other(thread_id, "undo", last.number, found.info.revision)
        return last

    async def trim(
        self,
        thread_id: str,
        *,
        keep_messages: int | None = None,
        keep_turns: int | None = None,
        before: datetime | None = None,
        expected: int | None = None,
    ) -> int:
        """Delete a thread's oldest turns for good, and return the number of deleted turns.

        A summary that is older than the oldest remaining turn is deleted. A newer summary stays, even when the turns
        that it covers are deleted. A trim by age must not leave older content behind, so it also empties the bodies of
        the summaries that stay.

        Args:
            thread_id: the thread.
            keep_messages: keep the newest whole turns that together hold at most this number of messages. The newest
                turn stays in any case.
            keep_turns: keep this number of the newest turns.
            before: delete the turns from before this aware time, even if these are all turns. The thread itself stays.
                Give exactly one of `keep_messages`, `keep_turns` and `before`.
            expected: as in `append`.

        Raises:
            InvalidInput: not exactly one limit is given, or the limit is below 1.
            ThreadConflict: the thread is not at `expected`, or another writer changed it in between.
            ThreadNotFound: there is no such thread.
        """
        if [keep_messages, keep_turns, before].count(None) != 2:
            raise InvalidInput("give exactly one of keep_messages, keep_turns and before")
        if before is not None:
            found = await self._read_since(thread_id, to_microseconds(before))
        else:
            check_limit(keep_messages or keep_turns or 0, "keep_messages" if keep_turns is None else "keep_turns")
            found = await self.read(thread_id, last_messages=keep_messages, last_turns=keep_turns)
        if found.info is None:
            raise ThreadNotFound(thread_id)
        if expected not in (None, found.info.revision):
            raise ThreadConflict(thread_id, expected=expected or 0, actual=found.info.revision)
        gone = found.info.turns - len(found.records)
        if gone:
            first = found.records[0].number if found.records else found.info.revision + 1
            if before is not None:
                await self._empty_summaries(thread_id, first)
            await self._append_other(thread_id, "trim", first, found.info.revision)
        return gone

    async def _empty_summaries(self, thread_id: str, first: int) -> None:
        """Empty the summaries from the turn before `first` on: they cover turns that are about to be deleted."""
        found = await self.read(thread_id, after=max(1, first - 1))
        if told := {record.number: b"" for record in found.records if record.kind == "summary" and record.body}:
            await self.rewrite(thread_id, told)

    async def summarize(self, thread_id: str, body: bytes, *, through: int, expected: int | None = None) -> Appended:
        """Append a summary of a thread's older turns. The summary is a record of its own; the turns stay unchanged.

        `read(with_summary=True)` returns the newest summary in place of the turns that it covers. Any other read
        returns the turns. A summary is deleted when a turn that it covers is undone, and when a trim keeps only newer
        turns. Copies and exports leave summaries out, because a summary can be made again from the turns.

        Args:
            thread_id: the thread.
            body: opaque bytes.
            through: the number of the last turn that the summary covers.
            expected: as in `append`.

        Raises:
            InvalidInput: `through` is below 1 or beyond the thread's revision; nothing was written.
            ThreadNotFound: there is no such thread.
            ThreadConflict: the thread is not at `expected`.
            EncodeError: the body is longer than the storage's `max_body_bytes`.
        """
        check_id(thread_id, "thread id")
        check_limit(through, "through")
        self._check_body(body)
        while True:
            info = await self.head(thread_id)
            if info is None:
                raise ThreadNotFound(thread_id)
            if expected not in (None, info.revision):
                raise ThreadConflict(thread_id, expected=expected or 0, actual=info.revision)
            if through > info.revision:
                raise InvalidInput(
                    f"thread {thread_id!r} is at revision {info.revision}, so a summary cannot cover turn {through}"
                )
            try:
                return await self._append_other(thread_id, "summary", through, info.revision, body)
            except ThreadConflict:
                if expected is not None:
                    raise

    async def _read_since(self, thread_id: str, moment_us: int) -> ThreadSlice:
        """Return the newest turns, back to the first turn that is older than a given time."""
        wanted = 64
        while True:
            found = await self.read(thread_id, last_turns=wanted)
            kept = list(takewhile(lambda record: record.created_us >= moment_us, reversed(found.records)))
            if found.info is None or len(kept) < len(found.records) or len(kept) == found.info.turns:
                return structs.replace(found, records=tuple(reversed(kept)))
            wanted *= 4

    # -- listing and settings ------------------------------------------------------------------------------------------

    async def list_threads(
        self, *, user_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> ThreadPage:
        """Return a page of threads, the most recently updated thread first.

        Args:
            user_id: list only this user's threads; None lists all threads.
            limit: the number of threads on a page, from 1 to 1,000.
            cursor: the `ThreadPage.cursor` of the previous page; None for the first page.

        Raises:
            InvalidInput: the limit is out of range, or the cursor does not come from a `ThreadPage`.
        """
        if not 1 <= limit <= 1000:
            raise InvalidInput(f"limit must be from 1 to 1,000, not {limit}")
        if user_id is not None:
            check_id(user_id, "user id")
        position = None if cursor is None else parse_cursor(cursor)
        with self._translated("list", None):
            found = await self._list(user_id, limit + 1, position)
        return ThreadPage.cut(found, limit)

    async def threads(self, *, user_id: str | None = None) -> AsyncIterator[ThreadInfo]:
        """Yield all threads, or all threads of a user, the most recently updated first. It reads page by page."""
        cursor: str | None = None
        while True:
            page = await self.list_threads(user_id=user_id, limit=200, cursor=cursor)
            for info in page.threads:
                yield info
            if (cursor := page.cursor) is None:
                return

    async def update_thread(
        self,
        thread_id: str,
        *,
        user_id: str | msgspec.UnsetType | None = msgspec.UNSET,
        title: str | msgspec.UnsetType | None = msgspec.UNSET,
        metadata: Mapping[str, object] | msgspec.UnsetType = msgspec.UNSET,
    ) -> ThreadInfo:
        """Change a thread's settings and return the information about it. A thread that does not exist is made.

        The revision does not grow. A setting that is not given stays unchanged.

        Args:
            thread_id: the thread.
            user_id: the user who owns the thread; None for no user.
            title: a title for people to read; None for no title.
            metadata: the application's own JSON object. It replaces the earlier one.

        Raises:
            InvalidInput: an id or the title cannot be used.
            EncodeError: `metadata` is not JSON.
        """
        check_id(thread_id, "thread id")
        if isinstance(user_id, str):
            check_id(user_id, "user id")
        if isinstance(title, str):
            check_text(title, "title")
        changes = ThreadChanges(
            user_id=user_id,
            title=title,
            metadata=msgspec.UNSET if metadata is msgspec.UNSET else to_json_object(metadata, "metadata"),
        )
        with self._translated("update", thread_id):
            return await self._update(thread_id, changes, self.clock())

    # -- drafts --------------------------------------------------------------------------------------------------------

    async def save_draft(self, thread_id: str, step: DraftStep) -> None:
        """Save one step of a running turn, outside of the thread, in one atomic operation and one trip.

        A thread has at most one draft, and a draft belongs to one turn. Step 1 begins the draft, on the thread's
        revision. Each later step must have the next number. When several processes save the same step, exactly one of
        them succeeds, so only the process that saved a step works on the turn. Saving a step again with the same body
        changes nothing.

        A draft of another turn that was begun on the thread's current revision stays. Until it is committed or dropped,
        no other turn can begin. A draft that was begun on another revision has ended and is replaced.

        Appending any turn to the thread removes the draft in the same atomic operation. So does the replay of the
        draft's own turn. An undo, a trim and a summary leave the draft, but then its `revision` differs from the
        thread's.

        Raises:
            DraftConflict: the step does not begin or continue the thread's draft. The draft may hold this step with
                another body or revision, lack the step before it, belong to another turn (for step 1, a turn on the
                same revision), or be gone.
            ThreadConflict: step 1 would begin a draft on another revision than the thread's revision (0 without a
                thread).
            InvalidInput: an id or the number cannot be used.
            EncodeError: the body is longer than the storage's `max_body_bytes`.
        """
        check_id(thread_id, "thread id")
        check_id(step.turn_id, "turn id")
        check_limit(step.number, "a draft step's number")
        self._check_body(step.body)
        if not step.created_us:
            step = structs.replace(step, created_us=self.clock())
        with self._translated("save a draft of", thread_id):
            await self._save_draft(thread_id, step)

    async def load_draft(self, thread_id: str) -> Draft | None:
        """Return the thread's draft in one trip; None if it has no draft."""
        check_id(thread_id, "thread id")
        with self._translated("load the draft of", thread_id):
            steps = await self._load_draft(thread_id)
        if not steps:
            return None
        return Draft(turn_id=steps[0].turn_id, revision=steps[0].revision, steps=tuple(steps))

    async def list_drafts(self, limit: int = 100) -> list[str]:
        """Return the ids of the threads that have a draft, including threads without any turn yet.

        This method is meant for maintenance: it reads all drafts, and on Redis all keys.

        Args:
            limit: the largest number of ids to return, at least 1. The same call gives the same ids in the same order.

        Raises:
            ConfigurationError: the storage cannot list drafts.
            InvalidInput: the limit is below 1.
        """
        check_limit(limit, "limit")
        with self._translated("list the drafts of", None):
            return await self._list_drafts(min(limit, _MOST))

    async def drop_draft(self, thread_id: str) -> bool:
        """Delete the thread's draft. Return False if it has none."""
        check_id(thread_id, "thread id")
        with self._translated("drop the draft of", thread_id):
            return await self._drop_draft(thread_id)

    # -- deletion ------------------------------------------------------------------------------------------------------

    async def delete(self, thread_id: str) -> bool:
        """Delete a thread with everything that it holds. Return False if there is no such thread."""
        check_id(thread_id, "thread id")
        with self._translated("delete", thread_id):
            return await self._delete(thread_id)

    async def erase_user(self, user_id: str, *, dry_run: bool = False) -> Erasure:
        """Delete all threads of a user with everything that they hold, and return a receipt.

        An interruption leaves whole threads; the same call erases the rest.

        Args:
            user_id: the user.
            dry_run: True only counts, and deletes nothing.
        """
        check_id(user_id, "user id")
        threads = turns = messages = 0
        async for info in self.threads(user_id=user_id):
            if dry_run or await self.delete(info.id):
                threads += 1
                turns += info.turns
                messages += info.messages
        return Erasure(user_id=user_id, threads=threads, turns=turns, messages=messages, is_dry_run=dry_run)

    # -- upkeep --------------------------------------------------------------------------------------------------------

    async def rewrite(self, thread_id: str, bodies: Mapping[int, bytes]) -> None:
        """Replace the bodies of turns and summaries, given by number, with new bodies of the same meaning.

        The revision does not grow, because a handle that has read the thread can still use the turns that it holds.
        Encrypting a thread with a new key uses this method.
        """
        check_id(thread_id, "thread id")
        for body in bodies.values():
            self._check_body(body)
        with self._translated("rewrite", thread_id):
            if bodies:
                await self._rewrite(thread_id, bodies)

    # -- leases --------------------------------------------------------------------------------------------------------

    def lease(self, thread_id: str, ttl: timedelta = timedelta(seconds=30)) -> Lease:
        """Return a lease of the thread for `async with`: it has one holder at a time, across processes.

        A lease avoids conflicts; it does not protect data. A holder that pauses for longer than `ttl` loses its lease,
        but no turn is lost or mixed, because every append checks the revision.

        Args:
            thread_id: the thread. It need not exist.
            ttl: the time after which the lease of a dead holder is free again. A living holder renews its lease in the
                background.
        """
        return Lease(self, check_id(thread_id, "thread id"), ttl)

    async def take_lease(self, thread_id: str, holder: str, ttl: timedelta) -> bool:
        """Take or renew a thread's lease; `lease` calls this method. Return False if another holder has it."""
        with self._translated("lease", thread_id):
            return await self._lease(thread_id, holder, ttl // timedelta(microseconds=1))

    async def release_lease(self, thread_id: str, holder: str) -> None:
        """Release a thread's lease if this holder has it."""
        with self._translated("release the lease of", thread_id):
            await self._release(thread_id, holder)

    # -- life ----------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Finish running work, and free files and connections. Closing twice is fine. Any later use is an error."""
        with self._translated("close", None):
            await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def run_lock(self, thread_id: str) -> asyncio.Lock:
        """Return the lock for which the runs of one thread queue, within this process and event loop.

        The lock puts runs in order, so that each run sees the earlier turns. Between processes, the revision protects
        the thread.
        """
        key = (id(asyncio.get_running_loop()), thread_id)
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock

    # -- shared by the methods above -----------------------------------------------------------------------------------

    def _new_record(
        self, turn: NewTurn, *, keep_messages: int | None, user_id: str | None, title: str | None
    ) -> NewRecord:
        if keep_messages is not None:
            check_limit(keep_messages, "keep_messages")
        if user_id is not None:
            check_id(user_id, "user id")
        check_text(title or "", "title")
        self._check_body(turn.body)
        return NewRecord(
            id=new_id() if turn.id is None else check_id(turn.id, "turn id"),
            is_new_id=turn.id is None,
            created_us=self.clock() if turn.created_us is None else turn.created_us,
            message_count=turn.message_count,
            body=turn.body,
            keep_messages=keep_messages,
            user_id=user_id,
            title=title,
        )

    async def _append_other(
        self, thread_id: str, kind: RecordKind, target: int, expected: int, body: bytes = b""
    ) -> Appended:
        record = NewRecord(
            id=new_id(), is_new_id=True, created_us=self.clock(), message_count=0, body=body, kind=kind, target=target
        )
        with self._translated("summarize" if kind == "summary" else kind, thread_id):
            return await self._append(thread_id, record, expected)

    def _check_body(self, body: bytes) -> None:
        limit = self.max_body_bytes
        if limit is not None and len(body) > limit:
            raise EncodeError("the turn", f"it has {len(body):,} bytes, and this storage keeps at most {limit:,}")
