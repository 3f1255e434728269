"""Memories and facts as a page lists them."""

from __future__ import annotations

import msgspec

from recuerda.recall.explaining import MemoryReport, ScorePart
from recuerda.recall.facts import Fact
from recuerda.recall.memory import Memory
from recuerda.studio.cutting import cut
from recuerda.studio.paths import link

CUT = 2_000
"""The number of characters of a memory that the page shows. The page of the turn shows the rest."""


class MemoryRow(msgspec.Struct, frozen=True, kw_only=True):
    """A memory in a list.

    Attributes:
        text: the beginning of the words.
        left_out: the number of characters that are cut.
        role: "user" or "assistant".
        speaker: the author's name; None if the message has none.
        thread_id: the id of its thread.
        turn: the number of its turn.
        href: the address of the turn.
        forget_href: the address of the form that forgets the turn.
        created_us: the time of the turn, in microseconds since 1970 (UTC).
        corrected_us: the time at which these words replaced the message's own; None for its own words.
        valid_until_us: the time at which these words were replaced; None if they hold.
        score: the score for the query; None in a list without a query.
        relevance: the relevance for the query, from 0 to 1; None without a query.
        parts: the reasons for the score. Their points add up to it.
        place: the place by the score alone, from 1; None without a query.
        reranked: the score of the reranker; None without one.
    """

    text: str
    left_out: int
    role: str
    speaker: str | None
    thread_id: str
    turn: int
    href: str
    forget_href: str
    created_us: int
    corrected_us: int | None
    valid_until_us: int | None
    score: float | None = None
    relevance: float | None = None
    parts: tuple[ScorePart, ...] = ()
    place: int | None = None
    reranked: float | None = None


class FactPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A turn from which a fact comes."""

    thread_id: str
    turn: int
    href: str


class FactRow(msgspec.Struct, frozen=True, kw_only=True):
    """A fact or a correction.

    Attributes:
        id: the number of the fact.
        text: the fact.
        valid_from_us: the time from which it is valid, in microseconds since 1970 (UTC).
        valid_until_us: the time until which it was valid; None while it is valid.
        superseded_by: the number of the fact that replaced it; None while it is valid.
        replaced: the texts of the facts that it replaced.
        corrects: for a correction, the words that it replaced; None for any other fact.
        sources: the turns from which it comes.
    """

    id: int
    text: str
    valid_from_us: int
    valid_until_us: int | None
    superseded_by: int | None
    replaced: tuple[str, ...]
    corrects: str | None
    sources: tuple[FactPlace, ...]


class ForgottenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A range of turns that were forgotten on request."""

    thread_id: str
    first: int
    last: int
    href: str


def memory_row(memory: Memory) -> MemoryRow:
    """Return a memory as an entry of a list."""
    text, left_out = cut(memory.text, CUT)
    return MemoryRow(
        text=text,
        left_out=left_out,
        role=memory.role,
        speaker=memory.speaker,
        thread_id=memory.thread_id,
        turn=memory.turn,
        href=link("threads", memory.thread_id, "turns", memory.turn),
        forget_href=link("threads", memory.thread_id, "forget", turn=memory.turn),
        created_us=memory.created_us,
        corrected_us=memory.corrected_us,
        valid_until_us=memory.valid_until_us,
    )


def reported_row(report: MemoryReport) -> MemoryRow:
    """Return a memory that a search found as an entry of a list, with the reasons for its score."""
    return msgspec.structs.replace(
        memory_row(report.memory),
        score=report.memory.score,
        relevance=report.memory.relevance,
        parts=report.parts,
        place=report.place,
        reranked=report.reranked,
    )


def fact_rows(facts: list[Fact]) -> tuple[FactRow, ...]:
    """Return facts as entries of a list, the newest first."""
    return tuple(_fact_row(fact, facts) for fact in reversed(facts))


def _fact_row(fact: Fact, facts: list[Fact]) -> FactRow:
    places = [(source.thread_id, source.turn) for source in fact.sources]
    return FactRow(
        id=fact.id,
        text=fact.text,
        valid_from_us=fact.valid_from_us,
        valid_until_us=fact.valid_until_us,
        superseded_by=fact.superseded_by,
        replaced=tuple(one.text for one in facts if one.superseded_by == fact.id),
        corrects=fact.corrects,
        sources=tuple(
            FactPlace(thread_id=thread_id, turn=turn, href=link("threads", thread_id, "turns", turn))
            for thread_id, turn in places
        ),
    )
