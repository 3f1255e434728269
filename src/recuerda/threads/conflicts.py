"""Appending onto a thread that moved on in ways that do not matter.

A thread at another revision than expected is a conflict, because somebody may have said something. A summary says
nothing new: a turn that was made meanwhile is as good after it. Just so a summary is as good after later turns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from recuerda.errors import ThreadConflict
from recuerda.storage.contract import Storage
from recuerda.storage.records import Appended, ThreadSlice
from recuerda.threads.history import History

MAX_TRIES = 8
"""How often to append before a conflict is one."""


async def append_checked(
    append: Callable[[int | None], Awaitable[Appended]],
    later: Callable[[int], Awaitable[int | None]],
    expected: int | None,
) -> Appended:
    """Append onto a revision, and after a conflict onto a later one.

    Args:
        append: does it.
        later: gives the revision to which the thread has moved on from another, if that does not matter, and else None.
        expected: the first revision; None for any.

    Raises:
        ThreadConflict: the thread has moved on in a way that matters, or again and again.
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
    """Return the thread's revision if only summaries came after `expected`, and else None."""
    # One turn is enough to tell that it was not summaries alone.
    found = await storage.read(history.thread_id, after=expected, incarnation=history.incarnation, last_turns=1)
    return _revision_after(found, expected) if all(one.kind == "summary" for one in found.records) else None


async def revision_after_turns(storage: Storage, history: History, expected: int, *, through: int) -> int | None:
    """Return the thread's revision if the turns up to `through` are those that it had at `expected`, and else None.

    None as well if somebody else has summarised since.
    """
    found = await storage.read(history.thread_id, after=expected, incarnation=history.incarnation)
    for record in found.records:
        if record.kind == "summary" or (record.kind == "undo" and (record.target or 0) <= through):
            return None
    return _revision_after(found, expected)


def _revision_after(found: ThreadSlice, expected: int) -> int | None:
    """Return the revision if the records, and turns that they undo, are all that came after `expected`."""
    revision = 0 if found.info is None else found.info.revision
    undone = [record for record in found.records if record.kind == "undo" and (record.target or 0) > expected]
    return revision if revision - expected == len(found.records) + len(undone) > 0 else None
