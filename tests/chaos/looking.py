"""Readers beside the painters: they page back through threads, and search in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from recuerda import Storage
from recuerda.errors import RecuerdaError
from recuerda.recall import ThreadSearch
from recuerda.threads.history import StoredTurn
from recuerda.threads.store import ChatMessageStore
from tests.chaos.painting import ROOTS, SHOWN, USERS
from tests.chaos.speaking import turns_of
from tests.chaos.tally import Round

WORD = "shows"
"""A word that each question has."""

PAGE = 2
MOST = 500
"""The largest number of threads and of passages in a search; more than a round has."""


class Reader:
    """A reader with a handle on the storage and an index.

    Args:
        storage: the storage.
        search: searches in the storage.
        current: the round.
    """

    def __init__(self, storage: Storage, search: ThreadSearch, current: Round) -> None:
        self._storage = storage
        self._search = search
        self._current = current

    async def look(self) -> None:
        """Page back through a thread, or search for a user."""
        if self._current.luck.random() < 0.8:
            await self._page_back(self._current.luck.choice(ROOTS))
        else:
            await self._current.attempt(self._search.search(WORD, user_id=self._current.luck.choice(USERS)))
        await self._current.pause(0.05)

    async def check(self, threads: Mapping[str, Sequence[StoredTurn]]) -> None:
        """Check all pages, and that a search finds all questions and nothing else, while nothing is under way."""
        for thread in threads:
            await self._page_back(thread)
        for user in USERS:
            found = await self._search.search(WORD, user_id=user, limit=MOST, max_passages=MOST)
            passages = {(one.thread.id, part.turn, part.text) for one in found for part in one.passages}
            said = {
                (thread, turn.number, turn.messages[0].text)
                for thread, turns in threads.items()
                for turn in turns
                if (match := SHOWN.fullmatch(turn.messages[0].text)) and match[1] == user
            }
            self._current.check("", expected=[], found=sorted(passages - said))
            # A turn that forks share is found once.
            self._current.check("", expected={text for *_, text in said}, found={text for *_, text in passages})

    async def _page_back(self, thread: str) -> None:
        """Check that each turn which stays meanwhile is met once."""
        before = await self._ids(thread)
        met = await self._ids_by_page(thread)
        after = await self._ids(thread)
        times = Counter(met)
        stayed = set(before or ()) & set(after or ())
        odd = [one for one in stayed | times.keys() if times[one] > 1 or (one in stayed and met and not times[one])]
        if odd:
            self._current.fault(thread, expected="pages that meet each turn once", found=f"{odd} in {met}")

    async def _ids(self, thread: str) -> list[str] | None:
        turns = await self._current.attempt(turns_of(self._storage, thread))
        return None if isinstance(turns, RecuerdaError) else [turn.id for turn in turns]

    async def _ids_by_page(self, thread: str) -> list[str]:
        """Return the ids of the turns that the pages hold, the newest first; none if a page could not be read."""
        store = ChatMessageStore(storage=self._storage, thread_id=thread)
        met: list[str] = []
        number: int | None = None
        while page := await self._current.attempt(store.list_turns(limit=PAGE, before=number)):
            if isinstance(page, RecuerdaError):
                return []
            met += [turn.id for turn in reversed(page)]
            number = page[0].number
        return met
