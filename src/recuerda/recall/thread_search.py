"""The search in threads: what a search box above a list of conversations needs.

A run of an agent looks for messages that may matter, and ranks them by many signs. A person who types words into a
search box wants the conversations in which these words stand. So here a message counts by the share of the words that
it has, and nothing else. The messages come from the index of memories, which follows the storage: each search first
takes in what is new, and compares the threads that it returns with the storage. So an undone, trimmed or erased message
is not found.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Self

import msgspec

from recuerda.errors import InvalidInput, StorageUnavailable
from recuerda.ids import check_id, check_limit
from recuerda.recall.checking import Tell
from recuerda.recall.folding import composed
from recuerda.recall.index import RecallIndex
from recuerda.recall.memory import Memory, Progress
from recuerda.recall.places import index_beside, opened_index
from recuerda.recall.recollection import Recollection
from recuerda.recall.scopes import DEFAULT_NAMESPACE, Whose, named_namespace
from recuerda.recall.text import emoji_terms, essence, places_of
from recuerda.recall.wording import Wording
from recuerda.storage.contract import Storage, system_clock
from recuerda.storage.hooks import Clock
from recuerda.storage.records import from_microseconds
from recuerda.storage.registry import open_storage
from recuerda.storage.thread_filter import folded
from recuerda.storage.thread_info import ThreadInfo

THREADS_OF_NOBODY = 200
"""The number of threads without a user that are searched when no user is named: those that were used last."""

_BEFORE = 60
_CUT = "…"


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a message in which words of a search stand.

    Attributes:
        text: the part, on one line. "…" stands where the message goes on.
        matches: the places of the words in `text`: start and end of each, as in `text[start:end]`.
        turn: the number of the message's turn.
        turn_id: the id of the turn.
        position: the message's position in the turn, from 0.
        role: "user" or "assistant".
        speaker: the author's name; None if the message has none.
        created_us: the time of the turn's commit, in microseconds since 1970 (UTC).
        share: the share of the searched words that the message has, above 0 and up to 1.
    """

    text: str
    matches: tuple[tuple[int, int], ...]
    turn: int
    turn_id: str
    position: int
    role: str
    speaker: str | None
    created_us: int
    share: float

    @property
    def created_at(self) -> datetime:
        """`created_us` as an aware UTC time."""
        return from_microseconds(self.created_us)


class FoundThread(msgspec.Struct, frozen=True, kw_only=True):
    """A thread that a search found.

    Attributes:
        thread: the information about the thread.
        passages: the messages that have the words, those with the most words first, and then the newest first. Empty if
            only the title has the words.
        title_matches: the places of the words in the title; empty if the title does not have all words.
    """

    thread: ThreadInfo
    passages: tuple[Passage, ...]
    title_matches: tuple[tuple[int, int], ...] = ()

    @property
    def share(self) -> float:
        """The share of the searched words that stand together in the title or in one message, up to 1."""
        return 1.0 if self.title_matches else max(passage.share for passage in self.passages)


