"""Memories of one storage: found, checked against the storage, and forgotten.

A search first takes in what is new, ranks what the index has, and then compares the threads of what it found with the
storage. Where one has changed meanwhile, also by another process, the index follows it and the search is done again: so
nothing is returned that was deleted, undone or trimmed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import TypeAlias
from weakref import WeakValueDictionary

from recuerda.errors import ConfigurationError, DecryptionError, EmbedderError
from recuerda.providers.embedding import Embedder, embed
from recuerda.recall.facts import KNOWN_FACTS, Fact, FactExtractor
from recuerda.recall.following import follow, thread_scope, user_scope
from recuerda.recall.index import CandidateQuery, Forgetting, Position, RecallIndex
from recuerda.recall.memory import Filters, Memory, Progress, memory_of
from recuerda.recall.ranking import question_of, rank
from recuerda.recall.text import MAX_TEXT, query_terms, words_of
from recuerda.recall.vectors import unit
from recuerda.storage.contract import Storage
from recuerda.storage.hooks import Clock
from recuerda.storage.records import ThreadInfo
from recuerda.threads.history import stored_turn

Tell: TypeAlias = Callable[[Progress], None]

NEWEST_THREADS = 20
"""How many of a user's threads are compared with the index before each search: those that changed last."""

MAX_QUERY = 2_000
"""Characters of a question that are looked at, from its end."""

_CANDIDATES = 150
_NARROW_CANDIDATES = 1_500
_ROUNDS = 5
_LAST_POSITIONS = 1_000
_TURNS_FOR_FACTS = 10
_EMBED_AT_ONCE = 32
_EMBEDDED_CHARACTERS = 2_000

_logger = logging.getLogger("recuerda")


