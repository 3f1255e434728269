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
from msgspec import structs

from recuerda.errors import EncodeError, StateError
from recuerda.formats.documents import documents, understood
from recuerda.formats.facts import facts_of, message_facts, turn_losses, without
from recuerda.formats.format import Departure, Family, Writer, Written
from recuerda.formats.losses import MARKS, counted, files_in_results, has_mark, parts_that
from recuerda.formats.moved import MovedThread, MovedTurn, added_up
from recuerda.formats.source import Source
from recuerda.formats.supplement import KEY, supplement_in, supplement_of
from recuerda.formats.turns import Conversation, Said, thread_of
from recuerda.interop.forms import Form, grouped, is_kept, keep, restored
from recuerda.json_value import JsonObject
from recuerda.messages.message import AnyContent, ChatMessage, UnknownContent, with_contents

Joined: TypeAlias = Callable[[Sequence[JsonObject]], Sequence[JsonObject]]
"""Puts items together that belong together in the format, such as the parts of one answer."""


class ListFormat(msgspec.Struct, frozen=True, kw_only=True):
    """A format that is a list of messages.

    Attributes:
        form: converts a message.
        needs: the fields of which a message has at least one.
        key: the name of the list in an object that describes a thread.
        other_keys: other names that the list may have.
        id_of: returns the id of a message, if it has one.
        time_of: returns the time of a message in microseconds since 1970 (UTC), if it has one.
        joined: see `Joined`.
        before: returns the messages that the fields of the object stand for, such as a system prompt.
        after: returns the fields of the object and the items, made of all items.
        timed: returns the items of a message with a time in microseconds since 1970 (UTC), in a format that has a place
            for it.
    """

    form: Form
    needs: tuple[str, ...] = ("role",)
    key: str = "messages"
    other_keys: tuple[str, ...] = ()
    id_of: Callable[[JsonObject], str | None] = lambda item: text_of(item, "id", "message_id")
    time_of: Callable[[JsonObject], int | None] = lambda _: None
    joined: Joined = lambda items: items
    before: Callable[[JsonObject], Sequence[JsonObject]] = lambda _: ()
    after: Callable[[Sequence[JsonObject]], JsonObject] | None = None
    timed: Callable[[JsonObject, int], JsonObject] | None = None

    def read(self, source: Source) -> Iterator[MovedThread]:
        """Yield the threads of a source."""
        for number, (about, items) in enumerate(self._lists(source.text()), 1):
            with understood(items[0][0] if items else f"list {number}"):
                yield self._thread(about, items, source.name, number)

    def check(self, where: str, item: JsonObject) -> None:
        """Check that an object can be a message.

        Raises:
            StateError: it has none of the fields that a message has.
        """
        if not item.keys() & set(self.needs):
            raise StateError(f"{where} is not a message: it has no field {' or '.join(map(repr, self.needs))}")

    def said(self, where: str, item: JsonObject) -> Said:
        """Return one message.

        Args:
            where: the place of the message in its file.
            item: the message.

        Raises:
            StateError: the message cannot be read; the error names its place.
        """
        self.check(where, item)
        try:
            messages = keep([item], self.form)
        except KeyError as error:
            raise StateError(f"{where} is not a message: it has no field {error}") from None
        except (EncodeError, TypeError, ValueError, AttributeError) as error:
            raise StateError(f"{where} is not a message: {error}") from None
        return Said(
            id=self.id_of(item),
            messages=messages,
            created_us=self.time_of(item),
            losses=parts_that(messages, lambda part, _: isinstance(part, UnknownContent)),
        )

    def writer(self) -> Writer:
        """Return the functions that write the format: one JSON object on each line."""
        return Writer(write=self._write)

    def entries(self, thread: MovedThread) -> list[list[JsonObject]]:
        """Return the items of each turn."""
        return [self.items(turn) for turn in thread.turns]

    def items(self, turn: MovedTurn) -> list[JsonObject]:
        """Return the items of a turn."""
        groups = list(grouped(turn.turn.messages))
        items = [item for group in groups for item in restored(group, self.form)]
        # The messages of a turn that came from this format have its time already.
        if (
            self.timed is not None
            and turn.created_us is not None
            and not any(is_kept(one, self.form) for one in groups)
        ):
            items = [self.timed(item, turn.created_us) for item in items]
        return [*self.joined(items)]

    def lost(self, thread: MovedThread) -> dict[str, int]:
        """Return the number of parts and of facts of messages for which the format has no place."""
        groups = [group for turn in thread.turns for group in grouped(turn.turn.messages)]
        return added_up(self._lost(group) for group in groups if not is_kept(group, self.form))

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
        supplement = supplement_in(about)
        conversation = Conversation(
            id=thread_id or _name(items, name, number),
            title=text_of(about, "title"),
            user_id=text_of(about, "user_id", "user"),
            metadata=supplement.metadata,
            archived=supplement.archived,
            tags=supplement.tags,
        )
        found = thread_of(conversation, [self.said(where, item) for where, item in items], supplement.turns)
        return structs.replace(found, parent=supplement.parent)

    # -- writing -------------------------------------------------------------------------------------------------------

    def _write(self, family: Family) -> Written:
        (thread,) = family
        turns = self.entries(thread)
        about: JsonObject = {"id": thread.id}
        if thread.title:
            about["title"] = thread.title
        if thread.user_id:
            about["user_id"] = thread.user_id
        items = [item for turn in turns for item in turn]
        fields = {self.key: [*items]} if self.after is None else self.after(items)
        held = supplement_of(thread, [len(turn) for turn in turns])
        held = structs.replace(held, id=None, title=None, user_id=None)
        text = msgspec.json.encode({**about, **fields, KEY: held}).decode() + "\n"
        departure = Departure(
            thread_id=thread.id,
            losses=added_up([self.lost(thread), turn_losses(thread), without({"turn": turns.count([])})]),
            supplement=facts_of(thread, ("title", "user", *(("time",) if self.timed else ()))),
        )
        return Written(text=text, departures=(departure,))

    def _lost(self, messages: Sequence[ChatMessage]) -> dict[str, int]:
        lost: list[AnyContent] = []
        marks: dict[str, int] = {}
        for message in messages:
            for part in message.contents:
                items = self.form.to_items(with_contents(message, [part]))
                again = self._contents(items)
                if not items:
                    lost.append(part)
                elif (held := files_in_results([part])) and not files_in_results(again):
                    lost += held
                for mark in MARKS if items else ():
                    if has_mark(part, mark) and not any(has_mark(one, mark) for one in again):
                        marks[mark] = marks.get(mark, 0) + 1
        return added_up([counted(lost), marks, *(self._lost_facts(message) for message in messages)])

    def _lost_facts(self, message: ChatMessage) -> dict[str, int]:
        """Return the number of facts beside a message's parts that do not come back."""
        found = message_facts([message])
        again = [one for item in self.form.to_items(message) for one in self.form.to_messages(item)]
        return {kind: number for kind, number in found.items() if kind not in message_facts(again)}

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
