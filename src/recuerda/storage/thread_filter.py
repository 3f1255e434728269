"""The filter of a list of threads, and the result of one look through the threads.

A storage lists its threads in one order. An index finds the threads of a user and of a time. All other conditions are
compared with each thread, by the same function on every storage, so every storage gives the same answer. One look stops
after `LOOKED_AT` threads, and says where it stopped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from msgspec import structs

from recuerda.errors import InvalidInput
from recuerda.ids import check_id
from recuerda.json_value import to_json_object
from recuerda.storage.records import to_microseconds
from recuerda.storage.thread_info import ThreadInfo

LOOKED_AT = 5_000
"""The largest number of threads that one call of `list_threads` compares with a filter."""

PAGE = 500
"""The number of threads that a storage reads in one trip to compare them."""

Position: TypeAlias = tuple[int, str]
"""The `updated_us` and the `id` of a thread: its place in the list."""


class ThreadFilter(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions that a listed thread meets. A thread must meet all of them.

    Attributes:
        user_id: the thread's user; None for any.
        parent: the id of the thread from which the thread was begun as a fork; None for any thread.
        words: texts that the title must contain, each as `folded` returns it.
        metadata: the values that keys of the metadata must have. None as a value stands for a missing key.
        tags: tags that the thread must have.
        archived: whether the thread must be archived; None for any.
        updated_from_us: the first time of the last change, in microseconds since 1970; None for any. The end of these
            times is `updated_before_us`, which is not one of them.
        created_from_us: the same for the time of the thread's creation, together with `created_before_us`.
    """

    user_id: str | None = None
    parent: str | None = None
    words: tuple[str, ...] = ()
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    tags: tuple[str, ...] = ()
    archived: bool | None = None
    updated_from_us: int | None = None
    updated_before_us: int | None = None
    created_from_us: int | None = None
    created_before_us: int | None = None

    @classmethod
    def of(
        cls,
        *,
        user_id: str | None = None,
        parent: str | None = None,
        title: str | None = None,
        metadata: Mapping[str, object] | None = None,
        tags: Iterable[str] = (),
        archived: bool | None = None,
        updated_after: datetime | None = None,
        updated_before: datetime | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> ThreadFilter:
        """Return the filter for the arguments of `Storage.list_threads`.

        Raises:
            InvalidInput: the user id cannot be used, or a time has no time zone.
            EncodeError: `metadata` is not JSON.
        """
        return cls(
            user_id=None if user_id is None else check_id(user_id, "user id"),
            parent=None if parent is None else check_id(parent, "parent's thread id"),
            words=tuple(folded(title or "").split()),
            metadata=to_json_object(metadata or {}, "metadata"),
            tags=to_tags(tags),
            archived=archived,
            updated_from_us=_to_us(updated_after, "updated_after"),
            updated_before_us=_to_us(updated_before, "updated_before"),
            created_from_us=_to_us(created_after, "created_after"),
            created_before_us=_to_us(created_before, "created_before"),
        )

    @property
    def by_index(self) -> ThreadFilter:
        """The conditions that an index of every storage answers: the user, and the time of the last change."""
        return ThreadFilter(
            user_id=self.user_id, updated_from_us=self.updated_from_us, updated_before_us=self.updated_before_us
        )

    @property
    def is_selective(self) -> bool:
        """True if there are conditions that only a few threads may meet, and that no index answers."""
        return structs.replace(self, archived=None) != self.by_index

    def start(self, position: Position | None) -> Position | None:
        """Return the place after which the list begins: `position`, or the end of the wanted times if it is later."""
        if self.updated_before_us is None:
            return position
        # No id is empty. So the threads after this place are the threads with an earlier time.
        end = (self.updated_before_us, "")
        return end if position is None else min(position, end)

    def is_behind(self, updated_us: int) -> bool:
        """Return True if the list may end at a thread with this time, because all further threads are older."""
        return self.updated_from_us is not None and updated_us < self.updated_from_us

    def matches(self, info: ThreadInfo) -> bool:
        """Return True if a thread meets all conditions."""
        return (
            self.user_id in (None, info.user_id)
            and (self.parent is None or (info.parent is not None and info.parent.thread_id == self.parent))
            and self.archived in (None, info.archived)
            and set(self.tags) <= set(info.tags)
            and _is_within(info.updated_us, self.updated_from_us, self.updated_before_us)
            and _is_within(info.created_us, self.created_from_us, self.created_before_us)
            and all(_is_same(info.metadata.get(key), value) for key, value in self.metadata.items())
            and self._names(info.title)
        )

    def _names(self, title: str | None) -> bool:
        if not self.words:
            return True
        text = folded(title or "")
        return all(word in text for word in self.words)


class ListedThreads(msgspec.Struct, frozen=True):
    """The threads that one look found.

    Attributes:
        threads: the threads that meet the filter, in the order of the list.
        stopped_at: the place of the last thread that was compared, if the look stopped there because it had compared
            `LOOKED_AT` threads. None if it found enough threads, or if there are no more.
    """

    threads: Sequence[ThreadInfo]
    stopped_at: Position | None = None


def matching(infos: Iterable[ThreadInfo], wanted: ThreadFilter, limit: int) -> ListedThreads:
    """Return up to `limit` threads that match, from threads that come in the order of the list.

    No more than `LOOKED_AT` threads are taken.
    """
    found: list[ThreadInfo] = []
    for count, info in enumerate(infos, 1):
        if wanted.is_behind(info.updated_us):
            break
        if wanted.matches(info):
            found.append(info)
        if len(found) == limit:
            break
        if count == LOOKED_AT:
            return ListedThreads(found, (info.updated_us, info.id))
    return ListedThreads(found)


async def look_through(
    read_page: Callable[[Position | None, int], Awaitable[Sequence[ThreadInfo]]],
    wanted: ThreadFilter,
    limit: int,
    position: Position | None,
) -> ListedThreads:
    """Do `Storage._list` with pages of threads.

    Args:
        read_page: returns up to a number of threads after a place, in the order of the list. It returns fewer threads
            only at the end of the list. All threads that meet `wanted.by_index` are among them.
        wanted: the filter.
        limit: the largest number of threads to return.
        position: the place after which the list begins.
    """
    size = max(limit, PAGE) if wanted.is_selective else limit
    place = wanted.start(position)
    found: list[ThreadInfo] = []
    looked = 0
    while looked < LOOKED_AT:
        size = min(size, LOOKED_AT - looked)
        page = await read_page(place, size)
        found.extend(info for info in page if wanted.matches(info))
        if len(found) >= limit or len(page) < size or wanted.is_behind(page[-1].updated_us):
            return ListedThreads(found[:limit])
        place = page[-1].updated_us, page[-1].id
        looked += size
        size = max(limit, PAGE)
    return ListedThreads(found, place)


def to_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags in order, each once.

    Raises:
        InvalidInput: a tag cannot be used, or `tags` is one text instead of several.
    """
    if isinstance(tags, str):
        raise InvalidInput(f"tags must be several texts, such as [{tags!r}], and not one text")
    return tuple(sorted({check_id(tag, "tag") for tag in tags}))


def folded(text: str) -> str:
    """Return a text in which letters that differ only by case or accents are equal."""
    import unicodedata  # loads a library, which is needed only for a search in titles

    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


def _is_within(time_us: int, start_us: int | None, end_us: int | None) -> bool:
    return (start_us is None or start_us <= time_us) and (end_us is None or time_us < end_us)


def _is_same(held: object, wanted: object) -> bool:
    """Return True if two values have the same JSON. So true is not 1, and 1 is not 1.0."""
    encode = _encoder.encode
    return held == wanted and encode(held) == encode(wanted)


_encoder = msgspec.json.Encoder(order="deterministic")


def _to_us(moment: datetime | None, name: str) -> int | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise InvalidInput(f"{name} has no time zone: give an aware datetime, such as datetime.now(UTC)")
    return max(0, to_microseconds(moment))