class ThreadSearch:
    """Search what was said in threads, and their titles. No agent and no model is needed.

    Args:
        storage: the storage of the threads, or its URL.
        index: the index of the messages, as in `RecallProvider`: a path, a URL, or a `RecallIndex`, which is not
            closed. If None, it is beside the storage. A `RecallProvider` may use the same index.
        clock: gives the time in microseconds since 1970.

    Erasing a user or deleting a thread through the same storage object also removes its messages from the index. What
    another program deletes is removed by the next search or `catch_up`.
    """

    def __init__(
        self,
        storage: Storage | str,
        index: str | os.PathLike[str] | RecallIndex | None = None,
        *,
        clock: Clock = system_clock,
    ) -> None:
        self.storage: Storage = open_storage(storage) if isinstance(storage, str) else storage
        self._owns_storage = isinstance(storage, str)
        self._index, self._owns_index = (index_beside(self.storage), True) if index is None else opened_index(index)
        self._recollection = Recollection(self._index, self.storage, None, clock)
        self._is_closed = False
        self.storage.follow(self)

    @property
    def name(self) -> str:
        """The name in the receipt of an erasure."""
        return type(self).__name__

    async def search(
        self,
        query: str,
        *,
        user_id: str | None = None,
        limit: int = 20,
        min_share: float = 1.0,
        max_passages: int = 3,
        max_characters: int = 160,
    ) -> list[FoundThread]:
        """Return the threads in which words were said or stand in the title, archived threads included.

        Threads in which more of the words stand together come first. Among equals, the threads come first that were
        used last. Words are compared by their stems, without case and accents, numbers by their values ("10k" is
        "10,000"), and words such as "the" do not count
        beside others. Emoji count if the query has no word that counts. In a title, a word is also found inside of a
        longer word.

        Of about 1,500 messages at most, the words are counted: of those in which they count most. The titles of the
        5,000 threads that were used last are compared.

        Args:
            query: the words.
            user_id: the user whose threads are searched, in every namespace of memories. If None, the 200 threads
                without a user that were used last are searched.
            limit: the largest number of threads.
            min_share: the share of the words that a message must have, above 0 and up to 1. With 1, it must have all of
                them. A title must have all of them in any case.
            max_passages: the largest number of passages of one thread.
            max_characters: the length of a passage, in characters.

        Raises:
            InvalidInput: an argument is invalid.
            StorageError: the storage or the index failed. No unchecked message is returned.
        """
        _check(min_share, limit=limit, max_passages=max_passages, max_characters=max_characters)
        asked = essence(query)
        wording = Wording(asked)
        wanted = wording.numbered() or emoji_terms(asked)
        said: list[Memory] = []
        for whose in await self._owners(user_id) if wanted else ():
            said += await self._opened().said(wanted, whose, limit=limit, each=max_passages, min_share=min_share)
        passages = _passages(said, wording.terms.union(wanted), max_characters)
        found = await self._threads(query, passages, await self._titled(query, user_id, limit))
        return sorted(found, key=lambda one: (one.share, one.thread.updated_us), reverse=True)[:limit]

    async def catch_up(self, user_id: str | None = None, *, progress: Tell | None = None) -> Progress:
        """Bring the index up to date with a user's threads, or with all threads.

        The first search for a user in a program does this for the user's threads. A program may do it before, so that
        the first search does not wait.
        """
        return await self._opened().catch_up(user_id, progress)

    async def forget(self, thread_ids: Sequence[str], *, user_id: str | None) -> int:
        """Delete the messages of threads that are gone, and of the user, from the index; return their number.

        The storage calls this method.
        """
        return await self._opened().erase(thread_ids, user_id)

    async def close(self) -> None:
        """Close the index and the storage, if they were opened here."""
        self._is_closed = True
        self.storage.followers.discard(self)
        try:
            if self._owns_index:
                await self._index.close()
        finally:
            if self._owns_storage:
                await self.storage.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def _opened(self) -> Recollection:
        if self._is_closed:
            raise StorageUnavailable("this search has been closed; make a new one")
        return self._recollection

    async def _owners(self, user_id: str | None) -> list[Whose]:
        if user_id is not None:
            await self._opened().freshen(Whose(user_id=check_id(user_id, "user id")))
            return [Whose(user_id=user_id, namespaces=await self._opened().namespaces_of(user_id))]
        page = await self.storage.list_threads(archived=None, limit=1_000)
        nobodys = [info for info in page.threads if info.user_id is None]
        return [
            Whose(thread_id=info.id, namespaces=(named_namespace(info) or DEFAULT_NAMESPACE,))
            for info in nobodys[:THREADS_OF_NOBODY]
        ]

    async def _titled(self, query: str, user_id: str | None, limit: int) -> dict[str, ThreadInfo]:
        """Return the threads whose titles have all words of a query."""
        if not query.strip():
            return {}
        page = await self.storage.list_threads(user_id=user_id, title=query, archived=None, limit=min(limit, 1_000))
        return {info.id: info for info in page.threads if user_id is not None or info.user_id is None}

    async def _threads(
        self, query: str, passages: dict[str, list[Passage]], titled: dict[str, ThreadInfo]
    ) -> list[FoundThread]:
        words = folded(query).split()
        found: list[FoundThread] = []
        untitled = [thread_id for thread_id in passages if thread_id not in titled]
        heads = await asyncio.gather(*map(self.storage.head, untitled))
        for thread_id, info in {**titled, **dict(zip(untitled, heads, strict=True))}.items():
            if info is not None:
                places = _places(info.title or "", words) if thread_id in titled else ()
                some = tuple(passages.get(thread_id, ()))
                found.append(FoundThread(thread=info, passages=some, title_matches=places))
        return found


def _check(min_share: float, **limits: int) -> None:
    if not 0 < min_share <= 1:
        raise InvalidInput(f"min_share must be above 0 and at most 1, not {min_share}")
    for name, limit in limits.items():
        check_limit(limit, name)


def _passages(said: Iterable[Memory], terms: frozenset[str], max_characters: int) -> dict[str, list[Passage]]:
    """Return the passages of messages by the ids of their threads."""
    passages: dict[str, list[Passage]] = {}
    for memory in said:
        passages.setdefault(memory.thread_id, []).append(_passage(memory, terms, max_characters))
    return passages


def _passage(memory: Memory, terms: frozenset[str], max_characters: int) -> Passage:
    text = " ".join(composed(memory.text).split())
    start, end = _window(places_of(text, terms), len(text), max_characters)
    first, last = _CUT if start else "", _CUT if end < len(text) else ""
    part = text[start:end]
    shift = len(first)
    matches = tuple((at + shift, to + shift) for at, to in places_of(part, terms, like=text))
    return Passage(
        text=f"{first}{part}{last}",
        matches=matches,
        turn=memory.turn,
        turn_id=memory.turn_id,
        position=memory.position,
        role=memory.role,
        speaker=memory.speaker,
        created_us=memory.created_us,
        share=memory.score,
    )


def _window(places: Sequence[tuple[int, int]], length: int, size: int) -> tuple[int, int]:
    """Return the start and the end of the part of a text with the most of these places."""
    if length <= size or not places:
        return 0, min(length, size)
    before = min(_BEFORE, size // 3)
    starts = [max(0, min(start - before, length - size)) for start, _ in places]
    best = max(starts, key=lambda start: sum(start <= at and to <= start + size for at, to in places))
    return best, best + size


def _places(text: str, words: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """Return the places in a text of folded words, which may be inside of longer words. Places do not overlap."""
    letters = [(letter, at) for at, char in enumerate(text) for letter in folded(char)]
    plain = "".join(letter for letter, _ in letters)
    marked: set[int] = set()
    for word in words:
        for match in re.finditer(re.escape(word), plain):
            marked.update(range(letters[match.start()][1], letters[match.end() - 1][1] + 1))
    starts = sorted(at for at in marked if at - 1 not in marked)
    ends = sorted(at + 1 for at in marked if at + 1 not in marked)
    return tuple(zip(starts, ends, strict=True))
