"""Work on memories, told to an observer if there is one; see `_observing.py`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from recuerda import _observing
from recuerda._observing import MemoryOperation, Record

T = TypeVar("T")


def _no_records(_: object) -> Iterable[Record]:
    return ()


async def on_memories(
    operation: MemoryOperation,
    work: Coroutine[Any, Any, T],
    *,
    store: str,
    count: Callable[[T], int] | None = None,
    query: str | None = None,
    record_id: str | None = None,
    records: Callable[[T], Iterable[Record]] = _no_records,
) -> T:
    """Return the result of work on memories.

    Args:
        operation: the kind of the work.
        work: the work.
        store: the name of the place that holds the memories. It names no user.
        count: returns the number of memories that were found or changed, from the result; None if it is not known.
        query: the text to search for.
        record_id: the id of the only memory that is concerned.
        records: returns the ids and texts of the memories, from the result.
    """
    if _observing.observer is None:
        return await work
    seen = _observing.observer.memory(operation, store=store, query=query, record_id=record_id)

    def told(result: T) -> None:
        if count is not None:
            seen.touched(count(result), records(result))

    return await _observing.carried_out(seen, lambda: work, told)
