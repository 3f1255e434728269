"""Leases: an item beside the thread's records, which names the holder.

No clock of another machine is compared. Whoever wants a lease that another holder has waits until the item has stayed
unchanged for the time that it lasts, measured by the waiting process's own monotonic clock. A living holder changes the
item whenever it renews the lease. So a wall clock that is put back frees no lease and prolongs none. A lease whose
holder has died is free one lasting time after a process first met it.
"""

from __future__ import annotations

import time

from recuerda.cosmos.container import Container
from recuerda.cosmos.heads import Head
from recuerda.cosmos.items import HEAD_ID, LEASE_ID, HeadItem, LeaseItem, thread_partition
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.operations import Guard


async def take(container: Container, thread_id: str, holder: str, lasts_us: int, guard: Guard) -> bool:
    """Take or renew the lease of a thread. Return False if another holder has it."""
    partition = thread_partition(thread_id)
    values = {"head": HEAD_ID, "lease": LEASE_ID}
    items = await container.query_all(partition, "c.id = @head OR c.id = @lease", values)
    Head(thread_id, next((item for item in items if isinstance(item, HeadItem)), None)).check_user(guard)
    there = next((item for item in items if isinstance(item, LeaseItem)), None)
    wanted = LeaseItem(partition=partition, id=LEASE_ID, kind="lease", holder=holder, lasts_us=lasts_us)
    if there is not None and there.holder != holder and not _has_run_out(container, thread_id, there):
        return False
    etag = await (container.create(wanted) if there is None else container.replace(wanted, etag=there.etag))
    # A request that the SDK repeats is refused if its answer was lost.
    return etag is not None or await _held(container, thread_id, holder) is not None


async def release(container: Container, thread_id: str, holder: str) -> None:
    """Free the lease of a thread if this holder has it."""
    item = await _held(container, thread_id, holder)
    if item is not None:
        await container.delete(item.partition, item.id, etag=item.etag)


async def list_held(container: Container, limit: int) -> list[LeaseInfo]:
    """Return leases that have not ended, at most `limit`.

    A wall clock is good enough for a list that is shown: the item's time of change, in whole seconds by the service's
    clock, is compared with this machine's clock.
    """
    items = await container.query_all(None, "c.kind = 'lease'")
    now_us = time.time_ns() // 1000
    prefix = thread_partition("")
    infos = (
        LeaseInfo(
            thread_id=item.partition.removeprefix(prefix),
            left_us=min(item.lasts_us, (item.changed_s + 1) * 1_000_000 + item.lasts_us - now_us),
        )
        for item in items
        if isinstance(item, LeaseItem)
    )
    return [info for info in infos if info.left_us > 0][:limit]


async def _held(container: Container, thread_id: str, holder: str) -> LeaseItem | None:
    """Return the lease of a thread if this holder has it."""
    items = await container.query_all(thread_partition(thread_id), "c.id = @lease", {"lease": LEASE_ID})
    return next((item for item in items if isinstance(item, LeaseItem) and item.holder == holder), None)


def _has_run_out(container: Container, thread_id: str, item: LeaseItem) -> bool:
    now_s = time.monotonic()
    etag, since_s = container.leases.get(thread_id) or ("", now_s)
    if etag != item.etag:
        container.leases.note(thread_id, (item.etag, now_s))
        return False
    return now_s - since_s >= item.lasts_us / 1_000_000
