"""The parts of an answer for the formats that keep an answer as one message: calls with their results, and losses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recuerda.formats.facts import message_facts, without
from recuerda.formats.losses import MARKS, counted, files_in_results, has_mark
from recuerda.formats.moved import added_up
from recuerda.messages.message import AnyContent, ChatMessage, FunctionCallContent, FunctionResultContent

_HELD = ("model",)
"""The properties of messages that these formats have a place for."""


def parts_with_results(messages: Sequence[ChatMessage]) -> Iterator[tuple[AnyContent, FunctionResultContent | None]]:
    """Yield the parts of messages in order. A call comes with its result, if it has one.

    A result without a call among these messages comes alone, with itself as the result.
    """
    parts = [part for message in messages for part in message.contents]
    waiting: dict[str, list[FunctionResultContent]] = {}
    for part in parts:
        if isinstance(part, FunctionResultContent):
            waiting.setdefault(part.call_id, []).append(part)
    calls = [part for part in parts if isinstance(part, FunctionCallContent)]
    answered = {id(call): found.pop(0) for call in calls if (found := waiting.get(call.call_id))}
    alone = {id(result) for results in waiting.values() for result in results}
    for part in parts:
        if not isinstance(part, FunctionResultContent):
            yield part, answered.get(id(part))
        elif id(part) in alone:
            yield part, part


def losses_of(
    messages: Sequence[ChatMessage], unsaid: Sequence[AnyContent] | None = None, *, holds: Sequence[str] = ()
) -> dict[str, int]:
    """Return the losses of messages: the parts that were not said, the files in results, and facts of the messages.

    Args:
        messages: the messages. The format keeps the id of the first one.
        unsaid: the parts that the format has no place for; None for all parts.
        holds: the facts of messages and of parts that the format holds.
    """
    parts = [part for message in messages for part in message.contents]
    if unsaid is None:
        return counted(parts)
    in_results = files_in_results(parts)
    facts = message_facts(messages, ("message id", *holds), properties=_HELD)
    ids = sum(message.message_id is not None for message in messages[1:])
    marks = {kind: sum(has_mark(part, kind) for part in parts) for kind in MARKS}
    return added_up([counted([*unsaid, *in_results]), facts, without({"message id": ids, **marks}, holds)])


def model_of(messages: Sequence[ChatMessage]) -> str | None:
    """Return the model that gave an answer, if the messages say so."""
    found = ((message.additional_properties or {}).get("model") for message in messages)
    return next((model for model in found if isinstance(model, str)), None)
