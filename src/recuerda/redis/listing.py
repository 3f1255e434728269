"""Listings of threads and of drafts: how they are read, and how they are kept up to date where a script cannot do it.

A listing is a sorted set of entries, and an index is a sorted set of ids; `scripts/listings.py` describes both. An
entry counts only while it agrees with its thread. An entry whose thread is gone or has changed is skipped and
corrected, so an outdated listing gives no wrong answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol, cast

from recuerda._events import fields
from recuerda.errors import RecuerdaError
from recuerda.redis import faults, scripts, wire
from recuerda.redis.keys import ThreadKeys
from recuerda.redis.trips import RedisCall
from recuerda.storage.drafts import DraftInfo
from recuerda.storage.hooks import WALK_PAGE
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.thread_info import ThreadInfo

SCAN_COUNT = 1000
"""The number of keys that a server scans in one command. Other commands wait during the scan."""

_log = logging.getLogger("recuerda.storage.redis")


class Run(Protocol):
    """A function that sends a command, such as `RedisStorage.run`."""

    async def __call__(self, call: RedisCall, *, is_repeatable: bool = False) -> object:
        """Send a command and return its reply."""
        ...


async def list_threads(
    run: Run, keys: ThreadKeys, *, user_id: str | None, limit: int, position: tuple[int, str] | None, is_exact: bool
) -> list[ThreadInfo]:
    """Return a page of threads, as `Storage._list` asks for.

    `is_exact` is True if an entry moves in the same step in which its thread changes. Then only the entries of expired
    threads are wrong for longer than a moment.
    """
    listing = keys.listing(user_id)
    bound = "+" if position is None else f"({wire.digits(position[0])}:{position[1]}"
    found: list[ThreadInfo] = []
    while len(found) < limit:
        wanted = limit - len(found)
        arguments = (bound, "-", "LIMIT", 0, wanted)
        reply = await run(RedisCall("ZREVRANGEBYLEX", (listing,), arguments), is_repeatable=True)
        entries = [entry.decode() for entry in cast("list[bytes]", reply)]
        infos = await asyncio.gather(*(_look_up(run, keys, _id(entry)) for entry in entries))
        wrong = [(entry, info) for entry, info in zip(entries, infos, strict=True) if _entry(info) != entry]
        found.extend(info for entry, info in zip(entries, infos, strict=True) if info and _entry(info) == entry)
        await asyncio.gather(
            *(move_entries(run, keys, entry, _entry(info)) for entry, info in wrong if info is None or not is_exact)
        )
        if len(entries) < wanted:
            break
        bound = f"({entries[-1]}"
    return found


async def walk_threads(
    run: Run, keys: ThreadKeys, *, user_id: str | None, position: str | None
) -> tuple[list[ThreadInfo], str | None]:
    """Return some threads and the position after them, as `Storage._walk` asks for.

    The position is the place of an id in the index. Ids get higher and higher places, and keep them.
    """
    start = "-inf" if position is None else f"({position}"
    call = RedisCall(scripts.NEXT_IDS, (keys.index(user_id),), (start, WALK_PAGE))
    reply = await run(call, is_repeatable=True)
    flat = cast("list[bytes]", reply)
    ids = [thread_id.decode() for thread_id in flat[::2]]
    infos = await asyncio.gather(*(_look_up(run, keys, thread_id) for thread_id in ids))
    found = [info for info in infos if info and user_id in (None, info.user_id)]
    wrong = set(ids) - {info.id for info in found}
    await asyncio.gather(*(_leave(run, keys, thread_id, user_id) for thread_id in wrong))
    return found, flat[-1].decode() if len(ids) == WALK_PAGE else None


async def enter(run: Run, keys: ThreadKeys, thread_id: str, user: str) -> None:
    """Give a thread a place in the index of all threads, and of a user's threads unless `user` is empty."""
    indexes = {keys.index(None), keys.index(user or None)}
    await asyncio.gather(
        *(run(RedisCall(scripts.ENTER_ID, (index,), (thread_id,)), is_repeatable=True) for index in indexes)
    )


async def _leave(run: Run, keys: ThreadKeys, thread_id: str, user_id: str | None) -> None:
    """Remove an id from an index. If the thread was created at this moment, its id returns."""
    await run(RedisCall("ZREM", (keys.index(user_id),), (thread_id,)), is_repeatable=True)
    info = await _look_up(run, keys, thread_id)
    if info is not None and user_id in (None, info.user_id):
        await enter(run, keys, thread_id, user_id or "")


