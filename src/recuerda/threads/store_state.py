"""The state of a store, which `ChatMessageStore.serialize` returns. It is read strictly.

    {"kind": "memory", "thread_id": …, "max_messages": …, "turns": [{"id": …, "turn": {…}, "created_us": …}, …]}

The state of a store on another storage has another kind and no turns: it only says where the thread is. The state that
a RAM store of Agent Framework's betas wrote is read as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from recuerda.errors import InvalidInput, StateError, ThreadConflict
from recuerda.ids import check_id, check_limit
from recuerda.json_value import Json
from recuerda.messages.codec import decode_turn, encode_turn
from recuerda.messages.legacy import is_legacy_state, read_legacy_state
from recuerda.messages.message import ChatMessage
from recuerda.storage.contract import Storage
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import NewTurn
from recuerda.threads.history import title_of
from recuerda.threads.turn_line import decode_turn_line, encode_turn_line
from recuerda.window.window import group_turns


class StoreState(msgspec.Struct, frozen=True, kw_only=True):
    """A store's state that was read and checked.

    Attributes:
        kind: the kind of the storage, such as "memory" or "sqlite".
        thread_id: the thread's id.
        max_messages: the store's limit; None if there is no limit.
        turns: the turns that the state carries, the oldest first; empty for every kind but "memory".
    """

    kind: str
    thread_id: str
    max_messages: int | None
    turns: tuple[NewTurn, ...]


def read_store_state(state: object, *, thread_id: str) -> StoreState:
    """Return a store's state after checking it and decoding its turns.

    Args:
        state: the state.
        thread_id: the thread's id for a state without an id, because the betas' stores had no ids.

    Raises:
        StateError: the state is not the state of a store; the text says what was expected.
    """
    if not isinstance(state, dict):
        raise StateError(f"a store's state must be a JSON object, not {type(state).__name__}")
    checked = cast("dict[str, Any]", state)
    if is_legacy_state(checked):
        checked = memory_state(_legacy_messages(checked), thread_id)
    kind = checked.get("kind")
    if not isinstance(kind, str):
        raise StateError('a store\'s state must have a "kind", such as "memory" or "sqlite", but this state has none')
    try:
        found_id = check_id(checked.get("thread_id"), "thread id")
        max_messages = checked.get("max_messages")
        limit = None if max_messages is None else check_limit(max_messages, "max_messages")
    except InvalidInput as error:
        raise StateError(f"the store's state cannot be used: {error}") from None
    turns = _read_turns(checked.get("turns")) if kind == MemoryStorage.kind else ()
    return StoreState(kind=kind, thread_id=found_id, max_messages=limit, turns=turns)


def memory_state(messages: Sequence[ChatMessage], thread_id: str) -> dict[str, Any]:
    """Return the state of a store in RAM that holds these messages.

    Raises:
        StateError: a message cannot be stored.
    """
    try:
        bodies = [encode_turn(turn) for turn in group_turns(messages)]
    except InvalidInput as error:
        raise StateError(f"the state holds a message that cannot be stored: {error}") from None
    turns = [{"id": f"imported-{number}", "turn": msgspec.json.decode(body)} for number, body in enumerate(bodies, 1)]
    return {"kind": MemoryStorage.kind, "thread_id": thread_id, "turns": turns}


async def write_turns(storage: Storage, thread_id: str) -> list[Json]:
    """Return a thread's turns as JSON data for a state."""
    found = await storage.read(thread_id, blobs=None)
    return [msgspec.json.decode(encode_turn_line(record, thread_id, found.blobs)) for record in found.records]


async def add_missing(storage: Storage, state: StoreState) -> None:
    """Append the turns of a state that its thread does not have and never had.

    Raises:
        StateError: the thread and the state have different turns, so they cannot be one conversation.
    """
    thread_id, turns = state.thread_id, state.turns
    found = await storage.read(thread_id)
    held = {record.id: record.number for record in found.records}
    common = [place for place, turn in enumerate(turns) if turn.id in held]
    missing = turns[common[-1] + 1 :] if common else turns
    is_trimmed = found.info is not None and found.info.first > 1
    if not missing or (is_trimmed and held and not common):
        return
    if held and (not common or turns[common[-1]].id != found.records[-1].id):
        raise StateError(
            f"thread {thread_id!r} is already in this storage, with other turns than in the state; nothing was restored"
        )
    version = 0 if found.info is None else found.info.version
    title = title_of(decode_turn(missing[0].body, thread_id="", number=0))
    try:
        await storage.append_all(thread_id, missing, expected=version, title=title)
    except ThreadConflict as error:
        raise StateError(
            f"another process changed thread {thread_id!r} at the same time; restore the state again"
        ) from error


def _legacy_messages(state: dict[str, Any]) -> Sequence[ChatMessage]:
    legacy = read_legacy_state(state)
    if legacy.messages is None or "messages" not in state:
        raise StateError(
            "this is the state of a thread, not of a store: restore it with agent.deserialize_thread(state) or "
            "AgentThread.deserialize(state)"
        )
    return legacy.messages


def _read_turns(turns: object) -> tuple[NewTurn, ...]:
    if not isinstance(turns, list):
        raise StateError(f"a state's turns must be a list, not {type(turns).__name__}")
    items = cast("list[Any]", turns)
    return tuple(_read_turn(item, f"turns[{i}] of the state") for i, item in enumerate(items))


def _read_turn(item: object, where: str) -> NewTurn:
    try:
        encoded = msgspec.json.encode(item)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StateError(f"{where} is not JSON: {error}") from None
    return decode_turn_line(encoded, where)
