"""The storage contract: the home of many threads.

A storage keeps each thread as a log of records. It makes five promises about every append, on every backend, even if
the process is killed: the append is atomic, ordered, checked against a revision, and idempotent by id, and it costs the
same however long the thread is. `messages/codec.py` decides how messages become a turn's bytes.

The docstrings of the methods are the contract. The methods stand by subject: turns; undo, trim and summaries; listing
and settings; drafts; deletion; upkeep; leases; life; views. A method checks its arguments (`arguments.py`), calls one
hook of the backend (`hooks.py`), and translates the backend's errors. Only `undo`, `trim`, `summarize`, `threads` and
`erase_user` take several steps.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self
from weakref import WeakSet

import msgspec
from msgspec import structs

from recuerda.errors import ConfigurationError, InvalidInput, ThreadConflict, ThreadNotFound, ThreadOwnershipError
from recuerda.ids import check_count, check_id, check_limit, check_time
from recuerda.json_value import to_json_object
from recuerda.storage.arguments import (
    check_blobs,
    check_body,
    check_title,
    to_guard,
    to_limit,
    to_new_bodies,
    to_other_record,
    to_record,
)
from recuerda.storage.drafts import Draft, DraftPage, DraftStep
from recuerda.storage.erasure import Erasure, Follower, tell_deleted, tell_erased
from recuerda.storage.hooks import Clock, StorageHooks, system_clock
from recuerda.storage.leases import Lease, LeaseInfo
from recuerda.storage.operations import Appended, Guard, ReadQuery, Released, ThreadChanges, ThreadSlice, UndoneTurn
from recuerda.storage.records import MAX_NUMBER, NO_BLOBS, NewTurn, RecordKind, check_digest, to_microseconds
from recuerda.storage.rules import check_info, check_user
from recuerda.storage.run_lock import RunLock, RunLocks
from recuerda.storage.thread_filter import ThreadFilter, to_tags
from recuerda.storage.thread_info import (
    Expected,
    ThreadInfo,
    ThreadPage,
    ThreadParent,
    Version,
    parse_cursor,
    revision_of,
)


class Storage(StorageHooks):
    """Keep many threads, each a log of turns.

    Any number of threads, stores and agents may share one storage, also across event loops. Use it as an async context
    manager, or call `close`. A deletion works thread by thread, or cuts between turns. If it is interrupted, whole
    threads or whole turns remain, and the same call finishes the work.
    """

    def __init__(self, *, clock: Clock = system_clock) -> None:
        super().__init__(clock=clock)
        self._locks = RunLocks()
        self.followers: WeakSet[Follower] = WeakSet()

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the storage that a URL names. A storage without a URL form does not override this method."""
        raise ConfigurationError(
            f"{cls.__name__} cannot be made from a URL (the scheme was {url.partition(':')[0]!r}): call the class"
        )

    # -- turns ---------------------------------------------------------------------------------------------------------

    async def append(
        self,
        thread_id: str,
        turn: NewTurn,
        *,
        expected: Expected | None = None,
        keep_messages: int | None = None,
        user_id: str | None = None,
        title: str | None = None,
        replaces: int | None = None,
        last_step: str | None = None,
    ) -> Appended:
        """Append one turn to a thread, and make the thread if it does not exist.

        When this method returns, the turn is as durable as the storage promises. When it raises or is cancelled, the
        turn is in the thread whole or not at all. To find out, append it again with the same `turn.id`. A cancelled
        write ends when the storage has ended it, so that nothing is written later.

        Args:
            thread_id: any text of 1 to 512 bytes without NUL.
            turn: the turn to append.
            expected: the version that the thread must have, as `ThreadInfo.version` gives it; or its revision alone,
                0 for a new thread. None for any.
            keep_messages: after the append, drop the oldest whole turns until the thread holds at most this number of
                messages. The new turn always stays.
            user_id: the user for whom the turn is appended. The first turn gives the thread to this user, unless it
                already has one.
            title: a title made of the turn. It is set if this is the thread's first turn and the thread has no title
                yet, or if the turn from which the title was made has been deleted.
            replaces: the number of a turn that the new turn replaces. In the same atomic operation, an undo removes
                that turn, and the new turn is appended at the end. Both are records, so the revision grows by two. The
                number is also the `target` of the new turn. None replaces no turn.
            last_step: the id of the last step of the thread's draft, as the writer has read it or saved it; "" if there
                was no draft. An append removes the draft, so a writer that commits what it has read of a draft gives
                this id. Otherwise a step that another process saves in between is lost. None removes any draft.

        Raises:
            ThreadOwnershipError: the thread belongs to another user.
            ThreadConflict: the thread is not at `expected`, or was read as the user's own and is another user's now.
                A turn id that the thread already holds is a replay, not a conflict.
            DraftConflict: the draft's last step is not `last_step`.
            TurnGone: the thread does not hold the turn that was to be replaced. A replay comes before this check.
            TurnDropped: the thread held a turn with this id, and a trim or a limit has deleted it. The thread remembers
                the ids of its newest 1,000 records.
            InvalidInput: an id cannot be used, `replaces` is below 1, or a blob has another digest than it says.
            EncodeError: the body is longer than the storage's `max_body_bytes`, or a blob than its `max_blob_bytes`.
            ConfigurationError: the turn has blobs, and the storage keeps none.
            StorageError: the storage cannot append now; the subclasses say why.
        """
        check_id(thread_id, "thread id")
        if turn.blobs:
            await check_blobs([turn], max_blob_bytes=self.max_blob_bytes, storage=type(self).__name__)
        record = to_record(
            turn,
            now_us=self.clock(),
            max_body_bytes=self.max_body_bytes,
            keep_messages=keep_messages,
            title=title,
            replaces=replaces,
        )
        guard = to_guard(expected, user_id, last_step=last_step)
        with self._translated("append to", thread_id, guard) as operation:
            appended = await self._settled(self._append(thread_id, record, guard))
            operation.appended(appended)
        return appended

    async def append_all(
        self,
        thread_id: str,
        turns: Sequence[NewTurn],
        *,
        expected: Expected | None = None,
        user_id: str | None = None,
        title: str | None = None,
    ) -> list[Appended]:
        """Append several turns in order, as fast as the storage can. Imports, copies and forks use this method.

        Each turn is atomic, but the sequence may be interrupted between two turns. If the turns have ids, the same call
        continues where the first call stopped. The arguments mean the same as in `append`. `expected` is checked before
        the first turn only.
        """
        check_id(thread_id, "thread id")
        if any(turn.blobs for turn in turns):
            await check_blobs(turns, max_blob_bytes=self.max_blob_bytes, storage=type(self).__name__)
        records = [
            to_record(turn, now_us=self.clock(), max_body_bytes=self.max_body_bytes, title=title) for turn in turns
        ]
        guard = to_guard(expected, user_id)
        with self._translated("append to", thread_id) as operation:
            done = await self._settled(self._append_all(thread_id, records, guard))
            for appended in done:
                operation.appended(appended)
        return done

    async def read(
        self,
        thread_id: str,
        *,
        after: Expected = 0,
        before: int | None = None,
        last_messages: int | None = None,
        last_turns: int | None = None,
        turn_id: str | None = None,
        with_summary: bool = False,
        blobs: int | None = 0,
        user_id: str | None = None,
    ) -> ThreadSlice:
        """Return the information about a thread, and its records: one consistent snapshot, in one trip.

        Args:
            thread_id: the thread. A thread that does not exist gives an empty slice.
            after: return only records with a higher number, including undos, trims and summaries. 0 starts a new read
                and returns turns only. Give the version that was read last. If the thread did not continue from that
                version, the read starts anew: the thread was deleted and begun anew, its storage was put back to an
                earlier state, or a body was rewritten. A number alone is not checked.
            before: return only records with a lower number. To page backwards, give the number of the first turn of the
                page that was read last, and `last_turns` or `last_messages`. Each page costs the same, wherever it is.
            last_messages: return only the newest whole turns that together hold at most this number of messages. The
                newest turn is returned in any case.
            last_turns: return only this number of the newest turns. 0 returns only the information about the thread.
            turn_id: also find the turn with this id, wherever it is in the thread.
            with_summary: if the read starts anew and the thread has a summary, return the newest summary, and only the
                turns after the last turn that it covers.
            blobs: also return the blobs of this number of the newest turns among `records`; None for the blobs of all
                of them.
            user_id: the user for whom the thread is read; None for any user.

        Raises:
            ThreadOwnershipError: the thread belongs to another user.
            InvalidInput: an id cannot be used, `last_messages` or `before` is below 1, or another number is below 0.
        """
        check_id(thread_id, "thread id")
        version = after if isinstance(after, Version) else None
        query = ReadQuery(
            after=revision_of(after),
            incarnation=version and version.incarnation,
            record_id=version and version.record_id,
            edits=version and version.edits,
            last_messages=last_messages,
            last_turns=last_turns,
            turn_id=turn_id,
            with_summary=with_summary,
            blobs=blobs,
            before=None if before is None else min(check_limit(before, "before"), MAX_NUMBER),
        )
        guard = to_guard(None, user_id)
        with self._translated("read", thread_id):
            found = await self._read(thread_id, query)
        if found.info is not None:
            check_user(thread_id, guard, found.info.user_id)
        return found

    async def read_blobs(
        self, thread_id: str, digests: Iterable[str], *, user_id: str | None = None
    ) -> Mapping[str, bytes]:
        """Return the bytes of a thread's blobs by their digests, in one trip.

        A digest that no turn of the thread names is left out.

        Args:
            thread_id: the thread.
            digests: the digests, as `TurnRecord.blobs` gives them.
            user_id: the user for whom the thread is read; None for any user.

        Raises:
            ThreadOwnershipError: the thread belongs to another user.
            InvalidInput: the thread id or a digest cannot be used.
        """
        check_id(thread_id, "thread id")
        wanted = tuple(dict.fromkeys(digests))
        for digest in wanted:
            check_digest(digest)
        if not wanted:
            return NO_BLOBS
        guard = to_guard(None, user_id)
        with self._translated("read", thread_id):
            found = await self._read(thread_id, ReadQuery(last_turns=0, digests=wanted))
        check_user(thread_id, guard, found.info.user_id if found.info else None)
        return found.blobs

    async def head(self, thread_id: str, *, user_id: str | None = None) -> ThreadInfo | None:
        """Return the information about a thread without its turns, or None if the thread does not exist.

        Raises:
            ThreadOwnershipError: the thread belongs to another user than `user_id`.
        """
        return (await self.read(thread_id, last_turns=0, user_id=user_id)).info

    async def heads(self, thread_ids: Iterable[str], *, user_id: str | None = None) -> dict[str, ThreadInfo]:
        """Return the information about several threads by their ids. Threads that do not exist are left out.

        SQLite and PostgreSQL read all of them at once. Other storages read them side by side.

        Raises:
            ThreadOwnershipError: a thread belongs to another user than `user_id`.
            InvalidInput: an id cannot be used.
        """
        ids = list(dict.fromkeys(thread_ids))
        for thread_id in ids:
            check_id(thread_id, "thread id")
        guard = to_guard(None, user_id)
        with self._translated("read", None):
            found = await self._heads(ids) if ids else {}
        for thread_id, info in found.items():
            check_user(thread_id, guard, info.user_id)
        return found

    # -- undo, trim and summaries --------------------------------------------------------------------------------------

    async def undo(
        self,
        thread_id: str,
        *,
        number: int | None = None,
        expected: Expected | None = None,
        user_id: str | None = None,
    ) -> UndoneTurn | None:
        """Remove the last turn of a thread, or the turn with a number, and return it; None if there is no such turn.

        The turn's body is deleted for good, its id may be used again, and the summaries that cover the turn are deleted
        too. The undo is a record of its own, so the revision grows. An undo is two trips: it reads the turn with its
        blobs, and removes it.

        Raises:
            ThreadOwnershipError: the thread belongs to another user than `user_id`.
            ThreadConflict: the thread is not at `expected`, or another writer changed it in between.
        """
        before = None if number is None else check_limit(number, "number") + 1
        found = await self.read(thread_id, before=before, last_turns=1, blobs=None, user_id=user_id)
        turn = next((record for record in found.records if number in {None, record.number}), None)
        if found.info is None or turn is None:
            return None
        _check_expected(found.info, expected)
        await self._append_other(found.info, "undo", turn.number, user_id)
        return UndoneTurn(turn, found.blobs)

    async def trim(
        self,
        thread_id: str,
        *,
        keep_messages: int | None = None,
        keep_turns: int | None = None,
        before: datetime | None = None,
        expected: Expected | None = None,
        user_id: str | None = None,
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
            before: delete each turn that was said before this aware time, even if these are all turns. An imported old
                turn that stands between newer turns is deleted alone; this takes one write for each such turn. The
                thread itself stays.
                Give exactly one of `keep_messages`, `keep_turns` and `before`.
            expected: as in `append`.
            user_id: the user for whom the turns are deleted; None for any user.

        Raises:
            InvalidInput: not exactly one limit is given, or the limit is below 1.
            ThreadOwnershipError: the thread belongs to another user.
            ThreadConflict: the thread is not at `expected`, or another writer changed it in between.
            ThreadNotFound: there is no such thread.
        """
        if [keep_messages, keep_turns, before].count(None) != 2:
            raise InvalidInput("give exactly one of keep_messages, keep_turns and before")
        if before is not None:
            return await self._trim_before(thread_id, to_microseconds(before), expected, user_id)
        check_limit(keep_messages or keep_turns or 0, "keep_messages" if keep_turns is None else "keep_turns")
        found = await self.read(thread_id, last_messages=keep_messages, last_turns=keep_turns, user_id=user_id)
        if found.info is None:
            raise ThreadNotFound(thread_id)
        _check_expected(found.info, expected)
        gone = found.info.turns - len(found.records)
        if gone:
            first = found.records[0].number if found.records else found.info.revision + 1
            await self._append_other(found.info, "trim", first, user_id)
        return gone

    async def _trim_before(self, thread_id: str, moment_us: int, expected: Expected | None, user_id: str | None) -> int:
        """Delete the turns that were said before a moment: the oldest together, and each later one alone."""
        found = await self.read(thread_id, user_id=user_id)
        if (info := found.info) is None:
            raise ThreadNotFound(thread_id)
        _check_expected(info, expected)
        old = [record for record in found.records if record.created_us < moment_us]
        if not old:
            return 0
        first = next((one.number for one in found.records if one.created_us >= moment_us), info.revision + 1)
        info = await self._empty_summaries(info, old[0].number, user_id)
        for record in reversed(old):
            if record.number > first:
                info = _after(info, await self._append_other(info, "undo", record.number, user_id))
        if old[0].number < first:
            await self._append_other(info, "trim", first, user_id)
        return len(old)

    async def _empty_summaries(self, info: ThreadInfo, first: int, user_id: str | None) -> ThreadInfo:
        """Empty the summaries after turn `first`, because they cover turns that are about to be deleted."""
        found = await self.read(info.id, after=first, user_id=user_id)
        told = {record.number: b"" for record in found.records if record.kind == "summary" and record.body}
        if not told:
            return info
        edits = await self.rewrite(info.id, told, expected=info.version, user_id=user_id) or info.edits
        return structs.replace(info, edits=edits, rewritten=edits)

    async def summarize(
        self,
        thread_id: str,
        body: bytes,
        *,
        through: int,
        expected: Expected | None = None,
        user_id: str | None = None,
    ) -> Appended:
        """Append a summary of a thread's older turns. The summary is a record of its own; the turns stay unchanged.

        `read(with_summary=True)` returns the newest summary in place of the turns that it covers. Any other read
        returns the turns. A summary is deleted when a turn that it covers is undone, and when a trim keeps only newer
        turns. Copies and exports leave summaries out, because a summary can be made again from the turns.

        Args:
            thread_id: the thread.
            body: opaque bytes.
            through: the number of the last turn that the summary covers.
            expected: as in `append`.
            user_id: the user for whom the summary is appended; None for any user.

        Raises:
            InvalidInput: `through` is below 1 or beyond the thread's revision; nothing was written.
            ThreadNotFound: there is no such thread.
            ThreadOwnershipError: the thread belongs to another user.
            ThreadConflict: the thread is not at `expected`.
            EncodeError: the body is longer than the storage's `max_body_bytes`.
        """
        check_id(thread_id, "thread id")
        check_limit(through, "through")
        check_body(body, self.max_body_bytes)
        while True:
            info = await self.head(thread_id, user_id=user_id)
            if info is None:
                raise ThreadNotFound(thread_id)
            _check_expected(info, expected)
            if through > info.revision:
                raise InvalidInput(
                    f"thread {thread_id!r} is at revision {info.revision}, so a summary cannot cover turn {through}"
                )
            try:
                return await self._append_other(info, "summary", through, user_id, body)
            except ThreadConflict:
                if expected is not None:
                    raise

    async def _append_other(
        self, info: ThreadInfo, kind: RecordKind, target: int, user_id: str | None, body: bytes = b""
    ) -> Appended:
        """Append a record that is not a turn to a thread that is still in the given state."""
        record = to_other_record(kind, target, now_us=self.clock(), body=body)
        guard = to_guard(info.version, user_id)
        with self._translated("summarize" if kind == "summary" else kind, info.id, guard):
            return await self._settled(self._append(info.id, record, guard))

    # -- listing and settings ------------------------------------------------------------------------------------------

    async def list_threads(
        self,
        *,
        user_id: str | None = None,
        parent: str | None = None,
        title: str | None = None,
        metadata: Mapping[str, object] | None = None,
        tags: Iterable[str] = (),
        archived: bool | None = False,
        updated_after: datetime | None = None,
        updated_before: datetime | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ThreadPage:
        """Return a page of the threads that meet all given conditions, the most recently updated thread first.

        One call compares at most 5,000 threads with the title, the metadata and the times of creation. Then it returns
        the threads that it has found, and a cursor, and the page says `is_partial`. The user and the times of the last
        change do not count: an index finds these threads on every storage but a folder of files and RAM.

        Args:
            user_id: list only this user's threads; None lists all threads.
            parent: the id of a thread; list only the forks that were begun from it. SQLite and PostgreSQL find them
                with an index. Any other storage compares threads with this condition too.
            title: words that the title contains, in any order. A word is also found inside of a longer word. Case and
                accents make no difference.
            metadata: the values that keys of the metadata have. None as a value stands for a missing key.
            tags: tags that the thread has, among others.
            archived: False leaves archived threads out, True lists only them, and None lists both.
            updated_after: the thread's last change was at this aware time or later.
            updated_before: the thread's last change was before this aware time.
            created_after: the thread was created at this aware time or later.
            created_before: the thread was created before this aware time.
            limit: the number of threads on a page, from 1 to 1,000.
            cursor: the `ThreadPage.cursor` of the previous page with the same conditions; None for the first page.

        Raises:
            InvalidInput: the limit is out of range, the user id cannot be used, a time has no time zone, or the cursor
                does not come from a `ThreadPage`.
            EncodeError: `metadata` is not JSON.
        """
        if not 1 <= limit <= 1000:
            raise InvalidInput(f"limit must be from 1 to 1,000, not {limit}")
        wanted = ThreadFilter.of(
            user_id=user_id,
            parent=parent,
            title=title,
            metadata=metadata,
            tags=tags,
            archived=archived,
            updated_after=updated_after,
            updated_before=updated_before,
            created_after=created_after,
            created_before=created_before,
        )
        position = None if cursor is None else parse_cursor(cursor)
        with self._translated("list", None):
            found = await self._list(wanted, limit + 1, position)
        return ThreadPage.cut(found.threads, limit, found.stopped_at)

    async def threads(self, *, user_id: str | None = None) -> AsyncIterator[ThreadInfo]:
        """Yield each thread, or each thread of a user, once. The order has no meaning.

        Every thread that exists during the whole walk is met, even if threads are used, begun and deleted meanwhile. A
        thread that is deleted meanwhile may still be yielded. This reads page by page.
        """
        if user_id is not None:
            check_id(user_id, "user id")
        seen: set[str] = set()
        position: str | None = None
        while True:
            with self._translated("list", None):
                found, position = await self._walk(user_id, position)
            for info in found:
                if info.id not in seen:
                    seen.add(info.id)
                    yield info
            if position is None:
                return

    async def update_thread(
        self,
        thread_id: str,
        *,
        user_id: str | msgspec.UnsetType | None = msgspec.UNSET,
        title: str | msgspec.UnsetType | None = msgspec.UNSET,
        title_turn: int | None = None,
        metadata: Mapping[str, object] | msgspec.UnsetType = msgspec.UNSET,
        parent: ThreadParent | msgspec.UnsetType | None = msgspec.UNSET,
        archived: bool | msgspec.UnsetType = msgspec.UNSET,
        tags: Iterable[str] | msgspec.UnsetType = msgspec.UNSET,
        changed_us: int | None = None,
        expected: Expected | None = None,
        expected_user_id: str | None = None,
    ) -> ThreadInfo:
        """Change a thread's settings and return the information about it. A thread that does not exist is created.

        The revision does not grow. A setting that is not given stays unchanged.

        Args:
            thread_id: the thread.
            user_id: the user who owns the thread from now on; None for no user.
            title: a title for people to read; None for no title.
            title_turn: the number of the turn from which `title` was made: the title is removed together with the turn.
                0 lets the next turn give the title. None for a title that somebody has chosen.
            metadata: keys of the application's own JSON object, with their new values. A key with None is removed. All
                other keys stay, so two writers that set different keys do not disturb each other.
            parent: the thread from which this thread was begun as a fork; `ChatMessageStore.fork` sets it. None for no
                parent. A thread that is taken from its user and given to another one forgets its parent.
            archived: True lets lists leave the thread out; False shows it again.
            tags: all tags that the thread has from now on, each a text of 1 to 512 bytes. Other tags are removed.
            changed_us: the time of the change, in microseconds since 1970 (UTC), for settings that come from elsewhere.
                An earlier time than the thread's last change does not put that back. None means now.
            expected: the version that the thread must have, as `ThreadInfo.version` gives it, including its settings;
                or its revision alone. None for any.
            expected_user_id: the user for whom the settings are changed, who must own the thread. A thread that is
                created belongs to this user. None for any user.

        Raises:
            ThreadOwnershipError: the thread belongs to another user than `expected_user_id`.
            ThreadConflict: the thread is not at `expected`.
            InvalidInput: an id or the title cannot be used.
            EncodeError: `metadata` is not JSON.
        """
        check_id(thread_id, "thread id")
        if isinstance(user_id, str):
            check_id(user_id, "user id")
        if title is not None and title is not msgspec.UNSET:
            check_title(title)
        changes = ThreadChanges(
            user_id=user_id,
            title=title,
            title_turn=None if title_turn is None else check_count(title_turn, "title_turn"),
            metadata=msgspec.UNSET if metadata is msgspec.UNSET else to_json_object(metadata, "metadata"),
            parent=parent,
            archived=archived,
            tags=msgspec.UNSET if isinstance(tags, msgspec.UnsetType) else to_tags(tags),
            changed_us=None if changed_us is None else check_time(changed_us, "changed_us"),
        )
        guard = to_guard(expected, expected_user_id, with_edits=True)
        with self._translated("update", thread_id):
            return await self._settled(self._update(thread_id, changes, self.clock(), guard))

    # -- drafts --------------------------------------------------------------------------------------------------------

    async def save_draft(
        self, thread_id: str, step: DraftStep, *, expected: Expected | None = None, user_id: str | None = None
    ) -> str:
        """Save one step of a running turn, outside of the thread, in one atomic operation and one trip.

        A thread has at most one draft, and a draft belongs to one turn. Step 1 begins the draft, on the thread's
        revision. Each later step must have the next number. When several processes save the same step, exactly one of
        them succeeds, so only the process that saved a step works on the turn. Saving a step again with the same body
        changes nothing.

        A storage that was put back to an earlier state may lack steps. Then another process may save other steps in
        their place. If each step has an `id` and names the id of the step before it (`previous`), a step of the first
        process never follows a step of the other one.

        A draft of another turn that was begun on the thread's current revision stays. Until it is committed or dropped,
        no other turn can begin. A draft that was begun on another revision has ended and is replaced. A step 1 that
        continues what the ended draft says names its last step (`previous`), so that no later step of it is lost.

        Appending any turn to the thread removes the draft in the same atomic operation. So does the replay of the
        draft's own turn. An undo, a trim and a summary leave the draft, but then its `revision` differs from the
        thread's. A draft on a thread that does not exist makes the thread, at revision 0, so that the draft has an
        owner from its first step on.

        Args:
            thread_id: the thread.
            step: the step.
            expected: the version at which the turn began. Step 1 begins a draft only on this version, as in `append`. A
                later step is saved only on a thread that continues from this version: it may have more records since,
                such as a summary. Without it, only `step.revision` is checked, and only for step 1.
            user_id: the user for whom the turn runs; None for any user.

        Returns:
            The thread's incarnation. The worker of a thread's first turn needs it for the later steps, because the
            thread did not exist when it was read.

        Raises:
            ThreadOwnershipError: the thread belongs to another user.
            DraftConflict: the step does not begin or continue the thread's draft. The draft may hold this step with
                another body or revision, lack the step before it, have another step before it than `step.previous`
                names, belong to another turn (for step 1, a turn on the same revision), or be gone.
            ThreadConflict: step 1 would begin a draft on another revision than the thread's revision (0 without a
                thread). Or the thread does not continue from `expected`: it was deleted and perhaps begun anew, or its
                storage was put back to an earlier state.
            InvalidInput: an id or the number cannot be used.
            EncodeError: the body is longer than the storage's `max_body_bytes`.
        """
        check_id(thread_id, "thread id")
        check_id(step.turn_id, "turn id")
        check_limit(step.number, "a draft step's number")
        check_id(step.id, "draft step's id")
        check_body(step.body, self.max_body_bytes)
        if not step.created_us:
            step = structs.replace(step, created_us=self.clock())
        guard = to_guard(expected, user_id)
        with self._translated("save a draft of", thread_id):
            return await self._settled(self._save_draft(thread_id, step, guard))

    async def load_draft(self, thread_id: str, *, user_id: str | None = None) -> Draft | None:
        """Return the thread's draft in one trip; None if it has no draft.

        Raises:
            ThreadOwnershipError: the thread belongs to another user than `user_id`.
        """
        check_id(thread_id, "thread id")
        guard = to_guard(None, user_id)
        with self._translated("load the draft of", thread_id):
            steps = await self._load_draft(thread_id, guard)
        if not steps:
            return None
        return Draft(turn_id=steps[0].turn_id, revision=steps[0].revision, steps=tuple(steps))

    async def list_drafts(
        self, limit: int = 100, *, user_id: str | None = None, cursor: str | None = None
    ) -> DraftPage:
        """Return a page of the threads that have a draft, also of threads without any turn yet.

        The draft that was begun first comes first. SQLite and PostgreSQL have an index of drafts, so the cost does not
        depend on the number of threads. Cosmos DB queries all partitions for drafts. The other storages read every
        draft for each page; a folder of files looks at the name of every file, and Redis at every key.

        Args:
            limit: the largest number of threads on the page, at least 1.
            user_id: list only this user's threads; None lists the threads of all users.
            cursor: the `DraftPage.cursor` of the previous page with the same user; None for the first page.

        Raises:
            ConfigurationError: the storage cannot list drafts.
            InvalidInput: the limit is below 1, the user id cannot be used, or the cursor does not come from a
                `DraftPage`.
        """
        limit = to_limit(limit)
        if user_id is not None:
            check_id(user_id, "user id")
        position = None if cursor is None else parse_cursor(cursor)
        with self._translated("list the drafts of", None):
            return DraftPage.cut(await self._list_drafts(limit + 1, user_id, position), limit)

    async def drop_draft(
        self,
        thread_id: str,
        *,
        turn_id: str | None = None,
        expected: Expected | None = None,
        user_id: str | None = None,
        last_step: str | None = None,
    ) -> bool:
        """Delete the thread's draft. The thread stays.

        Args:
            thread_id: the thread.
            turn_id: the turn whose draft is deleted. The draft of another turn stays: it may belong to a process that
                is working on it. Give the `Draft.turn_id` that was read. None deletes the draft of any turn.
            expected: as in `append`.
            user_id: the user for whom the draft is deleted; None for any user.
            last_step: as in `append`.

        Returns:
            False if the thread has no draft of this turn.

        Raises:
            ThreadOwnershipError: the thread belongs to another user than `user_id`.
            ThreadConflict: the thread is not at `expected`, so the draft is another one.
            DraftConflict: the draft's last step is not `last_step`.
        """
        check_id(thread_id, "thread id")
        if turn_id is not None:
            check_id(turn_id, "turn id")
        guard = to_guard(expected, user_id, last_step=last_step)
        with self._translated("drop the draft of", thread_id):
            return await self._settled(self._drop_draft(thread_id, turn_id, guard))

    # -- deletion ------------------------------------------------------------------------------------------------------

    async def delete(self, thread_id: str, *, expected: Expected | None = None, user_id: str | None = None) -> bool:
        """Delete a thread with everything that it holds. Return False if there is no such thread.

        The indexes and mirrors that follow this storage in this program forget the thread too (see `follow`).

        Args:
            thread_id: the thread.
            expected: the version that the thread must have, as `ThreadInfo.version` gives it, including its settings;
                or its revision alone. None for any.
            user_id: the user for whom the thread is deleted; None for any user.

        Raises:
            ThreadOwnershipError: the thread belongs to another user.
            ThreadConflict: the thread is not at `expected`.
        """
        check_id(thread_id, "thread id")
        guard = to_guard(expected, user_id, with_edits=True)
        with self._translated("delete", thread_id):
            was_there = await self._settled(self._delete(thread_id, guard))
        await tell_deleted(self.followers, thread_id)
        return was_there

    async def erase_user(self, user_id: str, *, dry_run: bool = False) -> Erasure:
        """Delete all threads of a user with everything that they hold, and return a receipt.

        Everything that follows this storage in this program forgets the user too, such as the index of a recall
        provider or a mirror. The receipt says what each of them did. An interruption leaves whole threads; the same
        call erases the rest.

        Args:
            user_id: the user.
            dry_run: True only counts, and deletes nothing.
        """
        check_id(user_id, "user id")
        guard = to_guard(None, user_id)
        erased = [info async for info in self.threads(user_id=user_id) if dry_run or await self._erase(info.id, guard)]
        if not dry_run:
            await self.clean_up()
        return Erasure(
            user_id=user_id,
            threads=len(erased),
            turns=sum(info.turns for info in erased),
            messages=sum(info.messages for info in erased),
            is_dry_run=dry_run,
            followers=() if dry_run else await tell_erased(self.followers, user_id, [info.id for info in erased]),
        )

    async def _erase(self, thread_id: str, guard: Guard) -> bool:
        """Delete a thread, unless it has become another user's meanwhile."""
        try:
            with self._translated("delete", thread_id):
                return await self._settled(self._delete(thread_id, guard))
        except ThreadOwnershipError:
            return False

    def follow(self, follower: Follower) -> None:
        """Tell a follower from now on which threads are deleted and which users are erased.

        The storage holds the follower weakly: a follower that is no longer in use ends by itself.
        """
        self.followers.add(follower)

    # -- upkeep --------------------------------------------------------------------------------------------------------

    async def rewrite(
        self,
        thread_id: str,
        bodies: Mapping[int, bytes],
        *,
        released: Released | None = None,
        expected: Expected | None = None,
        user_id: str | None = None,
    ) -> int | None:
        """Replace the bodies of turns and summaries, given by number.

        The revision does not grow. A handle that has read the thread reads it anew, because a body was rewritten.
        Encrypting a thread with a new key uses this method.

        Args:
            thread_id: the thread.
            bodies: the new bodies by the numbers of their records. A number that the thread does not hold is skipped.
            released: the digests of blobs that the new body of a turn no longer names, by the turn's number. A blob is
                deleted when no turn of the thread names it any more. None for no blobs.
            expected: the version that the thread must have, as `ThreadInfo.version` gives it, including its settings;
                or its revision alone. Give the version at which the old bodies were read. None for any.
            user_id: the user for whom the bodies are replaced; None for any user.

        Returns:
            The thread's `edits` after the change; None if `bodies` is empty or the thread does not exist.

        Raises:
            ThreadOwnershipError: the thread belongs to another user.
            ThreadConflict: the thread is not at `expected`.
            InvalidInput: a digest cannot be used, or a turn is to release blobs and has no new body.
        """
        check_id(thread_id, "thread id")
        change = to_new_bodies(bodies, released, max_body_bytes=self.max_body_bytes)
        guard = to_guard(expected, user_id, with_edits=True)
        with self._translated("rewrite", thread_id):
            if not bodies:
                return None
            return await self._settled(self._rewrite(thread_id, change, self.clock(), guard))

    async def clean_up(self) -> None:
        """Remove what a killed process may have left: copies of erased text, and blobs that no turn names."""
        with self._translated("clean up", None):
            await self._settled(self._clean_up())

    # -- leases --------------------------------------------------------------------------------------------------------

    def lease(self, thread_id: str, ttl: timedelta = timedelta(seconds=30), *, user_id: str | None = None) -> Lease:
        """Return a lease of the thread for `async with`: it has one holder at a time, across processes.

        A lease avoids conflicts; it does not protect data. A holder that pauses for longer than `ttl` loses its lease,
        but no turn is lost or mixed, because every append checks the revision.

        Args:
            thread_id: the thread. It need not exist.
            ttl: the time after which the lease of a dead holder is free again. A living holder renews its lease in the
                background.
            user_id: the user for whom the lease is taken; entering the lease of another user's thread raises
                `ThreadOwnershipError`. None for any user.
        """
        return Lease(self, check_id(thread_id, "thread id"), ttl, user_id=user_id)

    async def take_lease(self, thread_id: str, holder: str, ttl: timedelta, *, user_id: str | None = None) -> bool:
        """Take or renew a thread's lease; `lease` calls this method. Return False if another holder has it."""
        guard = to_guard(None, user_id)
        with self._translated("lease", thread_id):
            return await self._settled(self._lease(thread_id, holder, ttl // timedelta(microseconds=1), guard))

    async def release_lease(self, thread_id: str, holder: str) -> None:
        """Release a thread's lease if this holder has it."""
        with self._translated("release the lease of", thread_id):
            await self._settled(self._release(thread_id, holder))

    async def list_leases(self, limit: int = 100) -> list[LeaseInfo]:
        """Return the leases that processes hold now, sorted by the ids of their threads.

        SQLite and PostgreSQL have a table of leases. Cosmos DB queries all partitions for leases, a folder of files
        looks at the name of every file, and Redis at every key. Cosmos DB, and a folder for the leases of other
        machines, compare wall clocks, so the time that is left may be wrong by as much as these differ.

        Args:
            limit: the largest number of leases, at least 1. If there are more, the storage chooses which to return.

        Raises:
            ConfigurationError: the storage cannot list leases.
            InvalidInput: the limit is below 1.
        """
        limit = to_limit(limit)
        with self._translated("list the leases of", None):
            return sorted(await self._list_leases(limit), key=lambda lease: lease.thread_id)

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

    def run_lock(self, thread_id: str) -> RunLock:
        """Return the lock for which the runs of one thread queue, within this process.

        The lock puts runs in order, so that each run sees the earlier turns, also if the runs are on different event
        loops. Between processes, the revision protects the thread.
        """
        return self._locks.of(thread_id)

    # -- views ---------------------------------------------------------------------------------------------------------

    def for_user(self, user_id: str) -> Storage:
        """Return a view of this storage for one user. Each of its operations is refused for another user's thread.

        A thread that is begun through the view belongs to the user. Listings show only the user's threads. A thread
        without a user can be used through every view. Closing the view closes nothing.
        """
        from recuerda.storage.view import UserStorage

        return UserStorage(self, check_id(user_id, "user id"))


def _check_expected(info: ThreadInfo, expected: Expected | None) -> None:
    check_info(info.id, to_guard(expected, None), info)


def _after(info: ThreadInfo, appended: Appended) -> ThreadInfo:
    return structs.replace(info, revision=appended.revision, record_id=appended.record.id)
