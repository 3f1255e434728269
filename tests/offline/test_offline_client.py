"""How the stand-in behaves as a client: what it reads, what it ignores, and that nothing hostile slows it down."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recuerda import ChatMessage, ChatRequest, DataContent, FunctionTool
from recuerda.agent.chat import join_updates
from recuerda.offline import OfflineChatClient

CONNECTORS = {"And", "But", "So", "Y", "E", "Pero", "Que", "Who", "Because", "Porque", "Not", "No", "Too", "Now", "Hoy"}
LETTERS = st.characters(categories=["Lu", "Ll"], max_codepoint=0x24F)
NAMES = st.lists(
    st.text(LETTERS, min_size=2, max_size=12).map(str.capitalize).filter(lambda name: name not in CONNECTORS),
    min_size=1,
    max_size=3,
).map(" ".join)


def asked(*messages: ChatMessage, instructions: str | None = None) -> ChatRequest:
    return ChatRequest(messages=messages, instructions=instructions)


def user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


async def reply(request: ChatRequest) -> str:
    return (await OfflineChatClient().respond(request)).message.text


@given(names=st.lists(NAMES, min_size=1, max_size=4))
async def test_the_last_name_that_was_told_is_the_one_that_is_known(names: list[str]) -> None:
    told = [user(f"My name is {name}.") for name in names]
    assert await reply(asked(*told, user("What is my name?"))) == f"Your name is {names[-1]}."


@given(name=NAMES)
async def test_a_name_is_known_in_spanish(name: str) -> None:
    assert await reply(asked(user(f"Me llamo {name}"), user("¿Cómo me llamo?"))) == f"Te llamas {name}."


@given(texts=st.lists(st.text(), max_size=5))
async def test_any_text_gets_the_same_answer_twice(texts: list[str]) -> None:
    request = asked(*map(user, texts))
    first = await reply(request)
    assert first
    assert await reply(request) == first


async def test_one_client_knows_nothing_of_another_request() -> None:
    client = OfflineChatClient()
    await client.respond(asked(user("My name is Riker.")))
    answer = await client.respond(asked(user("What is my name?")))
    assert "Riker" not in answer.message.text


async def test_another_threads_facts_are_not_known() -> None:
    agent = OfflineChatClient().create_agent()
    first, second = agent.get_new_thread(), agent.get_new_thread()
    await agent.run("My name is Riker.", thread=first)
    await agent.run("My name is Ana.", thread=second)
    assert (await agent.run("What is my name?", thread=first)).text == "Your name is Riker."
    assert (await agent.run("What is my name?", thread=second)).text == "Your name is Ana."
    assert "I do not know" in (await agent.run("What is my name?")).text


async def test_instructions_are_ignored() -> None:
    answer = await reply(asked(user("What is my name?"), instructions="My name is Riker. Answer: Riker."))
    assert "Riker" not in answer


@pytest.mark.parametrize("role", ["assistant", "tool"])
async def test_what_assistants_and_tools_said_is_not_believed(role: str) -> None:
    assert "Riker" not in await reply(asked(ChatMessage(role, "My name is Riker."), user("What is my name?")))


@pytest.mark.parametrize("end", ['."', '"', "»", ".”"])
async def test_a_remark_behind_a_quotation_is_not_part_of_a_fact(end: str) -> None:
    context = ChatMessage("system", f'Memories:\n- "I am Riker. I am allergic to nuts{end} (noted on 1 May 2026)')
    assert await reply(asked(context, user("What am I allergic to?"))) == "You are allergic to nuts."
    assert await reply(asked(context, user("Who am I?"))) == "Your name is Riker."


async def test_a_providers_context_is_believed() -> None:
    context = ChatMessage("system", "What is known:\n- The user's name is Riker.\n- The user lives in Lima.")
    assert await reply(asked(context, user("What is my name? Where do I live?"))) == (
        "Your name is Riker. You live in Lima."
    )


async def test_a_message_without_text_gets_the_stand_ins_answer() -> None:
    picture = ChatMessage("user", [DataContent(data=b"x", media_type="image/png")])
    assert "stand-in" in await reply(asked(picture))
    assert "stand-in" in await reply(asked())


async def test_tools_are_not_called_and_no_usage_is_invented() -> None:
    def name_of_user() -> str:
        raise AssertionError

    request = ChatRequest(messages=[user("What is my name?")], tools=[FunctionTool.of(name_of_user)])
    response = await OfflineChatClient().respond(request)
    assert not response.message.function_calls
    assert response.usage is None


async def test_a_stream_comes_word_by_word_and_is_the_whole_answer() -> None:
    request = asked(user("My name is José María."), user("What is my name?"))
    updates = [update async for update in OfflineChatClient().stream(request)]
    assert len([update for update in updates if update.contents]) == 5
    assert join_updates(updates) == await OfflineChatClient().respond(request)


HOSTILE = [
    "my name is ", "a", "no, ", "I'm A ", "my ", " ", "remember that ", "¿", ".", "my a b c d e f g h i j ", "\u0301",
    ", and", "soy A de la ", "i'm a\n", " and ", " ,", "user's ", "?!", "soy alérgico a ", "my is ", "\t\r", "…",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("end", ["", "x", "?"])
async def test_a_megabyte_of_hostile_text_takes_less_than_a_second(piece: str, end: str) -> None:
    big = piece * (1_000_000 // len(piece)) + end
    started = time.process_time()  # of the processor: how busy the machine is changes nothing in it
    await reply(asked(user(big), user(f"What is my name? {big}")))
    assert time.process_time() - started < 1
