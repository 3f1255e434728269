"""The index of memories, compared with the storage of the threads.

A search first brings the index up to date. When it has found something, it compares the threads of its results with the
storage. If a thread has changed since, perhaps by another process, the index follows the change and the search is
repeated. So a search never returns a message that was deleted, undone or trimmed.

Nobody may ever search for a user again whose threads are gone. So after some turns, a few threads of the index are
compared with the storage without a search, those first that were compared longest ago.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeAlias
from weakref import WeakSet, WeakValueDictionary

from recuerda._events import fields
from recuerda.errors import ConfigurationError, DecryptionError, ThreadOwnershipError
from recuerda.recall.following import Followed, follow, follow_appended, is_current
from recuerda.recall.index import Position, RecallIndex, ScopeInfo
from recuerda.recall.memory import Memory, Progress
from recuerda.recall.noting import note
from recuerda.recall.scopes import DEFAULT_NAMESPACE, Whose, other_scopes, user_scope
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import ThreadInfo
from recuerda.threads.history import StoredTurn

Tell: TypeAlias = Callable[[Progress], None]

Known: TypeAlias = dict[str, Position]
"""The positions of threads, as they were read with what was found in them."""

NEWEST_THREADS = 20
"""The number of a user's most recently changed threads that are compared with the index before each search."""

CHECK_EVERY = 8
"""The number of turns after which threads of the index are compared with the storage without a search."""

CHECKED_PER_TURN = 4
"""The number of threads that are then compared, for each of these turns."""

ROUNDS = 5
"""How often a search is repeated because a thread changes meanwhile."""

_LAST_POSITIONS = 1_000
_LAST_USERS = 1_000
"""The number of users whose newest threads are kept in mind."""
_LISTED_AT_ONCE = 1_000
_ERASED_AT_ONCE = 200

_logger = logging.getLogger("recuerda.recall")


