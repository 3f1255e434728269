"""What the stand-in says: the language, the facts, and what it does not know."""

import pytest

from recuerda import ChatMessage, ChatRequest
from recuerda.offline import OfflineChatClient


async def reply(*said: str) -> str:
    request = ChatRequest(messages=[ChatMessage("user", text) for text in said])
    return (await OfflineChatClient().respond(request)).message.text


@pytest.mark.parametrize(
    ("told", "asked", "answer"),
    [
        ("My name is Riker.", "What is my name?", "Your name is Riker."),
        ("my name's Riker", "what's my name", "Your name is Riker."),
        ("My name\u2019s Riker", "Who am I?", "Your name is Riker."),
        ("Hi, I'm Riker!", "Do you remember my name?", "Your name is Riker."),
        ("I\u2019m Riker from Jerusalem.", "What am I called?", "Your name is Riker."),
        ("Please call me Will.", "What is my name?", "Your name is Will."),
        ("Remember that my name is Riker.", "Tell me my name", "Your name is Riker."),
        ("My name is Riker, by the way.", "What is my name?", "Your name is Riker."),
        ("The user's name is Riker.", "What is my name?", "Your name is Riker."),
        ("I live in Jerusalem.", "Where do I live?", "You live in Jerusalem."),
        ("I moved to Paris, France.", "Where do I live?", "You live in Paris, France."),
        ("I'm from Alaska.", "Where am I from?", "You are from Alaska."),
        ("I am a doctor.", "What do I do?", "You are a doctor."),
        ("I work as a nurse", "What is my job?", "You are a nurse."),
        ("My job is nursing", "What is my job?", "Your job is nursing."),
        ("I work at the harbour", "Where do I work?", "You work at the harbour."),
        ("I'm 33 years old", "How old am I?", "You are 33 years old."),
        ("I like tea and toast.", "What do I like?", "You like tea and toast."),
        ("I am allergic to penicillin.", "What am I allergic to?", "You are allergic to penicillin."),
        ("My favourite colour is blue.", "What's my favorite color?", "Your favourite colour is blue."),
        ("My dog's name is Rex.", "What is my dog's name?", "Your dog's name is Rex."),
        ("Remember that the door code is 1234.", "What is the door code?",
         "You asked me to remember: the door code is 1234."),
        ("Me llamo Riker.", "¿Cómo me llamo?", "Te llamas Riker."),
        ("me llamo Riker", "como me llamo", "Te llamas Riker."),
        ("Mi nombre es José María.", "¿Sabes mi nombre?", "Te llamas José María."),
        ("Hola, soy Íñigo.", "¿Quién soy?", "Te llamas Íñigo."),
        ("Vivo en Lima.", "¿Dónde vivo?", "Vives en Lima."),
        ("Me he mudado a Lima.", "¿Dónde vivo?", "Vives en Lima."),
        ("Soy de Jaén.", "¿De dónde soy?", "Eres de Jaén."),
        ("Soy médico.", "¿A qué me dedico?", "Eres médico."),
        ("Trabajo en el puerto.", "¿Dónde trabajo?", "Trabajas en el puerto."),
        ("Tengo 33 años.", "¿Cuántos años tengo?", "Tienes 33 años."),
        ("Soy alérgico a la penicilina.", "¿A qué soy alérgico?", "Tienes alergia a la penicilina."),
        ("Me gusta el té.", "¿Qué me gusta?", "Te gusta: el té."),
        ("Mi color favorito es el azul.", "¿Cuál es mi color favorito?", "Tu color favorito es el azul."),
        ("Recuerda que la clave es 1234.", "¿Cuál es la clave?", "Me pediste que recordara: la clave es 1234."),
    ],
)  # fmt: skip
async def test_what_was_told_is_answered(told: str, asked: str, answer: str) -> None:
    assert await reply(told, asked) == answer


