"""The state of a thread: one versioned JSON envelope, read strictly.

    {"version": 1, "kind": "thread", "id": …, "service_thread_id": … or null, "store": {…} or null}

It also has "providers": {name: {…}} if context providers keep data about the thread.

Any other state is refused with an error that says what was expected, so no state is restored in part. States that the
betas of Agent Framework wrote are read as well; `legacy.py` reads them.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec

from recuerda.errors import InvalidInput, StateError
from recuerda.ids import check_id, new_id
from recuerda.json_value import JsonObject
from recuerda.messages.legacy import LegacyState, is_legacy_state, read_legacy_state
from recuerda.threads.store_state import memory_state

STATE_VERSION = 1
THREAD_KIND = "thread"


class ThreadState(msgspec.Struct, frozen=True, kw_only=True):
    """A state that was read and checked.

    Attributes:
        id: the thread's id.
        service_thread_id: the service's id of the thread; None when no service keeps it.
        store: the state of the thread's store; None when no store keeps it.
        providers: the data that context providers keep, by the providers' names.
    """

    id: str
    service_thread_id: str | None
    store: dict[str, Any] | None
    providers: dict[str, JsonObject] = msgspec.field(default_factory=dict[str, JsonObject])


def read_thread_state(state: object) -> ThreadState:
    """Return a state after checking its envelope.

    Raises:
        StateError: the state is of an unknown kind, version or type; the error says what was expected.
    """
    if not isinstance(state, dict):
        raise StateError(f"a thread's state is the JSON object that serialize() returned, not {_type_name(state)}")
    envelope = cast("dict[str, Any]", state)
    if is_legacy_state(envelope):
        return _from_legacy(read_legacy_state(envelope))
    if envelope.get("kind") != THREAD_KIND:
        raise StateError(
            f'a thread\'s state must have "kind": "{THREAD_KIND}", but its kind is {_shown(envelope.get("kind"))}'
        )
    if envelope.get("version") != STATE_VERSION or isinstance(envelope["version"], bool):
        raise StateError(
            f"this recuerda reads states of version {STATE_VERSION}, but the version of this state is "
            f"{_shown(envelope.get('version'))}; was it written by a newer one?"
        )
    return _checked(envelope)


def _checked(envelope: dict[str, Any]) -> ThreadState:
    service_thread_id, store = envelope.get("service_thread_id"), envelope.get("store")
    try:
        thread_id = check_id(envelope.get("id"), "thread id")
    except InvalidInput as error:
        raise StateError(f"the state's id cannot be used: {error}") from None
    if service_thread_id is not None and not isinstance(service_thread_id, str):
        raise StateError(f"service_thread_id must be a string or null, not {_type_name(service_thread_id)}")
    if store is not None and not isinstance(store, dict):
        raise StateError(f"store must be an object or null, not {_type_name(store)}")
    if service_thread_id is not None and store is not None:
        raise StateError("the state names both a service's thread and a store; a thread has one owner")
    return ThreadState(
        id=thread_id,
        service_thread_id=service_thread_id,
        store=cast("dict[str, Any] | None", store),
        providers=_providers(envelope.get("providers")),
    )


def _providers(given: object) -> dict[str, JsonObject]:
    try:
        return msgspec.convert({} if given is None else given, dict[str, dict[str, Any]])
    except msgspec.ValidationError:
        raise StateError("the state's providers must be an object of objects, by the providers' names") from None


def _from_legacy(legacy: LegacyState) -> ThreadState:
    # Most of these states have no id. An id made from the content would be the same for two users who only said "hi".
    try:
        thread_id = new_id() if legacy.id is None else check_id(legacy.id, "session id")
    except InvalidInput as error:
        raise StateError(f"the state's id cannot be used: {error}") from None
    is_kept_here = legacy.service_thread_id is None and legacy.messages is not None
    store = memory_state(legacy.messages or (), thread_id) if is_kept_here else None
    return ThreadState(id=thread_id, service_thread_id=legacy.service_thread_id, store=store)


def _type_name(value: object) -> str:
    return type(value).__name__


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)[:40]
