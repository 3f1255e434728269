"""What an index of memories has to offer; everything that can be derived is done once, above it.

An index keeps documents (one a message), finds those of a scope that share terms or meaning with a query, and knows how
far it has followed each thread. It does not rank: it gives the raw material (how often each term occurs in which
document, similarities, the documents around them), and `ranking.py` makes scores of it. It does not read threads:
`following.py` tells it what changed. An index is derived data: it may be deleted at any time and is then made anew from
the storage's log. Only what was forgotten on request is its own.

A scope is whose memories they are: a user's, or those of one thread that has no user. Nothing is ever found across
scopes, and the cost of a search follows the size of its scope, not that of the index.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

import msgspec

from recuerda.errors import ConfigurationError
from recuerda.recall.facts import Fact, NewFact

NEIGHBOUR_REACH = 2
"""How far from a document its neighbours are fetched."""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """How far an index has followed a thread.

    Attributes:
        scope: under which the thread's documents are kept.
        incarnation: of the thread that was read; see `ThreadInfo`.
        revision: up to which everything is in the index.
    """

    scope: str
    incarnation: str
    revision: int


class Document(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One remembered message, and where it is from.

    Attributes:
        thread_id: its thread.
        turn: the number of its turn.
        turn_id: the id of its turn.
        position: its place in the turn, from 0 on.
        role: who spoke: "user" or "assistant".
        speaker: the author's name, where the message has one.
        created_us: when the turn was committed, in microseconds since 1970 (UTC).
        text: what was said; cut where it is very long.
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
    """A document to be added, with what is searched of it.

    Attributes:
        document: what is kept.
        terms: how often each term occurs in it; see `text.py`.
        size: how many terms it has, repetitions included.
        traits: what kind of sentence it is, as bits; see `traits.py`.
    """

    document: Document
    terms: Mapping[str, int]
    size: int
    traits: int


class ThreadUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What has changed in a thread since the index last followed it.

    Attributes:
        thread_id: which thread.
        expected: the position that the index must have of it; None for none.
        position: the position that it has afterwards; None to drop the thread.
        is_fresh: all documents of the thread go first.
        undone: documents of these turns go.
        first: documents of turns before this number go.
        added: the new documents, in order.
    """

    thread_id: str
    expected: Position | None
    position: Position | None
    is_fresh: bool = False
    undone: frozenset[int] = frozenset()
    first: int = 1
    added: Sequence[NewDocument] = ()


class ScopeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an index knows of a scope without searching it.

    Attributes:
        documents: how many it holds.
        mean_size: how many terms a document has on average; 1.0 for an empty scope.
        speakers: the names of those who spoke.
    """

    documents: int = 0
    mean_size: float = 1.0
    speakers: tuple[str, ...] = ()


class CandidateQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for.

    Attributes:
        scope: whose memories.
        terms: any of which a candidate has.
        periods: times (from, until; in microseconds) of which the newest documents are candidates too.
        model_id: of the embedder that made `vector`.
        vector: of the query, of length 1; documents with a vector of the same model are compared with it.
        limit: about how many documents to find, besides their neighbours.
    """

    scope: str
    terms: tuple[str, ...]
    periods: tuple[tuple[int, int], ...] = ()
    model_id: str = ""
    vector: Sequence[float] | None = None
    limit: int = 150


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A document that may answer, or stands beside one, without its text.

    Attributes:
        key: names the document in its index. Documents of one thread that follow each other have keys that follow each
            other (a deleted one leaves a gap), and `key >> 32` tells threads apart.
        turn: the number of its turn.
        role: as in `Document`.
        speaker: as in `Document`.
        created_us: as in `Document`.
        traits: as in `NewDocument`.
        size: as in `NewDocument`.
        matches: how often each term of the query occurs; a neighbour has none.
        similarity: of its vector to the query's (the cosine), or None.
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
    """What an index found.

    Attributes:
        found: matching documents, and those up to `NEIGHBOUR_REACH` before and after them, by key.
        frequencies: in how many of the scope's documents each term occurs; terms that occur in none are left out.
        threads: of the documents found: `key >> 32` and the thread's id.
    """

    found: Mapping[int, Candidate]
    frequencies: Mapping[str, int]
    threads: Mapping[int, str]


