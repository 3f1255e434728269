"""recuerda's side of a measurement: open a storage in a folder, and fill a thread fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.conversation import RawMessage, to_turns
from recuerda import NewTurn, Storage, open_storage
from recuerda.messages.codec import encode_turn

_CHUNK_TURNS = 5_000


def open_library(kind: str, folder: Path) -> Storage:
    """Open recuerda's storage of a kind in a folder."""
    urls = {"sqlite": f"sqlite:///{folder.as_posix()}/recuerda.db", "file": f"{folder.as_uri()}/threads"}
    return open_storage(urls.get(kind, f"{kind}:"))


def encode(messages: list[RawMessage]) -> list[NewTurn]:
    """Return a conversation as turns that a storage can append."""
    return [NewTurn(body=encode_turn(turn), message_count=len(turn.messages)) for turn in to_turns(messages)]


async def seed(storage: Storage, thread_id: str, turns: Sequence[NewTurn]) -> None:
    """Append a history to a thread."""
    for start in range(0, len(turns), _CHUNK_TURNS):
        await storage.append_all(thread_id, turns[start : start + _CHUNK_TURNS])
