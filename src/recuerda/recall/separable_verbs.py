"""Verbs whose prefix stands apart in a sentence: German "Ich rief ihn an" is asked by "Wen habe ich angerufen?".

A message has the verb without its prefix, so a question also looks for that, if no message has the word as it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

PARTED = "+"
"""The first character of a term of a question that stands for a verb without its prefix. No message has it."""

_PREFIXES = {
    language: prefixes.split()
    for language, prefixes in {
        "de": """
            ab an auf aus bei ein fern fest fort frei heim her herunter hin hinaus los mit nach statt teil um vor vorbei
            weg weiter zu zuruck zusammen
        """,
        "nl": "aan af bij door in mee na om op over terug toe uit voor weg",
    }.items()
}
_INFINITIVES = {"de": "zu", "nl": "te"}
_SHORTEST = 4
"""The smallest number of letters of a verb without its prefix."""


def verbs_asked(
    words: Mapping[str, int], languages: Collection[str], stem: Callable[[str, str], str]
) -> dict[str, int]:
    """Return the terms for the verbs of a question without their prefixes, each with the number of its word.

    Args:
        words: the folded words of the question, with their numbers.
        languages: the languages that the question may have; nothing if it does not tell.
        stem: returns the stem of a word in a language.
    """
    return {
        PARTED + stem(rest, language): number
        for language in _PREFIXES.keys() & languages
        for word, number in words.items()
        for prefix in _PREFIXES[language]
        if word.startswith(prefix) and len(rest := _verb(word.removeprefix(prefix), language)) >= _SHORTEST
    }


def _verb(rest: str, language: str) -> str:
    """Return a verb without the particle of an infinitive between it and its prefix: "abzuholen"."""
    particle = _INFINITIVES[language]
    return rest.removeprefix(particle) if rest.endswith("n") else rest