class Recollection:
    """Search and forget the memories of a storage's threads.

    Args:
        index: what finds them.
        storage: where the threads are; None until `bind`.
        embedder: what turns texts into vectors, or None for words alone.
        clock: gives the time, in microseconds since 1970.
    """

    def __init__(self, index: RecallIndex, storage: Storage | None, embedder: Embedder | None, clock: Clock) -> None:
        self.index = index
        self.embedder = embedder
        self._clock = clock
        self._storage = storage
        self._of_threads: WeakValueDictionary[str, Storage] = WeakValueDictionary()
        self._known_scopes: set[str] = set()
        self._last: dict[str, Position] = {}
        self._generation = index.generation

    @property
    def storage(self) -> Storage:
        """Where the threads are.

        Raises:
            ConfigurationError: nobody has said so.
        """
        if self._storage is None:
            raise ConfigurationError(
                "recall does not know yet where the threads are: give it storage=, or search after a run"
            )
        return self._storage

    def bind(self, storage: Storage, thread_id: str) -> None:
        """Note the storage of a thread; the first one is where a user's other threads are looked for."""
        if self._storage is None:
            self._storage = storage
        elif storage is not self._storage:
            self._of_threads[thread_id] = storage

    # -- following -----------------------------------------------------------------------------------------------------

    async def follow(self, thread_id: str, *, user_id: str | None, has_grown: bool = False) -> Position | None:
        """Take in what is new in a thread; `has_grown` says that there is something."""
        guess = self._last.get(thread_id) if has_grown else None
        position, _ = await follow(self._home(thread_id), self.index, thread_id, user_id=user_id, guess=guess)
        if position is None:
            self._last.pop(thread_id, None)
        else:
            self._last[thread_id] = position
            if len(self._last) > _LAST_POSITIONS:
                del self._last[next(iter(self._last))]
        return position

    async def catch_up(self, user_id: str | None, tell: Tell | None = None, *, is_anew: bool = False) -> Progress:
        """Take in whatever is missing of a user's threads (None: of everybody's), and drop threads that are gone."""
        threads = messages = 0
        scope = None if user_id is None else user_scope(user_id)
        gone = await self.index.followed(scope)
        async for info in self.storage.threads(user_id=user_id):
            known = gone.pop(info.id, None)
            threads += 1
            if is_anew or not _is_current(info, known):
                messages += await self._follow_or_skip(info.id, is_anew=is_anew)
            if tell is not None:
                tell(Progress(threads=threads, messages=messages))
        for thread_id in gone:
            messages += await self._follow_or_skip(thread_id)
        if scope is not None:
            self._known_scopes.add(scope)
        return Progress(threads=threads, messages=messages)

    async def _freshen(self, scope: str) -> set[str]:
        """Take in what changed last in a scope; everything when it is searched for the first time in this process.

        Returns threads that were compared with the storage by that, so that a search need not look at them again.
        """
        if self._generation != self.index.generation:
            self._generation = self.index.generation
            self._known_scopes.clear()
        kind, _, name = scope.partition(":")
        if kind == "thread":
            await self.follow(name, user_id=None)
            return set()
        if scope not in self._known_scopes:
            await self.catch_up(name)
            return set()
        page = await self.storage.list_threads(user_id=name, limit=NEWEST_THREADS)
        known = await self.index.positions([info.id for info in page.threads])
        stale = [info.id for info in page.threads if not _is_current(info, known.get(info.id))]
        for thread_id in stale:
            await self._follow_or_skip(thread_id)
        if self.storage.kind == "encrypted":
            return set()
        return {info.id for info in page.threads}.difference(stale)

    async def _follow_or_skip(self, thread_id: str, *, is_anew: bool = False) -> int:
        try:
            _, added = await follow(self._home(thread_id), self.index, thread_id, is_anew=is_anew)
        except DecryptionError as error:
            _logger.warning("a thread is not remembered: %s", error)
            return 0
        return added

    def _home(self, thread_id: str) -> Storage:
        return self._of_threads.get(thread_id) or self.storage

    # -- searching -----------------------------------------------------------------------------------------------------

    async def search(self, query: str, scope: str, *, limit: int, filters: Filters) -> list[Memory]:
        """Return what answers a query, the best first; every memory is checked against the storage."""
        text = query[-MAX_QUERY:]
        for _ in range(_ROUNDS):
            generation = self.index.generation
            fresh = await self._freshen(scope)
            vector = await self._query_vector(text, scope)
            found = await self._ranked(text, scope, vector, limit, filters)
            is_current = await self._are_current({memory.thread_id for memory in found} - fresh, scope)
            if is_current and self.index.generation == generation:
                return found
        # Threads that change faster than they can be followed: what they hold now is found next time.
        return []

    async def _ranked(
        self, text: str, scope: str, vector: list[float] | None, limit: int, filters: Filters
    ) -> list[Memory]:
        info = await self.index.scope_info(scope)
        if not info.documents:
            return []
        question = question_of(text, info, self._clock())
        looked_at = _NARROW_CANDIDATES if filters.is_narrow else max(_CANDIDATES, 3 * limit)
        candidates = await self.index.candidates(
            CandidateQuery(
                scope=scope,
                terms=tuple(question.terms),
                periods=question.times.windows,
                model_id=self.embedder.model_id if self.embedder is not None else "",
                vector=vector,
                limit=looked_at,
            )
        )
        scored = [
            (key, score)
            for key, score in rank(question, info, candidates)
            if (thread_id := candidates.threads.get(key >> 32)) is not None
            and filters.admits(candidates.found[key], thread_id)
        ][:limit]
        documents = await self.index.documents([key for key, _ in scored])
        return [memory_of(documents[key], score) for key, score in scored if key in documents]

    async def _are_current(self, thread_ids: Iterable[str], scope: str) -> bool:
        """Compare threads with the storage, and follow those that have changed; True when none has."""
        ids = sorted(thread_ids)
        if not ids:
            return True
        known = await self.index.positions(ids)
        heads = await asyncio.gather(*(self._seen(thread_id) for thread_id in ids))
        stale = [
            thread_id
            for thread_id, info in zip(ids, heads, strict=True)
            if info is None or not _is_current(info, known.get(thread_id)) or known[thread_id].scope != scope
        ]
        for thread_id in stale:
            # Read whole: with a key that was deleted, the revision is the same and nothing can be read.
            await self._follow_or_skip(thread_id, is_anew=self._home(thread_id).kind == "encrypted")
        return not stale

    async def _seen(self, thread_id: str) -> ThreadInfo | None:
        """Return what the storage knows of a thread; None when it is gone, or cannot be read without its key."""
        home = self._home(thread_id)
        if home.kind != "encrypted":
            return await home.head(thread_id)
        try:
            return (await home.read(thread_id, last_turns=1)).info
        except DecryptionError:
            return None

    # -- meaning -------------------------------------------------------------------------------------------------------

    async def embed_missing(self, scope: str) -> int:
        """Give vectors to the messages of a scope that have none of the embedder's; return how many.

        Raises:
            EmbedderError: the embedder failed; the messages are found by their words meanwhile.
        """
        if self.embedder is None:
            return 0
        done = 0
        while waiting := await self.index.unembedded(scope, self.embedder.model_id, _EMBED_AT_ONCE):
            texts = [item.text[:_EMBEDDED_CHARACTERS] for item in waiting]
            vectors = await embed(self.embedder, texts)
            by_key = {item.key: unit(vector) for item, vector in zip(waiting, vectors, strict=True)}
            await self.index.add_vectors(scope, self.embedder.model_id, by_key)
            done += len(waiting)
        return done

    async def _query_vector(self, text: str, scope: str) -> list[float] | None:
        if self.embedder is None or not text.strip():
            return None
        try:
            await self.embed_missing(scope)
            vectors = await embed(self.embedder, [text])
        except EmbedderError as error:
            _logger.warning("memories are searched by words alone: %s", error)
            return None
        return unit(vectors[0])

    # -- facts ---------------------------------------------------------------------------------------------------------

    async def facts(self, scope: str, *, has_history: bool) -> list[Fact]:
        """Return the facts of a scope, checked against the storage like memories."""
        await self._freshen(scope)
        for _ in range(_ROUNDS):
            facts = await self.index.facts(scope, has_history=has_history)
            if await self._are_current({source.thread_id for fact in facts for source in fact.sources}, scope):
                return facts
        return []

    async def learn_facts(self, extractor: FactExtractor, thread_id: str) -> int:
        """Look for facts in the turns of a thread that were not looked at yet; return how many were found.

        Raises:
            ChatClientError: the model failed. The turn is looked at again next time.
            ProviderError: it gave something else than facts.
        """
        position = (await self.index.positions([thread_id])).get(thread_id)
        if position is None:
            return 0
        through = await self.index.facts_through(thread_id, position.incarnation)
        home = self._home(thread_id)
        found = await home.read(thread_id, last_turns=_TURNS_FOR_FACTS)
        if found.info is None or found.info.incarnation != position.incarnation:
            return 0
        learnt = 0
        for record in found.records:
            if record.number > (through or 0):
                known = (await self.index.facts(position.scope))[-KNOWN_FACTS:]
                async with asyncio.timeout(extractor.timeout.total_seconds()):
                    facts = await extractor.extract(stored_turn(record, thread_id), known)
                await self.index.add_facts(thread_id, position, record.number, facts)
                learnt += len(facts)
        return learnt

    # -- forgetting ----------------------------------------------------------------------------------------------------

    async def forget_thread(self, thread_id: str, turn: int | str | None) -> int:
        """Forget a thread as it is now, or one turn of it, by number or id."""
        if isinstance(turn, str):
            found = (await self._home(thread_id).read(thread_id, last_turns=0, turn_id=turn)).found
            turn = -1 if found is None else found.number
        position = await self.follow(thread_id, user_id=None)
        if position is None or turn == -1:
            return 0
        first, last = (1, position.revision) if turn is None else (turn, turn)
        return await self.index.forget([_forgetting(thread_id, position, first, last)])

    async def forget_user(self, user_id: str) -> int:
        """Forget everything that a user's threads hold now."""
        await self.catch_up(user_id)
        threads = await self.index.followed(user_scope(user_id))
        return await self.index.forget(
            [_forgetting(thread_id, position, 1, position.revision) for thread_id, position in threads.items()]
        )

    async def forget_query(self, query: str, scope: str) -> int:
        """Forget every turn that has a message with all words of a query, stopwords aside."""
        await self._freshen(scope)
        terms = query_terms(words_of(query[:MAX_TEXT]))
        if not terms:
            return 0
        looked_for = CandidateQuery(scope=scope, terms=tuple(terms), limit=1_000_000)
        candidates = await self.index.candidates(looked_for)
        wanted = set(terms.values())
        turns = {
            (candidates.threads[key >> 32], candidate.turn)
            for key, candidate in candidates.found.items()
            if {terms[term] for term in candidate.matches} == wanted
        }
        positions = await self.index.positions(sorted({thread_id for thread_id, _ in turns}))
        return await self.index.forget(
            [
                _forgetting(thread_id, positions[thread_id], turn, turn)
                for thread_id, turn in sorted(turns)
                if thread_id in positions
            ]
        )


def scope_for(user_id: str | None, thread_id: str | None) -> str:
    """Return the scope of a user, or of a thread without one.

    Raises:
        ConfigurationError: neither is given.
    """
    if user_id is not None:
        return user_scope(user_id)
    if thread_id is None:
        raise ConfigurationError("whose memories? give user_id=, or thread_id= of a thread that has no user")
    return thread_scope(thread_id)


def _is_current(info: ThreadInfo, known: Position | None) -> bool:
    if known is None or (known.incarnation, known.revision) != (info.incarnation, info.revision):
        return False
    return info.user_id is None or known.scope == user_scope(info.user_id)


def _forgetting(thread_id: str, position: Position, first: int, last: int) -> Forgetting:
    return Forgetting(thread_id=thread_id, incarnation=position.incarnation, first=first, last=last)
