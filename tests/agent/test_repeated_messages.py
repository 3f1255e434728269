"""A client that sends its whole conversation with each request: no message is stored twice."""

import pytest

from recuerda import ChatMessage, ContextWindow, InvalidInput, Storage
from recuerda.testing.scripted import ScriptedChatClient
from tests.conversation import answered, texts


def said(text: str, message_id: str | None = None, role: str = "user") -> ChatMessage:
    return ChatMessage(role, text, message_id=message_id)


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_message_that_the_thread_has_is_not_stored_again(storage: Storage, *, is_streamed: bool) -> None:
    client = ScriptedChatClient(default="ok")
    agent, shown = client.create_agent(storage=storage), list[ChatMessage]()
    for i in range(4):
        shown.append(said(f"q{i}", f"u{i}"))
        reply = await answered(agent, shown, is_streamed=is_streamed, thread="t")
        shown.append(said(reply.text, f"of the browser {i}", "assistant"))
    assert texts(await agent.get_thread("t").list_messages()) == ["q0", "ok", "q1", "ok", "q2", "ok", "q3", "ok"]
    assert texts(client.requests[-1].messages) == ["q0", "ok", "q1", "ok", "q2", "ok", "q3"]


async def test_a_request_whose_messages_are_all_known_gives_the_first_answer() -> None:
    client = ScriptedChatClient(["one", "two"])
    agent = client.create_agent(storage="memory:")
    first = await agent.run(said("hi", "u0"), thread="t")
    again = await agent.run(said("hi", "u0"), thread="t")
    assert (again.text, again.turn_id, again.is_replay) == ("one", first.turn_id, True)
    await agent.run(said("hi", "u1"), thread="t")
    assert len(client.requests) == 2


async def test_two_equal_messages_with_two_ids_are_two_messages() -> None:
    agent = ScriptedChatClient(default="ok").create_agent(storage="memory:")
    for message_id in ("a", "b", None, None):
        await agent.run(said("yes", message_id), thread="t")
    assert texts(await agent.get_thread("t").list_messages()) == ["yes", "ok"] * 4


async def test_a_known_message_is_found_behind_the_window() -> None:
    agent = ScriptedChatClient(default="ok").create_agent(storage="memory:", window=ContextWindow(max_messages=2))
    await agent.run(said("q0", "u0"), thread="t")
    for _ in range(5):
        await agent.run("from another program", thread="t")
    await agent.run([said("q0", "u0"), said("ok", "a0", "assistant"), said("q1", "u1")], thread="t")
    assert texts(await agent.get_thread("t").list_messages())[-2:] == ["q1", "ok"]


async def test_a_list_that_ends_with_a_known_answer_is_refused() -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(storage="memory:")
    await agent.run(said("q0", "u0"), thread="t")
    with pytest.raises(InvalidInput, match="turn 1 holds the answer"):
        await agent.run([said("q0", "u0"), said("ok", "a0", "assistant")], thread="t")
    assert len(client.requests) == 1


async def test_answers_without_ids_need_a_choice() -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(storage="memory:")
    history = [said("q0"), said("ok", role="assistant"), said("q1")]
    await agent.run(history, thread="t")  # a new thread takes all of them
    history += [said("ok", role="assistant"), said("q2")]
    with pytest.raises(InvalidInput, match='input="last"'):
        await agent.run(history, thread="t")
    await agent.run(history, thread="t", input="last")
    assert texts(await agent.get_thread("t").list_messages()) == ["q0", "ok", "q1", "ok", "q2", "ok"]
    await agent.run(history[-3:], thread="t", input="all")
    assert texts(await agent.get_thread("t").list_messages())[-4:] == ["q1", "ok", "q2", "ok"]
    assert len(client.requests) == 3


async def test_a_wrong_choice_is_named() -> None:
    agent = ScriptedChatClient([]).create_agent(storage="memory:")
    with pytest.raises(InvalidInput, match="ends with an answer"):
        await agent.run([said("a"), said("b", role="assistant")], thread="t", input="last")
    with pytest.raises(InvalidInput, match="input must be"):
        await agent.run("a", thread="t", input="first")  # pyright: ignore[reportArgumentType]
