"""The deletion of single checkpoints from a thread.

A storage deletes a thread's oldest turns or its last one, but no turn in between. So the body of a deleted checkpoint
is replaced, in one atomic step for the whole thread. An entry that a later checkpoint still needs stays. Empty records
at the start of the thread are then deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import structs

from recuerda.errors import ThreadConflict
from recuerda.interop.langgraph.log import Log
from recuerda.interop.langgraph.records import (
    Body,
    CheckpointRecord,
    Key,
    WritesRecord,
    encode_body,
)
from recuerda.interop.langgraph.values import Values
from recuerda.storage import Storage, ThreadInfo

_MAX_TRIES = 8
_COUNTERS = "counters_since_delta_snapshot"
_NOTHING = Body([])


async def forget(
    storage: Storage, thread_id: str, is_deleted: Callable[[CheckpointRecord], bool] | None, values: Values
) -> None:
    """Delete checkpoints of a thread with their writes.

    Args:
        storage: the storage.
        thread_id: the thread. A thread that does not exist is left alone.
        is_deleted: tells whether a checkpoint is deleted; None keeps the newest one of each namespace.
        values: reads the metadata.

    Raises:
        ThreadConflict: the thread kept changing; nothing was deleted.
        CorruptTurn: a record cannot be read.
    """
    for tries_left in reversed(range(_MAX_TRIES)):
        found = await storage.read(thread_id)
        if found.info is None:
            return
        log = Log((record for record in found.records if record.kind == "turn"), thread_id)
        try:
            await _forget(storage, found.info, log, _kept_keys(log, is_deleted), values)
        except ThreadConflict:
            if not tries_left:
                raise
        else:
            return


async def _forget(storage: Storage, info: ThreadInfo, log: Log, kept: set[Key], values: Values) -> None:
    if kept == log.checkpoints.keys():
        return
    hidden = set(_replayed(log, kept, values)) - kept
    cut = _Cut(kept, hidden, _needed(log, kept | hidden))
    left = {number: _left(body, log, cut) for number, body in log.bodies.items()}
    first = next((number for number, body in left.items() if body.kept is not None or body.messages), None)
    if first is None:
        await storage.delete(info.id, expected=info.version)
        return
    changed = {number: body for number, body in left.items() if body is not log.bodies[number]}
    bodies = {number: encode_body(body.kept, body.messages) for number, body in changed.items()}
    edits = await storage.rewrite(info.id, bodies, expected=info.version)
    kept_turns = sum(number >= first for number in log.bodies)
    if kept_turns < len(log.bodies) and edits is not None:
        await storage.trim(info.id, keep_turns=kept_turns, expected=structs.replace(info.version, edits=edits))


def _kept_keys(log: Log, is_deleted: Callable[[CheckpointRecord], bool] | None) -> set[Key]:
    if is_deleted is None:
        return set(log.newest.items())
    return {key for key, serial in log.checkpoints.items() if not is_deleted(log.checkpoint(serial))}


def _replayed(log: Log, kept: Iterable[Key], values: Values) -> Iterable[Key]:
    """Yield the checkpoints whose writes a delta channel of a kept checkpoint replays."""
    for key in kept:
        metadata = values.decode(log.checkpoint(log.checkpoints[key]).metadata)
        missing = set(cast("Mapping[str, Any]", metadata.get(_COUNTERS) or {}))
        for above, serial in log.ancestors(key):
            if not missing:
                break
            yield above
            missing -= log.channel_values(serial, values, missing).keys()


def _needed(log: Log, kept: Iterable[Key]) -> set[tuple[int, str]]:
    """Return the entries, by serial number and channel, that the kept checkpoints need."""
    needed: set[tuple[int, str]] = set()
    for key in kept:
        serial = log.find(key) or 0
        for channel, place in log.checkpoint(serial).at.items():
            for link, _ in log.chain(place, channel):
                if (link, channel) in needed:
                    break
                needed.add((link, channel))
    return needed


class _Cut(NamedTuple):
    """What stays of a log: checkpoints, checkpoints that are hidden, and entries by serial number and channel."""

    kept: set[Key]
    hidden: set[Key]
    needed: set[tuple[int, str]]


def _left(body: Body, log: Log, cut: _Cut) -> Body:
    """Return what is left of a record, which is the same object if all of it stays."""
    record = body.kept
    if record is None or record.key in cut.kept:
        return body
    if isinstance(record, WritesRecord):
        is_deleted = record.key in log.checkpoints or record.key in log.hidden
        return _NOTHING if is_deleted and record.key not in cut.hidden else body
    entries = {channel: entry for channel, entry in record.entries.items() if (record.serial, channel) in cut.needed}
    messages: list[Any] = body.messages if any(_shows(entry.added) for entry in entries.values()) else []
    if record.key in cut.hidden:
        return Body(messages, structs.replace(record, is_hidden=True))
    return (
        Body(messages, CheckpointRecord(id="", ns=record.ns, serial=record.serial, entries=entries))
        if entries
        else _NOTHING
    )


def _shows(added: list[Any] | msgspec.UnsetType) -> bool:
    return any(isinstance(item, dict) and "$m" in cast("dict[str, Any]", item) for item in added or ())
