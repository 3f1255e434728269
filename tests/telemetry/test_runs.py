"""The spans of an agent's runs."""

from __future__ import annotations

import asyncio
import gc

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from recuerda import (
    Agent,
    ChatClientError,
    ChatMessage,
    ChatResponse,
    Storage,
    ThreadConflict,
    Usage,
    tool,
)
from recuerda.testing import ScriptedChatClient, call
from tests.telemetry.recorded import Recorded, context_id

USED = Usage(input_tokens=12, output_tokens=5, total_tokens=17, cached_input_tokens=4, reasoning_tokens=2)


@tool
async def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"rain in {city}"


@tool
async def broken() -> str:
    """Fail."""
    raise ValueError("a secret in the text of an error")


@tool(needs_approval=True)
async def pay(amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount}"


async def test_a_run_with_a_tool_is_one_tree_of_spans(recorded: Recorded, storage: Storage) -> None:
    answer = ChatResponse(
        message=ChatMessage("assistant", "It rains."), usage=USED, finish_reason="stop", response_id="answer-2"
    )
    client = ScriptedChatClient([call("weather", {"city": "Lima"}), answer], usage=USED)
    client.provider_name, client.server_url = "openai", "https://models.example.org/v1"
    options = {"model": "small", "temperature": 0.5, "max_tokens": 90}
    agent = Agent(client, name="Guide", tools=[weather], storage=storage, options=options)
    await agent.run("Is it raining?", thread="t", turn_id="turn-1")
    assert recorded.names == [
        "invoke_agent Guide",
        "read",
        "chat small",
        "execute_tool weather",
        "chat small",
        "append",
    ]
    run, _, _, called, chat, append = recorded.spans
    assert [span.parent and span.parent.span_id for span in recorded.spans] == [None] + 5 * [context_id(run)]
    assert [run.kind, chat.kind, called.kind, append.kind] == [
        SpanKind.INTERNAL,
        SpanKind.CLIENT,
        SpanKind.INTERNAL,
        SpanKind.CLIENT,
    ]
    provider = {"gen_ai.provider.name": "openai", "gen_ai.system": "openai"}
    in_thread = {"gen_ai.conversation.id": "t"}
    turn = {"recuerda.turn.id": "turn-1", "recuerda.turn.revision": 1, "recuerda.turn.outcome": "committed"}
    assert run.attributes == provider | in_thread | turn | {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "Guide",
        "gen_ai.usage.input_tokens": 24,
        "gen_ai.usage.output_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 8,
        "gen_ai.usage.reasoning.output_tokens": 4,
        "recuerda.run.trips": 2,
    }
    assert chat.attributes == provider | in_thread | {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "small",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 90,
        "gen_ai.response.id": "answer-2",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "server.address": "models.example.org",
        "server.port": 443,
    }
    assert called.attributes == in_thread | {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.description": "Return the weather of a city.",
    }
    assert append.attributes == in_thread | turn | {"db.system.name": "sqlite", "db.operation.name": "append"}


async def test_a_run_is_a_part_of_the_trace_of_its_caller(recorded: Recorded, storage: Storage) -> None:
    inner = Agent(ScriptedChatClient(["42"]), name="Inner", storage=storage)

    @tool
    async def ask(question: str) -> str:
        """Ask the other agent."""
        return (await inner.run(question, thread="inner")).text

    outer = Agent(ScriptedChatClient([call("ask", {"question": "?"}), "It is 42."]), tools=[ask], storage=storage)
    with recorded.tracers.get_tracer("app").start_as_current_span("request"):
        await outer.run("Ask.", thread="outer")
    assert recorded.parent_of("invoke_agent") == "request"
    assert recorded.parent_of("execute_tool ask") == "invoke_agent"
    assert recorded.parent_of("invoke_agent Inner") == "execute_tool ask"
    assert recorded.facts("invoke_agent")["recuerda.run.trips"] == 2
    assert recorded.facts("invoke_agent Inner")["gen_ai.conversation.id"] == "inner"


async def test_the_spans_of_a_stream_end_with_the_stream(recorded: Recorded, storage: Storage) -> None:
    agent = Agent(ScriptedChatClient(["one two three"], usage=USED), storage=storage)
    seen = [get_current_span().get_span_context().is_valid async for _ in agent.run_stream("Count.", thread="t")]
    assert seen == [False, False, False]  # the loop of the caller is not a part of the run
    assert recorded.names == ["invoke_agent", "read", "chat", "append"]
    chat = recorded.facts("chat")
    assert (chat["gen_ai.request.stream"], chat["gen_ai.usage.output_tokens"]) == (True, 5)
    assert 0 < chat["gen_ai.response.time_to_first_chunk"] < 60
    assert recorded.parent_of("chat") == "invoke_agent"
    assert len(recorded.points("gen_ai.client.operation.time_to_first_chunk")) == 1


