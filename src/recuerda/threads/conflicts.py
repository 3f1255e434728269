"""Appends to a thread whose version has changed in a way that does not matter to the new record.

An append that expects another version is a conflict, because somebody may have added a turn. A summary adds nothing to
the conversation, so a turn may be appended after it. In the same way a summary may be appended after later turns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from recuerda.errors import ThreadConflict, ThreadOwnershipError
from recuerda.storage.contract import Storage
from recuerda.storage.operations import Appended, ThreadSlice
from recuerda.storage.thread_info import Expected, Version, revision_of

T = TypeVar("T")

MAX_TRIES = 8
"""The number of tries after which a conflict is raised."""


def exact_version(expected: Expected, incarnation: str) -> Expected:
    """Return the version of a thread without a record, whose incarnation is known now. Any other one stays as it is."""
    return Version(incarnation, 0, "") if expected == 0 else expected


async def repeated(step: Callable[[], Awaitable[T]]) -> T:
    """Return the result of a step that reads a thread and changes it. Repeat the step if another writer came between.

    Raises:
        ThreadConflict: another writer came between each time.
    """
    for _ in range(MAX_TRIES - 1):
        with suppress(ThreadConflict):
            return await step()
    return await step()


async def append_checked(
    append: Callable[[Expected | None], Awaitable[Appended]],
    later: Callable[[Expected], Awaitable[Version | None]],
    expected: Expected | None,
) -> Appended:
    """Append at a version. After a conflict, append at the thread's later version if no change in between matters.

    Args:
        append: appends at a given version.
        later: returns the thread's version, if the changes since a version do not matter; otherwise None.
        expected: the first version; None for any version.

    Raises:
        ThreadConflict: a change matters, or the thread kept changing.
    """
    for _ in range(MAX_TRIES - 1):
        try:
            return await append(expected)
        except ThreadConflict:
            version = None if expected is None else await _unless_taken(later(expected))
            if version is None:
                raise
            expected = version
    return await append(expected)


async def _unless_taken(later: Awaitable[Version | None]) -> Version | None:
    """Return the later version; None if the thread has become another user's."""
    try:
        return await later
    except ThreadOwnershipError:
        return None


async def version_after_summaries(storage: Storage, thread_id: str, expected: Expected) -> Version | None:
    """Return the thread's version if only summaries came after `expected`; otherwise None."""
    # A single turn is enough to show that there is more than summaries.
    found = await storage.read(thread_id, after=expected, last_turns=1)
    return _version_after(found, expected) if all(one.kind == "summary" for one in found.records) else None


async def version_after_turns(storage: Storage, thread_id: str, expected: Expected, *, through: int) -> Version | None:
    """Return the thread's version if its turns up to `through` have not changed since `expected`; otherwise None.

    It is also None if a summary was appended since.
    """
    found = await storage.read(thread_id, after=expected)
    for record in found.records:
        if record.kind == "summary" or (record.kind == "undo" and (record.target or 0) <= through):
            return None
    return _version_after(found, expected)


def _version_after(found: ThreadSlice, expected: Expected) -> Version | None:
    """Return the version if the records and the turns that they undo are all changes since `expected`, or None."""
    if found.info is None or not found.is_continued:
        return None
    start = revision_of(expected)
    undone = [record for record in found.records if record.kind == "undo" and (record.target or 0) > start]
    is_all = found.info.revision - start == len(found.records) + len(undone) > 0
    return found.info.version if is_all else None
