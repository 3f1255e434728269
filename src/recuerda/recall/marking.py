"""The mark of turns that were forgotten on request.

The mark is in the metadata of the turn, in the log. So the turn stays forgotten if the index is lost, if another index
is used, and in copies and forks of its thread. The messages of the turn do not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec import structs

from recuerda.errors import CorruptTurn, DecryptionError, ThreadOwnershipError
from recuerda.messages.codec import decode_turn, encode_turn
from recuerda.recall.following import is_current, is_in_scope
from recuerda.recall.forgotten import FORGOTTEN_KEY
from recuerda.recall.index import Forgetting, Position
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.records import TurnRecord
from recuerda.threads.conflicts import repeated

_TURNS_AT_ONCE = 250


async def mark_forgotten(
    storage: Storage, forgettings: Sequence[Forgetting], position: Position | None
) -> Position | None:
    """Mark turns of one thread in the log.

    Args:
        storage: the storage of the thread.
        forgettings: the turns.
        position: the position of the thread in an index.

    Returns:
        The position at which the index is when it has forgotten the turns, too; None if it has to follow the thread.

    Raises:
        ThreadOwnershipError: the thread is not in the scope of the turns any more.
        ThreadConflict: other writers changed the thread at each try.
        StorageError: the storage failed, or cannot be written.
    """
    for forgetting in forgettings:
        before: int | None = forgetting.last + 1
        while before is not None and before > forgetting.first:
            before, position = await repeated(partial(_mark_before, storage, forgetting, before, position))
    return position


async def _mark_before(
    storage: Storage, forgetting: Forgetting, before: int, position: Position | None
) -> tuple[int | None, Position | None]:
    """Mark the last turns before a number; return the number of the first one, or None, and the new position."""
    try:
        found = await storage.read(forgetting.thread_id, before=before, last_turns=_TURNS_AT_ONCE)
    except DecryptionError:
        return None, None  # Without its key, the thread is erased.
    if found.info is None or found.info.incarnation != forgetting.incarnation:
        return None, None
    if not is_in_scope(found.info, forgetting.scope):
        raise ThreadOwnershipError(f"thread {forgetting.thread_id!r} has been given to another owner meanwhile")
    if bodies := _marked(found, forgetting):
        edits = await storage.rewrite(forgetting.thread_id, bodies, expected=found.info.version)
        if position is None or edits is None or not is_current(found.info, position):
            position = None
        else:
            position = structs.replace(position, edits=edits)
    return (found.records[0].number if found.records else None), position


def _marked(found: ThreadSlice, forgetting: Forgetting) -> dict[int, bytes]:
    """Return the bodies with the mark, by number, of the turns that do not have it yet."""
    bodies: dict[int, bytes] = {}
    for record in found.records:
        if record.kind == "turn" and record.number >= forgetting.first:
            body = _marked_body(record, forgetting.thread_id)
            if body is not None:
                bodies[record.number] = body
    return bodies


def _marked_body(record: TurnRecord, thread_id: str) -> bytes | None:
    try:
        turn = decode_turn(record.body, thread_id=thread_id, number=record.number)
    except CorruptTurn:
        return None  # A turn that cannot be read is not remembered.
    metadata = turn.metadata or {}
    if FORGOTTEN_KEY in metadata:
        return None
    return encode_turn(structs.replace(turn, metadata={**metadata, FORGOTTEN_KEY: True}))
