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
- A standing instruction or a preference matters for questions in many other words, above all for requests.
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
from datetime import UTC, tzinfo
from functools import lru_cache
from itertools import product
from operator import itemgetter
from statistics import fmean, pstdev
from typing import NamedTuple

import msgspec

from recuerda.recall.about_me import as_asked_of_me, facts_asked, words_of_kinds
from recuerda.recall.ahead import asked_terms
from recuerda.recall.compounds import ASKED, ends_asked
from recuerda.recall.dates import NamedTimes, named_times
from recuerda.recall.folding import composed, fold
from recuerda.recall.index import THREAD_BITS, Candidate, Candidates, ScopeInfo
from recuerda.recall.languages import languages_of, stem
from recuerda.recall.similar_words import SIMILAR, can_be_similar
from recuerda.recall.text import (
    ABOUT_ASKER,
    IDENTITY,
    STANDING,
    name_words,
    possible_names,
    query_terms,
    query_words,
    speaker_terms,
    words_of,
)
from recuerda.recall.traits import (
    HAS_NAME,
    HAS_TIME,
    IS_CORRECTION,
    IS_PERSONAL,
    IS_QUESTION,
    IS_STANDING,
    asks_about_asker,
    asks_assistant,
    asks_for_memories,
    asks_when,
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

_WRITTEN_OUT = 2
"""The number of letters by which a spelling of a word may be longer, such as "mueller" than "müller"."""

_FACT = -1
"""The number of the words that ask for a fact about the asker."""

_ANYTHING_WORDS = """
    happen happened happening back ocurrio sucedio passiert geschehen geschah passe successo accaduto aconteceu gebeurde
    gebeurd случилось произошло
"""
_ANYTHING = frozenset(_ANYTHING_WORDS.split())
"""Words of a question that asks for anything of a year, as in "What happened back in 2024?"."""

_SHARES = (0.4, 0.3, 0.2)
"""The worth of a word beside a question of one word, of two, and of more. The fewer words it has, the more it needs."""

_SHARE_OF_STANDING = 0.5
"""The worth of being a standing instruction or a preference if the query is a request."""

_SHARE_OF_DAY = 0.5
"""The worth of looking ahead to a day that the question names."""

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
        standing: raises a user's standing instructions and preferences, if an assistant replied to them.
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


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """An analysed query.

    Attributes:
        terms: the terms to look for, each with the number of the word of which it is a form.
        lesser: the worth of each word that is not of the question itself, by its number, relative to a word of the
            question: a word of another sentence of the message, and being a standing instruction for a request.
        facts: the terms of the facts about the asker that the query asks for.
        of_facts: the numbers of the words that ask for such a fact, and the number of the fact. They count as one word.
        speakers: the speakers of the scope whom the query names.
        times: the times that the query names.
        similar: the terms that stand for words which no message has; see `similar_words.py`.
        asks_when: True if the query asks for a time.
        asks_assistant: True if the query asks what the assistant has said.
        has_compounds: True if the query is in a language with compounds, so that these are looked for beside words that
            messages have. Of other queries, only words that no message has look for them.
    """

    terms: Mapping[str, int]
    speakers: frozenset[str]
    times: NamedTimes
    asks_when: bool
    asks_assistant: bool = False
    has_compounds: bool = False
    of_facts: frozenset[int] = frozenset()
    facts: frozenset[str] = frozenset()
    lesser: Mapping[int, float] = {}
    similar: frozenset[str] = frozenset()

    def word(self, term: str) -> int:
        """Return the number of the word of a term, which is the same for all words that ask for a fact."""
        number = self.terms[term]
        return _FACT if number in self.of_facts else number

    def shares(self) -> dict[str, float]:
        """Return the worth of each term that is not of the question itself, relative to a term of the question."""
        return {term: self.lesser[number] for term, number in self.terms.items() if number in self.lesser}

    def spelt(self) -> dict[str, list[str]]:
        """Return the terms of each word of the question for which similar terms may stand, by its folded form.

        Terms of the word and a neighbour together are left out. The end of a compound is a word of its own if the query
        has compounds.
        """
        forms: defaultdict[int, list[str]] = defaultdict(list)
        ends: list[str] = []
        for term, number in self.terms.items():
            if term.startswith(ASKED) and self.has_compounds:
                ends.append(term)
            elif number not in self.lesser and number not in self.of_facts:
                forms[number].append(term)
        return {end: [end] for end in ends} | {
            word: [term for term in (word, *others) if len(term) <= len(word) + _WRITTEN_OUT]
            for word, *others in forms.values()
            if can_be_similar(word)
        }

    def with_similar(self, similar: Mapping[str, str]) -> Question:
        """Return the question with terms that stand for words of `spelt`, each with the word."""
        if not similar:
            return self
        terms = {**self.terms, **{term: self.terms[word] for term, word in similar.items() if term not in self.terms}}
        return msgspec.structs.replace(self, terms=terms, similar=similar.keys() - self.terms.keys())

    def words(self) -> frozenset[int]:
        """Return the numbers of the question's own words."""
        return frozenset(map(self.word, self.terms)) - self.lesser.keys()


def question_of(
    query: str, info: ScopeInfo, now_us: int, zone: tzinfo = UTC, *, beside: str = "", is_request: bool = False
) -> Question:
    """Return the analysis of a query that is asked at this time, in this time zone.

    Args:
        query: the question.
        info: what is known of the scope.
        now_us: the time in microseconds.
        zone: the time zone.
        beside: the rest of the message that asks this.
        is_request: True if the message asks an assistant to do something.
    """
    asked = possible_names(query)
    speakers = frozenset(name for name in info.speakers if asked.intersection(name_words(name)))
    names = {part for name in speakers for part in name_words(name)}
    times = named_times(query, now_us, zone)
    terms = query_terms(query, without=names)
    if times.years and query_words(query) - names - _ANYTHING <= {str(year)[-2:] for year in times.years} | set(
        map(str, times.years)
    ):
        times = times.with_whole_years()
    if not terms or _is_only_about_asker(query, names):
        terms = _terms_without_words(query, names, has_times=bool(times))
    told = languages_of(words_of(query), composed(query))
    terms |= ends_asked(first_forms(terms), told, stem)
    if not terms and beside:
        # "And why?" asks about what stands beside it.
        terms, beside = query_terms(beside), ""
    of_facts = frozenset[int]()
    folded = as_asked_of_me(fold(query), names) if names else fold(query)
    facts = facts_asked(folded) if len(speakers) < 2 else []
    if facts:
        asking = query_terms(words_of_kinds(folded))
        number = 1 + max(terms.values(), default=-1)
        of_facts = frozenset([number, *(terms[term] for term in terms.keys() & asking.keys())])
        terms = terms | dict.fromkeys(facts, number)
    number = 1 + max(terms.values(), default=-1)
    others: dict[str, int] = {}
    lesser: dict[int, float] = {}
    if beside:
        others = {term: number + at for term, at in query_terms(beside).items() if term not in terms}
        lesser = dict.fromkeys(others.values(), _SHARES[min(len(set(terms.values())), len(_SHARES)) - 1])
    if on_days := [term for term in asked_terms(query, frozenset(words_of(query)), times, now_us) if term not in terms]:
        number = 1 + max((*others.values(), number))
        others |= dict.fromkeys(on_days, number)
        lesser[number] = _SHARE_OF_DAY
    asks_for_time, asks_for_reply = asks_when(query), asks_assistant(query)
    if is_request and not (speakers or facts or asks_for_time or asks_for_reply):
        number = 1 + max(others.values(), default=number)
        others[STANDING] = number
        lesser[number] = _SHARE_OF_STANDING
    return Question(
        terms=terms | others,
        lesser=lesser,
        of_facts=of_facts,
        facts=frozenset(facts),
        speakers=speakers,
        times=times,
        asks_when=asks_for_time,
        asks_assistant=asks_for_reply,
        has_compounds=bool(told),
    )


def first_forms(terms: Mapping[str, int]) -> dict[str, int]:
    """Return the first term of each word, which is the word itself without accents."""
    return {term: number for number, term in {number: term for term, number in reversed(list(terms.items()))}.items()}


def about_speakers(question: Question) -> Question:
    """Return the question that also asks for what its named speakers said, and for what was said of them.

    The words of the question stay. Nobody has said them, so they lower the relevance of what is found.
    """
    terms = dict(question.terms)
    first = 1 + max(terms.values(), default=-1)
    for number, name in enumerate(sorted(question.speakers), first):
        terms |= dict.fromkeys((*speaker_terms(name), *query_terms(name)), number)
    return msgspec.structs.replace(question, terms=terms)


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
    """Return the weights for a question. What the assistant has said is in the reply to a message that fits."""
    return msgspec.structs.replace(weights, prompt=weights.given) if question.asks_assistant else weights


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
    for key, candidate in sorted(candidates.found.items(), key=itemgetter(0)):
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
            if question.word(term) == _FACT:
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
    support: dict[int, float] = {}
    by_kind = _support_weights(weights)
    for key, score in own.items():
        beside = found[key]
        earliest, latest = beside.created_us - SESSION_GAP_US, beside.created_us + SESSION_GAP_US
        by_role = by_kind[beside.role, bool(beside.traits & IS_QUESTION)]
        for place, step in _PLACES:
            other = key - step
            candidate = found.get(other)
            if candidate is not None and earliest <= candidate.created_us <= latest:
                support[other] = support.get(other, 0.0) + by_role[candidate.role][place] * score
    scores = {key: own.get(key, 0.0) + support.get(key, 0.0) for key in own.keys() | support.keys()}
    for key in echoes:
        if (reply := found.get(key + 1)) is not None and is_reply_to(reply, found, echoes):
            scores[key + 1] = scores.get(key + 1, 0.0) + weights.echoed * own[key]
    return {key: score for key, score in scores.items() if score > 0 and key not in echoes}


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


def _is_only_about_asker(query: str, names: AbstractSet[str]) -> bool:
    """Return True for questions such as "Describe me" and "What do you remember about me?"."""
    return not names and asks_about_asker(query) and asks_for_memories(query)


def _terms_without_words(query: str, names: AbstractSet[str], *, has_times: bool) -> dict[str, int]:
    """Return the terms for a question that has no word to look for: what a person said, or what the asker told."""
    if names:
        asked = [word for word in dict.fromkeys(words_of(query)) if word in names]
        said = {term: number for number, word in enumerate(asked) for term in speaker_terms(word)}
        return said | query_terms(" ".join(asked))
    return {ABOUT_ASKER: 0, IDENTITY: 0} if asks_about_asker(query) and not has_times else {}
