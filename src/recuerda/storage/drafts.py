"""Drafts: the steps of turns that are still running, and pages of the threads that have a draft."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from recuerda.ids import new_id


class DraftStep(msgspec.Struct, frozen=True, kw_only=True):
    """One finished step of a turn that is still running.

    Attributes:
        turn_id: the id of the running turn.
        revision: the thread's revision when the turn began.
        number: 1, 2, 3 and so on. A step is written once and never changed.
        body: opaque bytes.
        created_us: the time of saving, in microseconds since 1970 (UTC). 0 in a new step means now.
        id: the step's id, which no other step has. A new step has a random id.
        previous: the id that the draft's last step must have when this step is saved; None for any. The number alone is
            not enough: a storage that was put back may have another step with that number. For step 1, it is the last
            step of the ended draft that this step replaces, and "" if there must be none. It is not kept, so it is None
            in a step that was loaded.
    """

    turn_id: str
    revision: int
    number: int
    body: bytes
    created_us: int = 0
    id: str = msgspec.field(default_factory=new_id)
    previous: str | None = None


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that has begun and is not committed: its steps so far. They are kept outside of the thread."""

    turn_id: str
    revision: int
    steps: tuple[DraftStep, ...]


class DraftInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A thread that has a draft.

    Attributes:
        thread_id: the thread's id.
        user_id: the thread's user; None if it has none.
        begun_us: the time at which the first step of the draft was saved, in microseconds since 1970 (UTC).
    """

    thread_id: str
    user_id: str | None
    begun_us: int

    @property
    def place(self) -> tuple[int, str]:
        """The place of the draft in a list of drafts."""
        return self.begun_us, self.thread_id


class DraftPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list of drafts.

    Attributes:
        drafts: the threads that have a draft, the draft that was begun first in front.
        cursor: an opaque text with which to ask for the next page; None on the last page.
    """

    drafts: tuple[DraftInfo, ...]
    cursor: str | None

    @property
    def thread_ids(self) -> list[str]:
        """The ids of the threads."""
        return [draft.thread_id for draft in self.drafts]

    @classmethod
    def cut(cls, found: Sequence[DraftInfo], limit: int) -> DraftPage:
        """Return a page of the first `limit` drafts. It has a cursor when `found` holds more."""
        drafts = tuple(found[:limit])
        cursor = f"{drafts[-1].begun_us}:{drafts[-1].thread_id}" if len(found) > limit else None
        return cls(drafts=drafts, cursor=cursor)


def first_drafts(
    found: Iterable[DraftInfo], limit: int, user_id: str | None, position: tuple[int, str] | None
) -> list[DraftInfo]:
    """Return what `Storage._list_drafts` asks for, from all drafts in any order."""
    wanted = (one for one in found if user_id in (None, one.user_id) and (position is None or one.place > position))
    return sorted(wanted, key=lambda one: one.place)[:limit]
