"""The rules that every storage follows, each stated once in ordinary Python.

A backend that holds a thread's row in Python calls these functions within its atomic operation. A backend that runs SQL
or Lua in its server states the same rules in that language. `thread_log.py` shows them at work on a whole thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from recuerda.errors import DraftConflict, ThreadConflict, ThreadOwnershipError
from recuerda.storage.drafts import DraftStep
from recuerda.storage.operations import Guard, NewRecord, ReadQuery, ThreadChanges
from recuerda.storage.records import TurnRecord
from recuerda.storage.thread_info import ThreadInfo, ThreadParent


def check_user(thread_id: str, guard: Guard, user_id: str | None) -> None:
    """Check that a thread is not another user's.

    Args:
        thread_id: the thread.
        guard: the conditions; only `user_id` is looked at.
        user_id: the thread's user; None when the thread has no user or does not exist.

    Raises:
        ThreadOwnershipError: the guard and the thread have different users.
    """
    if guard.user_id is not None and user_id is not None and guard.user_id != user_id:
        raise of_another_user(thread_id)


def of_another_user(thread_id: str) -> ThreadOwnershipError:
    """Return the error for an operation on another user's thread."""
    return ThreadOwnershipError(
        f"thread {thread_id!r} belongs to another user; open it with the user id with which it was created"
    )


def check_state(
    thread_id: str, guard: Guard, *, revision: int, incarnation: str | None, record_id: str, edits: int
) -> None:
    """Check that a thread is in the state that a guard expects.

    Args:
        thread_id: the thread.
        guard: the conditions; all but `user_id`.
        revision: the thread's revision; 0 without a thread.
        incarnation: the thread's incarnation; None without a thread.
        record_id: the id of the newest record; "" without one.
        edits: the thread's `edits`; 0 without a thread.

    Raises:
        ThreadConflict: the thread is in another state.
    """
    if (
        guard.revision not in (None, revision)
        or guard.incarnation not in (None, incarnation)
        or guard.record_id not in (None, record_id)
        or guard.edits not in (None, edits)
    ):
        expected = revision if guard.revision is None else guard.revision
        raise ThreadConflict(thread_id, expected=expected, actual=revision)


def check_last_step(thread_id: str, guard: Guard, *, turn_id: str, last_step: str) -> None:
    """Check that a thread's draft ends with the step that a guard names.

    Args:
        thread_id: the thread.
        guard: the conditions; only `last_step` is looked at.
        turn_id: the turn that is written, for the error.
        last_step: the id of the draft's last step; "" without a draft.

    Raises:
        DraftConflict: the draft has another last step.
    """
    if guard.last_step not in (None, last_step):
        raise DraftConflict(thread_id, turn_id=turn_id, number=0)


def check_history(
    thread_id: str, guard: Guard, *, revision: int, incarnation: str | None, record_id: str | None
) -> None:
    """Check that a thread continues the history that a guard names. The thread may have more records since.

    Args:
        thread_id: the thread.
        guard: the conditions; `user_id` and `edits` are not looked at.
        revision: the thread's revision; 0 without a thread.
        incarnation: the thread's incarnation; None without a thread.
        record_id: the id of the record with the number `guard.revision`, which the thread holds or remembers; "" for
            the number 0; None if there is no such id. It is not looked at if the guard names no record.

    Raises:
        ThreadConflict: the thread has another life, fewer records, or another record with that number.
    """
    if (
        (guard.revision is not None and guard.revision > revision)
        or guard.incarnation not in (None, incarnation)
        or guard.record_id not in (None, record_id)
    ):
        expected = revision if guard.revision is None else guard.revision
        raise ThreadConflict(thread_id, expected=expected, actual=revision)


def check_info(thread_id: str, guard: Guard, info: ThreadInfo | None) -> None:
    """Check the whole guard: first the user of a thread, and then its state. `info` is None without a thread.

    Raises:
        ThreadOwnershipError: as in `check_user`.
        ThreadConflict: as in `check_state`.
    """
    check_user(thread_id, guard, info.user_id if info else None)
    check_state(
        thread_id,
        guard,
        revision=info.revision if info else 0,
        incarnation=info.incarnation if info else None,
        record_id=info.record_id if info else "",
        edits=info.edits if info else 0,
    )


def edits_after(edits: int, now_us: int) -> int:
    """Return a thread's `edits` after a change of its settings or bodies at this time.

    A storage that was put back, and then changed in another way, has another number: it is the time of the change. If
    the clock went back, the number still grows.
    """
    return max(edits + 1, now_us)


