"""The items that a request adds: references are replaced by their items, and repeated items are left out.

Clients send a conversation again in different ways. Some name each item that the server gave them by a reference. Some
send items again although the conversation holds them, or the outputs of functions that the model has read already. An
item that is sent again unchanged is not kept twice. If it was changed, the request is refused: the conversation cannot
hold both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, cast

from recuerda.messages.message import (
    ChatMessage,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
)
from recuerda.server.faults import ApiFault, bad_request, not_found
from recuerda.server.http import ApiCall
from recuerda.server.items import as_sent, checked_items, from_message, to_message
from recuerda.server.kinds import check_readable
from recuerda.server.names import Tenancy, TurnName, parse_item_id
from recuerda.server.places import Place
from recuerda.server.requests import Item
from recuerda.server.threads import Threads
from recuerda.threads.history import StoredTurn

_LOOKED_UP_AT_ONCE = 16


class Held:
    """The items of some turns, by their ids and by the ids of their calls.

    Args:
        turns: the turns; the oldest first.
    """

    def __init__(self, turns: Iterable[StoredTurn] = ()) -> None:
        self.messages: dict[str, ChatMessage] = {}
        self.calls: dict[str, FunctionCallContent] = {}
        self.outputs: dict[str, ChatMessage] = {}
        self._said: list[ChatMessage] = []
        self._said_before: dict[str, int] = {}
        for stored in turns:
            for message in map(as_sent, stored.turn.messages):
                if message.message_id is not None:
                    self.messages[message.message_id] = message
                self.add(message)

    def add(self, message: ChatMessage) -> None:
        """Note the calls and outputs of a message. A call whose id was used before is open again."""
        for part in message.contents:
            if isinstance(part, FunctionCallContent):
                self.calls[part.call_id] = part
                self.outputs.pop(part.call_id, None)
                self._said_before[part.call_id] = len(self._said)
            elif isinstance(part, FunctionResultContent):
                self.outputs[part.call_id] = message
        if _is_said(message):
            self._said.append(message)

    def said_before(self, call_id: str) -> Sequence[ChatMessage]:
        """Return the messages with text or files before a call; none if the turns do not have the call."""
        return self._said[: self._said_before.get(call_id, 0)]

    def has_open(self, call_id: str) -> bool:
        """Return whether the turns have a call of this id without its output."""
        return call_id in self.calls and call_id not in self.outputs

    def knows(self, item: Item) -> bool:
        """Return whether the turns have the item of this id, or the call of this output."""
        if is_reference(item):
            return item["id"] in self.messages
        id, call_id = item.get("id"), item.get("call_id")
        has_item = not isinstance(id, str) or id in self.messages
        return has_item and (not isinstance(call_id, str) or call_id in self.calls)


def is_reference(item: Item) -> bool:
    """Return whether an item only names another item. OpenAI lets clients leave out its type."""
    kind = item.get("type")
    return isinstance(item.get("id"), str) and (kind == "item_reference" or (kind is None and len(item) == 1))


async def new_items(threads: Threads, call: ApiCall, items: Sequence[Item], *, place: Place, at: str) -> list[Item]:
    """Return the items that a request adds to a place, in their complete form.

    Args:
        threads: the threads of the service.
        call: the request.
        items: the items as the client sent them.
        place: the place of the new turn.
        at: the path of the items in the request.

    Raises:
        ApiFault: an item is invalid, a reference leads to no item of this tenant, or an item that the place holds was
            sent again with another content.
    """
    held = Held(place.turns)
    if place.has_older_turns and not all(held.knows(item) for item in items):
        held = Held((await threads.whole(call.tenancy, place.name.thread)).turns)
    given = await with_references(threads, call.tenancy, items, held=held, at=at)
    checked = await call.run(checked_items, given, place.name, at=at)
    return await call.run(_without_repeats, given, checked, held, name=place.name, at=at)


async def with_references(
    threads: Threads, tenancy: Tenancy, items: Sequence[Item], *, held: Held | None = None, at: str
) -> list[Item]:
    """Return the items, with the item in the place of each reference to it.

    Args:
        threads: the threads of the service.
        tenancy: the tenant of the request.
        items: the items as the client sent them.
        held: the items of the conversation; a reference to one of them needs no look-up.
        at: the path of the items in the request.

    Raises:
        ApiFault: a reference leads to no item of this tenant.
    """
    for index, item in enumerate(items):
        if item.get("type") == "item_reference" and not is_reference(item):
            raise bad_request(f"Missing required parameter: '{at}[{index}].id'.", param=f"{at}[{index}].id")
    paths = {item["id"]: f"{at}[{index}].id" for index, item in enumerate(items) if is_reference(item)}
    if not paths:
        return list(items)
    near = {} if held is None else {id: held.messages[id] for id in paths if id in held.messages}
    names = dict.fromkeys(_named(id, path) for id, path in paths.items() if id not in near)
    messages = [*near.values(), *await _messages_of(threads, tenancy, list(names))]
    found = {item["id"]: item for message in messages if (item := from_message(message)) is not None}
    for id, path in paths.items():
        if id not in found:
            raise _no_item(id, path)
    return [found[item["id"]] if is_reference(item) else item for item in items]


async def _messages_of(threads: Threads, tenancy: Tenancy, names: Sequence[TurnName]) -> list[ChatMessage]:
    """Return the messages of some turns; none for turns that do not exist or belong to another tenant."""
    messages: list[ChatMessage] = []
    for start in range(0, len(names), _LOOKED_UP_AT_ONCE):
        asked = names[start : start + _LOOKED_UP_AT_ONCE]
        views = await asyncio.gather(*(threads.turn(tenancy, name.thread, name.turn) for name in asked))
        messages += [message for view in views if view.found is not None for message in view.found.turn.messages]
    return messages


def _named(id: str, path: str) -> TurnName:
    name = parse_item_id(id)
    if name is None:
        raise _no_item(id, path)
    return name


def _no_item(id: str, path: str) -> ApiFault:
    fault = not_found("Item", id)
    message = f"{fault.message} An item can be named only if its response or its conversation is stored."
    return ApiFault(404, message, param=path)


def _without_repeats(
    given: Sequence[Item], checked: Sequence[Item], held: Held, *, name: TurnName, at: str
) -> list[Item]:
    """Return the items that the turns do not hold, with the ids that go with their places."""
    kept: list[Item] = []
    new = Held()
    again = _said_again(checked, held)
    for index, (before, item) in enumerate(zip(given, checked, strict=True)):
        if index in again:
            continue
        id = before.get("id")
        if id is not None or "call_id" in item:
            message = to_message(item)
            if _is_known(id, message, held=held, new=new) or _is_repeated(item, message, held=held, new=new):
                continue
            new.add(message)
        check_readable(item, at=f"{at}[{index}]")
        is_own = parse_item_id(item["id"]) is None
        kept.append(item if is_own else {**item, "id": name.item_id(item["type"], len(kept))})
    return kept


def _said_again(items: Sequence[Item], held: Held) -> set[int]:
    """Return the places of the messages that a client sends again with the output of a call.

    Some clients send the messages before the call again, without their ids. They stand before the output, and they are
    the messages before the call, in the same order. A model that got them behind the output would make its call again.
    """
    outputs = [index for index, item in enumerate(items) if item["type"].endswith("_output") and "call_id" in item]
    again: set[int] = set()
    if not outputs:
        return again
    place = outputs[-1]
    for said in reversed(held.said_before(items[place]["call_id"])):
        place = next((index for index in range(place - 1, -1, -1) if items[index]["type"] == "message"), -1)
        if place < 0 or not _is_same(to_message(items[place]), said):
            break
        again.add(place)
    return again


def _is_same(one: ChatMessage, other: ChatMessage) -> bool:
    return one.role == other.role and _bare(one) == _bare(other)


def _bare(message: ChatMessage) -> list[object]:
    """Return the contents of a message. Of a text, only the words count: clients leave out citations of an answer."""
    return [part.text if isinstance(part, TextContent) else part for part in message.contents]


def _is_said(message: ChatMessage) -> bool:
    apart = FunctionCallContent | FunctionResultContent | TextReasoningContent | UnknownContent
    return not any(isinstance(part, apart) for part in message.contents)


def _is_known(id: str | None, message: ChatMessage, *, held: Held, new: Held) -> bool:
    """Return whether an item with this id is known. Note the id.

    Raises:
        ApiFault: the item of this id has another content.
    """
    if id is None:
        return False
    known = held.messages.get(id) or new.messages.setdefault(id, message)
    if known is not message:
        _check_unchanged(id, known, message)
    return known is not message


def _check_unchanged(id: str, old: ChatMessage, new: ChatMessage) -> None:
    # A client may leave out the text of reasoning, which it does not need to show.
    if not _is_same(old, new) and not _is_reasoning(old, new):
        message = f"The conversation already has an item with id '{id}', and its content is another one."
        raise ApiFault(400, message, param="input", code="duplicate_item")


def _is_reasoning(*messages: ChatMessage) -> bool:
    return all(isinstance(part, TextReasoningContent) for message in messages for part in message.contents)


def _is_repeated(item: Item, message: ChatMessage, *, held: Held, new: Held) -> bool:
    """Return whether an item is a call or an output that the conversation has already.

    Raises:
        ApiFault: the id of a call stands for another open call, or a call has another output already.
    """
    match message.contents:
        case [FunctionCallContent() as call]:
            return _is_repeated_call(call, held=held, new=new)
        case [FunctionResultContent() as result]:
            return _is_repeated_output(item, result.call_id, held=held, new=new)
        case _:
            return False


def _is_repeated_call(call: FunctionCallContent, *, held: Held, new: Held) -> bool:
    id = call.call_id
    known = held.calls.get(id)
    if known is not None and id not in new.calls and (known.name, known.arguments) == (call.name, call.arguments):
        return True
    if new.has_open(id) or (id not in new.calls and held.has_open(id)):
        raise bad_request(f"Two function calls have the call_id {id[:100]}.", param="input", code="duplicate_call_id")
    return False


def _is_repeated_output(item: Item, id: str, *, held: Held, new: Held) -> bool:
    before = new.outputs.get(id) or (None if id in new.calls else held.outputs.get(id))
    if before is None:
        return False
    if _text_of(from_message(before)) != _text_of(item):
        message = f"The function call {id[:100]} already has another output."
        raise bad_request(message, param="input", code="duplicate_output")
    return True


def _text_of(item: Item | None) -> Any:
    """Return the output of a call, as one text if it has only texts."""
    output: Any = None if item is None else item.get("output")
    if not isinstance(output, list):
        return output
    parts = cast("list[Item]", output)
    return "".join(str(part["text"]) for part in parts) if all("text" in part for part in parts) else parts
