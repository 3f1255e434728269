"""Repair of a history, so that every service accepts it: one result follows each call, and no result is alone.

A thread may have been imported with damage, or may hold an interrupted turn. A service then refuses the whole
conversation every time. So the messages are repaired before they are sent; the stored messages never change. A result
in another place is moved to its call if it clearly belongs to it. A call without a result gets a result that says so. A
result without a call is left out. The chat client writes roles and texts in the service's form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

from recuerda.messages.message import (
    FILES,
    AnyContent,
    ChatMessage,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    with_contents,
)

AnyCallOrResult = TypeVar("AnyCallOrResult", FunctionCallContent, FunctionResultContent)

NOT_RECORDED = "No result was recorded: the call was interrupted."
"""The result that the model sees for a call without a result."""

_SHOWN = frozenset({TextContent, *FILES})
"""The kinds of parts that are neither calls nor results, and that most messages consist of."""


def mend(messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
    """Return the messages with calls and results in pairs, and without empty messages.

    If nothing is wrong, the same object is returned; this check is cheap. No given message is changed, because a
    repaired message is a new object. Repairing twice gives the same result as repairing once.
    """
    return messages if is_sound(messages) else list(_Mending(messages).mended())


def is_sound(messages: Sequence[ChatMessage]) -> bool:
    """Return whether a result follows every call directly, every result has a call, and no message is empty."""
    open_calls: list[str] = []
    for message in messages:
        content, role = message.content, message.role
        if role == "tool":
            if not _close(open_calls, message):
                return False
        elif open_calls or _is_empty(message):
            return False
        elif type(content) is not str:
            if _SHOWN.issuperset(map(type, message.contents)):
                continue
            open_calls = [part.call_id for part in message.contents if isinstance(part, FunctionCallContent)]
            is_misplaced = bool(open_calls) and role != "assistant"
            has_results = any(isinstance(part, FunctionResultContent) for part in message.contents)
            if is_misplaced or has_results or len(set(open_calls)) < len(open_calls):
                return False
    return not open_calls


def _close(open_calls: list[str], message: ChatMessage) -> bool:
    """Remove the calls that a tool's message answers from the open calls.

    Return False if the message does not fit them.
    """
    results = _results(message)
    for result in results:
        if result.call_id not in open_calls:
            return False
        open_calls.remove(result.call_id)
    return bool(results) and not message.function_calls


def _is_empty(message: ChatMessage) -> bool:
    # A user's message may be empty, because it still gets an answer.
    return not message.content and (message.content == () or message.role == "assistant")


def _results(message: ChatMessage) -> list[FunctionResultContent]:
    if type(message.content) is str:
        return []
    return [part for part in message.contents if isinstance(part, FunctionResultContent)]


class _Asked(msgspec.Struct):
    """A call, the index of its message, and the result that was found for it."""

    index: int
    call: FunctionCallContent
    found: _Given | None = None


class _Given(msgspec.Struct):
    """A result, the index of its message, its position among all results, and whether it belongs to a call already."""

    index: int
    order: int
    result: FunctionResultContent
    is_taken: bool = False


class _Mending:
    """Moves each result to its call."""

    def __init__(self, messages: Sequence[ChatMessage]) -> None:
        self._messages = messages
        self._asked = [
            _Asked(index, call)
            for index, message in enumerate(messages)
            if message.role == "assistant"
            for call in message.function_calls
        ]
        self._given: dict[str, list[_Given]] = {}
        placed = ((index, result) for index, message in enumerate(messages) for result in _results(message))
        for order, (index, result) in enumerate(placed):
            self._given.setdefault(result.call_id, []).append(_Given(index, order, result))

    def mended(self) -> Iterator[ChatMessage]:
        """Yield the repaired messages."""
        self._pair_near()
        self._pair_far()
        asked: dict[int, list[_Asked]] = {}
        for item in self._asked:
            asked.setdefault(item.index, []).append(item)
        for index, message in enumerate(self._messages):
            if message.role == "tool":
                continue
            if index in asked:
                yield from _answered(message, asked[index])
            elif (rest := _without_pairs(message)) is not None:
                yield rest

    def _pair_near(self) -> None:
        """Give each call the first result with its id that comes before the model's next message."""
        speaking = [index for index, message in enumerate(self._messages) if message.role == "assistant"]
        ends = dict(zip(speaking, [*speaking[1:], len(self._messages)], strict=False))
        for item in self._asked:
            for given in self._given.get(item.call.call_id, ()):
                if not given.is_taken and item.index <= given.index < ends[item.index]:
                    given.is_taken, item.found = True, given
                    break

    def _pair_far(self) -> None:
        """Give a call a result from another place, if its id belongs to exactly one call and one result."""
        calls = Counter(item.call.call_id for item in self._asked)
        for item in self._asked:
            found = self._given.get(item.call.call_id, ())
            if item.found is None and calls[item.call.call_id] == 1 and len(found) == 1:
                item.found = found[0]


def _answered(message: ChatMessage, asked: Sequence[_Asked]) -> Iterator[ChatMessage]:
    """Yield an assistant's message and the results of its calls, with ids that tell the calls apart."""
    ids = _distinct([item.call.call_id for item in asked])
    calls = iter([_renamed(item.call, id) for item, id in zip(asked, ids, strict=True)])
    parts: list[AnyContent] = []
    for part in message.contents:
        if isinstance(part, FunctionCallContent):
            parts.append(next(calls))
        elif not isinstance(part, FunctionResultContent):
            parts.append(part)
    yield message if tuple(parts) == message.content else with_contents(message, parts)
    found = [(item.found, id) for item, id in zip(asked, ids, strict=True) if item.found is not None]
    results = [_renamed(given.result, id) for given, id in sorted(found, key=lambda pair: pair[0].order)]
    missing = [id for item, id in zip(asked, ids, strict=True) if item.found is None]
    yield ChatMessage("tool", [*results, *(FunctionResultContent(id, NOT_RECORDED, is_error=True) for id in missing)])


def _distinct(ids: Sequence[str]) -> list[str]:
    distinct: list[str] = []
    for id in ids:
        name, number = id, 1
        while name in distinct or (number > 1 and name in ids):
            number += 1
            name = f"{id}-{number}"
        distinct.append(name)
    return distinct


def _renamed(part: AnyCallOrResult, id: str) -> AnyCallOrResult:
    return part if part.call_id == id else msgspec.structs.replace(part, call_id=id)


def _without_pairs(message: ChatMessage) -> ChatMessage | None:
    """Return a message without calls and results, which do not belong in it; None if nothing is left."""
    if _is_empty(message):
        return None
    parts = [part for part in message.contents if not isinstance(part, FunctionCallContent | FunctionResultContent)]
    if len(parts) == len(message.contents):
        return message
    rest = with_contents(message, parts)
    return None if _is_empty(rest) else rest
