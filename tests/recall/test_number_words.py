"""Numbers in words are found by their digits, and numbers in digits by their words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from recuerda import ChatMessage
from recuerda.recall import RecallProvider, ThreadSearch
from recuerda.recall.folding import composed
from recuerda.recall.languages import languages_of
from recuerda.recall.number_words import numbers_in
from recuerda.recall.text import query_terms, terms_of, words_of
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import say

NUMBERS: Sequence[tuple[str, str]] = [
    ("twenty-three", "23"),
    ("She ran forty two miles.", "42"),
    ("one hundred and fifty", "150"),
    ("one thousand and one nights", "1001"),
    ("nineteen eighty-four", "1984"),
    ("twenty twenty-three", "2023"),
    ("two hundred thousand", "200000"),
    ("the twenty-third of May", "23"),
    ("a dozen eggs", "12"),
    ("three dozen roses", "36"),
    ("half a dozen eggs", "6"),
    ("I have ten cats.", "10"),
    ("dreiundachtzig", "83"),
    ("zweihundertfünfzig", "250"),
    ("Das Zimmer hat die Nummer siebzehn.", "17"),
    ("vijfenveertig", "45"),
    ("tweeëndertig", "32"),
    ("trettiosju", "37"),
    ("femogtyve", "25"),
    ("vingt et un", "21"),
    ("quatre-vingt-dix-sept", "97"),
    ("soixante et onze", "71"),
    ("mille neuf cent quatre-vingt-dix-neuf", "1999"),
    ("treinta y cinco", "35"),
    ("veintidós", "22"),
    ("quinientos veinte", "520"),
    ("cento e cinquenta", "150"),
    ("ventitré", "23"),
    ("duecentocinquanta", "250"),
    ("czterdzieści dwa", "42"),
    ("тридцать пять", "35"),
    ("otuz beş", "35"),
    ("三十五", "35"),
    ("两千零五", "2005"),
]
NO_NUMBERS: Sequence[str] = [
    "One of them left.",
    "No one came, one by one.",
    "Das ist eins.",
    "Un ami est venu en pull neuf.",
    "Sei nicht so.",
    "Tu sei la mia amica.",
    "Ten film był dobry.",
    "The fire is out.",
    "I met him once.",
    "The rent is due.",
    "An elf lives there.",
    "On y va.",
    "Bin ich hier?",
    "The hundredth time, the second chance.",
    "十分感谢",
]


def values(text: str) -> list[str]:
    return [number.value for number in numbers_in(composed(text), languages_of(words_of(text), text))]


@pytest.mark.parametrize(("text", "value"), NUMBERS)
def test_words_are_a_number(text: str, value: str) -> None:
    assert values(text) == [value]
    assert value in terms_of(text).counts


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_words_with_other_meanings_are_no_numbers(text: str) -> None:
    assert values(text) == []


def test_numbers_side_by_side_stay_apart() -> None:
    assert values("two or three, five and six, ninety-nine red") == ["2", "3", "5", "6", "99"]
    assert values("10 thousand, 3 million") == []


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("I turned twenty-three last week.", "Who is 23?"),
        ("I turned 23 last week.", "Who is twenty-three?"),
        ("Meine Oma ist dreiundachtzig.", "83"),
        ("J'habite au 71.", "soixante et onze"),
        ("We bought a dozen eggs.", "12 eggs"),
        ("She has three cats.", "3 cats"),
        ("Tengo tres gatos.", "3 gatos"),
        ("我今年三十五岁。", "35"),
        ("Мне тридцать пять лет.", "35"),
    ],
)
async def test_a_number_is_found_by_its_other_form(
    storage: SQLiteStorage, recall: RecallProvider, said: str, asked: str
) -> None:
    await say(storage, "noise", ChatMessage("user", "Nothing else happened, 12345 times."))
    await say(storage, "told", ChatMessage("user", said))
    assert [memory.text for memory in await recall.search(asked)] == [said]
    async with ThreadSearch(storage) as search:
        assert [found.thread.id for found in await search.search(asked.removeprefix("Who is "), user_id="ana")] == [
            "told"
        ]
    assert await recall.forget(query=asked.removeprefix("Who is "), dry_run=True) == 1


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Twenty-three came.", "3"),
        ("Six hundred came.", "100"),
        ("Three came.", "twenty-three"),
        ("I met 20.", "twenty-one"),
    ],
)
async def test_a_part_of_a_number_is_another_number(
    storage: SQLiteStorage, recall: RecallProvider, said: str, asked: str
) -> None:
    await say(storage, "told", ChatMessage("user", said))
    assert await recall.search(asked) == []
    assert await recall.forget(query=asked, dry_run=True) == 0


async def test_all_words_beside_a_number_are_needed_to_forget(storage: SQLiteStorage, recall: RecallProvider) -> None:
    for said in ("We own twenty three cats.", "We own 23 cats.", "We own cats.", "We own 23 dogs.", "We own 20 cats."):
        await say(storage, said, ChatMessage("user", said))
    assert await recall.forget(query="twenty three cats", dry_run=True) == 2
    assert await recall.forget(query="twenty-three cats", dry_run=True) == 2
    assert await recall.forget(query="23 cats", dry_run=True) == 2


async def test_a_number_of_several_words_is_marked_whole(storage: SQLiteStorage) -> None:
    await say(storage, "told", ChatMessage("user", "She ran forty two miles."))
    async with ThreadSearch(storage) as search:
        ((found,),) = [one.passages for one in await search.search("42 miles", user_id="ana")]
    assert [found.text[start:end] for start, end in found.matches] == ["forty two", "miles"]


def test_a_question_has_a_number_once() -> None:
    assert set(query_terms("Who is twenty-three?").values()) == {0}
    assert query_terms("three")["three"] == query_terms("three")["3"]
