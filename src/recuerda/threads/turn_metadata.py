"""Changes to the metadata of a turn that is already in its thread, such as a person's rating of the answer.

The messages of a turn never change, and neither does the revision. The body of the turn's record is written anew, so a
handle that has read the thread reads it again, and so does an index of it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from recuerda.errors import InvalidInput
from recuerda.json_value import Json, JsonObject, to_json_object
from recuerda.messages.codec import decode_turn, encode_turn
from recuerda.messages.message import Turn
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.records import TurnRecord
from recuerda.threads.conflicts import repeated
from recuerda.threads.forking import TurnReference
from recuerda.threads.history import StoredTurn


async def update_turn(storage: Storage, thread_id: str, turn: TurnReference, changes: Mapping[str, Json]) -> JsonObject:
    """Set keys of a turn's metadata, remove the keys whose value is None, and return the metadata after the change.

    Args:
        storage: the storage, or a user's view of it.
        thread_id: the thread.
        turn: the turn, its id or its number.
        changes: the keys to set.

    Raises:
        EncodeError: a value has no JSON form.
        InvalidInput: the thread does not have the turn.
        CorruptTurn: the turn cannot be read.
        ThreadConflict: other writers changed the thread at each try.
    """
    wanted = to_json_object(changes, "metadata")
    return await repeated(lambda: _updated(storage, thread_id, turn, wanted))


async def _updated(storage: Storage, thread_id: str, turn: TurnReference, changes: JsonObject) -> JsonObject:
    found, record = await _read(storage, thread_id, turn)
    if found.info is None or record is None:
        name = turn.id if isinstance(turn, StoredTurn) else turn
        raise InvalidInput(f"thread {thread_id!r} has no turn {name!r}; see its list_turns")
    stored = decode_turn(record.body, thread_id=thread_id, number=record.number)
    changed = _changed(stored, changes)
    if changed != stored:
        await storage.rewrite(thread_id, {record.number: encode_turn(changed)}, expected=found.info.version)
    return changed.metadata or {}


async def _read(storage: Storage, thread_id: str, turn: TurnReference) -> tuple[ThreadSlice, TurnRecord | None]:
    named = turn.id if isinstance(turn, StoredTurn) else turn
    if isinstance(named, str):
        found = await storage.read(thread_id, last_turns=0, turn_id=named)
        return found, found.found
    found = await storage.read(thread_id, before=max(1, named + 1), last_turns=1)
    return found, next((record for record in found.records if record.number == named), None)


def _changed(turn: Turn, changes: JsonObject) -> Turn:
    metadata = {**(turn.metadata or {}), **changes}
    kept = {name: value for name, value in metadata.items() if value is not None}
    return msgspec.structs.replace(turn, metadata=kept or None)
