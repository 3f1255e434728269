"""The facts that people state about themselves, read from their sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from recuerda.offline.language import Language, Rule
from recuerda.offline.languages import LANGUAGES
from recuerda.offline.sentences import Sentence, fold

MANY = frozenset({"likes", "allergy", "note"})
"""The kinds of which several facts can be true at once. For any other kind, only the latest fact counts."""

_NAME_END = re.compile(
    r"[,;:(]| [-\u2013\u2014] |\s(?:and|but|so|who|because|pero|porque|que)\s|\s[ye]\s(?=[a-záéíóúñ])"
)
_TAIL = re.compile(r"[\s,]+(?:by the way|as well|too|now|today|please|por cierto|ahora|también|hoy)$", re.IGNORECASE)
_NEGATED = re.compile(r"(?:(?:is|are|was|es|son) )?(?:not|no)\b|n't\b", re.IGNORECASE)
_EDGES = ' \t\r.,:;!?"“”«»'


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact from a person's message.

    Attributes:
        kind: the kind of the fact, such as "name", or "my cat" for a thing that the person has.
        value: the fact in the person's own words.
        subject: for a "my …" fact, the name of the thing in a reply, such as "Your cat". The value then starts with the
            verb. Empty for all other facts.
    """

    kind: str
    value: str
    subject: str = ""


@dataclass(frozen=True, slots=True)
class _Reading:
    fact: Fact
    replaces: bool


def learn(told: Iterable[Sentence]) -> list[Fact]:
    """Return the facts that are known after all sentences, in the order in which they became known."""
    known: dict[str, _Reading] = {}
    for sentence in told:
        reading = None if sentence.is_question else _read(sentence.text)
        if reading is None:
            continue
        fact = reading.fact
        key = f"{fact.kind}:{fold(fact.value)}" if fact.kind in MANY else fact.kind
        before = known.get(key)
        if before is None or reading.replaces or not before.replaces:
            known.pop(key, None)
            known[key] = reading
    return [reading.fact for reading in known.values()]


def _read(text: str) -> _Reading | None:
    return next((reading for language in LANGUAGES if (reading := _read_in(language, text)) is not None), None)


def _read_in(language: Language, text: str) -> _Reading | None:
    is_correction = is_note = False
    while (opener := language.opener.match(text)) and opener.end():
        is_correction = is_correction or opener["fix"] is not None
        is_note = is_note or opener["note"] is not None
        text = text[opener.end() :]
    for each in language.rules:
        if (match := each.pattern.match(text)) and (fact := _fact(language, each, match)):
            return _Reading(fact, replaces=is_correction or not each.is_weak)
    note = text.strip(_EDGES)
    return _Reading(Fact("note", note), replaces=True) if is_note and note else None


def _fact(language: Language, rule: Rule, match: re.Match[str]) -> Fact | None:
    value = match["value"]
    if rule.kind == "name":
        value = _NAME_END.split(value, maxsplit=1)[0]
    value = _TAIL.sub("", value.strip(_EDGES)).strip(_EDGES)
    if not value or _NEGATED.match(value):
        return None
    if rule.kind != "my":
        return Fact(rule.kind, rule.before + value)
    thing = match["thing"].strip()
    possessive = language.possessives[match["my"].casefold().replace("\u2019", "'")]
    return Fact(language.kinds.get(fold(thing), f"my {_spelled(fold(thing))}"), value, f"{possessive} {thing}")


def _spelled(thing: str) -> str:
    """Return the thing in American spelling, so that both spellings name the same thing."""
    return thing.replace("colour", "color").replace("favourite", "favorite")