async def list_drafts(run: Run, keys: ThreadKeys, nodes: Sequence[object]) -> list[DraftInfo]:
    """Return the entries of all threads that have a draft.

    There is no listing of drafts, because it would make every turn slower. Instead, the server scans all of its keys.
    """
    found = await asyncio.gather(*(_scan(run, keys.drafts, node) for node in nodes))
    ids = sorted({keys.thread_of(key.decode()) for keys_of_node in found for key in keys_of_node})
    infos: list[DraftInfo] = []
    for start in range(0, len(ids), WALK_PAGE):
        read = (_draft_info(run, keys, thread_id) for thread_id in ids[start : start + WALK_PAGE])
        infos += [info for info in await asyncio.gather(*read) if info is not None]
    return infos


async def _draft_info(run: Run, keys: ThreadKeys, thread_id: str) -> DraftInfo | None:
    """Return the entry of a draft; None if it has ended since its key was found."""
    thread, draft = keys.both(thread_id)
    head = cast("bytes | None", await run(RedisCall("HGET", (thread,), ("head",)), is_repeatable=True))
    first = cast("bytes | None", await run(RedisCall("HGET", (draft,), ("1",)), is_repeatable=True))
    if head is None or first is None:
        return None
    user = wire.read_head(head).user_id
    return DraftInfo(
        thread_id=thread_id, user_id=user if isinstance(user, str) else None, begun_us=wire.read_step(first).created_us
    )


async def list_leases(run: Run, keys: ThreadKeys, nodes: Sequence[object], limit: int) -> list[LeaseInfo]:
    """Return the leases that have not ended. The server scans all of its keys, as for drafts."""
    found = await asyncio.gather(*(_scan(run, keys.leases, node) for node in nodes))
    # SCAN may return a key twice.
    names = sorted({key.decode() for keys_of_node in found for key in keys_of_node})[:limit]
    left_ms: list[int] = []
    for start in range(0, len(names), WALK_PAGE):
        asked = (run(RedisCall("PTTL", (name,), ()), is_repeatable=True) for name in names[start : start + WALK_PAGE])
        left_ms += cast("list[int]", await asyncio.gather(*asked))
    return [
        LeaseInfo(thread_id=keys.thread_of(name), left_us=1000 * left)
        for name, left in zip(names, left_ms, strict=True)
        if left > 0
    ]


async def _scan(run: Run, pattern: str, node: object) -> list[bytes]:
    found: list[bytes] = []
    cursor: int | None = None
    while cursor != 0:
        call = RedisCall("SCAN", (), (cursor or 0, "MATCH", pattern, "COUNT", SCAN_COUNT), node)
        cursors, batch = cast("tuple[Any, list[bytes]]", await run(call, is_repeatable=True))
        # A cluster's client gives a dict from the node's name to the cursor.
        cursor = int(next(iter(cast("dict[str, int]", cursors).values())) if isinstance(cursors, dict) else cursors)
        found += batch
    return found


async def move_entries(run: Run, keys: ThreadKeys, old: str, new: str) -> None:
    """Replace an entry in the listing of all threads and in the listings of its users, and likewise in the indexes.

    A failure is logged and not raised: the thread itself has been changed, and reading a listing corrects it.
    """
    if old == new:
        return
    changes: dict[str, tuple[str, str]] = {keys.threads: (old, new)}
    for user in {_user(old), _user(new)} - {""}:
        changes[keys.user(user)] = (old if _user(old) == user else "", new if _user(new) == user else "")
    calls = [RedisCall(scripts.MOVE, (key,), change) for key, change in changes.items() if change[0] != change[1]]
    try:
        await asyncio.gather(*(run(call, is_repeatable=True) for call in calls), _index(run, keys, old, new))
    except (RecuerdaError, *faults.DRIVER_ERRORS) as error:
        _log.warning(
            "a listing of threads on Redis could not be brought up to date: %s",
            type(error).__name__,
            extra=fields("listing_stale", error=type(error).__name__),
        )


async def _index(run: Run, keys: ThreadKeys, old: str, new: str) -> None:
    if old and new and _user(old) == _user(new):
        return
    thread_id = _id(new or old)
    if not new:
        await _leave(run, keys, thread_id, None)
    if _user(old) and _user(old) != _user(new):
        await _leave(run, keys, thread_id, _user(old))
    if new:
        # The id is there already, unless somebody has looked for the thread just before it was created.
        await enter(run, keys, thread_id, _user(new))


async def _look_up(run: Run, keys: ThreadKeys, thread_id: str) -> ThreadInfo | None:
    call = RedisCall("HMGET", (keys.thread(thread_id),), ("head", "title", "metadata", "parent"))
    head, title, metadata, parent = cast("list[bytes | None]", await run(call, is_repeatable=True))
    return None if head is None else wire.info_of(thread_id, wire.read_head(head), title, metadata, parent)


def _entry(info: ThreadInfo | None) -> str:
    return "" if info is None else f"{wire.digits(info.updated_us)}:{info.id}\0{info.user_id or ''}"


def _id(entry: str) -> str:
    return entry.partition(":")[2].partition("\0")[0]


def _user(entry: str) -> str:
    return entry.partition("\0")[2]
