"""The page of a thread, and the page of one of its turns."""

from __future__ import annotations

from typing import Literal

import msgspec
from starlette.requests import Request

from recuerda.errors import DecryptionError
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import ThreadInfo
from recuerda.studio.faults import Fault
from recuerda.studio.page import whole
from recuerda.studio.paths import link
from recuerda.studio.studio import Studio
from recuerda.studio.threads.drafts import ShownDraft
from recuerda.studio.threads.entries import Entry, entry_of
from recuerda.studio.threads.listing import ThreadRow, row_of
from recuerda.studio.threads.reading import read_draft, read_entry, read_part, read_part_from

TURNS = 30
"""The number of turns on a page."""

MOST_FORKS = 100
"""The largest number of forks that the page of a thread names."""


class ThreadHead(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a thread that stand above its turns.

    Attributes:
        row: the thread as in a list.
        revision: the number of records ever committed.
        first: all turns with a lower number are gone.
        parent_turn: for a fork, the number of the last turn that the parent had too; 0 for none.
        parent_turns: the number of turns that both had.
    """

    row: ThreadRow
    revision: int
    first: int
    parent_turn: int
    parent_turns: int


class ThreadPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a thread.

    Attributes:
        thread: the facts.
        entries: the turns and the other records, the oldest first.
        before_href: the address of the page with earlier turns; None at the beginning.
        after_href: the address of the page with later turns; None if this is the newest page.
        first_href: the address of the page with the first turns.
        newest_href: the address of the page with the newest turns.
        begin: the end of the page at which a reader begins.
        draft: the unfinished turn, on the newest page.
        summary: the newest summary of the thread; None if it has none.
        forks: the threads that were forked from this thread.
        live_href: the address of the stream of new turns.
    """

    thread: ThreadHead
    entries: tuple[Entry, ...]
    before_href: str | None
    after_href: str | None
    first_href: str
    newest_href: str
    begin: Literal["start", "end"]
    draft: ShownDraft | None
    summary: Entry | None
    forks: tuple[ThreadRow, ...]
    live_href: str


class TurnPage(msgspec.Struct, frozen=True, kw_only=True):
    """One turn.

    Attributes:
        thread: the facts about its thread.
        entry: the turn.
        is_whole: whether no text is cut.
        whole_href: the address of the page without cuts.
        place_href: the address of the turn among the turns of its thread.
    """

    thread: ThreadHead
    entry: Entry
    is_whole: bool
    whole_href: str
    place_href: str


async def show_thread(studio: Studio, request: Request) -> ThreadPage:
    """Return a page of a thread. `?before=N` asks for the turns before number N, and `?from=N` for those from N on."""
    thread_id = str(request.path_params["thread_id"])
    before = whole(request.query_params.get("before"), "before") or None
    start = whole(request.query_params.get("from"), "from") or None
    part = None if start is None else await read_part_from(studio.storage, thread_id, start, turns=TURNS)
    if part is None or not part.entries:
        part = await read_part(studio.storage, thread_id, before=before, turns=TURNS)
    info = part.info
    is_newest = part.after is None
    is_alone = request.query_params.get("part") is not None
    return ThreadPage(
        thread=head_of(info),
        entries=tuple(part.entries),
        before_href=None if part.before is None else link("threads", thread_id, before=part.before),
        after_href=None if part.after is None else _from(thread_id, part.after + 1),
        first_href=_from(thread_id, 1),
        newest_href=link("threads", thread_id),
        begin="end" if start is None or start > info.revision else "start",
        draft=await read_draft(studio.storage, thread_id) if part.has_draft and is_newest else None,
        summary=None if is_alone else await _summary(studio.storage, info),
        forks=() if is_alone else await _forks(studio.storage, info),
        live_href=link("threads", thread_id, "live", after=info.revision),
    )


async def show_turn(studio: Studio, request: Request) -> TurnPage:
    """Return one turn. `?whole=1` cuts no text."""
    thread_id = str(request.path_params["thread_id"])
    number = whole(request.path_params["number"], "the number of the turn") or 0
    is_whole = request.query_params.get("whole") == "1"
    info, entry = await read_entry(studio.storage, thread_id, number, is_whole=is_whole)
    if entry is None:
        raise Fault(404, "not_found", "fault.no-turn", thread=repr(thread_id), number=number)
    return TurnPage(
        thread=head_of(info),
        entry=entry,
        is_whole=is_whole,
        whole_href=link("threads", thread_id, "turns", number, whole=1),
        place_href=f"{_from(thread_id, number)}#turn-{number}",
    )


def _from(thread_id: str, number: int) -> str:
    """Return the address of the page that begins with a turn."""
    return link("threads", thread_id, **{"from": number})


def head_of(info: ThreadInfo) -> ThreadHead:
    """Return the facts about a thread."""
    parent = info.parent
    return ThreadHead(
        row=row_of(info),
        revision=info.revision,
        first=info.first,
        parent_turn=parent.number if parent else 0,
        parent_turns=parent.turns if parent else 0,
    )


async def _summary(storage: Storage, info: ThreadInfo) -> Entry | None:
    if info.turns == info.revision:
        return None  # every record is a turn
    try:
        found = await storage.read(info.id, last_turns=0, with_summary=True)
    except DecryptionError:
        return None
    return None if found.summary is None else entry_of(found.summary, info.id)


async def _forks(storage: Storage, info: ThreadInfo) -> tuple[ThreadRow, ...]:
    page = await storage.list_threads(parent=info.id, user_id=info.user_id, archived=None, limit=MOST_FORKS)
    return tuple(row_of(one) for one in page.threads if one.parent is not None and one.parent.is_life_of(info))
