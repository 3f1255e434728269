"""Dates in other forms, rewritten in the forms that `dates.py` reads.

"Friday" is also "Fri", "金曜日" and "금요일", and "13 May" is "May the thirteenth", "5月13日" and "5월 13일". The
rewritten text is only read for its times, so the words around them may change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TypeAlias

from recuerda.recall.date_words import WEEKDAYS

_Rewrite: TypeAlias = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

_MONTH_NAMES = "january february march april may june july august september october november december"
_MONTHS = _MONTH_NAMES.split()
_WEEKDAY_NAMES = "monday tuesday wednesday thursday friday saturday sunday"
_WEEKDAYS = _WEEKDAY_NAMES.split()
_UNITS = {
    "天": "days", "日": "days", "일": "days", "周": "weeks", "週": "weeks", "星期": "weeks", "週間": "weeks",
    "주": "weeks", "주일": "weeks", "月": "months", "달": "months", "개월": "months", "年": "years", "년": "years",
}  # fmt: skip
_HAN_DIGITS = {char: number for number, char in enumerate("一二三四五六七八九", 1)} | {"两": 2, "兩": 2}
_KOREAN_NUMBERS = {"한": 1, "두": 2, "세": 3, "네": 4, "다섯": 5, "여섯": 6}
_KOREAN_DAYS = {"하루": 1, "이틀": 2, "사흘": 3}
_VIETNAMESE = "mot|gieng|hai|ba|tu|nam|sau|bay|tam|chin|muoi mot|muoi hai|muoi|chap"
_VIETNAMESE_MONTHS = {
    "mot": 1, "gieng": 1, "hai": 2, "ba": 3, "tu": 4, "nam": 5, "sau": 6, "bay": 7, "tam": 8, "chin": 9, "muoi": 10,
    "muoi mot": 11, "muoi hai": 12, "chap": 12,
}  # fmt: skip
_ENGLISH_ORDINALS = """
    first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
    sixteenth seventeenth eighteenth nineteenth twentieth
"""
_GERMAN_ORDINALS = """
    ersten zweiten dritten vierten funften sechsten siebten achten neunten zehnten elften zwolften dreizehnten
    vierzehnten funfzehnten sechzehnten siebzehnten achtzehnten neunzehnten zwanzigsten
