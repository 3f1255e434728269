"""From candidates to an order: how well each message answers a question.

The base is BM25 over the words of the question (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009),
with frequencies counted within the scope. Then what is known of conversations: a reply makes sense only with what it
replies to, so neighbours support each other, and the replies of an assistant above all speak for the user's words
before them; who is named in the question most likely said it, or was asked; what is told is told in statements, and
what one remembers about somebody in the first person; when something was asked for by time, sentences with a time in
them say it; and a conversation that was about the matter makes each of its messages more likely.

All of it is one fixed configuration, `WEIGHTS`. It was chosen on conversations between two people and checked on others
that were left out, and with chats between a user and an assistant; see docs/guides/recall.md.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Mapping
from itertools import islice

import msgspec

from recuerda.recall.dates import NamedTimes, named_times
from recuerda.recall.index import Candidate, Candidates, ScopeInfo
from recuerda.recall.text import STOPWORDS, query_terms, words_of
from recuerda.recall.traits import HAS_TIME, IS_PERSONAL, IS_QUESTION, asks_assistant, asks_when

SESSION_GAP_US = 6 * 3600 * 1_000_000
"""Messages of a thread that are further apart do not belong to one exchange."""

_DAY_US = 24 * 3600 * 1_000_000
_THREAD_BITS = 32


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """How much each sign counts.

    Attributes:
        k1: of BM25: how soon repetitions of a word stop to count.
        b: of BM25: how much long messages are held back.
        coverage: of how many of the question's words a message has.
        before: of the message before, as support.
        after: of the message after.
        second_before: of the one before that.
        second_after: of the one after that.
        after_question: of the message before, besides, when it is a question.
        reply: of an assistant's reply, for the user's message before it.
        prompt: of a user's message, for the assistant's reply.
        answered: of an assistant's message, for what the user says next.
        session: of the conversation's best messages.
        speaker: for the one speaker whom the question names.
        question: against messages that ask.
        personal: for messages about their speaker.
        assistant: against an assistant's messages, unless it is asked what the assistant has said.
        date: for each named part of the date that fits.
        time: for messages that name a time, when the question asks for one.
        similarity: of vectors: what the same meaning is worth, to a word that only one message has.
    """

    k1: float = 0.6
    b: float = 0.4
    coverage: float = 0.2
    before: float = 0.4
    after: float = 0.3
    second_before: float = 0.3
    second_after: float = 0.1
    after_question: float = 0.1
    reply: float = 0.4
    prompt: float = 0.1
    answered: float = 0.15
    session: float = 0.15
    speaker: float = 0.8
    question: float = 0.2
    personal: float = 0.2
    assistant: float = 0.5
    date: float = 1.0
    time: float = 0.6
    similarity: float = 1.0


WEIGHTS = Weights()


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a query asks for.

    Attributes:
        terms: to look for, each with the number of the word that it is a form of.
        speakers: those of the scope whom it names.
        times: that it names.
        asks_when: whether a time is what it asks for.
        asks_assistant: whether it asks for what the assistant has said.
    """

    terms: Mapping[str, int]
    speakers: frozenset[str]
    times: NamedTimes
    asks_when: bool
    asks_assistant: bool = False


def question_of(query: str, info: ScopeInfo, now_us: int) -> Question:
    """Take a query apart."""
    words = words_of(query)
    asked = set(words)
    speakers = frozenset(name for name in info.speakers if asked.intersection(_parts(name)))
    names = {part for name in speakers for part in _parts(name)}
    return Question(
        terms=query_terms(word for word in words if word not in names),
        speakers=speakers,
        times=named_times(query, now_us),
        asks_when=asks_when(query),
        asks_assistant=asks_assistant(query),
    )


def rank(
    question: Question, info: ScopeInfo, candidates: Candidates, weights: Weights = WEIGHTS
) -> list[tuple[int, float]]:
    """Return the keys of candidates with their scores, the best first; those without any sign are left out."""
    own = _own_scores(question, info, candidates, weights)
    sessions = _session_scores(candidates.found, own)
    scored: list[tuple[int, float]] = []
    for key, candidate in candidates.found.items():
        score = own[key] + _support(candidate, candidates.found, own, weights)
        if score > 0:
            score += weights.session * sessions[_session(candidate)]
            scored.append((key, score * _likelihood(candidate, candidates.found.get(key + 1), question, weights)))
    return sorted(scored, key=lambda item: (-item[1], -item[0]))


