"""The SDK's own runner over `RecuerdaSession`, with its own model client against a server on this machine."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrailTripwireTriggered,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    RunState,
    function_tool,
    input_guardrail,
)
from agents.memory import OpenAIResponsesCompactionSession, SessionSettings
from agents.tracing import set_tracing_disabled
from openai import APIStatusError, AsyncOpenAI

from recuerda import ChatMessageStore, MemoryStorage, Storage, ThreadConflict
from recuerda.interop.openai_agents import RecuerdaSession
from recuerda.storage.drafts import DraftStep
from recuerda.storage.operations import Appended, Guard, NewRecord, ReadQuery, ThreadSlice
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Failure, Reply, ToolCall

MODELS = pytest.mark.parametrize("kind", [OpenAIResponsesModel, OpenAIChatCompletionsModel])


@pytest.fixture(autouse=True)
def nothing_is_reported() -> None:
    set_tracing_disabled(True)


@pytest.fixture
def model() -> Iterator[ScriptedOpenAIServer]:
    with ScriptedOpenAIServer() as server:
        yield server


@pytest.fixture
async def client(model: ScriptedOpenAIServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=model.base_url, api_key="none", max_retries=0) as client:
        yield client


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@function_tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount}"


def agent_on(client: AsyncOpenAI, kind: Any = OpenAIResponsesModel, **more: Any) -> Agent[Any]:
    settings = ModelSettings(temperature=0, store=False if kind is OpenAIResponsesModel else None)
    given: dict[str, Any] = {"tools": [add, pay], **more}
    return Agent(name="Doctor", model=kind("a-model", client), model_settings=settings, **given)


async def turns_of(storage: Storage, thread_id: str = "t") -> list[list[str]]:
    turns = await ChatMessageStore(storage=storage, thread_id=thread_id).list_turns()
    return [[message.role for message in stored.messages] for stored in turns]


@MODELS
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_a_run_with_parallel_tools_is_one_turn(
    storage: Storage, client: AsyncOpenAI, model: ScriptedOpenAIServer, kind: Any, is_streamed: bool
) -> None:
    calls = [ToolCall("add", {"a": 1, "b": 2}), ToolCall("add", {"a": 3, "b": 4})]
    model.script.extend([Reply("Adding.", tool_calls=calls), "3 and 7.", "Yes."])
    agent = agent_on(client, kind)
    for question, answer in (("Add 1 2 and 3 4.", "3 and 7."), ("Sure?", "Yes.")):
        session = RecuerdaSession("t", storage)
        if is_streamed:
            streamed = Runner.run_streamed(agent, question, session=session)
            async for _ in streamed.stream_events():
                pass
            assert streamed.final_output == answer
        else:
            assert (await Runner.run(agent, question, session=session)).final_output == answer
    turns = await turns_of(storage)
    assert [turn[0] for turn in turns] == ["user", "user"]
    assert turns[0].count("tool") == 2
    assert turns[1] == ["user", "assistant"]
    assert not (await storage.read("t")).has_draft


async def test_the_next_run_sends_exactly_the_items_of_the_first(
    storage: Storage, client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.script.extend([Reply("", tool_calls=[ToolCall("add", {"a": 1, "b": 2})]), "3.", "Yes."])
    agent = agent_on(client)
    first = await Runner.run(agent, "Add 1 and 2.", session=RecuerdaSession("t", storage))
    session = RecuerdaSession("t", storage)
    assert await session.get_items() == first.to_input_list()
    await Runner.run(agent, "Sure?", session=session)
    sent: Any = model.requests[-1].body["input"]
    assert sent[:-1] == first.to_input_list()


async def test_a_handoff_stays_in_its_turn(storage: Storage, client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    nurse = Agent(name="Nurse", model=OpenAIResponsesModel("a-model", client))
    doctor = agent_on(client, handoffs=[nurse])
    model.script.extend([Reply("", tool_calls=[ToolCall("transfer_to_nurse", {})]), "I am the nurse.", "Still me."])
    result = await Runner.run(doctor, "I need a plaster.", session=RecuerdaSession("t", storage))
    assert result.last_agent.name == "Nurse"
    await Runner.run(result.last_agent, "Are you there?", session=RecuerdaSession("t", storage))
    assert await turns_of(storage) == [["user", "assistant", "tool", "assistant"], ["user", "assistant"]]


async def test_an_approval_may_be_given_in_another_process(
    storage: Storage, another: Storage, client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.script.extend([Reply("", tool_calls=[ToolCall("pay", {"amount": 7})]), "Paid."])
    agent = agent_on(client)
    asked = await Runner.run(agent, "Pay 7.", session=RecuerdaSession("t", storage))
    state = asked.to_state().to_json()
    restored = await RunState.from_json(agent, state)
    restored.approve(restored.get_interruptions()[0])
    result = await Runner.run(agent, restored, session=RecuerdaSession("t", another))
    assert result.final_output == "Paid."
    assert await turns_of(another) == [["user", "assistant", "tool", "assistant"]]


async def test_a_run_that_failed_keeps_its_question_once(
    storage: Storage, client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.script.extend([Failure(500, "down"), "Hello."])
    agent = agent_on(client)
    with pytest.raises(APIStatusError):
        await Runner.run(agent, "Hi.", session=RecuerdaSession("t", storage, turn_id="request-7"))
    await Runner.run(agent, "Hi.", session=RecuerdaSession("t", storage, turn_id="request-7"))
    assert await turns_of(storage) == [["user", "assistant"]]


async def test_a_guardrail_that_trips_leaves_the_question(
    storage: Storage, client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    @input_guardrail
    def refuse(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered="secret" in str(input))

    model.default = "Hello."
    agent = agent_on(client, input_guardrails=[refuse])
    session = RecuerdaSession("t", storage)
    with pytest.raises(InputGuardrailTripwireTriggered):
        await Runner.run(agent, "Tell the secret.", session=session)
    items: list[Any] = [*await session.get_items()]
    assert [item["content"] for item in items] == ["Tell the secret."]


async def test_two_runs_at_once_on_one_thread_never_mix(
    storage: Storage, another: Storage, client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = "Hello."
    agent = agent_on(client)
    await Runner.run(agent, "Hi.", session=RecuerdaSession("t", storage))
    sessions = [RecuerdaSession("t", storage), RecuerdaSession("t", another)]
    runs = [Runner.run(agent, f"From {number}.", session=session) for number, session in enumerate(sessions)]
    outcomes = await asyncio.gather(*runs, return_exceptions=True)
    lost = [one for one in outcomes if isinstance(one, BaseException)]
    assert all(isinstance(one, ThreadConflict) for one in lost)
    assert len(lost) < 2
    turns = await turns_of(storage)
    answered = [turn for turn in turns if turn == ["user", "assistant"]]
    assert len(answered) == 3 - len(lost)
    # The run that conflicted has left its question, or nothing.
    assert [turn for turn in turns if turn not in answered] in ([], [["user"]])


async def test_a_run_reads_once_and_writes_once_for_each_step(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    seen: list[str] = []

    class Counting(MemoryStorage):
        async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
            seen.append("read")
            return await super()._read(thread_id, query)

        async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
            seen.append("append")
            return await super()._append(thread_id, record, guard)

        async def _save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
            seen.append("step")
            return await super()._save_draft(thread_id, step, guard)

    storage = Counting()
    model.default = "Hello."
    agent, session = agent_on(client), RecuerdaSession("t", storage)
    await Runner.run(agent, "Hi.", session=session)
    seen.clear()
    await Runner.run(agent, "Hi.", session=session)
    assert seen == ["read", "step", "append"]


@pytest.mark.parametrize("limit", [0, 2, 100, None])
async def test_a_run_reads_as_many_items_as_its_settings_say(
    storage: Storage, client: AsyncOpenAI, model: ScriptedOpenAIServer, limit: int | None
) -> None:
    model.script.extend(["A0.", "A1.", "A2."])
    agent, session = agent_on(client), RecuerdaSession("t", storage, session_settings={"limit": 3})
    await Runner.run(agent, "Q0.", session=session)
    await Runner.run(agent, "Q1.", session=session)
    config = RunConfig(session_settings=SessionSettings(limit=limit))
    await Runner.run(agent, "Q2.", session=session, run_config=config)
    sent: Any = model.requests[-1].body["input"]
    wanted = 3 if limit is None else min(limit, 4)  # None leaves the limit of the session
    assert len(sent) == wanted + 1
    assert len(await session.get_items(100)) == 6


async def test_a_callback_chooses_what_is_sent_and_only_new_items_are_stored(
    storage: Storage, client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    def chosen(history: list[Any], new: list[Any]) -> list[Any]:
        return [*history[:1], *history[:1], *new]

    model.script.extend(["A0.", "A1."])
    agent, session = agent_on(client), RecuerdaSession("t", storage)
    await Runner.run(agent, "Q0.", session=session)
    await Runner.run(agent, "Q1.", session=session, run_config=RunConfig(session_input_callback=chosen))
    sent: Any = model.requests[-1].body["input"]
    assert [item["content"] for item in sent] == ["Q0.", "Q0.", "Q1."]
    assert await turns_of(storage) == [["user", "assistant"]] * 2


async def test_a_run_without_an_event_loop_keeps_its_session(storage: Storage, model: ScriptedOpenAIServer) -> None:
    def run(question: str) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        client = AsyncOpenAI(base_url=model.base_url, api_key="none", max_retries=0)
        Runner.run_sync(agent_on(client), question, session=RecuerdaSession("t", storage))
        loop.run_until_complete(client.close())
        loop.close()

    model.script.extend(["A0.", "A1."])
    for question in ("Q0.", "Q1."):
        await asyncio.to_thread(run, question)
    sent: Any = model.requests[-1].body["input"]
    assert [item["role"] for item in sent] == ["user", "assistant", "user"]
    assert await turns_of(storage) == [["user", "assistant"]] * 2


class Compacting:
    """The part of OpenAI's client that compacts a history; it gives a summary."""

    def __init__(self) -> None:
        self.responses = self
        self.asked: list[Any] = []

    async def compact(self, **request: Any) -> Any:
        self.asked.append(request)
        return self

    output: list[Any] = [{"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}]  # noqa: RUF012 - never changed
    usage = None


class Failing(RecuerdaSession):
    """A session that cannot store the shorter history."""

    async def add_items(self, items: list[Any], **more: Any) -> None:
        if items[0].get("type") == "compaction":
            raise ConnectionError("no connection")
        await super().add_items(items, **more)


@pytest.mark.parametrize("is_failing", [False, True], ids=["stored", "failed"])
async def test_a_compaction_replaces_the_history_or_leaves_it(storage: Storage, is_failing: bool) -> None:
    underlying = (Failing if is_failing else RecuerdaSession)("t", storage)
    history: list[Any] = [
        {"type": "message", "role": role, "content": f"{role} {number}"}
        for number in range(6)
        for role in ("user", "assistant")
    ]
    await underlying.add_items(history)
    client: Any = Compacting()
    session = OpenAIResponsesCompactionSession("t", underlying, client=client, compaction_mode="input")
    if is_failing:
        with pytest.raises(ConnectionError):
            await session.run_compaction({"force": True})
        assert await RecuerdaSession("t", storage).get_items() == history
    else:
        await session.run_compaction({"force": True})
        assert await RecuerdaSession("t", storage).get_items() == Compacting.output
        assert "assistant 3" not in str([record.body for record in (await storage.read("t")).records])
    assert len(client.asked[0]["input"]) == 12
