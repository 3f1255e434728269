"""The search in an index of memories: candidates are ranked, and repeats are left out.

Nothing here is compared with the storage of the threads; see `checking.CheckedIndex.checked`. Each search notes the
positions of the threads that it has read, for this comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from heapq import nlargest
from itertools import chain, islice, zip_longest
from typing import TypeAlias

from msgspec import structs

from recuerda.messages.message import ChatMessage
from recuerda.recall.asking import Asked
from recuerda.recall.checking import Known
from recuerda.recall.correcting import Corrections
from recuerda.recall.explaining import SearchNotes
from recuerda.recall.index import THREAD_BITS, CandidateQuery, Candidates, Document, RecallIndex, ScopeInfo
from recuerda.recall.joining import joined_candidates, joined_info
from recuerda.recall.meaning import Meaning
from recuerda.recall.memory import Filters, Memory, memory_of
from recuerda.recall.question import about_speakers, question_of
from recuerda.recall.ranking import best_score, rank, relevance_of
from recuerda.recall.repeats import Repeats
from recuerda.recall.reranking import RERANKED, Reranking
from recuerda.recall.text import MAX_TEXT, STANDING
from recuerda.storage.hooks import Clock

FoundBy: TypeAlias = Callable[[int, Document | None, float], Sequence[Memory]]

_CANDIDATES = 100
_NARROW_CANDIDATES = 1_500
_NEIGHBOURS = (0.5, 0.3)
"""The shares of the candidates that come with their neighbours at one step and at two steps."""
_STANDING_CANDIDATES = 1_000
_OF_PERSON = 4
"""The expected score relative to what is found of a person if nobody has said a word of the question: a fifth of it is
relevant."""
_MOST_CANDIDATES = 5_000
_CROWDED = 1.5
"""The mean number of copies of a found message from which on more candidates are needed."""


class MemorySearch:
    """Finds memories in scopes of an index.

    Args:
        index: the index of the memories.
        meaning: the vectors of the messages.
        clock: gives the time in microseconds since 1970.
        reranking: reorders the best memories. If None, the order of the search stands.
        zone: the time zone of the users.
    """

    def __init__(
        self, index: RecallIndex, meaning: Meaning, clock: Clock, *, reranking: Reranking | None, zone: tzinfo
    ) -> None:
        self.index = index
        self.meaning = meaning
        self._clock = clock
        self._reranking = reranking
        self._zone = zone

    async def ranked(
        self,
        asked: Sequence[Asked],
        infos: Mapping[str, ScopeInfo],
        known: Known,
        limit: int,
        filters: Filters,
        *,
        has_history: bool,
        notes: Sequence[SearchNotes] = (),
    ) -> list[Memory]:
        """Return the memories that answer questions best. Each question gets its share of the places.

        `notes` are those of each question, if the caller asks for reports.
        """
        found = [
            await self._answering(one, infos, known, limit, filters, has_history=has_history, notes=noted)
            for one, noted in zip_longest(asked, notes)
        ]
        if len(found) == 1:
            return found[0]
        repeats = Repeats(limit)
        for memory in chain.from_iterable(zip_longest(*found)):
            if memory is not None:
                repeats.add(memory)
        return repeats.best()

    async def _answering(
        self,
        asked: Asked,
        infos: Mapping[str, ScopeInfo],
        known: Known,
        limit: int,
        filters: Filters,
        *,
        has_history: bool,
        notes: SearchNotes | None,
    ) -> list[Memory]:
        info = joined_info(list(infos.values()))
        vector = await self.meaning.query_vector(asked.text, list(infos), info)
        question = question_of(
            asked.text, info, self._clock(), self._zone, beside=asked.beside, is_request=asked.is_request
        )
        looked_at = _NARROW_CANDIDATES if filters.is_narrow else max(_CANDIDATES, 3 * limit)
        queries = [
            CandidateQuery(
                scope=scope,
                terms=tuple(question.terms),
                shares=question.shares(),
                words=question.spelt(),
                periods=question.times.windows,
                model_id="" if vector is None else self.meaning.model_id,
                vector=vector,
                limit=looked_at,
                neighbours=_neighbours(looked_at),
            )
            for scope in infos
        ]
        candidates = await self._candidates(queries)
        question = question.with_similar(candidates.similar)
        is_of_person = bool(question.speakers) and not candidates.frequencies and vector is None and not question.times
        if is_of_person:
            # Nobody has said any of the words, so the question gets what is known of the person whom it names.
            question = about_speakers(question)
            queries = [structs.replace(one, terms=tuple(question.terms)) for one in queries]
            candidates = await self._candidates(queries)
        corrections = await self._corrections(infos)
        similar = {} if vector is None else await self.meaning.similarities(vector, corrections.texts)
        candidates = corrections.added_to(candidates, question.terms, similar)
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
        found_by: FoundBy = partial(corrections.memories, has_history=has_history)
        if filters.sent:
            found_by = _unsent(found_by, filters.sent)
        if notes is not None:
            notes.take(question, info, candidates)
            found_by = notes.noting(found_by)
        if self._reranking is None:
            best = found = await self._different(scored, limit, found_by, known)
        else:
            best = await self._different(scored, max(limit, RERANKED), found_by, known)
            note = None if notes is None else notes.note_reranked
            found = (await self._reranking.order(asked.text, best, note))[:limit]
        if notes is not None:
            notes.note_order(best)
        return [structs.replace(memory, relevance=relevance_of(memory.score, expected)) for memory in found]

    async def said(
        self,
        wanted: Mapping[str, frozenset[int]],
        scopes: Iterable[str],
        known: Known,
        limit: int,
        *,
        each: int,
        min_share: float,
    ) -> list[Memory]:
        terms = tuple(wanted)
        queries = [
            CandidateQuery(scope=scope, terms=terms, limit=_NARROW_CANDIDATES, neighbours=()) for scope in scopes
        ]
        candidates = joined_candidates([await self.index.candidates(query) for query in queries])
        words = len(frozenset[int]().union(*wanted.values()))
        shares = {
            key: len(frozenset[int]().union(*(wanted[term] for term in candidate.matches))) / words
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

    async def standing(
        self, infos: Mapping[str, ScopeInfo], known: Known, limit: int, filters: Filters
    ) -> list[Memory]:
        wanted = CandidateQuery(scope="", terms=(STANDING,), limit=_STANDING_CANDIDATES, neighbours=())
        queries = [structs.replace(wanted, scope=scope) for scope in infos]
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

    async def newest(
        self, infos: Mapping[str, ScopeInfo], known: Known, before: int | None, *, limit: int
    ) -> tuple[list[Memory], int | None]:
        """Return a page of the memories of some scopes, the newest first, and where the next page begins."""
        of_scopes = [await self.index.newest(scope, before, limit + 1) for scope in infos]
        keys = nlargest(limit + 1, chain(*of_scopes))
        documents = await self._documents(keys[:limit], known)
        corrections = await self._corrections(infos)
        found = [
            memory
            for key in keys[:limit]
            for memory in corrections.memories(key, documents.get(key), 0.0, has_history=True)
        ]
        return found, keys[limit - 1] if len(keys) > limit else None

    async def _candidates(self, queries: Sequence[CandidateQuery]) -> Candidates:
        """Return the candidates. If copies in forks take many of the places, ask once more, for more candidates."""
        found = joined_candidates([await self.index.candidates(query) for query in queries])
        copies = _copies_of_one(found)
        if copies < _CROWDED:
            return found
        limit = min(_MOST_CANDIDATES, int(queries[0].limit * copies))  # All queries of a search have one limit.
        more = [structs.replace(one, limit=limit, neighbours=_neighbours(limit)) for one in queries]
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
        memories: FoundBy,
        known: Known,
    ) -> list[Memory]:
        """Return the memories of the best keys, without repeats of better ones; see `Repeats`."""
        repeats = Repeats(limit)
        while some := list(islice(scored, 2 * limit)):
            documents = await self._documents([key for key, _ in some if key >= 0], known)
            for memory in chain.from_iterable(memories(key, documents.get(key), score) for key, score in some):
                repeats.add(memory)
                if repeats.is_full:
                    return repeats.best()
        return repeats.best()

    async def _documents(self, keys: Sequence[int], known: Known) -> dict[int, Document]:
        """Return documents by key, and note the positions of their threads."""
        documents, positions = await self.index.documents_at(keys)
        known |= positions
        return documents


def _unsent(find: FoundBy, sent: Sequence[ChatMessage]) -> FoundBy:
    """Return a function that finds the same memories, without the messages that are sent anyway.

    Copies with ids of their own are recognized by their words: a pinned message, and a turn that was answered again in
    a fork.
    """
    said: set[tuple[str, str]] = set()

    def memories(key: int, document: Document | None, score: float) -> Sequence[Memory]:
        found = find(key, document, score)
        if found and not said:
            said.update((message.role, message.text[:MAX_TEXT].strip()) for message in sent)
        return [one for one in found if one.corrected_us is not None or (one.role, one.text) not in said]

    return memories


def _neighbours(limit: int) -> tuple[int, ...]:
    return tuple(round(share * limit) for share in _NEIGHBOURS)


def _copies_of_one(candidates: Candidates) -> float:
    """Return how many copies the found messages have on average, by their times and lengths."""
    found = [one for one in candidates.found.values() if one.matches or one.similarity is not None]
    different = {(one.created_us, one.role, one.size, one.traits) for one in found}
    return len(found) / max(1, len(different))
