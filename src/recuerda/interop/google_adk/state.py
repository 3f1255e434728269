"""The state of applications, of users and of sessions, as keys in the metadata of threads.

Each key is set alone, so two writers that set different keys do not disturb each other. A value stands in a list,
because metadata lose a key whose value is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from google.adk.sessions.state import State

from recuerda.errors import ThreadConflict
from recuerda.json_value import JsonObject, to_json_object
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import ThreadInfo

KEY = "google-adk.state:"
"""The start of a metadata key for a value of the state."""

APPLIED = "google-adk.applied"
"""The metadata key for the ids of the newest events that have changed the state of an application or of a user."""

_REMEMBERED = 64

_TRIES = 20

_Values = Mapping[str, Any]


def split(state: _Values) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return the parts of a state that belong to the application, to the user and to the session.

    The prefixes `app:` and `user:` are removed. Values that last for one invocation (`temp:`) are left out.
    """
    of_app: dict[str, Any] = {}
    of_user: dict[str, Any] = {}
    of_session: dict[str, Any] = {}
    for key, value in state.items():
        if key.startswith(State.APP_PREFIX):
            of_app[key.removeprefix(State.APP_PREFIX)] = value
        elif key.startswith(State.USER_PREFIX):
            of_user[key.removeprefix(State.USER_PREFIX)] = value
        elif not key.startswith(State.TEMP_PREFIX):
            of_session[key] = value
    return of_app, of_user, of_session


def joined(of_app: _Values, of_user: _Values, of_session: _Values) -> dict[str, Any]:
    """Return the state that a session shows: its own, and the others with their prefixes."""
    return {
        **of_session,
        **{State.APP_PREFIX + key: value for key, value in of_app.items()},
        **{State.USER_PREFIX + key: value for key, value in of_user.items()},
    }


def state_in(info: ThreadInfo | None) -> dict[str, Any]:
    """Return the state that the metadata of a thread keep."""
    kept = {} if info is None else info.metadata
    return {key.removeprefix(KEY): value[0] for key, value in kept.items() if key.startswith(KEY)}


def as_metadata(values: _Values) -> JsonObject:
    """Return the metadata keys that set values of a state.

    Raises:
        EncodeError: a value is not JSON.
    """
    return to_json_object({KEY + key: [value] for key, value in values.items()}, "the state")


async def share(storage: Storage, thread_id: str, values: _Values, *, user_id: str | None, event_id: str) -> None:
    """Set values in the state of an application or of a user, once for each event.

    Args:
        storage: the storage.
        thread_id: the thread that keeps the state.
        values: the new values; without any, nothing is written.
        user_id: the user to whom the state belongs; None for an application.
        event_id: the event that sets them. A repeated event does not set them again, because another session may have
            set other values since.

    Raises:
        ThreadConflict: other writers were faster each time.
    """
    for tries_left in reversed(range(_TRIES if values else 0)):
        info = await storage.head(thread_id, user_id=user_id)
        if info is None:
            info = await storage.update_thread(thread_id, expected_user_id=user_id)
        applied = cast("Sequence[str]", info.metadata.get(APPLIED, []))
        if event_id in applied:
            return
        metadata = {**as_metadata(values), APPLIED: [*applied, event_id][-_REMEMBERED:]}
        try:
            await storage.update_thread(thread_id, metadata=metadata, expected=info.version, expected_user_id=user_id)
        except ThreadConflict:
            if not tries_left:
                raise
        else:
            return
