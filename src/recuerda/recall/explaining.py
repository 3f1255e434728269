"""Why a memory has its score: the points of each word, of the date, of the meaning, of the messages around it.

A search does no work for explanations. Only a caller that asks for them lets the candidates be kept, and then the
functions of `ranking.py` are asked again, each time with one reason alone or with one reason less. So a score is never
computed in a second way, and the points always add up to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from recuerda.recall.compounds import shown
from recuerda.recall.index import Candidate, Candidates, Document, ScopeInfo
from recuerda.recall.memory import Memory
from recuerda.recall.question import Question
from recuerda.recall.ranking import (
    WEIGHTS,
    Likelihoods,
    Weights,
    is_echo,
    is_reply_to,
    own_scores,
    score_of_words,
    session_of,
    session_support,
    span_of,
    supported_scores,
    weights_for,
    worth_of,
)
from recuerda.recall.traits import HAS_NAME, HAS_TIME, IS_CORRECTION, IS_PERSONAL, IS_QUESTION, IS_STANDING

Reason: TypeAlias = Literal[
    "word",
    "coverage",
    "date",
    "similarity",
    "neighbour",
    "reply",
    "conversation",
    "question",
    "personal",
    "standing",
    "correction",
    "time",
    "name",
    "assistant",
    "speaker",
    "recent",
]
"""Why a memory gets or loses points.

