"""Calls of functions in answers, however the model's server cuts them into chunks."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncOpenAI

from tests.openai.call_fragments import STREAMS
from tests.openai.canned import CannedServer, chunk, completion
from tests.server.serving import failed_stream, streamed


@pytest.fixture
def upstream(canned: CannedServer) -> str:
    return canned.base_url


def calls_of(response: Any) -> list[tuple[str, str, str]]:
    return [(item.call_id, item.name, item.arguments) for item in response.output if item.type == "function_call"]


def joined(events: list[Any]) -> dict[str, str]:
    """Return the arguments that a client puts together from the deltas, by item."""
    arguments: dict[str, str] = {}
    for event in events:
        if event.type == "response.function_call_arguments.delta":
            arguments[event.item_id] = arguments.get(event.item_id, "") + event.delta
    return arguments


@pytest.mark.parametrize("stream", STREAMS)
async def test_fragments_of_parallel_calls_make_whole_calls(
    canned: CannedServer, client: AsyncOpenAI, stream: str
) -> None:
    fragments, expected = STREAMS[stream]
    deltas = [{"tool_calls": [one]} if one else {"content": "Let me see."} for one in fragments]
    canned.chunks(*map(chunk, deltas), chunk({}, finish_reason="tool_calls"))
    events, response = await streamed(client, input="x")
    assert response.status == "completed"
    calls = calls_of(response)
    assert [(name, arguments) for _, name, arguments in calls] == [call[1:] for call in expected]
    assert [id for id, _, _ in calls if id in ("x", "y")] == [id for id, _, _ in expected if id]
    assert len({id for id, _, _ in calls}) == len(calls)
    assert calls_of(await client.responses.retrieve(response.id)) == calls
    done = [event.item for event in events if event.type == "response.output_item.done"]
    assert sorted(item.id for item in done) == sorted(item.id for item in response.output)
    if "half" not in stream:
        assert sorted(joined(events).values()) == sorted(arguments for _, _, arguments in calls)


async def test_a_call_that_comes_whole_is_done_before_the_next_one(canned: CannedServer, client: AsyncOpenAI) -> None:
    fragments, _ = STREAMS["one after the other"]
    canned.chunks(*(chunk({"tool_calls": [one]}) for one in fragments), chunk({}, finish_reason="tool_calls"))
    events, _ = await streamed(client, input="x")
    kinds = [event.type.removeprefix("response.") for event in events if "item" in event.type]
    assert kinds == ["output_item.added", "output_item.done"] * 2


async def test_a_call_that_goes_on_after_it_was_done_fails_the_response(
    canned: CannedServer, client: AsyncOpenAI
) -> None:
    calls: list[dict[str, object]] = [
        {"index": 0, "id": "x", "function": {"name": "add", "arguments": "{}"}},
        {"index": 1, "id": "y", "function": {"name": "sub", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": '{"a":1}'}},
    ]
    canned.chunks(*(chunk({"tool_calls": [call]}) for call in calls), chunk({}, finish_reason="tool_calls"))
    _, response = await failed_stream(client, input="x")
    assert response["status"] == "failed"


async def test_the_calls_of_a_whole_answer_are_never_joined(canned: CannedServer, client: AsyncOpenAI) -> None:
    call = {"type": "function", "function": {"name": "add", "arguments": '{"a":'}}
    canned.whole(completion({"role": "assistant", "content": None, "tool_calls": [call, call]}))
    one, other = calls_of(await client.responses.create(input="x"))
    assert one[1:] == other[1:] == ("add", '{"a":')
    assert one[0] != other[0]
