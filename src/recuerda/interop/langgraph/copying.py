"""The records of a thread, for a copy of it under another id."""

from __future__ import annotations

from msgspec import structs

from recuerda.interop.langgraph.records import CheckpointRecord, Entry, decode_body, encode_body
from recuerda.storage import NewTurn, ThreadSlice


def copied_turns(found: ThreadSlice, thread_id: str) -> list[NewTurn]:
    """Return the turns of a thread, to be appended to an empty thread.

    Checkpoints name other records by their numbers. The copy's records have the numbers 1, 2, 3 and so on.

    Raises:
        CorruptTurn: a record cannot be read.
    """
    records = [record for record in found.records if record.kind == "turn"]
    numbers = {0: 0} | {record.number: place for place, record in enumerate(records, 1)}
    if all(number == place for number, place in numbers.items()):
        return [record.as_new_turn() for record in records]
    turns: list[NewTurn] = []
    for record in records:
        body = decode_body(record, thread_id)
        turn = record.as_new_turn()
        if isinstance(body.kept, CheckpointRecord):
            turn = structs.replace(turn, body=encode_body(_renumbered(body.kept, numbers), body.messages))
        turns.append(turn)
    return turns


def _renumbered(kept: CheckpointRecord, numbers: dict[int, int]) -> CheckpointRecord:
    entries: dict[str, Entry] = {
        channel: structs.replace(entry, base=numbers[entry.base]) for channel, entry in kept.entries.items()
    }
    return structs.replace(kept, at={name: numbers[number] for name, number in kept.at.items()}, entries=entries)
