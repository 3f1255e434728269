"""A response as one turn of a thread: its input, its output and its settings.

The turn is the unit of commit, so a thread has all of a response or nothing of it. The response's other fields (model,
settings, status) are kept with the turn's last message. The items are not among these fields, because they are the
turn's messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from msgspec import structs

from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage, RefusalContent, TextContent, Turn, TurnRuns, Usage, with_properties
from recuerda.server.items import (
    NO_UPLOADS,
    REQUEST,
    RESPONSE,
    Uploaded,
    from_message,
    to_message,
    with_uploads,
)
from recuerda.server.requests import Item
from recuerda.threads.history import StoredTurn


def pack_turn(
    inputs: Sequence[Item],
    *,
    response: JsonObject | None = None,
    fingerprint: str | None = None,
    files: Uploaded = NO_UPLOADS,
) -> Turn:
    """Return the turn that keeps a client's items, and the fingerprint of a keyed request.

    Only a request with an idempotency key has a fingerprint. `files` are the uploaded files that the items name by
    their ids: the turn has the files themselves, so that it stays whole when they are deleted.
    """
    messages = [with_uploads(to_message(item), files) for item in inputs]
    return Turn(messages=_with_marks(messages, {RESPONSE: response, REQUEST: fingerprint}), input_count=len(inputs))


def answered(
    asked: Turn,
    outputs: Sequence[Item],
    *,
    response: JsonObject,
    usage: Usage | None = None,
    fingerprint: str | None = None,
    runs: TurnRuns | None = None,
) -> Turn:
    """Return the turn that keeps a client's items, the model's items, and the response to which they belong.

    Args:
        asked: the turn with the client's items alone.
        outputs: the model's items.
        response: the other fields of the response.
        usage: the tokens of the answer.
        fingerprint: the fingerprint of a keyed request.
        runs: the time that the response took.
    """
    messages = [*asked.messages, *map(to_message, outputs)]
    marks: JsonObject = {RESPONSE: response, REQUEST: fingerprint}
    return Turn(messages=_with_marks(messages, marks), input_count=asked.input_count, usage=usage, runs=runs)


def items_of(turn: Turn) -> list[Item]:
    """Return all items of a turn, in order."""
    return [item for message in turn.messages if (item := from_message(message)) is not None]


def inputs_of(turn: Turn) -> list[Item]:
    """Return the items that the client sent."""
    return [item for message in turn.messages[: turn.input_count] if (item := from_message(message)) is not None]


def outputs_of(turn: Turn) -> list[Item]:
    """Return the items that the model made."""
    return [item for message in turn.answer if (item := from_message(message)) is not None]


def response_of(turn: Turn) -> dict[str, Any] | None:
    """Return the kept fields of a turn's response; None if no response created the turn, or it was deleted."""
    kept = _marks(turn).get(RESPONSE)
    return cast("dict[str, Any]", kept) if isinstance(kept, dict) else None


def fingerprint_of(turn: Turn) -> str | None:
    """Return the fingerprint of the request that made the turn; None if it had no idempotency key."""
    kept = _marks(turn).get(REQUEST)
    return kept if isinstance(kept, str) else None


def without_item(turn: Turn, id: str) -> Turn | None:
    """Return the turn without an item; None if the turn has no item with that id."""
    index = next((i for i, message in enumerate(turn.messages) if message.message_id == id), None)
    if index is None:
        return None
    rest = [_without_marks(message) for i, message in enumerate(turn.messages) if i != index]
    input_count = turn.input_count - (index < turn.input_count)
    return _changed(turn, _with_marks(rest, _marks(turn)), input_count)


def without_response(turn: Turn) -> Turn:
    """Return the turn with its items and without the response that created it."""
    marks: JsonObject = {**_marks(turn), RESPONSE: None}
    messages = [_without_marks(message) for message in turn.messages]
    return _changed(turn, _with_marks(messages, marks), turn.input_count)


def _changed(turn: Turn, messages: tuple[ChatMessage, ...], input_count: int) -> Turn:
    return structs.replace(turn, messages=messages, input_count=input_count)


_MARKS = (RESPONSE, REQUEST)

EMPTY_TURN = Turn(messages=(), input_count=0)
"""The turn that takes the place of a deleted response in the middle of a chain."""


def merged_messages(turns: Sequence[StoredTurn | Turn]) -> list[ChatMessage]:
    """Return the messages for a model: the text and the calls of one answer become one message again."""
    merged: list[ChatMessage] = []
    for turn in turns:
        for message in turn.messages:
            if merged and _belong_together(merged[-1], message):
                merged[-1] = ChatMessage("assistant", contents=(*merged[-1].contents, *message.contents))
            else:
                merged.append(message)
    return merged


def _belong_together(one: ChatMessage, other: ChatMessage) -> bool:
    if one.role != "assistant" or other.role != "assistant":
        return False
    # Services refuse calls whose results do not follow directly, and a message that has only reasoning.
    return bool(one.function_calls or other.function_calls) or not _is_said(one)


def _is_said(message: ChatMessage) -> bool:
    return any(isinstance(part, TextContent | RefusalContent) for part in message.contents)


def _with_marks(messages: Sequence[ChatMessage], marks: JsonObject) -> tuple[ChatMessage, ...]:
    """Return the messages, the last of which holds the marks that are not None."""
    given = {name: value for name, value in marks.items() if value is not None}
    if not given:
        return tuple(messages)
    # If all items were deleted, a message without an id keeps the marks. Such a message is not an item.
    last = messages[-1] if messages else ChatMessage("assistant")
    return (*messages[:-1], with_properties(last, given))


def _without_marks(message: ChatMessage) -> ChatMessage:
    return with_properties(message, dict.fromkeys(_MARKS))


def _marks(turn: Turn) -> JsonObject:
    held = _properties(turn.messages[-1]) if turn.messages else {}
    return {name: held[name] for name in _MARKS if name in held}


def _properties(message: ChatMessage) -> JsonObject:
    return message.additional_properties or {}
