"""What a run sends, what it stores, and what it gives back."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from recuerda import (
    AgentThread,
    ChatMessage,
    ChatResponse,
    ConfigurationError,
    Context,
    ContextWindow,
    EncodeError,
    FunctionResultContent,
    InvalidInput,
    MemoryStorage,
    NewTurn,
    Storage,
    ThreadOwnershipError,
    Usage,
)
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.agent.recording import Recorder
from tests.conversation import Counts, answered, texts


async def test_a_thread_remembers_and_another_does_not(storage: Storage) -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(instructions="Be brief.", storage=storage)
    await agent.run("I am Riker.", thread="riker")
    await agent.run("Who am I?", thread="riker")
    await agent.run("Who am I?", thread="other")
    assert [texts(request.messages) for request in client.requests] == [
        ["I am Riker."],
        ["I am Riker.", "ok", "Who am I?"],
        ["Who am I?"],
    ]
    assert {request.instructions for request in client.requests} == {"Be brief."}


async def test_a_run_without_a_thread_is_forgotten(storage: Storage) -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(storage=storage)
    first, second = await agent.run("one"), await agent.run("two")
    assert texts(client.requests[1].messages) == ["two"]
    assert first.thread_id != second.thread_id
    assert [info async for info in storage.threads()] == []


async def test_a_thread_survives_a_restart(storage: Storage, another: Storage) -> None:
    thread = ScriptedChatClient(["Hello"]).create_agent(storage=storage).get_new_thread()
    await ScriptedChatClient(["Hello"]).create_agent(storage=storage).run("hi", thread=thread)
    agent = ScriptedChatClient(["Riker"]).create_agent(storage=another)
    restored = agent.get_thread(thread.id)
    assert texts(await restored.list_messages()) == ["hi", "Hello"]
    await agent.run("and?", thread=restored)
    assert texts(await thread.list_messages()) == ["hi", "Hello", "and?", "Riker"]


async def test_the_reply_says_what_happened(storage: Storage) -> None:
    usage = Usage(10, 2, 12, cached_input_tokens=4)
    client = ScriptedChatClient([call("add", {"a": 1}), "done"], usage=usage)

    def add(a: int) -> int:
        return a + 1

    thread = AgentThread("t")
    reply = await client.create_agent(storage=storage, tools=add).run("go", thread=thread)
    assert reply.text == str(reply) == "done"
    assert [message.role for message in reply.messages] == ["assistant", "tool", "assistant"]
    assert reply.messages[1].contents == (FunctionResultContent("call_1", 2),)
    assert reply.usage == Usage(20, 4, 24, cached_input_tokens=8)
    assert (reply.thread_id, reply.is_replay, reply.warnings) == ("t", False, ())
    found = await storage.read("t")
    assert [record.id for record in found.records] == [reply.turn_id]


async def test_usage_is_unknown_when_the_service_does_not_say_it() -> None:
    assert (await ScriptedChatClient(["a"]).create_agent().run("hi")).usage is None


async def test_a_run_is_one_read_and_one_write(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    client = ScriptedChatClient([call("now"), call("now", call_id="call_2"), "done"], default="ok")
    agent = client.create_agent(storage=storage, tools=[now], context_providers=Recorder())
    for options in ({}, {"user_id": "ana"}):
        thread = agent.get_thread(f"t{len(options)}", **options)
        counts = Counts(storage, monkeypatch)
        for _ in range(3):
            await agent.run("hi", thread=thread)
            reads, appends = counts.taken()
            assert (len(reads), appends) == (1, 1)


def now() -> str:
    """Tell the time."""
    return "noon"


async def test_a_window_limits_what_is_sent_and_not_what_is_stored(storage: Storage) -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(storage=storage, window=ContextWindow(max_messages=3))
    thread = agent.get_thread("t")
    for text in ("one", "two", "three"):
        await agent.run(text, thread=thread)
    assert texts(client.requests[2].messages) == ["two", "ok", "three"]
    assert len(await thread.list_messages()) == 6


async def test_a_window_of_tokens_sends_at_least_the_newest_turn(storage: Storage) -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(storage=storage, window=ContextWindow(max_tokens=40))
    for text in ("one", "x" * 1000, "three"):
        await agent.run(text, thread="t")
    assert texts(client.requests[1].messages) == ["one", "ok", "x" * 1000]
    assert texts(client.requests[2].messages) == ["x" * 1000, "ok", "three"]


async def test_a_window_never_parts_a_result_from_its_call(storage: Storage) -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(storage=storage, window=ContextWindow(max_messages=5), tools=now)
    for i in range(6):
        client.answers.extend([call("now", call_id=f"c{i}"), "done"])
        await agent.run("?", thread="t")
        asked = [part.call_id for message in client.requests[-1].messages for part in message.function_calls]
        answered = [
            part.call_id
            for message in client.requests[-1].messages
            for part in message.contents
            if isinstance(part, FunctionResultContent)
        ]
        assert asked == answered


async def test_what_providers_add_is_sent_and_never_stored(storage: Storage) -> None:
    facts = Context(instructions="Facts.", messages=[ChatMessage("user", "I like tea.")])
    more = Context(instructions="More.", messages=[ChatMessage("user", "And cake.")])
    client = ScriptedChatClient(default="ok")
    providers = [Recorder(context=facts), Recorder(), Recorder(context=more)]
    agent = client.create_agent(instructions="Own.", storage=storage, context_providers=providers)
    thread = agent.get_thread("t")
    await agent.run("one", thread=thread)
    await agent.run("two", thread=thread)
    assert client.requests[1].instructions == "Own.\n\nFacts.\n\nMore."
    assert texts(client.requests[1].messages) == ["one", "ok", "I like tea.", "And cake.", "two"]
    assert texts(await thread.list_messages()) == ["one", "ok", "two", "ok"]
    assert providers[0].learnt == [(["one"], ["ok"]), (["two"], ["ok"])]


async def test_a_provider_can_add_tools() -> None:
    client = ScriptedChatClient([call("now"), "done"])
    agent = client.create_agent(context_providers=Recorder(context=Context(tools=[now])))
    reply = await agent.run("?")
    assert reply.messages[1].contents == (FunctionResultContent("call_1", "noon"),)


async def test_two_tools_of_one_name_are_refused_before_the_model_is_called() -> None:
    client = ScriptedChatClient(["never"])
    with pytest.raises(ConfigurationError, match="two tools have the name 'now'"):
        client.create_agent(tools=[now, now])
    agent = client.create_agent(tools=now, context_providers=Recorder(context=Context(tools=[now])))
    with pytest.raises(ConfigurationError, match="two tools have the name 'now'"):
        await agent.run("?")
    assert client.requests == []


async def test_identical_turns_are_all_kept(storage: Storage) -> None:
    client = ScriptedChatClient(default="Done.")
    agent = client.create_agent(storage=storage)
    for _ in range(4):
        await agent.run("continue", thread="t")
    assert texts(await agent.get_thread("t").list_messages()) == ["continue", "Done."] * 4


async def test_several_messages_are_one_input(storage: Storage) -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(storage=storage)
    reply = await agent.run([ChatMessage("system", "Rules."), "one", "two"], thread="t", turn_id="r1")
    assert texts(client.requests[0].messages) == ["Rules.", "one", "two"]
    replayed = await agent.run("whatever", thread="t", turn_id="r1")
    assert replayed.messages == reply.messages


@pytest.mark.parametrize("bad", [[], (), [5], 5, [None]])
async def test_an_input_that_is_none_is_refused(bad: object) -> None:
    client = ScriptedChatClient(["never"])
    with pytest.raises((InvalidInput, TypeError)):
        await client.create_agent().run(bad)  # pyright: ignore[reportArgumentType] - what is refused
    assert client.requests == []


async def test_an_option_that_is_no_choice_is_refused_instead_of_ignored() -> None:
    client: Any = ScriptedChatClient(["never"])
    with pytest.raises(InvalidInput, match="'turn' or 'steps', not 'step'"):
        client.create_agent(durability="step")
    with pytest.raises(ConfigurationError, match="timedelta or None, not int"):
        client.create_agent(lease=30)
    agent = client.create_agent()
    with pytest.raises(InvalidInput, match="'turn' or 'steps', not 'step'"):
        await agent.run("hi", thread="t", durability="step")
    with pytest.raises(InvalidInput, match="'discard', not 'drop'"):
        await agent.run("hi", thread="t", on_pending="drop")
    with pytest.raises(InvalidInput, match="not bytes"):
        await agent.run(b"hi")
    assert client.requests == []


async def test_a_thread_is_named_by_a_uuid_in_a_run_and_for_a_handle() -> None:
    agent = ScriptedChatClient(["ok"]).create_agent()
    name = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    thread = agent.get_thread(name)
    await agent.run("hi", thread=thread)
    assert thread.id == str(name)


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_an_input_that_cannot_be_stored_is_refused_before_the_model_is_called(*, is_streamed: bool) -> None:
    client, provider = ScriptedChatClient(["never"]), Recorder()
    agent = client.create_agent(context_providers=provider)
    bad = ["fine", ChatMessage("user", ["a", "lone \ud83d surrogate"])]
    with pytest.raises(EncodeError) as caught:
        await answered(agent, bad, is_streamed=is_streamed)
    assert caught.value.path == "messages[1].contents[1].text"
    assert (client.requests, provider.events) == ([], [])


@pytest.mark.parametrize("thread_id", ["../../x", "'; DROP TABLE turns; --", "a\nb", "😀" * 100, "CON", " "])
async def test_a_hostile_thread_id_is_just_an_id(storage: Storage, another: Storage, thread_id: str) -> None:
    await ScriptedChatClient(["ok"]).create_agent(storage=storage).run("hi", thread=thread_id)
    thread = ScriptedChatClient().create_agent(storage=another).get_thread(thread_id)
    assert texts(await thread.list_messages()) == ["hi", "ok"]


@pytest.mark.parametrize("thread_id", ["", "a\x00b", "x" * 513, "\ud800"])
async def test_a_thread_id_that_no_storage_could_keep_is_refused(thread_id: str) -> None:
    client = ScriptedChatClient(["never"])
    with pytest.raises(InvalidInput):
        await client.create_agent().run("hi", thread=thread_id)
    assert client.requests == []


async def test_a_users_thread_is_closed_to_another(storage: Storage) -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(storage=storage)
    mine = agent.get_new_thread(user_id="ana")
    await agent.run("secret", thread=mine)
    with pytest.raises(ThreadOwnershipError):
        await agent.run("what did ana say?", thread=agent.get_thread(mine.id, user_id="bob"))
    state = await mine.serialize()
    if storage.kind != "memory":
        with pytest.raises(ThreadOwnershipError):
            await agent.run("what?", thread=await agent.deserialize_thread(state, user_id="bob"))
    assert len(client.requests) == 1
    assert [info.id async for info in storage.threads(user_id="ana")] == [mine.id]


async def test_options_go_with_every_request() -> None:
    client = ScriptedChatClient([call("now"), "done"])
    await client.create_agent(tools=now, options={"temperature": 0}).run("?")
    assert [request.options for request in client.requests] == [{"temperature": 0}] * 2


async def test_closing_an_agent_closes_what_it_opened_and_its_providers() -> None:
    provider, failing = Recorder(), Recorder()

    async def fail() -> None:
        raise LookupError("cannot close")

    failing.close = fail
    given = MemoryStorage()
    async with ScriptedChatClient().create_agent(storage=given, context_providers=provider):
        pass
    assert provider.is_closed
    await given.append("t", NewTurn(body=b"?", message_count=1))

    provider.is_closed = False
    agent = ScriptedChatClient().create_agent(storage="memory:", context_providers=[provider, failing])
    with pytest.raises(LookupError):
        await agent.close()
    assert provider.is_closed
    with pytest.raises(Exception, match="closed"):
        await agent.run("hi", thread="t")


async def test_a_model_may_answer_with_anything_that_is_a_message(storage: Storage) -> None:
    client = ScriptedChatClient([ChatResponse(message=ChatMessage("assistant", [])), ChatMessage("assistant", None)])
    agent = client.create_agent(storage=storage)
    assert (await agent.run("hi", thread="t")).text == ""
    assert (await agent.run("hi", thread="t")).text == ""
    assert len(await agent.get_thread("t").list_messages()) == 4


async def test_an_answer_that_cannot_be_stored_leaves_the_thread_as_it_was(storage: Storage) -> None:
    provider = Recorder()
    agent = ScriptedChatClient(["\udfff", "ok"]).create_agent(storage=storage, context_providers=provider)
    with pytest.raises(EncodeError, match=r"messages\[1\]"):
        await agent.run("hi", thread="t")
    assert await storage.head("t") is None
    assert provider.events[-1] == "p.invoked:EncodeError"


def test_an_agent_shows_its_name_and_its_storage() -> None:
    assert repr(ScriptedChatClient().create_agent("Doctor")) == "Agent(name='Doctor', storage='memory')"


async def test_a_run_that_nobody_else_hears_of_makes_one_task() -> None:
    client = ScriptedChatClient(default="ok")
    quiet = client.create_agent(storage=MemoryStorage())
    heard = client.create_agent(storage=MemoryStorage(), context_providers=Recorder())
    made: list[object] = []

    def counted(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(work)
        return asyncio.Task(work, loop=loop, **options)

    loop = asyncio.get_running_loop()
    for agent in (quiet, heard):
        await agent.run("hi", thread="t")
    loop.set_task_factory(counted)
    try:
        await quiet.run("hi", thread="t")
        assert len(made) == 1, "the task that writes the turn, however often the run is cancelled"
        await heard.run("hi", thread="t")
        assert len(made) > 2
    finally:
        loop.set_task_factory(None)
