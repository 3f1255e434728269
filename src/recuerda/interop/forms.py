"""A framework's own items, and the messages that recuerda keeps for them.

An item is the JSON form of a message in a framework. It is kept as messages of ours, so that every other reader of the
thread sees the conversation: the command line, a window, recall, and the adapters of other frameworks. It also comes
back exactly as it was. If the messages alone do not give the item back, the first message holds the item as well. This
is checked for every item that is written, so a field that nobody knows today is not lost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from recuerda.interop.encoded import data_uri
from recuerda.json_value import Json, JsonObject, replaced, to_json_object
from recuerda.messages.message import (
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    StoredFile,
    TextContent,
    TextReasoningContent,
    UriContent,
    with_properties,
)

REFERENCE = "recuerda.text"
"""The only key of an object that stands for a text of the item's messages, in an item that is kept with them."""

_SHORT = 24
"""The number of characters up to which a text is written twice rather than referred to."""

KEPT = "recuerda.item"
"""The additional property of the first message of an item. It holds a `_Kept`."""

_sorted = msgspec.json.Encoder(order="sorted")


class _Kept(msgspec.Struct, omit_defaults=True):
    """What a message says about the item for which it was written.

    Attributes:
        form: the name of the item's form.
        messages: the number of messages that stand for the item.
        item: the item, if the messages alone do not give it back.
        refers: True if objects in `item` stand for texts of the messages; see `REFERENCE`.
    """

    form: str
    messages: int = 1
    item: dict[str, Any] | None = None
    refers: bool = False


class Form(ABC):
    """Convert a framework's items into messages and back.

    Attributes:
        name: the form's name, which is stored with items.
    """

    name: str

    @abstractmethod
    def to_messages(self, item: JsonObject) -> Sequence[ChatMessage]:
        """Return the messages that say the same as an item, as well as they can; at least one."""

    @abstractmethod
    def to_items(self, message: ChatMessage) -> Sequence[JsonObject]:
        """Return the items that say the same as a message, as well as they can; none for what the form cannot say."""


def keep(items: Sequence[JsonObject], form: Form) -> list[ChatMessage]:
    """Return the messages that keep items.

    Raises:
        EncodeError: an item is not JSON; the error names its place.
    """
    return kept(plain(items), form)


def plain(items: Sequence[JsonObject]) -> list[JsonObject]:
    """Return copies of items, as plain JSON data.

    Raises:
        EncodeError: an item is not JSON; the error names its place.
    """
    return [to_json_object(item, f"items[{number}]") for number, item in enumerate(items)]


def kept(items: Sequence[JsonObject], form: Form) -> list[ChatMessage]:
    """Return the messages that keep items of plain JSON data. The messages may share data with the items."""
    return [message for item in items for message in _kept(item, form)]


def restore(messages: Sequence[ChatMessage], form: Form) -> list[JsonObject]:
    """Return the items of messages: exactly the items that were kept in this form, and the others converted."""
    items: list[JsonObject] = []
    start = 0
    while start < len(messages):
        mark = _read(messages[start])
        end = start + (mark.messages if mark else 1)
        items += _restored(mark, messages[start:end], form)
        start = end
    return items


def grouped(messages: Sequence[ChatMessage]) -> Iterator[Sequence[ChatMessage]]:
    """Yield the messages of one item after the other."""
    start = 0
    while start < len(messages):
        mark = _read(messages[start])
        end = start + (mark.messages if mark else 1)
        yield messages[start:end]
        start = end


def is_kept(group: Sequence[ChatMessage], form: Form) -> bool:
    """Return whether the messages hold the very item, in this form."""
    mark = _read(group[0])
    return mark is not None and mark.form == form.name and mark.item is not None


def restored(group: Sequence[ChatMessage], form: Form) -> Sequence[JsonObject]:
    """Return the items of the messages of one item."""
    return _restored(_read(group[0]), group, form)


def _restored(mark: _Kept | None, group: Sequence[ChatMessage], form: Form) -> Sequence[JsonObject]:
    if mark and mark.form == form.name and mark.item is not None:
        return [_whole(mark.item, _texts(group)) if mark.refers else mark.item]
    if len(group) == 1:
        return form.to_items(_plain(group[0]))
    return [item for message in group for item in form.to_items(_plain(message))]


def _kept(item: JsonObject, form: Form) -> Sequence[ChatMessage]:
    messages = form.to_messages(item)
    is_said = is_same([other for message in messages for other in form.to_items(message)], [item])
    if is_said and len(messages) == 1:
        return messages
    mark = _Kept(form.name, len(messages))
    if not is_said:
        mark.item = _without_texts(item, messages)
        mark.refers = mark.item is not item
    return [with_properties(messages[0], {KEPT: msgspec.to_builtins(mark)}), *messages[1:]]


def _texts(group: Sequence[ChatMessage]) -> list[str]:
    """Return the texts of messages to which an item may refer."""
    found: list[str] = []
    for message in group:
        if isinstance(message.content, str):
            found.append(message.content)
            continue
        results = [part for part in message.contents if isinstance(part, FunctionResultContent)]
        for part in (*message.contents, *(part for result in results for part in result.parts)):
            match part:
                case TextContent(text=str(text)) | TextReasoningContent(text=str(text)):
                    found.append(text)
                case FunctionCallContent(arguments=str(text)) | FunctionResultContent(result=str(text)):
                    found.append(text)
                case UriContent(uri=text):
                    found.append(text)
                case DataContent():
                    uri = data_uri(part)
                    found += [uri.rpartition(",")[2], uri, urlsafe_b64encode(part.data).decode()]
                case StoredFile():
                    # The bytes were not read. The texts after the file keep their numbers.
                    found += [""] * (3 if part.head is None else 1)
                case _:
                    pass
    return found


def _without_texts(item: JsonObject, messages: Sequence[ChatMessage]) -> JsonObject:
    """Return the item with references to the long texts that its messages hold already."""
    texts = {text: number for number, text in enumerate(_texts(messages)) if len(text) > _SHORT}
    if not texts or REFERENCE.encode() in msgspec.json.encode(item):
        return item

    def reference(value: Json) -> Json:
        number = texts.get(value) if isinstance(value, str) else None
        return None if number is None else {REFERENCE: number}

    return {name: replaced(value, reference) for name, value in item.items()}


def _whole(item: JsonObject, texts: Sequence[str]) -> JsonObject:
    """Return an item with its texts in place of the references."""

    def text(value: Json) -> Json:
        number = value.get(REFERENCE) if isinstance(value, dict) and len(value) == 1 else None
        return texts[number] if isinstance(number, int) and number < len(texts) else None

    return {name: replaced(value, text) for name, value in item.items()}


def _read(message: ChatMessage) -> _Kept | None:
    mark = message.additional_properties and message.additional_properties.get(KEPT)
    if mark is None:
        return None
    try:
        found = msgspec.convert(mark, _Kept)
    except msgspec.ValidationError:
        return None
    return found if found.messages >= 1 else None


def _plain(message: ChatMessage) -> ChatMessage:
    """Return the message as the form has made it."""
    properties = message.additional_properties
    if properties is None or KEPT not in properties:
        return message
    return with_properties(message, {KEPT: None})


def is_same(one: object, other: object) -> bool:
    """Return whether two JSON values are the same."""
    # Python says that 1, 1.0 and True are equal, so the texts of equal values are compared.
    return one == other and _sorted.encode(one) == _sorted.encode(other)
