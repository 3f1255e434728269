"""A checkpoint that LangGraph puts, before it is a record."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from langchain_core.messages import HumanMessage, convert_to_messages
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata

from recuerda.interop.langgraph.places import Place, check_no_race
from recuerda.interop.langgraph.records import CheckpointRecord, Key
from recuerda.interop.langgraph.states import Changes, State
from recuerda.interop.langgraph.tail import Tail
from recuerda.interop.langgraph.values import Values
from recuerda.messages.message import ChatMessage, Turn
from recuerda.threads.history import title_of

_INPUT_CHANNEL = "__start__"
_OWN_FIELDS = ("id", "channel_values", "channel_versions")


class NewCheckpoint(NamedTuple):
    """A new checkpoint.

    Attributes:
        place: its thread, its namespace and its parent.
        checkpoint: the whole state.
        metadata: the metadata to store.
        new_versions: the channels that the checkpoint changed, with their versions.
    """

    place: Place
    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    new_versions: ChannelVersions

    @property
    def key(self) -> Key:
        """The namespace and the id."""
        return self.place.ns, self.checkpoint["id"]

    def check_no_race(self, tail: Tail) -> None:
        """Check that the checkpoint follows the one that its run read as the newest one; see `places.check_no_race`."""
        newest = tail.newest.get(self.place.ns)
        check_no_race(self.place, newest, step=self.metadata.get("step"), revision=tail.revision)

    def through(self, tail: Tail, before: State | None) -> int:
        """Return the number up to which the state has the turns of other programs.

        A branch has no turn that was added after the checkpoint at which it begins, and does not get it later.
        """
        if self.place.seen is not None:
            return self.place.seen.through
        if before is None:
            return tail.revision if self.place.checkpoint_id is not None or tail.newest else 0
        is_branch = tail.newest.get(self.place.ns) != before.record.id
        return tail.revision if is_branch else before.through

    def record(self, changes: Changes, values: Values, *, serial: int, later: int) -> CheckpointRecord:
        """Return the record that holds what the checkpoint changed.

        Raises:
            EncodeError: a value cannot be stored.
        """
        channel_values = self.checkpoint["channel_values"]
        versions = self.checkpoint["channel_versions"]
        for channel, version in versions.items():
            changes.add(channel, version, channel_values, is_new=channel in self.new_versions)
        fields: dict[str, Any] = {name: value for name, value in self.checkpoint.items() if name not in _OWN_FIELDS}
        return CheckpointRecord(
            id=self.checkpoint["id"],
            ns=self.place.ns,
            parent=self.place.parent,
            fields=values.encode(fields, "checkpoint"),
            versions=dict(versions),
            metadata=values.encode(dict(self.metadata), "metadata"),
            serial=serial,
            at=changes.at,
            entries=changes.entries,
            later=0 if self.place.ns else later,
        )

    def title(self, channel: str | None) -> str | None:
        """Return a title for a thread that begins with this checkpoint: the start of the first person's message.

        Args:
            channel: the channel that has the messages. The first checkpoint has them only in the graph's input.
        """
        given = self.checkpoint["channel_values"].get(_INPUT_CHANNEL)
        if self.place.parent is not None or self.place.ns or channel is None or not isinstance(given, dict):
            return None
        try:
            messages = convert_to_messages(cast("dict[str, Any]", given).get(channel) or [])
        except (ValueError, TypeError, NotImplementedError):
            return None
        people = [ChatMessage("user", message.text) for message in messages if isinstance(message, HumanMessage)]
        return title_of(Turn(messages=tuple(people)))