"""
ORDINALS = {word: at for words in (_ENGLISH_ORDINALS, _GERMAN_ORDINALS) for at, word in enumerate(words.split(), 1)} | {
    "thirtieth": 30,
    "primero": 1,
    "premier": 1,
    "primo": 1,
    "primeiro": 1,
}
"""Maps the ordinal of a day to its number."""
_TENS = {"twenty": 20, "thirty": 30}
_ORDINAL = "|".join(ORDINALS)
_MONTH = (
    r"(?:jan|feb|fevr|fev|mar|apr|abr|avr|may|mai|maggio|jun|juin|giu|jul|juil|lug|aug|ago|aout|sep|set|oct|okt|out|"
    r"ott|nov|dec|dez|dic|ener|genn)\w*"
)
_DAY_NAMES = {name[:size]: name for name in _WEEKDAYS for size in (3, 4)} | {"thurs": "thursday"}
_SHORT_DAY = "|".join(sorted(_DAY_NAMES, key=len, reverse=True))
_GERMANIC_DAYS = "|".join(name for name in WEEKDAYS if name.endswith(("tag", "woch", "dag")))
_DAYS_WITH_PARTS = rf"\b({_GERMANIC_DAYS})(?:morgen|vormittag|mittag|nachmittag|abend|nacht|ochtend|middag|avond)s?\b"
"""A weekday with a part of the day in one word: "Montagabend"."""
_WEEK_OF_MONTH = (
    r"\b(ersten|zweiten|dritten|vierten|letzten) (januar|februar|marz|april|mai|juni|juli|august|\w+ber)woche\b"
)
_HALF = r"(?:half|halfte|mitad|quincena|moitie|quinzaine|meta|metade|helft)"
_HALF_OF_MONTH = (
    r"\b(?:(first|ersten|primera|premiere|prima|primeira|eerste)|(?:second|zweiten|segunda|deuxieme|seconda|tweede)) "
    rf"{_HALF} (?:of|des|de|d'|di|do|van|im) ?({_MONTH})"
)
_VAGUE = r"\b(?:(?:ein|een) (paar)\b|(un) par de\b|(some) (?=(?:day|week|month|year)s ago\b))"
_NIGHTS_AGO = r"\bnights?(?= ago\b)|\b((?:vor|hace|ha|il y a) \w+) (nachten|noches|nuits|noites)\b"
_DAYS = {"nachten": "tagen", "noches": "dias", "nuits": "jours", "noites": "dias"}
_REWRITABLE = re.compile(
    rf"\d|\b(?:{_ORDINAL}|{_SHORT_DAY})\b|\b(?:thang|ayinda|ayin)\b|\byilin\b|\bthe (?:past|last)\b|hafta sonu|"
    rf"helgen|выходны|{_DAYS_WITH_PARTS}|{_WEEK_OF_MONTH}|{_HALF_OF_MONTH}|{_VAGUE}|{_NIGHTS_AGO}"
)
"""What every date that is rewritten has."""
_NUMBER = "[0-9]{1,2}|[一二两兩三四五六七八九十]{1,3}"
_KOREAN_NUMBER = "|".join(_KOREAN_NUMBERS)
_PARTS = (
    ("上旬|月初|初め|はじめ|初|头|초순|초", "beginning"),
    ("中旬|半ば|なかば|中|중순", "middle"),
    ("下旬|月底|末|底|終わり|하순|말", "end"),
)
_PART = "|".join(words for words, _ in _PARTS)
_TURKISH_PARTS = {"basinda": "beginning", "sonunda": "end"}
_LAST_MONTH = "上(?:个|個)?月|先月|지난 ?달"


def plain_dates(text: str) -> str:
    """Return a folded question with its dates in the forms that `dates.py` reads."""
    if not text.isascii():
        text = _rewritten(text, _IN_OTHER_SCRIPTS)
    return _rewritten(text, _IN_LATIN) if _REWRITABLE.search(text) else text


def _rewritten(text: str, rewrites: Iterable[_Rewrite]) -> str:
    for pattern, rewrite in rewrites:
        text = pattern.sub(rewrite, text)
    return text


def _number(text: str) -> int:
    """Return a number below 100 in digits, in Chinese characters or in Korean, or 0."""
    if text.isdecimal():
        return int(text)
    if text in _KOREAN_NUMBERS:
        return _KOREAN_NUMBERS[text]
    tens, has_tens, ones = text.rpartition("十")
    return (10 * _HAN_DIGITS.get(tens, 1) if has_tens else 0) + _HAN_DIGITS.get(ones, 0)


def _month(number: int, day: str | None) -> str:
    if not 1 <= number <= 12:
        return " "
    return f" {day} {_MONTHS[number - 1]} " if day else f" in {_MONTHS[number - 1]} "


def _month_and_day(match: re.Match[str]) -> str:
    return _month(_number(match[1]), match[2])


def _part(text: str) -> str:
    """Return the English word for the part of a month, from its Chinese, Japanese or Korean word."""
    return next(english for words, english in _PARTS if text in words.split("|"))


def _half_of_month(match: re.Match[str]) -> str:
    month = match[2].removesuffix("s") if " des " in match[0] else match[2]
    return f"{'1 to 15' if match[1] else '16 to 31'} {month}"


def _ago(match: re.Match[str]) -> str:
    return f" {_number(match[1])} {_UNITS[match[2]]} ago "


def _weekday(names: str) -> Callable[[re.Match[str]], str]:
    return lambda match: f" on {_WEEKDAYS[min(names.index(match[1]), 6)]} "


_IN_OTHER_SCRIPTS: tuple[_Rewrite, ...] = (
    (re.compile(f"(?:{_LAST_MONTH})[的の]? ?({_PART})"), lambda match: f" {_part(match[1])} of last month "),
    (re.compile(f"(?:{_LAST_MONTH})[的の]? ?(\\d\\d?) ?[日号號일]"), lambda match: f" the {match[1]}th of last month "),
    (
        re.compile(rf"({_NUMBER})[月월][的の]? ?({_PART})"),
        lambda match: f" {_part(match[2])} of {_month(_number(match[1]), None).removeprefix(' in')} ",
    ),
    (
        re.compile(f"(今年|去年|昨年|올해|작년)[的の年]? ?({_PART})"),
        lambda match: f" {_part(match[2])} of {'this' if match[1] in '今年올해' else 'last'} year ",
    ),
    (re.compile("上上(?:个|個)?(?:周|週)末|先々週末|지지난 ?주말"), lambda _: " the weekend before last "),
    (re.compile("上(?:个|個)?(?:周|週)末|先週末|지난 ?주말"), lambda _: " last weekend "),
    (re.compile("[周週]末|주말"), lambda _: " weekend "),
    (re.compile("(?:прошлы[ехй]|эти[хм]?) выходны[ехм]"), lambda _: " last weekend "),
    (re.compile(r"((?:19|20)\d\d) ?[年년]"), lambda match: f" {match[1]} "),
    (re.compile(rf"({_NUMBER}) ?[个個かヶ]?(天|日|週間|周|週|星期|月|年) ?之?前"), _ago),
    (re.compile(rf"({_KOREAN_NUMBER}|\d\d?) ?(주일|주|달|개월|년|일) ?전"), _ago),
    (re.compile("(하루|이틀|사흘) ?전"), lambda match: f" {_KOREAN_DAYS[match[1]]} days ago "),
    (re.compile(rf"({_NUMBER})月(?:(\d\d?)[日号號])?"), _month_and_day),
    (re.compile(r"(\d\d?)월(?: ?(\d\d?)일)?"), _month_and_day),
    (re.compile("(?:星期|周|週|礼拜)([一二三四五六日天])"), _weekday("一二三四五六日天")),
    (re.compile("([月火水木金土日])曜日?"), _weekday("月火水木金土日")),
    (re.compile("([월화수목금토일])요일"), _weekday("월화수목금토일")),
)
_IN_LATIN: tuple[_Rewrite, ...] = (
    (re.compile(_DAYS_WITH_PARTS), lambda match: match[1]),
    (re.compile(_WEEK_OF_MONTH), lambda match: f"{match[1]} woche im {match[2]}"),
    (re.compile(_HALF_OF_MONTH), _half_of_month),
    (re.compile(_VAGUE), lambda match: "few " if match[3] else match[1] or "unos"),
    (re.compile(_NIGHTS_AGO), lambda match: f"{match[1]} {_DAYS[match[2]]}" if match[1] else "days"),
    (
        re.compile(rf"\b(?:ngay (\d\d?) )?thang (\d\d?|{_VIETNAMESE})\b"),
        lambda match: _month(_VIETNAMESE_MONTHS.get(match[2]) or _number(match[2]), match[1]),
    ),
    (
        re.compile(rf"\b(on|last|since|this|past|until|till|by|from|next|every|each) ({_SHORT_DAY})\b"),
        lambda match: f"{match[1]} {_DAY_NAMES[match[2]]}",
    ),
    (
        re.compile(r"\b(in|of|since|during|from|until|summer|winter) '(\d\d)\b"),
        lambda match: f"{match[1]} 20{match[2]}",
    ),
    (re.compile(rf"\b(twenty|thirty)[- ]({_ORDINAL})\b"), lambda match: f"{_TENS[match[1]] + ORDINALS[match[2]]}"),
    (re.compile(rf"\b({_ORDINAL})(?= (?:of |de |di )?{_MONTH}\b)"), lambda match: f"{ORDINALS[match[1]]}"),
    (
        re.compile(rf"\b({_MONTH}) (?:the )?({_ORDINAL}|\d\d?(?=st|nd|rd|th))\w*\b"),
        lambda match: f"{match[1]} {ORDINALS.get(match[2], match[2])}",
    ),
    (
        re.compile(rf"\b({_MONTH}) (\d\d?)(?:st|nd|rd|th)? (?:to|until|till|through) \1 (\d\d?)(?:st|nd|rd|th)?\b"),
        lambda match: f"{match[1]} {match[2]} to {match[3]}",
    ),
    (
        re.compile(
            r"\b(?:between|zwischen|entre|tra|tussen) ((?:[a-z]+ )?)(\d\d?)(?:st|nd|rd|th|\.)? "
            r"(?:and|und|y|et|e|en) (?:the |dem |el |le |il |o |de )?(\d\d?)"
        ),
        lambda match: f"{match[1]}{match[2]} to {match[3]}",
    ),
    (re.compile(r"\b(\w+) ayinda\b"), lambda match: f"in {match[1]}"),
    (re.compile(r"\byilin (basinda|sonunda)\b"), lambda match: f"{_TURKISH_PARTS[match[1]]} of the year"),
    (re.compile(r"\bgecen ayin (basinda|ortasinda|sonunda)\b"), lambda match: f"{match[1]} last month"),
    (re.compile(r"\b(?:gecen hafta sonu|(?:forra |i )helgen)\b"), lambda _: "last weekend"),
    (
        re.compile(r"\b(?:in|over|during|within) the (?:past|last) (day|week|month|year)\b(?! of)"),
        lambda match: f"the last one {match[1]}",
    ),
    (re.compile(r"\bthe last days of\b"), lambda _: "the end of"),
)
