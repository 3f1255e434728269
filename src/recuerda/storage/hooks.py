"""The hooks that a backend implements: nine abstract hooks, and a few optional hooks.

`Storage` (in `contract.py`) checks the arguments before it calls a hook. Afterwards it translates the exceptions that
`driver_errors` names. A hook that writes does so in one atomic operation. `thread_log.py` states the same rules as
ordinary Python.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import ClassVar, TypeAlias

from recuerda.errors import ConfigurationError, DraftConflict, RecuerdaError, StorageError, ThreadConflict
from recuerda.storage.records import Appended, DraftStep, NewRecord, ReadQuery, ThreadChanges, ThreadInfo, ThreadSlice

Clock: TypeAlias = Callable[[], int]
"""A function that returns the time in microseconds since 1970 (UTC)."""


class StorageHooks(ABC):
    """The half of `Storage` that a backend writes."""

    driver_errors: ClassVar[tuple[type[Exception], ...]] = ()
    """The exceptions that `_translate` turns into a `StorageError`."""

    max_body_bytes: ClassVar[int | None] = None
    """The length of the longest body that the backend can keep. A longer body is refused before anything is written.

    None means any length.
    """

    def __init__(self, *, clock: Clock) -> None:
        self.clock = clock

    @abstractmethod
    async def _append(self, thread_id: str, record: NewRecord, expected: int | None) -> Appended:
        """Write one record in one atomic operation.

        Check in this order:

        1. Does the thread hold a record with the same id? Then return that record as replayed, and remove the thread's
           draft if it belongs to that turn. Skip the look-up when `record.is_new_id`.
        2. Is `expected` set and different from the revision (0 without a thread)? Then raise `ThreadConflict`.
        3. Otherwise write the record as number `revision + 1`.

        The new record removes other records from the thread:

        - A turn removes the thread's draft, whichever turn the draft belongs to. No other record removes it.
        - An undo deletes the turn numbered `target`, and every summary that covers it: a newer summary whose own
          `target` is not below that number.
        - A trim deletes all records before number `target`.
        - With `keep_messages`, delete the oldest turns until the limit holds, and every record older than the last one
          deleted.
        """

    async def _append_all(self, thread_id: str, records: Sequence[NewRecord], expected: int | None) -> list[Appended]:
        """Write several records in order. A backend that can write them faster together overrides this hook."""
        done: list[Appended] = []
        for record in records:
            done.append(await self._append(thread_id, record, expected))
            expected = None
        return done

    @abstractmethod
    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        """Return the part of a thread that the query asks for (see `Storage.read`).

        The cost must depend only on the returned records, even for finding the newest summary or its absence.
        """

    @abstractmethod
    async def _list(self, user_id: str | None, limit: int, position: tuple[int, str] | None) -> list[ThreadInfo]:
        """Return up to `limit` threads, sorted by `updated_us` and then `id`, both descending.

        `position` is the `updated_us` and `id` of the last thread on the previous page; None for the first page.
        """

    @abstractmethod
    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int) -> ThreadInfo:
        """Set the given settings and return the information about the thread. A thread that does not exist is made."""

    @abstractmethod
    async def _delete(self, thread_id: str) -> bool:
        """Delete the thread with its records, settings and draft. Return False when there was no thread."""

    @abstractmethod
    async def _save_draft(self, thread_id: str, step: DraftStep) -> None:
        """Save a step in one atomic operation, if `is_new_step` returns True for it."""

    @abstractmethod
    async def _load_draft(self, thread_id: str) -> list[DraftStep]:
        """Return the steps of the thread's draft in order, or an empty list."""

    @abstractmethod
    async def _drop_draft(self, thread_id: str) -> bool:
        """Delete the thread's draft. Return False when there was none."""

    async def _list_drafts(self, limit: int) -> list[str]:
        """Return the ids of up to `limit` threads that have a draft, always in the same order. Optional."""
        raise ConfigurationError(f"{type(self).__name__} cannot list drafts (asked for {limit}); name a thread instead")

    async def _rewrite(self, thread_id: str, bodies: Mapping[int, bytes]) -> None:
        """Replace the bodies of turns and summaries by number, in one atomic operation. Optional.

        A number that the thread no longer holds is skipped.
        """
        raise ConfigurationError(
            f"{type(self).__name__} cannot replace the bodies of {len(bodies)} turns of {thread_id!r}"
        )

    async def _lease(self, thread_id: str, holder: str, ttl_us: int) -> bool:
        """Give the thread's lease to `holder` for `ttl_us` microseconds from now. Optional, together with `_release`.

        Return False when another holder has the lease.
        """
        raise ConfigurationError(f"{type(self).__name__} has no leases: {thread_id!r} cannot be leased for {ttl_us} us")

    async def _release(self, thread_id: str, holder: str) -> None:
        """Free the lease if this holder has it. Optional, together with `_lease`."""
        raise ConfigurationError(f"{type(self).__name__} has no leases: {thread_id!r} is not held by {holder!r}")

    @abstractmethod
    async def _close(self) -> None:
        """Finish running work, and free files and connections. It is called again if the storage is closed twice."""

    def _translate(self, error: Exception, action: str) -> RecuerdaError:
        """Return the error to raise in place of one of `driver_errors`. Its text names the `action` that failed."""
        return StorageError(f"could not {action}: {type(error).__name__}")

    def _translated(self, action: str, thread_id: str | None) -> _Translated:
        return _Translated(self, action, thread_id)


def is_new_step(
    thread_id: str,
    step: DraftStep,
    *,
    first: DraftStep | None,
    same: DraftStep | None,
    newest: int,
    revision: int,
) -> bool:
    """Return True if a step must be written to the draft, and False if the draft already holds it.

    Args:
        thread_id: the thread that has the draft.
        step: the step to save. Number 1 begins a draft. It replaces a draft of another turn if that draft was begun on
            another revision than the thread's revision, because such a draft has ended.
        first: step 1 of the thread's draft; None without a draft.
        same: the draft's step with the number of `step`; None when the draft has no such step.
        newest: the number of the draft's last step.
        revision: the thread's revision.

    Raises:
        DraftConflict: the step does not continue the draft, or would begin a second draft beside it.
        ThreadConflict: the draft would begin on another revision than the thread's revision.
    """
    is_same_turn = first is not None and first.turn_id == step.turn_id
    if step.number == 1 and not is_same_turn:
        if step.revision != revision:
            raise ThreadConflict(thread_id, expected=step.revision, actual=revision)
        if first is not None and first.revision == revision:
            raise DraftConflict(thread_id, turn_id=step.turn_id, number=step.number)
        return True
    if is_same_turn and step.number == newest + 1:
        return True
    if not is_same_turn or same is None or (same.revision, same.body) != (step.revision, step.body):
        raise DraftConflict(thread_id, turn_id=step.turn_id, number=step.number)
    return False


class _Translated:
    """Translates a backend's driver errors.

    Every operation enters such a block, so it avoids the cost of a generator.
    """

    __slots__ = ("_action", "_hooks", "_thread_id")

    def __init__(self, hooks: StorageHooks, action: str, thread_id: str | None) -> None:
        self._hooks = hooks
        self._action = action
        self._thread_id = thread_id

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, RecuerdaError) or not isinstance(error, self._hooks.driver_errors):
            return
        subject = "threads" if self._thread_id is None else f"thread {self._thread_id!r}"
        raise self._hooks._translate(error, f"{self._action} {subject}") from error  # pyright: ignore[reportPrivateUsage]  # its other half
