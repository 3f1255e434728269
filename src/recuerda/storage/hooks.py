"""What a backend writes: nine hooks, and nothing else.

`Storage` (in `contract.py`) checks the arguments before it calls a hook, and translates the exceptions that
`driver_errors` names afterwards. A hook that writes does so in one atomic step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import ClassVar, TypeAlias

from recuerda.errors import ConfigurationError, DraftConflict, RecuerdaError, StorageError, ThreadConflict
from recuerda.storage.records import Appended, DraftStep, NewRecord, ReadQuery, ThreadChanges, ThreadInfo, ThreadSlice

Clock: TypeAlias = Callable[[], int]
"""Gives the time in microseconds since 1970 (UTC)."""


class StorageHooks(ABC):
    """The abstract half of `Storage`."""

    driver_errors: ClassVar[tuple[type[Exception], ...]] = ()
    """The exceptions that `_translate` turns into a `StorageError`."""

    max_body_bytes: ClassVar[int | None] = None
    """The longest body that the backend can keep; a longer one is refused before anything is written. None: any."""

    def __init__(self, *, clock: Clock) -> None:
        self.clock = clock

    @abstractmethod
    async def _append(self, thread_id: str, record: NewRecord, expected: int | None) -> Appended:
        """Write one record atomically, in this order of checks.

        1. A record of the same id in the thread (skip the look-up when `record.is_new_id`): return it, replayed; remove
           the thread's draft if it is of that turn.
        2. `expected` is not the revision (0 without a thread): raise `ThreadConflict`.
        3. Number it `revision + 1`. A turn removes the thread's draft, whichever turn's that is; nothing else does. An
           undo deletes the turn numbered `target`, and the summaries that cover it (whose own `target` is not below
           it); a trim all records before `target`; `keep_messages` the oldest turns that are too many, and all records
           before the last of these.
        """

    async def _append_all(self, thread_id: str, records: Sequence[NewRecord], expected: int | None) -> list[Appended]:
        """Write several records; a backend with transactions overrides it."""
        done: list[Appended] = []
        for record in records:
            done.append(await self._append(thread_id, record, expected))
            expected = None
        return done

    @abstractmethod
    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        """Read; at the cost of what is returned, also to find the newest summary or that there is none."""

    @abstractmethod
    async def _list(self, user_id: str | None, limit: int, position: tuple[int, str] | None) -> list[ThreadInfo]:
        """Return up to `limit` threads after `position`, by `updated_us` and then `id`, both descending."""

    @abstractmethod
    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int) -> ThreadInfo: ...

    @abstractmethod
    async def _delete(self, thread_id: str) -> bool: ...

    @abstractmethod
    async def _save_draft(self, thread_id: str, step: DraftStep) -> None:
        """Save a step in one atomic step, by the rule of `is_new_step`."""

    @abstractmethod
    async def _load_draft(self, thread_id: str) -> list[DraftStep]: ...

    @abstractmethod
    async def _drop_draft(self, thread_id: str) -> bool: ...

    async def _list_drafts(self, limit: int) -> list[str]:
        """Return the ids of up to `limit` threads that have a draft, always in the same order. Optional."""
        raise ConfigurationError(f"{type(self).__name__} cannot list drafts (asked for {limit}); name their threads")

    async def _rewrite(self, thread_id: str, bodies: Mapping[int, bytes]) -> None:
        """Replace the bodies of turns and summaries by number, in one atomic step; one that is gone is passed over.

        Optional.
        """
        raise ConfigurationError(
            f"{type(self).__name__} cannot replace the bodies of {len(bodies)} turns of {thread_id!r}"
        )

    async def _lease(self, thread_id: str, holder: str, ttl_us: int) -> bool:
        """Take the thread's lease, or keep it, for so long; False when another holder has it. Optional."""
        raise ConfigurationError(f"{type(self).__name__} has no leases: {thread_id!r} cannot be leased for {ttl_us} us")

    async def _release(self, thread_id: str, holder: str) -> None:
        """Give the lease back if this holder has it. Optional, with `_lease`."""
        raise ConfigurationError(f"{type(self).__name__} has no leases: {thread_id!r} is not held by {holder!r}")

    @abstractmethod
    async def _close(self) -> None: ...

    def _translate(self, error: Exception, action: str) -> RecuerdaError:
        """Return the error to raise for one of `driver_errors`; its text starts with `action`."""
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
    """Say whether a step of a draft is to be written: True for one that is next, False for one that is saved already.

    Args:
        thread_id: whose draft.
        step: what is to be saved. Number 1 begins a draft: also in place of another turn's, if that was begun on
            another revision than the thread's and so is over.
        first: step 1 of the thread's draft; None without a draft.
        same: the draft's step of the same number; None when it has none.
        newest: the number of the draft's last step.
        revision: the thread's.

    Raises:
        DraftConflict: the step does not continue the draft, or would begin one beside it.
        ThreadConflict: a draft would begin on another revision than the thread's.
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
    """Turns a backend's driver errors into ours: entered by every operation, and so without a generator's cost."""

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
