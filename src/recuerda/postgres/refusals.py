"""The errors for the operations that a function of the database refused."""

from __future__ import annotations

from recuerda.errors import ThreadConflict
from recuerda.storage.operations import Guard
from recuerda.storage.rules import of_another_user


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
        raise of_another_user(thread_id)
    if outcome == "conflict":
        expected = revision if guard.revision is None else guard.revision
        raise ThreadConflict(thread_id, expected=expected, actual=revision)
