"""LangGraph's checkpointer over any storage."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from threading import Lock
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
    get_checkpoint_metadata,
)
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from msgspec import structs

from recuerda.agent.background import run_in_background
from recuerda.errors import ConfigurationError, CorruptTurn, InvalidInput, ThreadConflict
from recuerda.interop.langgraph.forgetting import forget
from recuerda.interop.langgraph.life import ClosedBothWays
from recuerda.interop.langgraph.log import Log, position_of
from recuerda.interop.langgraph.others import joined, origin, spoken
from recuerda.interop.langgraph.places import ORIGIN, Place, Seen, config_of, place_of
from recuerda.interop.langgraph.putting import NewCheckpoint
from recuerda.interop.langgraph.records import (
    CheckpointRecord,
    WritesRecord,
    checkpoint_record_id,
    encode_body,
    writes_record_id,
)
from recuerda.interop.langgraph.states import Changes, State
from recuerda.interop.langgraph.tail import Tail
from recuerda.interop.langgraph.tuples import add_origin, checkpoint_tuple, delta_history
from recuerda.interop.langgraph.values import Values
from recuerda.storage import Appended, NewTurn, Storage, ThreadInfo, ThreadSlice, TurnRecord

_MAX_TRIES = 16
_HELD_THREADS = 64
_STRATEGIES = ("keep_latest", "delete")


class RecuerdaSaver(ClosedBothWays, BaseCheckpointSaver[int]):
    """Keep the checkpoints of a graph in a storage, each as what it changed.

    The methods without an `a` in front run in an event loop of their own, so they can be called anywhere except in code
    that this loop itself runs. One saver can be used by any number of graphs, threads and event loops.

    Args:
        storage: the storage, or its URL. The saver closes a storage that it opened by a URL.
        allowed_types: classes of your own that may be made again when they are read, for example a Pydantic model in
            the state. LangGraph's and LangChain's own classes are allowed. A value of any other class is refused when
            it is put.
        serde: another serializer instead of the strict one. With a serializer of another class than
            `JsonPlusSerializer`, all values are stored in its form, and other readers see no messages.
        messages_channel: the channel whose messages the thread shows to every reader; None for no channel.
        user_key: the key in a config's `configurable` that has the user to whom the thread belongs; None for no key.
    """

    def __init__(
        self,
        storage: Storage | str,
        *,
        allowed_types: Collection[type | tuple[str, ...]] = (),
        serde: SerializerProtocol | None = None,
        messages_channel: str | None = "messages",
        user_key: str | None = "user_id",
    ) -> None:
        if serde is not None and allowed_types:
            raise ConfigurationError("give allowed_types or serde: the classes that a serializer allows are its own")
        super().__init__(serde=serde or JsonPlusSerializer(allowed_msgpack_modules=tuple(allowed_types) or None))
        self._open(storage)
        self._messages_channel = messages_channel
        self._user_key = user_key
        self._tails: OrderedDict[str, Tail] = OrderedDict()
        self._mutex = Lock()

    # -- reading -------------------------------------------------------------------------------------------------------

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return a checkpoint with its pending writes; None if there is none. This is one trip to the storage.

        For the newest checkpoint of a thread that the saver holds, only new records are read.
        """
        place = self._place(config)
        values = self._values()
        async with self._lock(place.thread_id):
            tail, log = await self._read(place, values)
            newest = tail.newest.get(place.ns)
            if newest is None and place.checkpoint_id in (None, ORIGIN):
                return self._origin(place, tail)
            key = (place.ns, place.checkpoint_id or newest or "")
            state, writes = tail.state(key), tail.writes.get(key, [])
            if state is None or key[1] != newest:
                log = log or await self._log(place)
                if (serial := log.checkpoints.get(key)) is None:
                    return None
                state, writes = State.of_log(log, serial, values), log.writes.get(key, [])
                tail.hold(key, state)
            seen = Seen(tail.revision, state.through) if place.checkpoint_id is None else None
            found = checkpoint_tuple(place.thread_id, state, writes, values, seen)
            return found if seen is None else self._joined(place, tail, found)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, of each thread the newest first.

        Args:
            config: the thread; with `checkpoint_ns` only this namespace, with `checkpoint_id` only this checkpoint.
                None yields the checkpoints of all threads of the storage.
            filter: values that the metadata must have.
            before: only checkpoints with a lower id than this config's checkpoint.
            limit: the largest number of checkpoints to yield.

        Raises:
            CorruptTurn: a record of the thread cannot be read.
        """
        left = limit
        async for place in self._places(config):
            wanted = None if config is None else config.get("configurable", {}).get("checkpoint_ns")
            try:
                log = await self._log(place)
            except CorruptTurn:
                if config is not None:
                    raise
                continue  # another program's thread, whose records have another form
            for found in self._found(place, log, wanted, filter, before):
                if left is not None:
                    if left <= 0:
                        return
                    left -= 1
                yield found

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Return the writes to delta channels since their last stored value. This is one read of the thread."""
        if not channels:
            return {}
        place = self._place(config)
        log = await self._log(place)
        newest = log.newest.get(place.ns, "")
        key = (place.ns, place.checkpoint_id or newest)
        found = delta_history(log, key, channels, self._values())
        if not place.ns and self._messages_channel in found:
            add_origin(found[self._messages_channel], log, key)
        return found

    # -- writing -------------------------------------------------------------------------------------------------------

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint in one append, and return the config that names it. Putting it again changes nothing.

        Raises:
            ThreadConflict: the run began at the newest checkpoint, and another run has put one since. Nothing was
                written. Invoke the graph again.
            ThreadOwnershipError: the thread belongs to another user.
            EncodeError: a value cannot be stored.
        """
        place = self._place(config)
        new = NewCheckpoint(place, checkpoint, get_checkpoint_metadata(config, metadata), new_versions)
        values = self._values()
        async with self._lock(place.thread_id):
            for tries_left in reversed(range(_MAX_TRIES)):
                tail = self._held(place.thread_id) or (await self._read(place, values))[0]
                if tail.newest.get(place.ns) == checkpoint["id"]:
                    break
                try:
                    await self._put(new, tail, values)
                    break
                except ThreadConflict:
                    if not tries_left:
                        raise
                # Another writer came first. The new records tell whether that was another run of the graph.
                tail, _ = await self._read(place, values)
                new.check_no_race(tail)
        return config_of(place.thread_id, new.key, place.seen)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store what a task wrote, in one append. It survives a crash before the next checkpoint.

        Raises:
            ThreadOwnershipError: the thread belongs to another user.
            EncodeError: a value cannot be stored.
        """
        place = self._place(config)
        values = self._values()
        record = WritesRecord(
            id=place.checkpoint_id or "",
            ns=place.ns,
            task=task_id,
            path=task_path,
            writes=[
                (position_of(channel, i), channel, values.encode(value, f"writes[{i}].{channel}"))
                for i, (channel, value) in enumerate(writes)
            ],
        )
        turn = NewTurn(body=encode_body(record, []), message_count=1, id=writes_record_id(record))
        async with self._lock(place.thread_id):
            appended = await self.storage.append(place.thread_id, turn, user_id=place.user_id)
            tail = self._held(place.thread_id)
            if tail is not None and appended.created:
                self._drop(place.thread_id)
            elif tail is not None:
                tail.put(appended, None, record)

    # -- deleting and copying ------------------------------------------------------------------------------------------

    async def adelete_thread(self, thread_id: str) -> None:
        """Delete a thread with all its checkpoints, writes and subgraphs, and with the turns of other programs."""
        async with self._lock(thread_id):
            self._drop(thread_id)
            await self.storage.delete(thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Delete the checkpoints of runs with their writes. This reads all threads of the storage."""
        runs = set(run_ids)
        if not runs:
            return
        async for info in self.storage.threads():
            with suppress(CorruptTurn):  # another program's thread, whose records have another form
                await self._forget(info.id, lambda record: self._run_of(record) in runs)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy a thread with all its checkpoints, writes and subgraphs, under the same user.

        A copy that was interrupted is continued by the same call.

        Raises:
            ThreadConflict: the target thread already has other records.
        """
        found = await self.storage.read(source_thread_id)
        if found.info is None:
            return
        turns = [record.as_new_turn() for record in _turns(found)]
        there = await self.storage.read(target_thread_id)
        ids = [record.id for record in there.records]
        if ids != [turn.id for turn in turns[: len(ids)]]:
            raise ThreadConflict(target_thread_id, expected=0, actual=len(ids))
        async with self._lock(target_thread_id):
            self._drop(target_thread_id)
            await self.storage.append_all(
                target_thread_id, turns, user_id=found.info.user_id, title=found.info.title_of_first(found.records)
            )

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Delete the older checkpoints of threads.

        Args:
            thread_ids: the threads.
            strategy: "keep_latest" keeps the newest checkpoint of each namespace, with its writes. "delete" deletes the
                threads.

        Raises:
            InvalidInput: there is no such strategy.
        """
        if strategy not in _STRATEGIES:
            raise InvalidInput(f"strategy must be 'keep_latest' or 'delete', not {strategy!r}")
        for thread_id in thread_ids:
            if strategy == "delete":
                await self.adelete_thread(thread_id)
            else:
                await self._forget(thread_id, None)

    # -- the same, for callers without an event loop -------------------------------------------------------------------

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return run_in_background(self.aget_tuple(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        async def collect() -> Sequence[CheckpointTuple]:
            return [found async for found in self.alist(config, filter=filter, before=before, limit=limit)]

        yield from run_in_background(collect())

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return run_in_background(self.aget_delta_channel_history(config=config, channels=channels))

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return run_in_background(self.aput(config, checkpoint, metadata, new_versions))

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        run_in_background(self.aput_writes(config, writes, task_id, task_path))

    def delete_thread(self, thread_id: str) -> None:
        run_in_background(self.adelete_thread(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        run_in_background(self.adelete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        run_in_background(self.acopy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        run_in_background(self.aprune(thread_ids, strategy=strategy))

    # -- shared by the methods above -----------------------------------------------------------------------------------

    def _place(self, config: RunnableConfig) -> Place:
        return place_of(config, user_key=self._user_key)

    def _values(self) -> Values:
        # LangGraph gives clones of the saver other serializers (`with_allowlist`).
        return Values(self.serde)

    def _lock(self, thread_id: str) -> AbstractAsyncContextManager[object]:
        return self.storage.run_lock(f"langgraph:{thread_id}")

    def _held(self, thread_id: str) -> Tail | None:
        with self._mutex:
            tail = self._tails.get(thread_id)
            if tail is not None:
                self._tails.move_to_end(thread_id)
            return tail

    def _hold(self, tail: Tail) -> None:
        with self._mutex:
            self._tails[tail.thread_id] = tail
            self._tails.move_to_end(tail.thread_id)
            if len(self._tails) > _HELD_THREADS:
                self._tails.popitem(last=False)

    def _drop(self, thread_id: str) -> None:
        with self._mutex:
            self._tails.pop(thread_id, None)

    async def _read(self, place: Place, values: Values) -> tuple[Tail, Log | None]:
        """Return the thread's tail after a read of its new records; and its log, if all of it was read."""
        tail = self._held(place.thread_id)
        after = 0 if tail is None else tail.version
        found = await self.storage.read(place.thread_id, after=after, user_id=place.user_id)
        if tail is not None and found.info is not None and found.is_continued:
            if tail.take(found.info, found.records, values):
                return tail, None
            found = await self.storage.read(place.thread_id, user_id=place.user_id)
        log = Log(_turns(found), place.thread_id)
        tail = Tail(place.thread_id, found, log)
        self._hold(tail)
        return tail, log

    async def _log(self, place: Place) -> Log:
        found = await self.storage.read(place.thread_id, user_id=place.user_id)
        return Log(_turns(found), place.thread_id)

    async def _put(self, new: NewCheckpoint, tail: Tail, values: Values) -> None:
        new.check_no_race(tail)
        place = new.place
        shown_channel = None if place.ns else self._messages_channel
        before = await self._parent(place, tail, values)
        through = new.through(tail, before)
        said = [] if shown_channel is None else spoken(turn for turn in tail.others if turn.number <= through)
        serial = tail.serial + 1
        changes = Changes(
            before, serial, values, shown_channel=shown_channel, shown_ids=[message.id for message in said]
        )
        record = new.record(changes, values, serial=serial, later=tail.revision - through)
        body = encode_body(record, changes.shown)
        appended = await self.storage.append(
            place.thread_id,
            NewTurn(body=body, message_count=max(1, len(changes.shown)), id=checkpoint_record_id(record.key)),
            expected=tail.version,
            user_id=place.user_id,
            title=new.title(self._messages_channel),
        )
        if appended.created:
            tail.info = _as_before(await self.storage.head(place.thread_id), appended)
        state = State(record, through, changes.channels)
        if not tail.put(appended, state, record):
            self._drop(place.thread_id)

    async def _parent(self, place: Place, tail: Tail, values: Values) -> State | None:
        if place.parent is None:
            return None
        state = tail.state(place.key)
        if state is not None:
            return state
        log = await self._log(place)
        serial = log.checkpoints.get(place.key)
        return None if serial is None else State.of_log(log, serial, values)

    def _origin(self, place: Place, tail: Tail) -> CheckpointTuple | None:
        """Return the checkpoint of a thread that has only turns of other programs; None if it has none."""
        if place.ns or self._messages_channel is None or not (said := spoken(tail.others)):
            return None
        seen = Seen(tail.revision, tail.revision)
        return origin(place.thread_id, said, self._messages_channel, seen if place.checkpoint_id is None else None)

    def _joined(self, place: Place, tail: Tail, found: CheckpointTuple) -> CheckpointTuple:
        """Return the newest checkpoint with what other programs have said since."""
        if place.ns or self._messages_channel is None:
            return found
        return joined(found, tail.others, self._messages_channel, Seen(tail.revision, tail.revision))

    async def _places(self, config: RunnableConfig | None) -> AsyncIterator[Place]:
        if config is not None:
            yield self._place(config)
            return
        async for info in self.storage.threads():
            yield place_of({"configurable": {"thread_id": info.id}}, user_key=None)

    def _found(
        self,
        place: Place,
        log: Log,
        ns: str | None,
        wanted: Mapping[str, Any] | None,
        before: RunnableConfig | None,
    ) -> Iterator[CheckpointTuple]:
        values = self._values()
        bound = None if before is None else before.get("configurable", {}).get("checkpoint_id")
        for key, serial in reversed(log.checkpoints.items()):
            if ns not in (None, key[0]) or place.checkpoint_id not in (None, key[1]):
                continue
            if bound is not None and key[1] >= bound:
                continue
            metadata = values.decode(log.checkpoint(serial).metadata)
            if wanted and any(metadata.get(name) != value for name, value in wanted.items()):
                continue
            state = State.of_log(log, serial, values)
            yield checkpoint_tuple(place.thread_id, state, log.writes.get(key, []), values, None)

    async def _forget(self, thread_id: str, is_deleted: Callable[[CheckpointRecord], bool] | None) -> None:
        async with self._lock(thread_id):
            self._drop(thread_id)
            await forget(self.storage, thread_id, is_deleted, self._values())

    def _run_of(self, record: CheckpointRecord) -> object:
        return self._values().decode(record.metadata).get("run_id")


def _turns(found: ThreadSlice) -> Iterator[TurnRecord]:
    return (record for record in found.records if record.kind == "turn")


def _as_before(info: ThreadInfo | None, appended: Appended) -> ThreadInfo | None:
    """Return the thread as it was before its first record; None if it has changed since."""
    is_same = info is not None and info.record_id == appended.record.id
    return structs.replace(info, revision=0, record_id="") if info is not None and is_same else None
