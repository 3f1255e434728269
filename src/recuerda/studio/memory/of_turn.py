"""What is remembered of one turn: its messages in the index, and the facts that come from it."""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from recuerda.errors import ThreadNotFound
from recuerda.recall.index import Forgetting, Position
from recuerda.recall.memory import memory_of
from recuerda.recall.recollection import Recollection
from recuerda.recall.scopes import Whose, owner_of
from recuerda.studio.memory.rows import FactRow, MemoryRow, fact_rows, memory_row
from recuerda.studio.page import whole
from recuerda.studio.paths import link
from recuerda.studio.studio import Studio

SHOWN = 50
FORGOTTEN = 1_000


class TurnMemoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a turn.

    Attributes:
        thread_id: the thread's id.
        number: the number of the turn.
        href: the address of the page of the turn.
        all_href: the address of everything that is remembered of the same user or thread; None without an index.
        has_index: whether there is an index of memories.
        is_forgotten: whether the turn was forgotten on request.
        memories: the messages of the turn that are remembered.
        facts: the facts and corrections that come from the turn, with those that they replaced.
    """

    thread_id: str
    number: int
    href: str
    all_href: str | None = None
    has_index: bool
    is_forgotten: bool = False
    memories: tuple[MemoryRow, ...] = ()
    facts: tuple[FactRow, ...] = ()


async def show_turn_memories(studio: Studio, request: Request) -> TurnMemoryPage:
    """Return what is remembered of a turn."""
    thread_id = str(request.path_params["thread_id"])
    if await studio.storage.head(thread_id) is None:
        raise ThreadNotFound(thread_id)
    number = whole(request.path_params["number"], "the number of the turn") or 0
    page = TurnMemoryPage(
        thread_id=thread_id,
        number=number,
        href=link("threads", thread_id, "turns", number),
        has_index=studio.recall is not None,
    )
    if studio.recall is None:
        return page
    position = (await studio.recall.follow(thread_id)).position
    return page if position is None else await _filled(studio.recall, page, position)


async def _filled(recall: Recollection, page: TurnMemoryPage, position: Position) -> TurnMemoryPage:
    turn = Forgetting.of(page.thread_id, position, page.number, page.number)
    held = await recall.index.held([turn], SHOWN)
    whose = await _owner(recall, position)
    facts = [
        row
        for row in fact_rows(await recall.facts(whose, has_history=True))
        if any((place.thread_id, place.turn) == (page.thread_id, page.number) for place in row.sources)
    ]
    forgotten = await recall.forgotten(whose, limit=FORGOTTEN)
    return msgspec.structs.replace(
        page,
        all_href=link("memory", user=whose.user_id, thread=whose.thread_id),
        is_forgotten=any(one.thread_id == page.thread_id and one.first <= page.number <= one.last for one in forgotten),
        memories=tuple(memory_row(memory_of(document, 0.0)) for document in held.first),
        facts=tuple(facts),
    )


async def _owner(recall: Recollection, position: Position) -> Whose:
    """Return the owner of a thread's memories, in all of the owner's namespaces."""
    owner = owner_of(position.scope, ())
    if owner.user_id is None:
        return Whose(thread_id=owner.thread_id)
    return Whose(user_id=owner.user_id, namespaces=await recall.namespaces_of(owner.user_id))
