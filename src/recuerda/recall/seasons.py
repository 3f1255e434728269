"""Seasons that a question names: "last summer", "in winter", "el verano pasado", "im Herbst", "l'été dernier".

A season is a time only behind a word that introduces one, before a word such as "pasado", or before a year: a winter
coat is no winter. A season has three whole months. Which months these are depends on the half of the earth, and the
time zone tells it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime, tzinfo

from recuerda.recall.date_words import NUMBERS
from recuerda.recall.further_date_words import count_of
from recuerda.recall.periods import Period

_FIRST_MONTHS = {
    word: month
    for month, words in {
        3: "spring springtime primavera fruhling fruhjahr printemps lente voorjaar",
        6: "summer summertime verano sommer ete estate verao zomer",
        9: "autumn fall otono herbst automne autunno outono herfst najaar",
        12: "winter wintertime invierno hiver inverno",
    }.items()
    for word in words.split()
}
"""Maps the name of a season to its first month in the north."""

_SEASON = "|".join(_FIRST_MONTHS)
_YEAR = r"(?: (?:of |in |de |del |do |van )?((?:19|20)\d\d))?\b"
_INTRODUCED = re.compile(
    r"\b(?:(last|past|previous|letzte[nrms]?|vorige[nrms]?|vergangene[nrms]?|scors[oa]|ultim[oa]|afgelopen)"
    r"|in|during|over|since|this|im|seit|wahrend|diese[nrms]?|en|durante|desde|est[ea]|es[ea]|pendant|durant|"
    r"depuis|cet|ce|"
    r"quest[oa]?|d|no|na|nest[ea]|de|deze|dit|sinds|ao)"
    r"[ '](?:(?:the|el|la|l|der|dem|den|des|le|lo|o|a|de)[ '])?(?:(?:early|late|mid)[ -])?"
    rf"({_SEASON}){_YEAR}"
)
_FOLLOWED = re.compile(
    rf"\b({_SEASON}) (?:pasad[oa]|anterior|derniere?|passee?|precedente?|scors[oa]|passat[oa]|passad[oa])\b"
)
_OF_YEAR = re.compile(rf"\b({_SEASON}) (?:of |de |del |do |van )?((?:19|20)\d\d)\b")
_BY_FIRST_MONTH = {
    3: "весной|wiosna|ilkbaharda|i varas|viime kevaana|прошлой весной|zeszlej wiosny|gecen (?:ilk)?bahar|forra varen",
    6: (
        "летом|latem|yazin|i somras|viime kesana|прошлым летом|zeszlego lata|gecen yaz|forra sommaren"
        "|(?:sidste|forrige) sommer"
    ),
    9: "осенью|jesienia|sonbaharda|i hostas|viime syksyna|прошлой осенью|zeszlej jesieni|gecen sonbahar|forra hosten",
    12: (
        "зимой|zima|kisin|i vintras|viime talvena|прошлой зимой|zeszlej zimy|gecen kis|forra vintern"
        "|(?:sidste|forrige) vinter"
    ),
}
"""Whole expressions for the last season, in languages whose words for a season have many forms."""

_SINGULAR = {
    word: season
    for season, words in {
        "spring": "springs fruhlingen fruhjahren printemps primaveras primavere",
        "summer": "summers sommern etes veranos estati veroes zomers",
        "autumn": "autumns falls herbsten automnes otonos autunni outonos",
        "winter": "winters wintern hivers inviernos inverni invernos",
    }.items()
    for word in words.split()
}
_COUNTED = rf"(\d|{'|'.join(NUMBERS)}) ({'|'.join(_SINGULAR)})"
_AGO = re.compile(rf"\b{_COUNTED} (?:ago|back|fa|atras|geleden)\b|\b(?:vor|hace|il y a|ha) {_COUNTED}\b")
"""Seasons ago, as in "two summers ago"."""

_WHOLE = [(re.compile(rf"\b(?:{words})\b"), month) for month, words in _BY_FIRST_MONTH.items()]
_LAST_YEARS = re.compile(
    r"(?:去年|昨年|작년)[の ]?(?:([春봄])|([夏]|여름)|([秋]|가을)|([冬]|겨울))|"
    r"(?:前年|一昨年|재작년)[の ]?(?:([春봄])|([夏]|여름)|([秋]|가을)|([冬]|겨울))"
)
_BEFORE_LAST = re.compile(
    rf"\b({_SEASON}) (?:before last|antepasad[oa]|retrasad[oa])\b|\b(?:vorletzte[nrs]?|avant-derniere?|"
    rf"penultim[oa]) ({_SEASON})\b"
)
_OVER = re.compile("i |viime|прошл|zeszl|gecen|forra|sidste|forrige")
_NAMES = ("spring", "summer", "autumn", "winter")
_ENGLISH_ESTATE = re.compile(r"\bthe estate\b")
_SOUTHERN_ZONES = re.compile(
    r"Australia/|Antarctica/|Pacific/(?:Auckland|Chatham|Fiji|Tongatapu|Noumea)|Africa/(?:Johannesburg|Harare|Maputo|"
    r"Windhoek|Gaborone|Lusaka)|Indian/(?:Mauritius|Antananarivo|Reunion)|America/(?:Argentina/|Buenos_Aires|Santiago|"
    r"Sao_Paulo|Montevideo|Asuncion|La_Paz|Bahia|Campo_Grande|Cuiaba|Punta_Arenas)"
)


def seasons_of(text: str, now: datetime, years: Collection[int] = ()) -> Iterator[Period]:
    """Yield the start and the end of each season that a folded question names.

    Without a year, it is the last one that has begun. "Last" names one that is over.

    Args:
        text: the folded question.
        now: the time of the question.
        years: the years that the question names.
    """
    text = _ENGLISH_ESTATE.sub(" ", text)
    yield from _counted_back(text, now)
    text = _BEFORE_LAST.sub(" ", text)
    for match in _FOLLOWED.finditer(text):
        yield _newest(match[1], now, is_over=True)
    for match in _INTRODUCED.finditer(_FOLLOWED.sub(" ", text)):
        if match[3] is None and years:
            yield from (_season(match[2], year, now.tzinfo) for year in sorted(years))
        elif match[3] is None:
            yield _newest(match[2], now, is_over=match[1] is not None)
    for pattern, month in _WHOLE:
        if match := pattern.search(text):
            is_over, name = _OVER.match(match[0]) is not None, _NAMES[month // 3 - 1]
            of_years = () if is_over else sorted(years)
            yield from (_season(name, year, now.tzinfo) for year in of_years)
            if not of_years:
                yield _newest(name, now, is_over=is_over)
    for match in _OF_YEAR.finditer(text):
        yield _season(match[1], int(match[2]), now.tzinfo)


def _counted_back(text: str, now: datetime) -> Iterator[Period]:
    """Yield the seasons that are counted from now: "two summers ago", "the summer before last", "去年夏天"."""
    for match in _BEFORE_LAST.finditer(text):
        start, _ = _newest(match[1] or match[2], now, is_over=True)
        yield _season(match[1] or match[2], start.year - 1, now.tzinfo)
    for match in _AGO.finditer(text):
        start, _ = _newest(_SINGULAR[match[2] or match[4]], now, is_over=True)
        years = count_of(match[1] or match[3])
        yield _season(_SINGULAR[match[2] or match[4]], start.year - years + 1, now.tzinfo)
    for match in _LAST_YEARS.finditer(text):
        back, season = divmod((match.lastindex or 1) - 1, len(_NAMES))
        yield _season(_NAMES[season], now.year - 1 - back, now.tzinfo)


def _newest(name: str, now: datetime, *, is_over: bool) -> Period:
    year = now.year
    while (period := _season(name, year, now.tzinfo))[1 if is_over else 0] > now:
        year -= 1
    return period


def _season(name: str, year: int, zone: tzinfo | None) -> Period:
    """Return the season that begins in a year."""
    is_southern = _SOUTHERN_ZONES.match(str(getattr(zone, "key", ""))) is not None
    month = (_FIRST_MONTHS[name] + 6 * is_southern - 1) % 12 + 1
    following = month + 2
    return (
        datetime(year, month, 1, tzinfo=zone),
        datetime(year + following // 12, following % 12 + 1, 1, tzinfo=zone),
    )
