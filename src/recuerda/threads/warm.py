"""The warm read of a thread: one trip that fetches only new records."""

from __future__ import annotations

from collections.abc import Callable

from recuerda.storage.contract import Storage
from recuerda.storage.records import ThreadInfo, ThreadSlice
from recuerda.threads.history import History


async def read_on(
    storage: Storage,
    held: Callable[[], History],
    *,
    last_messages: int | None,
    turn_id: str | None = None,
    with_summary: bool = False,
    check: Callable[[ThreadInfo | None], None],
    is_current: Callable[[ThreadInfo, ThreadInfo], bool] = lambda _held, _found: True,
) -> tuple[History, ThreadSlice]:
    """Read the new records of a thread; return its history up to now, and the result of the last trip.

    This is one trip, unless another task reads or writes the thread through the same history meanwhile. If the held
    history cannot be continued, the thread is read afresh into a new history.

    Args:
        storage: where the thread is.
        held: returns the history that is held at that moment.
        last_messages: the newest whole turns with at most this many messages; None for all turns.
        turn_id: also look for the turn of this id.
        with_summary: read the newest summary, and only the turns after it.
        check: gets the storage's description of the thread before the history changes; it may raise an error.
        is_current: gets the description that the history holds, and the one that was found. It returns False if the
            history must not be continued.

    Raises:
        CorruptTurn: a turn cannot be read.
    """
    while True:
        history = held()
        if not history.covers(last_messages, with_summary=with_summary):
            history = History(history.thread_id, with_summary=with_summary)
        position = history.position
        found = await storage.read(
            history.thread_id,
            after=history.revision,
            incarnation=history.incarnation,
            last_messages=last_messages,
            turn_id=turn_id,
            with_summary=with_summary,
        )
        check(found.info)
        if history.position != position:
            continue  # another task's read, or an append, came first: go on from there
        if history.info is not None and found.info is not None and not is_current(history.info, found.info):
            history.forget()
            continue
        is_fresh = history.info is None
        history.take(found, last_messages=last_messages)
        if is_fresh or history.covers(last_messages, with_summary=with_summary):
            return history, found
