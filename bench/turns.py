"""The cost of a turn: load the context, append two messages durably.

All sizes are seeded first, each in its own file. A round of turns with a window then goes through every size, and for
each size through the floor, a cold handle and a warm handle, so that a slow moment of the machine affects all of them.
Turns that load the whole thread are measured one size after the other, because large sizes would dominate a round. They
stop early when a size has used its time. So do the turns of the peers.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeAlias

from bench.conversation import Conversation, RawMessage, to_turn
from bench.floors import Floor, open_floor
from bench.instructions import SETTLED_S
from bench.library import encode, open_library, seed
from bench.peers import Peer, open_peers
from bench.results import Handle, TurnCost
from recuerda import ChatMessageStore, Storage

WINDOW = 20
WHOLE_BUDGET_S = 6.0
PEER_BUDGET_S = 3.0
LEAST_ROUNDS = 3
HANDLES: tuple[Handle, ...] = ("floor", "cold", "warm")

Sample: TypeAlias = tuple[float, float]
"""The seconds of a load, and the seconds of an append."""


@dataclass
class _Bed:
    """One size, ready to be measured: a floor, a storage with one thread for each kind of handle, and the peers."""

    size: int
    floor: Floor
    storage: Storage
    talk: Conversation
    peers: dict[Handle, Peer]
    warm: dict[int | None, ChatMessageStore] = field(default_factory=dict[int | None, ChatMessageStore])

    async def turn(self, handle: Handle, window: int | None) -> Sample:
        messages = self.talk.messages(2)
        # The event loop keeps the last turn's objects until its next suspension: free them before the clock starts.
        await asyncio.sleep(0)
        if handle == "floor":
            return _time_floor(self.floor, window, messages)
        if handle in self.peers:
            return await _time_peer(self.peers[handle], window, messages)
        if handle == "cold":
            started = time.perf_counter()
            store = ChatMessageStore(storage=self.storage, thread_id="cold")
            return await _time_library(store, window, messages, started)
        store = self.warm.setdefault(window, ChatMessageStore(storage=self.storage, thread_id="warm"))
        return await _time_library(store, window, messages, time.perf_counter())

    async def close(self) -> None:
        self.floor.close()
        for peer in self.peers.values():
            peer.close()
        await self.storage.close()


async def measure_turns(
    kind: str, sizes: Sequence[int], *, rounds: int, folder: Path, fsync: bool = True, with_peers: bool = False
) -> list[TurnCost]:
    """Return the costs of turns on one kind of storage, and of the same turns with peers."""
    beds = [await _make_bed(kind, size, folder, fsync=fsync, with_peers=with_peers) for size in sizes]
    await asyncio.sleep(SETTLED_S)
    gc.collect()
    try:
        windowed = await _go_round(beds, WINDOW, rounds)
        costs: list[TurnCost] = []
        for bed in beds:
            samples = windowed[bed.size]
            for peer in bed.peers:
                samples |= (await _go_round([bed], WINDOW, rounds, handles=(peer,), budget_s=PEER_BUDGET_S))[bed.size]
            costs += costs_of(kind, bed.size, WINDOW, samples)
        for bed in beds:
            whole = await _go_round([bed], None, rounds, handles=(*HANDLES, *bed.peers), budget_s=WHOLE_BUDGET_S)
            costs += costs_of(kind, bed.size, None, whole[bed.size])
    finally:
        for bed in beds:
            await bed.close()
    return costs


async def _make_bed(kind: str, size: int, folder: Path, *, fsync: bool, with_peers: bool) -> _Bed:
    place = folder / f"{kind}-{size}"
    place.mkdir(parents=True)
    talk = Conversation(size)
    history = talk.messages(size)
    peers = open_peers(place) if with_peers else {}
    bed = _Bed(size, open_floor(kind, place, fsync=fsync), open_library(kind, place, fsync=fsync), talk, peers)
    bed.floor.seed(history)
    for peer in peers.values():
        await peer.append(history)
    turns = encode(history)
    await seed(bed.storage, "cold", turns)
    await seed(bed.storage, "warm", turns)
    return bed


async def _go_round(
    beds: Sequence[_Bed],
    window: int | None,
    rounds: int,
    *,
    handles: Sequence[Handle] = HANDLES,
    budget_s: float | None = None,
) -> dict[int, dict[Handle, list[Sample]]]:
    samples: dict[int, dict[Handle, list[Sample]]] = {bed.size: defaultdict(list) for bed in beds}
    for bed in beds:
        for handle in handles:
            await bed.turn(handle, window)
    started = time.perf_counter()
    for done in range(rounds):
        for bed in beds:
            for handle in handles:
                samples[bed.size][handle].append(await bed.turn(handle, window))
        if budget_s is not None and done + 1 >= LEAST_ROUNDS and time.perf_counter() - started > budget_s:
            break
    return samples


def _time_floor(floor: Floor, window: int | None, messages: list[RawMessage]) -> Sample:
    started = time.perf_counter()
    context = floor.load(window)
    loaded = time.perf_counter()
    floor.append(messages)
    ended = time.perf_counter()
    assert context
    return loaded - started, ended - loaded


async def _time_peer(peer: Peer, window: int | None, messages: list[RawMessage]) -> Sample:
    started = time.perf_counter()
    context = await peer.load(window)
    loaded = time.perf_counter()
    await peer.append(messages)
    ended = time.perf_counter()
    assert context
    return loaded - started, ended - loaded


async def _time_library(
    store: ChatMessageStore, window: int | None, messages: list[RawMessage], started: float
) -> Sample:
    turn = to_turn(messages)
    context = await store.list_messages(limit=window)
    loaded = time.perf_counter()
    await store.append(turn, expected=store.revision)
    ended = time.perf_counter()
    assert context
    return loaded - started, ended - loaded


def costs_of(kind: str, size: int, window: int | None, samples: dict[Handle, list[Sample]]) -> list[TurnCost]:
    """Return the medians of the samples, and their ratios to the medians of the floor."""
    medians: dict[Handle, tuple[float, float, float]] = {handle: _medians(found) for handle, found in samples.items()}
    floor_load, _, floor_turn = medians["floor"]
    return [
        TurnCost(
            storage=kind,
            messages=size,
            window=window,
            handle=handle,
            rounds=len(samples[handle]),
            load_ms=load,
            append_ms=append,
            turn_ms=turn,
            ratio=turn / floor_turn,
            load_ratio=load / floor_load,
        )
        for handle, (load, append, turn) in medians.items()
    ]


def _medians(samples: list[Sample]) -> tuple[float, float, float]:
    load = median(sample[0] for sample in samples)
    append = median(sample[1] for sample in samples)
    return load * 1e3, append * 1e3, median(sum(sample) for sample in samples) * 1e3
