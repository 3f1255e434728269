"""The errors for the operations that a function of the database refused."""

from __future__ import annotations

from recuerda.errors import ThreadConflict, ThreadOwnershipError
from recuerda.storage.records import Guard


def check_outcome(thread_id: str, guard: Guard, outcome: str, revision: int) -> None:
    """Check that a function did its work, and did not refuse it.

    Args:
        thread_id: the thread.
        guard: the conditions of the operation.
        outcome: the function's `r_outcome`.
        revision: the thread's revision.

    Raises:
        ThreadOwnershipError: the thread is another user's.
        ThreadConflict: the thread is not in the guard's state.
    """
    if outcome == "owner":
        raise ThreadOwnershipError(
            f"thread {thread_id!r} belongs to another user; open it with the user id with which it was made"
        )
    if outcome == "conflict":
        expected = revision if guard.revision is None else guard.revision
        raise ThreadConflict(thread_id, expected=expected, actual=revision)
