"""Functions that make threads, change their settings and their bodies, and delete them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from azure.core.exceptions import AzureError

from recuerda.cosmos import blobs, cutting, directory
from recuerda.cosmos.container import MAX_BATCH, Backoff, Container, run_all
from recuerda.cosmos.heads import Head, holds, load, made_alive
from recuerda.cosmos.items import HEAD_ID, HeadItem, RecordItem, thread_partition, write_body
from recuerda.errors import StorageError
from recuerda.ids import new_id
from recuerda.storage.operations import Guard, NewBodies, ThreadChanges
from recuerda.storage.rules import changed_after, edits_after, metadata_after, parent_after
from recuerda.storage.thread_info import ThreadInfo

_BATCH_BYTES = 1_500_000
"""The length of the bodies, as base64, that are replaced in one batch. A longer body is replaced alone."""

_SWEPT_FIELDS = (
    "c.partition, c.id, c.kind, c.incarnation, c.number, c.draft, c.step, c.turn_id, c.revision, c.holder, c.lasts_us, "
    f"{blobs.FIELDS}"
)


async def prepared(container: Container, head: Head, *, now_us: int, guard: Guard) -> HeadItem | None:
    """Prepare a record or a draft, and return the head to change; None if another writer was first.

    Only a change that makes the thread, or gives it a user, changes the listings in which the thread is.
    """
    item = head.alive
    if item is not None and (item.revision > 0 or item.user_id is not None or guard.user_id is None):
        return item
    return await ready(container, head, now_us=now_us, users=(guard.user_id,))


async def ready(
    container: Container, head: Head, *, now_us: int, users: Iterable[str | None], title: str | None = None
) -> HeadItem | None:
    """Prepare a change of a thread's information, so that no listing can miss it; return the head to change.

    A thread that does not exist gets a head that readers do not see yet. The thread's directory entry is marked.

    Args:
        container: the container that has the thread.
        head: the thread's head as it was read.
        now_us: the time.
        users: the users that the thread may have after the change, besides its own user.
        title: the title that the entry has until it is brought up to date.

    Returns:
        None if another writer was first.
    """
    item, is_new = head.item, False
    if item is not None and item.life == "over":
        await sweep(container, item)
    if item is None or item.life == "over":
        item = await _make(container, head)
        is_new = True
    if item is None:
        return None
    info = msgspec.structs.replace(item.info(), title=title)
    if item.life == "new":
        info = msgspec.structs.replace(info, created_us=now_us, updated_us=now_us)
    entry = directory.entry_of(info, writes=item.writes, pending=item.writes + 1, users=frozenset(users))
    await directory.mark(container, entry, is_new=is_new)
    return item


async def _make(container: Container, head: Head) -> HeadItem | None:
    """Make and return a head that readers do not see yet; None if another writer was first."""
    item = HeadItem(partition=thread_partition(head.thread_id), id=HEAD_ID, kind="thread", incarnation=new_id())
    if head.item is None:
        etag = await container.create(item)
    else:
        etag = await container.replace(item, etag=head.item.etag)
    return None if etag is None else msgspec.structs.replace(item, etag=etag)


async def update(container: Container, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
    """Change a thread's settings and return the information about it.

    Its directory entry is marked before and updated afterwards.
    """
    backoff = Backoff(container, thread_id)
    call = new_id()
    while True:
        head = await load(container, thread_id)
        if head.alive is not None and head.alive.call == call:
            item = head.alive  # the change succeeded, and its answer was lost
            break
        head.check_user(guard)
        head.check_state(guard)
        user_id = changes.user_id if isinstance(changes.user_id, str) else guard.user_id
        begun_us = changed_after(changes, now_us, updated_us=0)
        item = await ready(container, head, now_us=begun_us, users=(user_id,))
        if item is not None:
            item = _changed(made_alive(item, begun_us, guard), changes, now_us, call)
            if await container.commit(item) is not None:
                break
        await backoff.wait()
    await directory.publish(container, directory.entry_of(item.info(), writes=item.writes, pending=item.writes))
    return item.info()


def _changed(head: HeadItem, changes: ThreadChanges, now_us: int, call: str) -> HeadItem:
    values: dict[str, Any] = {"parent": parent_after(head.parent, changes, owner=head.user_id)}
    if changes.user_id is not msgspec.UNSET:
        values["user_id"] = changes.user_id
    if changes.title is not msgspec.UNSET:
        values |= {"title": changes.title, "title_turn": changes.title_turn}
    if changes.metadata is not msgspec.UNSET:
        kept = metadata_after(msgspec.json.decode(head.metadata), changes.metadata)
        values["metadata"] = msgspec.json.encode(kept).decode()
    if changes.archived is not msgspec.UNSET:
        values["archived"] = changes.archived
    if changes.tags is not msgspec.UNSET:
        values["tags"] = changes.tags
    updated_us = changed_after(changes, now_us, updated_us=int(head.updated_us))
    edits = edits_after(head.edits, now_us)
    return msgspec.structs.replace(head, edits=edits, updated_us=str(updated_us), call=call, **values)


async def delete(container: Container, thread_id: str, guard: Guard) -> bool:
    """Delete a thread; return False if there was none.

    The thread ends when its head becomes a tombstone. The tombstone is deleted when nothing else is left.
    """
    backoff = Backoff(container, thread_id)
    call = new_id()
    while True:
        head = await load(container, thread_id)
        if head.alive is None:
            break
        head.check_user(guard)
        head.check_state(guard)
        await directory.mark_deleted(container, head.alive)
        over = HeadItem(
            partition=head.alive.partition,
            id=HEAD_ID,
            kind="thread",
            incarnation=head.alive.incarnation,
            etag=head.alive.etag,
            life="over",
            call=call,
        )
        etag = await container.commit(over)
        if etag is not None:
            head = Head(thread_id, msgspec.structs.replace(over, etag=etag))
            break
        await backoff.wait()
    if head.item is not None and head.item.life == "over":
        await sweep(container, head.item)
        await container.delete(head.item.partition, HEAD_ID, etag=head.item.etag)
    if head.item is None or head.item.life == "over":
        await directory.remove_dead(container, thread_id)
    return head.item is not None and head.item.call == call


async def sweep(container: Container, over: HeadItem) -> None:
    """Delete the records and draft steps of a thread that was deleted, and its lease."""
    found = await container.query_all(
        over.partition,
        "(c.incarnation = @incarnation AND c.kind != 'thread') OR c.kind = 'lease'",
        {"incarnation": over.incarnation},
        fields=_SWEPT_FIELDS,
    )
    await run_all(container.delete(item.partition, item.id) for item in found)


async def rewrite(container: Container, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
    """Replace bodies, as many in one batch as it takes. Each further batch needs the thread that the last one left.

    Returns:
        The thread's `edits` after the last batch; None if there is no thread.
    """
    edits = None
    for some in _batches(change.bodies):
        part = NewBodies(some, {number: change.released_by(number) for number in some})
        written = await _rewrite(container, thread_id, part, now_us, guard)
        if written is None:
            return None
        edits = written.edits
        guard = Guard(user_id=guard.user_id, incarnation=written.incarnation, edits=edits)
        if written.is_unfinished:
            with suppress(AzureError, StorageError):  # then the next change of the thread removes the blobs
                await cutting.finish(container, written)
    return edits


async def _rewrite(
    container: Container, thread_id: str, change: NewBodies, now_us: int, guard: Guard
) -> HeadItem | None:
    """Replace bodies in one batch, and return the new head; None if there is no thread."""
    backoff = Backoff(container, thread_id)
    call = new_id()
    while True:
        head = await load(container, thread_id)
        if head.alive is not None and head.alive.call == call:
            return await _published(container, head.alive)  # the change succeeded, and its answer was lost
        head.check_user(guard)
        head.check_state(guard)
        if head.alive is None:
            return None
        edits = edits_after(head.alive.edits, now_us)
        new = msgspec.structs.replace(
            head.alive,
            edits=edits,
            rewritten=edits,
            writes=head.alive.writes + 1,
            call=call,
            is_unfinished=head.alive.is_unfinished or any(change.released.values()),
        )
        if await container.commit(new, put=await _rewritten(container, head.alive, change)) is not None:
            return await _published(container, new)
        await backoff.wait()


async def _published(container: Container, head: HeadItem) -> HeadItem:
    """Bring the directory's entry up to date, and return the head."""
    await directory.publish(container, directory.entry_of(head.info(), writes=head.writes, pending=head.writes))
    return head


