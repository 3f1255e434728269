"""Two peers on the same conversation: the session of the OpenAI Agents SDK, and the history files of Agent Framework.

Both are open when the clock starts, and sync as they do by themselves. The files have no window: each load reads all.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from agent_framework import FileHistoryProvider, Message
from agents import SQLiteSession, TResponseInputItem

from bench.conversation import RawMessage
from bench.results import Handle

_ID = "thread"


class Peer(Protocol):
    """A conversation that another framework keeps."""

    async def load(self, last: int | None) -> Sequence[object]:
        """Read the newest `last` messages, or all messages."""
        ...

    async def append(self, messages: list[RawMessage]) -> None:
        """Write messages."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


class _Session:
    def __init__(self, folder: Path) -> None:
        self._session = SQLiteSession(_ID, folder / "session.db")

    async def load(self, last: int | None) -> Sequence[object]:
        return await self._session.get_items(last)

    async def append(self, messages: list[RawMessage]) -> None:
        items: list[TResponseInputItem] = [
            {"role": "user" if message["role"] == "user" else "assistant", "content": message["content"]}
            for message in messages
        ]
        await self._session.add_items(items)

    def close(self) -> None:
        self._session.close()


class _History:
    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings(action="ignore"):  # it is called experimental
            self._provider = FileHistoryProvider(folder / "history")

    async def load(self, last: int | None) -> Sequence[object]:
        messages = await self._provider.get_messages(_ID)
        return messages if last is None else messages[-last:]

    async def append(self, messages: list[RawMessage]) -> None:
        made = [Message(message["role"], [message["content"]]) for message in messages]
        await self._provider.save_messages(_ID, made)

    def close(self) -> None:
        """Nothing is open."""


def open_peers(folder: Path) -> dict[Handle, Peer]:
    """Return the peers by their names, without any message."""
    return {"openai-agents": _Session(folder), "agent-framework": _History(folder)}
