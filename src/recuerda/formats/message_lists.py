"""Formats that are a list of messages in JSON: the lists that models and frameworks take.

A file holds one list, one object with a list, an array of such objects, or one of these on each line. An object may
have an `id` and a `title` besides. A file without ids gives the file's name as id. Each message is kept so that the
same format gives back exactly the same message; see `interop/forms.py`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, cast

import msgspec

from recuerda.errors import EncodeError, StateError
from recuerda.formats.documents import documents, understood
from recuerda.formats.format import Writer, Written
from recuerda.formats.losses import counted, files_in_results, parts_that
from recuerda.formats.moved import MovedThread
from recuerda.formats.source import Source
from recuerda.formats.turns import Conversation, Said, thread_of
from recuerda.interop.forms import Form, grouped, is_kept, keep, restored
from recuerda.json_value import JsonObject
from recuerda.messages.message import AnyContent, ChatMessage, UnknownContent, with_contents

LACKS = ("times", "metadata", "branches")
"""The facts for which most lists have no place."""

Joined: TypeAlias = Callable[[Sequence[JsonObject]], Sequence[JsonObject]]
"""Puts items together that belong together in the format, such as the parts of one answer."""


class ListFormat(msgspec.Struct, frozen=True, kw_only=True):
    """A format that is a list of messages.

    Attributes:
        form: converts a message.
        key: the name of the list in an object that describes a thread.
        other_keys: other names that the list may have.
        id_of: returns the id of a message, if it has one.
        time_of: returns the time of a message in microseconds since 1970 (UTC), if it has one.
        joined: see `Joined`.
        before: returns the messages that the fields of the object stand for, such as a system prompt.
        after: returns the fields of the object and the items, made of all items.
    """

    form: Form
    key: str = "messages"
    other_keys: tuple[str, ...] = ()
    id_of: Callable[[JsonObject], str | None] = lambda item: text_of(item, "id", "message_id")
    time_of: Callable[[JsonObject], int | None] = lambda _: None
    joined: Joined = lambda items: items
    before: Callable[[JsonObject], Sequence[JsonObject]] = lambda _: ()
    after: Callable[[Sequence[JsonObject]], JsonObject] | None = None

    def read(self, source: Source) -> Iterator[MovedThread]:
        """Yield the threads of a source."""
        for number, (about, items) in enumerate(self._lists(source.text()), 1):
            with understood(items[0][0] if items else f"list {number}"):
                yield self._thread(about, items, source.name, number)

    def said(self, where: str, item: JsonObject) -> Said:
        """Return one message.

        Args:
            where: the place of the message in its file.
            item: the message.

        Raises:
            StateError: the message cannot be read; the error names its place.
        """
        try:
            messages = keep([item], self.form)
        except (EncodeError, TypeError, KeyError, ValueError, AttributeError) as error:
            raise StateError(f"{where} is not a message: {error}") from None
        return Said(
            id=self.id_of(item),
            messages=messages,
            created_us=self.time_of(item),
            losses=parts_that(messages, lambda part, _: isinstance(part, UnknownContent)),
        )

    def writer(self, lacks: tuple[str, ...] = ()) -> Writer:
        """Return the functions that write the format: one JSON object on each line."""
        return Writer(thread=self._written, lacks=lacks)

    # -- reading -------------------------------------------------------------------------------------------------------

    def _lists(self, text: bytes) -> Iterator[tuple[JsonObject, list[tuple[str, JsonObject]]]]:
        """Yield what is said about each list, and its items with their places."""
        single: list[tuple[str, JsonObject]] = []
        for document in documents(text, "element"):
            value = document.as_type(object)
            match value:
                case list():
                    yield (
                        {},
                        [
                            _item(one, f"{document.where}, item {at}")
                            for at, one in enumerate(_list(cast("object", value)), 1)
                        ],
                    )
                case dict() if (key := self._key(about := cast("JsonObject", value))) is not None:
                    told = [*self.before(about), *_list(about[key])]
                    yield about, [_item(one, f"{document.where}, {key}[{at}]") for at, one in enumerate(told)]
                case _:
                    single.append(_item(value, document.where))
        if single:
            yield {}, single

    def _key(self, about: JsonObject) -> str | None:
        return next((key for key in (self.key, *self.other_keys) if isinstance(about.get(key), list)), None)

    def _thread(
        self, about: JsonObject, items: Sequence[tuple[str, JsonObject]], name: str, number: int
    ) -> MovedThread:
        thread_id = text_of(about, "id", "thread_id", "session_id", "chatId", "conversation_id")
        conversation = Conversation(
            id=thread_id or _name(items, name, number),
            title=text_of(about, "title"),
            user_id=text_of(about, "user_id", "user"),
        )
        return thread_of(conversation, [self.said(where, item) for where, item in items])

    # -- writing -------------------------------------------------------------------------------------------------------

    def _written(self, thread: MovedThread) -> Written:
        items: list[JsonObject] = []
        losses: dict[str, int] = {}
        for group in grouped(thread.messages):
            items += restored(group, self.form)
            if not is_kept(group, self.form):
                _add(losses, self._lost(group))
        about: JsonObject = {"id": thread.id}
        if thread.title:
            about["title"] = thread.title
        if thread.user_id:
            about["user_id"] = thread.user_id
        joined = self.joined(items)
        fields = {self.key: [*joined]} if self.after is None else self.after(joined)
        return Written(msgspec.json.encode({**about, **fields}).decode() + "\n", losses)

    def _lost(self, messages: Sequence[ChatMessage]) -> dict[str, int]:
        lost: list[AnyContent] = []
        for message in messages:
            for part in message.contents:
                items = self.form.to_items(with_contents(message, [part]))
                if not items:
                    lost.append(part)
                elif (held := files_in_results([part])) and not files_in_results(self._contents(items)):
                    lost += held
        return counted(lost)

    def _contents(self, items: Sequence[JsonObject]) -> list[AnyContent]:
        return [part for item in items for message in self.form.to_messages(item) for part in message.contents]


def messages_in(values: Sequence[object], *keys: str) -> list[JsonObject]:
    """Return the messages in the first values of a file; nothing if they are anything else.

    Args:
        values: the first values of the file.
        keys: the names that a list of messages may have in an object.
    """
    first = values[0] if values else None
    items: Sequence[object] = values
    if isinstance(first, list):
        items = _list(cast("object", first))
    elif isinstance(first, dict):
        about = cast("JsonObject", first)
        items = next((cast("list[object]", about[key]) for key in keys if isinstance(about.get(key), list)), values)
    found = [cast("JsonObject", item) for item in items if isinstance(item, dict)]
    return found if len(found) == len(items) else []


def _add(losses: dict[str, int], more: dict[str, int]) -> None:
    for kind, number in more.items():
        losses[kind] = losses.get(kind, 0) + number


def _item(value: object, where: str) -> tuple[str, JsonObject]:
    if not isinstance(value, dict):
        raise StateError(f"{where} is not a message: it is not an object")
    return where, cast("JsonObject", value)


def _list(value: object) -> list[object]:
    return cast("list[object]", value)


def text_of(about: JsonObject, *names: str) -> str | None:
    """Return the first text among fields of an object."""
    found = (about.get(name) for name in names)
    return next((value for value in found if isinstance(value, str) and value), None)


def _name(items: Sequence[tuple[str, Any]], name: str, number: int) -> str:
    if not name:
        first = msgspec.json.encode([number, *(item for _, item in items[:1])])
        return f"imported-{hashlib.sha256(first).hexdigest()[:12]}"
    return name if number == 1 else f"{name}-{number}"
