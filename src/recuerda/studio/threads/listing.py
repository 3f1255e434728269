"""The list of threads: a page of them, newest first, found by conditions and by words.

No page counts all threads, and none reads more than a bounded part of the storage. A condition that no index answers
makes a page partial: it says so, and the next page continues.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence

import msgspec
from starlette.requests import Request

from recuerda.agent.resuming import pending_turn
from recuerda.errors import CorruptTurn, DecryptionError, RecuerdaError
from recuerda.json_value import JsonObject
from recuerda.recall.text import MAX_TEXT
from recuerda.recall.thread_search import FoundThread, Passage
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import Draft
from recuerda.storage.records import SEAL
from recuerda.storage.thread_info import ThreadInfo
from recuerda.studio.paths import link
from recuerda.studio.redaction import Redaction
from recuerda.studio.studio import Studio
from recuerda.studio.threads.wanted import Wanted
from recuerda.threads.history import stored_turn

PAGE = 50
"""The number of threads on a page."""

HIT_CHARACTERS = 160
"""The length of a part of a message in which searched words stand."""

EXAMINED_TURNS = 100
"""The number of a thread's newest turns that are read to see whether they are damaged."""


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a message in which searched words stand.

    Attributes:
        text: the part.
        matches: the places of the words in `text`: start and end of each.
        who: the speaker.
        turn: the number of the turn.
        href: the address of the turn.
    """

    text: str
    matches: tuple[tuple[int, int], ...]
    who: str
    turn: int
    href: str

    @property
    def pieces(self) -> list[tuple[str, bool]]:
        """The text in pieces, and whether each piece is a searched word."""
        pieces: list[tuple[str, bool]] = []
        at = 0
        for start, end in self.matches:
            pieces += [(self.text[at:start], False), (self.text[start:end], True)]
            at = end
        return [*pieces, (self.text[at:], False)]


class ThreadRow(msgspec.Struct, frozen=True, kw_only=True):
    """A thread in a list.

    Attributes:
        id: the thread's id.
        href: the address of its page.
        title: its title; None if it has none.
        user_id: its user.
        turns: the number of its turns.
        messages: the number of its messages.
        created_us: the time of its creation, in microseconds since 1970 (UTC).
        updated_us: the time of its last change.
        archived: whether it is archived.
        tags: its tags.
        metadata: the application's own JSON object.
        parent_id: the thread from which it was forked.
        state: "waiting" if it waits for an approval, "unfinished" if it has another unfinished turn, "sealed" if that
            turn cannot be read, "damaged" if turns cannot be read, or "".
        damaged: the number of the turns that cannot be read, if they were looked for.
        hits: the messages in which the searched words stand.
    """

    id: str
    href: str
    title: str | None
    user_id: str | None
    turns: int
    messages: int
    created_us: int
    updated_us: int
    archived: bool
    tags: tuple[str, ...]
    metadata: JsonObject
    parent_id: str | None
    state: str = ""
    damaged: int = 0
    hits: tuple[Hit, ...] = ()


class ThreadsPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of threads.

    Attributes:
        threads: the threads, the most recently updated first.
        wanted: the conditions.
        next_href: the address of the next page; None on the last page.
        first_href: the address of the first page; None on the first page.
        is_partial: whether the page may have fewer threads than match, because one page compares a bounded number.
        has_index: whether words that were said can be searched.
    """

    threads: tuple[ThreadRow, ...]
    wanted: Wanted
    next_href: str | None
    first_href: str | None
    is_partial: bool
    has_index: bool


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    infos: Sequence[ThreadInfo]
    cursor: str | None = None
    is_partial: bool = False
    damaged: Mapping[str, int] = {}
    hits: Mapping[str, tuple[Hit, ...]] = {}


async def list_threads(studio: Studio, request: Request) -> ThreadsPage:
    """Return a page of the threads that meet the conditions of the query."""
    wanted = Wanted.of(request.query_params)
    found = await _found(studio, wanted)
    states = await asyncio.gather(*(_state(studio.storage, info.id) for info in found.infos))
    rows = [
        row_of(info, state=state or "", damaged=found.damaged.get(info.id, 0), hits=found.hits.get(info.id, ()))
        for info, state in zip(found.infos, states, strict=True)
        if state is not None and (wanted.state != "waiting" or state == "waiting")
    ]
    return ThreadsPage(
        threads=tuple(rows),
        wanted=wanted,
        next_href=wanted.href(found.cursor),
        first_href=wanted.href("") if wanted.cursor else None,
        is_partial=found.is_partial,
        has_index=studio.search is not None,
    )


def row_of(info: ThreadInfo, *, state: str = "", damaged: int = 0, hits: tuple[Hit, ...] = ()) -> ThreadRow:
    """Return a thread as an entry of a list."""
    return ThreadRow(
        id=info.id,
        href=link("threads", info.id),
        title=info.title,
        user_id=info.user_id,
        turns=info.turns,
        messages=info.messages,
        created_us=info.created_us,
        updated_us=info.updated_us,
        archived=info.archived,
        tags=info.tags,
        metadata=info.metadata,
        parent_id=info.parent and info.parent.thread_id,
        state=state or ("damaged" if damaged else ""),
        damaged=damaged,
        hits=hits,
    )


