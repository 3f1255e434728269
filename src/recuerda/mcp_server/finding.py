"""Finding a memory by its id: the message in the log, with the corrections that hold for it.

A memory of another user, of another namespace, and a memory that never was give the same error.
"""

from __future__ import annotations

import msgspec

from recuerda.errors import InvalidInput
from recuerda.mcp_server.references import Place, place_of
from recuerda.mcp_server.scope import Scope
from recuerda.recall.correcting import Corrections
from recuerda.recall.following import documents_of
from recuerda.recall.forgotten import is_forgotten
from recuerda.recall.index import Document, Forgetting, Position
from recuerda.recall.memory import Memory, memory_of
from recuerda.recall.recollection import Recollection
from recuerda.storage.contract import Storage
from recuerda.storage.records import TurnRecord
from recuerda.storage.thread_info import ThreadInfo
from recuerda.threads.history import stored_turn

HOLDS = "recuerda_mcp"
"""The key in a thread's metadata for what it holds."""

MEMORIES = "memories"
"""The value of `HOLDS` for a thread of memories that were stored on purpose."""


class FoundMemory(msgspec.Struct, frozen=True, kw_only=True):
    """A memory and its origin.

    Attributes:
        place: the place of the message.
        info: its thread.
        record: the record of its turn.
        own: the message with its own words.
        position: the position of the thread in the index.
        history: the words that hold, and then the earlier words, the newest first.
    """

    place: Place
    info: ThreadInfo
    record: TurnRecord
    own: Memory
    position: Position
    history: tuple[Memory, ...]

    @property
    def words(self) -> Memory:
        """The memory with the words that hold."""
        return self.history[0]

    @property
    def is_kept_alone(self) -> bool:
        """True if the memory was stored on purpose, and is no part of a conversation."""
        return holds_memories(self.info)


def holds_memories(info: ThreadInfo) -> bool:
    """Return True if a thread holds memories that were stored on purpose."""
    return info.metadata.get(HOLDS) == MEMORIES


def no_memory(memory: str) -> InvalidInput:
    """Return the error for a memory that the connection cannot see."""
    return InvalidInput(f"there is no memory {memory[:200]!r}: recall finds memories and gives their ids")


async def find_memory(recollection: Recollection, storage: Storage, scope: Scope, memory: str) -> FoundMemory:
    """Return the memory with an id.

    Raises:
        InvalidInput: the connection can see no such memory.
    """
    place = place_of(memory)
    if place is None:
        raise no_memory(memory)
    try:
        found = await storage.read(place.thread_id, last_turns=0, turn_id=place.turn_id)
    except InvalidInput:
        raise no_memory(memory) from None
    info, record = found.info, found.found
    if info is None or record is None or not scope.may_read(info):
        raise no_memory(memory)
    document = _document(record, place)
    position = (await recollection.follow(place.thread_id)).position
    if document is None or position is None or position.scope not in scope.whose.scopes:
        raise no_memory(memory)
    turn = Forgetting.of(place.thread_id, position, document.turn, document.turn)
    if not (await recollection.index.held([turn], limit=0)).count:
        raise no_memory(memory)  # The turn was forgotten.
    own = memory_of(document, 0.0)
    corrections = Corrections(await recollection.index.corrections(position.scope))
    history = corrections.memories(0, document, 0.0, has_history=True)
    return FoundMemory(place=place, info=info, record=record, own=own, position=position, history=tuple(history))


def _document(record: TurnRecord, place: Place) -> Document | None:
    """Return the message of a memory; None if there is no such message, or its turn was forgotten."""
    if is_forgotten(stored_turn(record, place.thread_id)):
        return None
    documents = (new.document for new in documents_of(record, place.thread_id))
    return next((document for document in documents if document.position == place.position), None)
