"""The adapters beside the frameworks' own backends: the cost of a turn, bytes, conversations at once, writers, retries.

Run `python -m bench.interop`. A turn reads the newest 20 items, or all items, and adds a question and an answer of 300
characters, each turn with a new session, as a web request would. All backends are measured in the same run, in turn.
LangGraph has a benchmark of its own: `python -m bench.interop_langgraph`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents import RunContextWrapper, SQLiteSession
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationStore, InMemoryConversationStore
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart

from recuerda.interop.openai_agents import RecuerdaSession
from recuerda.interop.pydantic_ai import RecuerdaConversationStore
from recuerda.sqlite import SQLiteStorage

WINDOW = 20
WHOLE_TURNS = 3
LARGEST_WHOLE = 10_000
BATCH = 20
WORDS = "m" * 300


class Backend(ABC):
    """One backend in a folder of its own."""

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        self.folder.mkdir()

    @abstractmethod
    async def turn(self, thread_id: str, text: str, *, limit: int | None, turn_id: str | None = None) -> None:
        """Read the newest items, and add a question and an answer."""

    @abstractmethod
    async def texts(self, thread_id: str) -> list[str]:
        """Return the questions of a conversation."""

    @abstractmethod
    async def fill(self, thread_id: str, messages: int) -> None:
        """Add messages to a conversation."""

    async def close(self) -> None:  # noqa: B027 - a backend may hold nothing
        """Free what the backend holds."""

    def size(self) -> int:
        """Return the bytes on the disk."""
        return sum(path.stat().st_size for path in self.folder.iterdir())


class _Sessions(Backend):
    def session(self, thread_id: str, turn_id: str | None) -> Any:
        raise NotImplementedError

    async def turn(self, thread_id: str, text: str, *, limit: int | None, turn_id: str | None = None) -> None:
        session = self.session(thread_id, turn_id)
        options = {"wrapper": RunContextWrapper(None)} if isinstance(session, RecuerdaSession) else {}
        await session.get_items(limit, **options)
        await session.add_items([{"role": "user", "content": f"{text} {WORDS}"}], **options)
        await asyncio.sleep(0)
        await session.add_items([{"role": "assistant", "content": WORDS}], **options)

    async def texts(self, thread_id: str) -> list[str]:
        items = await self.session(thread_id, None).get_items()
        return [item["content"].split()[0] for item in items if item["role"] == "user"]

    async def fill(self, thread_id: str, messages: int) -> None:
        session = self.session(thread_id, None)
        for number in range(messages // 2):
            pair = [{"role": "user", "content": f"{number} {WORDS}"}, {"role": "assistant", "content": WORDS}]
            await session.add_items(pair)


class TheirSessions(_Sessions):
    """The session of the OpenAI Agents SDK on SQLite."""

    name = "SQLiteSession"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._opened: dict[str, SQLiteSession] = {}

    def session(self, thread_id: str, turn_id: str | None) -> Any:
        # A session holds a connection, so a program keeps it.
        if thread_id not in self._opened:
            self._opened[thread_id] = SQLiteSession(thread_id, self.folder / "sessions.db")
        return self._opened[thread_id]

    async def close(self) -> None:
        for session in self._opened.values():
            session.close()


class OurSessions(_Sessions):
    """`RecuerdaSession` on SQLite."""

    name = "RecuerdaSession"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._storage = SQLiteStorage(self.folder / "threads.db")

    def session(self, thread_id: str, turn_id: str | None) -> Any:
        return RecuerdaSession(thread_id, self._storage, turn_id=turn_id)

    async def close(self) -> None:
        await self._storage.close()


def _pair(text: str) -> list[ModelMessage]:
    return [ModelRequest(parts=[UserPromptPart(f"{text} {WORDS}")]), ModelResponse(parts=[TextPart(WORDS)])]


class TheirConversations(Backend):
    """Pydantic AI's store in memory."""

    name = "InMemoryConversationStore"
    store: ConversationStore

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.store = InMemoryConversationStore()

    async def turn(self, thread_id: str, text: str, *, limit: int | None, turn_id: str | None = None) -> None:
        conversation = await self.store.load(thread_id, limit=limit) or Conversation(conversation_id=thread_id)
        await asyncio.sleep(0)
        conversation.messages = [*conversation.messages, *_pair(text)]
        await self.store.save(conversation)

    async def fill(self, thread_id: str, messages: int) -> None:
        for start in range(0, messages, BATCH):
            conversation = await self.store.load(thread_id, limit=1) or Conversation(conversation_id=thread_id)
            pairs = [_pair(f"{number}") for number in range(min(BATCH, messages - start) // 2)]
            conversation.messages = [*conversation.messages, *(message for pair in pairs for message in pair)]
            await self.store.save(conversation)

    async def texts(self, thread_id: str) -> list[str]:
        loaded = await self.store.load(thread_id)
        parts: list[Any] = [message.parts[0] for message in loaded.messages] if loaded is not None else []
        return [str(part.content).split()[0] for part in parts if isinstance(part, UserPromptPart)]


class OurConversations(TheirConversations):
    """`RecuerdaConversationStore` on SQLite."""

    name = "RecuerdaConversationStore"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._storage = SQLiteStorage(self.folder / "threads.db")
        self.store = RecuerdaConversationStore(self._storage)

    async def close(self) -> None:
        await self._storage.close()


BACKENDS: tuple[type[Backend], ...] = (TheirSessions, OurSessions, TheirConversations, OurConversations)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.interop", description=__doc__)
    parser.add_argument("--sizes", default="10,1000,10000", help="numbers of messages before the turn")
    parser.add_argument("--turns", type=int, default=9, help="turns for each size")
    parser.add_argument("--conversations", type=int, default=200, help="conversations at once")
    parser.add_argument("--dir", help="the folder of the files; /dev/shm leaves out the disk")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        sizes = [int(size) for size in options.sizes.split(",")]
        asyncio.run(_measure(Path(folder), sizes, options.turns, options.conversations))


async def _measure(folder: Path, sizes: Sequence[int], turns: int, conversations: int) -> None:
    backends = [kind(folder) for kind in BACKENDS]
    for size in sizes:
        for backend in backends:
            await backend.fill(f"{size}", size)
    print(f"{'best milliseconds of a turn':<36}" + "".join(f"{size:>10,}" for size in sizes) + "   messages before it")
    for label, limit in ((f"newest {WINDOW}", WINDOW), ("whole", None)):
        rounds = turns if limit is not None else min(turns, WHOLE_TURNS)
        measured = [size for size in sizes if limit is not None or size <= LARGEST_WHOLE]
        costs = [await _costs(backends, f"{size}", rounds, limit) for size in measured]
        for number, backend in enumerate(backends):
            line = "".join(f"{1000 * cost[number]:>10.2f}" for cost in costs)
            print(f"{f'{backend.name}, {label}':<36}{line}")
    for backend in backends:
        size, messages = backend.size(), sum(sizes)
        started = time.perf_counter()
        await asyncio.gather(*(backend.turn(f"many {i}", "hi", limit=WINDOW) for i in range(conversations)))
        seconds = time.perf_counter() - started
        print(
            f"{backend.name}: {size / messages:,.0f} bytes for a message of {len(WORDS)} characters; {conversations} "
            f"conversations at once in {seconds:.2f} s; {await _race(backend)}; {await _retry(backend)}"
        )
        await backend.close()


async def _costs(backends: Sequence[Backend], thread_id: str, turns: int, limit: int | None) -> list[float]:
    samples: list[list[float]] = [[] for _ in backends]
    for number in range(turns):
        for backend, times in zip(backends, samples, strict=True):
            gc.collect(0)
            started = time.perf_counter()
            await backend.turn(thread_id, f"turn {number}", limit=limit)
            times.append(time.perf_counter() - started)
    return [min(times) for times in samples]


async def _race(backend: Backend) -> str:
    """Let two writers begin ten turns each at the same time."""
    refused = 0
    stored: list[str] = []
    for number in range(10):
        texts = [f"{number}.{writer}" for writer in range(2)]
        runs = [backend.turn("race", text, limit=WINDOW) for text in texts]
        for text, outcome in zip(texts, await asyncio.gather(*runs, return_exceptions=True), strict=True):
            refused += isinstance(outcome, Exception)
            stored += [text] if outcome is None else []
    found = await backend.texts("race")
    return f"of 20 turns of two writers {refused} refused, {sum(text not in found for text in stored)} lost"


async def _retry(backend: Backend) -> str:
    for _ in range(3):
        await backend.turn("retry", "again", limit=WINDOW, turn_id="request-7")
    return f"a turn that is sent three times is stored {len(await backend.texts('retry'))} times"


if __name__ == "__main__":
    main()
