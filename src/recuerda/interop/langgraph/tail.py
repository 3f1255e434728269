"""The end of a thread, as far as the next checkpoint needs it, kept in step with the storage.

A tail is read once. Later reads fetch only new records, also those of other processes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from msgspec import structs

from recuerda.interop.langgraph.log import Log
from recuerda.interop.langgraph.others import OtherTurn
from recuerda.interop.langgraph.records import Body, CheckpointRecord, Key, WritesRecord, decode_body
from recuerda.interop.langgraph.states import State, next_state
from recuerda.interop.langgraph.values import Values
from recuerda.storage import Appended, ThreadInfo, ThreadSlice, TurnRecord, Version

_STATES = 4
"""The number of states that are held for one thread: the graph's, those of its subgraphs, and a fork's."""


class Tail:
    """The end of a thread.

    Attributes:
        thread_id: the thread's id.
        info: the thread at the last read or append; None if it does not exist.
        newest: the newest checkpoint of each namespace.
        writes: the writes of these checkpoints, and of checkpoints that are not known yet.
        serial: the highest serial number of a checkpoint.
        others: the turns of other programs whose messages the newest checkpoint of the graph does not have.
    """

    def __init__(self, thread_id: str, found: ThreadSlice, log: Log) -> None:
        self.thread_id = thread_id
        self.info: ThreadInfo | None = found.info
        self.newest: dict[str, str] = log.newest
        self.writes: dict[Key, list[WritesRecord]] = {
            key: list(records)
            for key, records in log.writes.items()
            if key not in log.checkpoints or self.newest[key[0]] == key[1]
        }
        self.serial: int = log.serial
        self.others: list[OtherTurn] = log.others_after(log.checkpoints.get(("", self.newest.get("", ""))))
        self._states: OrderedDict[Key, State] = OrderedDict()

    @property
    def version(self) -> Version | int:
        """The version of the thread at the last read or append."""
        return 0 if self.info is None else self.info.version

    @property
    def revision(self) -> int:
        """The revision of the thread at the last read or append."""
        return 0 if self.info is None else self.info.revision

    def state(self, key: Key) -> State | None:
        """Return the state of a checkpoint, if it is held."""
        state = self._states.get(key)
        if state is not None:
            self._states.move_to_end(key)
        return state

    def hold(self, key: Key, state: State) -> None:
        """Hold the state of a checkpoint."""
        self._states[key] = state
        self._states.move_to_end(key)
        if len(self._states) > _STATES:
            self._states.popitem(last=False)

    def take(self, info: ThreadInfo, records: Iterable[TurnRecord], values: Values) -> bool:
        """Take the records that are new. Return False if the thread has to be read anew.

        Raises:
            CorruptTurn: a record cannot be read.
        """
        self.info = info
        for record in records:
            if record.kind in ("undo", "trim"):
                return False
            if record.kind == "turn":
                self._add(record, decode_body(record, self.thread_id), values)
        return True

    def put(self, appended: Appended, state: State | None, kept: CheckpointRecord | WritesRecord) -> bool:
        """Take a record that was appended. Return False if the thread has to be read anew.

        Args:
            appended: the outcome of the append.
            state: the state after a checkpoint; None for writes.
            kept: the checkpoint or the writes.
        """
        if appended.replayed or self.info is None or appended.revision != self.revision + 1:
            return False
        self.info = structs.replace(self.info, revision=appended.revision, record_id=appended.record.id)
        if isinstance(kept, WritesRecord):
            self.writes.setdefault(kept.key, []).append(kept)
        else:
            self._follow(kept, appended.revision, state)
        return True

    def _add(self, record: TurnRecord, body: Body, values: Values) -> None:
        kept = body.kept
        if kept is None and body.messages:
            self.others.append(OtherTurn(record.number, record.id, body.messages))
        elif isinstance(kept, WritesRecord):
            self.writes.setdefault(kept.key, []).append(kept)
        elif kept is not None and kept.id and not kept.is_hidden:
            before = self._states.get((kept.ns, kept.parent or ""))
            self._follow(kept, record.number, next_state(before, record.number, kept, body.messages, values))

    def _follow(self, kept: CheckpointRecord, number: int, state: State | None) -> None:
        self.serial = max(self.serial, kept.serial)
        key, parent = kept.key, kept.parent
        ns, checkpoint_id = key
        if not ns:
            self.others = [turn for turn in self.others if turn.number > kept.through(number)]
        former = self.newest.get(ns)
        if former is not None and former != checkpoint_id:
            self.writes.pop((ns, former), None)
        if parent is not None and parent == former:
            self._states.pop((ns, parent), None)
        self.newest[ns] = checkpoint_id
        if state is not None:
            self.hold(key, state)
