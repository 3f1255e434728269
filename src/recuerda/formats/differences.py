"""The losses of a format that is written with another package: the difference between a turn and its second reading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recuerda.formats.facts import message_facts, without
from recuerda.formats.losses import MARKS, counted, files_in_results, has_mark
from recuerda.formats.moved import added_up
from recuerda.messages.message import ChatMessage, TextContent


def missing(before: Sequence[ChatMessage], after: Sequence[ChatMessage], holds: Iterable[str] = ()) -> dict[str, int]:
    """Return the number of parts and facts that messages had and that no longer are there, by kind.

    Args:
        before: the messages as they were.
        after: the messages as the written form is read again.
        holds: the kinds of facts that the format holds in another form.
    """
    had, has = _numbers(before), _numbers(after)
    return without({kind: max(number - has.get(kind, 0), 0) for kind, number in had.items()}, holds)


def _numbers(messages: Sequence[ChatMessage]) -> dict[str, int]:
    parts = [part for message in messages for part in message.contents if part != TextContent("")]
    marks = {mark: sum(has_mark(part, mark) for part in parts) for mark in MARKS}
    return added_up([counted([*parts, *files_in_results(parts)]), marks, message_facts(messages)])
