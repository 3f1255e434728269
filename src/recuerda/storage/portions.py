"""Turns of one thread as new turns of another one, with their blobs, a few at a time.

A thread may have more bytes in blobs than fit into memory. So whoever copies turns reads the blobs of a few turns,
appends these turns, and goes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from recuerda.storage.contract import Storage
from recuerda.storage.records import NewTurn, TurnRecord

BLOBS_AT_ONCE = 8
"""The largest number of blobs in memory at once, unless one turn has more."""


async def portions(
    storage: Storage, thread_id: str, records: Sequence[TurnRecord], *, most_turns: int
) -> AsyncIterator[list[NewTurn]]:
    """Yield turns in order, to be appended to another thread with their ids, times and blobs.

    Args:
        storage: the storage that holds the turns.
        thread_id: their thread.
        records: the turns.
        most_turns: the largest number of turns in one portion.

    Raises:
        InvalidInput: a blob is not there any more, or was lost.
    """
    for some in _with_few_blobs(records, most_turns):
        digests = [digest for record in some for digest in record.blobs]
        blobs = await storage.read_blobs(thread_id, digests)
        yield [record.as_new_turn(blobs) for record in some]


def _with_few_blobs(records: Sequence[TurnRecord], most_turns: int) -> Iterator[Sequence[TurnRecord]]:
    start = count = 0
    for place, record in enumerate(records):
        if place > start and (count + len(record.blobs) > BLOBS_AT_ONCE or place - start == most_turns):
            yield records[start:place]
            start, count = place, 0
        count += len(record.blobs)
    if records[start:]:
        yield records[start:]