async def _found(studio: Studio, wanted: Wanted) -> _Found:
    if wanted.state in ("unfinished", "waiting"):
        return await _with_drafts(studio, wanted)
    listed = await _listed(studio, wanted)
    if wanted.state == "damaged":
        return await _damaged(studio.storage, listed)
    if wanted.q and not wanted.cursor and studio.search is not None:
        said = await studio.search.search(
            wanted.q, user_id=wanted.user or studio.user_id, limit=PAGE, max_characters=MAX_TEXT
        )
        return _with_said(said, wanted, listed, studio.redaction)
    return listed


async def _listed(studio: Studio, wanted: Wanted) -> _Found:
    page = await studio.storage.list_threads(
        user_id=wanted.user or studio.user_id,
        title=wanted.q or None,
        metadata=wanted.metadata_values,
        tags=[wanted.tag] if wanted.tag else [],
        archived=wanted.is_archived,
        updated_after=wanted.since_moment,
        updated_before=wanted.until_moment,
        limit=PAGE,
        cursor=wanted.cursor or None,
    )
    return _Found(infos=page.threads, cursor=page.cursor, is_partial=page.is_partial)


async def _with_drafts(studio: Studio, wanted: Wanted) -> _Found:
    """Return threads with unfinished turns, the turn that was begun first in front."""
    page = await studio.storage.list_drafts(PAGE, user_id=wanted.user or studio.user_id, cursor=wanted.cursor or None)
    heads = await asyncio.gather(*map(studio.storage.head, page.thread_ids))
    matches = wanted.filter(has_title=True).matches
    return _Found(infos=[info for info in heads if info is not None and matches(info)], cursor=page.cursor)


async def _damaged(storage: Storage, listed: _Found) -> _Found:
    """Return the threads of a page of which some of the newest turns cannot be read."""
    counts = await asyncio.gather(*(_unreadable(storage, info.id) for info in listed.infos))
    damaged = {info.id: count for info, count in zip(listed.infos, counts, strict=True) if count}
    infos = [info for info in listed.infos if info.id in damaged]
    return _Found(infos=infos, cursor=listed.cursor, is_partial=listed.cursor is not None, damaged=damaged)


async def _unreadable(storage: Storage, thread_id: str) -> int:
    try:
        found = await storage.read(thread_id, last_turns=EXAMINED_TURNS)
    except DecryptionError:
        return 0  # a sealed thread is not damaged
    count = 0
    for record in found.records:
        try:
            stored_turn(record, thread_id)
        except CorruptTurn:
            count += not record.body.startswith(SEAL)
    return count


def _with_said(found: Sequence[FoundThread], wanted: Wanted, listed: _Found, redaction: Redaction) -> _Found:
    """Return the threads in which the words were said, and then the threads that have them in the title."""
    matches = wanted.filter(has_title=False).matches
    said = {one.thread.id: one for one in found if one.passages and matches(one.thread)}
    infos = [*(one.thread for one in said.values()), *(info for info in listed.infos if info.id not in said)]
    return msgspec.structs.replace(
        listed, infos=infos, hits={thread_id: _hits(one, redaction) for thread_id, one in said.items()}
    )


def _hits(found: FoundThread, redaction: Redaction) -> tuple[Hit, ...]:
    return tuple(_hit(found.thread.id, passage, redaction) for passage in found.passages)


def _hit(thread_id: str, passage: Passage, redaction: Redaction) -> Hit:
    """Return a part of a message. Secrets are hidden in the whole message, because a part may not show what it is."""
    words = {re.escape(passage.text[start:end]) for start, end in passage.matches}
    text = redaction.text(passage.text)
    found = [match.span() for match in re.finditer(rf"\b(?:{'|'.join(words)})\b", text)] if words else []
    begin = max(0, found[0][0] - HIT_CHARACTERS // 3) if found else 0
    end = min(len(text), begin + HIT_CHARACTERS)
    first, last = "…" if begin else "", "…" if end < len(text) else ""
    shift = len(first) - begin
    return Hit(
        text=f"{first}{text[begin:end]}{last}",
        matches=tuple((at + shift, to + shift) for at, to in found if to <= end),
        who=passage.speaker or passage.role,
        turn=passage.turn,
        href=link("threads", thread_id, "turns", passage.turn),
    )


async def _state(storage: Storage, thread_id: str) -> str | None:
    """Return in a word what the unfinished turn of a thread waits for; None if the thread is gone."""
    try:
        found = await storage.read(thread_id, last_turns=0)
        draft = await storage.load_draft(thread_id) if found.has_draft else None
    except DecryptionError:
        return "sealed"
    if found.info is None:
        return None
    return "" if draft is None else state_of(draft, thread_id)


def state_of(draft: Draft, thread_id: str) -> str:
    """Return in a word what an unfinished turn waits for: "waiting", "unfinished" or "sealed"."""
    if draft.steps[0].body.startswith(SEAL):
        return "sealed"
    try:
        return "waiting" if pending_turn(draft, thread_id).waits_for_approval else "unfinished"
    except RecuerdaError:
        return "unfinished"
