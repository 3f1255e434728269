"""What is remembered of a user: a list, page by page, or the answers to a query with the reasons for their scores.

The index is brought up to date with the user's threads first, as before any search, so the page shows no message that
was deleted. The studio has no embedder, so it searches by words.
"""

from __future__ import annotations

from itertools import islice

import msgspec
from starlette.requests import Request

from recuerda.ids import check_id
from recuerda.recall.memory import Filters, place_of
from recuerda.recall.recollection import Recollection
from recuerda.recall.scopes import Whose
from recuerda.recall.text import essence
from recuerda.studio.memory.rows import (
    FactRow,
    ForgottenRow,
    MemoryRow,
    fact_rows,
    memory_row,
    reported_row,
)
from recuerda.studio.paths import link
from recuerda.studio.studio import Studio

LISTED = 50
"""The number of memories on a page."""

FOUND = 20
"""The largest number of memories that answer a query."""

FACTS = 200
STANDING = 20
FORGOTTEN = 100
SUGGESTED_THREADS = 100
"""The number of the newest threads whose users are suggested."""


class MemoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered.

    Attributes:
        user: the user; empty if none is chosen.
        thread: the id of a thread without a user; empty if none is chosen.
        q: the query; empty for a list of everything.
        has_index: whether there is an index of memories.
        users: users of the newest threads, to choose from, while nobody is chosen.
        memories: the memories: the best first for a query, otherwise the newest conversation first.
        next_href: the address of the next page; None on the last page, and for a query.
        first_href: the address of the first page; None on the first page.
        standing: the standing instructions and preferences, the newest first.
        facts: the newest facts and corrections, with those that they replaced.
        forgotten: the turns that were forgotten on request.
        namespaces: the namespaces in which the index has something of the user.
    """

    user: str = ""
    thread: str = ""
    q: str = ""
    has_index: bool
    users: tuple[str, ...] = ()
    memories: tuple[MemoryRow, ...] = ()
    next_href: str | None = None
    first_href: str | None = None
    standing: tuple[MemoryRow, ...] = ()
    facts: tuple[FactRow, ...] = ()
    forgotten: tuple[ForgottenRow, ...] = ()
    namespaces: tuple[str, ...] = ()


async def show_memory(studio: Studio, request: Request) -> MemoryPage:
    """Return what is remembered of the user or the thread that the query names."""
    query = request.query_params
    user = studio.user_id or query.get("user", "").strip()
    page = MemoryPage(
        user=user,
        thread="" if user else query.get("thread", "").strip(),
        q=query.get("q", "").strip(),
        has_index=studio.recall is not None,
    )
    if studio.recall is None:
        return page
    if not (page.user or page.thread):
        return msgspec.structs.replace(page, users=await _users(studio))
    recall = studio.recall
    whose = await _whose(recall, page)
    cursor = query.get("cursor")
    page = await _found(recall, whose, page) if page.q else await _listed(recall, whose, page, cursor)
    if cursor:
        return page
    facts = await recall.facts(whose, has_history=True)
    standing = await recall.standing(whose, limit=STANDING, filters=Filters())
    forgotten = await recall.forgotten(whose, limit=FORGOTTEN)
    return msgspec.structs.replace(
        page,
        standing=tuple(map(memory_row, standing)),
        facts=fact_rows(facts[-FACTS:]),
        forgotten=tuple(
            ForgottenRow(thread_id=one.thread_id, first=one.first, last=one.last, href=link("threads", one.thread_id))
            for one in forgotten
        ),
        namespaces=whose.namespaces,
    )


async def _whose(recall: Recollection, page: MemoryPage) -> Whose:
    """Return the owner of the memories.

    Raises:
        InvalidInput: the user or the thread has no possible id.
    """
    if page.user:
        user_id = check_id(page.user, "user id")
        return Whose(user_id=user_id, namespaces=await recall.namespaces_of(user_id))
    return Whose(thread_id=check_id(page.thread, "thread id"))


async def _found(recall: Recollection, whose: Whose, page: MemoryPage) -> MemoryPage:
    reports = await recall.explain(essence(page.q), whose, limit=FOUND, filters=Filters())
    return msgspec.structs.replace(page, memories=tuple(map(reported_row, reports)))


async def _listed(recall: Recollection, whose: Whose, page: MemoryPage, cursor: str | None) -> MemoryPage:
    found, following = await recall.newest(whose, place_of(cursor or None), limit=LISTED)
    chosen = {"user": page.user or None, "thread": page.thread or None}
    return msgspec.structs.replace(
        page,
        memories=tuple(map(memory_row, found)),
        next_href=None if following is None else link("memory", **chosen, cursor=following),
        first_href=link("memory", **chosen) if cursor else None,
    )


async def _users(studio: Studio) -> tuple[str, ...]:
    """Return the users of the newest threads."""
    page = await studio.storage.list_threads(archived=None, limit=SUGGESTED_THREADS)
    users = dict.fromkeys(info.user_id for info in page.threads if info.user_id is not None)
    return tuple(islice(users, 30))
