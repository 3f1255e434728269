"""Forks: new threads that begin with the turns of another thread.

A fork is begun in one step, which makes the thread with its settings and its parent (`ThreadInfo.parent`). Then the
turns are copied, under the same ids and with the same times. A process that is killed in between leaves a fork whose
parent says which turns it lacks, so the same call completes it. A fork is complete once it has as many records as its
parent says. From then on it goes its own way, and the same call changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, TypedDict

import msgspec

from recuerda.errors import InvalidInput, ThreadConflict, ThreadNotFound
from recuerda.json_value import JsonObject
from recuerda.storage.contract import Storage
from recuerda.storage.portions import portions
from recuerda.storage.records import TurnRecord
from recuerda.storage.thread_info import ThreadInfo, ThreadParent, Version
from recuerda.threads.history import StoredTurn

TurnReference: TypeAlias = StoredTurn | str | int
"""A turn of a thread: the turn itself, its id, or its number."""


class Fork(msgspec.Struct, frozen=True, kw_only=True):
    """A fork that was made or completed.

    Attributes:
        user_id: its user, who is the parent's user.
        is_new: True if this call has made the thread.
    """

    user_id: str | None
    is_new: bool


class ForkPlace(msgspec.Struct, frozen=True, kw_only=True):
    """The place at which a fork leaves its parent; by default the end.

    Attributes:
        through: the last turn that is copied.
        before: the first turn that is not copied.

    Raises:
        InvalidInput: both are given.
    """

    through: TurnReference | None = None
    before: TurnReference | None = None

    def __post_init__(self) -> None:
        if self.through is not None and self.before is not None:
            raise InvalidInput("give through or before: both say where the copy ends")

    def kept(self, records: Sequence[TurnRecord], thread_id: str) -> Sequence[TurnRecord]:
        """Return the turns of a thread that a fork copies.

        Raises:
            InvalidInput: the thread does not have the turn.
        """
        wanted = self.through if self.before is None else self.before
        if wanted is None:
            return records
        place = next((place for place, record in enumerate(records) if _is(record, wanted)), None)
        if place is None:
            raise InvalidInput(f"thread {thread_id!r} has no turn {_named(wanted)} to fork from; see its list_turns")
        return records[: place + (self.before is None)]


_TAKEN = "is there already and is not this fork. Nothing was written. Give the fork another id, or none."
_BROKEN = "is a fork that was not completed, and its parent has lost turns since. Delete it, and fork again."


async def fork_thread(storage: Storage, thread_id: str, place: ForkPlace, *, into: str) -> Fork:
    """Make a thread that begins as a copy of another thread.

    The copy has the thread's user and settings: its metadata, its tags, and its title if it was set or if the copy has
    its turn. Repeating the call completes a copy that was interrupted. It adds no turn twice, and none that was removed
    from the fork since.

    Args:
        storage: the storage of both threads, or a user's view of it.
        thread_id: the thread.
        place: the place at which the copy ends.
        into: the id of the copy.

    Raises:
        ThreadNotFound: the thread does not exist.
        InvalidInput: the thread does not have the turn that `place` names.
        ThreadConflict: there is another thread with the id `into`, or the thread lost turns that an interrupted copy
            lacks.
    """
    found = await storage.read(thread_id)
    if (info := found.info) is None:
        raise ThreadNotFound(thread_id)
    if info.user_id is not None:
        storage = storage.for_user(info.user_id)
    there = await storage.head(into)
    is_new = there is None
    kept, parent = _planned(info, place.kept(found.records, thread_id), place, there)
    if there is None or there.parent is None:
        settings = _settings(info, kept)
        expected = 0 if there is None else there.version
        there = await storage.update_thread(into, **settings, parent=parent, expected=expected)
    await _copy(storage, thread_id, kept[there.revision :], there)
    return Fork(user_id=info.user_id, is_new=is_new)


async def forks_of(storage: Storage, parent: ThreadInfo) -> list[ThreadInfo]:
    """Return the forks that were begun from a thread, archived ones included, the most recently updated first."""
    found: list[ThreadInfo] = []
    cursor: str | None = None
    while True:
        page = await storage.list_threads(
            parent=parent.id, user_id=parent.user_id, archived=None, limit=1000, cursor=cursor
        )
        found += [one for one in page.threads if one.parent is not None and one.parent.is_life_of(parent)]
        if (cursor := page.cursor) is None:
            return found


async def _copy(storage: Storage, thread_id: str, missing: Sequence[TurnRecord], there: ThreadInfo) -> None:
    """Append turns of a thread to its fork, with their blobs. Few blobs are in memory at once."""
    expected = there.version
    async for turns in portions(storage, thread_id, missing, most_turns=len(missing)):
        last = (await storage.append_all(there.id, turns, expected=expected))[-1]
        expected = Version(there.incarnation, last.revision, last.record.id)


class _Settings(TypedDict, total=False):
    title: str | None
    title_turn: int | None
    metadata: JsonObject
    tags: tuple[str, ...]


def _planned(
    info: ThreadInfo, kept: Sequence[TurnRecord], place: ForkPlace, there: ThreadInfo | None
) -> tuple[Sequence[TurnRecord], ThreadParent]:
    """Return the turns of the fork and its parent. If the fork is there already, they are as it was begun.

    Raises:
        ThreadConflict: the thread at the fork's place is not this fork, or it cannot be completed any more.
    """
    begun = there.parent if there is not None else None
    if begun is not None and place == ForkPlace():
        kept = _through(kept, begun.turn_id)
    parent = ThreadParent(
        thread_id=info.id,
        incarnation=info.incarnation,
        turn_id=kept[-1].id if kept else None,
        number=kept[-1].number if kept else 0,
        turns=len(kept),
    )
    if there is None or (begun is None and not there.revision and there.id != info.id):
        return kept, parent
    is_same_place = begun is not None and (place == ForkPlace() or begun.turn_id == parent.turn_id)
    if begun is None or not is_same_place or not begun.is_life_of(info):
        raise ThreadConflict(there.id, expected=0, actual=there.revision, reason=_TAKEN)
    if not _can_continue(there, begun, kept):
        raise ThreadConflict(there.id, expected=0, actual=there.revision, reason=_BROKEN)
    return kept if there.revision < begun.turns else (), begun


def _through(records: Sequence[TurnRecord], turn_id: str | None) -> Sequence[TurnRecord]:
    """Return the turns up to the turn with an id; none if there is no such turn."""
    return records[: next((place for place, record in enumerate(records, 1) if record.id == turn_id), 0)]


def _can_continue(there: ThreadInfo, begun: ThreadParent, kept: Sequence[TurnRecord]) -> bool:
    """Return True if a fork is complete, or is the beginning of these turns."""
    if there.revision >= begun.turns:
        return True
    is_beginning = not there.revision or kept[there.revision - 1 : there.revision][0].id == there.record_id
    return begun.turns == len(kept) and is_beginning


def _settings(info: ThreadInfo, kept: Sequence[TurnRecord]) -> _Settings:
    """Return the settings of a new fork. A made title goes with its turn, wherever the turn is in the fork."""
    settings = _Settings(metadata=info.metadata, tags=info.tags)
    if info.title_turn is not None:
        place = next((place for place, one in enumerate(kept, 1) if one.number == info.title_turn), 0)
        settings |= {"title": info.title if place else None, "title_turn": place}
    elif info.title is not None:
        settings["title"] = info.title
    return settings


def _is(record: TurnRecord, wanted: TurnReference) -> bool:
    match wanted:
        case StoredTurn():
            return record.id == wanted.id
        case str():
            return record.id == wanted
        case _:
            return record.number == wanted


def _named(wanted: TurnReference) -> str:
    return repr(wanted.id) if isinstance(wanted, StoredTurn) else repr(wanted)
