"""Search and deletion of the memories of one storage.

A search first brings the index up to date and ranks its candidates. Then it compares the threads of its results with
the storage. If a thread has changed since, perhaps by another process, the index follows the change and the search is
repeated. So a search never returns a message that was deleted, undone or trimmed.

Nobody may ever search for a user again whose threads are gone. So after some turns, a few threads of the index are
compared with the storage without a search, those first that were compared longest ago.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, tzinfo
from functools import partial
from heapq import nlargest
from itertools import chain, islice
from typing import TypeAlias
from weakref import WeakSet, WeakValueDictionary

from msgspec import structs

from recuerda._events import fields
from recuerda.errors import (
    ConfigurationError,
    DecryptionError,
    InvalidInput,
    ThreadOwnershipError,
)
from recuerda.providers.embedding import Embedder
from recuerda.recall.correcting import Corrections
from recuerda.recall.explaining import MemoryReport, SearchNotes
from recuerda.recall.facts import Fact, FactExtractor
from recuerda.recall.following import Followed, follow, follow_appended, is_current
from recuerda.recall.index import (
    THREAD_BITS,
    CandidateQuery,
    Candidates,
    Correction,
    Document,
    Forgetting,
    Position,
    RecallIndex,
    ScopeInfo,
)
from recuerda.recall.joining import joined_candidates, joined_info
from recuerda.recall.learning import Learning
from recuerda.recall.meaning import EMBED_S, Meaning
from recuerda.recall.memory import Filters, Memory, Progress, memory_of
from recuerda.recall.ranking import about_speakers, best_score, question_of, rank, relevance_of
from recuerda.recall.repeats import Repeats
from recuerda.recall.reranking import RERANKED, Reranking
from recuerda.recall.scopes import DEFAULT_NAMESPACE, Whose, other_scopes, user_scope
from recuerda.recall.text import MAX_TEXT, STANDING, query_terms
from recuerda.storage.contract import Storage
from recuerda.storage.hooks import Clock
from recuerda.storage.thread_info import ThreadInfo
from recuerda.threads.history import StoredTurn

Tell: TypeAlias = Callable[[Progress], None]

_Known: TypeAlias = dict[str, Position]

NEWEST_THREADS = 20
"""The number of a user's most recently changed threads that are compared with the index before each search."""

CHECK_EVERY = 8
"""The number of turns after which threads of the index are compared with the storage without a search."""

CHECKED_PER_TURN = 4
"""The number of threads that are then compared, for each of these turns."""

_CANDIDATES = 150
_NARROW_CANDIDATES = 1_500
_ROUNDS = 5
_LAST_POSITIONS = 1_000
_STANDING_CANDIDATES = 1_000
_OF_PERSON = 4
"""The expected score relative to what is found of a person if nobody has said a word of the question: a fifth of it is
relevant."""
_MOST_CANDIDATES = 5_000
_CROWDED = 1.5
"""The mean number of copies of a found message from which on more candidates are needed."""

_LISTED_AT_ONCE = 1_000
_ERASED_AT_ONCE = 200

_logger = logging.getLogger("recuerda.recall")