async def test_a_stream_that_is_left_ends_its_spans_as_cancelled(recorded: Recorded, storage: Storage) -> None:
    agent = Agent(ScriptedChatClient(default="one two three"), storage=storage)
    async with agent.run_stream("Count.", thread="t") as stream:
        async for _ in stream:
            break
    assert recorded.facts("invoke_agent")["error.type"] == recorded.facts("chat")["error.type"] == "CancelledError"
    assert recorded.span("invoke_agent").status.status_code is StatusCode.UNSET
    recorded.forget()

    async for _ in (dropped := agent.run_stream("Count.", thread="t")):
        break
    del dropped
    gc.collect()
    await agent.run("Go on.", thread="t")  # it waits until the event loop has closed the dropped run
    assert [span.attributes and span.attributes.get("error.type") for span in recorded.spans][:1] == ["CancelledError"]
    assert recorded.names.count("invoke_agent") == 2
    recorded.forget()

    running = asyncio.create_task(agent.run("Wait.", thread="t"))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert recorded.facts("invoke_agent")["error.type"] == "CancelledError"


async def test_a_failure_is_noted_by_its_type_and_never_by_its_text(recorded: Recorded, storage: Storage) -> None:
    failures = [ChatClientError("a secret", status=429), ValueError("a secret")]
    agent = Agent(
        ScriptedChatClient([*failures, call("broken"), call("made_up", call_id="c2"), "Sorry."]), tools=[broken]
    )
    for kind in ("429", "ValueError"):
        with pytest.raises((ChatClientError, ValueError)):
            await agent.run("Try.", thread="t")
        for name in ("invoke_agent", "chat"):
            span = recorded.span(name)
            assert (span.attributes or {})["error.type"] == kind
            assert span.status.status_code is StatusCode.ERROR
        recorded.forget()
    await agent.run("Try.", thread="t")
    assert recorded.facts("execute_tool broken")["error.type"] == "tool_error"
    assert recorded.facts("execute_tool unknown")["error.type"] == "tool_error"
    assert "error.type" not in recorded.facts("invoke_agent")
    assert "secret" not in "".join(span.to_json() for span in recorded.spans)


async def test_the_outcome_of_a_turn_is_committed_replayed_conflict_or_pending(
    recorded: Recorded, storage: Storage
) -> None:
    @tool
    async def interfere() -> str:
        """Let another run come first."""
        await storage.delete("t")
        return "done"

    agent = Agent(ScriptedChatClient(["One.", call("interfere")], default="Late."), tools=[interfere], storage=storage)
    await agent.run("Go.", thread="t", turn_id="a")
    await agent.run("Go.", thread="t", turn_id="a")
    with pytest.raises(ThreadConflict):
        await agent.run("Go.", thread="t")
    payer = Agent(ScriptedChatClient([call("pay", {"amount": 5})]), tools=[pay], storage=storage)
    await payer.run("Pay.", thread="p")
    runs = recorded.all_facts("invoke_agent")
    assert [run["recuerda.turn.outcome"] for run in runs] == ["committed", "replayed", "conflict", "pending"]
    assert [run["recuerda.turn.id"] for run in runs[:2]] == ["a", "a"]
    turns = {point.attributes["recuerda.turn.outcome"]: point.value for point in recorded.points("recuerda.turns")}
    assert turns == {"committed": 1, "replayed": 1, "conflict": 1}


async def test_a_resumed_run_is_linked_to_the_runs_before_it(recorded: Recorded, storage: Storage) -> None:
    agent = Agent(ScriptedChatClient([call("pay", {"amount": 5}), "Paid."]), tools=[pay], storage=storage)
    waiting = await agent.run("Pay.", thread="t")
    first = recorded.span("invoke_agent").get_span_context()
    recorded.forget()
    await agent.resume("t", approvals={waiting.pending[0].call_id: True})
    resumed = recorded.span("invoke_agent")
    assert first is not None
    assert [(link.context.trace_id, link.context.span_id) for link in resumed.links] == [
        (first.trace_id, first.span_id)
    ]
    assert resumed.parent is None


class Failing(SpanProcessor):
    """An application's processor with a fault."""

    def __init__(self, *, fails_at_start: bool) -> None:
        self._fails_at_start = fails_at_start

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if self._fails_at_start:
            raise ValueError("a fault")

    def on_end(self, span: ReadableSpan) -> None:
        if not self._fails_at_start:
            raise ValueError("a fault")


async def test_a_processor_with_a_fault_ends_no_run(
    recorded: Recorded, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(ScriptedChatClient(default="Yes."), storage=storage)
    for fails_at_start in (False, True):
        recorded.tracers.add_span_processor(Failing(fails_at_start=fails_at_start))
        assert (await agent.run("Hello.", thread="t")).text == "Yes."
    assert {getattr(record, "event", "") for record in caplog.records} == {"span_not_recorded"}


async def test_a_stream_that_nobody_begins_to_read_begins_no_span(recorded: Recorded, storage: Storage) -> None:
    begun: list[str] = []

    class Begun(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            begun.append(span.name)

    recorded.tracers.add_span_processor(Begun())
    agent = Agent(ScriptedChatClient(default="Yes."), storage=storage)
    agent.run_stream("Hello.", thread="t")
    gc.collect()
    assert begun == []