def is_same_history(query: ReadQuery, *, incarnation: str, edits: int, rewritten: int) -> bool:
    """Return True if a thread has the life that a query's reader knows, and no body was rewritten since.

    Then the read continues if the record at the reader's position is the one that the reader knows.

    Args:
        query: the query.
        incarnation: the thread's incarnation.
        edits: the thread's `edits`. Fewer than the reader knows mean that the storage was put back.
        rewritten: the thread's `rewritten`.
    """
    is_same_life = query.incarnation is None or query.incarnation == incarnation
    return is_same_life and (query.edits is None or rewritten <= query.edits <= edits)


def wanted_blobs(query: ReadQuery, records: Iterable[TurnRecord]) -> list[str]:
    """Return the digests of the blobs that a query asks for, each once.

    Args:
        query: the query.
        records: the records that it returns, the newest first.
    """
    digests = dict.fromkeys(query.digests)
    turns = 0
    for record in records:
        if turns == query.blobs:
            break
        turns += record.kind == "turn"
        digests |= dict.fromkeys(record.blobs)
    return list(digests)


def owner_after(user_id: str | None, *, owner: str | None, revision: int) -> str | None:
    """Return the user whom a thread has after an operation for a user.

    A thread without a record and a user becomes this user's.

    Args:
        user_id: the user for whom the operation is; None for any.
        owner: the thread's user so far.
        revision: the thread's revision so far.
    """
    return user_id if owner is None and revision == 0 else owner


def title_after(
    made: str | None, *, title: str | None, title_turn: int | None, revision: int
) -> tuple[str | None, int | None]:
    """Return the title that a thread has after a record, and the number of the turn from which it was made.

    Args:
        made: a title made of the record; None if it gives none.
        title: the title so far; None also if the record removes it.
        title_turn: its turn so far; 0 if the record removes the title.
        revision: the thread's revision so far.
    """
    if title is None and made is not None and (revision == 0 or title_turn == 0):
        return made, revision + 1
    return title, title_turn


def metadata_after(metadata: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with keys set. A key that is set to None is removed."""
    return {key: value for key, value in {**metadata, **changed}.items() if value is not None}


def parent_after(parent: ThreadParent | None, changes: ThreadChanges, *, owner: str | None) -> ThreadParent | None:
    """Return the parent that a thread has after a change of its settings.

    A thread that is taken from its user forgets its parent, because the new user must not learn of it.

    Args:
        parent: the parent so far.
        changes: the change.
        owner: the thread's user so far.
    """
    if not isinstance(changes.parent, msgspec.UnsetType):
        return changes.parent
    is_taken = changes.user_id is not msgspec.UNSET and owner not in (None, changes.user_id)
    return None if is_taken else parent


def updated_after(record: NewRecord | TurnRecord, *, updated_us: int) -> int:
    """Return the time of a thread's last change after a record. A turn with an earlier time does not put it back."""
    is_past = record.created_us != record.committed_us
    return max(updated_us, record.created_us) if is_past else record.created_us


def changed_after(changes: ThreadChanges, now_us: int, *, updated_us: int) -> int:
    """Return the time of a thread's last change after new settings; `updated_us` is 0 for a new thread."""
    return now_us if changes.changed_us is None else max(updated_us, changes.changed_us)


def is_new_step(
    thread_id: str,
    step: DraftStep,
    *,
    first: DraftStep | None,
    same: DraftStep | None,
    newest: int,
    newest_id: str,
    revision: int,
) -> bool:
    """Return True if a step must be written to the draft, and False if the draft already holds it.

    Args:
        thread_id: the thread that has the draft.
        step: the step to save. Number 1 begins a draft. It replaces a draft of another turn if that draft was begun on
            another revision than the thread's revision, because such a draft has ended.
        first: step 1 of the thread's draft; None without a draft.
        same: the draft's step with the number of `step`; None when the draft has no such step.
        newest: the number of the draft's last step; 0 without a draft.
        newest_id: the id of the draft's last step; "" without a draft.
        revision: the thread's revision.

    Raises:
        DraftConflict: the step does not continue the draft, or would begin a second draft beside it.
        ThreadConflict: the draft would begin on another revision than the thread's revision.
    """
    is_same_turn = first is not None and first.turn_id == step.turn_id
    if step.number == 1 and not is_same_turn:
        if step.revision != revision:
            raise ThreadConflict(thread_id, expected=step.revision, actual=revision)
        is_beside = first is not None and first.revision == revision
        if is_beside or step.previous not in (None, newest_id):
            raise DraftConflict(thread_id, turn_id=step.turn_id, number=step.number)
        return True
    if is_same_turn and step.number == newest + 1 and step.previous in (None, newest_id):
        return True
    if not is_same_turn or same is None or (same.revision, same.body) != (step.revision, step.body):
        raise DraftConflict(thread_id, turn_id=step.turn_id, number=step.number)
    return False
