"""Kinds of sentences and questions, and how quotes are cut."""

import pytest

from recuerda.recall.folding import fold
from recuerda.recall.identity import is_identity
from recuerda.recall.quoting import excerpt
from recuerda.recall.text import query_terms
from recuerda.recall.traits import (
    HAS_NAME,
    HAS_TIME,
    IS_PERSONAL,
    IS_QUESTION,
    asks_about_asker,
    asks_assistant,
    asks_when,
    traits_of,
)


@pytest.mark.parametrize(
    ("text", "traits"),
    [
        ("How are you?", IS_QUESTION),
        ("¿Qué tal?", IS_QUESTION),
        ("Is it yours? [shares a photo of a dog]", IS_QUESTION),
        ("I like it.", IS_PERSONAL),
        ("Mi perro ladra.", IS_PERSONAL),
        ("It rained last week.", HAS_TIME),
        ("Llovió ayer.", HAS_TIME),
        ("Rain.", 0),
        ("Ich laufe gern.", IS_PERSONAL),
        ("我姐姐喜欢茶。", IS_PERSONAL),
        ("제 개가 자요.", IS_PERSONAL),
        ("Il a plu la semaine dernière.", HAS_TIME),
        ("She moved to Bergen.", HAS_NAME),
        ("Vive en Ávila.", HAS_NAME),
        ("Thanks, Ana! Will it rain?", IS_QUESTION),
        ("what is the code", IS_QUESTION),
        ("Which shop has the best bread", IS_QUESTION),
        ("wo ist das haus", IS_QUESTION),
        ("donde esta el banco", IS_QUESTION),
        ("quel est le code", IS_QUESTION),
        ("waar is de bank", IS_QUESTION),
        ("护照号码是什么", IS_QUESTION),
        ("What a day it was", 0),
        ("where she lives is nice", 0),
        ("wo er wohnt ist es warm", 0),
        ("Did I say that yesterday?", IS_QUESTION | IS_PERSONAL | HAS_TIME),
    ],
)
def test_traits_of_sentences(text: str, traits: int) -> None:
    assert traits_of(text) == traits


@pytest.mark.parametrize(
    "question",
    [
        "When did she go?",
        "And when was it?",
        "In which year?",
        "¿Cuándo fue?",
        "¿En qué mes?",
        "Wann war das?",
        "Когда это было?",
        "いつですか",
    ],
)
def test_a_time_is_asked_for(question: str) -> None:
    assert asks_when(question)
    assert not asks_when("What did she do?")


@pytest.mark.parametrize(
    "question",
    [
        "What did you recommend?",
        "Which stove have you suggested?",
        "your advice",
        "¿Qué me recomendaste?",
        "tu consejo",
    ],
)
def test_the_assistant_s_words_are_asked_for(question: str) -> None:
    assert asks_assistant(question)
    assert not asks_assistant("Can you list what I told you?")


def test_an_excerpt_is_cut_around_the_words_of_the_question() -> None:
    text = f"{'ping pong ' * 300}the zebra crossed the road{' pang peng' * 300}"
    cut = excerpt(text, "Where are the zebras?", 100)
    assert "zebra" in cut
    assert cut.startswith("…")
    assert cut.endswith("…")
    assert len(cut) <= 102
    assert excerpt("short", "zebra", 100) == "short"
    assert excerpt(text, "nothing of it", 100).startswith("ping pong")


def test_sentences_that_say_who_somebody_is_are_recognized() -> None:
    said = [
        "I'm a nurse.", "My name is Bo.", "I live in Oslo.", "I have two kids.", "My daughter's name is Zoe.",
        "Me llamo Ana.", "Soy enfermera.", "Moro em Lisboa.", "Sono un medico.", "Ich bin Lehrerin.", "Ich wohne hier.",
        "Ik ben een verpleger.", "Je suis infirmière.", "J'habite à Lyon.", "Jag heter Olle.", "Nazywam się Ewa.",
        "Меня зовут Аня.", "Adım Deniz.", "我叫小明。", "私は看護師です。", "제 이름은 민수예요.", "اسمي ليلى",
    ]  # fmt: skip
    assert [text for text in said if not is_identity(fold(text))] == []
    others = [
        "I bought milk.", "We watched a film.", "I am tired.", "I have a question.", "Ich bin müde.", "Je suis là.",
        "Sono stanco.", "今天下雨", "The soybeans are ripe.",
    ]  # fmt: skip
    assert [text for text in others if is_identity(fold(text))] == []


def test_a_question_about_the_asker_is_recognized_in_other_languages() -> None:
    questions = ["Wer bin ich?", "Qui suis-je ?", "Кто я?", "Chi sono?", "Quem sou eu?", "我是谁？", "나는 누구?"]
    assert [one for one in questions if query_terms(one) or not asks_about_asker(one)] == []
