"""recuerda's side of a measurement: open a storage in a folder, and fill a thread fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.conversation import RawMessage, to_turns
from recuerda import NewTurn, Storage, open_storage
from recuerda.file import FileStorage
from recuerda.messages.codec import encode_turn
from recuerda.sqlite import SQLiteStorage

_CHUNK_TURNS = 5_000


def open_library(kind: str, folder: Path, *, fsync: bool = True) -> Storage:
    """Open recuerda's storage of a kind in a folder. Without `fsync`, a commit is no sync of the disk."""
    if kind == "sqlite":
        return SQLiteStorage(folder / "recuerda.db", synchronous="FULL" if fsync else "NORMAL")
    return FileStorage(folder / "threads", fsync=fsync) if kind == "file" else open_storage(f"{kind}:")


def encode(messages: list[RawMessage]) -> list[NewTurn]:
    """Return a conversation as turns that a storage can append."""
    return [NewTurn(body=encode_turn(turn), message_count=len(turn.messages)) for turn in to_turns(messages)]


async def seed(storage: Storage, thread_id: str, turns: Sequence[NewTurn]) -> None:
    """Append a history to a thread."""
    for start in range(0, len(turns), _CHUNK_TURNS):
        await storage.append_all(thread_id, turns[start : start + _CHUNK_TURNS])
