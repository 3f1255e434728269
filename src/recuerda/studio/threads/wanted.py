"""The conditions of a list of threads, as the query of its page says them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Literal, cast, get_args

import msgspec
from starlette.datastructures import QueryParams

from recuerda.errors import InvalidInput
from recuerda.json_value import Json, JsonObject
from recuerda.storage.thread_filter import ThreadFilter
from recuerda.studio.paths import link

ThreadState = Literal["", "unfinished", "waiting", "damaged"]
Archived = Literal["", "only", "all"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions of a list of threads. An empty text is no condition.

    Attributes:
        q: words in the title; with an index, also words that were said.
        user: the user.
        tag: a tag.
        metadata: `key=value`, where the value is JSON or any other text.
        since: the first day of the last change, as 2026-11-27, in UTC.
        until: the last day of the last change.
        archived: "" leaves archived threads out, "only" shows only them, and "all" shows both.
        state: "unfinished" shows threads with an unfinished turn, "waiting" those of them that wait for an approval,
            and "damaged" threads with turns that cannot be read.
        cursor: the place after which the page begins.
    """

    q: str = ""
    user: str = ""
    tag: str = ""
    metadata: str = ""
    since: str = ""
    until: str = ""
    archived: Archived = ""
    state: ThreadState = ""
    cursor: str = ""

    @classmethod
    def of(cls, query: QueryParams) -> Wanted:
        """Return the conditions of a query.

        Raises:
            InvalidInput: a condition cannot be used.
        """
        given = {name: query.get(name, "").strip() for name in cls.__struct_fields__}
        _check_word(given["archived"], "archived", get_args(Archived))
        _check_word(given["state"], "state", get_args(ThreadState))
        return cls(**cast("dict[str, Literal['']]", given))

    @property
    def is_chosen(self) -> bool:
        """Whether there is any condition."""
        return self != Wanted(cursor=self.cursor)

    @property
    def metadata_values(self) -> JsonObject:
        """The wanted values of the metadata."""
        if not self.metadata:
            return {}
        key, separator, text = self.metadata.partition("=")
        if not separator or not key:
            raise InvalidInput(f"the condition on metadata has the form key=value, and not {self.metadata[:80]!r}")
        return {key: _value(text)}

    @property
    def since_moment(self) -> datetime | None:
        """The beginning of the first day."""
        return _day(self.since, "since")

    @property
    def until_moment(self) -> datetime | None:
        """The end of the last day."""
        day = _day(self.until, "until")
        # No thread changes after the last day that a datetime can have.
        return None if day is None or day.date() == date.max else day + timedelta(days=1)

    @property
    def is_archived(self) -> bool | None:
        """The condition on archived threads, as storages take it."""
        return None if self.archived == "all" else self.archived == "only"

    def filter(self, *, has_title: bool) -> ThreadFilter:
        """Return the filter of these conditions, with or without the words of the title."""
        return ThreadFilter.of(
            user_id=self.user or None,
            title=self.q if has_title else None,
            metadata=self.metadata_values,
            tags=[self.tag] if self.tag else [],
            archived=self.is_archived,
            updated_after=self.since_moment,
            updated_before=self.until_moment,
        )

    def href(self, cursor: str | None) -> str | None:
        """Return the address of the page that begins after a place; None for no place."""
        if cursor is None:
            return None
        given = {name: getattr(self, name) or None for name in self.__struct_fields__}
        return link("threads", **{**given, "cursor": cursor or None})


def _check_word(given: str, name: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise InvalidInput(f"{name} must be one of {', '.join(filter(None, known))}, not {given[:40]!r}")


def _value(text: str) -> Json:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return text


def _day(text: str, name: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput(f"{name} must be a day such as 2026-11-27, not {text[:40]!r}") from None