def idf(frequency: int, documents: int) -> float:
    """Return how much a term tells that occurs in so many of the documents."""
    return math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))


def _own_scores(question: Question, info: ScopeInfo, candidates: Candidates, weights: Weights) -> dict[int, float]:
    worth = {
        term: (question.terms[term], idf(frequency, max(info.documents, frequency)))
        for term, frequency in candidates.frequencies.items()
        if term in question.terms
    }
    return {key: _own_score(candidate, worth, question, info, weights) for key, candidate in candidates.found.items()}


def _own_score(
    candidate: Candidate,
    worth: Mapping[str, tuple[int, float]],
    question: Question,
    info: ScopeInfo,
    weights: Weights,
) -> float:
    best: dict[int, float] = {}
    held_back = weights.k1 * (1 - weights.b + weights.b * candidate.size / info.mean_size)
    for term, count in candidate.matches.items():
        word, value = worth[term]
        score = value * count * (weights.k1 + 1) / (count + held_back)
        best[word] = max(score, best.get(word, 0.0))
    # A message that has many of the words is worth more than one that has a single one often.
    coverage = len(best) / max(1, len(set(question.terms.values())))
    total = sum(best.values()) * (1 - weights.coverage + weights.coverage * coverage)
    if question.times:
        total += weights.date * question.times.parts_met(candidate.created_us)
    if candidate.similarity is not None:
        total += weights.similarity * idf(1, info.documents) * max(0.0, candidate.similarity)
    return total


def _support(candidate: Candidate, found: Mapping[int, Candidate], own: Mapping[int, float], weights: Weights) -> float:
    total = 0.0
    for step in (-2, -1, 1, 2):
        beside = found.get(candidate.key + step)
        if beside is not None and abs(beside.created_us - candidate.created_us) <= SESSION_GAP_US:
            total += _support_weight(candidate, beside, step, weights) * own[beside.key]
    return total


def _support_weight(candidate: Candidate, beside: Candidate, step: int, weights: Weights) -> float:
    if step == -1:
        if candidate.role != beside.role:
            return weights.prompt if candidate.role == "assistant" else weights.answered
        return weights.before + (weights.after_question if beside.traits & IS_QUESTION else 0.0)
    if step == 1:
        return weights.reply if (candidate.role, beside.role) == ("user", "assistant") else weights.after
    return weights.second_before if step < 0 else weights.second_after


def _session_scores(found: Mapping[int, Candidate], own: Mapping[int, float]) -> dict[tuple[int, int], float]:
    scores: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for key, candidate in found.items():
        scores[_session(candidate)].append(own[key])
    return {session: sum(heapq.nlargest(3, values)) for session, values in scores.items()}


def _session(candidate: Candidate) -> tuple[int, int]:
    return candidate.key >> _THREAD_BITS, candidate.created_us // _DAY_US


def _likelihood(candidate: Candidate, following: Candidate | None, question: Question, weights: Weights) -> float:
    factor = 1.0
    is_named = len(question.speakers) == 1 and candidate.speaker in question.speakers
    if is_named:
        factor += weights.speaker
    # What a user asks an assistant tells about the user; what people ask each other is told by the answer.
    is_prompt = candidate.role == "user" and following is not None and following.role == "assistant"
    if candidate.traits & IS_QUESTION and not is_prompt:
        factor *= 1 - weights.question
    if candidate.traits & IS_PERSONAL:
        factor *= 1 + weights.personal
    if candidate.role == "assistant" and not (is_named or question.asks_assistant):
        factor *= 1 - weights.assistant
    if question.asks_when and candidate.traits & HAS_TIME:
        factor *= 1 + weights.time
    return factor


def _parts(name: str) -> list[str]:
    """Return the words of a name by which people call somebody."""
    return [word for word in islice(words_of(name), 4) if len(word) > 1 and word not in STOPWORDS]