class Recollection:
    """Search and forget the memories of a storage's threads.

    Args:
        index: the index of the memories.
        storage: the storage of the threads; None until `bind`.
        embedder: turns texts into vectors. If None, searches are by words only.
        clock: gives the time in microseconds since 1970.
        embed_s: the seconds that a search waits for the embedder. After that, it searches by words only.
        reranking: reorders the best memories. If None, the order of the search stands.
        zone: the time zone of the users.

    Attributes:
        meaning: the vectors of the messages.
    """

    def __init__(
        self,
        index: RecallIndex,
        storage: Storage | None,
        embedder: Embedder | None,
        clock: Clock,
        *,
        embed_s: float = EMBED_S,
        reranking: Reranking | None = None,
        zone: tzinfo = UTC,
    ) -> None:
        self.index = index
        self.meaning: Meaning = Meaning(index, embedder, embed_s=embed_s)
        self._reranking = reranking
        self._zone = zone
        self._clock = clock
        self._storage = storage
        self._storages: WeakSet[Storage] = WeakSet([] if storage is None else [storage])
        self._of_threads: WeakValueDictionary[str, Storage] = WeakValueDictionary()
        self._known_users: set[str] = set()
        self._last: dict[str, Followed] = {}
        self._removed: dict[str, int] = {}
        self._erasures = 0
        self._unchecked_turns = 0
        self._learning = Learning(index)
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
            home = self._home(thread_id)
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
        self._last.pop(thread_id, None)
        if followed.position is not None:
            self._last[thread_id] = followed
            if len(self._last) > _LAST_POSITIONS:
                del self._last[next(iter(self._last))]

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

    async def embed_all(self, user_id: str | None, progress: Progress, tell: Tell | None = None) -> Progress:
        """Give a vector to each message of a user, or of all users, that has none; return the progress with them.

        Raises:
            EmbedderError: the embedder failed.
        """
        if self.meaning.embedder is None:
            return progress

        def note(vectors: int) -> None:
            nonlocal progress
            progress = structs.replace(progress, vectors=progress.vectors + vectors)
            if tell is not None:
                tell(progress)

        scopes = {position.scope for position in (await self.followed(user_id)).values()}
        for scope in sorted(scopes):
            await self.meaning.embed_missing(scope, note)
        return progress

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
        page = await self.storage.list_threads(user_id=whose.user_id, archived=None, limit=NEWEST_THREADS)
        known, infos = await self.index.overview([info.id for info in page.threads], whose.scopes)
        stale = [info.id for info in page.threads if not is_current(info, known.get(info.id))]
        for thread_id in stale:
            await self._follow_or_skip(thread_id)
        current = {info.id for info in page.threads}.difference(stale)
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
        if info is None and await self._home(thread_id).head(thread_id) is None:
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
            self._removed[thread_id] = self._removed.pop(thread_id, 0) + items
            if len(self._removed) > _LAST_POSITIONS:
                del self._removed[next(iter(self._removed))]

    async def _found_elsewhere(self, thread_id: str) -> ThreadInfo | None:
        """Look for a thread in the other storages that this process has seen, and note where it is."""
        for storage in self.storages:
            if storage is not self._home(thread_id) and (info := await storage.head(thread_id)) is not None:
                self._of_threads[thread_id] = storage
                return info
        return None

    def _home(self, thread_id: str) -> Storage:
        return self._of_threads.get(thread_id) or self.storage

    # -- searching -----------------------------------------------------------------------------------------------------

    async def search(
        self, query: str, whose: Whose, *, limit: int, filters: Filters, has_history: bool = False
    ) -> list[Memory]:
        """Return the memories that answer a query, the best first. Each memory is checked against the storage.

        The query is used as it is given. The caller shortens a long one; see `essence`. With `has_history`, words that
        were corrected are returned, too.
        """
        return await self._checked(
            whose, lambda infos, known: self._ranked(query, infos, known, limit, filters, has_history=has_history)
        )

    async def explain(
        self, query: str, whose: Whose, *, limit: int, filters: Filters, has_history: bool = False
    ) -> list[MemoryReport]:
        """Return the memories that `search` returns for the same arguments, each with the reasons for its score."""
        notes = SearchNotes()
        found = await self._checked(
            whose,
            lambda infos, known: self._ranked(
                query, infos, known, limit, filters, has_history=has_history, notes=notes
            ),
        )
        return notes.reports(found)

    async def newest(self, whose: Whose, before: int | None, *, limit: int) -> tuple[list[Memory], int | None]:
        """Return a page of an owner's memories, checked as in a search, and where the next page begins.

        Args:
            whose: the owner.
            before: where the page begins; None for the first page.
            limit: the largest number of messages.
        """
        following: int | None = None

        async def find(infos: Mapping[str, ScopeInfo], known: _Known) -> list[Memory]:
            nonlocal following
            of_scopes = [await self.index.newest(scope, before, limit + 1) for scope in infos]
            keys = nlargest(limit + 1, chain(*of_scopes))
            following = keys[limit - 1] if len(keys) > limit else None
            documents = await self._documents(keys[:limit], known)
            corrections = await self._corrections(infos)
            return [
                memory
                for key in keys[:limit]
                for memory in corrections.memories(key, documents.get(key), 0.0, has_history=True)
            ]

        found = await self._checked(whose, find)
        return found, following if found else None

    async def forgotten(self, whose: Whose, *, limit: int) -> list[Forgetting]:
        """Return ranges of turns that were forgotten on request in an owner's threads."""
        await self.freshen(whose)
        of_scopes = [await self.index.forgotten(scope, limit) for scope in whose.scopes]
        return list(chain(*of_scopes))[:limit]

    async def said(
        self, wanted: Mapping[str, int], whose: Whose, *, limit: int, each: int, min_share: float
    ) -> list[Memory]:
        """Return the messages with words of a query, those with the most words first, and then the newest first.

        The messages are checked as in a search. `score` is the share of the words that a message has.

        Args:
            wanted: the terms of the query, each with the number of its word.
            whose: the owner of the messages.
            limit: the largest number of threads.
            each: the largest number of messages of one thread.
            min_share: the least share.
        """
        return await self._checked(
            whose, lambda infos, known: self._said(wanted, infos, known, limit, each=each, min_share=min_share)
        )

    async def _said(
        self,
        wanted: Mapping[str, int],
        scopes: Iterable[str],
        known: _Known,
        limit: int,
        *,
        each: int,
        min_share: float,
    ) -> list[Memory]:
        terms = tuple(wanted)
        queries = [CandidateQuery(scope=scope, terms=terms, limit=_NARROW_CANDIDATES, reach=0) for scope in scopes]
        candidates = joined_candidates([await self.index.candidates(query) for query in queries])
        words = len(set(wanted.values()))
        shares = {
            key: len({wanted[term] for term in candidate.matches}) / words
            for key, candidate in candidates.found.items()
            if candidate.matches
        }
        best = sorted(
            (key for key, share in shares.items() if share >= min_share),
            key=lambda key: (shares[key], candidates.found[key].created_us, key),
            reverse=True,
        )
        kept: dict[int, list[int]] = {}
        for key in best:
            thread = key >> THREAD_BITS
            if (thread in kept or len(kept) < limit) and len(kept.setdefault(thread, [])) < each:
                kept[thread].append(key)
        chosen = [key for keys in kept.values() for key in keys]
        documents = await self._documents(chosen, known)
        return [memory_of(documents[key], shares[key]) for key in chosen if key in documents]

    async def standing(self, whose: Whose, *, limit: int, filters: Filters) -> list[Memory]:
        """Return the standing instructions and preferences of an owner, the newest first, checked as in a search."""
        return await self._checked(whose, lambda infos, known: self._standing(infos, known, limit, filters))

    async def _checked(
        self, whose: Whose, find: Callable[[Mapping[str, ScopeInfo], _Known], Awaitable[list[Memory]]]
    ) -> list[Memory]:
        """Return the memories that are found in an owner's scopes, after comparing their threads with the storage.

        Args:
            whose: the owner.
            find: finds the memories in scopes, and notes the positions that it reads.
        """
        for _ in range(_ROUNDS):
            known: _Known = {}
            generation = self.index.generation
            fresh, infos = await self._freshen(whose)
            if infos is None:
                _, infos = await self.index.overview((), whose.scopes)
            infos = {scope: info for scope, info in infos.items() if info.documents}
            found = await find(infos, known) if infos else []
            is_current = await self._are_current({memory.thread_id for memory in found} - fresh, whose, known)
            if is_current and self.index.generation == generation:
                return found
        # The threads change faster than the index can follow them. A later search finds their messages.
        return []

    async def _ranked(
        self,
        text: str,
        infos: Mapping[str, ScopeInfo],
        known: _Known,
        limit: int,
        filters: Filters,
        *,
        has_history: bool,
        notes: SearchNotes | None = None,
    ) -> list[Memory]:
        info = joined_info(list(infos.values()))
        vector = await self.meaning.query_vector(text, list(infos), info)
        question = question_of(text, info, self._clock(), self._zone)
        looked_at = _NARROW_CANDIDATES if filters.is_narrow else max(_CANDIDATES, 3 * limit)
        queries = [
            CandidateQuery(
                scope=scope,
                terms=tuple(question.terms),
                periods=question.times.windows,
                model_id=self.meaning.model_id,
                vector=vector,
                limit=looked_at,
            )
            for scope in infos
        ]
        candidates = await self._candidates(queries)
        is_of_person = bool(question.speakers) and not candidates.frequencies and vector is None and not question.times
        if is_of_person:
            # Nobody has said any of the words, so the question gets what is known of the person whom it names.
            question = about_speakers(question)
            queries = [structs.replace(one, terms=tuple(question.terms)) for one in queries]
            candidates = await self._candidates(queries)
        corrections = await self._corrections(infos)
        candidates = corrections.added_to(candidates, question.terms)
        # What a run sends anyway are the wrong words, so the right ones are recalled from any turn.
        of_corrections = structs.replace(filters, recent_thread=None)
        # A search returns a few of hundreds of candidates, so only as many are compared with the filters as it takes.
        scored: Iterator[tuple[int, float]] = (
            (key, score)
            for key, score in rank(question, info, candidates)
            if (thread_id := candidates.threads.get(key >> THREAD_BITS)) is not None
            and (filters if key >= 0 else of_corrections).admits(candidates.found[key], thread_id)
        )
        if filters.recent_times:
            admitted = list(scored)
            recent = await self._copies_of_recent([key for key, _ in admitted], candidates, filters)
            scored = ((key, score) for key, score in admitted if key not in recent)
        best_scored = next(scored, None)
        expected = best_score(question, info, candidates)
        if is_of_person and best_scored is not None:
            expected = max(expected, _OF_PERSON * best_scored[1])
        if best_scored is None or relevance_of(best_scored[1], expected) < filters.min_relevance:
            return []
        scored = chain((best_scored,), scored)
        found_by = partial(corrections.memories, has_history=has_history)
        if notes is not None:
            notes.take(question, info, candidates)
            found_by = notes.noting(found_by)
        if self._reranking is None:
            best = found = await self._different(scored, limit, found_by, known)
        else:
            best = await self._different(scored, max(limit, RERANKED), found_by, known)
            note = None if notes is None else notes.note_reranked
            found = (await self._reranking.order(text, best, note))[:limit]
        if notes is not None:
            notes.note_order(best)
        return [structs.replace(memory, relevance=relevance_of(memory.score, expected)) for memory in found]

    async def _standing(
        self, infos: Mapping[str, ScopeInfo], known: _Known, limit: int, filters: Filters
    ) -> list[Memory]:
        queries = [CandidateQuery(scope=scope, terms=(STANDING,), limit=_STANDING_CANDIDATES) for scope in infos]
        candidates = joined_candidates([await self.index.candidates(query) for query in queries])
        corrections = await self._corrections(infos)
        candidates = corrections.added_to(candidates, (STANDING,))
        found = [
            (candidate.created_us, key)
            for key, candidate in candidates.found.items()
            if candidate.matches and filters.admits(candidate, candidates.threads[key >> THREAD_BITS])
        ]
        found_by = partial(corrections.memories, has_history=False, has_substitutes=False)
        scored = ((key, 0.0) for _, key in sorted(found, reverse=True))
        return await self._different(scored, limit, found_by, known)

    async def _candidates(self, queries: Sequence[CandidateQuery]) -> Candidates:
        """Return the candidates. If copies in forks take many of the places, ask once more, for more candidates."""
        found = joined_candidates([await self.index.candidates(query) for query in queries])
        copies = _copies_of_one(found)
        if copies < _CROWDED:
            return found
        more = [structs.replace(one, limit=min(_MOST_CANDIDATES, int(one.limit * copies))) for one in queries]
        return joined_candidates([await self.index.candidates(query) for query in more])

    async def _copies_of_recent(self, keys: Sequence[int], candidates: Candidates, filters: Filters) -> set[int]:
        """Return the keys of messages of which the run sends a copy anyway, because its thread is a fork or has one.

        A copy has the time and the id of its turn. Only messages with such a time are looked up.
        """
        times = set(filters.recent_times.values())
        likely = [key for key in keys if key >= 0 and candidates.found[key].created_us in times]
        documents = await self.index.documents(likely) if likely else {}
        return {key for key, document in documents.items() if document.turn_id in filters.recent_times}

    async def _corrections(self, infos: Mapping[str, ScopeInfo]) -> Corrections:
        scopes = [scope for scope, info in infos.items() if info.has_corrections]
        return Corrections([one for scope in scopes for one in await self.index.corrections(scope)])

    async def _different(
        self,
        scored: Iterator[tuple[int, float]],
        limit: int,
        memories: Callable[[int, Document | None, float], Sequence[Memory]],
        known: _Known,
    ) -> list[Memory]:
        """Return the memories of the best keys, without repeats of better ones."""
        repeats = Repeats()
        while some := list(islice(scored, 2 * limit)):
            documents = await self._documents([key for key, _ in some if key >= 0], known)
            for memory in chain.from_iterable(memories(key, documents.get(key), score) for key, score in some):
                repeats.add(memory)
                if len(repeats.kept) == limit:
                    return repeats.kept
        return repeats.kept

    async def _documents(self, keys: Sequence[int], known: _Known) -> dict[int, Document]:
        """Return documents by key, and note the positions of their threads."""
        documents, positions = await self.index.documents_at(keys)
        known |= positions
        return documents

    async def _are_current(self, thread_ids: Iterable[str], whose: Whose, known: _Known) -> bool:
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
            await self._follow_or_skip(thread_id, is_anew=self._home(thread_id).kind == "encrypted")
        return not stale

    async def _infos(self, thread_ids: Iterable[str]) -> dict[str, ThreadInfo]:
        """Return the storages' information about threads, without threads that are gone, or whose key is gone."""
        by_home: defaultdict[Storage, list[str]] = defaultdict(list)
        for thread_id in thread_ids:
            by_home[self._home(thread_id)].append(thread_id)
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
        home = self._home(thread_id)
        if home.kind != "encrypted":
            return await home.head(thread_id)
        try:
            return (await home.read(thread_id, last_turns=1)).info
        except DecryptionError:
            return None

    # -- facts ---------------------------------------------------------------------------------------------------------

    async def facts(self, whose: Whose, *, has_history: bool) -> list[Fact]:
        """Return the facts of an owner. Their turns are checked against the storage, as in a search."""
        await self.freshen(whose)
        for _ in range(_ROUNDS):
            of_scopes = [await self.index.facts(scope, has_history=has_history) for scope in whose.scopes]
            facts = sorted(chain(*of_scopes), key=lambda fact: (fact.valid_from_us, fact.id))
            if await self._are_current({source.thread_id for fact in facts for source in fact.sources}, whose, {}):
                return facts
        return []

    async def learn_facts(self, extractor: FactExtractor, thread_id: str) -> int:
        """Search the turns of a thread for facts; see `Learning.learn`."""
        return await self._learning.learn(extractor, thread_id, self._home(thread_id))

    # -- correcting ----------------------------------------------------------------------------------------------------

    async def correct(self, wrong: Memory | Fact, text: str, position: Position) -> Fact:
        """Replace the words of a memory, or a fact, and return the new fact.

        Args:
            wrong: the memory or the fact.
            text: the right words.
            position: the position of the thread from which it comes.

        Raises:
            InvalidInput: the memory is gone, or the fact is gone or was replaced.
        """
        number = None
        if isinstance(wrong, Fact):
            number = await self.index.correct_fact(position.scope, wrong.id, text, self._clock())
        elif (message := await self._message_of(wrong, position)) is not None:
            number = await self.index.correct_message(message, position, text, self._clock())
        # With the history, because another correction may have come between.
        facts = [] if number is None else await self.index.facts(position.scope, has_history=True)
        for fact in facts:
            if fact.id == number:
                return fact
        raise InvalidInput("there is nothing to correct: it is gone, or was replaced meanwhile; search for it again")

    async def take_back(self, correction: Memory | Fact, position: Position) -> bool:
        """Delete a correction, so that the replaced words or the replaced fact hold again; False if there is none."""
        if isinstance(correction, Fact):
            return await self.index.take_back(position.scope, correction.id)
        valid = [one for one in await self._corrections_of(correction, position) if one.fact.superseded_by is None]
        return bool(valid) and await self.index.take_back(position.scope, valid[0].fact.id)

    async def _message_of(self, memory: Memory, position: Position) -> Document | None:
        """Return the message of a memory, with its own words; None for words of a correction that is gone."""
        if memory.corrected_us is not None:
            found = await self._corrections_of(memory, position)
            return found[0].message if found else None
        return Document(
            thread_id=memory.thread_id,
            turn=memory.turn,
            turn_id=memory.turn_id,
            position=memory.position,
            role=memory.role,
            speaker=memory.speaker,
            created_us=memory.created_us,
            text=memory.text,
        )

    async def _corrections_of(self, memory: Memory, position: Position) -> list[Correction]:
        return [
            one
            for one in await self.index.corrections(position.scope)
            if (one.message.thread_id, one.message.turn_id, one.message.position)
            == (memory.thread_id, memory.turn_id, memory.position)
        ]

    # -- erasing and forgetting ----------------------------------------------------------------------------------------

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
        for scope in [] if user_id is None else await self._scopes_of(user_id):
            items += await self.index.erase([], scope)
        return items + sum(self._removed.pop(thread_id, 0) for thread_id in thread_ids)

    async def turns_to_forget(self, thread_id: str, turn: int | str | None) -> list[Forgetting]:
        """Return all current turns of a thread, or one turn by its number or id, for `forget`.

        One turn is forgotten in all threads that hold it.
        """
        if isinstance(turn, str):
            found = (await self._home(thread_id).read(thread_id, last_turns=0, turn_id=turn)).found
            turn = -1 if found is None else found.number
        position = (await self.follow(thread_id)).position
        if position is None or turn == -1:
            return []
        if turn is None:
            return [_forgetting(thread_id, position, 1, position.revision)]
        copies = [one for one in await self.index.holders(thread_id, turn) if one.thread_id != thread_id]
        forgotten = [
            Forgetting(thread_id=one.thread_id, incarnation=one.incarnation, first=one.turn, last=one.turn)
            for one in copies
        ]
        return [_forgetting(thread_id, position, turn, turn), *forgotten]

    async def turns_of_user(self, whose: Whose) -> list[Forgetting]:
        """Return all current turns of a user's threads in some namespaces, for `forget`."""
        await self.catch_up(whose.user_id)
        threads: dict[str, Position] = {}
        for scope in whose.scopes:
            threads |= await self.index.followed(scope)
        return [_forgetting(thread_id, position, 1, position.revision) for thread_id, position in threads.items()]

    async def turns_with_words(self, query: str, whose: Whose, *, only_thread: str | None) -> list[Forgetting]:
        """Return each turn with a message that has all words of a query, for `forget`.

        Args:
            query: the words.
            whose: the owner of the memories.
            only_thread: finds only turns of this thread; None for all threads.

        Raises:
            InvalidInput: the query has no word to look for.
        """
        terms = query_terms(query[:MAX_TEXT])
        if not terms:
            raise InvalidInput(
                "the query has no word to look for, so nothing can be forgotten; name a word of the message"
            )
        await self.freshen(whose)
        turns: set[tuple[str, int]] = set()
        for scope in whose.scopes:
            turns |= await self._turns_with(terms, scope)
        chosen = sorted(turn for turn in turns if only_thread in (None, turn[0]))
        if not chosen:
            _logger.warning(
                "there is nothing to forget, because no message has all words of the query",
                extra=fields("nothing_to_forget"),
            )
        positions = await self.index.positions(sorted({thread_id for thread_id, _ in chosen}))
        return [
            _forgetting(thread_id, positions[thread_id], turn, turn)
            for thread_id, turn in chosen
            if thread_id in positions
        ]

    async def forget(self, turns: Sequence[Forgetting], *, dry_run: bool = False) -> int:
        """Forget turns, and return the number of their messages in the index. A dry run only counts them."""
        if dry_run:
            return (await self.index.held(turns, limit=0)).count
        return await self.index.forget(turns)

    async def _turns_with(self, terms: Mapping[str, int], scope: str) -> set[tuple[str, int]]:
        """Return the threads and numbers of the turns of a scope with a message that has all words of a query."""
        looked_for = CandidateQuery(scope=scope, terms=tuple(terms), limit=1_000_000)
        candidates = await self.index.candidates(looked_for)
        wanted = set(terms.values())
        return {
            (candidates.threads[key >> THREAD_BITS], candidate.turn)
            for key, candidate in candidates.found.items()
            if {terms[term] for term in candidate.matches} == wanted
        }


def _copies_of_one(candidates: Candidates) -> float:
    """Return how many copies the found messages have on average, by their times and lengths."""
    found = [one for one in candidates.found.values() if one.matches or one.similarity is not None]
    different = {(one.created_us, one.role, one.size, one.traits) for one in found}
    return len(found) / max(1, len(different))


def whose_memories(user_id: str | None, thread_id: str | None, namespaces: tuple[str, ...]) -> Whose:
    """Return the owner to search: a user or, without a user, a thread.

    Raises:
        ConfigurationError: neither is given.
    """
    if user_id is not None:
        return Whose(user_id=user_id, namespaces=namespaces)
    if thread_id is None:
        raise ConfigurationError(
            "there is no user whose memories to search; give user_id=, or thread_id= for a thread that has no user"
        )
    return Whose(thread_id=thread_id, namespaces=namespaces)


def _forgetting(thread_id: str, position: Position, first: int, last: int) -> Forgetting:
    return Forgetting(thread_id=thread_id, incarnation=position.incarnation, first=first, last=last)
