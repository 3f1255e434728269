"""Conversations for the tests of recall: said on a storage, asked of a provider."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from recuerda import ChatMessage, NewTurn, Storage, Turn
from recuerda.messages.codec import encode_turn
from recuerda.storage.records import to_microseconds

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)


def clock() -> int:
    """Say that it is noon on 20 May 2026."""
    return to_microseconds(NOW)


def person(name: str, text: str) -> ChatMessage:
    """Return what somebody says among people."""
    return ChatMessage("user", text, author_name=name)


def pair(question: str, answer: str = "I see.") -> tuple[ChatMessage, ChatMessage]:
    """Return what a user says to an assistant, and the reply."""
    return ChatMessage("user", question), ChatMessage("assistant", answer)


async def say(
    storage: Storage,
    thread_id: str,
    *messages: ChatMessage,
    user: str | None = "ana",
    at: datetime | None = None,
    turn_id: str | None = None,
) -> int:
    """Append one turn, and return its number."""
    turn = NewTurn(
        id=turn_id,
        body=encode_turn(Turn(messages=messages)),
        message_count=len(messages),
        created_us=None if at is None else to_microseconds(at),
    )
    return (await storage.append(thread_id, turn, user_id=user)).revision


async def say_all(storage: Storage, thread_id: str, turns: Sequence[Sequence[ChatMessage]], at: datetime) -> None:
    """Append turns that were said at one time."""
    for messages in turns:
        await say(storage, thread_id, *messages, at=at)


def holds_bytes(folder: Path, data: bytes) -> bool:
    """Say whether an index in a folder, or one of its companions, has these bytes."""
    return any(data in file.read_bytes() for file in folder.glob("memory.recall.db*"))
