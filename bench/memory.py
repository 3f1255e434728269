"""The memory that threads and streams take in a process: `python -m bench.memory`.

The allocations of Python objects are counted with `tracemalloc`, so two runs give the same figures, however busy the
machine is. The bodies of the turns belong to the storage and are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Self

from recuerda import Agent, ChatMessage, ContextWindow, MemoryStorage, NewTurn, Turn
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import FunctionCallContent, FunctionResultContent
from recuerda.offline import OfflineChatClient
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.warm_histories import WarmHistories

WINDOW = 40
"""The messages of the window that is read of each thread."""

LENGTHS = (30, 300, 3_000)

Filling = Callable[[int], Turn]
"""Returns the turn with a number."""


@dataclass(frozen=True)
class HeldMessage:
    """The memory of a message in a warm handle.

    Attributes:
        name: what the messages are.
        body_bytes: the bytes of the message in the storage.
        held_bytes: the bytes that the handle takes for it.
        planned_bytes: the same, after the handle has planned a window.
        counted_bytes: the bytes that the limit for warm threads counts for it.
    """

    name: str
    body_bytes: float
    held_bytes: float
    planned_bytes: float
    counted_bytes: float


@dataclass(frozen=True)
class OpenThreads:
    """The memory of the threads that a server or an agent keeps.

    Attributes:
        opened: the number of threads that were read, one after the other.
        kept: the number of threads that are still in memory.
        limit_bytes: the limit for them.
        held_bytes: the bytes that they take.
    """

    opened: int
    kept: int
    limit_bytes: int
    held_bytes: int


def text_turn(length: int, *, end: str = "") -> Filling:
    """Return a filling of turns with a question and an answer of a length in characters."""

    def turn(number: int) -> Turn:
        text = f"{number} {'x' * length}"[: length - len(end)] + end
        return Turn(messages=(ChatMessage("user", text), ChatMessage("assistant", text)))

    return turn


def tool_turn(number: int) -> Turn:
    """Return a turn of 40 messages: a question, 19 calls of a tool with their results, and an answer."""
    messages = [ChatMessage("user", f"question {number}")]
    for call in range(19):
        call_id = f"call-{number}-{call}"
        messages.append(ChatMessage("assistant", [FunctionCallContent(call_id, "look_up", {"city": "Porto"})]))
        messages.append(ChatMessage("tool", [FunctionResultContent(call_id, "sunny, 21 degrees")]))
    return Turn(messages=(*messages, ChatMessage("assistant", "answer")))


def calls_turn(number: int) -> Turn:
    """Return a turn whose two messages have 20 calls of a tool each."""
    calls = [FunctionCallContent(f"call-{number}-{call}", "look_up", {"city": "Porto"}) for call in range(20)]
    return Turn(messages=(ChatMessage("assistant", calls), ChatMessage("assistant", calls)))


FILLINGS: dict[str, Filling] = {
    **{f"{length:,} characters": text_turn(length) for length in LENGTHS},
    "300 characters and an emoji": text_turn(300, end="🌍"),
    "300 Chinese characters": text_turn(300, end="记" * 290),
    "calls of tools and results": tool_turn,
    "20 calls of tools each": calls_turn,
}
"""The measured turns by their names."""


async def measure_messages(*, turns: int) -> list[HeldMessage]:
    """Return the memory of a message of each kind, in a thread with a number of turns."""
    return [await _measure_message(name, filling, turns) for name, filling in FILLINGS.items()]


async def _measure_message(name: str, filling: Filling, turns: int) -> HeldMessage:
    storage, window = MemoryStorage(), ContextWindow(max_messages=WINDOW)
    records = _records(filling, turns)
    messages = sum(record.message_count for record in records)
    await storage.append_all("warm-up", records[:2])
    await storage.append_all("thread", records)
    await _read(storage, "warm-up", window)  # imports, and what is made once
    store = ChatMessageStore(storage=storage, thread_id="thread")
    with Traced() as traced:
        await store.refresh()
        held = traced.size_bytes()
        store.history.window(window)
        planned = traced.size_bytes()
    return HeldMessage(
        name=name,
        body_bytes=sum(len(record.body) for record in records) / messages,
        held_bytes=held / messages,
        planned_bytes=planned / messages,
        counted_bytes=store.history.size_bytes / messages,
    )


async def _read(storage: MemoryStorage, thread_id: str, window: ContextWindow) -> None:
    store = ChatMessageStore(storage=storage, thread_id=thread_id)
    await store.refresh()
    store.history.window(window)


async def measure_handles(*, threads: int) -> float:
    """Return the bytes of a handle that was opened by its id and has read nothing."""
    agent = Agent(OfflineChatClient(), storage=MemoryStorage())
    agent.get_thread("warm-up")
    with Traced() as traced:
        handles = [agent.get_thread(f"thread-{number}") for number in range(threads)]
        return traced.size_bytes() / len(handles)


async def measure_warm(*, threads: int, limit_bytes: int, filling: Filling | None = None) -> OpenThreads:
    """Read a window of each of many threads, as a server or an agent does, and return the memory of the kept ones."""
    storage = MemoryStorage()
    records = _records(filling or text_turn(300), WINDOW // 2)
    names = [f"thread-{number}" for number in range(threads)]
    for name in names:
        await storage.append_all(name, records)
    warm = WarmHistories(limit_bytes)
    with Traced() as traced:
        for name in names:
            store = ChatMessageStore(storage=storage, thread_id=name)
            await store.refresh(ContextWindow(max_messages=WINDOW))
            warm.keep(store.history)
        held = traced.size_bytes()
    return OpenThreads(opened=threads, kept=len(warm), limit_bytes=limit_bytes, held_bytes=held)


async def measure_streams(*, streams: int) -> float:
    """Return the bytes of an agent's stream that has given its first piece, on a thread of its own."""
    agent = Agent(OfflineChatClient(), storage=MemoryStorage(), warm_bytes=0)
    await _opened(agent, "warm-up")
    with Traced() as traced:
        opened = [await _opened(agent, f"thread-{number}") for number in range(streams)]
        return traced.size_bytes() / len(opened)


