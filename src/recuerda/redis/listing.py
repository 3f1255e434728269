"""Listings of threads: pages out of sorted sets, and their upkeep where no script can do it. And that of drafts.

An entry counts only as long as it says what its thread says; see `scripts.py` for its form. One whose thread is gone,
or has moved on, is passed over, so a listing that is behind gives no wrong answer. Passing by, it is mended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol, cast

from recuerda.errors import RecuerdaError
from recuerda.redis import faults, scripts, wire
from recuerda.redis.keys import Keys
from recuerda.redis.trips import Call
from recuerda.storage.records import ThreadInfo

SCAN_COUNT = 1000
"""How many keys a server looks at in one command: others wait meanwhile."""

_log = logging.getLogger(__name__)


class Run(Protocol):
    """How a command is sent: `RedisStorage.run`."""

    async def __call__(self, call: Call, *, is_repeatable: bool = False) -> object:
        """Send a command and return its reply."""
        ...


async def list_threads(
    run: Run, keys: Keys, *, user_id: str | None, limit: int, position: tuple[int, str] | None, is_exact: bool
) -> list[ThreadInfo]:
    """Do `Storage._list`.

    `is_exact` tells that entries move in the same step as their threads, so that only those of expired threads are ever
    wrong for longer than a moment.
    """
    listing = keys.listing(user_id)
    bound = "+" if position is None else f"({wire.digits(position[0])}:{position[1]}"
    found: list[ThreadInfo] = []
    while len(found) < limit:
        wanted = limit - len(found)
        arguments = (bound, "-", "LIMIT", 0, wanted)
        reply = await run(Call("ZREVRANGEBYLEX", (listing,), arguments), is_repeatable=True)
        entries = [entry.decode() for entry in cast("list[bytes]", reply)]
        infos = await asyncio.gather(*(_look_up(run, keys, entry) for entry in entries))
        wrong = [(entry, info) for entry, info in zip(entries, infos, strict=True) if _entry(info) != entry]
        found.extend(info for entry, info in zip(entries, infos, strict=True) if info and _entry(info) == entry)
        await asyncio.gather(
            *(move_entries(run, keys, entry, _entry(info)) for entry, info in wrong if info is None or not is_exact)
        )
        if len(entries) < wanted:
            break
        bound = f"({entries[-1]}"
    return found


async def list_drafts(run: Run, keys: Keys, nodes: Sequence[object]) -> list[str]:
    """Return the ids of all threads that have a draft, in order.

    No listing is kept of them, which every turn would have to pay for: the server looks through all of its keys.
    """
    found = await asyncio.gather(*(_scan(run, keys.drafts, node) for node in nodes))
    return sorted({keys.thread_of_draft(key.decode()) for keys_of_node in found for key in keys_of_node})


async def _scan(run: Run, pattern: str, node: object) -> list[bytes]:
    found: list[bytes] = []
    cursor: int | None = None
    while cursor != 0:
        call = Call("SCAN", (), (cursor or 0, "MATCH", pattern, "COUNT", SCAN_COUNT), node)
        cursors, batch = cast("tuple[Any, list[bytes]]", await run(call, is_repeatable=True))
        # A cluster's client gives the cursor by the name of its node.
        cursor = int(next(iter(cast("dict[str, int]", cursors).values())) if isinstance(cursors, dict) else cursors)
        found += batch
    return found


async def move_entries(run: Run, keys: Keys, old: str, new: str) -> None:
    """Replace an entry in the listing of all threads and in those of its users.

    A failure is logged and not raised: the thread itself has been changed, and a listing mends itself.
    """
    if old == new:
        return
    changes: dict[str, tuple[str, str]] = {keys.threads: (old, new)}
    for user in {_user(old), _user(new)} - {""}:
        changes[keys.user(user)] = (old if _user(old) == user else "", new if _user(new) == user else "")
    calls = [Call(scripts.MOVE, (key,), change) for key, change in changes.items() if change[0] != change[1]]
    try:
        await asyncio.gather(*(run(call, is_repeatable=True) for call in calls))
    except (RecuerdaError, *faults.DRIVER_ERRORS) as error:
        _log.warning("A listing of threads on Redis could not be kept up to date: %s", type(error).__name__)


async def _look_up(run: Run, keys: Keys, entry: str) -> ThreadInfo | None:
    thread_id = entry.partition(":")[2].partition("\0")[0]
    call = Call("HMGET", (keys.thread(thread_id),), ("head", "title", "metadata"))
    head, title, metadata = cast("list[bytes | None]", await run(call, is_repeatable=True))
    return None if head is None else wire.info_of(thread_id, wire.read_head(head), title, metadata)


def _entry(info: ThreadInfo | None) -> str:
    return "" if info is None else f"{wire.digits(info.updated_us)}:{info.id}\0{info.user_id or ''}"


def _user(entry: str) -> str:
    return entry.partition("\0")[2]
