"""Two threads side by side: the turns that both have from their beginning, and then the turns in which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile, zip_longest

import msgspec
from starlette.requests import Request

from recuerda.errors import DecryptionError, ThreadNotFound
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import ThreadInfo
from recuerda.studio.faults import Fault
from recuerda.studio.studio import Studio
from recuerda.studio.threads.entries import Entry, entry_of
from recuerda.studio.threads.thread import ThreadHead, head_of

COMPARED = 60
"""The number of turns of each thread that are compared, from the place at which they may begin to differ."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The turns of two threads at one place; None where a thread has no more turns."""

    left: Entry | None
    right: Entry | None


class ComparisonPage(msgspec.Struct, frozen=True, kw_only=True):
    """Two threads side by side.

    Attributes:
        left: the facts about the first thread.
        right: the facts about the second thread.
        shared: the number of turns from the beginning that both threads have.
        last_shared: the last of these turns; None if there is none.
        pairs: the turns after that.
        is_cut: whether more turns follow than are shown.
    """

    left: ThreadHead
    right: ThreadHead
    shared: int
    last_shared: Entry | None
    pairs: tuple[Pair, ...]
    is_cut: bool


async def show_comparison(studio: Studio, request: Request) -> ComparisonPage:
    """Return two threads side by side."""
    left = await _info(studio, str(request.path_params["thread_id"]))
    right = await _info(studio, str(request.path_params["other_id"]))
    place = _last_shared(left, right)
    lefts = await _turns(studio.storage, left, place.left)
    rights = await _turns(studio.storage, right, place.right)
    same = list(takewhile(lambda pair: pair[0].id == pair[1].id, zip(lefts, rights, strict=False)))
    count = len(same)
    return ComparisonPage(
        left=head_of(left),
        right=head_of(right),
        shared=max(0, place.count - 1) + count,
        last_shared=same[-1][0] if same else None,
        pairs=tuple(Pair(left=one, right=other) for one, other in zip_longest(lefts[count:], rights[count:])),
        is_cut=_has_more(left, place.left) or _has_more(right, place.right),
    )


async def _info(studio: Studio, thread_id: str) -> ThreadInfo:
    info = await studio.storage.head(thread_id)
    if info is None or (studio.user_id is not None and info.user_id != studio.user_id):
        raise ThreadNotFound(thread_id)
    return info


class _Place(msgspec.Struct, frozen=True):
    """The number of the last turn that two threads have by forking, in each of them, and the count of such turns."""

    left: int = 1
    right: int = 1
    count: int = 0


def _last_shared(left: ThreadInfo, right: ThreadInfo) -> _Place:
    """Return the place at which a comparison begins. A fork begins with copies of turns, which it numbers from 1."""
    if (parent := left.parent) is not None and parent.turns and parent.is_life_of(right):
        return _Place(parent.turns, parent.number, parent.turns)
    if (parent := right.parent) is not None and parent.turns and parent.is_life_of(left):
        return _Place(parent.number, parent.turns, parent.turns)
    if left.parent is not None and right.parent is not None and left.parent.thread_id == right.parent.thread_id:
        count = min(left.parent.turns, right.parent.turns)
        return _Place(count, count, count) if count else _Place()
    return _Place()


async def _turns(storage: Storage, info: ThreadInfo, number: int) -> Sequence[Entry]:
    """Return the turns of a thread from a number on."""
    first = max(number, info.first)
    try:
        found = await storage.read(info.id, after=first - 1, before=first + COMPARED)
    except DecryptionError as error:
        raise Fault(409, "sealed", "fault.no-comparison", thread=repr(info.id), detail=str(error)) from None
    return [entry_of(record, info.id) for record in found.records if record.kind == "turn" and record.number >= first]


def _has_more(info: ThreadInfo, number: int) -> bool:
    return max(number, info.first) + COMPARED <= info.revision
