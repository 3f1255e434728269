"""The contract of an index of memories. Everything that can be built on this contract is written once, above it.

An index stores documents (one per message), finds documents of a scope that share terms or meaning with a query, and
knows how far it has followed each thread. It does not rank: it gives the counts of each term in each document, the
similarities and the neighbouring documents, and `ranking.py` computes scores from them. It does not read threads:
`following.py` passes the changes to it. An index is derived data: it may be deleted at any time, and is then rebuilt
from the storage's log, with the list of the turns that have the mark of a forgotten turn there.

A scope is the owner of memories in a namespace: a user, or a thread that has no user; see `scopes.py`. A search never
finds anything in another scope, and its cost depends on the size of the scope, not on the size of the index.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import msgspec

from recuerda.errors import ConfigurationError
from recuerda.recall.facts import Fact, NewFact
from recuerda.recall.similar_words import SIMILAR
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import Version

THREAD_BITS = 32
"""The number of low bits of a document's key. The high bits identify its thread."""

HIGHEST_KEY = (1 << 63) - 1
"""The highest key that a document can have."""

SAMPLED = 200
"""The number of vectors by which an index tells the dimensions of most of them."""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far an index has followed a thread.

    Attributes:
        scope: the scope of the thread's documents.
        incarnation: the incarnation of the thread that was read; see `ThreadInfo`.
        revision: the revision up to which the index has followed the thread.
        record_id: the id of the record with that number; "" at revision 0.
        edits: the thread's `edits` at that time.
    """

    scope: str
    incarnation: str
    revision: int
    record_id: str
    edits: int

    @property
    def version(self) -> Version:
        """The version of the thread that was read last, from which the next read continues."""
        return Version(self.incarnation, self.revision, self.record_id, self.edits)


class Document(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message in the index, and its origin.

    Attributes:
        thread_id: the id of its thread.
        turn: the number of its turn.
        turn_id: the id of its turn.
        position: its position in the turn, from 0.
        role: "user" or "assistant".
        speaker: the author's name; None if the message has none.
        created_us: the time of the turn's commit, in microseconds since 1970 (UTC).
        text: the message's text; a very long text is cut.
    """

    thread_id: str
    turn: int
    turn_id: str
    position: int
    role: str
    speaker: str | None
    created_us: int
    text: str


