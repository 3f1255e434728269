"""The documents that are stored for a turn: one for each message of the user or the assistant.

There is a document per message, not per turn, so a vector represents the words of one speaker, and a hit can name the
speaker. A document's key is derived from the position of its message, so learning a turn again changes nothing.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from recuerda.messages.message import ChatMessage
from recuerda.redis.search.scope import MemoryScope, tag
from recuerda.redis.search.words import words_of
from recuerda.redis.trips import Argument, RedisCall

MAX_TEXT = 8_000
"""The largest number of characters of a message that a document keeps."""

RETURNED = ("text", "role", "author_name", "thread_id", "turn_id", "created_us")


class RedisMemory(msgspec.Struct, frozen=True, kw_only=True):
    """A message of an earlier conversation that a search found.

    Attributes:
        text: the message's text. A very long text is cut, with a note at the end.
        role: "user" or "assistant".
        author_name: the speaker's name; None if the message had none.
        thread_id: the id of the thread that has the message.
        turn_id: the id of the turn that has the message.
        created_at: the time of the turn.
        score: orders the hits of one search; a higher score is better.
    """

    text: str
    role: str
    author_name: str | None
    thread_id: str
    turn_id: str
    created_at: datetime
    score: float


class TurnPlace(msgspec.Struct, frozen=True, kw_only=True):
    """The turn to which messages belong.

    Attributes:
        thread_id: the thread's id.
        turn_id: the turn's id.
        number: the turn's number in its thread; 0 if the thread's store does not number turns.
        created_us: the time of the turn, in microseconds since 1970.
    """

    thread_id: str
    turn_id: str
    number: int
    created_us: int


class MemoryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A message to store, and its position in the turn."""

    position: int
    role: str
    author_name: str | None
    text: str

    def write(
        self, prefix: str, scope: MemoryScope, place: TurnPlace, vector: Sequence[float] | None, model_id: str | None
    ) -> RedisCall:
        """Return the command that stores the document. Running it twice changes nothing."""
        fields: dict[str, Argument] = {
            "text": self.text,
            "words": " ".join(words_of(self.text)),
            "role": self.role,
            "author_name": self.author_name or "",
            "thread_id": place.thread_id,
            "turn_id": place.turn_id,
            "thread": tag(place.thread_id),
            "turn": tag(place.turn_id),
            "number": place.number,
            "created_us": place.created_us,
        }
        for part, value in scope.ids.items():
            fields |= {part: tag(value), f"{part}_id": value}
        if vector is not None and model_id is not None:
            fields |= vector_fields(vector, model_id)
        flat = [word for pair in fields.items() for word in pair]
        return RedisCall("HSET", (self._key(prefix, scope, place),), flat)

    def _key(self, prefix: str, scope: MemoryScope, place: TurnPlace) -> str:
        ids = scope.ids
        parts = [repr(sorted(ids.items())), place.thread_id, place.turn_id, str(self.position)]
        return f"{prefix}:{hashlib.sha256(repr(parts).encode()).hexdigest()[:40]}"


def documents_of(request: Sequence[ChatMessage], response: Sequence[ChatMessage]) -> list[MemoryDocument]:
    """Return the documents of a turn: the texts of the user's input and of the assistant's answers."""
    wanted = [(message, "user") for message in request] + [(message, "assistant") for message in response]
    return [
        MemoryDocument(position=position, role=message.role, author_name=message.author_name, text=_cut(text))
        for position, (message, role) in enumerate(wanted)
        if message.role == role and any(words_of(text := message.text))
    ]


def vector_fields(vector: Sequence[float], model_id: str) -> dict[str, Argument]:
    """Return the fields of a document that hold its vector and the id of the vector's model."""
    return {"vector": packed(vector), "model": tag(model_id)}


def packed(vector: Sequence[float]) -> bytes:
    """Return a vector in the engine's format: 32-bit little-endian floats."""
    return struct.pack(f"<{len(vector)}f", *vector)


def memory_of(fields: Mapping[str, str], score: float) -> RedisMemory:
    """Return the memory made from a document's fields."""
    created_us = fields.get("created_us", "0")
    return RedisMemory(
        text=fields.get("text", ""),
        role=fields.get("role", ""),
        author_name=fields.get("author_name") or None,
        thread_id=fields.get("thread_id", ""),
        turn_id=fields.get("turn_id", ""),
        created_at=datetime.fromtimestamp(int(created_us) // 1_000_000 if created_us.isdecimal() else 0, UTC),
        score=score,
    )


def quoted(memory: RedisMemory) -> str:
    """Return a memory as a line of JSON, so that no text can end its own quotation."""
    said: dict[str, Any] = {"said_by": memory.author_name or memory.role, "text": memory.text}
    if memory.author_name:
        said["role"] = memory.role
    at = {"time": memory.created_at.isoformat(timespec="minutes"), "thread": memory.thread_id}
    return msgspec.json.encode({**at, **said}).decode()


def _cut(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]} … [cut: the first {MAX_TEXT:,} of {len(text):,} characters]"
