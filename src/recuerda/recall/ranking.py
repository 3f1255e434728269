"""The order of candidates: a score says how well a message answers a question.

The base is BM25 over the words of the question (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009),
with frequencies counted within the scope. The rest comes from how conversations work:

- A reply makes sense only together with the message before it. So neighbours support each other. Above all, an
  assistant's reply supports the user's message before it.
- A speaker who is named in the question most likely said the answer.
- People state facts in statements, and facts about themselves in the first person.
- If the question asks for a time, the answer is a sentence with a time in it. Whatever the question is, an answer is
  more likely to name a time, a person or a place than other sentences are. What a user writes to an assistant mostly
  names something, so there it tells less.
- A standing instruction or a preference matters for requests in many other words.
- If a conversation between people is about the topic, each of its messages is more likely to be the answer. A user's
  exchanges with an assistant stand more for themselves.
- If two statements fit equally well, the newer one more likely holds.
- If the same question was asked before, it tells nothing, but the reply to it may be the answer.

`WEIGHTS` is one fixed configuration of these features. It was chosen on conversations between two people, and checked
on other such conversations and on chats between a user and an assistant; see docs/guides/recall.md.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import product
from statistics import fmean, pstdev
from typing import NamedTuple

import msgspec

from recuerda.recall.index import THREAD_BITS, Candidate, Candidates, ScopeInfo
from recuerda.recall.question import FACT, Question
from recuerda.recall.similar_words import SIMILAR
from recuerda.recall.traits import (
    HAS_NAME,
    HAS_TIME,
    IS_CORRECTION,
    IS_PERSONAL,
    IS_QUESTION,
    IS_STANDING,
)

SESSION_GAP_US = 6 * 3600 * 1_000_000
"""The longest time between neighbouring messages of one exchange."""

DAY_US = 24 * 3600 * 1_000_000
_STEPS = (-2, -1, 1, 2)
"""From a message to the neighbours that support it."""
_PLACES = tuple(enumerate(_STEPS))
_ROLES = ("user", "assistant", "")
"""The roles of messages, and that of an item that nobody has said."""
_DEVIATIONS = 5
"""The number of standard deviations above the mean at which a similarity counts as much as it can."""

_DETAILED = 1.3
"""How much higher the scores of most answers are among people, because these name something."""

_WORDS_OF_AN_ANSWER = 4
"""The largest number of words of a question that are expected in an answer."""


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """The weight of each feature in a score.

    Attributes:
        k1: the k1 of BM25: how fast further occurrences of a word lose weight.
        b: the b of BM25: how much the length of a message lowers its score.
        coverage: the weight of the share of the question's words that a message has.
        before: the support from the previous message.
        after: the support from the next message.
        second_before: the support from the message before the previous one.
        second_after: the support from the message after the next one.
        after_question: the additional support from the previous message if it is a question.
        reply: the support of a user's message from the assistant's reply to it.
        prompt: the support of an assistant's reply from the user's message before it.
        given: as `prompt`, if the question asks what the assistant has said.
        answered: the support of a user's message from the assistant's message before it.
        echoed: the additional support for the reply to a question that repeats the query, from that question.
        recent: raises the newest candidate over the oldest one, so that the newer of two equal statements wins.
        session: the support of a message from the conversation's best messages.
        assisted: the same, if an assistant takes part in the conversation.
        speaker: raises messages of the speaker whom the question names, if it names only one.
        question: lowers messages that are questions.
        personal: raises messages in which people talk about themselves.
        standing: raises a user's standing instructions and preferences, if an assistant replied to them and the
            question is a request.
        correction: raises messages of people that have all words of the question and say that something holds no
            longer, or was wrong.
        fact: the weight of a fact about the asker that the question asks for, relative to a word that is as rare.
        assistant: lowers an assistant's messages, unless the question asks what the assistant has said.
        date: raises a message for each named part of the date that fits.
        time: raises messages that name a time, if the question asks for a time.
        detail: raises messages of people that name a time, if the question does not ask for one, and messages of people
            that name something.
        detail_for_assistant: the same, if an assistant replied.
        similarity: the weight of the most similar meaning, relative to a word that only one message has.
    """

    k1: float = 0.6
    b: float = 0.4
    coverage: float = 0.2
    before: float = 0.4
    after: float = 0.3
    second_before: float = 0.3
    second_after: float = 0.1
    after_question: float = 0.3
    reply: float = 0.4
    prompt: float = 0.1
    given: float = 0.5
    answered: float = 0.15
    echoed: float = 0.8
    session: float = 0.15
    assisted: float = 0.05
    recent: float = 0.03
    speaker: float = 0.8
    question: float = 0.2
    personal: float = 0.2
    standing: float = 0.5
    correction: float = 0.2
    fact: float = 1.5
    assistant: float = 0.5
    date: float = 1.0
    time: float = 0.6
    detail: float = 0.3
    detail_for_assistant: float = 0.1
    similarity: float = 1.3


WEIGHTS = Weights()


def rank(
    question: Question, info: ScopeInfo, candidates: Candidates, weights: Weights = WEIGHTS
) -> list[tuple[int, float]]:
    """Return the keys of candidates with their scores, the best first.

    Candidates with a score of 0 are left out, and so are questions that only repeat the query.
    """
    weights = weights_for(question, weights)
    found = candidates.found
    own = own_scores(question, info, candidates, weights)
    echoes = {key for key in own if is_echo(found[key], question)}
    scores = supported_scores(found, own, echoes, weights)
    sessions = session_support(found, own, weights)
    likelihoods = Likelihoods(found, question, weights)
    oldest, newest = span_of(found)
    age = max(1, newest - oldest)
    recent = weights.recent
    scored: list[tuple[float, int, int]] = []
    for key, supported in scores.items():
        candidate = found[key]
        created = candidate.created_us
        score = supported + sessions.get(session_of(candidate), 0.0)
        is_reply = bool(echoes) and is_reply_to(candidate, found, echoes)
        likelihood = likelihoods.of(candidate, is_reply=is_reply)
        scored.append((score * likelihood * (1 + recent * ((created - oldest) / age)), created, key))
    scored.sort(reverse=True)
    return [(key, score) for score, _, key in scored]


def weights_for(question: Question, weights: Weights) -> Weights:
    """Return the weights for a question.

    What the assistant has said is in the reply to a message that fits. Standing instructions hold for requests.
    """
    prompt = weights.given if question.asks_assistant else weights.prompt
    standing = weights.standing if question.is_request else 0.0
    return msgspec.structs.replace(weights, prompt=prompt, standing=standing)


def best_score(question: Question, info: ScopeInfo, candidates: Candidates, weights: Weights = WEIGHTS) -> float:
    """Return the score to expect of a message that says what the question asks for."""
    score = _best_score(question, info, candidates, weights)
    is_assisted = any(candidate.role == "assistant" for candidate in candidates.found.values())
    return score / _DETAILED if is_assisted else score


def _best_score(question: Question, info: ScopeInfo, candidates: Candidates, weights: Weights) -> float:
    """Return the score to expect among people.

    Such a message has all words of the question, but at most four of them: long questions have words that no answer
    has. A word that the scope does not have counts like the rarest word that it has, unless meanings are compared too:
    the answer may say the same in other words, or in another language.
    """
    words = dict.fromkeys(question.words(), 0.0)
    for term, frequency in candidates.frequencies.items():
        if term in question.terms and (word := question.word(term)) in words:
            words[word] = max(words[word], idf(frequency, max(info.documents, frequency)))
    known = [value for value in words.values() if value]
    compared = sum(candidate.similarity is not None for candidate in candidates.found.values())
    if compared:
        # With n candidates, no similarity is more than the root of n - 1 standard deviations above the mean.
        reachable = min(1.0, math.sqrt(max(1, compared - 1)) / _DEVIATIONS)
        return _expected(known) + weights.similarity * idf(1, info.documents) * reachable
    unknown = [max(known, default=0.0)] * (len(words) - len(known))
    return _expected(known + unknown) or weights.date


def _expected(worth: Sequence[float]) -> float:
    return fmean(worth) * min(len(worth), _WORDS_OF_AN_ANSWER) if worth else 0.0


def relevance_of(score: float, best: float) -> float:
    """Return a score as a number from 0 to 1: 0.5 is the score to expect of a message that says what was asked."""
    return score / (score + best)


def idf(frequency: int, documents: int) -> float:
    """Return the inverse document frequency of a term that occurs in `frequency` of the documents."""
    return math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5))


def span_of(found: Mapping[int, Candidate]) -> tuple[int, int]:
    """Return the times of the oldest and of the newest candidate."""
    times = [candidate.created_us for candidate in found.values()]
    return min(times, default=0), max(times, default=0)


def is_echo(candidate: Candidate, question: Question) -> bool:
    """Return True if a message is a question, and each of its words that matter is in the query."""
    if not candidate.traits & IS_QUESTION or not candidate.size:
        return False
    counts: dict[int, int] = {}
    for term, count in candidate.matches.items():
        word = question.terms[term]
        counts[word] = max(count, counts.get(word, 0))
    return sum(counts.values()) >= candidate.size


def own_scores(question: Question, info: ScopeInfo, candidates: Candidates, weights: Weights) -> dict[int, float]:
    """Return the scores of the candidates that have one of their own, in the order of keys."""
    worth = worth_of(question, info, candidates, weights)
    asked = max(1, len(question.words()))
    likeness = _likeness(candidates.found)
    most = weights.similarity * idf(1, info.documents)
    own: dict[int, float] = {}
    has_times, has_likeness = bool(question.times), bool(likeness)
    found = candidates.found
    for key in sorted(found):
        candidate = found[key]
        score = score_of_words(candidate, worth, asked, info.mean_size, weights) if candidate.matches else 0.0
        if has_times:
            score += weights.date * question.times.parts_met(candidate.created_us)
        if has_likeness:
            score += most * likeness.get(key, 0.0)
        if score > 0:
            own[key] = score
    return own


def worth_of(
    question: Question, info: ScopeInfo, candidates: Candidates, weights: Weights
) -> dict[str, tuple[int, float]]:
    """Return the number of its word and the inverse document frequency of each term of the question that occurs.

    A fact about the asker is worth more than the words that ask for it, however rare these are.
    """
    worth = {
        term: idf(frequency, max(info.documents, frequency))
        for term, frequency in candidates.frequencies.items()
        if term in question.terms
    }
    known = [worth[term] for term in question.facts if term in worth]
    if known:
        for term, value in worth.items():
            if question.word(term) == FACT:
                worth[term] = min(known) * weights.fact if term in question.facts else min(value, *known)
    for term in worth.keys() & question.similar:
        worth[term] *= SIMILAR
    numbered = {term: (question.word(term), value) for term, value in worth.items()}
    if question.lesser:
        for term, (word, value) in numbered.items():
            if word in question.lesser:
                numbered[term] = (word, value * question.lesser[word])
    return numbered


def _likeness(found: Mapping[int, Candidate]) -> dict[int, float]:
    """Return how much more similar each candidate is than the others, from 0 to about 1.

    The cosines of one model are all between 0.7 and 0.9, and those of another between 0 and 0.6. So a similarity counts
    in standard deviations from the mean of the query's candidates.
    """
    cosines = {key: candidate.similarity for key, candidate in found.items() if candidate.similarity is not None}
    if len(cosines) < 2:
        return dict.fromkeys(cosines, 0.5)
    mean = fmean(cosines.values())
    spread = pstdev(cosines.values(), mean) or 1.0
    return {key: min(1.0, max(0.0, (cosine - mean) / spread / _DEVIATIONS)) for key, cosine in cosines.items()}


def score_of_words(
    candidate: Candidate, worth: Mapping[str, tuple[int, float]], asked: int, mean_size: float, weights: Weights
) -> float:
    """Return the score of a message by the words of the question alone.

    Args:
        candidate: the message.
        worth: as `worth_of` returns it.
        asked: the number of the question's words.
        mean_size: the mean size of a message.
        weights: the weights.
    """
    best: dict[int, float] = {}
    k1 = weights.k1
    held_back = k1 * (1 - weights.b + weights.b * candidate.size / mean_size)
    for term, count in candidate.matches.items():
        word, value = worth[term]
        score = value * count * (k1 + 1) / (count + held_back)
        if score > best.get(word, 0.0):
            best[word] = score
    # A message with many of the words is better than a message that repeats one of the words.
    coverage = min(1.0, len(best) / asked)
    return sum(best.values()) * (1 - weights.coverage + weights.coverage * coverage)


def supported_scores(
    found: Mapping[int, Candidate], own: Mapping[int, float], echoes: AbstractSet[int], weights: Weights
) -> dict[int, float]:
    """Return the scores of candidates with the support of their neighbours. Echoes of the query are left out.

    Few candidates have a score of their own. So each of these gives its support, and the others are not looked at.
    """
    scores = dict(own)
    by_kind = _support_weights(weights)
    for key, score in own.items():
        beside = found[key]
        created = beside.created_us
        by_role = by_kind[beside.role, bool(beside.traits & IS_QUESTION)]
        for place, step in _PLACES:
            other = key - step
            candidate = found.get(other)
            if candidate is not None and -SESSION_GAP_US <= candidate.created_us - created <= SESSION_GAP_US:
                scores[other] = scores.get(other, 0.0) + by_role[candidate.role][place] * score
    for key in echoes:
        if (reply := found.get(key + 1)) is not None and is_reply_to(reply, found, echoes):
            scores[key + 1] = scores.get(key + 1, 0.0) + weights.echoed * own[key]
    for key in echoes:
        del scores[key]
    return scores


def is_reply_to(candidate: Candidate, found: Mapping[int, Candidate], echoes: AbstractSet[int]) -> bool:
    """Return True for the reply to a question that repeats the query."""
    return candidate.key - 1 in echoes and candidate.turn == found[candidate.key - 1].turn


@lru_cache(8)
def _support_weights(weights: Weights) -> dict[tuple[str, bool], dict[str, list[float]]]:
    """Return the weights of the support at each of `_STEPS`, because looking one up is faster than working it out.

    The keys are the role of the supporting message, whether it is a question, and the role of the supported message.
    """
    return {
        (beside, is_question): {
            role: [_support_weight(role, beside, step, weights, is_question=is_question) for step in _STEPS]
            for role in _ROLES
        }
        for beside, is_question in product(_ROLES, (False, True))
    }


def _support_weight(role: str, beside: str, step: int, weights: Weights, *, is_question: bool) -> float:
    if step == -1:
        if role != beside:
            return weights.prompt if role == "assistant" else weights.answered
        return weights.before + (weights.after_question if is_question else 0.0)
    if step == 1:
        return weights.reply if (role, beside) == ("user", "assistant") else weights.after
    return weights.second_before if step < 0 else weights.second_after


def session_of(candidate: Candidate) -> tuple[int, int]:
    """Return the conversation of a message: its thread and its day."""
    return candidate.key >> THREAD_BITS, candidate.created_us // DAY_US


def session_support(
    found: Mapping[int, Candidate], own: Mapping[int, float], weights: Weights
) -> dict[tuple[int, int], float]:
    """Return the support that each message of a conversation has from its best ones, by `session_of`."""
    assisted = {session_of(candidate) for candidate in found.values() if candidate.role == "assistant"}
    scores: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for key, score in own.items():
        scores[session_of(found[key])].append(score)
    return {
        session: sum(heapq.nlargest(3, values)) * (weights.assisted if session in assisted else weights.session)
        for session, values in scores.items()
    }


class Likelihoods:
    """The factors for the kinds of messages. Many messages are of few kinds, so each factor is computed once."""

    def __init__(self, found: Mapping[int, Candidate], question: Question, weights: Weights) -> None:
        self._found = found
        self._question = question
        self._words = question.words()
        self._weights = weights
        self._named = next(iter(question.speakers)) if len(question.speakers) == 1 else None
        self._known: dict[tuple[int, str, bool, bool, bool], float] = {}  # plain tuples are made faster than `_Kind`

    def of(self, candidate: Candidate, *, is_reply: bool) -> float:
        """Return the factor for a message. `is_reply` is True for a reply to the same question."""
        is_named = self._named is not None and candidate.speaker == self._named
        # A user's question to an assistant says something about the user. Between people, only the answer does.
        is_prompt = False
        role = candidate.role
        if role == "user" and (following := self._found.get(candidate.key + 1)) is not None:
            is_prompt = following.role == "assistant"
        traits = candidate.traits
        if traits & IS_CORRECTION and not self._has_all_words(candidate):
            traits &= ~IS_CORRECTION
        kind = (traits, role, is_named, is_prompt, is_reply)
        factor = self._known.get(kind)
        if factor is None:
            factor = self._known[kind] = _likelihood(_Kind(*kind), self._question, self._weights)
        return factor

    def _has_all_words(self, candidate: Candidate) -> bool:
        return bool(self._words) and self._words <= frozenset(map(self._question.word, candidate.matches))


class _Kind(NamedTuple):
    traits: int
    role: str
    is_named: bool
    is_prompt: bool
    is_reply: bool


def _likelihood(kind: _Kind, question: Question, weights: Weights) -> float:
    traits = kind.traits
    factor = 1.0
    if kind.is_named:
        factor += weights.speaker
    if traits & IS_QUESTION and not kind.is_prompt:
        factor *= 1 - weights.question
    if traits & IS_PERSONAL and kind.role != "assistant":
        factor *= 1 + weights.personal
    if traits & IS_CORRECTION and kind.role == "user":
        factor *= 1 + weights.correction
    if traits & IS_STANDING and kind.is_prompt:
        factor *= 1 + weights.standing
    if kind.role == "assistant" and not (kind.is_named or kind.is_reply or question.asks_assistant):
        factor *= 1 - weights.assistant
    return factor * _likelihood_of_details(kind, question, weights)


def _likelihood_of_details(kind: _Kind, question: Question, weights: Weights) -> float:
    factor = 1.0
    detail = weights.detail_for_assistant if kind.is_prompt else weights.detail
    if kind.traits & HAS_TIME:
        if question.asks_when:
            factor *= 1 + weights.time
        elif kind.role == "user":
            factor *= 1 + detail
    if kind.traits & HAS_NAME and kind.role == "user":
        factor *= 1 + detail
    return factor
