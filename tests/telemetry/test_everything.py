"""A program that uses everything records exactly the spans, attributes and metrics that the page describes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from opentelemetry.sdk.metrics.export import Gauge, Histogram, Metric, Sum

from recuerda import Agent, ChatMessage, ChatResponse, ContextWindow, NewTurn, Storage, Usage, tool
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import Turn
from recuerda.recall import FactExtractor, RecallProvider
from recuerda.sqlite import SQLiteStorage
from recuerda.storage import DraftStep
from recuerda.telemetry import names, watch_drafts
from recuerda.testing import ScriptedChatClient, ScriptedOpenAIServer, call
from tests.server.serving import running, sdk
from tests.telemetry.page import DOTTED, PAGE, table
from tests.telemetry.recorded import Recorded

USED = Usage(input_tokens=12, output_tokens=5, total_tokens=17, cached_input_tokens=4, reasoning_tokens=2)
OPTIONS = {
    "model": "small",
    "temperature": 0.5,
    "top_p": 0.9,
    "max_tokens": 90,
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "seed": 1,
}
KINDS: dict[type, str] = {Histogram: "histogram", Sum: "counter", Gauge: "gauge"}


@tool
async def weather(city: str) -> str:
    """Return the weather of a city."""
    if city == "nowhere":
        raise ValueError("there is no such city")
    return f"rain in {city}"


@tool(needs_approval=True)
async def pay(amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount}"


@dataclass
class Sky:
    """The answer of a run with a structured output."""

    rain: bool


async def test_a_program_that_uses_everything_records_what_the_page_describes(
    recorded: Recorded, storage: Storage, tmp_path: Path
) -> None:
    recorded.switch_on(content=True)
    await _run_agents(storage)
    await _remember(storage)
    await _serve(storage)
    await _operate(tmp_path)
    async with watch_drafts(storage):
        metrics = recorded.all_metrics()

    assert {_general(span.name) for span in recorded.spans} == {
        name for name in table("## Spans") if not DOTTED.fullmatch(name)
    }
    on_page = {name for name in table("## Spans") | table("## Contents") if DOTTED.fullmatch(name)}
    assert {key for span in recorded.spans for key in span.attributes or {}} == on_page
    rows = re.findall(r"^\| `([a-z_.]+)` \| (\w+) \| (\S+) \|", PAGE, re.MULTILINE)
    assert {(one.name, KINDS[type(one.data)], one.unit) for one in metrics} == set(rows)
    assert _keys(metrics) - on_page == {names.TOKEN_TYPE, names.WINDOW_PART}


async def test_every_operation_of_a_storage_is_recorded_under_its_name(recorded: Recorded, tmp_path: Path) -> None:
    await _operate(tmp_path)
    assert set(recorded.names) == set(names.STORAGE_OPERATIONS.values())
    assert {(span.attributes or {})[names.DB_OPERATION] for span in recorded.spans} == set(recorded.names)
    points = recorded.points(names.DB_DURATION)
    assert {point.attributes[names.DB_OPERATION] for point in points} == set(recorded.names)


def _general(name: str) -> str:
    """Return the name of a span with the names of its kind in place of the particular ones."""
    for operation, of in ((names.INVOKE_AGENT, "agent"), (names.CHAT, "model"), (names.EXECUTE_TOOL, "tool")):
        if name.split(" ", maxsplit=1)[0] == operation:
            return f"{operation} {{{of}}}"
    return "{method} {route}" if " /" in name else name


def _keys(metrics: Iterable[Metric]) -> set[str]:
    return {key for metric in metrics for point in metric.data.data_points for key in point.attributes or {}}


async def _run_agents(storage: Storage) -> None:
    answer = ChatResponse(
        message=ChatMessage("assistant", "It rains."), usage=USED, finish_reason="stop", response_id="answer"
    )
    script = [call("weather", {"city": "nowhere"}), answer, "It rains.", call("pay", {"amount": 5}), "Paid."]
    client = ScriptedChatClient([*script, json.dumps({"rain": True})], usage=USED)
    client.provider_name, client.server_url = "openai", "https://models.example.org/v1"
    agent = Agent(
        client,
        name="Guide",
        instructions="Be short.",
        tools=[weather, pay],
        storage=storage,
        options=OPTIONS,
        durability="steps",
        lease=timedelta(seconds=30),
        window=ContextWindow(max_messages=2),
    )
    await agent.run("Is it raining?", thread="t")
    async for _ in agent.run_stream("And now?", thread="t"):
        pass
    waiting = await agent.run("Pay.", thread="t")
    await agent.resume("t", approvals={waiting.pending[0].call_id: True})
    await agent.run("Is it raining?", thread="t", output_type=Sky)
    await agent.close()


async def _remember(storage: Storage) -> None:
    finder = ScriptedChatClient(default=json.dumps({"facts": [{"text": "Ana's sister lives in Lisbon."}]}))
    recall = RecallProvider(user_id="ana", storage=storage, recent_turns=0, facts=FactExtractor(finder))
    async with recall:
        agent = Agent(ScriptedChatClient(default="Good."), storage=storage, context_providers=recall)
        await agent.run("My sister lives in Lisbon.", thread=agent.get_thread("m", user_id="ana"))
        await recall.flush()
        memory = (await recall.search("Where does my sister live?"))[0]
        await recall.correct(memory, "My sister lives in Porto.")
        await recall.forget(thread="m")


async def _serve(storage: Storage) -> None:
    with ScriptedOpenAIServer("Yes.") as model:
        async with running(storage, model.base_url) as url, sdk(url) as client:
            await client.responses.create(model="small", input="Well?")


async def _operate(folder: Path) -> None:
    """Do each operation of a storage once."""
    async with SQLiteStorage(folder / "operations.db") as storage:
        await storage.append("o", _turn())
        second = await storage.append("o", _turn())
        await storage.append("o", _turn())
        await storage.read("o")
        await storage.undo("o")
        await storage.summarize("o", b"{}", through=1)
        await storage.rewrite("o", {second.revision: _turn().body})
        await storage.trim("o", keep_turns=1)
        await storage.update_thread("o", title="Rain")
        await storage.list_threads()
        info = await storage.head("o")
        assert info is not None
        step = DraftStep(turn_id="x", revision=info.revision, number=1, body=b"{}", created_us=storage.clock())
        await storage.save_draft("o", step)
        await storage.load_draft("o")
        await storage.list_drafts()
        await storage.list_leases()
        await storage.drop_draft("o")
        async with storage.lease("o", ttl=timedelta(seconds=30)):
            pass
        await storage.delete("o")
        await storage.clean_up()


def _turn() -> NewTurn:
    messages = (ChatMessage("user", "How are you?"), ChatMessage("assistant", "Fine."))
    return NewTurn(body=encode_turn(Turn(messages=messages)), message_count=2)
