"""The replies: known facts as sentences in the language of the question."""

from __future__ import annotations

import re
from collections.abc import Sequence

from recuerda.offline.facts import Fact, learn
from recuerda.offline.language import Language
from recuerda.offline.sentences import Sentence, fold

_WORD = re.compile(r"\w{3,}")


def answer(asked: Sequence[Sentence], facts: Sequence[Fact], language: Language) -> str:
    """Return the reply to a message, made only from the facts.

    Args:
        asked: the sentences of the message.
        facts: all known facts, including the facts in the message itself.
        language: the language of the reply.
    """
    questions = [sentence.folded for sentence in asked if sentence.is_question]
    found = [_reply(question, facts, language) for question in questions]
    said = [reply for reply in dict.fromkeys(found) if reply is not None]
    if not said and (new := learn(asked)):
        said = [language.noted, *(_sentence(fact, language) for fact in new)]
    if None in found or not said:
        said.append(language.stand_in)
    return " ".join(said)


def _reply(question: str, facts: Sequence[Fact], language: Language) -> str | None:
    if language.everything.search(question):
        return " ".join(_sentence(fact, language) for fact in facts) or language.nothing
    if things := [fact for fact in facts if fact.subject and _names(question, fact)]:
        return " ".join(_sentence(fact, language) for fact in things)
    kinds = [kind for kind, pattern in language.questions.items() if pattern.search(question)]
    if kinds:
        return " ".join(_about(kind, facts, language) for kind in kinds)
    if notes := _notes(question, facts, language):
        return " ".join(_sentence(fact, language) for fact in notes)
    return language.unknown["thing"] + language.unknown_ending if language.thing.search(question) else None


def _about(kind: str, facts: Sequence[Fact], language: Language) -> str:
    known = [_sentence(fact, language) for fact in facts if fact.kind == kind]
    return " ".join(known) or language.unknown[kind] + language.unknown_ending


def _names(question: str, fact: Fact) -> bool:
    """Return whether the question names the thing in a "my …" fact."""
    thing = fact.kind.removeprefix("my ")
    return fact.kind.startswith("my ") and f" {thing} " in f" {_plain(question)} "


def _plain(question: str) -> str:
    return question.replace("colour", "color").replace("favourite", "favorite")


def _notes(question: str, facts: Sequence[Fact], language: Language) -> list[Fact]:
    """Return the notes that contain at least half of the question's words, without the language's common words."""
    words = {word for word in _WORD.findall(question) if word not in language.words}
    notes = [fact for fact in facts if fact.kind == "note"]
    return [fact for fact in notes if words and 2 * len(words & set(_WORD.findall(fold(fact.value)))) >= len(words)]


def _sentence(fact: Fact, language: Language) -> str:
    return f"{fact.subject} {fact.value}." if fact.subject else language.known[fact.kind].format(fact.value)
