"""The storage contract: the home of many threads.

A storage keeps each thread as a log of records and gives five promises about it, on every backend and whatever kills
the process: an append is atomic, ordered, checked against a revision, idempotent by id, and costs the same however long
the thread is. The public methods here validate, derive and translate errors once for all; a backend writes the nine
hooks of `hooks.py`, and nothing else. What the bytes of a turn mean is decided elsewhere: in `messages/codec.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from types import TracebackType
from typing import ClassVar, Self
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from msgspec import structs

from recuerda.errors import ConfigurationError, InvalidInput, ThreadConflict, ThreadNotFound
from recuerda.ids import check_id, check_limit, new_id
from recuerda.json_value import check_text
from recuerda.storage.catalogue import ThreadCatalogue
from recuerda.storage.hooks import Clock
from recuerda.storage.leases import Lease
from recuerda.storage.records import (
    Appended,
    NewRecord,
    NewTurn,
    ReadQuery,
    RecordKind,
    ThreadInfo,
    ThreadSlice,
    TurnRecord,
    to_microseconds,
)


def system_clock() -> int:
    """Return the machine's time in microseconds since 1970."""
    return time.time_ns() // 1000


class Storage(ThreadCatalogue):
    """Keep many threads, each a log of turns.

    Storages are asynchronous and may be shared by any number of threads, stores and agents, also across event loops.
    Use one as an async context manager, or call `close`.
    """

    kind: ClassVar[str]
    """The scheme of its URLs, and its name in saved state."""

    def __init__(self, *, clock: Clock = system_clock) -> None:
        super().__init__(clock=clock)
        self._locks: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Make the storage that a URL names. A storage that has no URL need not override this."""
        raise ConfigurationError(
            f"{cls.__name__} cannot be made from a URL, such as this one of {urlsplit(url).scheme!r}"
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
        """Append one turn to a thread, which is made if it does not exist.

        When this returns, the turn is as durable as the storage promises; if it raises, or is cancelled, the turn is in
        the thread whole or not at all, and appending again with the same `turn.id` settles which.

        Args:
            thread_id: any text of 1 to 512 bytes without NUL.
            turn: what to append.
            expected: the revision that the thread must have; 0 for a new thread, None for any.
            keep_messages: afterwards drop the oldest whole turns until at most so many messages stay; never the new
                turn.
            user_id: whose thread it is, if this is its first turn and it has no user yet.
            title: the thread's title, likewise.

        Raises:
            ThreadConflict: the thread is not at `expected`. A turn id that is there already is a replay, not a
                conflict.
            InvalidInput: an id cannot be used.
            EncodeError: the body is longer than the storage's `max_body_bytes`.
            StorageError: see its branches.
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
        """Append several turns in order, as fast as the storage can: for imports, copies and forks.

        Each turn is atomic; the sequence need not be. With ids, doing it again goes on where it broke off. The
        arguments are those of `append`; `expected` is checked before the first turn.
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
        """Read a thread's records and info in one consistent look and one trip.

        Args:
            thread_id: which thread; one that does not exist reads as an empty slice.
            after: only records of a higher number; undos, trims and summaries included. 0 reads afresh, and gives
                turns only.
            incarnation: of the thread when `after` was read; when it is another one now, the read starts afresh.
            last_messages: only the newest whole turns that together hold at most so many messages; the newest in any
                case.
            last_turns: only so many of the newest turns; 0 reads the info alone.
            turn_id: also look for the turn of this id, wherever it is.
            with_summary: if this reads afresh and the thread has a summary, give the newest one, and only turns after
                what it covers.

        Raises:
            InvalidInput: an id cannot be used, `last_messages` is less than 1, or another number less than 0.
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
        """Return what is known of a thread without reading it, or None when it does not exist."""
        return (await self.read(thread_id, last_turns=0)).info

    async def undo(self, thread_id: str, *, expected: int | None = None) -> TurnRecord | None:
        """Take the last turn out of a thread, and return it; None when there is none.

        Its body is deleted for good and its id is free again; the summaries that cover it go as well. The undo is a
        record of its own, so the revision grows.

        Raises:
            ThreadConflict: the thread is not at `expected`, or another writer came in between.
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
        """Delete a thread's oldest turns for good, and return how many went.

        A summary goes with the turns around it: it stays if it is newer than the oldest turn that stays, also when
        what it covers goes. But a trim by age, which is there so that nothing older is kept, empties those that stay.

        Args:
            thread_id: which thread.
            keep_messages: keep the newest whole turns that together hold at most so many messages; the newest in any
                case.
            keep_turns: keep so many of the newest turns.
            before: delete the turns from before this time (aware), all of them if need be; the thread stays. Give
                exactly one of the three.
            expected: as in `append`.

        Raises:
            ThreadConflict: as in `undo`.
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
        """Take what was said before a turn out of the summaries that stay: they tell of all that came before them."""
        found = await self.read(thread_id, after=max(1, first - 1))
        if told := {record.number: b"" for record in found.records if record.kind == "summary" and record.body}:
            await self.rewrite(thread_id, told)

    async def summarize(self, thread_id: str, body: bytes, *, through: int, expected: int | None = None) -> Appended:
        """Append a summary of a thread's older turns. It is a record of its own; the turns stay as they are.

        Readers that ask for it (`read(with_summary=True)`) get the newest summary in place of the turns that it
        covers, all others the turns. It goes when a turn that it covers is undone, and when it is itself older than
        what a trim keeps. Copies and exports leave it out: it is a view, and can be made again.

        Args:
            thread_id: which thread.
            body: opaque bytes.
            through: every turn up to this number is covered.
            expected: as in `append`.

        Raises:
            InvalidInput: `through` is less than 1, or beyond the thread's revision; nothing was written.
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
                raise InvalidInput(f"thread {thread_id!r} is at revision {info.revision}, so it has no turn {through}")
            try:
                return await self._append_other(thread_id, "summary", through, info.revision, body)
            except ThreadConflict:
                if expected is not None:
                    raise

    async def _read_since(self, thread_id: str, moment_us: int) -> ThreadSlice:
        """Read the newest turns back to the first that is from before a time."""
        wanted = 64
        while True:
            found = await self.read(thread_id, last_turns=wanted)
            kept = list(takewhile(lambda record: record.created_us >= moment_us, reversed(found.records)))
            if found.info is None or len(kept) < len(found.records) or len(kept) == found.info.turns:
                return structs.replace(found, records=tuple(reversed(kept)))
            wanted *= 4

    # -- upkeep --------------------------------------------------------------------------------------------------------

    async def rewrite(self, thread_id: str, bodies: Mapping[int, bytes]) -> None:
        """Replace the bodies of turns and summaries, by number, with others that mean the same: for encrypting anew.

        The revision stays, because handles that have read the thread may go on using what they have.
        """
        check_id(thread_id, "thread id")
        for body in bodies.values():
            self._check_body(body)
        with self._translated("rewrite", thread_id):
            if bodies:
                await self._rewrite(thread_id, bodies)

    # -- leases --------------------------------------------------------------------------------------------------------

    def lease(self, thread_id: str, ttl: timedelta = timedelta(seconds=30)) -> Lease:
        """Return a lease of the thread, to be used in `async with`: one holder at a time, across processes.

        A lease only spares conflicts: whoever loses it, because of a pause longer than `ttl`, still cannot lose or mix
        a turn, since the append checks the revision.

        Args:
            thread_id: which thread; it need not exist.
            ttl: after which the lease of a holder that died is free again. A living holder renews it in the background.
        """
        return Lease(self, check_id(thread_id, "thread id"), ttl)

    async def take_lease(self, thread_id: str, holder: str, ttl: timedelta) -> bool:
        """Take a thread's lease or renew it; False when another holder has it. `lease` does this for you."""
        with self._translated("lease", thread_id):
            return await self._lease(thread_id, holder, ttl // timedelta(microseconds=1))

    async def release_lease(self, thread_id: str, holder: str) -> None:
        """Give a lease back that this holder has."""
        with self._translated("release the lease of", thread_id):
            await self._release(thread_id, holder)

    # -- life ----------------------------------------------------------------------------------------------------------

    async def close(self) -> None:
        """Finish what was begun, free files and connections. Closing twice is fine; using it afterwards is an error."""
        with self._translated("close", None):
            await self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def run_lock(self, thread_id: str) -> asyncio.Lock:
        """Return the lock on which runs of one thread queue in this process and event loop.

        It orders runs, so that they see each other; safety between processes comes from the revision.
        """
        key = (id(asyncio.get_running_loop()), thread_id)
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock

    # -- what the methods above share ---------------------------------------------------------------------------------

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
