"""Messages that look ahead are found by the dates that they mean."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recuerda import ChatMessage
from recuerda.recall import RecallProvider
from recuerda.recall.ahead import ahead_terms, asked_terms
from recuerda.recall.dates import named_times
from recuerda.recall.text import words_of
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.records import to_microseconds
from tests.recall.talking import clock, say

SAID = datetime(2026, 5, 5, 12, tzinfo=UTC)
"""A Tuesday."""

AHEAD: Sequence[tuple[str, Sequence[str]]] = [
    ("Next week I fly to Rome.", ["2026w20"]),
    ("I see the dentist in two weeks.", ["2026w21"]),
    ("I see the dentist three weeks from now.", ["2026w22"]),
    ("On Thursday I have a meeting.", ["20260507"]),
    ("Next Friday is the party.", ["20260508", "20260515"]),
    ("The day after tomorrow we paint.", ["20260507"]),
    ("This weekend we hike.", ["20260509", "20260510"]),
    ("On the 12th we leave.", ["20260512"]),
    ("In a month I start the new job.", ["202606"]),
    ("In 30 days it ends.", ["20260604"]),
    ("Nächste Woche fliege ich.", ["2026w20"]),
    ("Übermorgen ziehen wir um.", ["20260507"]),
    ("Am Donnerstag habe ich einen Termin.", ["20260507"]),
    ("La próxima semana viajo.", ["2026w20"]),
    ("Mañana tengo un examen.", ["20260506"]),
    ("El viernes tengo cita.", ["20260508"]),
    ("La semaine prochaine je pars.", ["2026w20"]),
    ("Dans trois jours on part.", ["20260508"]),
    ("Domani parto.", ["20260506"]),
    ("Na próxima semana viajo.", ["2026w20"]),
    ("Over twee weken verhuizen we.", ["2026w21"]),
    ("Завтра экзамен.", ["20260506"]),
    ("明天我要去看牙医。", ["20260506"]),
]
NOT_AHEAD: Sequence[str] = [
    "On Thursday I went to the zoo.",
    "Last week I flew to Rome.",
    "I read it every Thursday.",
    "In an hour I eat.",
    "I was born in May.",
    "Guten Morgen, ich bin müde.",
    "Esta mañana llovió mucho.",
    "Am Donnerstag war ich im Zoo.",
    "El viernes pasado llegué.",
    "On the 12th of June we leave.",
    "A week is long.",
]


def ahead(text: str, at: datetime = SAID) -> list[str]:
    terms = ahead_terms(text, frozenset(words_of(text)), to_microseconds(at))
    return [term.removeprefix("==on") for term in terms]


@pytest.mark.parametrize(("text", "terms"), AHEAD)
def test_a_time_ahead_is_known_by_its_date(text: str, terms: Sequence[str]) -> None:
    assert ahead(text) == terms


@pytest.mark.parametrize("text", NOT_AHEAD)
def test_other_times_are_not_ahead(text: str) -> None:
    assert ahead(text) == []


def test_a_time_beyond_the_calendar_is_no_date() -> None:
    assert ahead("Tomorrow we paint.", datetime(9999, 12, 31, tzinfo=UTC)) == []


def test_a_question_has_the_day_the_week_and_the_month_of_a_date() -> None:
    now_us = to_microseconds(SAID)
    question = "What is on 12 May 2026?"
    terms = asked_terms(question, frozenset(words_of(question)), named_times(question, now_us), now_us)
    assert terms == ["==on20260512", "==on2026w20", "==on202605"]
    assert asked_terms("What is it?", frozenset(), named_times("What is it?", now_us), now_us) == []


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Next week I fly to Rome.", "What did I do on 12 May?"),
        ("On Thursday I have a job interview.", "What was on May 7?"),
        ("Nächste Woche fliege ich nach Rom.", "Was war am 12. Mai?"),
        ("La semana que viene vuelo a Roma.", "¿Qué hice el 12 de mayo?"),
        ("La semaine prochaine je pars à Rome.", "Qu'est-ce que j'ai fait le 12 mai ?"),
    ],
)
async def test_a_message_is_found_by_the_date_to_which_it_looked_ahead(
    storage: SQLiteStorage, recall: RecallProvider, said: str, asked: str
) -> None:
    for day in (1, 3, 18):
        await say(
            storage, f"noise {day}", ChatMessage("user", "The music plays."), at=datetime(2026, 5, day, tzinfo=UTC)
        )
    await say(storage, "told", ChatMessage("user", said), at=SAID)
    assert [memory.text for memory in await recall.search(asked, limit=1)] == [said]


async def test_a_date_to_come_is_asked_before_it(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "told", ChatMessage("user", "Next week I fly to Rome."), at=datetime(2026, 5, 19, tzinfo=UTC))
    assert [memory.text for memory in await recall.search("What am I doing on 27 May?")] == ["Next week I fly to Rome."]
    assert await recall.search("What am I doing on 27 June?") == []


async def test_a_removed_message_leaves_no_date(storage: SQLiteStorage, index_path: Path) -> None:
    recall = RecallProvider(storage=storage, user_id="ana", clock=clock)
    said = [ChatMessage("user", f"Tomorrow I paint room {number}.") for number in range(300)]
    await say(storage, "told", *said, at=SAID)
    await recall.catch_up()
    await recall.stats()
    with contextlib.closing(sqlite3.connect(index_path)) as plain:
        query = "SELECT count(*) FROM postings WHERE term LIKE '==on%'"
        assert plain.execute(query).fetchone()[0] > 0
        await storage.delete("told")
        await recall.catch_up()
        assert plain.execute(query).fetchone() == (0,)
    await recall.close()
