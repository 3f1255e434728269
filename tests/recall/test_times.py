"""Times of several words: decades, halves, times beside other times, and the day of somebody who is still awake."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from recuerda.recall.dates import named_times
from recuerda.storage.records import to_microseconds
from tests.recall.talking import clock

Day = str


def span(question: str) -> list[tuple[Day, Day]]:
    """Return the first day of each period that a question names on 20 May 2026, and the day after its last one."""
    periods = named_times(question, clock()).periods
    return [(_day(start), _day(end)) for start, end in periods]


def _day(microseconds: int) -> Day:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).date().isoformat()


DECADES = [
    ("in the 90s", (1990, 2000)),
    ("in the 1980s", (1980, 1990)),
    ("in the late nineties", (1996, 2000)),
    ("in the early 2000s", (2000, 2004)),
    ("in den 90ern", (1990, 2000)),
    ("in den neunziger Jahren", (1990, 2000)),
    ("en los años noventa", (1990, 2000)),
    ("en los ochenta", (1980, 1990)),
    ("dans les années 90", (1990, 2000)),
    ("negli anni novanta", (1990, 2000)),
    ("nos anos 90", (1990, 2000)),
    ("in de jaren 90", (1990, 2000)),
    ("в 90-х годах", (1990, 2000)),
    ("w latach 90.", (1990, 2000)),
    ("på 90-talet", (1990, 2000)),
    ("90'larda", (1990, 2000)),
    ("九十年代", (1990, 2000)),
    ("90年代に", (1990, 2000)),
    ("90년대에", (1990, 2000)),
    ("last decade", (2010, 2020)),
]


def test_a_decade_is_a_period() -> None:
    wrong = [
        (question, span(question))
        for question, (first, last) in DECADES
        if span(question) != [(f"{first}-01-01", f"{last}-01-01")]
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "question", ["I am in my 40s", "in the 90s percentile club", "90 guests", "los 90 minutos", "the 2040s", "at 20"]
)
def test_other_tens_are_no_decades(question: str) -> None:
    assert all(int(end[:4]) - int(start[:4]) < 5 for start, end in span(question))


HALVES = [
    ("a year and a half ago", "2024-11-20"),
    ("one and a half years ago", "2024-11-20"),
    ("vor anderthalb Jahren", "2024-11-20"),
    ("vor eineinhalb Jahren", "2024-11-20"),
    ("hace un año y medio", "2024-11-20"),
    ("il y a un an et demi", "2024-11-20"),
    ("un anno e mezzo fa", "2024-11-20"),
    ("há um ano e meio", "2024-11-20"),
    ("anderhalf jaar geleden", "2024-11-20"),
    ("полтора года назад", "2024-11-20"),
    ("półtora roku temu", "2024-11-20"),
    ("för ett och ett halvt år sedan", "2024-11-20"),
    ("bir buçuk yıl önce", "2024-11-20"),
    ("一年半前", "2024-11-20"),
    ("1年半前に", "2024-11-20"),
    ("1년 반 전에", "2024-11-20"),
    ("two and a half years ago", "2023-11-20"),
    ("vor zweieinhalb Jahren", "2023-11-20"),
    ("a month and a half ago", "2026-04-05"),
    ("a week and a half ago", "2026-05-10"),
]


def test_a_time_and_a_half_ago_is_around_that_day() -> None:
    wrong: list[object] = []
    for question, day in HALVES:
        (period,) = span(question)
        if not period[0] < day < period[1]:
            wrong.append((question, period))
    assert wrong == []
    assert (
        span("a decade ago") == span("vor einem Jahrzehnt") == span("hace una década") == [("2014-11-17", "2017-11-21")]
    )


PERIODS = [
    ("this time last year", ("2025-05-05", "2025-06-05")),
    ("letztes Jahr um diese Zeit", ("2025-05-05", "2025-06-05")),
    ("el año pasado por estas fechas", ("2025-05-05", "2025-06-05")),
    ("vorig jaar rond deze tijd", ("2025-05-05", "2025-06-05")),
    ("l'anno scorso in questo periodo", ("2025-05-05", "2025-06-05")),
    ("в прошлом году в это время", ("2025-05-05", "2025-06-05")),
    ("작년 이맘때", ("2025-05-05", "2025-06-05")),
    ("this time last week", ("2026-05-12", "2026-05-15")),
    ("three days before yesterday", ("2026-05-16", "2026-05-17")),
    ("the day before yesterday", ("2026-05-18", "2026-05-19")),
    ("the week after Easter", ("2026-04-06", "2026-04-13")),
    ("in der Woche nach Ostern", ("2026-04-06", "2026-04-13")),
    ("la semaine après Pâques", ("2026-04-06", "2026-04-13")),
    ("de week na Pasen", ("2026-04-06", "2026-04-13")),
    ("the day after Christmas", ("2025-12-26", "2025-12-27")),
    ("two days after Christmas", ("2025-12-27", "2025-12-28")),
    ("due giorni dopo Natale", ("2025-12-27", "2025-12-28")),
    ("la veille de Noël", ("2025-12-24", "2025-12-25")),
    ("the weekend before Easter", ("2026-03-28", "2026-03-30")),
    ("the weekend after Easter", ("2026-04-11", "2026-04-13")),
    ("a week before New Year's Eve", ("2025-12-22", "2025-12-27")),
    ("on the last Friday of April", ("2026-04-24", "2026-04-25")),
    ("am ersten Montag im April", ("2026-04-06", "2026-04-07")),
    ("el primer lunes de abril", ("2026-04-06", "2026-04-07")),
    ("le premier lundi d'avril 2025", ("2025-04-07", "2025-04-08")),
    ("in the last week of April", ("2026-04-24", "2026-05-01")),
    ("in the first week of May", ("2026-05-01", "2026-05-11")),
    ("on the 12th of last month", ("2026-04-12", "2026-04-13")),
    ("am 12. letzten Monats", ("2026-04-12", "2026-04-13")),
    ("el 12 del mes pasado", ("2026-04-12", "2026-04-13")),
    ("上个月12号", ("2026-04-12", "2026-04-13")),
    ("at the end of last week", ("2026-05-14", "2026-05-18")),
    ("earlier this week", ("2026-05-18", "2026-05-21")),
    ("Anfang letzter Woche", ("2026-05-11", "2026-05-14")),
    ("先月の初めに", ("2026-04-01", "2026-04-12")),
    ("지난달 말에", ("2026-04-20", "2026-05-01")),
    ("two summers ago", ("2024-06-01", "2024-09-01")),
    ("vor zwei Sommern", ("2024-06-01", "2024-09-01")),
    ("in the summer of last year", ("2025-06-01", "2025-09-01")),
    ("l'été de l'an dernier", ("2025-06-01", "2025-09-01")),
    ("vorletztes Wochenende", ("2026-05-09", "2026-05-11")),
    ("l'avant-dernier week-end", ("2026-05-09", "2026-05-11")),
    ("上上个周末", ("2026-05-09", "2026-05-11")),
    ("先週末", ("2026-05-16", "2026-05-18")),
    ("geçen hafta sonu", ("2026-05-16", "2026-05-18")),
    ("на прошлых выходных", ("2026-05-16", "2026-05-18")),
    ("на позапрошлой неделе", ("2026-05-04", "2026-05-11")),
    ("in the past month", ("2026-04-20", "2026-05-21")),
    ("in the last twelve months", ("2025-05-20", "2026-05-21")),
    ("in den letzten zwölf Monaten", ("2025-05-20", "2026-05-21")),
    ("en los últimos 12 meses", ("2025-05-20", "2026-05-21")),
    ("negli ultimi 12 mesi", ("2025-05-20", "2026-05-21")),
    ("a year ago today", ("2025-05-18", "2025-05-23")),
    ("heute vor einem Jahr", ("2025-05-18", "2025-05-23")),
    ("in the first half of 2025", ("2025-01-01", "2025-07-01")),
    ("im zweiten Halbjahr 2025", ("2025-07-01", "2026-01-01")),
    ("en el primer semestre de 2025", ("2025-01-01", "2025-07-01")),
    ("the week of May 4", ("2026-05-04", "2026-05-11")),
    ("in der Woche vom 4. Mai", ("2026-05-04", "2026-05-11")),
    ("la semana del 4 de mayo", ("2026-05-04", "2026-05-11")),
    ("at the end of the year", ("2025-10-01", "2026-01-01")),
    ("at the beginning of the month", ("2026-05-01", "2026-05-12")),
    ("a principios de año", ("2026-01-01", "2026-04-01")),
    ("zu Beginn des Jahres", ("2026-01-01", "2026-04-01")),
    ("en début d'année", ("2026-01-01", "2026-04-01")),
    ("all'inizio dell'anno", ("2026-01-01", "2026-04-01")),
    ("в начале года", ("2026-01-01", "2026-04-01")),
    ("na początku roku", ("2026-01-01", "2026-04-01")),
    ("yılın başında", ("2026-01-01", "2026-04-01")),
    ("去年年底", ("2025-10-01", "2026-01-01")),
    ("the summer before last", ("2024-06-01", "2024-09-01")),
    ("el verano antepasado", ("2024-06-01", "2024-09-01")),
    ("前年夏天", ("2024-06-01", "2024-09-01")),
    ("재작년 여름에", ("2024-06-01", "2024-09-01")),
    ("два года назад летом", ("2024-06-01", "2024-09-01")),
    ("between Christmas and New Year", ("2025-12-26", "2026-01-01")),
    ("zwischen den Jahren", ("2025-12-26", "2026-01-01")),
    ("on Boxing Day", ("2025-12-26", "2025-12-27")),
    ("due venerdì fa", ("2026-05-08", "2026-05-09")),
    ("hace dos viernes", ("2026-05-08", "2026-05-09")),
    ("in the last couple of weeks", ("2026-05-06", "2026-05-21")),
]


def test_times_of_several_words_are_periods() -> None:
    assert [(question, span(question)) for question, period in PERIODS if span(question) != [period]] == []


@pytest.mark.parametrize(
    ("question", "year", "month"),
    [
        ("in March two years ago", 2024, 3),
        ("last year in March", 2025, 3),
        ("im März letzten Jahres", 2025, 3),
        ("en marzo del año pasado", 2025, 3),
        ("a marzo dell'anno scorso", 2025, 3),
        ("去年3月", 2025, 3),
        ("去年の3月に", 2025, 3),
        ("in March this year", 2026, 3),
    ],
)
def test_a_month_of_a_year_before_now_has_that_year(question: str, year: int, month: int) -> None:
    named = named_times(question, clock())
    assert (named.years, named.months, named.periods) == ({year}, {month}, ())


def test_holidays_and_quarters_of_last_year_are_those_of_that_year() -> None:
    assert span("at Easter two years ago") == [("2024-03-29", "2024-04-02")]
    assert min(span("in Q3 last year"))[0] == "2025-07-01"
    assert span("last year") == [("2025-01-01", "2026-01-01")]


@pytest.mark.parametrize(
    ("question", "days"),
    [
        ("in mid-March", range(10, 22)),
        ("в середине марта", range(10, 22)),
        ("w połowie marca", range(10, 22)),
        ("i mitten av mars", range(10, 22)),
        ("half maart", range(10, 22)),
        ("mart ortasında", range(10, 22)),
        ("三月中旬", range(10, 22)),
        ("3月末に", range(20, 32)),
        ("3월 초에", range(1, 12)),
        ("в конце марта", range(20, 32)),
    ],
)
def test_a_part_of_a_month_has_its_days(question: str, days: range) -> None:
    named = named_times(question, clock())
    assert (named.months, named.days) == ({3}, set(days))


def test_a_time_beside_a_date_is_a_period_beside_the_parts_of_the_date() -> None:
    named = named_times("the week before 3 August 2025", clock())
    assert (named.years, named.months, named.days) == ({2025}, {8}, {3})
    assert span("the week before 3 August 2025") == [("2025-07-27", "2025-08-03")]
    assert span("the week before we moved") == []


def test_words_of_such_times_alone_are_no_times() -> None:
    for question in (
        "What is the first thing of the day?", "Who came first?", "Where is the second half?",
        "I want my money back", "What time is it?", "Was kommt nach der Pause?", "this one and a half",
        "the late week report", "¿Cómo va el fin?", "Who is in the middle?", "semana de cuatro", "What is its end?",
    ):  # fmt: skip
        assert span(question) == [], question


def test_this_day_begins_with_the_day_before_for_somebody_who_is_still_awake() -> None:
    zone = ZoneInfo("America/Los_Angeles")
    evening = to_microseconds(datetime(2026, 5, 19, 22, tzinfo=zone))
    for hour, is_met in ((1, True), (3, True), (9, False)):
        now = to_microseconds(datetime(2026, 5, 20, hour, tzinfo=zone))
        for question in ("What did I eat today?", "What did I eat this evening?", "¿Qué comí hoy?"):
            assert bool(named_times(question, now, zone).parts_met(evening)) is is_met, (question, hour)
    late = to_microseconds(datetime(2026, 5, 19, 23, 30, tzinfo=zone))
    assert named_times("What did I eat today?", late, zone).parts_met(evening) == 2
    assert named_times("What did I eat yesterday?", late, zone).parts_met(evening) == 0
