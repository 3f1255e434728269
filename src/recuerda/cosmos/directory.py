"""The directory: an entry for each thread, so that a listing need not query every partition.

An entry is a copy, and may be a turn behind after a crash. It is never missing, and never in the wrong user's listing:
the entry is marked (`pending`) before its thread is made, changed or deleted. Until that change is complete, a listing
reads the thread itself. An entry is replaced only if its ETag is unchanged, and never by older data.
"""

from __future__ import annotations

import asyncio
import heapq

import msgspec

from recuerda.cosmos.container import Backoff, Container
from recuerda.cosmos.heads import load
from recuerda.cosmos.items import (
    FOREVER,
    SHARDS,
    DirectoryItem,
    directory_partition,
    directory_place,
    sort_key,
)
from recuerda.storage.records import ThreadInfo

_LOG_FIELDS = ("revision", "first", "turns", "messages")
_SETTING_FIELDS = ("user_id", "title", "metadata", "changes", "created_us")


def entry_of(
    info: ThreadInfo, *, changes: int, pending: int, users: frozenset[str | None] = frozenset()
) -> DirectoryItem:
    """Return a thread's entry.

    Args:
        info: the information about the thread, to be copied.
        changes: the number of changes of the thread's own item so far.
        pending: the number of changes after which the entry can be trusted.
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
        changes=changes,
        pending=pending,
        revision=info.revision,
        first=info.first,
        turns=info.turns,
        messages=info.messages,
        user_id=info.user_id,
        title=info.title,
        metadata=msgspec.json.encode(info.metadata).decode(),
        created_us=str(info.created_us),
        updated_us=str(info.updated_us),
    )


async def look_up(container: Container, thread_id: str) -> DirectoryItem | None:
    """Return a thread's entry, or None."""
    partition, place = directory_place(thread_id)
    found = await container.query_all(partition, "c.id = @id", {"id": place})
    return next((item for item in found if isinstance(item, DirectoryItem)), None)


async def mark(container: Container, entry: DirectoryItem, *, is_new: bool = False) -> None:
    """Make sure that the thread's entry has at least the `pending` and all the `users` of the given entry."""
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
        else:
            wanted = msgspec.structs.replace(
                there,
                pending=max(there.pending, entry.pending),
                users=_sorted(frozenset((*there.users, *entry.users))),
            )
            is_done = await _replace(container, there, wanted)
        if is_done:
            return
        await backoff.wait()


async def publish(container: Container, entry: DirectoryItem) -> bool:
    """Bring a thread's entry up to date; return False if it is gone, of another incarnation, or about to be deleted."""
    backoff = Backoff(container, entry.thread_id)
    noted = container.entries.get(entry.thread_id)
    there = noted if noted is not None and noted.incarnation == entry.incarnation else None
    while True:
        there = there or await look_up(container, entry.thread_id)
        if there is None or there.incarnation != entry.incarnation or there.pending == FOREVER:
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
    thread = (await load(container, entry.thread_id)).living
    return thread is not None and thread.incarnation == entry.incarnation


def _merged(there: DirectoryItem, entry: DirectoryItem) -> DirectoryItem:
    """Return an entry with the newer counts and the newer settings of two entries."""
    log = max(there, entry, key=lambda one: (one.revision, one.changes))
    settings = max(there, entry, key=lambda one: one.changes)
    newest = log if log.revision > settings.revision else settings
    pending = max(there.pending, entry.pending)
    users = frozenset((*there.users, *entry.users)) if settings.changes < pending else frozenset((settings.user_id,))
    return msgspec.structs.replace(
        there,
        sort=newest.sort,
        updated_us=newest.updated_us,
        pending=pending,
        users=_sorted(users),
        **{name: getattr(log, name) for name in _LOG_FIELDS},
        **{name: getattr(settings, name) for name in _SETTING_FIELDS},
    )


async def mark_deleted(container: Container, thread_id: str) -> None:
    """Mark the entry of a thread that is about to be deleted, so that it is never trusted again."""
    backoff = Backoff(container, thread_id)
    container.entries.note(thread_id, None)
    while (there := await look_up(container, thread_id)) is not None:
        wanted = msgspec.structs.replace(there, pending=FOREVER)
        if wanted == there or await container.replace(wanted, etag=there.etag) is not None:
            return
        await backoff.wait()


async def remove_dead(container: Container, thread_id: str) -> None:
    """Remove the entry of a thread that no longer exists.

    A thread's own item is made before its entry. The entry is looked up first and the thread second. So an entry
    without a thread belongs to a thread that has ended, and never to a thread that is being made.
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
    return msgspec.structs.replace(info, updated_us=int(entry.updated_us))


def _sorted(users: frozenset[str | None]) -> tuple[str, ...]:
    return tuple(sorted(user for user in users if user is not None))
