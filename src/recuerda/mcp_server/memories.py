"""The memories of a connection: to recall them, to store one on purpose, and to correct one.

A memory that is stored on purpose is a turn of its own, in a thread of the user that holds nothing else. So it is
stored whole or not at all, whatever kills the process, and `recall` finds it like any other message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from recuerda.errors import InvalidInput
from recuerda.ids import new_id
from recuerda.mcp_server.answers import Corrected, MemoryItem, Recalled, Remembered
from recuerda.mcp_server.budget import MAX_NAME, cut_text, cut_texts, fitting
from recuerda.mcp_server.budget import shortened as shortened_to_fit
from recuerda.mcp_server.finding import HOLDS, MEMORIES, FoundMemory, find_memory
from recuerda.mcp_server.importing import ImportedMemory
from recuerda.mcp_server.references import Place
from recuerda.mcp_server.scope import Scope
from recuerda.messages.message import ChatMessage, Turn
from recuerda.providers.observing import on_memories
from recuerda.recall.checking import Tell
from recuerda.recall.erasing import IndexFollower
from recuerda.recall.forgotten import FORGOTTEN_KEY, is_forgotten
from recuerda.recall.index import RecallIndex
from recuerda.recall.memory import MIN_RELEVANCE, Filters, Memory
from recuerda.recall.quoting import excerpt
from recuerda.recall.recollection import Recollection
from recuerda.recall.scopes import DEFAULT_NAMESPACE, NAMESPACE_KEY
from recuerda.recall.text import MAX_TEXT, clean_text, essence
from recuerda.storage.contract import Storage, system_clock
from recuerda.storage.hooks import Clock
from recuerda.storage.records import from_microseconds
from recuerda.threads.history import readable_turns, stored_turn
from recuerda.threads.new_turn import new_turn

MAX_RECALLED = 50
"""The largest number of memories in one answer."""

MAX_KEY = 200
_QUOTE = 600
_ABOUT = 200
_RECENT = 20


class Memories:
    """The memories of all connections of a server.

    Args:
        storage: the storage of the threads.
        index: the index of the messages.
        max_tokens: the size of the largest answer.
        clock: gives the time in microseconds since 1970.
    """

    def __init__(self, storage: Storage, index: RecallIndex, *, max_tokens: int, clock: Clock = system_clock) -> None:
        self.storage: Storage = storage
        self.max_tokens: int = max_tokens
        self.recollection: Recollection = Recollection(index, storage, None, clock)
        self._caught_up: set[str] = set()
        self._follower = IndexFollower("MCP memories", self.recollection)
        storage.follow(self._follower)

    async def recall(
        self, scope: Scope, query: str, *, limit: int, with_corrected: bool = False, tell: Tell | None = None
    ) -> tuple[Recalled, list[Memory]]:
        """Return the memories that answer a query best, the best first, and how many did not fit.

        Args:
            scope: whose memories are searched.
            query: a question or some words.
            limit: the largest number of memories.
            with_corrected: True also returns words that were corrected.
            tell: called during the first search for a user, which may have to index the user's threads.

        Raises:
            InvalidInput: the query is empty or too long.
        """
        check_query(query)
        if tell is not None and scope.user_id not in self._caught_up:
            await self.recollection.catch_up(scope.user_id, tell)
            self._caught_up.add(scope.user_id)
        question = essence(query)
        found = await on_memories(
            "search_memory",
            self.recollection.search(
                question,
                scope.whose,
                limit=limit,
                filters=Filters(min_relevance=MIN_RELEVANCE),
                has_history=with_corrected,
            ),
            store=store_of(scope),
            count=len,
            query=query,
            records=lambda found: [(Place(one.thread_id, one.turn_id, one.position).id, one.text) for one in found],
        )
        items = self._fitting([item_of(memory, question) for memory in found])
        return Recalled(memories=items, left_out=len(found) - len(items)), found[: len(items)]

    async def about_me(self, scope: Scope) -> list[Memory]:
        """Return the user's standing wishes and the newest memories that were stored on purpose, the newest first."""
        standing = await self.recollection.standing(scope.whose, limit=_RECENT, filters=Filters())
        thread_id, _ = await self._own_thread(scope)
        found = await self.storage.read(thread_id, last_turns=_RECENT)
        kept = found.records if found.info is not None and scope.may_read(found.info) else ()
        turns = [turn for turn in readable_turns(kept, thread_id) if not is_forgotten(turn)]
        ids = [Place(thread_id, turn.id).id for turn in reversed(turns)]
        chosen = [(await self.find(scope, memory)).words for memory in ids]
        places = {(one.thread_id, one.turn_id) for one in chosen}
        return [*chosen, *(one for one in standing if (one.thread_id, one.turn_id) not in places)]

    async def find(self, scope: Scope, memory: str) -> FoundMemory:
        """Return the memory with an id; see `find_memory`."""
        return await find_memory(self.recollection, self.storage, scope, memory)

    async def remember(self, scope: Scope, text: str, *, about: str | None, key: str | None) -> Remembered:
        """Store a text as a memory, and return its id. When this method returns, the memory is durable.

        Args:
            scope: whose memory it is.
            text: the text.
            about: the subject, which stands in front of the text.
            key: makes a retry safe: the same key stores the memory only once.

        Raises:
            InvalidInput: the text is empty or too long, or the key was used for another memory.
        """
        subject = clean_text(about or "")[:_ABOUT]
        words = _words(text, subject)
        turn = Turn(
            messages=(ChatMessage("assistant", words, author_name=scope.agent),),
            input_count=0,
            metadata={"about": subject} if subject else None,
        )
        thread_id = await self._prepared(scope)
        turn_id = turn_id_of(key)
        memory = Place(thread_id, turn_id).id
        new = new_turn(turn, self.storage, id=turn_id)
        appended = await on_memories(
            "create_memory",
            scope.view(self.storage).append(thread_id, new),
            store=store_of(scope),
            count=lambda appended: int(not appended.replayed),
            record_id=memory,
            records=lambda _: [(memory, words)],
        )
        if appended.created:
            await self._prepare(scope, thread_id)
        if appended.replayed:
            _check_same(stored_turn(appended.record, thread_id).turn, turn)
        answer = Remembered(memory=memory, thread=thread_id, text=words, is_new=not appended.replayed)
        return shortened_to_fit(answer, self.max_tokens, shorten=_shortened_text)

    async def remember_all(self, scope: Scope, memories: Sequence[ImportedMemory]) -> int:
        """Store memories of another program, and return the number of new ones. The same call stores nothing twice."""
        if not memories:
            return 0
        thread_id = await self._prepared(scope)
        new = [
            msgspec.structs.replace(new_turn(one.turn, self.storage, id=one.turn_id), created_us=one.created_us)
            for one in memories
        ]
        appended = await on_memories(
            "create_memory",
            scope.view(self.storage).append_all(thread_id, new),
            store=store_of(scope),
            count=lambda appended: sum(not one.replayed for one in appended),
        )
        if any(one.created for one in appended):
            await self._prepare(scope, thread_id)
        return sum(not one.replayed for one in appended)

    async def correct(self, scope: Scope, memory: str, text: str) -> Corrected:
        """Replace the words of a memory. The earlier words are kept, with the time until which they held.

        Raises:
            InvalidInput: the text is empty or too long, or the connection may not change this memory.
        """
        words = clean_text(text)
        if not words:
            raise InvalidInput("the right words are empty: give the new text, or use forget to remove the memory")
        _check_length(text)
        found = await self.find(scope, memory)
        check_writable(scope, found)
        replaced = found.words.text
        if replaced != words:
            await on_memories(
                "update_memory",
                self.recollection.correct(found.own, words, found.position),
                store=store_of(scope),
                count=lambda _: 1,
                record_id=found.place.id,
                records=lambda fact: [(found.place.id, fact.text)],
            )
        answer = Corrected(memory=found.place.id, text=words, replaced=replaced)
        # The text for the model repeats both texts, beside their names.
        return shortened_to_fit(answer, self.max_tokens, shorten=_shortened_texts)

    async def close(self) -> None:
        """Close the index."""
        self.storage.followers.discard(self._follower)
        await self.recollection.index.close()

    async def _own_thread(self, scope: Scope) -> tuple[str, bool]:
        """Return the id of the thread for new memories, and whether the thread exists.

        A thread that was given to another user, or put into another namespace, is followed by another one.
        """
        number = 0
        while (info := await self.storage.head(scope.memories_thread(number))) and not scope.may_write(info):
            number += 1
        return scope.memories_thread(number), info is not None

    async def _prepared(self, scope: Scope) -> str:
        """Return the id of the thread for new memories. A new thread has its title and its namespace already."""
        thread_id, exists = await self._own_thread(scope)
        if not exists:
            await self._prepare(scope, thread_id)
        return thread_id

    async def _prepare(self, scope: Scope, thread_id: str) -> None:
        title = "Memories" if scope.agent is None else f"Memories of {scope.agent}"
        metadata = {HOLDS: MEMORIES} | namespace_metadata(scope)
        await scope.view(self.storage).update_thread(thread_id, title=title, metadata=metadata)

    def _fitting(self, items: Sequence[MemoryItem]) -> list[MemoryItem]:
        return fitting(items, self.max_tokens, shorten=shortened)


