"""Appends to a thread whose revision has changed in a way that does not matter to the new record.

An append that expects another revision is a conflict, because somebody may have added a turn. A summary adds nothing to
the conversation, so a turn may be appended after it. In the same way a summary may be appended after later turns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from recuerda.errors import ThreadConflict
from recuerda.storage.contract import Storage
from recuerda.storage.records import Appended, ThreadSlice
from recuerda.threads.history import History

MAX_TRIES = 8
"""The number of appends after which a conflict is raised."""


async def append_checked(
    append: Callable[[int | None], Awaitable[Appended]],
    later: Callable[[int], Awaitable[int | None]],
    expected: int | None,
) -> Appended:
    """Append at a revision. After a conflict, append at the thread's later revision if no change in between matters.

    Args:
        append: appends at a given revision.
        later: returns the thread's revision, if the changes since a revision do not matter; otherwise None.
        expected: the first revision; None for any revision.

    Raises:
        ThreadConflict: a change matters, or the thread kept changing.
    """
    for _ in range(MAX_TRIES - 1):
        try:
            return await append(expected)
        except ThreadConflict:
            revision = None if expected is None else await later(expected)
            if revision is None:
                raise
            expected = revision
    return await append(expected)


async def revision_after_summaries(storage: Storage, history: History, expected: int) -> int | None:
    """Return the thread's revision if only summaries came after `expected`; otherwise None."""
    # A single turn is enough to show that there is more than summaries.
    found = await storage.read(history.thread_id, after=expected, incarnation=history.incarnation, last_turns=1)
    return _revision_after(found, expected) if all(one.kind == "summary" for one in found.records) else None


async def revision_after_turns(storage: Storage, history: History, expected: int, *, through: int) -> int | None:
    """Return the thread's revision if its turns up to `through` have not changed since `expected`; otherwise None.

    It is also None if a summary was appended since.
    """
    found = await storage.read(history.thread_id, after=expected, incarnation=history.incarnation)
    for record in found.records:
        if record.kind == "summary" or (record.kind == "undo" and (record.target or 0) <= through):
            return None
    return _revision_after(found, expected)


def _revision_after(found: ThreadSlice, expected: int) -> int | None:
    """Return the revision if the records and the turns that they undo are all changes since `expected`, or None."""
    revision = 0 if found.info is None else found.info.revision
    undone = [record for record in found.records if record.kind == "undo" and (record.target or 0) > expected]
    return revision if revision - expected == len(found.records) + len(undone) > 0 else None
