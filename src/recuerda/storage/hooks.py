"""The hooks that a backend implements: nine abstract hooks, and a few optional hooks.

`Storage` (in `contract.py`) checks the arguments before it calls a hook. Afterwards it translates the exceptions that
`driver_errors` names. A hook that writes does so in one atomic operation. `rules.py` and `thread_log.py` state the same
rules as ordinary Python.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self, TypeAlias, TypeVar

from recuerda import _observing
from recuerda._observing import StorageWork
from recuerda.errors import ConfigurationError, RecuerdaError, StorageError, ThreadConflict, ThreadOwnershipError
from recuerda.storage.drafts import DraftInfo, DraftStep
from recuerda.storage.finishing import PATIENCE_S, settled
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.operations import Appended, Guard, NewBodies, NewRecord, ReadQuery, ThreadChanges, ThreadSlice
from recuerda.storage.records import Blob
from recuerda.storage.thread_filter import ListedThreads, ThreadFilter
from recuerda.storage.thread_info import ThreadInfo

T = TypeVar("T")

Clock: TypeAlias = Callable[[], int]
"""A function that returns the time in microseconds since 1970 (UTC)."""


def system_clock() -> int:
    """Return the machine's time in microseconds since 1970."""
    return time.time_ns() // 1000


WALK_PAGE = 200
"""The number of threads that a walk reads at once."""