class NewDocument(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A document to be added, with the data for searching it.

    Attributes:
        document: the document.
        terms: the number of occurrences of each term; see `text.py`.
        size: the number of words from which the terms were made, including repetitions.
        traits: the kind of sentence, as bits; see `traits.py`.
    """

    document: Document
    terms: Mapping[str, int]
    size: int
    traits: int


class ThreadUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of a thread since the index last followed it.

    Attributes:
        thread_id: the thread's id.
        expected: the position that the index must have for the thread; None if it must not know the thread.
        position: the position of the thread after the update; None if the thread is removed from the index. The list of
            its forgotten turns stays.
        is_fresh: True removes all documents of the thread first.
        undone: the numbers of turns whose documents are removed.
        first: documents of turns with a lower number are removed.
        added: the new documents, in order.
        forgotten: the numbers of new turns with the mark that they were forgotten on request, in order.
    """

    thread_id: str
    expected: Position | None
    position: Position | None
    is_fresh: bool = False
    undone: frozenset[int] = frozenset()
    first: int = 1
    added: Sequence[NewDocument] = ()
    forgotten: Sequence[int] = ()


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """The correction of a message.

    Attributes:
        message: the message, with its own words.
        fact: the fact with the words that replace them. If it was replaced itself, the message stays corrected.
    """

    message: Document
    fact: Fact


class ScopeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of a scope.

    Attributes:
        documents: the number of documents.
        mean_size: the mean size of a document; 1.0 for an empty scope.
        speakers: the names of the speakers.
        has_corrections: True if a message or a fact was corrected.
    """

    documents: int = 0
    mean_size: float = 1.0
    speakers: tuple[str, ...] = ()
    has_corrections: bool = False


class CandidateQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A query for candidates.

    Attributes:
        scope: the scope to search.
        terms: a document with any of these terms is a candidate.
        shares: the terms that count less, each with its worth relative to the other terms.
        words: words with the terms of each. If no document has a term of a word, similar terms stand for it; see
            `similar_words.py`.
        periods: pairs of start and end, in microseconds. The newest documents of each period are candidates too.
        model_id: the model of `vector`.
        vector: the query's vector, of length 1. It is compared with documents' vectors of the same model.
        limit: the approximate number of documents to find, without their neighbours.
        neighbours: how many of the best documents by words, by meaning and of each period come with the documents just
            before and after them, how many come with those at two steps, and so on. Neighbours of the others would not
            be among the best. Nothing fetches no neighbours.
    """

    scope: str
    terms: tuple[str, ...]
    shares: Mapping[str, float] = {}
    words: Mapping[str, Sequence[str]] = {}
    periods: tuple[tuple[int, int], ...] = ()
    model_id: str = ""
    vector: Sequence[float] | None = None
    limit: int = 100
    neighbours: tuple[int, ...] = (50, 30)

    def unknown_words(self, frequencies: Mapping[str, int]) -> dict[str, Sequence[str]]:
        """Return those of `words` of which no term occurs."""
        return {word: terms for word, terms in self.words.items() if frequencies.keys().isdisjoint(terms)}

    def with_similar(self, similar: Iterable[str]) -> CandidateQuery:
        """Return the query with terms that stand for unknown words."""
        added = dict.fromkeys(similar, SIMILAR)
        return msgspec.structs.replace(self, terms=(*self.terms, *added), shares={**self.shares, **added})


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A document that may answer a query, or a neighbour of such a document, without its text.

    Attributes:
        key: identifies the document in its index. Consecutive documents of a thread have consecutive keys (a deleted
            document leaves a gap), and `key >> 32` identifies the thread.
        turn: the number of its turn.
        role: as in `Document`; "" for an item that is no message.
        speaker: as in `Document`.
        created_us: as in `Document`.
        traits: as in `NewDocument`.
        size: as in `NewDocument`.
        matches: the number of occurrences of each term of the query; empty for a neighbour.
        similarity: the cosine between the document's vector and the query's vector; None without a vector.
    """

    key: int
    turn: int
    role: str
    speaker: str | None
    created_us: int
    traits: int
    size: int
    matches: Mapping[str, int]
    similarity: float | None = None


class Candidates(msgspec.Struct, frozen=True, kw_only=True):
    """The candidates for a query.

    Attributes:
        found: the matching documents and the neighbours of the best, by key.
        frequencies: the number of the scope's documents in which each term occurs. Terms that occur in none are left
            out.
        threads: the ids of the threads of `found`, by `key >> 32`.
        similar: the terms that stand for a word of `CandidateQuery.words`, each with the word.
    """

    found: Mapping[int, Candidate]
    frequencies: Mapping[str, int]
    threads: Mapping[int, str]
    similar: Mapping[str, str] = {}


class Forgetting(msgspec.Struct, frozen=True, kw_only=True):
    """A range of turns to forget. They stay forgotten when the index is rebuilt.

    Attributes:
        scope: the scope of the thread. If the thread has been given to another owner, nothing is forgotten.
        thread_id: the thread's id.
        incarnation: the thread's incarnation.
        first: the number of the first turn.
        last: the number of the last turn.
    """

    scope: str
    thread_id: str
    incarnation: str
    first: int
    last: int

    @classmethod
    def of(cls, thread_id: str, position: Position, first: int, last: int) -> Forgetting:
        """Return a range of the turns of a thread at a position."""
        return cls(scope=position.scope, thread_id=thread_id, incarnation=position.incarnation, first=first, last=last)


class HeldDocuments(msgspec.Struct, frozen=True, kw_only=True):
    """The documents of some turns.

    Attributes:
        count: the number of all documents.
        first: the first of them.
    """

    count: int
    first: tuple[Document, ...]


class HeldTurn(msgspec.Struct, frozen=True, gc=False):
    """A turn that a thread holds: the thread's id and incarnation, and the number of the turn there."""

    thread_id: str
    incarnation: str
    turn: int


class Unembedded(msgspec.Struct, frozen=True, kw_only=True):
    """A document that has no vector from a model yet."""

    key: int
    text: str


class IndexStats(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of an index.

    Attributes:
        scopes: the number of users, plus the number of threads without a user. A user is counted once for each
            namespace.
        threads: the number of threads that the index follows.
        documents: the number of messages that can be found.
        vectors: the number of messages with a vector.
        forgotten: the number of ranges of turns that were forgotten on request.
        size_bytes: the size of the index on disk or in memory.
    """

    scopes: int
    threads: int
    documents: int
    vectors: int
    forgotten: int
    size_bytes: int


class RecallIndex(ABC):
    """Store documents and find candidates. Several processes may use one index at once.

    An index that is damaged, or was built with another `text.TERMS_VERSION`, empties itself when it is opened. Its
    threads then have no position and are followed from their start. Driver errors are translated into `StorageError`
    and its branches.

    Attributes:
        generation: a number that changes whenever this process notices that the index was emptied.
    """

    generation: int = 0

    @abstractmethod
    async def positions(self, thread_ids: Sequence[str]) -> dict[str, Position]:
        """Return the positions of these threads. Threads that the index does not know are left out."""

    @abstractmethod
    async def followed(self, scope: str | None) -> dict[str, Position]:
        """Return the positions of all threads of a scope; of all threads in the index if `scope` is None."""

    @abstractmethod
    async def scopes(self, start: str, end: str) -> list[str]:
        """Return the scopes from `start` to before `end`, in the order of bytes, also those that have only facts."""

    @abstractmethod
    async def apply(self, update: ThreadUpdate) -> bool:
        """Apply the changes of a thread in one atomic step, and return True.

        Documents of forgotten turns are left out, and the turns of `forgotten` are noted as forgotten. A fact that came
        from a turn comes from each thread that holds the turn, so that it stays until the last of them is gone. Facts
        that came from an added turn when it had another id or another text are removed, and the thread is searched for
        facts again. If the thread gets another scope, its facts and corrections come along.

        If the index does not have the position that the update expects, because another process has followed the
        thread, nothing changes and the result is False.
        """

    async def apply_checked(self, update: ThreadUpdate, storage: Storage, *, first: int) -> bool | None:
        """Apply the changes of a thread if the storage has the thread as the update leaves it, and return True.

        The check and the changes are one atomic step. Otherwise nothing changes, and the result is False: as by
        `apply`, or because the thread in the storage has another version than `update.position`, or another `first`.

        An index does not have to be able to look into a storage. If it cannot look into this one, nothing changes, and
        the result is None.

        Args:
            update: the changes. No document is removed.
            storage: the storage of the thread.
            first: see `ThreadInfo`.
        """
        return None

    @abstractmethod
    async def scope_info(self, scope: str) -> ScopeInfo:
        """Return the statistics of a scope."""

    async def overview(
        self, thread_ids: Sequence[str], scopes: Sequence[str]
    ) -> tuple[dict[str, Position], dict[str, ScopeInfo]]:
        """Return the positions of threads and the statistics of scopes, in one trip if the index can.

        Args:
            thread_ids: the threads. Those that the index does not know are left out.
            scopes: the scopes.
        """
        infos = {scope: await self.scope_info(scope) for scope in scopes}
        return await self.positions(thread_ids), infos

    @abstractmethod
    async def candidates(self, query: CandidateQuery) -> Candidates:
        """Return documents of a scope that have a term of the query, are in its periods, or resemble its vector."""

    @abstractmethod
    async def documents(self, keys: Sequence[int]) -> dict[int, Document]:
        """Return documents by key. Documents that have been removed are left out."""

    @abstractmethod
    async def documents_at(self, keys: Sequence[int]) -> tuple[dict[int, Document], dict[str, Position]]:
        """Return documents by key, and the positions of their threads at the same moment.

        With positions of a later moment, a document could pass for current that has been removed in between.
        """

    @abstractmethod
    async def holders(self, thread_id: str, turn: int) -> list[HeldTurn]:
        """Return all threads of a turn's scope that hold the turn: its own thread, its forks, and their parents."""

    @abstractmethod
    async def held(self, turns: Sequence[Forgetting], limit: int) -> HeldDocuments:
        """Return the number of documents of ranges of turns, and the first `limit` of them. Nothing is forgotten."""

    @abstractmethod
    async def newest(self, scope: str, before: int | None, limit: int) -> list[int]:
        """Return the highest keys of a scope's documents, the highest first.

        So the thread that was remembered last comes first, and in each thread the newest message.

        Args:
            scope: the scope.
            before: return only keys below it; None for the highest of all.
            limit: the largest number of keys.
        """

    @abstractmethod
    async def forgotten(self, scope: str, limit: int) -> list[Forgetting]:
        """Return up to `limit` ranges of turns that were forgotten in the threads of a scope."""

    @abstractmethod
    async def forget(self, forgettings: Sequence[Forgetting]) -> int:
        """Delete the documents of ranges of turns, note the ranges as forgotten, and return the number of documents."""

    @abstractmethod
    async def known_threads(self, after: str, limit: int) -> list[str]:
        """Return the next ids, in the order of ids, of threads of which the index holds anything.

        This includes threads of which only facts or forgotten turns are left.

        Args:
            after: return only greater ids; "" returns the first ids.
            limit: the largest number of ids.
        """

    @abstractmethod
    async def next_to_check(self, limit: int) -> list[str]:
        """Return the `limit` known threads that were returned least recently, also across processes.

        The index keeps the place of the last call. After the last thread, the next call begins again.
        """

    @abstractmethod
    async def erase(self, thread_ids: Sequence[str], scope: str | None) -> int:
        """Delete everything about these threads and, with `scope`, everything in that scope.

        Vectors and the lists of forgotten turns are deleted too. Returns the number of deleted documents and facts.
        """

    @abstractmethod
    async def unembedded(self, scope: str, model_id: str, limit: int) -> list[Unembedded]:
        """Return up to `limit` documents of a scope that have no vector from a model, the newest first."""

    async def copied_vectors(self, scope: str, model_id: str, keys: Sequence[int]) -> dict[int, Sequence[float]]:
        """Return the vectors that copies of documents in other threads have from a model, by the documents' keys.

        An index does not have to look for copies.
        """
        return {}

    async def vector_models(self, scope: str) -> dict[str, int]:
        """Return the number of a scope's vectors of each model.

        An index does not have to know it. Then two processes with different models replace each other's vectors.
        """
        return {}

    async def vector_dimensions(self, scope: str, model_id: str) -> int | None:
        """Return the number of dimensions that most of a scope's vectors of a model have; None if there is none.

        An index may look only at the `SAMPLED` oldest ones. An index that does not know the dimensions returns None.
        """
        return None

    @abstractmethod
    async def add_vectors(
        self,
        scope: str,
        model_id: str,
        vectors: Mapping[int, Sequence[float]],
        *,
        generation: int | None = None,
    ) -> None:
        """Store vectors (of length 1) of documents, by key. They replace vectors from another model.

        Vectors of documents that have been removed are left out. Nothing is stored if the index does not have the given
        `generation` any more, because the keys may name other documents now.
        """

    async def add_facts(
        self, thread_id: str, position: Position, turn: int, facts: Sequence[NewFact], *, turn_id: str | None = None
    ) -> None:
        """Store the facts that a model found in a turn, and note that the turn was searched for facts.

        A replaced fact stays, with the time until which it was valid, which is not before it became valid. If the turn
        is gone, or its id is not `turn_id` (None accepts any id), nothing is stored. When a turn is removed, the facts
        that came only from it are removed as well. The facts that they had replaced are valid again or, if the removed
        fact was replaced itself, are replaced by the newer one. An index does not have to support facts.
        """
        raise self._no_facts()

    async def correct_message(self, message: Document, position: Position, text: str, at_us: int) -> int | None:
        """Store a fact that replaces the words of a message, and return the fact's number.

        The fact comes from the message's turn, and is removed with it. If the message was corrected before, the fact
        replaces the earlier correction. Nothing is stored, and the result is None, if the turn is gone.

        Args:
            message: the message.
            position: the position of its thread.
            text: the text of the fact.
            at_us: the time from which the fact is valid, in microseconds since 1970.
        """
        raise self._no_facts()

    async def correct_fact(self, scope: str, fact: int, text: str, at_us: int) -> int | None:
        """Store a fact that replaces another one and has its sources, and return its number.

        Nothing is stored, and the result is None, if the scope has no such fact, or the fact was replaced.
        """
        raise self._no_facts()

    async def take_back(self, scope: str, fact: int) -> bool:
        """Delete a correction that was not replaced itself. The fact or message that it corrected is valid again.

        Returns False if the scope has no such correction.
        """
        raise self._no_facts()

    async def corrections(self, scope: str) -> list[Correction]:
        """Return the corrections of messages of a scope, also those that were replaced, in the order of their facts."""
        return []

    async def facts_through(self, thread_id: str, incarnation: str) -> int | None:
        """Return the number of the last turn of a thread that was searched for facts; None if there is none."""
        raise self._no_facts()

    async def facts(self, scope: str, *, has_history: bool = False) -> list[Fact]:
        """Return the valid facts of a scope, the oldest first; with `has_history` also the replaced facts."""
        return []

    @abstractmethod
    async def stats(self) -> IndexStats:
        """Return the statistics of the index."""

    @abstractmethod
    async def close(self) -> None:
        """Close files and connections. Closing twice is fine."""

    def _no_facts(self) -> ConfigurationError:
        return ConfigurationError(
            f"{type(self).__name__} does not store facts; use an index that does, or leave out facts and corrections"
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()