class CheckedIndex:
    """An index of memories that follows the threads of a storage.

    Args:
        index: the index of the memories.
        storage: the storage of the threads; None until `bind`.
    """

    def __init__(self, index: RecallIndex, storage: Storage | None) -> None:
        self.index = index
        self._storage = storage
        self._storages: WeakSet[Storage] = WeakSet([] if storage is None else [storage])
        self._of_threads: WeakValueDictionary[str, Storage] = WeakValueDictionary()
        self._known_users: set[str] = set()
        self._newest: dict[str, Sequence[str]] = {}
        self._last: dict[str, Followed] = {}
        self._removed: dict[str, int] = {}
        self._erasures = 0
        self._unchecked_turns = 0
        self._generation = index.generation

    @property
    def storage(self) -> Storage:
        """The storage of the threads.

        Raises:
            ConfigurationError: the storage is not known yet.
        """
        if self._storage is None:
            raise ConfigurationError(
                "RecallProvider does not know the storage of the threads yet; give it storage=, or search after a run"
            )
        return self._storage

    @property
    def storages(self) -> tuple[Storage, ...]:
        """All storages of threads that were noted."""
        return tuple(self._storages)

    def bind(self, storage: Storage, thread_id: str) -> None:
        """Note the storage of a thread. The user's other threads are looked up in the first noted storage."""
        if self._storage is None:
            self._storage = storage
        elif storage is not self._storage:
            self._of_threads[thread_id] = storage
        self._storages.add(storage)

    def home(self, thread_id: str) -> Storage:
        return self._of_threads.get(thread_id) or self.storage

    # -- following -----------------------------------------------------------------------------------------------------

    async def follow(
        self,
        thread_id: str,
        *,
        user_id: str | None = None,
        has_grown: bool = False,
        appended: StoredTurn | None = None,
        is_anew: bool = False,
    ) -> Followed:
        """Bring the index up to date with a thread.

        Args:
            thread_id: the thread.
            user_id: as in `following.follow`.
            has_grown: True if the thread has changed.
            appended: the turn by which the thread has probably grown, which saves reading it.
            is_anew: True indexes the whole thread again.
        """
        while True:
            erasures = self._erasures
            last = self._last.get(thread_id) if has_grown else None
            home = self.home(thread_id)
            followed = None
            if last is not None and appended is not None:
                followed = await follow_appended(home, self.index, thread_id, appended, last=last, user_id=user_id)
            if followed is None:
                guess = None if last is None else last.position
                followed = await follow(home, self.index, thread_id, user_id=user_id, is_anew=is_anew, guess=guess)
            self._note(thread_id, followed)
            if self._erasures == erasures:
                return followed
            # The thread may have been erased between its reading and this update of the index.

    def _note(self, thread_id: str, followed: Followed) -> None:
        if followed.position is not None:
            note(self._last, thread_id, followed, _LAST_POSITIONS)
        else:
            self._last.pop(thread_id, None)

    async def catch_up(self, user_id: str | None, tell: Tell | None = None, *, is_anew: bool = False) -> Progress:
        """Bring the index up to date with a user's threads (None: all threads), and remove threads that are gone."""
        threads = messages = 0
        known = await self.followed(user_id)
        gone = set(known) if user_id is not None else {thread_id async for thread_id in self._known_threads()}
        async for info in self.storage.threads(user_id=user_id):
            gone.discard(info.id)
            threads += 1
            if is_anew or not is_current(info, known.get(info.id)):
                messages += await self._follow_or_skip(info.id, is_anew=is_anew)
            if tell is not None:
                tell(Progress(threads=threads, messages=messages))
        for thread_id in gone:
            messages += await self._compare(thread_id)
        if user_id is not None:
            self._known_users.add(user_id)
        return Progress(threads=threads, messages=messages)

    async def followed(self, user_id: str | None) -> dict[str, Position]:
        """Return the positions of a user's threads in all namespaces; of all threads in the index if it is None."""
        if user_id is None:
            return await self.index.followed(None)
        known: dict[str, Position] = {}
        for scope in await self._scopes_of(user_id):
            known |= await self.index.followed(scope)
        return known

    async def _scopes_of(self, user_id: str) -> list[str]:
        """Return the scopes of a user in all namespaces."""
        return [user_scope(user_id), *await self.index.scopes(*other_scopes(user_id))]

    async def _known_threads(self) -> AsyncIterator[str]:
        """Yield the ids of all threads of which the index holds anything."""
        after = ""
        while page := await self.index.known_threads(after, _LISTED_AT_ONCE):
            for thread_id in page:
                yield thread_id
            after = page[-1]

    async def namespaces_of(self, user_id: str) -> tuple[str, ...]:
        """Return all namespaces in which the index has something of a user."""
        others = await self.index.scopes(*other_scopes(user_id))
        return (DEFAULT_NAMESPACE, *(scope.split("/", 2)[2] for scope in others))

    async def freshen(self, whose: Whose) -> set[str]:
        """Bring the index up to date with the threads of an owner that changed last.

        The first search for a user in this process brings all of the user's threads up to date. Returns the threads
        that are known to be current, so that a search does not have to compare them again.
        """
        return (await self._freshen(whose))[0]

    async def _freshen(self, whose: Whose) -> tuple[set[str], dict[str, ScopeInfo] | None]:
        """Do the same as `freshen`. Also return the statistics of the owner's scopes, or None if they were not read."""
        if self._generation != self.index.generation:
            self._generation = self.index.generation
            self._known_users.clear()
        if whose.user_id is None:
            await self.follow(whose.thread_id or "")
            return set(), None
        if whose.user_id not in self._known_users:
            await self.catch_up(whose.user_id)
            return set(), None
        # These are mostly the same threads as before, so both sides are read at once.
        expected = self._newest.get(whose.user_id, ())
        page, (known, infos) = await asyncio.gather(
            self.storage.list_threads(user_id=whose.user_id, archived=None, limit=NEWEST_THREADS),
            self.index.overview(expected, whose.scopes),
        )
        newest = [info.id for info in page.threads]
        if further := set(newest).difference(expected):
            known |= await self.index.positions(sorted(further))
        note(self._newest, whose.user_id, newest, _LAST_USERS)
        stale = [info.id for info in page.threads if not is_current(info, known.get(info.id))]
        for thread_id in stale:
            await self._follow_or_skip(thread_id)
        current = set(newest).difference(stale)
        return set() if self.storage.kind == "encrypted" else current, None if stale else infos

    async def _follow_or_skip(self, thread_id: str, *, is_anew: bool = False) -> int:
        try:
            return (await self.follow(thread_id, is_anew=is_anew)).added
        except DecryptionError as error:
            _logger.warning(
                "a thread is left out of the index of memories: %s",
                error,
                extra=fields("thread_not_indexed", thread_id=thread_id, error=type(error).__name__),
            )
        except ThreadOwnershipError:
            _logger.debug(
                "thread %r is not compared with the index, because it is hidden from this user",
                thread_id,
                extra=fields("thread_hidden", thread_id=thread_id),
            )
        return 0

    # -- checking what was found ---------------------------------------------------------------------------------------

    async def checked(
        self, whose: Whose, find: Callable[[Mapping[str, ScopeInfo], Known], Awaitable[list[Memory]]]
    ) -> list[Memory]:
        """Return the memories that are found in an owner's scopes, after comparing their threads with the storage.

        Args:
            whose: the owner.
            find: finds the memories in scopes, and notes the positions that it reads.
        """
        for _ in range(ROUNDS):
            known: Known = {}
            generation = self.index.generation
            fresh, infos = await self._freshen(whose)
            if infos is None:
                _, infos = await self.index.overview((), whose.scopes)
            infos = {scope: info for scope, info in infos.items() if info.documents}
            found = await find(infos, known) if infos else []
            is_current = await self.are_current({memory.thread_id for memory in found} - fresh, whose, known)
            if is_current and self.index.generation == generation:
                return found
        # The threads change faster than the index can follow them. A later search finds their messages.
        return []

    async def are_current(self, thread_ids: Iterable[str], whose: Whose, known: Known) -> bool:
        """Compare threads with the storage, and follow the changed threads. Return True if none has changed.

        Args:
            thread_ids: the threads.
            whose: the owner of the threads.
            known: the positions of some of the threads, as they were read with what was found.
        """
        ids = sorted(thread_ids)
        if not ids:
            return True
        if missing := [thread_id for thread_id in ids if thread_id not in known]:
            known |= await self.index.positions(missing)
        infos = await self._infos(ids)
        stale = [
            thread_id
            for thread_id in ids
            if (info := infos.get(thread_id)) is None
            or not is_current(info, known.get(thread_id))
            or known[thread_id].scope not in whose.scopes
        ]
        for thread_id in stale:
            # An encrypted thread is read completely, because deleting its key does not change the revision.
            await self._follow_or_skip(thread_id, is_anew=self.home(thread_id).kind == "encrypted")
        return not stale

    async def _infos(self, thread_ids: Iterable[str]) -> dict[str, ThreadInfo]:
        """Return the storages' information about threads, without threads that are gone, or whose key is gone."""
        by_home: defaultdict[Storage, list[str]] = defaultdict(list)
        for thread_id in thread_ids:
            by_home[self.home(thread_id)].append(thread_id)
        found: dict[str, ThreadInfo] = {}
        for home, ids in by_home.items():
            if home.kind != "encrypted":
                found |= await home.heads(ids)
            else:
                infos = await asyncio.gather(*map(self._seen, ids))
                found |= {info.id: info for info in infos if info is not None}
        return found

    async def _seen(self, thread_id: str) -> ThreadInfo | None:
        """Return the storage's information about a thread; None if the thread or its key is gone."""
        home = self.home(thread_id)
        if home.kind != "encrypted":
            return await home.head(thread_id)
        try:
            return (await home.read(thread_id, last_turns=1)).info
        except DecryptionError:
            return None

    # -- checking without a search -------------------------------------------------------------------------------------

    def count_turn(self) -> bool:
        """Count a turn, and return True if it is time for `check`."""
        self._unchecked_turns += 1
        return self._unchecked_turns % CHECK_EVERY == 0

    async def check(self) -> int:
        """Compare the threads that were compared longest ago with the storage, and return their number.

        There are four of them for each turn since the last check, and at most 32. A thread that is gone is removed from
        the index with everything that was made from it. Threads that have changed are followed one after the other, so
        that the storage stays free for other work.
        """
        turns = min(self._unchecked_turns, CHECK_EVERY)
        self._unchecked_turns -= turns
        thread_ids = await self.index.next_to_check(CHECKED_PER_TURN * turns) if turns else []
        current = await self._current(thread_ids)
        for thread_id in thread_ids:
            if thread_id not in current:
                await self._compare(thread_id)
        return len(thread_ids)

    async def _current(self, thread_ids: Sequence[str]) -> set[str]:
        """Return the threads that surely have not changed since they were followed, with one look at all of them."""
        if not thread_ids:
            return set()
        try:
            infos = await self._infos(thread_ids)
        except ThreadOwnershipError:
            return set()  # The storage is the view of a user, and some threads are another user's.
        known = await self.index.positions(thread_ids)
        return {thread_id for thread_id, info in infos.items() if is_current(info, known.get(thread_id))}

    async def _compare(self, thread_id: str) -> int:
        """Compare a thread with its storage, follow it if it has changed, and return the number of added messages."""
        try:
            info = await self._seen(thread_id) or await self._found_elsewhere(thread_id)
        except ThreadOwnershipError:
            return 0  # The storage is the view of another user.
        known = (await self.index.positions([thread_id])).get(thread_id)
        if info is not None and is_current(info, known):
            return 0
        if info is None and await self.home(thread_id).head(thread_id) is None:
            await self._remove_gone(thread_id)
            return 0
        return await self._follow_or_skip(thread_id, is_anew=info is None)

    async def _remove_gone(self, thread_id: str) -> None:
        """Remove a thread from the index, and note the number of its items for the receipt of an erasure.

        An erasure deletes a thread from the storage before it tells the followers. If the thread is compared in
        between, its items are deleted here.
        """
        self._last.pop(thread_id, None)
        items = await self.index.erase([thread_id], None)
        if items:
            note(self._removed, thread_id, self._removed.get(thread_id, 0) + items, _LAST_POSITIONS)

    async def _found_elsewhere(self, thread_id: str) -> ThreadInfo | None:
        """Look for a thread in the other storages that this process has seen, and note where it is."""
        for storage in self.storages:
            if storage is not self.home(thread_id) and (info := await storage.head(thread_id)) is not None:
                self._of_threads[thread_id] = storage
                return info
        return None

    # -- erasing -------------------------------------------------------------------------------------------------------

    async def erase(self, thread_ids: Sequence[str], user_id: str | None) -> int:
        """Delete everything that was made from threads that are gone and, with `user_id`, of everything of a user.

        Returns the number of deleted messages and facts.
        """
        self._erasures += 1
        for thread_id in thread_ids:
            self._last.pop(thread_id, None)
        items = 0
        for start in range(0, len(thread_ids), _ERASED_AT_ONCE):
            items += await self.index.erase(thread_ids[start : start + _ERASED_AT_ONCE], None)
        if user_id is not None:
            self._newest.pop(user_id, None)
        for scope in [] if user_id is None else await self._scopes_of(user_id):
            items += await self.index.erase([], scope)
        return items + sum(self._removed.pop(thread_id, 0) for thread_id in thread_ids)