async def _rewritten(container: Container, head: HeadItem, change: NewBodies) -> list[RecordItem]:
    found = await container.query_all(
        head.partition,
        "c.kind IN ('turn', 'summary') AND ARRAY_CONTAINS(@numbers, c.number)",
        {"numbers": sorted(change.bodies)},
        fields=_RECORD_FIELDS,
    )
    return [
        _with_body(item, change.bodies[item.number], change.released_by(item.number))
        for item in found
        if isinstance(item, RecordItem) and holds(head, item)
    ]


def _with_body(item: RecordItem, body: bytes, gone: Sequence[str]) -> RecordItem:
    text, data = write_body(body)
    named = zip(item.digests or (), item.uploads or (), strict=True)
    left = {digest: upload for digest, upload in named if digest not in gone}
    return msgspec.structs.replace(
        item, text=text, data=data, digests=tuple(left) or None, uploads=tuple(left.values()) or None
    )


def _batches(bodies: Mapping[int, bytes]) -> Iterator[dict[int, bytes]]:
    some: dict[int, bytes] = {}
    length = 0
    for number, body in bodies.items():
        length += len(body) * 4 // 3
        if some and (length > _BATCH_BYTES or len(some) == MAX_BATCH):
            yield some
            some, length = {}, len(body) * 4 // 3
        some[number] = body
    yield some


_RECORD_FIELDS = ", ".join(
    f"c.{field.encode_name}" for field in msgspec.structs.fields(RecordItem) if field.name not in ("text", "data")
)
