"""`RecuerdaMemoryService`: the memory service of ADK, which finds messages with recall."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from hashlib import sha256

from google.adk.events.event import Event
from google.adk.memory.base_memory_service import BaseMemoryService, SearchMemoryResponse
from google.adk.memory.memory_entry import MemoryEntry
from google.adk.sessions.session import Session
from google.genai import types

from recuerda.agent.resuming import running_turn
from recuerda.ids import check_id, check_limit
from recuerda.interop.google_adk.form import dump, events_of, keep
from recuerda.interop.google_adk.places import memory_thread, namespace_of, session_thread
from recuerda.interop.own_storage import OwnStorage
from recuerda.messages.message import Turn
from recuerda.providers.embedding import Embedder
from recuerda.recall import RecallIndex, RecallProvider
from recuerda.recall.memory import Memory
from recuerda.recall.scopes import NAMESPACE_KEY
from recuerda.storage.contract import Storage
from recuerda.storage.records import NewTurn
from recuerda.threads.history import stored_turn
from recuerda.threads.new_turn import new_turn


class RecuerdaMemoryService(OwnStorage, BaseMemoryService):
    """Find what a user has said in earlier sessions of an application, with recall's ranking.

    Sessions of a `RecuerdaSessionService` on the same storage are found without being added. A search sees the memories
    of one user in one application only.

    Args:
        storage: the storage of the sessions, or its URL. A storage that was opened from a URL is closed by `close`.
        index: the index of the memories; see `RecallProvider`. A storage on a server needs one.
        embedder: turns texts into vectors, to search by meaning too; see `RecallProvider`.
        limit: the largest number of memories that a search returns.
    """

    def __init__(
        self,
        storage: Storage | str,
        *,
        index: str | os.PathLike[str] | RecallIndex | None = None,
        embedder: Embedder | None = None,
        limit: int = 10,
    ) -> None:
        self._open(storage)
        self.limit: int = check_limit(limit, "limit")
        self._index = index
        self._embedder = embedder
        self._recalls: dict[str, RecallProvider] = {}

    async def close(self) -> None:
        """Close the indexes, and the storage if the service opened it."""
        while self._recalls:
            await self._recalls.popitem()[1].close()
        await super().close()

    def recall(self, app_name: str) -> RecallProvider:
        """Return the provider that has the memories of an application."""
        if app_name not in self._recalls:
            self._recalls[app_name] = RecallProvider(
                self._index,
                namespace=namespace_of(app_name),
                storage=self.storage,
                embedder=self._embedder,
                limit=self.limit,
            )
        return self._recalls[app_name]

    async def search_memory(self, *, app_name: str, user_id: str, query: str) -> SearchMemoryResponse:
        """Return the messages that answer a query best, the best first; none if nothing that was said matters."""
        found = await self.recall(app_name).search(query, user_id=user_id, limit=self.limit)
        return SearchMemoryResponse(memories=[_entry(memory) for memory in found])

    async def add_session_to_memory(self, session: Session) -> None:
        """Keep the events of a session that is not in the storage yet.

        A session of a `RecuerdaSessionService` on the same storage is in memory already, so nothing is written.
        """
        await self.add_events_to_memory(
            app_name=session.app_name, user_id=session.user_id, events=session.events, session_id=session.id
        )

    async def add_events_to_memory(
        self,
        *,
        app_name: str,
        user_id: str,
        events: Sequence[Event],
        session_id: str | None = None,
        custom_metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Keep events of a session that the storage does not have yet. `custom_metadata` is not used."""
        known: set[str] = set()
        if session_id is not None:
            known = await self._known(session_thread(app_name, user_id, session_id), user_id)
        new = [event for event in events if event.id not in known and event.content and event.content.parts]
        turns = [_turn(event, self.storage) for event in new]
        if not turns:
            return
        # They never go into the session's own thread: a run may be writing there.
        thread_id = memory_thread(app_name, user_id, session_id or "")
        metadata = {NAMESPACE_KEY: namespace_of(app_name)}
        await self.storage.update_thread(thread_id, metadata=metadata, expected_user_id=user_id)
        await self.storage.append_all(thread_id, turns, user_id=user_id)

    async def add_memory(
        self,
        *,
        app_name: str,
        user_id: str,
        memories: Sequence[MemoryEntry],
        custom_metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Keep memories, each as a turn of a thread for such memories. `custom_metadata` is not used."""
        events = [
            Event(id=entry.id or str(uuid.uuid4()), author=entry.author or "user", content=entry.content)
            for entry in memories
        ]
        await self.add_events_to_memory(app_name=app_name, user_id=user_id, events=events)

    async def delete_memory(self, *, app_name: str, user_id: str, memory_id: str | None = None) -> None:
        """Forget the turn of a memory, which is named as a search names it. The session itself does not change."""
        turn_id, _, thread_id = (memory_id or "").partition(":")
        if not thread_id:
            return
        info = await self.storage.head(thread_id, user_id=user_id)
        if info is not None and info.metadata.get(NAMESPACE_KEY) == namespace_of(app_name):
            await self.recall(app_name).forget(thread=thread_id, turn=turn_id)

    async def _known(self, thread_id: str, user_id: str) -> set[str]:
        found = await self.storage.read(thread_id, user_id=check_id(user_id, "user id"))
        draft = await self.storage.load_draft(thread_id, user_id=user_id) if found.has_draft else None
        turns = [(one.messages, one.id) for one in (stored_turn(record, thread_id) for record in found.records)]
        if draft is not None:
            turns.append((running_turn(draft).messages, ""))
        return {event.id for messages, turn_id in turns for event in events_of(messages, turn_id, 0)}


def _turn(event: Event, storage: Storage) -> NewTurn:
    """Return the turn of one event. Its id is made of the event's id, so it is stored once."""
    messages = keep(dump(event))
    count = len(messages) if event.author == "user" else 0
    turn = Turn(messages=tuple(messages), input_count=count)
    return new_turn(turn, storage, id=sha256(event.id.encode()).hexdigest())


def _entry(memory: Memory) -> MemoryEntry:
    role = "user" if memory.role == "user" else "model"
    return MemoryEntry(
        id=f"{memory.turn_id}:{memory.thread_id}",
        content=types.Content(role=role, parts=[types.Part(text=memory.text)]),
        author=memory.speaker or role,
        timestamp=memory.created_at.isoformat(),
    )
