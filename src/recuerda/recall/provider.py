"""recuerda's own long-term memory as a context provider.

Before a run, the provider searches a user's threads for messages that may matter now, and quotes them. After a commit,
the turn is added to the index, so that the next search finds it. The log is authoritative: the index is derived from
it, and every memory is checked against it before it is returned.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial

from msgspec import structs

from recuerda.errors import InvalidInput, StorageUnavailable, ThreadOwnershipError
from recuerda.ids import check_count, check_id, check_limit
from recuerda.messages.message import ChatMessage
from recuerda.providers.context import CONTEXT_TOKENS, Context, ContextProvider, FailurePolicy
from recuerda.providers.deferred import Deferred
from recuerda.providers.embedding import Embedder
from recuerda.providers.observing import on_memories
from recuerda.providers.remembering import check_thread_user, follow_storage, input_text, kept_turns
from recuerda.providers.reranking import Reranker
from recuerda.recall.checking import Tell
from recuerda.recall.correcting import quoted_facts
from recuerda.recall.current_thread import give_namespace, is_replaced, said_before, without_sent
from recuerda.recall.explaining import MemoryReport
from recuerda.recall.facts import Fact, FactExtractor, was_valid
from recuerda.recall.following import Followed
from recuerda.recall.index import Forgetting, IndexStats, Position, RecallIndex
from recuerda.recall.meaning import embedding_s
from recuerda.recall.memory import (
    MIN_RELEVANCE,
    Filters,
    ForgottenTurns,
    Memory,
    MemoryPage,
    Progress,
    check_relevance,
    filters,
    place_of,
)
from recuerda.recall.places import index_beside, opened_index
from recuerda.recall.quoting import context_in_room, context_of, fitting
from recuerda.recall.recollection import Recollection, whose_memories
from recuerda.recall.reranking import Reranking, reranking_s
from recuerda.recall.scopes import DEFAULT_NAMESPACE, Whose, check_namespaces, owner_of
from recuerda.recall.text import MAX_TEXT, clean_text, essence
from recuerda.storage.contract import Storage, system_clock
from recuerda.storage.finishing import settled
from recuerda.storage.hooks import Clock
from recuerda.storage.records import to_microseconds
from recuerda.storage.registry import open_storage
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread

_ADVICE = "make a provider for each user, or one without user_id"
RECENT_TURNS = 20
"""`recent_turns`, unless another number is given."""

_CHARACTERS_PER_TOKEN = 3
"""The number of characters for which a token of the window is kept free. A token of English has about four."""

_CHECK_S = 10
"""The time limit, in seconds, for comparing threads with the storage without a search."""


class RecallProvider(ContextProvider):
    """Remember the messages of a user's threads, and recall them in later runs.

    Args:
        index: the index: a path, a `sqlite:///` or `postgresql://` URL, or a `RecallIndex` (which the provider does not
            close). If None, the index is beside the storage: `memory.db` has its index in `memory.recall.db`.
        user_id: the user whose threads are remembered. A thread of another user raises `ThreadOwnershipError`. If
            None, each thread's own user is taken; a thread without a user recalls only its own messages.
        namespace: the namespace of the memories, such as the name of an application or of an agent. A thread gets the
            namespace of the provider that runs its first turn, and keeps it. A run recalls nothing from other
            namespaces.
        reads: further namespaces from which a run and a search recall memories.
        storage: the storage of the threads, or its URL. If None, the storage of the first thread is used.
        embedder: turns texts into vectors, to search by meaning too. If None, searches are by words only. Vectors
            from another model in the index are replaced. A search waits for the embedder for half of `timeout`, and for
            5 seconds at most. Then it is by words only, and the missing vectors are made in the background.
        reranker: compares the best 50 memories with the question, to order them better. If None, the order of the
            search stands. A search waits for the reranker for a quarter of `timeout`, and for 2 seconds at most. If it
            fails or takes longer, the order of the search stands too.
        facts: finds facts in the messages after the reply; see `FactExtractor`. If None, no facts are extracted.
        limit: the largest number of memories, and of facts, that a run gets.
        min_relevance: a run gets no memories if the best one has a lower `Memory.relevance`. 0 turns this off.
        recent_turns: the number of the newest turns of the current thread that are not recalled if it is not known
            which turns are sent. A run of an agent knows it: exactly the turns that it does not send can be recalled.
        max_characters: the largest number of characters of all quotes and facts together. Facts take at most half.
            If the agent's window is limited in tokens, they get no more than the room that it keeps for them; see
            `ContextProvider.context_tokens`.
        max_quote_characters: the largest number of characters of one quote or fact. A longer one is cut to the part
            that fits the query best.
        timeout: see `ContextProvider`.
        on_failure: see `ContextProvider`. The default is "warn": a failure gives a reply without memories.
        clock: gives the time in microseconds since 1970; "yesterday" in a question is relative to it.
        time_zone: the time zone of the users, such as `ZoneInfo("America/Los_Angeles")`. Days begin at midnight there,
            in questions and in the dates of quotes.

    Only texts of the roles "user" and "assistant" are remembered, up to 20,000 characters of each message. Tools'
    results and files are not remembered. A thread that a service keeps is remembered if it has a mirror. A thread in
    the application's own store is not remembered.
    """

    def __init__(
        self,
        index: str | os.PathLike[str] | RecallIndex | None = None,
        *,
        user_id: str | None = None,
        namespace: str = DEFAULT_NAMESPACE,
        reads: Sequence[str] = (),
        storage: Storage | str | None = None,
        embedder: Embedder | None = None,
        reranker: Reranker | None = None,
        facts: FactExtractor | None = None,
        limit: int = 10,
        min_relevance: float = MIN_RELEVANCE,
        recent_turns: int = RECENT_TURNS,
        max_characters: int = 6_000,
        max_quote_characters: int = 600,
        timeout: timedelta | None = timedelta(seconds=10),
        on_failure: FailurePolicy = "warn",
        clock: Clock = system_clock,
        time_zone: tzinfo = UTC,
    ) -> None:
        self.user_id: str | None = None if user_id is None else check_id(user_id, "user id")
        self.namespaces: tuple[str, ...] = check_namespaces(namespace, reads)
        self.limit: int = check_limit(limit, "limit")
        self.min_relevance: float = check_relevance(min_relevance)
        self.recent_turns: int = check_count(recent_turns, "recent_turns")
        self.max_characters: int = check_limit(max_characters, "max_characters")
        self.max_quote_characters: int = check_limit(max_quote_characters, "max_quote_characters")
        self.context_tokens: int = max(CONTEXT_TOKENS, self.max_characters // _CHARACTERS_PER_TOKEN)
        self.timeout = timeout
        self.on_failure: FailurePolicy = on_failure
        self._embedder = embedder
        self._reranking = None if reranker is None else Reranking(reranker, reranking_s(timeout))
        self._extractor = facts
        self._clock = clock
        self.time_zone: tzinfo = time_zone
        self._storage = open_storage(storage) if isinstance(storage, str) else storage
        self._owns_storage = isinstance(storage, str)
        self._given_index, self._owns_index = (None, True) if index is None else opened_index(index)
        self._recollection: Recollection | None = None
        self._learning = Deferred(self.name)
        self._is_closed = False
        self._follower = _Follower(self)
        if self._storage is not None:
            self._storage.follow(self._follower)

    # -- the provider --------------------------------------------------------------------------------------------------

    async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context | None:
        return await self._context(messages, thread, await self._looked_in(thread))

    async def preview(
        self, messages: Sequence[ChatMessage], *, thread: AgentThread, before: datetime | None = None
    ) -> Context | None:
        whose, admitted = await self._looked_in(thread, is_preview=True)
        if before is not None:
            admitted = structs.replace(admitted, before_us=to_microseconds(before))
        return await self._context(messages, thread, (whose, admitted))

    async def _context(
        self, messages: Sequence[ChatMessage], thread: AgentThread, looked_in: tuple[Whose | None, Filters]
    ) -> Context | None:
        query = essence(input_text(messages))
        whose, admitted = looked_in
        if not query or whose is None:
            return None
        said = said_before(thread, self._clock() if admitted.before_us is None else admitted.before_us)
        memories = await self._search(query, whose, limit=self.limit, admitted=admitted, before=said)
        has_facts = self._extractor is not None and admitted.only_thread is None
        facts = await self._facts_at(whose, admitted.before_us) if has_facts else []
        facts = [fact for fact in facts if not is_replaced(fact, thread)]
        make = partial(
            context_of,
            memories,
            facts=fitting(facts, query, self.limit),
            query=query,
            thread_id=thread.id,
            max_quote_characters=self.max_quote_characters,
            zone=self.time_zone,
        )
        return context_in_room(make, self.max_characters, thread.context_room)

    async def _facts_at(self, whose: Whose, before_us: int | None) -> list[Fact]:
        """Return the facts that may be quoted: the valid ones, or the facts that were valid before a time."""
        if before_us is None:
            return quoted_facts(await self._of().facts(whose, has_history=False))
        known = await self._of().facts(whose, has_history=True)
        return quoted_facts([fact for fact in known if was_valid(fact, before_us)])

    async def invoked(
        self,
        request_messages: Sequence[ChatMessage],
        response_messages: Sequence[ChatMessage] = (),
        *,
        thread: AgentThread,
        invoke_exception: BaseException | None = None,
    ) -> None:
        store = kept_turns(thread)
        if invoke_exception is not None or store is None:
            return
        recollection = self._bound(thread, store.storage)
        followed = await on_memories(
            "create_memory",
            recollection.follow(thread.id, user_id=self.user_id, has_grown=True, appended=store.appended),
            store=self._store,
            count=lambda followed: followed.added,
        )
        self._check_owner(thread.id, followed)
        if await self._named(thread, store, followed, turns=1):
            followed = await recollection.follow(thread.id, user_id=self.user_id)
        if recollection.count_turn():
            await self._learning.start("index", self._check, is_optional=True)
        position = followed.position
        if position is None:
            return
        if self._embedder is not None:
            await self._embed_later(recollection, position.scope)
        if self._extractor is not None:
            # Turns of one user are processed one after the other, because the model gets the earlier facts.
            await self._learning.start(position.scope, partial(self._learn, recollection, self._extractor, thread.id))

    async def _learn(self, recollection: Recollection, extractor: FactExtractor, thread_id: str) -> int:
        learning = recollection.learn_facts(extractor, thread_id)
        return await on_memories("upsert_memory", learning, store=self._store, count=int)

    async def close(self) -> None:
        """Finish pending work, and close the index and the storage if the provider opened them.

        Vectors have ten seconds. The next process makes the missing ones.

        A cancellation ends the wait for the pending work. The index and the storage are closed nevertheless.
        """
        try:
            if self._recollection is not None and not self._is_closed:
                self._recollection.meaning.end()
                await self._learning.start("index", self._check, is_optional=True)
            await self._learning.finish()
        finally:
            await settled(self._close_opened())

    async def _close_opened(self) -> None:
        self._is_closed = True
        self._end_following()
        recollection, self._recollection = self._recollection, None
        index = recollection.index if recollection is not None else self._given_index
        try:
            if self._owns_index and index is not None:
                await index.close()
        finally:
            if self._owns_storage and self._storage is not None:
                await self._storage.close()

    async def _check(self) -> None:
        async with asyncio.timeout(_CHECK_S):
            await self._of().check()

    def _end_following(self) -> None:
        known = () if self._recollection is None else self._recollection.storages
        for storage in (*known, *([] if self._storage is None else [self._storage])):
            storage.followers.discard(self._follower)

    # -- memories ------------------------------------------------------------------------------------------------------

    async def search(
        self,
        query: str,
        *,
        user_id: str | None = None,
        thread_id: str | None = None,
        limit: int = 10,
        before: datetime | None = None,
        after: datetime | None = None,
        roles: Sequence[str] | None = None,
        has_history: bool = False,
        min_relevance: float = MIN_RELEVANCE,
    ) -> list[Memory]:
        """Return the memories that answer a query best, the best first; none if nothing that was said matters.

        Args:
            query: a question or some words, in English or Spanish.
            user_id: the user whose memories are searched; the provider's user by default.
            thread_id: searches only this thread. If no user is given, it must be a thread without a user.
            limit: the largest number of memories.
            before: only messages before this time (aware).
            after: only messages at this time or later (aware).
            roles: "user", "assistant" or both (the default).
            has_history: True also returns words that were corrected, each with the time until which it was valid.
            min_relevance: nothing is returned if the best memory has a lower `Memory.relevance`. The default loses
                hardly any answer. A search box may take 0.4, and 0 turns this off.

        Raises:
            ConfigurationError: there is neither a user nor a thread, or the storage of the threads is unknown.
            InvalidInput: an argument is invalid.
            StorageError: the storage or the index failed. No unchecked memory is returned.
        """
        check_limit(limit, "limit")
        whose = self._whose(user_id, thread_id)
        chosen = filters(before=before, after=after, roles=roles, only_thread=thread_id, min_relevance=min_relevance)
        return await self._search(essence(query), whose, limit=limit, admitted=chosen, has_history=has_history)

    async def _search(
        self, query: str, whose: Whose, *, limit: int, admitted: Filters, before: str = "", has_history: bool = False
    ) -> list[Memory]:
        recollection = self._of()
        memories = await on_memories(
            "search_memory",
            recollection.search(query, whose, limit=limit, filters=admitted, before=before, has_history=has_history),
            store=self._store,
            count=len,
            query=query,
            records=lambda found: [(memory.turn_id, memory.text) for memory in found],
        )
        for scope in recollection.meaning.lacks_vectors.intersection(whose.scopes):
            recollection.meaning.lacks_vectors.discard(scope)
            await self._embed_later(recollection, scope)
        return memories

    async def _embed_later(self, recollection: Recollection, scope: str) -> None:
        """Make the missing vectors of a scope after the reply, unless that waits for its start already."""
        job = partial(recollection.meaning.embed_later, scope)
        await self._learning.start(f"vectors of {scope}", job, is_optional=True, is_single=True)

    async def explain(
        self,
        query: str,
        *,
        user_id: str | None = None,
        thread_id: str | None = None,
        limit: int = 10,
        before: datetime | None = None,
        after: datetime | None = None,
        roles: Sequence[str] | None = None,
        has_history: bool = False,
        min_relevance: float = MIN_RELEVANCE,
    ) -> list[MemoryReport]:
        """Return the memories that `search` returns for the same arguments, each with the reasons for its score.

        It raises the errors of `search`.
        """
        check_limit(limit, "limit")
        whose = self._whose(user_id, thread_id)
        chosen = filters(before=before, after=after, roles=roles, only_thread=thread_id, min_relevance=min_relevance)
        return await self._of().explain(essence(query), whose, limit=limit, filters=chosen, has_history=has_history)

    async def memories(
        self, *, user_id: str | None = None, thread_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> MemoryPage:
        """Return a page of everything that is remembered of a user, whether or not a search would find it.

        Words that were corrected stand behind the words that replace them.

        Args:
            user_id: the user; the provider's user by default.
            thread_id: a thread without a user, if no user is given.
            limit: the largest number of messages on the page.
            cursor: the cursor of the previous page; None for the first page.

        Raises:
            ConfigurationError: there is neither a user nor a thread, or the storage of the threads is unknown.
            InvalidInput: an argument is invalid.
        """
        check_limit(limit, "limit")
        whose = self._whose(user_id, thread_id)
        found, following = await self._of().newest(whose, place_of(cursor), limit=limit)
        return MemoryPage(memories=tuple(found), cursor=None if following is None else str(following))

    async def forgotten(
        self, *, user_id: str | None = None, thread_id: str | None = None, limit: int = 100
    ) -> list[ForgottenTurns]:
        """Return which turns of a user's threads were forgotten on request.

        Their messages are gone from the index. A thread that was deleted or erased leaves no trace at all.

        Args:
            user_id: as in `memories`.
            thread_id: as in `memories`.
            limit: the largest number of ranges of turns.
        """
        check_limit(limit, "limit")
        whose = self._whose(user_id, thread_id)
        found = await self._of().forgotten(whose, limit=limit)
        return [ForgottenTurns(thread_id=one.thread_id, first=one.first, last=one.last) for one in found]

    async def standing(
        self, *, user_id: str | None = None, thread_id: str | None = None, limit: int = 20
    ) -> list[Memory]:
        """Return a user's standing instructions and preferences, the newest first.

        These are messages of the user with a phrase such as "always …", "from now on …", "please remember …",
        "I prefer …" or "call me …". They are the user's words, and not checked by anyone: the application decides
        whether they become instructions. Messages with the same words count once. Their score is 0.

        Args:
            user_id: the user; the provider's user by default.
            thread_id: only messages of this thread. If no user is given, it must be a thread without a user.
            limit: the largest number of memories.

        Raises:
            ConfigurationError: there is neither a user nor a thread, or the storage of the threads is unknown.
            InvalidInput: an argument is invalid.
            StorageError: the storage or the index failed.
        """
        check_limit(limit, "limit")
        whose = self._whose(user_id, thread_id)
        return await self._of().standing(whose, limit=limit, filters=filters(only_thread=thread_id))

    async def facts(self, *, user_id: str | None = None, has_history: bool = False) -> list[Fact]:
        """Return the facts that a model found in a user's threads, and the corrections, the oldest first.

        Args:
            user_id: the user; the provider's user by default.
            has_history: True also returns replaced facts, each with its successor and the time until which it was
                valid.
        """
        whose = self._whose(user_id)
        return await self._of().facts(whose, has_history=has_history)

    async def correct(self, memory: Memory | Fact, text: str) -> Fact:
        """Replace the words of a memory, or a fact, by other words, and return the new fact.

        The message stays in its thread, but from now on the right words are recalled in its place. This also holds for
        earlier messages of the same speaker with the same words. The wrong words stay readable with `has_history=True`,
        with the time until which they were valid. The correction is removed with the turn from which the memory comes.
        It survives a rebuild of the index, but not the loss of the index.

        Args:
            memory: a memory that a search returned, or a fact.
            text: the right words.

        Raises:
            InvalidInput: the text is empty, or the memory or the fact is gone or was replaced.
            ThreadOwnershipError: the memory is another user's.
        """
        words = clean_text(text)[:MAX_TEXT]
        if not words:
            raise InvalidInput("the right words are empty; to remove a memory, use forget(thread=…, turn=…)")
        return await on_memories(
            "update_memory",
            self._of().correct(memory, words, await self._position_of(memory)),
            store=self._store,
            count=lambda _: 1,
            record_id=_record_id(memory),
            records=lambda fact: [(_record_id(fact), fact.text)],
        )

    async def take_back(self, correction: Memory | Fact) -> bool:
        """Delete a correction, so that the words or the fact that it replaced hold again.

        Args:
            correction: the fact that `correct` returned, or a memory with corrected words.

        Returns:
            False if this is no correction, or the correction was replaced itself.

        Raises:
            InvalidInput: the memory or the fact is gone.
            ThreadOwnershipError: the memory is another user's.
        """
        return await on_memories(
            "update_memory",
            self._of().take_back(correction, await self._position_of(correction)),
            store=self._store,
            count=int,
            record_id=_record_id(correction),
        )

    async def _position_of(self, memory: Memory | Fact) -> Position:
        """Return the position of the thread from which a memory or a fact comes."""
        threads = [source.thread_id for source in memory.sources] if isinstance(memory, Fact) else [memory.thread_id]
        for thread_id in threads:
            followed = await self._of().follow(thread_id)
            self._check_owner(thread_id, followed)
            if (position := followed.position) is not None:
                if position.scope not in owner_of(position.scope, self.namespaces).scopes:
                    raise InvalidInput(f"thread {thread_id!r} is in a namespace that this provider does not read")
                return position
        raise InvalidInput("the thread of this memory is gone; search again")

    async def flush(self) -> None:
        """Wait until the work that follows the replies (vectors and facts) is done."""
        await self._learning.finish()

    async def forget(
        self,
        *,
        thread: AgentThread | str | None = None,
        turn: int | str | None = None,
        user: str | None = None,
        query: str | None = None,
        dry_run: bool = False,
    ) -> int:
        """Forget messages, and return their number.

        The messages stay in their threads. A forgotten turn gets a mark in its metadata there, so it stays forgotten if
        the index is rebuilt or lost, and in copies of the thread. Later turns are remembered.

        Args:
            thread: forgets everything in this thread, or one turn of it with `turn`.
            turn: the number or the id of the turn.
            user: without `query`, forgets everything in this user's threads.
            query: forgets every turn with a message that has all of these words, or was corrected to such words, in
                `thread`, in the threads of `user`, or in the threads of the provider's user.
            dry_run: True only counts the messages, and forgets nothing.

        A query and a user are looked for in the namespaces that the provider reads. If no message has all words of the
        query, a warning is logged.

        Raises:
            InvalidInput: no argument is given, the arguments cannot be combined, or the query has no word to look for.
            ThreadOwnershipError: the provider has a user, and another user or another user's thread is named.
            ThreadConflict: other writers changed a thread at each try.
            StorageError: the storage or the index failed. The same call continues.
        """
        thread_id = thread.id if isinstance(thread, AgentThread) else thread
        if turn is not None and (thread_id is None or query is not None or user is not None):
            raise InvalidInput("turn= needs thread= and no other argument, as in forget(thread=…, turn=…)")
        if query is not None:
            whose = self._whose(user, thread_id)
            turns = await self._of().turns_with_words(query, whose, only_thread=thread_id)
            return await self._forgotten(turns, query, dry_run=dry_run)
        if (thread_id is None) == (user is None):
            raise InvalidInput("forget needs one of thread=, thread= and turn=, user=, or query=")
        if thread_id is not None:
            followed = await self._of().follow(check_id(thread_id, "thread id"))
            self._check_owner(thread_id, followed)
            turns = await self._of().turns_to_forget(thread_id, turn, followed.position)
        else:
            turns = await self._of().turns_of_user(self._whose(user))
        return await self._forgotten(turns, query, dry_run=dry_run)

    async def _forgotten(self, turns: Sequence[Forgetting], query: str | None, *, dry_run: bool) -> int:
        forgetting = self._of().forget(turns, dry_run=dry_run)
        if dry_run:
            return await forgetting
        return await on_memories("delete_memory", forgetting, store=self._store, count=int, query=query)

    async def catch_up(self, user_id: str | None = None, *, progress: Tell | None = None) -> Progress:
        """Bring the index up to date with a user's threads, or with all threads.

        Everything that was made from threads that are gone is removed, also if another process deleted them. A search
        does the same for those threads of the user that changed last. The first search for a user in a process does it
        for all of the user's threads. After every eighth turn, the provider does it for some threads of all users.

        With an embedder, every message that has no vector gets one, however long that takes.

        Args:
            user_id: the user; None for the provider's user or, if it has none, for all threads.
            progress: called after each thread, and after each batch of vectors.

        Raises:
            ThreadOwnershipError: the provider has another user.
            EmbedderError: the embedder failed. The messages are found by their words.
        """
        user = self._user(user_id)
        caught_up = await self._of().catch_up(user, progress)
        return await self._of().embed_all(user, caught_up, progress)

    async def rebuild(self, storage: Storage | None = None, *, progress: Tell | None = None) -> Progress:
        """Rebuild the index from the log, thread by thread. Searches keep working during the rebuild.

        Args:
            storage: the storage of the threads; the provider's own by default.
            progress: called after each thread, and after each batch of vectors.
        """
        rebuilt = await self._of(storage).catch_up(None, progress, is_anew=True)
        return await self._of().embed_all(None, rebuilt, progress)

    async def stats(self) -> IndexStats:
        """Return the statistics of the index."""
        return await self._of().index.stats()

    # -- what the methods above share ----------------------------------------------------------------------------------

    def _of(self, storage: Storage | None = None) -> Recollection:
        if self._is_closed and self._owns_index:
            raise StorageUnavailable("this provider has been closed, and its index with it; create a new provider")
        if self._recollection is None:
            storage = self._storage or storage
            index = self._given_index
            if index is None:
                if storage is None:
                    raise InvalidInput("RecallProvider does not know the storage of the threads yet; give it storage=")
                index = index_beside(storage)
            self._recollection = Recollection(
                index,
                storage,
                self._embedder,
                self._clock,
                embed_s=embedding_s(self.timeout),
                reranking=self._reranking,
                zone=self.time_zone,
            )
        return self._recollection

    @property
    def _store(self) -> str:
        """The name of the memories for an observer."""
        return f"{self.name}/{self.namespaces[0]}"

    def _user(self, user_id: str | None) -> str | None:
        if user_id is None:
            return self.user_id
        if self.user_id not in (None, check_id(user_id, "user id")):
            raise ThreadOwnershipError(
                "this provider has the memories of another user; create a provider without user_id, or one "
                "for this user"
            )
        return user_id

    def _whose(self, user_id: str | None, thread_id: str | None = None) -> Whose:
        return whose_memories(self._user(user_id), thread_id, self.namespaces)

    def _bound(self, thread: AgentThread, storage: Storage) -> Recollection:
        """Return the recollection for a run's thread, which must not be another user's."""
        check_thread_user(thread, self.user_id, advice=_ADVICE)
        recollection = self._of(storage)
        recollection.bind(storage, thread.id)
        follow_storage(thread, self._follower)
        return recollection

    async def _looked_in(self, thread: AgentThread, *, is_preview: bool = False) -> tuple[Whose | None, Filters]:
        """Return the owner whose memories a run may get, and which of these it may get; None without an owner.

        A preview does not give a new thread its namespace.
        """
        check_thread_user(thread, self.user_id, advice=_ADVICE)
        user = self.user_id or thread.user_id
        whose = None if user is None else Whose(user_id=user, namespaces=self.namespaces)
        if (store := kept_turns(thread)) is None:
            return whose, Filters(min_relevance=self.min_relevance)
        followed = await self._bound(thread, store.storage).follow(thread.id, user_id=self.user_id)
        self._check_owner(thread.id, followed)
        is_named = not is_preview and await self._named(thread, store, followed, turns=0)
        if is_named and followed.position is not None:
            followed = await self._of().follow(thread.id, user_id=self.user_id)
        if (position := followed.position) is None:
            return whose, Filters(min_relevance=self.min_relevance)
        whose = owner_of(position.scope, self.namespaces)
        # A thread without a user gets only its own memories, even if another provider follows it for a user.
        is_lent = user is None and followed.user_id is None and whose.user_id is not None
        admitted = Filters(min_relevance=self.min_relevance, only_thread=thread.id if is_lent else None)
        return whose, without_sent(
            admitted, thread, store.turns, revision=position.revision, recent_turns=self.recent_turns
        )

    async def _named(self, thread: AgentThread, store: ChatMessageStore, followed: Followed, *, turns: int) -> bool:
        namespace = self.namespaces[0]
        return await give_namespace(thread, store, followed, provider=self.name, namespace=namespace, turns=turns)

    def _check_owner(self, thread_id: str, followed: Followed) -> None:
        position = followed.position
        owner = None if position is None else owner_of(position.scope, ()).user_id
        if self.user_id is not None and owner not in (None, self.user_id):
            raise ThreadOwnershipError(
                f"thread {thread_id!r} belongs to another user than this provider's memories; {_ADVICE}"
            )


def _record_id(memory: Memory | Fact) -> str:
    return str(memory.id) if isinstance(memory, Fact) else memory.turn_id


class _Follower:
    """Tells the index which threads and which users are erased. The provider's own `forget` has another meaning.

    Args:
        provider: the provider of the index.
    """

    def __init__(self, provider: RecallProvider) -> None:
        self._provider = provider

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._provider.name

    async def forget(self, thread_ids: Sequence[str], *, user_id: str | None) -> int:
        """Delete the messages, vectors and facts of these threads and of the user; return the number of items.

        Raises:
            StorageUnavailable: the index cannot be reached, or has been closed with its provider.
        """
        provider = self._provider
        return await on_memories(
            "delete_memory",
            provider._of().erase(thread_ids, user_id),  # pyright: ignore[reportPrivateUsage]  # its other half
            store=provider._store,  # pyright: ignore[reportPrivateUsage]  # as above
            count=int,
        )
