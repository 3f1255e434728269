"""What one run has of its own: options, tools, instructions, a context for tools, and metadata of its turn."""

from collections.abc import Sequence
from typing import Any, assert_type

import msgspec
import pytest

from recuerda import (
    AgentThread,
    ChatMessage,
    ChatMessageStore,
    ConfigurationError,
    Context,
    ContextProvider,
    EncodeError,
    FunctionResultContent,
    FunctionTool,
    InvalidInput,
    RunContext,
    Storage,
    tool,
)
from recuerda.testing import ScriptedChatClient, call
from recuerda.threads import StoredTurn
from tests.conversation import Counts, texts


class User(msgspec.Struct):
    name: str
    password: str = "secret-of-the-context"


def weather(city: str) -> str:
    """Return the weather."""
    return f"sun in {city}"


def whoami(run: RunContext[User], loud: bool = False) -> str:
    """Return the user's name."""
    assert_type(run.context, User)
    return f"{run.context.name} in {run.thread.id}, call {run.call_id}{'!' if loud else ''}"


def results(messages: Sequence[ChatMessage]) -> list[Any]:
    parts = [part for message in messages for part in message.contents]
    return [part.result for part in parts if isinstance(part, FunctionResultContent)]


async def test_options_tools_and_instructions_are_added_for_one_run() -> None:
    client = ScriptedChatClient([call("weather", {"city": "Lima"}), "sunny", "bye"])
    agent = client.create_agent("A", "Be kind.", options={"temperature": 1, "seed": 4}, tools=whoami)
    user = User("Ana")
    await agent.run("go", thread="t", options={"temperature": 0}, tools=weather, instructions="Be brief.", context=user)
    await agent.run("again", thread="t", context=user)
    first, _, plain = client.requests
    assert (first.options, first.instructions) == ({"temperature": 0, "seed": 4}, "Be kind.\n\nBe brief.")
    assert [one.name for one in first.tools] == ["whoami", "weather"]
    assert (plain.options, plain.instructions) == ({"temperature": 1, "seed": 4}, "Be kind.")
    assert [one.name for one in plain.tools] == ["whoami"]
    assert texts(await agent.get_thread("t").list_messages())[0] == "go"


async def test_instructions_of_a_run_stand_before_those_of_providers() -> None:
    class Told(ContextProvider):
        async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context:
            return Context(instructions="From a provider.")

    client = ScriptedChatClient(default="ok")
    await client.create_agent(context_providers=Told()).run("go", instructions="Be brief.")
    assert client.requests[0].instructions == "Be brief.\n\nFrom a provider."


async def test_a_tool_of_a_run_may_not_have_the_name_of_another_one_nor_be_a_provider() -> None:
    client = ScriptedChatClient()
    agent = client.create_agent(tools=weather)
    with pytest.raises(ConfigurationError, match="two tools have the name 'weather'"):
        await agent.run("go", tools=[weather])
    provider: Any = ContextProvider
    with pytest.raises(ConfigurationError, match="give it to the agent"):
        await agent.run("go", tools=[type("P", (provider,), {})()])
    assert client.requests == []


async def test_a_context_reaches_the_tools_and_is_neither_stored_nor_in_the_schema(storage: Storage) -> None:
    client = ScriptedChatClient([call("whoami", {"loud": True}), "Ana"])
    agent = client.create_agent(storage=storage, tools=whoami)
    reply = await agent.run("who?", thread="t", context=User("Ana"), durability="steps")
    assert results(reply.messages) == ["Ana in t, call call_1!"]
    properties: Any = client.requests[0].tools[0].parameters["properties"]
    assert list(properties) == ["loud"]
    found = await storage.read("t")
    assert all(b"secret-of-the-context" not in record.body for record in found.records)


async def test_a_tool_without_the_context_it_asks_for_is_refused_before_the_model_is_called() -> None:
    client = ScriptedChatClient()
    agent = client.create_agent(tools=whoami)
    with pytest.raises(ConfigurationError, match="needs a run with a context of type User, and none was given"):
        await agent.run("go")
    with pytest.raises(ConfigurationError, match="it is a str"):
        await agent.run("go", context="Ana")
    with pytest.raises(ConfigurationError, match="context of type User"):
        await ScriptedChatClient().create_agent().run("go", tools=whoami)
    assert client.requests == []


async def test_a_tool_that_asks_for_any_context_gets_none_without_one() -> None:
    def bare(run: RunContext) -> str:
        """Return the context."""
        return repr(run.context)

    def either(run: RunContext[User | None]) -> str:
        """Return the context."""
        return repr(run.context)

    client = ScriptedChatClient([call("bare"), call("either"), "done"])
    reply = await client.create_agent(tools=[bare, either]).run("go")
    assert results(reply.messages) == ["None", "None"]


async def test_a_providers_tool_without_its_context_ends_the_run_and_writes_nothing(storage: Storage) -> None:
    class Giving(ContextProvider):
        async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context:
            return Context(tools=[whoami])

    agent = ScriptedChatClient([call("whoami")]).create_agent(storage=storage, context_providers=Giving())
    with pytest.raises(ConfigurationError, match="context of type User"):
        await agent.run("go", thread="t")
    assert await agent.get_thread("t").list_messages() == []


