"""The id and number of the turn that has just been committed. They identify the documents of the turn.

Hooks do not get the turn's id, so it is looked up: among the turns that the thread's handle holds or, if the handle has
read nothing yet, in the storage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recuerda.errors import CorruptTurn
from recuerda.ids import new_turn_id
from recuerda.messages.message import ChatMessage
from recuerda.providers.remembering import kept_turns
from recuerda.redis.search.documents import TurnPlace
from recuerda.redis.search.queries import Seen
from recuerda.storage.contract import system_clock
from recuerda.threads.history import StoredTurn, stored_turn
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread

MAX_SHARED = 200
"""The largest number of turns that a query names by their ids."""

RECENT = 3
"""The number of the newest turns that are compared. Another process may have added turns after the wanted turn."""


async def place_of(thread: AgentThread, messages: Sequence[ChatMessage]) -> TurnPlace:
    """Return the place of the turn with these messages; a place with a new id if the thread's store has no turns."""
    stored = await _committed(thread, messages)
    if stored is None:
        return TurnPlace(thread_id=thread.id, turn_id=new_turn_id(), number=0, created_us=system_clock())
    return TurnPlace(thread_id=thread.id, turn_id=stored.id, number=stored.number, created_us=stored.created_us)


def seen_turns(thread: AgentThread) -> Seen | None:
    """Return the turns that the model sees anyway: the turns that the run sends, or else those that it has read.

    For a thread that a service or the application's own store keeps, this is the whole thread.
    """
    store = thread.turn_store
    if store is None:
        return Seen(thread_id=thread.id, from_number=0)
    if not store.turns:
        return None
    first = store.turns[0].number if thread.sent_from is None else thread.sent_from
    first = first if thread.replaced is None else min(first, thread.replaced)
    return Seen(thread_id=thread.id, from_number=first, shared=_shared(store, first))


def _shared(store: ChatMessageStore, first: int) -> tuple[str, ...]:
    """Return the ids of a fork's turns from a number on that it has from its parent: they are its first turns."""
    info = store.history.info
    if info is None or info.parent is None:
        return ()
    last = info.parent.turns
    return tuple([turn.id for turn in store.turns if first <= turn.number <= last][-MAX_SHARED:])


async def _committed(thread: AgentThread, messages: Sequence[ChatMessage]) -> StoredTurn | None:
    store = kept_turns(thread)
    if store is None:
        return None
    held = _newest(reversed(store.turns[-RECENT:]), messages)
    if held is not None:
        return held
    found = await store.view.read(store.thread_id, last_turns=RECENT)
    records = [record for record in reversed(found.records) if record.message_count == len(messages)]
    try:
        return _newest((stored_turn(record, store.thread_id) for record in records), messages)
    except CorruptTurn:
        return None


def _newest(turns: Iterable[StoredTurn], messages: Sequence[ChatMessage]) -> StoredTurn | None:
    # Only roles and texts are compared: a value in a tool's result may have another form after it was stored and read.
    said = [(message.role, message.text) for message in messages]
    return next((turn for turn in turns if [(message.role, message.text) for message in turn.messages] == said), None)
