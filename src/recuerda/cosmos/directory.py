"""The directory: an entry for each thread, so that a listing need not query every partition.

An entry is a copy, and may be a turn behind after a crash. It is never missing, and never in the wrong user's listing:
the entry is marked (`pending`) before its thread is created, changed or deleted. Until that change is complete, a
listing reads the thread itself. An entry is replaced only if its ETag is unchanged, and never by older data.
"""

from __future__ import annotations

import asyncio
import heapq
from contextlib import aclosing

import msgspec

from recuerda.cosmos.container import Backoff, Container
from recuerda.cosmos.heads import load
from recuerda.cosmos.items import (
    SHARDS,
    DirectoryItem,
    HeadItem,
    directory_partition,
    directory_place,
    sort_key,
)
from recuerda.storage.hooks import WALK_PAGE
from recuerda.storage.thread_info import ThreadInfo


def entry_of(
    info: ThreadInfo, *, writes: int, pending: int, users: frozenset[str | None] = frozenset()
) -> DirectoryItem:
    """Return a thread's entry.

    Args:
        info: the information about the thread, to be copied.
        writes: the value of `writes` in the thread's head that has this information.
        pending: the value of `writes` from which on the entry can be trusted.
        users: the users whose listings have the entry, besides the thread's own user.
    """
    partition, place = directory_place(info.id)
    return DirectoryItem(
        partition=partition,
        id=place,
        kind="directory",
        thread_id=info.id,
        incarnation=info.incarnation,
        sort=sort_key(info.updated_us, info.id),
        users=_sorted(users | {info.user_id}),
        writes=writes,
        pending=pending,
        copy=msgspec.json.encode(info).decode(),
    )


async def look_up(container: Container, thread_id: str) -> DirectoryItem | None:
    """Return a thread's entry, or None."""
    partition, place = directory_place(thread_id)
    found = await container.query_all(partition, "c.id = @id", {"id": place})
    return next((item for item in found if isinstance(item, DirectoryItem)), None)


async def mark(container: Container, entry: DirectoryItem, *, is_new: bool = False) -> None:
    """Make sure that a thread's entry has the title and all users of the given entry, and at least its `pending`."""
    backoff = Backoff(container, entry.thread_id)
    if is_new and await _create(container, entry):
        return
    while True:
        there = await look_up(container, entry.thread_id)
        if there is None:
            is_done = await _create(container, entry)
        elif there.incarnation != entry.incarnation:
            if not await is_alive(container, entry):
                return
            is_done = await _replace(container, there, entry)
        elif there.writes >= entry.pending:
            return  # another writer was first, so the change that the mark is for will fail
        else:
            wanted = msgspec.structs.replace(
                there,
                pending=max(there.pending, entry.pending),
                users=_sorted(frozenset((*there.users, *entry.users))),
                copy=_retitled(there, entry.info().title),
            )
            is_done = await _replace(container, there, wanted)
        if is_done:
            return
        await backoff.wait()


async def publish(container: Container, entry: DirectoryItem) -> bool:
    """Bring a thread's entry up to date; return False if there is none of its incarnation."""
    backoff = Backoff(container, entry.thread_id)
    noted = container.entries.get(entry.thread_id)
    there = noted if noted is not None and noted.incarnation == entry.incarnation else None
    while True:
        there = there or await look_up(container, entry.thread_id)
        if there is None or there.incarnation != entry.incarnation:
            container.entries.note(entry.thread_id, None)
            return False
        if await _replace(container, there, _merged(there, entry)):
            return True
        there = None
        await backoff.wait()


async def _create(container: Container, entry: DirectoryItem) -> bool:
    etag = await container.create(entry)
    container.entries.note(entry.thread_id, None if etag is None else msgspec.structs.replace(entry, etag=etag))
    return etag is not None


async def _replace(container: Container, there: DirectoryItem, wanted: DirectoryItem) -> bool:
    """Replace an entry if it is unchanged since it was read. Nothing is written if the new entry is the same."""
    etag = there.etag if wanted == there else await container.replace(wanted, etag=there.etag)
    container.entries.note(wanted.thread_id, None if etag is None else msgspec.structs.replace(wanted, etag=etag))
    return etag is not None


async def is_alive(container: Container, entry: DirectoryItem) -> bool:
    """Return True if the thread of an entry exists and has the same incarnation."""
    head = (await load(container, entry.thread_id)).item
    return head is not None and head.life != "over" and head.incarnation == entry.incarnation


def _merged(there: DirectoryItem, entry: DirectoryItem) -> DirectoryItem:
    """Return the newer of two entries."""
    newer = max(there, entry, key=lambda one: one.writes)
    pending = max(there.pending, entry.pending)
    users = frozenset((newer.info().user_id,))
    if newer.writes < pending:
        users |= frozenset((*there.users, *entry.users))
    return msgspec.structs.replace(
        there, sort=newer.sort, copy=newer.copy, writes=newer.writes, pending=pending, users=_sorted(users)
    )


