"""What a language is to the offline client: patterns that tell, patterns that ask, and the sentences to answer with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """How something is told.

    Attributes:
        kind: of the fact, such as "name"; "my" takes its kind from what the possessive stands before.
        pattern: matched from the start of a clause; its group `value` is the fact.
        is_weak: True when it could mean something else ("I'm Riker", "I'm German"): it never replaces a fact that was
            told plainly, unless the clause starts as a correction.
        before: put before the value, where the answer needs it ("I moved to Lima": "in").
    """

    kind: str
    pattern: re.Pattern[str]
    is_weak: bool = False
    before: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """One language's table.

    Attributes:
        code: such as "en".
        words: that mark a text as of this language; folded.
        opener: what may stand before a fact ("hi, ", "no, ", "remember that "); its group `fix` marks a correction and
            `note` a wish to remember.
        rules: how facts are told, tried in order.
        kinds: of "my job", "my age": the kind for a possessive's word.
        possessives: "my" as the answer says it: "Your".
        questions: how each kind is asked for, in folded text.
        everything: asks for all there is.
        known: the sentence for a fact of each kind.
        unknown: how the sentence begins when there is none, and `unknown_ending` how it ends.
        thing: marks a question about "my …", in folded text.
        noted, nothing, stand_in: said before new facts, when nothing at all is known, and when there is no answer.
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
    """Make a rule; `is_exact` tells upper case from lower."""
    return Rule(kind, re.compile(pattern, 0 if is_exact else re.IGNORECASE), is_weak, before)
