"""Several context providers on one agent: their limits, their failures, their state."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from recuerda import (
    AgentThread,
    ChatClientError,
    ChatMessage,
    ConfigurationError,
    Context,
    ContextProvider,
    FunctionTool,
    ProviderError,
    StateError,
    Storage,
)
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.agent.recording import Recorder


class Slow(ContextProvider):
    """Never answers."""

    timeout = timedelta(milliseconds=20)

    def __init__(self, hook: str = "invoking") -> None:
        self.hook = hook

    async def _wait(self, hook: str) -> None:
        if hook == self.hook:
            await asyncio.sleep(60)

    async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context | None:
        await self._wait("invoking")
        return Context(instructions="slow")

    async def invoked(
        self,
        request_messages: Sequence[ChatMessage],
        response_messages: Sequence[ChatMessage] = (),
        *,
        thread: AgentThread,
        invoke_exception: BaseException | None = None,
    ) -> None:
        await self._wait("invoked")


class Counter(ContextProvider):
    """Counts a thread's runs in the thread's own state."""

    async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context | None:
        state = thread.provider_states.setdefault(self.name, {"runs": 0})
        state["runs"] = int(str(state["runs"])) + 1
        return Context(instructions=f"This is run {state['runs']}.")


class Wrong(ContextProvider):
    """Gives what is no context."""

    def __init__(self, given: Any) -> None:
        self.given = given

    async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Any:
        return self.given


async def test_a_provider_that_takes_too_long_ends_the_run_before_it_is_paid_for() -> None:
    client = ScriptedChatClient(["never"])
    agent = client.create_agent(context_providers=Slow())
    with pytest.raises(ProviderError, match=r"Slow\.invoking took longer than its timeout of 0\.02 s"):
        await agent.run("hi", thread="t")
    assert client.requests == []
    assert await agent.storage.head("t") is None


async def test_a_provider_that_may_fail_is_left_out_with_a_warning() -> None:
    slow = Slow()
    slow.on_failure = "warn"
    client = ScriptedChatClient(["ok"])
    agent = client.create_agent(context_providers=[slow, Recorder(context=Context(instructions="here"))])
    reply = await agent.run("hi")
    assert client.requests[0].instructions == "here"
    assert reply.warnings == (
        "Slow.invoking failed: ProviderError: Slow.invoking took longer than its timeout of 0.02 s; raise the timeout",
    )


async def test_a_slow_lesson_is_cut_off_and_the_turn_stands() -> None:
    recorder = Recorder()
    agent = ScriptedChatClient(["ok"]).create_agent(context_providers=[Slow("invoked"), recorder])
    reply = await agent.run("hi", thread="t")
    assert [warning.partition(" ")[0] for warning in reply.warnings] == ["Slow.invoked"]
    assert recorder.learnt == [(["hi"], ["ok"])]
    assert len(await agent.get_thread("t").list_messages()) == 2


async def test_a_time_limit_of_a_provider_is_not_taken_for_one_of_its_service() -> None:
    class TimesOut(ContextProvider):
        timeout = timedelta(seconds=30)

        async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context | None:
            raise TimeoutError("the service")

    with pytest.raises(TimeoutError, match="the service"):
        await ScriptedChatClient(["never"]).create_agent(context_providers=TimesOut()).run("hi")


@pytest.mark.parametrize("given", ["text", Context(messages=["text"])], ids=["no-context", "no-message"])  # pyright: ignore[reportArgumentType] - wrong on purpose
async def test_a_wrong_answer_of_a_provider_is_named(given: Any) -> None:
    client = ScriptedChatClient(["never"])
    with pytest.raises(ProviderError, match=r"Wrong\.invoking returned"):
        await client.create_agent(context_providers=Wrong(given)).run("hi")
    assert client.requests == []


async def test_what_is_no_provider_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="must contain only ContextProvider objects"):
        ScriptedChatClient().create_agent(context_providers=["mem0"])  # pyright: ignore[reportArgumentType] - wrong on purpose


async def test_tools_and_instructions_of_providers_are_used_beside_the_agents_own() -> None:
    def lookup(what: str) -> str:
        return f"{what} is blue"

    client = ScriptedChatClient([call("lookup", {"what": "the sky"}), "Blue."])
    provider = Recorder(context=Context(instructions="Look things up.", tools=[lookup]))
    reply = await client.create_agent("A", "Be brief.", context_providers=provider).run("The sky?")
    assert client.requests[0].instructions == "Be brief.\n\nLook things up."
    assert [tool.name for tool in client.requests[0].tools] == ["lookup"]
    assert reply.text == "Blue."


async def test_every_provider_hears_of_a_run_that_failed() -> None:
    recorders = [Recorder("a"), Recorder("b", fail_in="invoked"), Recorder("c")]
    error = ChatClientError("down", status=503)
    agent = ScriptedChatClient([error]).create_agent(context_providers=recorders)
    with pytest.raises(ChatClientError):
        await agent.run("hi")
    assert [recorder.failures for recorder in recorders] == [[error]] * 3


async def test_a_turn_that_waited_asks_its_providers_again_and_tells_them_once(storage: Storage) -> None:
    def act() -> str:
        return "done"

    recorder = Recorder(context=Context(messages=[ChatMessage("user", "recalled")]))
    client = ScriptedChatClient([call("act"), "ok"])
    tools = FunctionTool.of(act, needs_approval=True)
    agent = client.create_agent(storage=storage, tools=tools, context_providers=recorder)
    await agent.run("hi", thread="t")
    assert recorder.events == ["p.invoking:hi"]
    await agent.resume("t", approvals={"call_1": True})
    assert recorder.events == ["p.invoking:hi", "p.invoking:hi", "p.thread_created:t", "p.invoked:ok"]
    assert recorder.learnt == [(["hi"], ["", "", "ok"])]
    assert [message.text for message in client.requests[1].messages][:2] == ["recalled", "hi"]


async def test_a_providers_state_travels_with_the_thread() -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(context_providers=Counter())
    thread = agent.get_new_thread()
    await agent.run("one", thread=thread)
    state = await thread.serialize()
    assert state["providers"] == {"Counter": {"runs": 1}}

    restored = await agent.deserialize_thread(state)
    await agent.run("two", thread=restored)
    assert client.requests[-1].instructions == "This is run 2."
    await thread.update_from_thread_state(await restored.serialize())
    assert thread.provider_states == {"Counter": {"runs": 2}}


@pytest.mark.parametrize("providers", [[], "x", {"Counter": 1}])
async def test_a_state_with_wrong_providers_is_refused(providers: Any) -> None:
    state = {"version": 1, "kind": "thread", "id": "t", "service_thread_id": None, "store": None}
    with pytest.raises(StateError, match="providers"):
        await AgentThread.deserialize({**state, "providers": providers})