async def _opened(agent: Agent, thread: str) -> AsyncIterator[object]:
    stream = agent.run_stream("Tell me of Porto.", thread=thread)
    await anext(stream)
    return stream


class Traced:
    """Count the bytes of the Python objects that were made since its start and are still there."""

    def __enter__(self) -> Self:
        gc.collect()
        tracemalloc.start()
        self._start = tracemalloc.get_traced_memory()[0]
        return self

    def __exit__(self, *_: object) -> None:
        tracemalloc.stop()

    def size_bytes(self) -> int:
        """Return the number of bytes."""
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - self._start


def _records(filling: Filling, turns: int) -> list[NewTurn]:
    made = [filling(number) for number in range(turns)]
    return [NewTurn(body=encode_turn(turn), message_count=len(turn.messages)) for turn in made]


async def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description="Measure the memory of threads.")
    parser.add_argument("--threads", type=int, default=10_000, metavar="N", help="open threads (default 10000)")
    parser.add_argument("--streams", type=int, default=1_000, metavar="N", help="open streams (default 1000)")
    parser.add_argument("--turns", type=int, default=1_000, metavar="N", help="of the warm handle (default 1000)")
    parser.add_argument("--limit", type=int, default=64_000_000, metavar="BYTES", help="for the server's threads")
    options = parser.parse_args(arguments)
    print("| a message of | stored | held | with a planned window | counted |\n|---|---:|---:|---:|---:|")
    for one in await measure_messages(turns=options.turns):
        sizes = (one.body_bytes, one.held_bytes, one.planned_bytes, one.counted_bytes)
        print(f"| {one.name} |", " | ".join(f"{size:,.0f}" for size in sizes), "|", flush=True)
    print(f"an open handle that has read nothing: {await measure_handles(threads=options.threads):,.0f} bytes")
    for name in ("300 characters", "300 characters and an emoji"):
        found = await measure_warm(threads=options.threads, limit_bytes=options.limit, filling=FILLINGS[name])
        print(
            f"a server that read {WINDOW} messages of {name} of each of {found.opened:,} threads keeps {found.kept:,} "
            f"in {found.held_bytes / 1e6:.1f} MB (limit {found.limit_bytes / 1e6:.1f} MB)",
            flush=True,
        )
    print(f"a stream of an agent: {await measure_streams(streams=options.streams):,.0f} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
