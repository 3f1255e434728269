"""The database of Google ADK's `SqliteSessionService`, written with the service itself.

A thread of an ADK session gets its application, its user and its id back. Any other thread becomes a session of the
application `recuerda`. ADK sorts events by their times, so the events of a thread get times that grow.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
from google.adk.events.event import Event
from google.adk.sessions.sqlite_session_service import SqliteSessionService

from recuerda.formats.differences import missing
from recuerda.formats.facts import facts_of, turn_losses, without
from recuerda.formats.facts_table import opened, put_facts
from recuerda.formats.format import Departure, Family, FileWriter
from recuerda.formats.moved import MovedThread, MovedTurn, added_up
from recuerda.formats.supplement import Supplement, supplement_of
from recuerda.interop.google_adk.form import dump, events_of, keep
from recuerda.interop.google_adk.marks import SESSION
from recuerda.interop.google_adk.places import session_of
from recuerda.interop.google_adk.state import KEY

_APP, _USER = "recuerda", "user"
_STEP_S = 1e-6


def key_of(app_name: str, user_id: str, session_id: str) -> str:
    """Return the name of a session in our table of facts."""
    return msgspec.json.encode([app_name, user_id, session_id]).decode()


async def _save(families: AsyncIterable[Family], path: Path) -> AsyncIterator[Departure]:
    service = SqliteSessionService(str(path))
    facts: dict[str, Supplement] = {}
    async for family in families:
        for thread in family:
            app_name, user_id, session_id = _names(thread)
            turns = [list(events_of(turn.turn.messages, turn.id, turn.created_us or 0)) for turn in thread.turns]
            session = await service.create_session(
                app_name=app_name, user_id=user_id, session_id=session_id, state=_state(thread.metadata)
            )
            for event in _in_order([event for events in turns for event in events]):
                await service.append_event(session, event)
            facts[key_of(app_name, user_id, session.id)] = supplement_of(thread, [len(events) for events in turns])
            yield _departure(thread, turns)
    _put(path, facts)


def _put(path: Path, facts: Mapping[str, Supplement]) -> None:
    connection = opened(path, "")
    for name, one in facts.items():
        put_facts(connection, name, one)
    connection.execute("COMMIT")
    connection.close()


def _names(thread: MovedThread) -> tuple[str, str, str]:
    told = thread.metadata.get(SESSION)
    if isinstance(told, dict) and all(isinstance(told.get(name), str) for name in ("app", "user", "id")):
        return str(told["app"]), str(told["user"]), str(told["id"])
    return session_of(thread.id) or (_APP, thread.user_id or _USER, thread.id)


def _state(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of an ADK session, which stands in a thread's metadata."""
    values = {key.removeprefix(KEY): value for key, value in metadata.items() if key.startswith(KEY)}
    return {key: cast("Sequence[Any]", value)[0] for key, value in values.items() if isinstance(value, list) and value}


def _in_order(events: Sequence[Event]) -> Iterator[Event]:
    """Yield the events with times that grow, and each id once."""
    last, used = 0.0, set[str]()
    for number, event in enumerate(events):
        time = max(event.timestamp, last + _STEP_S)
        name = event.id if event.id not in used else f"{event.id}:{number}"
        used.add(name)
        last = time
        yield event.model_copy(update={"timestamp": time, "id": name})


def _departure(thread: MovedThread, turns: Sequence[Sequence[Event]]) -> Departure:
    lost = [_lost(turn, events) for turn, events in zip(thread.turns, turns, strict=True)]
    unsaid = sum(not events for events in turns)
    losses = added_up([*lost, turn_losses(thread), without({"turn": unsaid})])
    return Departure(thread_id=thread.id, losses=losses, supplement=facts_of(thread, ("time",)))


def _lost(turn: MovedTurn, events: Sequence[Event]) -> dict[str, int]:
    again = [message for event in events for message in keep(dump(event))]
    return missing(turn.turn.messages, again)


WRITER = FileWriter(save=_save)
