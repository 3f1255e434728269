"""Search and deletion of the memories of one storage, each checked against the threads."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from itertools import chain

from msgspec import structs

from recuerda._events import fields
from recuerda.errors import ConfigurationError, InvalidInput, StorageBusy, ThreadOwnershipError
from recuerda.providers.embedding import Embedder
from recuerda.recall.asking import questions_of
from recuerda.recall.checking import ROUNDS, CheckedIndex, Known, Tell
from recuerda.recall.explaining import MemoryReport, SearchNotes, reports_on
from recuerda.recall.facts import Fact, FactExtractor
from recuerda.recall.index import (
    THREAD_BITS,
    CandidateQuery,
    Correction,
    Document,
    Forgetting,
    Position,
    RecallIndex,
    ScopeInfo,
    ThreadUpdate,
)
from recuerda.recall.learning import Learning
from recuerda.recall.marking import mark_forgotten
from recuerda.recall.meaning import EMBED_S, Meaning
from recuerda.recall.memory import Filters, Memory, Progress
from recuerda.recall.reranking import Reranking
from recuerda.recall.scopes import Whose, owner_of
from recuerda.recall.searching import MemorySearch
from recuerda.recall.text import MAX_TEXT, terms_of
from recuerda.recall.wording import Wording
from recuerda.storage.contract import Storage
from recuerda.storage.hooks import Clock

_logger = logging.getLogger("recuerda.recall")


class Recollection(CheckedIndex):
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
        super().__init__(index, storage)
        self.meaning: Meaning = Meaning(index, embedder, embed_s=embed_s)
        self._search = MemorySearch(index, self.meaning, clock, reranking=reranking, zone=zone)
        self._clock = clock
        self._learning = Learning(index, zone=zone)

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
            self.meaning.begin_anew(scope)
            await self.meaning.embed_missing(scope, note)
        return progress

    # -- searching -----------------------------------------------------------------------------------------------------

    async def search(
        self, query: str, whose: Whose, *, limit: int, filters: Filters, before: str = "", has_history: bool = False
    ) -> list[Memory]:
        """Return the memories that answer a query, the best first. Each memory is checked against the storage.

        Args:
            query: the query as it is used. The caller shortens a long one; see `essence`.
            whose: the owner of the memories.
            limit: the largest number of memories.
            filters: which memories may be found.
            before: what was said just before the query.
            has_history: True also returns words that were corrected.
        """
        asked = questions_of(query, before)
        return await self.checked(
            whose,
            lambda infos, known: self._search.ranked(asked, infos, known, limit, filters, has_history=has_history),
        )

    async def explain(
        self, query: str, whose: Whose, *, limit: int, filters: Filters, has_history: bool = False
    ) -> list[MemoryReport]:
        """Return the memories that `search` returns for the same arguments, each with the reasons for its score."""
        asked = questions_of(query)
        notes = [SearchNotes() for _ in asked]
        found = await self.checked(
            whose,
            lambda infos, known: self._search.ranked(
                asked, infos, known, limit, filters, has_history=has_history, notes=notes
            ),
        )
        return reports_on(found, notes)

    async def newest(self, whose: Whose, before: int | None, *, limit: int) -> tuple[list[Memory], int | None]:
        """Return a page of an owner's memories, checked as in a search, and where the next page begins.

        Args:
            whose: the owner.
            before: where the page begins; None for the first page.
            limit: the largest number of messages.
        """
        following: int | None = None

        async def find(infos: Mapping[str, ScopeInfo], known: Known) -> list[Memory]:
            nonlocal following
            found, following = await self._search.newest(infos, known, before, limit=limit)
            return found

        found = await self.checked(whose, find)
        return found, following if found else None

    async def forgotten(self, whose: Whose, *, limit: int) -> list[Forgetting]:
        """Return ranges of turns that were forgotten on request in an owner's threads."""
        await self.freshen(whose)
        for _ in range(ROUNDS):
            of_scopes = [await self.index.forgotten(scope, limit) for scope in whose.scopes]
            found = list(chain(*of_scopes))[:limit]
            if await self.are_current({one.thread_id for one in found}, whose, {}):
                return found
        return []

    async def said(
        self, wanted: Mapping[str, frozenset[int]], whose: Whose, *, limit: int, each: int, min_share: float
    ) -> list[Memory]:
        """Return the messages with words of a query, those with the most words first, and then the newest first.

        The messages are checked as in a search. `score` is the share of the words that a message has.

        Args:
            wanted: the terms of the query, each with the numbers of its words.
            whose: the owner of the messages.
            limit: the largest number of threads.
            each: the largest number of messages of one thread.
            min_share: the least share.
        """
        return await self.checked(
            whose, lambda infos, known: self._search.said(wanted, infos, known, limit, each=each, min_share=min_share)
        )

    async def standing(self, whose: Whose, *, limit: int, filters: Filters) -> list[Memory]:
        """Return the standing instructions and preferences of an owner, the newest first, checked as in a search."""
        return await self.checked(whose, lambda infos, known: self._search.standing(infos, known, limit, filters))

    # -- facts ---------------------------------------------------------------------------------------------------------

    async def facts(self, whose: Whose, *, has_history: bool) -> list[Fact]:
        """Return the facts of an owner. Their turns are checked against the storage, as in a search."""
        await self.freshen(whose)
        for _ in range(ROUNDS):
            of_scopes = [await self.index.facts(scope, has_history=has_history) for scope in whose.scopes]
            facts = sorted(chain(*of_scopes), key=lambda fact: (fact.valid_from_us, fact.id))
            if await self.are_current({source.thread_id for fact in facts for source in fact.sources}, whose, {}):
                return facts
        return []

    async def learn_facts(self, extractor: FactExtractor, thread_id: str) -> int:
        """Search the turns of a thread for facts; see `Learning.learn`."""
        return await self._learning.learn(extractor, thread_id, self.home(thread_id))

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
            if (one.message.turn_id, one.message.position) == (memory.turn_id, memory.position)
            and any((source.thread_id, source.turn) == (memory.thread_id, memory.turn) for source in one.fact.sources)
        ]

    # -- forgetting ----------------------------------------------------------------------------------------------------

    async def turns_to_forget(
        self, thread_id: str, turn: int | str | None, position: Position | None
    ) -> list[Forgetting]:
        """Return all current turns of a thread, or one turn by its number or id, for `forget`.

        One turn is forgotten in all threads of the owner that hold it.

        Args:
            thread_id: the thread.
            turn: the turn; None for all turns.
            position: the position of the thread, whose owner the caller has checked.
        """
        if isinstance(turn, str):
            found = (await self.home(thread_id).read(thread_id, last_turns=0, turn_id=turn)).found
            turn = -1 if found is None else found.number
        if position is None or turn == -1:
            return []
        if turn is None:
            return [Forgetting.of(thread_id, position, 1, position.revision)]
        await self._catch_up(owner_of(position.scope, ()))  # Forks that the index does not know yet hold the turn, too.
        copies = [one for one in await self.index.holders(thread_id, turn) if one.thread_id != thread_id]
        forgotten = [
            Forgetting(
                scope=position.scope,
                thread_id=one.thread_id,
                incarnation=one.incarnation,
                first=one.turn,
                last=one.turn,
            )
            for one in copies
        ]
        return [Forgetting.of(thread_id, position, turn, turn), *forgotten]

    async def turns_of_user(self, whose: Whose) -> list[Forgetting]:
        """Return all current turns of a user's threads in some namespaces, for `forget`."""
        await self.catch_up(whose.user_id)
        threads: dict[str, Position] = {}
        for scope in whose.scopes:
            threads |= await self.index.followed(scope)
        return [Forgetting.of(thread_id, position, 1, position.revision) for thread_id, position in threads.items()]

    async def turns_with_words(self, query: str, whose: Whose, *, only_thread: str | None) -> list[Forgetting]:
        """Return each turn with a message that has all words of a query, also after a correction, for `forget`.

        Args:
            query: the words.
            whose: the owner of the memories.
            only_thread: finds only turns of this thread; None for all threads.

        Raises:
            InvalidInput: the query has no word to look for.
        """
        wording = Wording(query[:MAX_TEXT])
        if not wording.terms:
            raise InvalidInput(
                "the query has no word to look for, so nothing can be forgotten; name a word of the message"
            )
        await self._catch_up(whose)
        for _ in range(ROUNDS):
            turns: set[tuple[str, int]] = set()
            for scope in whose.scopes:
                turns |= await self._turns_with(wording, scope)
                turns |= await self._corrected_with(wording, scope)
            chosen = sorted(turn for turn in turns if only_thread in (None, turn[0]))
            if await self.are_current({thread_id for thread_id, _ in chosen}, whose, {}):
                break
        else:
            raise StorageBusy("the threads change too fast for their messages to be forgotten; try again")
        if not chosen:
            _logger.warning(
                "there is nothing to forget, because no message has all words of the query",
                extra=fields("nothing_to_forget"),
            )
        positions = await self.index.positions(sorted({thread_id for thread_id, _ in chosen}))
        return [
            Forgetting.of(thread_id, positions[thread_id], turn, turn)
            for thread_id, turn in chosen
            if thread_id in positions and positions[thread_id].scope in whose.scopes
        ]

    async def _catch_up(self, whose: Whose) -> None:
        """Bring the index up to date with all threads of an owner, however long ago they changed."""
        if whose.user_id is None:
            await self.freshen(whose)
        else:
            await self.catch_up(whose.user_id)

    async def _corrected_with(self, wording: Wording, scope: str) -> set[tuple[str, int]]:
        """Return the turns of a scope with a message that was corrected to words that have all words of a query."""
        return {
            (one.message.thread_id, one.message.turn)
            for one in await self.index.corrections(scope)
            if wording.are_in(terms_of(one.fact.text).counts)
        }

    async def forget(self, turns: Sequence[Forgetting], *, dry_run: bool = False) -> int:
        """Forget turns, and return the number of their messages in the index. A dry run only counts them.

        The turns are marked in the log first, so an interruption leaves nothing that comes back. A thread that has been
        given to another owner meanwhile is left alone.
        """
        if dry_run:
            return (await self.index.held(turns, limit=0)).count
        of_threads: dict[str, list[Forgetting]] = {}
        for turn in turns:
            of_threads.setdefault(turn.thread_id, []).append(turn)
        count = 0
        for thread_id, some in of_threads.items():
            known = (await self.index.positions([thread_id])).get(thread_id)
            try:
                position = await mark_forgotten(self.home(thread_id), some, known)
            except ThreadOwnershipError:
                await self._follow_or_skip(thread_id)
                continue
            count += await self.index.forget(some)
            if position is not None and position != known:
                await self.index.apply(ThreadUpdate(thread_id=thread_id, expected=known, position=position))
        return count

    async def _turns_with(self, wording: Wording, scope: str) -> set[tuple[str, int]]:
        """Return the threads and numbers of the turns of a scope with a message that has all words of a query."""
        looked_for = CandidateQuery(scope=scope, terms=tuple(wording.terms), limit=1_000_000, neighbours=())
        candidates = await self.index.candidates(looked_for)
        return {
            (candidates.threads[key >> THREAD_BITS], candidate.turn)
            for key, candidate in candidates.found.items()
            if candidate.matches and wording.are_in(candidate.matches)
        }


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
