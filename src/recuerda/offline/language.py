"""The table of a language: patterns for facts, patterns for questions, and sentences for replies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern for one way to state a fact.

    Attributes:
        kind: the kind of the fact, such as "name". The kind "my" is replaced by the thing that follows the possessive.
        pattern: the pattern, which is matched from the start of a clause. Its group `value` is the fact.
        is_weak: True if the clause may have another meaning, as "I'm Riker" and "I'm German" show. A weak fact replaces
            a fact that was stated plainly only if the clause starts with a correction.
        before: the words to put before the value in a reply, such as "in " for "I moved to Lima".
    """

    kind: str
    pattern: re.Pattern[str]
    is_weak: bool = False
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """The table of one language. Patterns for questions are matched against folded text; see `sentences.fold`.

    Attributes:
        code: the code of the language, such as "en".
        words: common words, folded, by which a text in this language is recognized.
        opener: the pattern of words before a fact, such as "hi, ", "no, " and "remember that ". Its group `fix` marks a
            correction, and its group `note` a request to remember something.
        rules: the patterns for facts, in the order in which they are tried.
        kinds: the kinds of facts by the words after a possessive, such as "role" for "job" in "my job".
        possessives: the possessives for replies, such as "Your" for "my".
        questions: the patterns of questions for each kind of fact.
        everything: the pattern of questions for all facts.
        known: the sentence for a fact of each kind.
        unknown: the start of the sentence for a kind without a fact.
        unknown_ending: the end of that sentence.
        thing: the pattern of questions about a thing that the person has.
        noted: the sentence before new facts.
        nothing: the sentence if no fact is known at all.
        stand_in: the sentence if there is no answer.
    """

    code: str
    words: frozenset[str]
    opener: re.Pattern[str]
    rules: tuple[Rule, ...]
    kinds: Mapping[str, str]
    possessives: Mapping[str, str]
    questions: Mapping[str, re.Pattern[str]]
    everything: re.Pattern[str]
    known: Mapping[str, str]
    unknown: Mapping[str, str]
    unknown_ending: str
    thing: re.Pattern[str]
    noted: str
    nothing: str
    stand_in: str


def words(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


def rule(kind: str, pattern: str, *, is_weak: bool = False, is_exact: bool = False, before: str = "") -> Rule:
    """Return a rule. With `is_exact`, its pattern distinguishes upper and lower case."""
    return Rule(kind, re.compile(pattern, 0 if is_exact else re.IGNORECASE), is_weak, before)
