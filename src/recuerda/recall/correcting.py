"""Corrected memories: a search returns the words of a correction in place of the words of the message.

The message stays in its thread and in the index, so what is found by its old words is answered with the new ones. The
new words are found, too: each correction is ranked like a message that says them. Messages that say the same were one
memory in a search, so a correction holds for all of them that were said before it, also for copies in a fork.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from msgspec import structs

from recuerda.recall.facts import Fact
from recuerda.recall.following import new_document
from recuerda.recall.index import THREAD_BITS, Candidate, Candidates, Correction, Document, NewDocument
from recuerda.recall.memory import Memory, memory_of
from recuerda.recall.text import terms_of

COMPARED_CHARACTERS = 1_000
"""The largest number of characters of messages whose words are compared."""

_Saying: TypeAlias = tuple[str, frozenset[str]]


class Corrections:
    """The corrections of the messages among which a search looks.

    Args:
        found: the corrections, the oldest first.
    """

    def __init__(self, found: Sequence[Correction] = ()) -> None:
        self._of_saying: dict[_Saying, list[Correction]] = {}
        for correction in found:
            message = correction.message
            self._of_saying.setdefault(saying(message.role, message.speaker, message.text), []).append(correction)
        valid = (correction for correction in found if correction.fact.superseded_by is None)
        self._of_key = {-number << THREAD_BITS: correction for number, correction in enumerate(valid, 1)}

    @property
    def texts(self) -> list[str]:
        """The right words of the corrections that are valid."""
        return [correction.fact.text for correction in self._of_key.values()]

    def added_to(
        self, candidates: Candidates, terms: Iterable[str], similarities: Mapping[str, float] | None = None
    ) -> Candidates:
        """Return candidates together with one candidate for each correction. The keys of corrections are negative.

        Args:
            candidates: the candidates of a search.
            terms: the terms of the query.
            similarities: the similarities of the right words, by the words; None for a search by words only.
        """
        if not self._of_key:
            return candidates
        wanted = frozenset(terms)
        frequencies = Counter(candidates.frequencies)
        found = dict(candidates.found)
        threads = dict(candidates.threads)
        for key, correction in self._of_key.items():
            new = new_document(_corrected(correction))
            found[key] = candidate = _candidate(key, new, wanted, (similarities or {}).get(correction.fact.text))
            frequencies.update(candidate.matches.keys())
            threads[key >> THREAD_BITS] = new.document.thread_id
        return Candidates(found=found, frequencies=frequencies, threads=threads)

    def memories(
        self, key: int, document: Document | None, score: float, *, has_history: bool, has_substitutes: bool = True
    ) -> list[Memory]:
        """Return what a search returns for a document: its own words, or the words that replace them, if any hold.

        Args:
            key: the key of the document, or of a correction.
            document: the document; None if it is gone, and for the key of a correction.
            score: the score of the memories.
            has_history: True also returns words that were replaced, after the words that hold.
            has_substitutes: False returns the words of a correction only for the key of the correction.
        """
        if (correction := self._of_key.get(key)) is not None:
            message = correction.message
        elif document is not None:
            message = document
        else:
            return []
        chain = self._chain(message)
        if not chain:
            return [memory_of(message, score)]
        held = [_memory(one, score) for one in reversed(chain) if has_history or one.fact.superseded_by is None]
        if key >= 0 and not has_substitutes:
            held = []
        own = structs.replace(memory_of(message, score), valid_until_us=chain[0].fact.valid_from_us)
        return [*held, own] if has_history else held

    def _chain(self, message: Document) -> list[Correction]:
        chain = self._of_saying.get(saying(message.role, message.speaker, message.text), []) if self._of_saying else []
        return [one for one in chain if one.fact.valid_from_us >= message.created_us or _is_of(one.message, message)]


def saying(role: str, speaker: str | None, text: str) -> _Saying:
    """Return the words of a message and who says them, whatever their order and their case.

    Long messages must be equal, because comparing their words would take too long.
    """
    terms = terms_of(text).counts if len(text) <= COMPARED_CHARACTERS else ()
    return speaker or role, frozenset(terms or [text])


def quoted_facts(facts: Sequence[Fact]) -> list[Fact]:
    """Return facts without corrections of messages, which are quoted like messages."""
    return [fact for fact in facts if fact.corrects is None]


def _is_of(corrected: Document, message: Document) -> bool:
    """Return True if a message is the corrected one or its copy in a fork, in which turns keep their ids."""
    return (corrected.turn_id, corrected.position) == (message.turn_id, message.position)


def _corrected(correction: Correction) -> Document:
    """Return a message as if it had been said with other words, at the time of its correction."""
    fact = correction.fact
    return structs.replace(correction.message, text=fact.text, created_us=fact.valid_from_us)


def _candidate(key: int, new: NewDocument, wanted: frozenset[str], similarity: float | None) -> Candidate:
    of = new.document
    matches = {term: new.terms[term] for term in wanted & new.terms.keys()}
    return Candidate(key, of.turn, of.role, of.speaker, of.created_us, new.traits, new.size, matches, similarity)


def _memory(correction: Correction, score: float) -> Memory:
    fact = correction.fact
    return structs.replace(
        memory_of(correction.message, score),
        text=fact.text,
        corrected_us=fact.valid_from_us,
        valid_until_us=fact.valid_until_us,
    )