def _retitled(entry: DirectoryItem, title: str | None) -> str:
    """Return the copy in an entry, with another title."""
    return msgspec.json.encode(msgspec.structs.replace(entry.info(), title=title)).decode()


async def mark_deleted(container: Container, head: HeadItem) -> None:
    """Mark the entry of a thread that is about to be deleted, so that it is not trusted from then on."""
    backoff = Backoff(container, head.thread_id)
    container.entries.note(head.thread_id, None)
    while (there := await look_up(container, head.thread_id)) is not None and there.incarnation == head.incarnation:
        wanted = msgspec.structs.replace(there, pending=max(there.pending, head.writes + 1))
        if wanted == there or await container.replace(wanted, etag=there.etag) is not None:
            return
        await backoff.wait()


async def remove_dead(container: Container, thread_id: str) -> None:
    """Remove the entry of a thread that no longer exists.

    A thread's head is created before its entry. The entry is looked up first and the head second. So an entry without a
    head belongs to a thread that has ended, and never to a thread that is being made.
    """
    while (there := await look_up(container, thread_id)) is not None:
        if await is_alive(container, there):
            return
        if await container.delete(there.partition, there.id, etag=there.etag):
            return


async def list_threads(
    container: Container, user_id: str | None, limit: int, position: tuple[int, str] | None
) -> list[ThreadInfo]:
    """Return up to `limit` threads after a position, newest first; with `user_id`, only this user's."""
    shards = (_list_shard(container, shard, user_id, limit, position) for shard in range(SHARDS))
    found = await asyncio.gather(*shards)
    return heapq.nlargest(
        limit, (info for infos in found for info in infos), key=lambda info: (info.updated_us, info.id)
    )


async def walk(container: Container, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
    """Return some threads in the order of their entries' ids, and the position after them.

    An entry never moves: its partition and its id are made from the thread's id. A position is the number of a
    partition and the id of the last entry that was read there.
    """
    shard, _, last = (position or "0:").partition(":")
    conditions = "c.kind = 'directory' AND c.id > @last"
    values: dict[str, object] = {"last": last}
    if user_id is not None:
        conditions += " AND ARRAY_CONTAINS(c.users, @user)"
        values["user"] = user_id
    place = directory_partition(int(shard))
    pages = container.query(place, conditions, values, page=WALK_PAGE, order="c.id ASC")
    entries: list[DirectoryItem] = []
    next_position = f"{int(shard) + 1}:" if int(shard) + 1 < SHARDS else None
    async with aclosing(pages):
        async for items in pages:
            entries.extend(item for item in items if isinstance(item, DirectoryItem))
            if len(entries) >= WALK_PAGE:
                next_position = f"{shard}:{entries[-1].id}"
                break
    found = await asyncio.gather(*(_checked(container, entry, user_id) for entry in entries))
    return [info for info in found if info is not None], next_position


async def _list_shard(
    container: Container, shard: int, user_id: str | None, limit: int, position: tuple[int, str] | None
) -> list[ThreadInfo]:
    conditions = ["c.kind = 'directory'"]
    values: dict[str, object] = {}
    if user_id is not None:
        conditions.append("ARRAY_CONTAINS(c.users, @user)")
        values["user"] = user_id
    if position is not None:
        conditions.append("c.sort < @position")
        values["position"] = sort_key(*position)
    where = " AND ".join(conditions)
    pages = container.query(directory_partition(shard), where, values, page=min(limit, 1000), order="c.sort DESC")
    infos: list[ThreadInfo] = []
    async for items in pages:
        checked = await asyncio.gather(
            *(_checked(container, item, user_id) for item in items if isinstance(item, DirectoryItem))
        )
        infos.extend(info for info in checked if info is not None)
        if len(infos) >= limit:
            break
    await pages.aclose()
    return infos[:limit]


async def _checked(container: Container, entry: DirectoryItem, user_id: str | None) -> ThreadInfo | None:
    """Return the information about a thread, from the thread itself if its entry cannot be trusted."""
    if entry.is_settled and not container.is_older_than_ttl(entry):
        return entry.info()
    info = (await load(container, entry.thread_id)).info()
    if info is None or (user_id is not None and info.user_id != user_id):
        return None
    # The thread keeps the entry's place in the listing, so that the next page starts where this one ends.
    return msgspec.structs.replace(info, updated_us=entry.info().updated_us)


def _sorted(users: frozenset[str | None]) -> tuple[str, ...]:
    return tuple(sorted(user for user in users if user is not None))
