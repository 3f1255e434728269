"""What the saver returns to LangGraph: checkpoints, and the writes of delta channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from langgraph.checkpoint.base import Checkpoint, CheckpointTuple, DeltaChannelHistory, PendingWrite

from recuerda.interop.langgraph.log import Log, pending_writes
from recuerda.interop.langgraph.others import spoken
from recuerda.interop.langgraph.places import ORIGIN, Seen, config_of
from recuerda.interop.langgraph.records import Key, WritesRecord
from recuerda.interop.langgraph.states import State
from recuerda.interop.langgraph.values import Values


def checkpoint_tuple(
    thread_id: str, state: State, writes: Sequence[WritesRecord], values: Values, seen: Seen | None
) -> CheckpointTuple:
    """Return a checkpoint as LangGraph reads it.

    Args:
        thread_id: the thread.
        state: the checkpoint with the values of its channels.
        writes: the records of its pending writes.
        values: reads the values.
        seen: what the run sees, if the checkpoint was read as the newest one.
    """
    record = state.record
    checkpoint = {
        **values.decode(record.fields),
        "id": record.id,
        "channel_versions": dict(record.versions),
        "channel_values": state.channel_values(values),
    }
    return CheckpointTuple(
        config=config_of(thread_id, record.key, seen),
        checkpoint=cast("Checkpoint", checkpoint),
        metadata=values.decode(record.metadata),
        parent_config=None if record.parent is None else config_of(thread_id, (record.ns, record.parent)),
        pending_writes=pending_writes(writes, values),
    )


def delta_history(log: Log, key: Key, channels: Sequence[str], values: Values) -> dict[str, DeltaChannelHistory]:
    """Return the writes to channels since their last stored value before a checkpoint, and that value."""
    found: dict[str, DeltaChannelHistory] = {channel: {"writes": []} for channel in channels}
    missing = set(channels)
    for above, serial in [*log.ancestors(key), ((key[0], ORIGIN), 0)]:
        written = pending_writes(log.writes.get(above, []), values)
        for channel in missing:
            writes: list[PendingWrite] = [write for write in written if write[1] == channel]
            found[channel]["writes"][:0] = writes
        stored = log.channel_values(serial, values, missing) if serial else {}
        for channel, value in stored.items():
            found[channel]["seed"] = value
        missing -= stored.keys()
        if not missing:
            break
    return found


def add_origin(history: DeltaChannelHistory, log: Log, key: Key) -> None:
    """Let a channel begin with what other programs said before the graph's first run, if nothing else begins it."""
    first = next((serial for _, serial in reversed(list(log.ancestors(key)))), log.checkpoints.get(key))
    if first is not None and "seed" not in history:
        through = log.through(first)
        if said := spoken(turn for turn in log.others if turn.number <= through):
            history["seed"] = said