async def test_a_fact_told_in_one_language_is_answered_in_the_language_of_the_question() -> None:
    assert await reply("My name is Riker.", "¿Cómo me llamo?") == "Te llamas Riker."
    assert await reply("Me llamo Riker.", "What is my name?") == "Your name is Riker."


async def test_several_facts_in_one_message_are_all_known() -> None:
    told = "Hi, I'm Riker and I live in Jerusalem, and I work as a doctor. My cat is called Tom!"
    assert await reply(told, "What is my name and where do I live? What do I do? What is my cat called?") == (
        "Your name is Riker. You live in Jerusalem. You are a doctor. Your cat is called Tom."
    )
    told = "Me llamo Ana y vivo en Lima, soy médica y tengo 40 años"
    assert await reply(told, "¿Qué sabes de mí?") == "Te llamas Ana. Vives en Lima. Eres médica. Tienes 40 años."


@pytest.mark.parametrize(
    ("before", "correction", "asked", "answer"),
    [
        ("My name is Ana.", "No, my name is Riker.", "What is my name?", "Your name is Riker."),
        ("My name is Ana.", "No, I'm Riker.", "What is my name?", "Your name is Riker."),
        ("My name is Ana.", "Actually, I'm Riker.", "What is my name?", "Your name is Riker."),
        ("I'm Ana.", "I'm Riker.", "What is my name?", "Your name is Riker."),
        ("I live in Lima.", "Now I live in Oslo.", "Where do I live?", "You live in Oslo."),
        ("Me llamo Ana.", "No, me llamo Riker.", "¿Cómo me llamo?", "Te llamas Riker."),
        ("Me llamo Ana.", "En realidad, soy Riker.", "¿Cómo me llamo?", "Te llamas Riker."),
    ],
)
async def test_a_later_fact_replaces_an_earlier_one(before: str, correction: str, asked: str, answer: str) -> None:
    assert await reply(before, correction, asked) == answer


@pytest.mark.parametrize(
    "said", ["I'm German.", "I'm Tired", "Is my name Bob?", "My name is not Bob.", "What if I'm Bob?"]
)
async def test_what_may_mean_something_else_does_not_replace_a_name(said: str) -> None:
    assert await reply("My name is Ana.", said, "What is my name?") == "Your name is Ana."


async def test_tastes_and_notes_add_up() -> None:
    assert await reply("I like tea. I like jazz. I like tea.", "What do I like?") == "You like jazz. You like tea."


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("What is my name?", "I do not know your name: nothing that I was sent says it."),
        ("What is my shoe size?", "I do not know that: nothing that I was sent says it."),
        ("What do you know about me?", "I know nothing about you: nothing that I was sent says anything."),
        ("¿Dónde vivo?", "No sé dónde vives: no lo dice nada de lo que me han enviado."),
        ("¿Qué sabes de mí?", "No sé nada de ti: nada de lo que me han enviado lo dice."),
    ],
)
async def test_what_was_not_told_is_not_known(asked: str, answer: str) -> None:
    assert await reply(asked) == answer


@pytest.mark.parametrize("asked", ["What is the capital of France?", "Hello", "Write a poem.", "…", "42", ""])
async def test_what_it_cannot_answer_it_answers_with_what_it_is(asked: str) -> None:
    assert (await reply(asked)).startswith("I am recuerda's offline stand-in, not a language model;")


@pytest.mark.parametrize("asked", ["¿Cuál es la capital de Francia?", "Hola", "Escribe un poema para mi tía."])
async def test_what_it_cannot_answer_in_spanish_it_says_in_spanish(asked: str) -> None:
    assert (await reply(asked)).startswith("Soy el suplente sin conexión de recuerda, no un modelo de lenguaje;")


async def test_a_new_fact_is_acknowledged() -> None:
    assert await reply("My name is Riker and I live in Lima.") == "Noted. Your name is Riker. You live in Lima."
    assert await reply("Me llamo Riker.") == "Anotado. Te llamas Riker."
