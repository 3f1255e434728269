"""The metrics, with the bounds of the conventions, and their exemplars."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import HistogramDataPoint

from recuerda import Agent, ChatMessage, ContextWindow, NewTurn, Storage, TokenCounter, Usage
from recuerda.storage import DraftStep
from recuerda.telemetry import names, uninstrument, watch_drafts
from recuerda.telemetry.metrics import Numbers
from recuerda.testing import ScriptedChatClient
from tests.telemetry.recorded import Recorded, context_id


def _by(points: list[Any], name: str) -> dict[object, HistogramDataPoint]:
    return {point.attributes[name]: point for point in points}


async def test_durations_and_tokens_have_the_bounds_of_the_conventions(recorded: Recorded, storage: Storage) -> None:
    usage = Usage(input_tokens=12, output_tokens=5, total_tokens=17)
    agent = Agent(ScriptedChatClient(["Yes."], usage=usage), name="Guide", storage=storage)
    await agent.run("Well?", thread="t")
    durations = _by(recorded.points("gen_ai.client.operation.duration"), "gen_ai.operation.name")
    assert set(durations) == {"chat", "invoke_agent"}
    assert durations["chat"].explicit_bounds == names.OPERATION_S
    assert durations["invoke_agent"].attributes == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "ScriptedChatClient",
        "gen_ai.system": "ScriptedChatClient",
        "gen_ai.agent.name": "Guide",
    }
    tokens = _by(recorded.points("gen_ai.client.token.usage"), "gen_ai.token.type")
    assert {kind: point.sum for kind, point in tokens.items()} == {"input": 12, "output": 5}
    assert tokens["input"].explicit_bounds[:3] == (1, 4, 16)
    assert tokens["input"].explicit_bounds[-1] == 67_108_864
    operations = _by(recorded.points("db.client.operation.duration"), "db.operation.name")
    assert set(operations) == {"read", "append"}
    assert operations["read"].explicit_bounds == names.DB_S
    (trips,) = recorded.points("recuerda.run.trips")
    assert (trips.value, trips.attributes) == (2, {"gen_ai.agent.name": "Guide"})


async def test_each_exemplar_names_the_span_that_was_measured(recorded: Recorded, storage: Storage) -> None:
    await Agent(ScriptedChatClient(["Yes."]), storage=storage).run("Well?", thread="t")
    metrics = recorded.metrics()
    found = {
        point.attributes["gen_ai.operation.name"]: point.exemplars[0].span_id
        for point in metrics["gen_ai.client.operation.duration"]
    }
    assert found == {name: context_id(recorded.span(name)) for name in ("chat", "invoke_agent")}
    append = _by(metrics["db.client.operation.duration"], "db.operation.name")["append"]
    assert append.exemplars[0].span_id == context_id(recorded.span("append"))


async def test_a_run_reports_what_its_window_sends_and_leaves_out(recorded: Recorded, storage: Storage) -> None:
    for _ in range(10):
        await storage.append("t", _turn())
    agent = Agent(ScriptedChatClient(["Yes."]), storage=storage, window=ContextWindow(max_messages=4))
    await agent.run("Well?", thread="t")
    run = recorded.facts("invoke_agent")
    sent, left_out = run["recuerda.window.messages.sent"], run["recuerda.window.messages.left_out"]
    assert 0 < sent <= 4
    assert sent + left_out == 20
    tokens = {
        point.attributes["recuerda.window.part"]: point.value for point in recorded.points("recuerda.window.tokens")
    }
    assert tokens["left_out"] == round(left_out * tokens["sent"] / sent) > 0


async def test_counters_go_on_after_telemetry_was_switched_off_and_on_again(
    recorded: Recorded, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    agent = Agent(ScriptedChatClient(default="Yes."), storage=storage)
    await agent.run("Well?", thread="t")
    uninstrument()
    await agent.run("Well?", thread="t")
    recorded.switch_on()
    await agent.run("Well?", thread="t")
    assert [(point.value, dict(point.attributes)) for point in recorded.points("recuerda.turns")] == [
        (2, {"db.system.name": "sqlite", "recuerda.turn.outcome": "committed"})
    ]
    assert [point.value for point in recorded.points("recuerda.run.trips")] == [4]
    assert not caplog.records  # the SDK warns of an instrument that is made twice


def test_a_counter_loses_nothing_to_other_os_threads(recorded: Recorded) -> None:
    create = recorded.meters.get_meter("test").create_observable_counter
    counted = Numbers(create, "test.count", "{one}", "A count.", ("name",))

    def count(number: int) -> None:
        for _ in range(2_000):
            counted.add(1, f"{number % 2}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(count, range(8)))
    sums = {point.attributes["name"]: point.value for point in recorded.points("test.count")}
    assert sums == {"0": 8_000, "1": 8_000}


async def test_an_exact_counter_is_not_asked_to_count_each_window(recorded: Recorded, storage: Storage) -> None:
    asked: list[str] = []

    def count(text: str) -> int:
        asked.append(text)
        return len(text)

    window = ContextWindow(max_messages=4, counter=TokenCounter(count))
    agent = Agent(ScriptedChatClient(default="Yes."), storage=storage, window=window)
    for _ in range(3):
        await agent.run("Well?", thread="t")
    assert sum(point.value for point in recorded.points("recuerda.window.tokens")) > 0
    assert asked == []


async def test_the_wait_for_a_lease_is_measured(recorded: Recorded, storage: Storage) -> None:
    agent = Agent(ScriptedChatClient(["Yes."]), storage=storage, lease=timedelta(seconds=30))
    await agent.run("Well?", thread="t")
    (waits,) = recorded.points("recuerda.lease.wait.duration")
    assert waits.count == 1
    assert recorded.facts("invoke_agent")["recuerda.lease.wait"] == waits.sum


async def test_the_open_drafts_of_a_storage_are_counted_with_their_age(recorded: Recorded, storage: Storage) -> None:
    async with watch_drafts(storage):
        for _ in range(3):  # the drafts are counted less often than Prometheus asks
            metrics = recorded.metrics()
            assert [metrics[name][0].value for name in ("recuerda.drafts.open", "recuerda.drafts.age")] == [0, 0]
    hour_us = 3_600_000_000
    for name in ("a", "b"):
        step = DraftStep(turn_id="x", revision=0, number=1, body=b"{}", created_us=storage.clock() - hour_us)
        await storage.save_draft(name, step)
    async with watch_drafts(storage, every=timedelta(milliseconds=1)):
        metrics = recorded.metrics()
    assert recorded.points("recuerda.drafts.open") == []
    (opened,), (age,) = metrics["recuerda.drafts.open"], metrics["recuerda.drafts.age"]
    assert (opened.value, opened.attributes) == (2, {"db.system.name": "sqlite"})
    assert 3_600 <= age.value < 3_700


def _turn() -> NewTurn:
    from recuerda.messages.codec import encode_turn
    from recuerda.messages.message import Turn

    messages = (ChatMessage("user", "How are you?"), ChatMessage("assistant", "Fine."))
    return NewTurn(body=encode_turn(Turn(messages=messages)), message_count=2)