"word": it has a word of the query. "coverage": it lacks other words of the query. "date": it is of the named date.
"similarity": it means the same. "neighbour": the messages around it fit the query. "reply": it is the reply to the same
question. "conversation": the best messages of its conversation fit the query. The other reasons change the sum of these
by a factor: it is a question, its speakers talk about themselves, it is a standing instruction, it corrects an
older statement, it names a time, it names something, the assistant said it, the query names its speaker, and it is
newer than other candidates.
"""

_NEIGHBOURS = (-2, -1, 1, 2)
_TRAITS: tuple[tuple[int, Reason], ...] = (
    (IS_QUESTION, "question"),
    (IS_PERSONAL, "personal"),
    (IS_STANDING, "standing"),
    (IS_CORRECTION, "correction"),
    (HAS_TIME, "time"),
    (HAS_NAME, "name"),
)


class ScorePart(msgspec.Struct, frozen=True, kw_only=True):
    """One reason for a score.

    Attributes:
        reason: the reason.
        points: the points that it adds to the score; below 0 if it takes points away.
        factor: the factor by which it changes the sum of the parts before it; None for a reason that adds points.
        word: for "word": the word of the query; "self" stands for the person who asks, and "standing" for the standing
            instructions and preferences that hold for a request.
        terms: for "word": the terms of the word that the message has, as the index keeps them.
    """

    reason: Reason
    points: float
    factor: float | None = None
    word: str | None = None
    terms: tuple[str, ...] = ()


class MemoryReport(msgspec.Struct, frozen=True, kw_only=True):
    """A memory that a search returns, and why.

    Attributes:
        memory: the memory.
        parts: the reasons for its score. Their points add up to `memory.score`.
        place: its place by its score alone, from 1. A reranker may have changed the order.
        reranked: the score that the reranker gave it; None without a reranker, or if it failed.
    """

    memory: Memory
    parts: tuple[ScorePart, ...]
    place: int
    reranked: float | None = None


class SearchNotes:
    """What a search knew about the candidates of a question. A search keeps it only if its caller asks for reports."""

    def __init__(self) -> None:
        self._parts: Callable[[int], tuple[ScorePart, ...]] = lambda _key: ()
        self._keys: dict[_Identity, int] = {}
        self._places: dict[_Identity, int] = {}
        self._reranked: Sequence[float] = ()

    def take(self, question: Question, info: ScopeInfo, candidates: Candidates) -> None:
        """Keep the candidates of a search."""
        scores = _Scores(question, info, candidates)
        self._parts = scores.parts
        self._keys, self._places = {}, {}
        self._reranked = ()

    def noting(
        self, memories: Callable[[int, Document | None, float], Sequence[Memory]]
    ) -> Callable[[int, Document | None, float], Sequence[Memory]]:
        """Return a function that does the same as `memories`, and notes the key of each memory."""

        def noted(key: int, document: Document | None, score: float) -> Sequence[Memory]:
            found = memories(key, document, score)
            for memory in found:
                self._keys.setdefault(_identity(memory), key)
            return found

        return noted

    def note_order(self, memories: Sequence[Memory]) -> None:
        """Keep the order by the scores alone."""
        self._places = {_identity(memory): place for place, memory in enumerate(memories)}

    def note_reranked(self, scores: Sequence[float]) -> None:
        """Keep the scores that a reranker gave to the memories in the order by their scores."""
        self._reranked = scores

    def report(self, memory: Memory) -> MemoryReport | None:
        """Return the report on a memory; None if it was not found for this question."""
        identity = _identity(memory)
        if (place := self._places.get(identity)) is None:
            return None
        return MemoryReport(
            memory=memory,
            parts=self._parts(self._keys[identity]),
            place=place + 1,
            reranked=self._reranked[place] if self._reranked else None,
        )


def reports_on(found: Sequence[Memory], notes: Sequence[SearchNotes]) -> list[MemoryReport]:
    """Return the reports on the memories that a search returned, from the notes on each of its questions."""
    return [next(filter(None, (noted.report(memory) for noted in notes))) for memory in found]


_Identity = tuple[str, str, int, int | None, float]


def _identity(memory: Memory) -> _Identity:
    return memory.thread_id, memory.turn_id, memory.position, memory.corrected_us, memory.score


class _Scores:
    """The scores of a search's candidates, taken apart."""

    def __init__(self, question: Question, info: ScopeInfo, candidates: Candidates, weights: Weights = WEIGHTS) -> None:
        self._question = question
        self._info = info
        self._candidates = candidates
        self._weights = weights = weights_for(question, weights)
        self._found = candidates.found
        self._own = own_scores(question, info, candidates, weights)
        self._echoes = {key for key in self._own if is_echo(self._found[key], question)}
        self._sessions = session_support(self._found, self._own, weights)
        self._likelihoods = Likelihoods(self._found, question, weights)

    def parts(self, key: int) -> tuple[ScorePart, ...]:
        """Return the parts of a candidate's score."""
        parts = [part for part in self._added(key) if part.points]
        total = sum(part.points for part in parts)
        for reason, factor in self._factors(self._found[key]):
            if factor != 1.0:
                parts.append(ScorePart(reason=reason, points=total * (factor - 1), factor=factor))
                total *= factor
        return tuple(parts)

    def _added(self, key: int) -> Iterator[ScorePart]:
        candidate, own = self._found[key], self._own.get(key, 0.0)
        words = tuple(self._words(candidate)) if candidate.matches else ()
        yield from words
        date = 0.0
        if self._question.times:
            date = self._weights.date * self._question.times.parts_met(candidate.created_us)
        yield ScorePart(reason="date", points=date)
        similarity = own - date - sum(part.points for part in words)
        yield ScorePart(reason="similarity", points=0.0 if candidate.similarity is None else max(0.0, similarity))
        yield ScorePart(reason="neighbour", points=sum(self._support(key, step) for step in _NEIGHBOURS))
        if is_reply_to(candidate, self._found, self._echoes):
            yield ScorePart(reason="reply", points=self._weights.echoed * self._own[key - 1])
        yield ScorePart(reason="conversation", points=self._sessions.get(session_of(candidate), 0.0))

    def _words(self, candidate: Candidate) -> Iterator[ScorePart]:
        """Yield the points of each word of the query, and what the message loses for the other words."""
        worth = worth_of(self._question, self._info, self._candidates, self._weights)
        terms: dict[int, dict[str, int]] = {}
        for term, count in candidate.matches.items():
            terms.setdefault(self._question.word(term), {})[term] = count
        total = 0.0
        for number, forms in sorted(terms.items()):
            points = self._score_of(msgspec.structs.replace(candidate, matches=forms), worth, 1)
            total += points
            yield ScorePart(reason="word", points=points, word=self._word(number), terms=tuple(map(shown, forms)))
        whole = self._score_of(candidate, worth, max(1, len(self._question.words())))
        yield ScorePart(reason="coverage", points=whole - total)

    def _word(self, number: int) -> str:
        """Return a word of the query: the first of its terms, because the other terms are forms of it."""
        return next(term for term in self._question.terms if self._question.word(term) == number).lstrip("=")

    def _score_of(self, candidate: Candidate, worth: Mapping[str, tuple[int, float]], asked: int) -> float:
        return score_of_words(candidate, worth, asked, self._info.mean_size, self._weights)

    def _support(self, key: int, step: int) -> float:
        """Return the points that a neighbour gives to a message."""
        beside = key + step
        if beside not in self._own:
            return 0.0
        return supported_scores(self._found, {beside: self._own[beside]}, frozenset(), self._weights).get(key, 0.0)

    def _factors(self, candidate: Candidate) -> Iterator[tuple[Reason, float]]:
        """Yield the factor of each feature of a message: how much lower the factor of the message is without it."""
        is_reply = bool(self._echoes) and is_reply_to(candidate, self._found, self._echoes)
        factor = self._likelihoods.of(candidate, is_reply=is_reply)
        for reason, rest in _taken_apart(candidate):
            less = self._likelihoods.of(rest, is_reply=is_reply)
            yield reason, factor / less
            factor = less
        oldest, newest = span_of(self._found)
        age = (candidate.created_us - oldest) / max(1, newest - oldest)
        yield "recent", 1 + self._weights.recent * age


def _taken_apart(candidate: Candidate) -> Iterator[tuple[Reason, Candidate]]:
    """Yield a message without one more of its features each time, until none is left."""
    rest = candidate
    for bit, reason in _TRAITS:
        if rest.traits & bit:
            rest = msgspec.structs.replace(rest, traits=rest.traits & ~bit)
            yield reason, rest
    rest = msgspec.structs.replace(rest, role="user")
    yield "assistant", rest
    yield "speaker", msgspec.structs.replace(rest, speaker=None)
