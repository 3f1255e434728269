"""The warm read of a thread: one trip that fetches only new records."""

from __future__ import annotations

from collections.abc import Callable

from recuerda.storage.contract import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.thread_info import ThreadInfo
from recuerda.threads.history import History


async def read_on(
    storage: Storage,
    held: Callable[[], History],
    *,
    last_messages: int | None,
    turn_id: str | None = None,
    with_summary: bool = False,
    keep_files: int | None = 0,
    check: Callable[[ThreadInfo | None], None] = lambda _found: None,
) -> tuple[History, ThreadSlice]:
    """Read the new records of a thread. Return its current history, and the result of the last trip.

    This is one trip, unless another task reads or writes the thread through the same history at the same time. If the
    held history cannot be continued, the thread is read into a new history.

    Args:
        storage: the storage of the thread.
        held: returns the history that the handle currently holds.
        last_messages: read only the newest whole turns that together hold at most this number of messages; None for all
            turns.
        turn_id: the id of a turn to look for as well; None looks for no turn.
        with_summary: True reads the newest summary, and only the turns after it.
        keep_files: also read the files of this number of the newest turns; None for the files of all of them.
        check: gets the storage's description of the thread before the history changes; it may raise an error.

    Raises:
        CorruptTurn: a turn cannot be read.
    """
    while True:
        history = held()
        if not history.covers(last_messages, with_summary=with_summary):
            history = History(history.thread_id, with_summary=with_summary)
        version = history.version
        found = await storage.read(
            history.thread_id,
            after=version,
            last_messages=last_messages,
            turn_id=turn_id,
            with_summary=with_summary,
            blobs=keep_files,
        )
        check(found.info)
        if history.version != version:
            continue  # Another task's read, or an append, came first, so continue from there.
        is_fresh = history.info is None
        history.take(found, last_messages=last_messages)
        history.files.keep = keep_files
        if found.blobs:
            history.files.add(found.blobs)
        if is_fresh or history.covers(last_messages, with_summary=with_summary):
            return history, found
