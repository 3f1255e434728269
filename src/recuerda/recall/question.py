"""A query as it is looked for: its words and their worth, and the people, times and facts that it names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, tzinfo

import msgspec

from recuerda.recall.about_me import as_asked_of_me, facts_asked, words_of_kinds
from recuerda.recall.ahead import asked_terms
from recuerda.recall.compounds import ASKED, ends_asked
from recuerda.recall.dates import NamedTimes, named_times
from recuerda.recall.folding import composed, fold
from recuerda.recall.index import ScopeInfo
from recuerda.recall.languages import languages_of, stem
from recuerda.recall.recaps import frame_words
from recuerda.recall.separable_verbs import verbs_asked
from recuerda.recall.similar_words import can_be_similar
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
from recuerda.recall.traits import asks_about_asker, asks_assistant, asks_for_memories, asks_when

FACT = -1
"""The number of the words that ask for a fact about the asker."""

_WRITTEN_OUT = 2
"""The number of letters by which a spelling of a word may be longer, such as "mueller" than "müller"."""

_ANYTHING_WORDS = """
    happen happened happening back ocurrio sucedio passiert geschehen geschah passe successo accaduto aconteceu gebeurde
    gebeurd случилось произошло
"""
_ANYTHING = frozenset(_ANYTHING_WORDS.split())
"""Words of a question that asks for anything of a year, as in "What happened back in 2024?"."""

_SHARES = (0.4, 0.3, 0.2)
"""The worth of a word beside a question of one word, of two, and of more. The fewer words it has, the more it needs."""

_SHARE_OF_FRAME = 0.3
"""The worth of a word of the question's frame, such as "summary" and "mentioned"."""

_SHARE_OF_STANDING = 0.7
"""The worth of being a standing instruction or a preference if the query is a request."""

_SHARE_OF_DAY = 0.5
"""The worth of looking ahead to a day that the question names."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """An analysed query.

    Attributes:
        terms: the terms to look for, each with the number of the word of which it is a form.
        lesser: the worth of each word that is not of the question's topic, by its number, relative to a word of the
            topic: a word of the question's frame, a word of another sentence of the message, and being a standing
            instruction for a request.
        facts: the terms of the facts about the asker that the query asks for.
        of_facts: the numbers of the words that ask for such a fact, and the number of the fact. They count as one word.
        speakers: the speakers of the scope whom the query names.
        times: the times that the query names.
        similar: the terms that stand for words which no message has; see `similar_words.py`.
        asks_when: True if the query asks for a time.
        asks_assistant: True if the query asks what the assistant has said.
        has_compounds: True if the query is in a language with compounds, so that these are looked for beside words that
            messages have. Of other queries, only words that no message has look for them.
        is_request: True if the query asks an assistant to do something.
    """

    terms: Mapping[str, int]
    speakers: frozenset[str]
    times: NamedTimes
    asks_when: bool
    asks_assistant: bool = False
    has_compounds: bool = False
    is_request: bool = False
    of_facts: frozenset[int] = frozenset()
    facts: frozenset[str] = frozenset()
    lesser: Mapping[int, float] = {}
    similar: frozenset[str] = frozenset()

    def word(self, term: str) -> int:
        """Return the number of the word of a term, which is the same for all words that ask for a fact."""
        number = self.terms[term]
        return FACT if number in self.of_facts else number

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
    folded, words = fold(query), words_of(query)
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
    told = languages_of(words, composed(query))
    first = first_forms(terms)
    terms |= ends_asked(first, told, stem) | verbs_asked(first, told, stem)
    if not terms and beside:
        # "And why?" asks about what stands beside it.
        terms, beside = query_terms(beside), ""
    of_facts = frozenset[int]()
    of_me = as_asked_of_me(folded, names) if names else folded
    facts = facts_asked(of_me) if len(speakers) < 2 else []
    if facts:
        asking = query_terms(words_of_kinds(of_me))
        number = 1 + max(terms.values(), default=-1)
        of_facts = frozenset([number, *(terms[term] for term in terms.keys() & asking.keys())])
        terms = terms | dict.fromkeys(facts, number)
    number = 1 + max(terms.values(), default=-1)
    others: dict[str, int] = {}
    lesser: dict[int, float] = {}
    if beside:
        others = {term: number + at for term, at in query_terms(beside).items() if term not in terms}
        lesser = dict.fromkeys(others.values(), _SHARES[min(len(set(terms.values())), len(_SHARES)) - 1])
    if on_days := [term for term in asked_terms(query, frozenset(words), times, now_us) if term not in terms]:
        number = 1 + max((*others.values(), number))
        others |= dict.fromkeys(on_days, number)
        lesser[number] = _SHARE_OF_DAY
    own = set(terms.values()) - of_facts
    frame = {terms[word] for word in frame_words(folded) & terms.keys()} - of_facts
    if frame < own:
        lesser |= dict.fromkeys(frame, _SHARE_OF_FRAME)
    asks_for_time, asks_for_reply = asks_when(query), asks_assistant(query)
    is_request = is_request and not (speakers or facts or asks_for_time or asks_for_reply)
    if is_request:
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
        is_request=is_request,
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
