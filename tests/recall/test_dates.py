"""Times that questions name."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recuerda.recall.dates import named_times
from recuerda.recall.holidays import easter
from recuerda.recall.index import ScopeInfo
from recuerda.recall.question import question_of
from recuerda.storage.records import to_microseconds
from tests.recall.talking import NOW, clock


def span(question: str) -> list[tuple[str, str]]:
    periods = named_times(question, clock()).periods
    return [tuple(datetime.fromtimestamp(at / 1e6, UTC).date().isoformat() for at in period) for period in periods]  # pyright: ignore[reportReturnType] - two each


DAYS = [
    ("between the 3rd and the 7th of May", 5, range(3, 8)),
    ("in the first half of April", 4, range(1, 16)),
    ("in der zweiten Hälfte des Aprils", 4, range(16, 31)),
    ("la segunda quincena de abril", 4, range(16, 31)),
]


@pytest.mark.parametrize(("question", "month", "days"), DAYS)
def test_a_question_names_the_days_of_a_part_of_a_month(question: str, month: int, days: range) -> None:
    named = named_times(question, clock())
    assert named.months == {month}
    starts = [datetime.fromtimestamp(start / 1e6, UTC) for start, _ in named.windows]
    assert sorted(start.day for start in starts) == list(days)


PERIODS = [
    ("since last Monday", ("2026-05-18", "2026-05-21")),
    ("seit letztem Jahr", ("2025-01-01", "2026-05-21")),
    ("depuis la semaine dernière", ("2026-05-11", "2026-05-21")),
    ("desde el mes pasado", ("2026-04-01", "2026-05-21")),
    ("before last Monday", ("1970-01-01", "2026-05-18")),
    ("after last week's party", ("2026-05-18", "2026-05-21")),
    ("am Montagabend", ("2026-05-18", "2026-05-19")),
    ("op vrijdagmiddag", ("2026-05-15", "2026-05-16")),
    ("in der ersten Maiwoche", ("2026-05-01", "2026-05-11")),
    ("vor ein paar Tagen", ("2026-05-17", "2026-05-18")),
    ("hace un par de días", ("2026-05-17", "2026-05-18")),
    ("some days ago", ("2026-05-17", "2026-05-18")),
    ("il y a une dizaine de jours", ("2026-05-10", "2026-05-11")),
    ("two nights ago", ("2026-05-18", "2026-05-19")),
    ("vor zwei Nächten", ("2026-05-18", "2026-05-19")),
    ("hace dos noches", ("2026-05-18", "2026-05-19")),
    ("il y a deux nuits", ("2026-05-18", "2026-05-19")),
    ("on Good Friday", ("2026-04-03", "2026-04-04")),
    ("Viernes Santo", ("2026-04-03", "2026-04-04")),
    ("am Ostermontag", ("2026-04-06", "2026-04-07")),
    ("an Pfingsten", ("2025-06-08", "2025-06-10")),
    ("at Thanksgiving", ("2025-11-27", "2025-11-28")),
    ("on Mother's Day", ("2026-05-10", "2026-05-11")),
    ("What did I do yesterday?", ("2026-05-19", "2026-05-20")),
    ("¿Qué hice ayer?", ("2026-05-19", "2026-05-20")),
    ("hoy", ("2026-05-20", "2026-05-21")),
    ("What happened two days ago?", ("2026-05-18", "2026-05-19")),
    ("last week", ("2026-05-11", "2026-05-18")),
    ("the week before last", ("2026-05-04", "2026-05-11")),
    ("the month before last", ("2026-03-01", "2026-04-01")),
    ("la semana antepasada", ("2026-05-04", "2026-05-11")),
    ("vorletzte Woche", ("2026-05-04", "2026-05-11")),
    ("on the 8th?", ("2026-05-08", "2026-05-09")),
    ("on the 21st", ("2026-04-21", "2026-04-22")),
    ("el día 8", ("2026-05-08", "2026-05-09")),
    ("last summer", ("2025-06-01", "2025-09-01")),
    ("last spring", ("2025-03-01", "2025-06-01")),
    ("this spring", ("2026-03-01", "2026-06-01")),
    ("in winter", ("2025-12-01", "2026-03-01")),
    ("during the fall", ("2025-09-01", "2025-12-01")),
    ("in the summer of 2023", ("2023-06-01", "2023-09-01")),
    ("el verano pasado", ("2025-06-01", "2025-09-01")),
    ("en otoño", ("2025-09-01", "2025-12-01")),
    ("letzten Sommer", ("2025-06-01", "2025-09-01")),
    ("im Winter", ("2025-12-01", "2026-03-01")),
    ("l'été dernier", ("2025-06-01", "2025-09-01")),
    ("en hiver", ("2025-12-01", "2026-03-01")),
    ("l'estate scorsa", ("2025-06-01", "2025-09-01")),
    ("no verão passado", ("2025-06-01", "2025-09-01")),
    ("afgelopen zomer", ("2025-06-01", "2025-09-01")),
    ("en été dernier", ("2025-06-01", "2025-09-01")),
    ("прошлым летом", ("2025-06-01", "2025-09-01")),
    ("geçen yaz", ("2025-06-01", "2025-09-01")),
    ("i somras", ("2025-06-01", "2025-09-01")),
    ("zeszłej zimy", ("2025-12-01", "2026-03-01")),
    ("去年夏天", ("2025-06-01", "2025-09-01")),
    ("작년 겨울", ("2025-12-01", "2026-03-01")),
    ("на прошлой неделе", ("2026-05-11", "2026-05-18")),
    ("w zeszłym tygodniu", ("2026-05-11", "2026-05-18")),
    ("geçen hafta", ("2026-05-11", "2026-05-18")),
    ("förra veckan", ("2026-05-11", "2026-05-18")),
    ("sidste uge", ("2026-05-11", "2026-05-18")),
    ("viime viikolla", ("2026-05-11", "2026-05-18")),
    ("上个星期", ("2026-05-11", "2026-05-18")),
    ("先週", ("2026-05-11", "2026-05-18")),
    ("지난주", ("2026-05-11", "2026-05-18")),
    ("الأسبوع الماضي", ("2026-05-11", "2026-05-18")),
    ("в прошлом месяце", ("2026-04-01", "2026-05-01")),
    ("上个月", ("2026-04-01", "2026-05-01")),
    ("先月", ("2026-04-01", "2026-05-01")),
    ("geçen yıl", ("2025-01-01", "2026-01-01")),
    ("去年", ("2025-01-01", "2026-01-01")),
    ("작년", ("2025-01-01", "2026-01-01")),
    ("förra året", ("2025-01-01", "2026-01-01")),
    ("bu hafta", ("2026-05-18", "2026-05-25")),
    ("at Christmas", ("2025-12-24", "2025-12-27")),
    ("on Christmas Eve", ("2025-12-24", "2025-12-25")),
    ("zu Weihnachten 2023", ("2023-12-24", "2023-12-27")),
    ("en Nochevieja", ("2025-12-31", "2026-01-02")),
    ("on Valentine's Day", ("2026-02-14", "2026-02-15")),
    ("an Ostern", ("2026-04-03", "2026-04-07")),
    ("at Easter 2024", ("2024-03-29", "2024-04-02")),
    ("am 6.5.", ("2026-05-06", "2026-05-07")),
    ("vom 6. 9.", ("2025-09-06", "2025-09-07")),
    ("6.9.2024", ("2024-09-06", "2024-09-07")),
    ("el 9/6", ("2025-06-09", "2025-06-10")),
    ("on 25/12/2024", ("2024-12-25", "2024-12-26")),
    ("on 12/25", ("2025-12-25", "2025-12-26")),
    ("le 6/5/25", ("2025-05-06", "2025-05-07")),
    ("la semana pasada", ("2026-05-11", "2026-05-18")),
    ("el mes pasado", ("2026-04-01", "2026-05-01")),
    ("last year", ("2025-01-01", "2026-01-01")),
    ("el año pasado", ("2025-01-01", "2026-01-01")),
    ("this week", ("2026-05-18", "2026-05-25")),
    ("this month", ("2026-05-01", "2026-06-01")),
    ("the day before yesterday", ("2026-05-18", "2026-05-19")),
    ("anteayer", ("2026-05-18", "2026-05-19")),
    ("last Monday", ("2026-05-18", "2026-05-19")),
    ("el lunes pasado", ("2026-05-18", "2026-05-19")),
    ("last Wednesday", ("2026-05-13", "2026-05-14")),
    ("on Friday", ("2026-05-15", "2026-05-16")),
    ("el viernes", ("2026-05-15", "2026-05-16")),
    ("last weekend", ("2026-05-16", "2026-05-18")),
    ("el fin de semana", ("2026-05-16", "2026-05-18")),
    ("last night", ("2026-05-19", "2026-05-20")),
    ("anoche", ("2026-05-19", "2026-05-20")),
    ("on May 8th", ("2026-05-08", "2026-05-09")),
    ("el 8 de mayo", ("2026-05-08", "2026-05-09")),
    ("in March", ("2026-03-01", "2026-04-01")),
    ("on 24 December", ("2025-12-24", "2025-12-25")),
    ("on 29 February", ("2024-02-29", "2024-03-01")),
    ("999 years ago", ("1970-01-01", "1970-01-01")),
    ("Was habe ich gestern gekauft?", ("2026-05-19", "2026-05-20")),
    ("vorgestern", ("2026-05-18", "2026-05-19")),
    ("gestern Abend", ("2026-05-19", "2026-05-20")),
    ("letzte Woche", ("2026-05-11", "2026-05-18")),
    ("letzten Monat", ("2026-04-01", "2026-05-01")),
    ("vor zwei Tagen", ("2026-05-18", "2026-05-19")),
    ("am Freitag", ("2026-05-15", "2026-05-16")),
    ("am 8. Mai", ("2026-05-08", "2026-05-09")),
    ("im März", ("2026-03-01", "2026-04-01")),
    ("letztes Wochenende", ("2026-05-16", "2026-05-18")),
    ("Qu'est-ce que j'ai fait hier ?", ("2026-05-19", "2026-05-20")),
    ("avant-hier", ("2026-05-18", "2026-05-19")),
    ("hier soir", ("2026-05-19", "2026-05-20")),
    ("la semaine dernière", ("2026-05-11", "2026-05-18")),
    ("l'année dernière", ("2025-01-01", "2026-01-01")),
    ("il y a deux jours", ("2026-05-18", "2026-05-19")),
    ("le 8 mai", ("2026-05-08", "2026-05-09")),
    ("vendredi", ("2026-05-15", "2026-05-16")),
    ("ieri", ("2026-05-19", "2026-05-20")),
    ("l'altro ieri", ("2026-05-18", "2026-05-19")),
    ("la settimana scorsa", ("2026-05-11", "2026-05-18")),
    ("lo scorso mese", ("2026-04-01", "2026-05-01")),
    ("due giorni fa", ("2026-05-18", "2026-05-19")),
    ("l'8 maggio", ("2026-05-08", "2026-05-09")),
    ("venerdì", ("2026-05-15", "2026-05-16")),
    ("ontem", ("2026-05-19", "2026-05-20")),
    ("anteontem", ("2026-05-18", "2026-05-19")),
    ("na semana passada", ("2026-05-11", "2026-05-18")),
    ("no mês passado", ("2026-04-01", "2026-05-01")),
    ("há dois dias", ("2026-05-18", "2026-05-19")),
    ("na sexta-feira", ("2026-05-15", "2026-05-16")),
    ("na sexta", ("2026-05-15", "2026-05-16")),
    ("em março", ("2026-03-01", "2026-04-01")),
    ("no dia 8 de maio", ("2026-05-08", "2026-05-09")),
    ("gisteren", ("2026-05-19", "2026-05-20")),
    ("vorige week", ("2026-05-11", "2026-05-18")),
    ("twee dagen geleden", ("2026-05-18", "2026-05-19")),
    ("вчера", ("2026-05-19", "2026-05-20")),
    ("8 мая", ("2026-05-08", "2026-05-09")),
    ("昨天我买了什么", ("2026-05-19", "2026-05-20")),
    ("어제 뭐 샀어?", ("2026-05-19", "2026-05-20")),
    ("What did I eat ten days ago?", ("2026-05-10", "2026-05-11")),
    ("¿Qué comí hace diez días?", ("2026-05-10", "2026-05-11")),
    ("Was war vor zwölf Tagen?", ("2026-05-08", "2026-05-09")),
    ("Il y a quinze jours ?", ("2026-05-05", "2026-05-06")),
    ("What did I do last Mon?", ("2026-05-18", "2026-05-19")),
    ("on sat", ("2026-05-16", "2026-05-17")),
    ("the Friday before last", ("2026-05-08", "2026-05-09")),
    ("on the thirteenth of May", ("2026-05-13", "2026-05-14")),
    ("on May the 13th", ("2026-05-13", "2026-05-14")),
    ("on May twenty-first", ("2025-05-21", "2025-05-22")),
    ("in the last seven days", ("2026-05-13", "2026-05-21")),
    ("in the last 48 hours", ("2026-05-18", "2026-05-21")),
    ("in den letzten drei Wochen", ("2026-04-29", "2026-05-21")),
    ("since Sunday", ("2026-05-17", "2026-05-21")),
    ("since March 2025", ("2025-03-01", "2026-05-21")),
    ("desde 2024", ("2024-01-01", "2026-05-21")),
    ("before March 2026", ("1970-01-01", "2026-03-01")),
    ("What did I do before Friday?", ("1970-01-01", "2026-05-15")),
    ("vor dem 3. März 2026", ("1970-01-01", "2026-03-03")),
    ("antes de mayo", ("1970-01-01", "2026-05-01")),
    ("avant le 3 mars", ("1970-01-01", "2026-03-03")),
    ("bis März", ("1970-01-01", "2026-04-01")),
    ("until 3 April", ("1970-01-01", "2026-04-04")),
    ("after March 2026", ("2026-04-01", "2026-05-21")),
    ("vor drei Tagen", ("2026-05-17", "2026-05-18")),
    ("on Tuesday of last week", ("2026-05-12", "2026-05-13")),
    ("letzte Woche Dienstag", ("2026-05-12", "2026-05-13")),
    ("el martes de la semana pasada", ("2026-05-12", "2026-05-13")),
    ("a week ago on Tuesday", ("2026-05-12", "2026-05-13")),
    ("two Fridays ago", ("2026-05-08", "2026-05-09")),
    ("vorletzten Montag", ("2026-05-11", "2026-05-12")),
    ("at the beginning of last month", ("2026-04-01", "2026-04-12")),
    ("Ende letzten Jahres", ("2025-10-01", "2026-01-01")),
    ("上上周", ("2026-05-04", "2026-05-11")),
    ("先々週", ("2026-05-04", "2026-05-11")),
    ("지지난주", ("2026-05-04", "2026-05-11")),
    ("a week ago", ("2026-05-11", "2026-05-15")),
    ("el fin de semana pasado", ("2026-05-16", "2026-05-18")),
    ("antes de ayer", ("2026-05-18", "2026-05-19")),
    ("at New Year", ("2026-01-01", "2026-01-02")),
    ("w marcu", ("2026-03-01", "2026-04-01")),
    ("maaliskuussa", ("2026-03-01", "2026-04-01")),
    ("τον Μάρτιο", ("2026-03-01", "2026-04-01")),
    ("у березні", ("2026-03-01", "2026-04-01")),
    ("في مارس", ("2026-03-01", "2026-04-01")),
    ("Mart ayında", ("2026-03-01", "2026-04-01")),
    ("3月に", ("2026-03-01", "2026-04-01")),
    ("三月我做了什么", ("2026-03-01", "2026-04-01")),
    ("5月13日に", ("2026-05-13", "2026-05-14")),
    ("5월 13일에", ("2026-05-13", "2026-05-14")),
    ("tháng 3", ("2026-03-01", "2026-04-01")),
    ("金曜日に", ("2026-05-15", "2026-05-16")),
    ("금요일에", ("2026-05-15", "2026-05-16")),
    ("i fredags", ("2026-05-15", "2026-05-16")),
    ("geçen cuma", ("2026-05-15", "2026-05-16")),
    ("i går", ("2026-05-19", "2026-05-20")),
    ("včera", ("2026-05-19", "2026-05-20")),
    ("χθες", ("2026-05-19", "2026-05-20")),
    ("hôm qua", ("2026-05-19", "2026-05-20")),
    ("i förrgår", ("2026-05-18", "2026-05-19")),
    ("三天前", ("2026-05-17", "2026-05-18")),
    ("사흘 전", ("2026-05-17", "2026-05-18")),
    ("dwa dni temu", ("2026-05-18", "2026-05-19")),
    ("för två dagar sedan", ("2026-05-18", "2026-05-19")),
    ("What happened in the last fortnight?", ("2026-05-06", "2026-05-20")),
]


def test_relative_times_are_periods() -> None:
    assert [(question, span(question)) for question, period in PERIODS if span(question) != [period]] == []


@pytest.mark.parametrize(
    ("question", "years", "months", "days"),
    [
        ("on 8 May 2023", {2023}, {5}, {8}),
        ("on May 8th, 2023", {2023}, {5}, {8}),
        ("el 8 de mayo de 2023", {2023}, {5}, {8}),
        ("2023-05-08", {2023}, {5}, {8}),
        ("in March", set[int](), {3}, set[int]()),
        ("on the 3rd and the 9th of June 2023", {2023}, {6}, {3, 9}),
        ("June 3rd and 9th, 2023", {2023}, {6}, {3, 9}),
        ("el 3 y el 9 de junio", set[int](), {6}, {3, 9}),
        ("from 3 to 6 June", set[int](), {6}, {3, 4, 5, 6}),
        ("del 3 al 5 de junio", set[int](), {6}, {3, 4, 5}),
        ("I bought 3 tickets in June", set[int](), {6}, set[int]()),
        ("in 2022", {2022}, set[int](), set[int]()),
        ("at the beginning of June", set[int](), {6}, set(range(1, 12))),
        ("in mid-June", set[int](), {6}, set(range(10, 22))),
        ("a finales de junio", set[int](), {6}, set(range(20, 32))),
        ("Ende Juni", set[int](), {6}, set(range(20, 32))),
        ("en enero", set[int](), {1}, set[int]()),
        ("between 3 and 6 June", set[int](), {6}, {3, 4, 5, 6}),
        ("from June 3 to June 6", set[int](), {6}, {3, 4, 5, 6}),
        ("on the ninth of June 2023", {2023}, {6}, {9}),
        ("in '22", {2022}, set[int](), set[int]()),
        ("2025年3月", {2025}, {3}, set[int]()),
        ("What may I eat?", set[int](), set[int](), set[int]()),
        ("Did they march?", set[int](), set[int](), set[int]()),
        ("room 1204", set[int](), set[int](), set[int]()),
    ],
)
def test_named_dates_have_parts(question: str, years: set[int], months: set[int], days: set[int]) -> None:
    named = named_times(question, clock())
    assert (named.years, named.months, named.days) == (years, months, days)


@pytest.mark.parametrize(
    "question", ["from March to May", "between March and May", "von März bis Mai", "de marzo a mayo"]
)
def test_a_range_of_months_has_the_months_between_its_ends(question: str) -> None:
    assert named_times(question, clock()).months == {3, 4, 5}


@pytest.mark.parametrize("question", ["the week before 3 August 2025", "two days after August 3, 2025"])
def test_a_time_near_a_date_has_the_parts_of_the_date(question: str) -> None:
    named = named_times(question, clock())
    assert (named.years, named.months, named.days) == ({2025}, {8}, {3})


@pytest.mark.parametrize("question", ["recently", "the other day", "neulich", "hace poco"])
def test_a_later_time_is_more_recent(question: str) -> None:
    named = named_times(question, clock())
    met = [named.parts_met(clock() - days * 86_400_000_000) for days in (0, 3, 12, 20)]
    assert 2 >= met[0] > met[1] > met[2] >= 1
    assert met[3] == 0
    assert named.windows == (named.recent,)


def test_weeks_and_months_ago_are_also_those_of_the_calendar() -> None:
    assert span("hace 3 semanas") == [("2026-04-27", "2026-05-01"), ("2026-04-27", "2026-05-04")]
    assert span("two months ago") == [("2026-03-05", "2026-04-04"), ("2026-03-01", "2026-04-01")]
    assert span("месяц назад") == [("2026-04-05", "2026-05-05"), ("2026-04-01", "2026-05-01")]
    assert span("两个月前") == span("두 달 전") == span("iki ay önce") == span("two months ago")
    assert span("a few months ago") == [("2026-02-03", "2026-03-05")]


@pytest.mark.parametrize(
    ("question", "first"),
    [
        ("in Q1", "2026-01-01"),
        ("in Q4 2024", "2024-10-01"),
        ("in Q4", "2025-10-01"),
        ("last quarter", "2026-01-01"),
        ("this quarter", "2026-04-01"),
        ("im letzten Quartal", "2026-01-01"),
        ("el trimestre pasado", "2026-01-01"),
        ("in the third quarter of 2025", "2025-07-01"),
    ],
)
def test_a_quarter_has_three_months(question: str, first: str) -> None:
    months = span(question)
    assert (len(months), min(months)[0]) == (3, first)


def test_a_year_is_a_period_if_the_question_asks_for_anything_of_it() -> None:
    info = ScopeInfo(documents=1, mean_size=1.0, speakers=())
    whole = tuple(to_microseconds(datetime(at, 1, 1, tzinfo=UTC)) for at in (2024, 2025))
    for question in ("What did I do in 2024?", "What happened back in 2024?", "Was habe ich 2024 gemacht?"):
        assert question_of(question, info, clock()).times.windows == (whole,)
    assert question_of("Which boat did I sail in 2024?", info, clock()).times.windows == ()


def test_a_word_for_a_time_in_another_language_is_no_time() -> None:
    assert span("Was habe ich hier gekauft?") == []
    assert span("Wat heb ik hier gekocht?") == []
    assert span("Wo ist Marco?") == []
    assert span("Who is Mai?") == []


def test_a_date_in_numbers_is_read_both_ways_in_english_only() -> None:
    assert span("What did I eat on 9/6?") == [("2025-06-09", "2025-06-10"), ("2025-09-06", "2025-09-07")]
    assert span("¿Qué comí el 9/6?") == [("2025-06-09", "2025-06-10")]


def test_other_numbers_and_seasons_without_a_time_are_no_periods() -> None:
    for question in (
        "Where is 1/2 cup of sugar?", "Is it open 24/7?", "We run 2.14.3.", "Version 6.9.", "on 13/32", "192.168.0.17",
        "Where is my winter coat?", "next Christmas", "Who manages the estate?", "Did he fall?", "Où ai-je été ?",
        "next summer",
    ):  # fmt: skip
        assert span(question) == [], question


def test_a_part_of_a_year_has_its_months() -> None:
    assert span("in early 2025") == [
        ("2025-01-01", "2025-02-01"),
        ("2025-02-01", "2025-03-01"),
        ("2025-03-01", "2025-04-01"),
    ]
    assert span("Ende 2025")[-1] == ("2025-12-01", "2026-01-01")


@pytest.mark.parametrize(
    ("year", "sunday"), [(2000, "04-23"), (2008, "03-23"), (2024, "03-31"), (2025, "04-20"), (2038, "04-25")]
)
def test_easter_has_the_date_of_the_calendar(year: int, sunday: str) -> None:
    assert easter(year).isoformat() == f"{year}-{sunday}"


def test_a_season_in_the_south_has_the_months_of_the_south() -> None:
    zone = ZoneInfo("Australia/Sydney")
    ((start, end),) = named_times("last summer", clock(), zone).periods
    assert datetime.fromtimestamp(start / 1e6, zone) == datetime(2025, 12, 1, tzinfo=zone)
    assert datetime.fromtimestamp(end / 1e6, zone) == datetime(2026, 3, 1, tzinfo=zone)


def test_what_lies_ahead_is_no_period() -> None:
    assert span("Was mache ich nächsten Freitag?") == []
    assert span("vendredi prochain") == []
    assert span("What do I do next Friday?") == []
    assert span("What do I do every Monday?") == []


def test_days_begin_at_midnight_in_the_time_zone_of_the_asker() -> None:
    zone = ZoneInfo("America/Los_Angeles")
    evening = datetime(2026, 5, 18, 21, tzinfo=zone)
    named = named_times("What did I do yesterday?", to_microseconds(datetime(2026, 5, 19, 18, tzinfo=zone)), zone)
    assert named.parts_met(to_microseconds(evening)) == 2
    assert named.parts_met(to_microseconds(evening + timedelta(hours=4))) == 0
    assert named_times("on 18 May 2026", clock(), zone).parts_met(to_microseconds(evening)) == 3


def test_parts_of_a_date_are_counted() -> None:
    named = named_times("on 8 May 2023", clock())
    day = datetime(2023, 5, 8, 13, tzinfo=UTC)
    assert named.parts_met(to_microseconds(day)) == 3
    assert named.parts_met(to_microseconds(day.replace(day=9))) == 2
    assert named.parts_met(to_microseconds(NOW)) == 1
    assert named.windows == (
        (to_microseconds(datetime(2023, 5, 8, tzinfo=UTC)), to_microseconds(datetime(2023, 5, 9, tzinfo=UTC))),
    )


def test_a_month_of_a_named_year_ends_with_its_last_day() -> None:
    assert named_times("in February 2023", clock()).windows == (
        (to_microseconds(datetime(2023, 2, 1, tzinfo=UTC)), to_microseconds(datetime(2023, 3, 1, tzinfo=UTC))),
    )


@given(st.text(alphabet="0123456789 -adhmsy", max_size=40))
def test_any_question_names_times_that_can_be_compared(question: str) -> None:
    named = named_times(question, clock())
    assert all(start <= end for start, end in named.windows)
