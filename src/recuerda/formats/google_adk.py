"""The database of Google ADK's `DatabaseSessionService` or `SqliteSessionService`, in SQLite or PostgreSQL.

Needs the extra `google-adk`, because ADK's own classes read its events. A session becomes the thread that
`RecuerdaSessionService` would have written. The state that sessions share is not moved: the state of an application
or of a user.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from google.adk.events.event import Event
from pydantic import ValidationError

from recuerda.errors import StateError
from recuerda.formats.facts_table import facts_in
from recuerda.formats.format import Format
from recuerda.formats.google_adk_writing import WRITER, key_of
from recuerda.formats.losses import counted
from recuerda.formats.moved import MovedThread
from recuerda.formats.source import Source
from recuerda.formats.tables import Tables, tables_of
from recuerda.formats.turns import Conversation, Said, marked_thread
from recuerda.interop.google_adk.form import dump, keep
from recuerda.interop.google_adk.places import session_thread
from recuerda.interop.google_adk.state import as_metadata
from recuerda.messages.message import UnknownContent

_Data = dict[str, Any]


async def _read(source: Source) -> AsyncIterator[MovedThread]:
    async with tables_of(source) as tables:
        await tables.need("sessions", "events")
        shared, facts = await _shared(tables), await facts_in(tables)
        sessions = await tables.fetch("SELECT app_name, user_id, id, state FROM sessions ORDER BY 1, 2, 3")
        for app_name, user_id, session_id, state in sessions:
            about = Conversation(
                id=session_thread(app_name, user_id, session_id),
                user_id=user_id,
                metadata=as_metadata(_object(state)),
            )
            said = [*(await _said(tables, app_name, user_id, session_id))]
            # The shared state is told once, with the first session that had it.
            number = shared.pop((app_name, None), 0) + shared.pop((app_name, user_id), 0)
            lost = [Said(messages=(), losses={"value of shared state": number})] if number else []
            yield marked_thread(about, [*said, *lost], facts.get(key_of(app_name, user_id, session_id)))


async def _said(tables: Tables, app_name: str, user_id: str, session_id: str) -> list[Said]:
    try:
        rows = await tables.fetch(
            "SELECT id, event_data FROM events WHERE app_name = ? AND user_id = ? AND session_id = ? "
            "ORDER BY timestamp, id",
            app_name,
            user_id,
            session_id,
        )
    except StateError as error:
        raise StateError(
            f"{error}. Before version 1 of its schema, ADK kept events as pickled objects, which are not safe to read: "
            "run `adk migrate session` first"
        ) from None
    return [_of_event(event_id, _object(data), session_id) for event_id, data in rows]


def _of_event(event_id: str, data: Mapping[str, Any], session_id: str) -> Said:
    try:
        event = Event.model_validate({**data, "id": event_id})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise StateError(f"event {event_id!r} of session {session_id!r} cannot be read: {first['msg']}") from None
    messages = keep(dump(event))
    unknown = [part for one in messages for part in one.contents if isinstance(part, UnknownContent)]
    said = [part for part in unknown if part.data.get("type") != "google-adk/event"]
    return Said(id=event_id, messages=messages, created_us=round(event.timestamp * 1e6), losses=counted(said))


async def _shared(tables: Tables) -> dict[tuple[str, str | None], int]:
    """Return the number of values in the state of each application and of each user."""
    names = await tables.names()
    found: dict[tuple[str, str | None], int] = {}
    if "app_states" in names:
        for app_name, state in await tables.fetch("SELECT app_name, state FROM app_states"):
            found[app_name, None] = len(_object(state))
    if "user_states" in names:
        for app_name, user_id, state in await tables.fetch("SELECT app_name, user_id, state FROM user_states"):
            found[app_name, user_id] = len(_object(state))
    return found


def _object(value: object) -> _Data:
    """Return a JSON column, which PostgreSQL gives as an object and SQLite as text."""
    try:
        return msgspec.json.decode(value, type=_Data) if isinstance(value, str) else msgspec.convert(value or {}, _Data)
    except msgspec.DecodeError as error:
        raise StateError(f"the database cannot be read: {error}") from None


FORMAT = Format(name="google-adk", read=_read, writer=WRITER)