def item_of(memory: Memory, query: str = "", *, max_characters: int = _QUOTE) -> MemoryItem:
    """Return a memory as an item of an answer. A long text is cut to the part that fits the query best."""
    text = excerpt(memory.text, query, max_characters)
    valid_until = memory.valid_until_us
    return MemoryItem(
        memory=Place(memory.thread_id, memory.turn_id, memory.position).id,
        text=text,
        role=memory.role,
        said_at=memory.created_at.isoformat(timespec="seconds"),
        thread=memory.thread_id,
        speaker=None if memory.speaker is None else cut_text(memory.speaker, MAX_NAME)[0],
        relevance=round(memory.relevance, 2),
        is_cut=len(memory.text) > max_characters,
        corrected_at=None if memory.corrected_at is None else memory.corrected_at.isoformat(timespec="seconds"),
        valid_until=None if valid_until is None else from_microseconds(valid_until).isoformat(timespec="seconds"),
    )


def shortened(item: MemoryItem, max_characters: int) -> MemoryItem:
    """Return an item with a shorter text."""
    return msgspec.structs.replace(item, text=excerpt(item.text, "", max_characters), is_cut=True)


def check_query(query: str) -> None:
    """Check that a text can be searched for. A very long one would keep the server from answering other clients.

    Raises:
        InvalidInput: the query is empty or too long.
    """
    if not query.strip():
        raise InvalidInput("the query is empty: ask a question, or name some words of the memory")
    if len(query) > MAX_TEXT:
        raise InvalidInput(
            f"a query has at most {MAX_TEXT:,} characters, and this one has {len(query):,}: name some words of the "
            "memory"
        )


