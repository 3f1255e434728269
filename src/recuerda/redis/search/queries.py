"""Queries to the index and the reading of their replies.

Words and vectors are two queries, sent together. Their results are merged by rank (reciprocal rank fusion), because
ranks have a common scale, while the scores of words and the distances of vectors do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec

from recuerda.redis.search.documents import RETURNED, packed
from recuerda.redis.search.scope import MemoryScope, tag, tag_filter
from recuerda.redis.search.words import query_words
from recuerda.redis.trips import Argument, RedisCall

RANK_OFFSET = 60
"""The constant of reciprocal rank fusion (Cormack et al., 2009). A higher value makes the first ranks count less."""

CANDIDATES = 4
"""Each of the two queries asks for the wanted number of hits multiplied by this number."""


class Hit(NamedTuple):
    """A document in a reply."""

    key: str
    fields: Mapping[str, str]


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Turns that the model sees anyway.

    Attributes:
        thread_id: the thread.
        from_number: the number of the first of these turns; 0 for all turns of the thread.
        shared: the ids of those turns that the thread, as a fork, has from its parent. The index has them as the
            parent's turns.
    """

    thread_id: str
    from_number: int
    shared: tuple[str, ...] = ()

    @property
    def filter(self) -> str:
        """The part of a query that excludes these turns."""
        thread = tag_filter("thread", self.thread_id)
        own = f"-({thread} @number:[{self.from_number} +inf])" if self.from_number else f"-{thread}"
        return f"{own} -@turn:{{{'|'.join(map(tag, self.shared))}}}" if self.shared else own


class MemoryQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A search for memories.

    Attributes:
        index: the name of the index.
        language: the language of the index.
        scope: the owner of the memories.
        seen: turns to exclude; None excludes nothing.
        text: the words to look for.
        limit: the largest number of hits.
        vector: the vector of the text, to search by meaning too; None searches by words only.
        model_id: the model of the vector. Vectors of other models are not compared.
        max_distance: excludes vectors with a greater cosine distance, from 0 to 2.
    """

    index: str
    language: str
    scope: MemoryScope
    seen: Seen | None
    text: str
    limit: int
    vector: Sequence[float] | None = None
    model_id: str | None = None
    max_distance: float | None = None

    @property
    def calls(self) -> list[RedisCall]:
        """The commands of the search; empty if the text has no words."""
        words = query_words(self.text)
        found: list[RedisCall] = []
        if words:
            found.append(self._by_words(words))
        if words and self.vector is not None and self.model_id is not None:
            found.append(self._by_vector(self.vector, self.model_id))
        return found

    def merged(self, replies: Sequence[object]) -> list[tuple[Hit, float]]:
        """Return the best hits in the replies to `calls`, each with its score."""
        scores: dict[str, float] = {}
        hits: dict[str, Hit] = {}
        for reply in replies:
            for rank, hit in enumerate(self._near(hits_of(reply)), start=1):
                hits[hit.key] = hit
                scores[hit.key] = scores.get(hit.key, 0.0) + 1 / (RANK_OFFSET + rank)
        best = sorted(scores, key=lambda key: scores[key], reverse=True)[: self.limit]
        return [(hits[key], scores[key]) for key in best]

    def _near(self, hits: Iterator[Hit]) -> Iterator[Hit]:
        for hit in hits:
            distance = hit.fields.get("distance")
            if self.max_distance is None or distance is None or float(distance) <= self.max_distance:
                yield hit

    @property
    def _filter(self) -> str:
        return f"{self.scope.filter} {self.seen.filter}" if self.seen else self.scope.filter

    @property
    def _candidates(self) -> int:
        return self.limit if self.vector is None else CANDIDATES * self.limit

    def _by_words(self, words: Sequence[str]) -> RedisCall:
        query = f"{self._filter} @words:({'|'.join(words)})"
        return self._search(query, RETURNED, "LANGUAGE", self.language, "SCORER", "BM25")

    def _by_vector(self, vector: Sequence[float], model_id: str) -> RedisCall:
        query = f"({self._filter} {tag_filter('model', model_id)})=>[KNN $k @vector $vector AS distance]"
        parameters = ("PARAMS", 4, "k", self._candidates, "vector", packed(vector))
        return self._search(query, (*RETURNED, "distance"), "SORTBY", "distance", *parameters)

    def _search(self, query: str, fields: Sequence[str], *options: Argument) -> RedisCall:
        head = (self.index, query, "RETURN", len(fields), *fields)
        return RedisCall("FT.SEARCH", (), (*head, *options, "LIMIT", 0, self._candidates, "DIALECT", 2))


def keys_of(reply: object) -> list[bytes | str]:
    """Return the keys in the reply to a search that asked for no fields."""
    if isinstance(reply, dict):
        return [_get(result, "id") for result in cast("Sequence[Any]", _get(reply, "results") or ())]
    return cast("list[Any]", reply)[1:]


def hits_of(reply: object) -> Iterator[Hit]:
    """Yield the documents in a reply of protocol version 2 (a flat list) or 3 (maps)."""
    if isinstance(reply, dict):
        for result in cast("Sequence[Any]", _get(reply, "results") or ()):
            attributes: Mapping[Any, Any] = _get(result, "extra_attributes") or {}
            yield Hit(_text(_get(result, "id")), {_text(name): _text(value) for name, value in attributes.items()})
        return
    items = cast("list[Any]", reply)
    for key, flat in zip(items[1::2], items[2::2], strict=False):
        if flat is not None:  # None if the document has expired since
            yield Hit(
                _text(key), {_text(name): _text(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}
            )


def _get(value: Any, name: str) -> Any:
    return value.get(name.encode(), value.get(name))


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
