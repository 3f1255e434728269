"""Facts about people themselves: what a message tells, and what a question asks for.

"How old am I?" has no word in common with "I turned 41 last May", and "Where do I live?" none with "I moved to Bergen".
So a user's message has a term for each kind of fact that it tells, and a question about the asker looks for the kinds
that it asks for. Both are recognized by phrases; `about_me_words.py` has them, in six languages.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from recuerda.recall.about_me_words import ASKED, NEAR, NUMBER, OF_ANOTHER, TOLD
from recuerda.recall.folding import fold

_END = 1_000

_NAMED = re.compile(
    r"\b(?:I(?:['\u2019]m| am)|[Ss]oy|[Ii]ch bin|[Jj]e suis|[Ss]ou(?: [ao])?|[Ss]ono) [A-Z\u00c0-\u00de][^\W\d_]+"
    r"(?=(?: [A-Z\u00c0-\u00de][^\W\d_]+)?(?:[.,!;\n]|$| and| y | und | et | e ))"
)
"""A name behind "I am", in the text with its capitals."""

_NAMED_HERE = re.compile(
    r"^(?:(?:(?:[Hh]i|[Hh]ey|[Hh]ello)\W+)?[Tt]his is [A-Z\u00c0-\u00de][^\W\d_]+(?= (?:here|btw|again|"
    r"speaking)\b|[.!]?$)|"
    r"(?:[Hh]i|[Hh]ey|[Hh]ello)\W+[A-Z\u00c0-\u00de][^\W\d_]+ here\b)"
)
"""A name at the beginning of a message: "Hi, this is Marco", "Hey, Marco here"."""

_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w")
_QUESTION = re.compile(r"[^.!?\u2026\n]*\?")
_LETTERS = re.compile(r"[^\W_]+")
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_PLAIN_WORDS = {
    "im": "i am", "ive": "i have", "yrs": "years", "yr": "year", "bday": "birthday", "b-day": "birthday",
    "gf": "girlfriend", "bf": "boyfriend", "hubby": "husband", "whats": "what is", "wheres": "where is",
    "whos": "who is",
}  # fmt: skip
_SHORT_MARKS = ("'", "im ", "ive ", "yr", "bday", "b-day", "gf", "bf", "hubby", "whats", "wheres", "whos")
_VERBS = {"m": "am", "re": "are", "ve": "have", "ll": "will"}
_SHORT_FORM = re.compile(
    r"\b(?:(i|we)'(m|re|ve|ll)|(name|birthday|what|who|where|when)'s|"
    r"(im(?= (?:\d+\b(?!\.)|an? |the |from |originally |currently |married|single|living|based|working|turning|"
    r"vegan|allergic))|"
    r"(?:ive|yrs?|b-?day|gf|bf|hubby|whats|wheres|whos)))\b"
)
_LATELY = r"(?:(?:just|recently|finally|currently|also|still|now|happily)[ ,]+)*"
_SUBJECTS = ("i", "i am", "i have", "ich")
_WITHOUT_SUBJECT = re.compile(
    rf"({_LATELY}(?:moved|relocated|turned|got|started|work|live|grew up|adopted|speak|study|studied|graduated|"
    r"can't eat|don't eat|have an?|have (?:two|three)|had)(?= ))|"
    rf"({_LATELY}(?:based in|living in|married to|engaged to|working (?:as|at|for)|from (?=[^,.!?]*\W*$)|"
    r"\d\d years? old|allergic to|fluent in))|"
    rf"({_LATELY}been (?=working|living|married|single|an? ))|"
    r"((?:bin|hab|habe|wohne|arbeite|lebe|komme|spreche|esse) (?!ich\b|du\b|wir\b|ihr\b))"
)
"""The beginning of a sentence without its subject. Each group belongs to one of `_SUBJECTS`."""
_SENTENCE_END = re.compile(r"[.!?\n]\s+")

_OF_ANOTHER = [(re.compile(pattern), own) for pattern, own in OF_ANOTHER]
_NAMES = re.compile(r"\bNAME(?: NAME)+\b")


def _by_first_word() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return the phrases that tell a fact by their first word: what follows it, and the kind of the fact."""
    rests: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for kind, lines in TOLD.items():
        for line in filter(None, map(str.strip, lines.splitlines())):
            heads, _, rest = line.partition(" ")
            for head in heads.split("/"):
                rests[head][kind].append(f" {rest.replace('#', NUMBER)}" if rest else "")
    return {
        head: [(kind, re.compile("|".join(of_kind))) for kind, of_kind in kinds.items()]
        for head, kinds in rests.items()
    }


_FOLLOWING = _by_first_word()
_QUESTIONS = {
    kind: re.compile("|".join(filter(None, map(str.strip, lines.splitlines())))) for kind, lines in ASKED.items()
}


def facts_told(text: str) -> list[str]:
    """Return a term for each kind of fact about themselves that a user tells. Questions and long texts tell none."""
    said = fold(text)[:_END]
    said = _with_subjects(_long_forms(_QUESTION.sub(" ", said) if "?" in said else said))
    kinds = {
        kind
        for word in _WORD.finditer(said)
        for kind, rest in _FOLLOWING.get(word[0], ())
        if rest.match(said, word.end())
    }
    if _NAMED.search(text[:_END]) or _NAMED_HERE.match(text):
        kinds.add("name")
    if "@" in said and _ADDRESS.search(said):
        kinds.add("mail")
    return sorted(map(_term, kinds))


def as_asked_of_me(folded: str, names: Iterable[str]) -> str:
    """Return a folded question about a person as if the person asked about themselves: "how old am i".

    Args:
        folded: the question.
        names: the folded words of the person's name.
    """
    named = frozenset(names)
    asked = _LETTERS.sub(lambda word: "NAME" if word[0] in named else word[0], folded[:_END])
    asked = _NAMES.sub("NAME", asked)
    for pattern, own in _OF_ANOTHER:
        asked = pattern.sub(own, asked)
    return asked


def facts_asked(folded: str) -> list[str]:
    """Return the terms of the kinds of facts about the asker that a folded question asks for."""
    asked = _long_forms(folded[:_END])
    kinds = [kind for kind, pattern in _QUESTIONS.items() if pattern.search(asked)]
    return list(dict.fromkeys(map(_term, [near for kind in kinds for near in (kind, *NEAR.get(kind, ()))])))


def words_of_kinds(folded: str) -> str:
    """Return the part of a folded question that asks for facts about the asker."""
    asked = _long_forms(folded[:_END])
    return " ".join(match[0] for pattern in _QUESTIONS.values() for match in pattern.finditer(asked))


def _term(kind: str) -> str:
    return f"=={kind}"


def _long_forms(folded: str) -> str:
    """Return a folded text with the long forms of "I'm", "im", "we've", "what's", "bday" and the like."""
    return _SHORT_FORM.sub(_long_form, folded) if any(mark in folded for mark in _SHORT_MARKS) else folded


def _long_form(short: re.Match[str]) -> str:
    who, verb, noun, plain = short.groups()
    if plain:
        return _PLAIN_WORDS[plain]
    return f"{noun} is" if noun else f"{who} {_VERBS[verb]}"


def _with_subjects(folded: str) -> str:
    """Return a folded text with the subject that people leave out: "just moved to Kiel", "bin 28 geworden"."""
    for start in reversed([0, *(end.end() for end in _SENTENCE_END.finditer(folded))]):
        if (found := _WITHOUT_SUBJECT.match(folded, start)) is not None:
            folded = f"{folded[:start]}{_SUBJECTS[(found.lastindex or 1) - 1]} {folded[start:]}"
    return folded