def check_writable(scope: Scope, found: FoundMemory) -> None:
    """Check that a connection may change a memory.

    Raises:
        InvalidInput: the memory is in a namespace from which the connection only reads.
    """
    if not scope.may_write(found.info):
        raise InvalidInput("this memory is in a namespace that this connection only reads: it cannot be changed here")


def store_of(scope: Scope) -> str:
    """Return the name of a connection's memories for an observer. It names no user."""
    return f"MemoryServer/{scope.namespace}"


def namespace_metadata(scope: Scope) -> dict[str, str]:
    """Return the metadata that put a thread into the connection's namespace."""
    return {} if scope.namespace == DEFAULT_NAMESPACE else {NAMESPACE_KEY: scope.namespace}


def turn_id_of(key: str | None) -> str:
    """Return the id of the turn for an idempotency key; a new id without a key.

    Raises:
        InvalidInput: the key is empty or too long.
    """
    if key is None:
        return new_id()
    if not 1 <= len(key) <= MAX_KEY:
        raise InvalidInput(f"an idempotency key has 1 to {MAX_KEY} characters, and this one has {len(key)}")
    return f"key-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _words(text: str, subject: str) -> str:
    words = clean_text(text)
    if not words:
        raise InvalidInput("the text is empty: say in one or two sentences what to remember")
    _check_length(text)
    return f"{subject}: {words}" if subject else words


def _check_length(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise InvalidInput(
            f"a memory has at most {MAX_TEXT:,} characters, and this text has {len(text):,}: remember its main points, "
            "or keep a long conversation with save_turn"
        )


def _shortened_text(answer: Remembered, max_characters: int) -> Remembered:
    text, is_cut = cut_text(answer.text, max_characters)
    return msgspec.structs.replace(answer, text=text, is_cut=is_cut)


def _shortened_texts(answer: Corrected, max_characters: int) -> Corrected:
    (text, is_cut), (replaced, was_cut) = cut_texts([answer.text, answer.replaced], max_characters)
    return msgspec.structs.replace(answer, text=text, replaced=replaced, is_cut=is_cut or was_cut)


def _check_same(stored: Turn, turn: Turn) -> None:
    if FORGOTTEN_KEY in (stored.metadata or {}):
        raise InvalidInput("the memory with this idempotency key was forgotten: to store it again, give another key")
    if [message.text for message in stored.messages] != [message.text for message in turn.messages]:
        raise InvalidInput("this idempotency key was used for another memory: give each memory a key of its own")