class StorageHooks(ABC):
    """The half of `Storage` that a backend writes."""

    kind: ClassVar[str]
    """The scheme of the storage's URLs, and its name in a saved state."""

    driver_errors: ClassVar[tuple[type[Exception], ...]] = ()
    """The exceptions that `_translate` turns into a `StorageError`."""

    max_body_bytes: ClassVar[int | None] = None
    """The length of the longest body that the backend can keep. A longer body is refused before anything is written.

    None means any length.
    """

    max_blob_bytes: ClassVar[int | None] = 0
    """The length of the longest blob that the backend can keep. A longer blob is refused before anything is written.

    None means any length. 0 means that the backend keeps no blobs.
    """

    write_patience_s: float | None = PATIENCE_S
    """The seconds for which a write may go on after its caller was cancelled; then its hook is cancelled.

    The caller gets the cancellation when the hook has ended, so that nothing is written after it. 0 is for a driver
    that ends a cancelled call only when its outcome is certain. None is for hooks that see to this themselves, or never
    wait.
    """

    def __init__(self, *, clock: Clock) -> None:
        self.clock = clock

    @abstractmethod
    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        """Write one record in one atomic operation.

        Check in this order:

        1. Is the thread another user's (`check_user`)? Then raise `ThreadOwnershipError`.
        2. Does the thread hold a record with the same id? Then return that record as replayed, and remove the thread's
           draft if it belongs to that turn. Does the thread remember the id as that of a dropped turn? Then raise
           `TurnDropped`. Skip both look-ups when `record.is_new_id`. If the backend repeats an append whose answer was
           lost, it looks up a new id too. A record of the first attempt (see `record.call`) is no replay.
        3. Is the thread not in the guard's state (`check_state`)? Then raise `ThreadConflict`. Has its draft another
           last step than the guard names (`check_last_step`)? Then raise `DraftConflict`.
        4. Is the record a turn with a `target`, and the thread holds no turn with that number? Then raise `TurnGone`.
        5. Otherwise write the record as number `revision + 1`. The first record gives the thread the guard's user,
           unless it has one. A turn with a `target` gets the number `revision + 2`, and the undo of its target
           (`record.undo`) is written before it.

        The new record removes other records from the thread:

        - A turn removes the thread's draft, whichever turn the draft belongs to. No other record removes it.
        - An undo deletes the turn numbered `target`, and every summary that covers it: a newer summary whose own
          `target` is not below that number.
        - A trim deletes all records before number `target`.
        - With `keep_messages`, delete the oldest turns that are left then until the limit holds, and every record older
          than the last one deleted.

        A turn's blobs are written in the same operation. A blob whose digest the thread already holds is not written
        again. A blob goes when no turn of the thread names it any more, whichever way the last turn goes.

        The thread remembers the ids of the removed records among its `REMEMBERED` newest numbers, for `_read`. An
        append refuses the id of a dropped turn, but not the id of an undone turn or of another record.

        A title that was made from a removed turn is removed as well. Then the next turn gives the thread its title, and
        this may be the new record itself.
        """

    async def _append_all(self, thread_id: str, records: Sequence[NewRecord], guard: Guard) -> list[Appended]:
        """Write several records in order. The guard's state is checked before the first record only.

        A backend that can write the records faster together overrides this hook.
        """
        done: list[Appended] = []
        for record in records:
            done.append(await self._append(thread_id, record, guard))
            guard = Guard(user_id=guard.user_id)
        return done

    @abstractmethod
    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        """Return the part of a thread that the query asks for (see `Storage.read`).

        The read continues from `after` if the thread has the query's incarnation, if record `after` has the id
        `record_id` or had it and is remembered, and if `is_same_history` returns True. Otherwise it starts anew.
        The cost must depend only on the returned records, even for finding the newest summary or its absence.
        `wanted_blobs` names the blobs to return beside them.
        """

    async def _heads(self, thread_ids: Sequence[str]) -> dict[str, ThreadInfo]:
        """Return the information about threads by their ids, without the threads that do not exist. Optional.

        A backend that can read several threads in one trip overrides this hook.
        """
        found = await asyncio.gather(*(self._read(thread_id, ReadQuery(last_turns=0)) for thread_id in thread_ids))
        return {one.info.id: one.info for one in found if one.info is not None}

    @abstractmethod
    async def _list(self, wanted: ThreadFilter, limit: int, position: tuple[int, str] | None) -> ListedThreads:
        """Return up to `limit` threads that `wanted` matches, sorted by `updated_us` and then `id`, both descending.

        `position` is the `updated_us` and `id` of the last thread on the previous page; None for the first page.
        `matching` and `look_through` compare threads with the filter. They stop after `LOOKED_AT` threads.
        """

    async def _walk(self, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
        """Return some threads and the position after them; None as the position when there are no more. Optional.

        A walk from position None to the end returns each thread that exists during the whole walk, however the threads
        are used meanwhile. A thread may be returned twice.

        A backend overrides this hook with an order that never changes, such as the order of ids. This version reads
        the list until a whole pass finds nothing new, and then returns all threads at once.
        """
        found: dict[str, ThreadInfo] = {}
        while True:
            known, last = len(found), None
            while page := (await self._list(ThreadFilter(user_id=user_id), WALK_PAGE, last)).threads:
                found |= {info.id: info for info in page}
                last = page[-1].updated_us, page[-1].id
            if len(found) == known:
                return list(found.values()), None

    @abstractmethod
    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        """Check the guard, set the given settings, and return the information about the thread.

        A thread that does not exist is created, for the guard's user unless `changes` names one. `edits` becomes
        `edits_after` of itself and `now_us`, and the time of the last change becomes `changed_after`.
        """

    @abstractmethod
    async def _delete(self, thread_id: str, guard: Guard) -> bool:
        """Check the guard, and delete the thread with its records, settings and draft. Return False without a thread.

        Without a thread, nothing is checked.
        """

    @abstractmethod
    async def _save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
        """Save a step in one atomic operation, if `is_new_step` returns True for it. Return the thread's incarnation.

        Check the guard's user first, and then with `check_history` that the thread continues the history that the guard
        names. Check the whole guard if the step is new and has number 1. A thread that does not exist is created, as by
        `_update`, so that a draft always has its thread's user.
        """

    @abstractmethod
    async def _load_draft(self, thread_id: str, guard: Guard) -> list[DraftStep]:
        """Check the guard's user, and return the steps of the thread's draft in order, or an empty list."""

    @abstractmethod
    async def _drop_draft(self, thread_id: str, turn_id: str | None, guard: Guard) -> bool:
        """Check the guard, and delete the thread's draft if it is this turn's; None for any turn's.

        Return False if there is no such draft. Then only the user is checked.
        """

    async def _list_drafts(self, limit: int, user_id: str | None, position: tuple[int, str] | None) -> list[DraftInfo]:
        """Return up to `limit` threads that have a draft, sorted by `DraftInfo.place`. Optional.

        With a user, return only that user's threads. `position` is the last place on the previous page. `first_drafts`
        makes the list from all drafts.
        """
        raise ConfigurationError(
            f"{type(self).__name__} cannot list drafts (asked for {limit} of {user_id!r} after {position}); name a "
            "thread instead"
        )

    async def _rewrite(self, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
        """Check the guard, and replace the bodies of turns and summaries by number, in one atomic operation. Optional.

        A turn no longer names the digests that `change.released` has under its number. A blob goes when no turn of the
        thread names it any more. A number that the thread no longer holds is skipped. `edits` becomes `edits_after` of
        itself and `now_us`, and `rewritten` and the result are the same number. Without a thread and without a guard,
        nothing happens, and the result is None.
        """
        raise ConfigurationError(
            f"{type(self).__name__} cannot replace the bodies of {len(change.bodies)} turns of {thread_id!r}"
        )

    async def _replace_blob(self, thread_id: str, digest: str, blob: Blob, guard: Guard) -> bool:
        """Check the guard, and put a blob in the place of the blob with a digest, in one atomic operation. Optional.

        Every turn that names the digest names the new digest instead. If the thread already holds the new digest, the
        old blob goes, and the bytes of the held blob are replaced. `edits` stays. Return False if the thread does not
        hold the old digest.
        """
        raise ConfigurationError(
            f"{type(self).__name__} cannot replace the blob {digest} of {thread_id!r} by {blob.digest}"
        )

    async def _lease(self, thread_id: str, holder: str, ttl_us: int, guard: Guard) -> bool:
        """Give the thread's lease to `holder` for `ttl_us` microseconds from now. Optional, together with `_release`.

        Check the guard's user first, if the thread exists. Return False when another holder has the lease. The end of a
        lease must not depend on a wall clock that may be put back.
        """
        raise ConfigurationError(f"{type(self).__name__} has no leases: {thread_id!r} cannot be leased for {ttl_us} us")

    async def _release(self, thread_id: str, holder: str) -> None:
        """Free the lease if this holder has it. Optional, together with `_lease`."""
        raise ConfigurationError(f"{type(self).__name__} has no leases: {thread_id!r} is not held by {holder!r}")

    async def _list_leases(self, limit: int) -> list[LeaseInfo]:
        """Return leases that have not ended, in any order, at most `limit`. Optional, together with `_lease`."""
        raise ConfigurationError(f"{type(self).__name__} cannot list leases: {limit} were asked for")

    async def _clean_up(self) -> None:  # noqa: B027 - it is optional
        """Remove copies of erased text, and blobs that no turn names, which a killed process may have left. Optional.

        It is called after each erasure, because an earlier one may have been interrupted.
        """

    @abstractmethod
    async def _close(self) -> None:
        """Finish running work, and free files and connections. It is called again if the storage is closed twice."""

    def _translate(self, error: Exception, action: str) -> RecuerdaError:
        """Return the error to raise in place of one of `driver_errors`. Its text names the `action` that failed."""
        return StorageError(f"could not {action}: {type(error).__name__}")

    def _settled(self, write: Coroutine[Any, Any, T]) -> Awaitable[T]:
        """Return an awaitable for a write. If it is cancelled, it ends when the write has ended."""
        patience_s = self.write_patience_s
        return write if patience_s is None else settled(write, patience_s=patience_s)

    def _translated(self, action: str, thread_id: str | None, guard: Guard | None = None) -> _Translated:
        if (observer := _observing.observer) is None:
            return _Translated(self, action, thread_id, guard)
        return _Observed(self, action, thread_id, guard, work=observer.operation(self.kind, action, thread_id))


class _Translated:
    """Translates a backend's driver errors. With the guard of an append, it also translates a refusal of the user.

    A caller whose guard has an incarnation has read the thread as its own. If the thread is another user's now, it has
    changed hands since, or was begun anew: that is a conflict.

    Every operation enters such a block, so it avoids the cost of a generator.
    """

    __slots__ = ("_action", "_guard", "_hooks", "_thread_id")

    def __init__(self, hooks: StorageHooks, action: str, thread_id: str | None, guard: Guard | None) -> None:
        self._hooks = hooks
        self._action = action
        self._thread_id = thread_id
        self._guard = guard

    def __enter__(self) -> Self:
        return self

    def appended(self, appended: Appended) -> None:
        """Note that the operation has appended a turn. Nobody is told unless the operation is observed."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        if isinstance(error, ThreadOwnershipError) and self._guard is not None and self._guard.incarnation is not None:
            revision = self._guard.revision or 0
            raise ThreadConflict(self._thread_id or "", expected=revision, actual=revision) from None
        if isinstance(error, RecuerdaError) or not isinstance(error, self._hooks.driver_errors):
            return
        subject = "threads" if self._thread_id is None else f"thread {self._thread_id!r}"
        raise self._hooks._translate(error, f"{self._action} {subject}") from error  # pyright: ignore[reportPrivateUsage]  # its other half


class _Observed(_Translated):
    """An operation that is observed as well. The work ends with the error that the caller gets."""

    __slots__ = ("_active", "_work")

    def __init__(
        self, hooks: StorageHooks, action: str, thread_id: str | None, guard: Guard | None, *, work: StorageWork
    ) -> None:
        super().__init__(hooks, action, thread_id, guard)
        self._work = work
        self._active = work.active()

    def __enter__(self) -> Self:
        self._active.__enter__()
        return self

    def appended(self, appended: Appended) -> None:
        """Tell the observer of a turn that was appended."""
        self._work.appended(
            self._thread_id or "",
            turn_id=appended.record.id,
            revision=appended.revision,
            is_replay=appended.replayed,
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        except RecuerdaError as translated:
            error = translated
            raise
        finally:
            self._active.__exit__(None, None, None)
            self._work.end(error)
