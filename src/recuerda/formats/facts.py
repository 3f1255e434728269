"""The facts of a thread beside the parts of its messages, with their numbers, for the losses that an export lists."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from recuerda.formats.moved import MovedThread
from recuerda.interop.forms import KEPT
from recuerda.messages.message import ChatMessage


def facts_of(thread: MovedThread, holds: Iterable[str] = ()) -> dict[str, int]:
    """Return the number of facts of a thread, by kind, without the kinds that a format holds."""
    turns = [turn.turn for turn in thread.turns]
    found = {
        "turn id": len(turns),
        "time": sum(turn.created_us is not None for turn in thread.turns),
        "title": int(bool(thread.title)),
        "user": int(thread.user_id is not None),
        "metadata key": len(thread.metadata),
        "tag": len(thread.tags),
        "parent": int(thread.parent is not None),
        "archived mark": int(thread.archived),
        "interruption": sum(turn.is_interrupted or turn.error is not None for turn in turns),
        "usage count": sum(turn.usage is not None for turn in turns),
        "duration": sum(turn.runs is not None for turn in turns),
        "turn metadata key": sum(len(turn.metadata or ()) for turn in turns),
    }
    return without(found, holds)


def turn_losses(thread: MovedThread) -> dict[str, int]:
    """Return the number of facts of turns that only recuerda's own export holds."""
    turns = [turn.turn for turn in thread.turns]
    found = {
        "pin": sum(len(turn.pins) for turn in turns),
        "service id": sum(turn.service_thread_id is not None for turn in turns),
    }
    return without(found)


def message_facts(
    messages: Iterable[ChatMessage], holds: Iterable[str] = (), *, properties: Container[str] = ()
) -> dict[str, int]:
    """Return the number of facts of messages, by kind, without the kinds and the properties that a format holds."""
    found = {"name": 0, "message id": 0, "property": 0}
    for message in messages:
        found["name"] += message.author_name is not None
        found["message id"] += message.message_id is not None
        kept = message.additional_properties or ()
        found["property"] += sum(key != KEPT and key not in properties for key in kept)
    return without(found, holds)


def without(found: Mapping[str, int], kinds: Iterable[str] = ()) -> dict[str, int]:
    """Return numbers without some kinds, and without zeros."""
    left_out = {*kinds}
    return {kind: number for kind, number in found.items() if number and kind not in left_out}