class Forgetting(msgspec.Struct, frozen=True, kw_only=True):
    """Turns of a thread that are to be forgotten, and to stay so when the index is made anew.

    Attributes:
        thread_id: which thread.
        incarnation: and which of the threads of this id.
        first: the number of the first turn.
        last: the number of the last turn.
    """

    thread_id: str
    incarnation: str
    first: int
    last: int


class Unembedded(msgspec.Struct, frozen=True, kw_only=True):
    """A document that has no vector of a model yet."""

    key: int
    text: str


class IndexStats(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of what an index holds.

    Attributes:
        scopes: how many users (and threads without one).
        threads: how many threads are followed.
        documents: how many messages can be found.
        vectors: how many of them have a vector.
        forgotten: how many ranges of turns were forgotten on request.
        size_bytes: what it takes on the disk, or in memory.
    """

    scopes: int
    threads: int
    documents: int
    vectors: int
    forgotten: int
    size_bytes: int


class RecallIndex(ABC):
    """Keep documents and find candidates. Several processes may use one index at once.

    An index that was made for other terms (`text.TERMS_VERSION`), or that is damaged, empties itself when it is opened:
    its threads then have no position and are followed anew. Driver errors are translated into `StorageError` and its
    branches.

    Attributes:
        generation: another number whenever the index was emptied, by whomever, since it was last looked at.
    """

    generation: int = 0

    @abstractmethod
    async def positions(self, thread_ids: Sequence[str]) -> dict[str, Position]:
        """Return how far the index has followed each of these threads; those that it does not know are left out."""

    @abstractmethod
    async def followed(self, scope: str | None) -> dict[str, Position]:
        """Return the positions of all threads of a scope; None for all there are."""

    @abstractmethod
    async def apply(self, update: ThreadUpdate) -> bool:
        """Take in what has changed in a thread, whole or not at all.

        Documents of turns that were forgotten are left out. False, and nothing is changed, when the index does not have
        the position that the update expects: somebody else has followed the thread meanwhile.
        """

    @abstractmethod
    async def scope_info(self, scope: str) -> ScopeInfo:
        """Return what is known of a scope."""

    @abstractmethod
    async def candidates(self, query: CandidateQuery) -> Candidates:
        """Find documents of a scope that have a term of the query, are of a period of it, or are like its vector."""

    @abstractmethod
    async def documents(self, keys: Sequence[int]) -> dict[int, Document]:
        """Return documents by key; those that are gone meanwhile are left out."""

    @abstractmethod
    async def forget(self, forgettings: Sequence[Forgetting]) -> int:
        """Delete documents, remember that they were forgotten, and return how many documents went."""

    @abstractmethod
    async def unembedded(self, scope: str, model_id: str, limit: int) -> list[Unembedded]:
        """Return documents of a scope that have no vector of a model, the newest first."""

    @abstractmethod
    async def add_vectors(self, scope: str, model_id: str, vectors: Mapping[int, Sequence[float]]) -> None:
        """Keep vectors (of length 1) of documents, in place of those of another model; of documents still there."""

    async def add_facts(self, thread_id: str, position: Position, turn: int, facts: Sequence[NewFact]) -> None:
        """Take in the facts that a model found in a turn, and note that the turn was looked at.

        Facts that are replaced stay, with their end. Nothing is taken in when the turn is gone. Whatever removes a turn
        removes the facts that came from it alone, and what they had replaced holds again. An index need not keep facts.
        """
        raise ConfigurationError(f"{type(self).__name__} keeps no facts; use one that does, or no FactExtractor")

    async def facts_through(self, thread_id: str, incarnation: str) -> int | None:
        """Return the number of the last turn of a thread that was looked at for facts; None for none."""
        raise ConfigurationError(f"{type(self).__name__} keeps no facts")

    async def facts(self, scope: str, *, has_history: bool = False) -> list[Fact]:
        """Return the facts of a scope that hold, the oldest first; with `has_history` also those that held."""
        return []

    @abstractmethod
    async def stats(self) -> IndexStats:
        """Count what there is."""

    @abstractmethod
    async def close(self) -> None:
        """Free files and connections. Closing twice is fine."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()