async def test_a_resumed_run_gets_its_own_things_again(storage: Storage) -> None:
    pay = FunctionTool.of(whoami, name="pay", needs_approval=True)
    client = ScriptedChatClient([call("pay"), "paid"])
    agent = client.create_agent(storage=storage)
    waiting = await agent.run("pay", thread="t", tools=pay, context=User("Ana"), metadata={"trace": "x1"})
    assert [one.name for one in waiting.pending] == ["pay"]
    reply = await agent.resume(
        "t", approvals={"call_1": True}, tools=pay, context=User("Eva"), instructions="Be brief."
    )
    assert results(reply.messages) == ["Eva in t, call call_1"]
    assert client.requests[-1].instructions == "Be brief."
    (turn,) = await agent.get_thread("t").list_turns()
    assert turn.metadata == {"trace": "x1"}


async def test_a_turn_that_is_resumed_first_gets_the_context_of_the_run(storage: Storage) -> None:
    @tool(retry_safe=True)
    def who(run: RunContext[User]) -> str:
        """Return the name."""
        return run.context.name

    failing = ScriptedChatClient([call("who"), RuntimeError("down")]).create_agent(storage=storage, tools=who)
    with pytest.raises(RuntimeError):
        await failing.run("a", thread="t", durability="steps", context=User("Ana"))
    agent = ScriptedChatClient(["Ana", "b!"]).create_agent(storage=storage, tools=who)
    await agent.run("b", thread="t", on_pending="resume", context=User("Eva"))
    assert texts(await agent.get_thread("t").list_messages()) == ["a", "", "", "Ana", "b", "b!"]


async def test_metadata_is_stored_with_its_turn_and_not_sent(storage: Storage) -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(storage=storage)
    for durability in ("turn", "steps"):
        await agent.run("go", thread="t", metadata={"trace": "abc", "tries": [1]}, durability=durability)
    await agent.regenerate("t", metadata={"trace": "again"})
    edited = await agent.edit("t", 1, "other", metadata={"trace": "edit"})
    turns = await agent.get_thread("t").list_turns()
    assert [turn.metadata for turn in turns] == [{"trace": "abc", "tries": [1]}, {"trace": "again"}]
    (turn,) = await agent.get_thread(edited.thread_id).list_turns()
    assert turn.metadata == {"trace": "edit"}
    assert "abc" not in repr(client.requests)


async def test_metadata_stays_with_an_interrupted_turn(storage: Storage) -> None:
    agent = ScriptedChatClient([RuntimeError("down")]).create_agent(storage=storage)
    with pytest.raises(RuntimeError):
        await agent.run("go", thread="t", metadata={"trace": "abc"}, keep_failed=True)
    (turn,) = await agent.get_thread("t").list_turns()
    assert (turn.metadata, turn.turn.is_interrupted) == ({"trace": "abc"}, True)


async def test_metadata_without_a_json_form_is_refused_before_the_model_is_called() -> None:
    client = ScriptedChatClient()
    wrong: Any = {"trace": object()}
    with pytest.raises(EncodeError, match=r"metadata\.trace"):
        await client.create_agent().run("go", metadata=wrong)
    assert client.requests == []


async def test_feedback_changes_the_metadata_of_a_turn_that_is_there(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = ScriptedChatClient(default="ok").create_agent(storage=storage)
    thread = agent.get_thread("t")
    first = await agent.run("one", thread=thread, metadata={"trace": "a"})
    await agent.run("two", thread=thread)
    before = await thread.info()
    assert await thread.update_turn(first.turn_id or "", metadata={"rating": 5}) == {"trace": "a", "rating": 5}
    assert await thread.update_turn(2, metadata={"rating": 1, "none": None}) == {"rating": 1}
    turns = await thread.list_turns()
    assert await thread.update_turn(turns[0], metadata={"trace": None}) == {"rating": 5}
    counts = Counts(storage, monkeypatch)
    assert [turn.metadata for turn in await thread.list_turns()] == [{"rating": 5}, {"rating": 1}]
    assert counts.taken() == ([2], 0)
    assert [texts(turn.messages) for turn in turns] == [["one", "ok"], ["two", "ok"]]
    after = await thread.info()
    assert before is not None
    assert after is not None
    assert after.revision == before.revision
    assert (await agent.run("three", thread=thread)).text == "ok"


async def test_feedback_during_a_run_does_not_disturb_the_run(storage: Storage) -> None:
    thread_id = "t"

    async def rate() -> str:
        """Rate the first turn."""
        await ChatMessageStore(storage=storage, thread_id=thread_id).update_turn(1, metadata={"rating": 5})
        return "rated"

    agent = ScriptedChatClient(["ok", call("rate"), "done"]).create_agent(storage=storage, tools=rate)
    await agent.run("one", thread=thread_id)
    await agent.run("two", thread=thread_id)
    turns: list[StoredTurn] = await agent.get_thread(thread_id).list_turns()
    assert [turn.metadata for turn in turns] == [{"rating": 5}, {}]


async def test_feedback_for_a_turn_that_is_not_there_is_refused(storage: Storage) -> None:
    agent = ScriptedChatClient(default="ok").create_agent(storage=storage)
    await agent.run("one", thread="t")
    thread = agent.get_thread("t")
    for turn in (2, 0, "nobody"):
        with pytest.raises(InvalidInput, match="has no turn"):
            await thread.update_turn(turn, metadata={"rating": 1})
