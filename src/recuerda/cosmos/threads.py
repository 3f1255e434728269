"""Functions that make threads, change their settings and delete them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from recuerda.cosmos import directory
from recuerda.cosmos.container import Backoff, Container, run_all
from recuerda.cosmos.heads import Head, describe, load, settled
from recuerda.cosmos.items import THREAD_ID, DraftItem, RecordItem, ThreadItem, thread_partition, write_body
from recuerda.ids import new_id
from recuerda.storage.records import ThreadChanges, ThreadInfo

_SWEPT_FIELDS = "c.partition, c.id, c.kind, c.incarnation, c.number, c.draft, c.step, c.turn_id, c.revision, c.base"


async def ready(container: Container, thread_id: str, head: Head, *, now_us: int, user_id: str | None) -> Head:
    """Make a thread ready for its first record or setting, so that no listing can miss it; return its state.

    Args:
        container: the container that has the thread.
        thread_id: the thread's id.
        head: the thread's state as it was read, without records.
        now_us: the time.
        user_id: the user that the thread gets if it has none.
    """
    thread = head.living
    is_new = thread is None
    if thread is None:
        thread = await _make(container, thread_id, head, now_us)
        if thread is None:
            return await load(container, thread_id)  # another writer was first
    await directory.mark(container, _entry(thread, None, user_id), is_new=is_new)
    return replace(head, thread=thread, has_leftovers=False)


async def _make(container: Container, thread_id: str, head: Head, now_us: int) -> ThreadItem | None:
    """Make and return a thread's own item, which readers do not see yet; None if another writer was first."""
    thread = ThreadItem(
        partition=thread_partition(thread_id),
        id=THREAD_ID,
        kind="thread",
        incarnation=new_id(),
        created_us=str(now_us),
    )
    if head.thread is None:
        etag = await container.create(thread)
    else:
        etag = await container.replace(thread, etag=head.thread.etag)  # all records of the old item have expired
    if etag is None:
        return None
    if head.has_leftovers:
        await sweep(container, thread_id)
    return msgspec.structs.replace(thread, etag=etag)


def _entry(thread: ThreadItem, record: RecordItem | None, user_id: str | None) -> directory.DirectoryItem:
    """Return the marked directory entry of a thread whose own item is about to change."""
    return directory.entry_of(
        describe(thread, record), changes=thread.changes, pending=thread.changes + 1, users=frozenset((user_id,))
    )


async def settle(container: Container, thread_id: str, head: Head) -> Head:
    """Copy the user and the title of the first record to the thread's own item, and return the thread's new state."""
    if head.thread is None or head.thread.is_settled or head.given is None:
        return head
    thread = settled(head.thread, head.given)
    etag = await container.replace(thread, etag=head.thread.etag)
    if etag is None:
        now = await load(container, thread_id)
        return replace(head, thread=now.thread, given=now.given)
    return replace(head, thread=msgspec.structs.replace(thread, etag=etag), given=None)


async def update(container: Container, thread_id: str, changes: ThreadChanges, now_us: int) -> ThreadInfo:
    """Change a thread's settings and return the information about it.

    Its directory entry is marked before and updated afterwards.
    """
    backoff = Backoff(container, thread_id)
    user_id = changes.user_id if isinstance(changes.user_id, str) else None
    while True:
        head = await load(container, thread_id)
        if head.revision == 0:
            head = await ready(container, thread_id, head, now_us=now_us, user_id=user_id)
        elif head.thread is not None:
            await directory.mark(container, _entry(head.thread, head.record, user_id))
        if head.thread is not None:
            thread = _changed(head, head.thread, changes, now_us)
            if await container.replace(thread, etag=head.thread.etag) is not None:
                break
        await backoff.wait()
    info = describe(thread, head.record)
    await directory.publish(container, directory.entry_of(info, changes=thread.changes, pending=thread.changes))
    return info


def _changed(head: Head, thread: ThreadItem, changes: ThreadChanges, now_us: int) -> ThreadItem:
    thread = settled(thread, head.given)
    values = {name: value for name in ("user_id", "title") if (value := getattr(changes, name)) is not msgspec.UNSET}
    if changes.metadata is not msgspec.UNSET:
        values["metadata"] = msgspec.json.encode(changes.metadata).decode()
    return msgspec.structs.replace(
        thread,
        is_set=True,
        changed_us=str(now_us),
        changed_at=head.revision,
        changes=thread.changes + 1,
        created_us=thread.created_us if head.exists else str(now_us),
        **values,
    )


async def delete(container: Container, thread_id: str) -> bool:
    """Delete a thread; return False if there was none.

    The thread ends when its own item is deleted; the rest is tidying up.
    """
    backoff = Backoff(container, thread_id)
    while True:
        head = await load(container, thread_id)
        await directory.mark_deleted(container, thread_id)
        steps = await container.query_all(thread_partition(thread_id), "c.kind = 'draft'", fields=_SWEPT_FIELDS)
        await run_all(container.delete(step.partition, step.id) for step in steps)
        if head.thread is None or await container.delete(head.thread.partition, THREAD_ID, etag=head.thread.etag):
            break
        await backoff.wait()
    await sweep(container, thread_id)
    await directory.remove_dead(container, thread_id)
    return head.exists


async def sweep(container: Container, thread_id: str) -> None:
    """Delete the records and draft steps of incarnations that have ended."""
    partition = thread_partition(thread_id)
    found = await container.query_all(partition, "c.kind != 'thread'", fields=_SWEPT_FIELDS)
    # The thread is read after the records. A thread is made before its records, so a record of the living incarnation
    # is never taken for a leftover.
    thread = (await load(container, thread_id)).thread
    living = (None, None if thread is None else thread.incarnation)
    dead = [item for item in found if isinstance(item, RecordItem | DraftItem) and item.incarnation not in living]
    await run_all(container.delete(partition, item.id) for item in dead)


async def rewrite(container: Container, thread_id: str, bodies: Mapping[int, bytes]) -> None:
    """Replace bodies, each in one atomic step. Old and new bodies mean the same, so readers may see a mixture."""
    backoff = Backoff(container, thread_id)
    left = set(bodies)
    while left:
        head = await load(container, thread_id)
        if head.thread is None:
            return
        found = await container.query_all(
            head.thread.partition,
            "c.kind IN ('turn', 'summary') AND ARRAY_CONTAINS(@numbers, c.number)",
            {"numbers": sorted(left)},
        )
        records = [item for item in found if isinstance(item, RecordItem) and head.holds(item, ("turn", "summary"))]
        left &= {item.number for item in records}

        async def one(item: RecordItem, done: set[int] = left) -> None:
            text, data = write_body(bodies[item.number])
            rewritten = msgspec.structs.replace(item, text=text, data=data)
            if await container.replace(rewritten, etag=item.etag) is not None:
                done.discard(item.number)

        await run_all(one(item) for item in records)
        if left:
            await backoff.wait()
