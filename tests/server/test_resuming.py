"""A stream that a client reads on after its connection broke: the rest of the same events, with the same numbers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError

from tests.openai.call_fragments import STREAMS
from tests.openai.canned import CannedServer, chunk
from tests.server.serving import streamed

ANSWERS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "text": ([{"content": word} for word in ("A ", "text", "", " of many \U0001f600", " pieces.")], "stop"),
    "all kinds": (
        [
            {"reasoning_content": "Hm"},
            {"reasoning_content": "."},
            {"content": "Yes"},
            {"refusal": "No"},
            {"content": "!"},
        ],
        "length",
    ),
    "nothing": ([{}], "stop"),
    "one piece": ([{"content": "Yes."}], "stop"),
    **{
        name: ([{"tool_calls": [one]} if one else {"content": "So"} for one in STREAMS[name][0]], "tool_calls")
        for name in STREAMS
    },
}


@pytest.fixture
def upstream(canned: CannedServer) -> str:
    return canned.base_url


async def rest(client: AsyncOpenAI, id: str, after: int) -> list[Any]:
    stream: Any = await client.responses.retrieve(id, stream=True, starting_after=after)
    return [event.to_dict() async for event in stream]


async def test_the_rest_of_a_stream_has_the_same_events(canned: CannedServer, client: AsyncOpenAI) -> None:
    for deltas, reason in ANSWERS.values():
        canned.chunks(*map(chunk, deltas), chunk({}, finish_reason=reason))
        events, response = await streamed(client, input="x")
        seen = [event.to_dict() for event in events]
        seen[1]["response"]["model"] = response.model  # The server's answer names the model in another way.
        for after in {0, 1, 2, 5, len(seen) // 2, len(seen) - 3, len(seen) - 2, len(seen) - 1} - {-1}:
            if after < len(seen):
                assert await rest(client, response.id, after) == seen[after + 1 :]
        assert (await client.responses.retrieve(response.id)).to_dict() == response.to_dict()


async def test_reasoning_is_given_as_a_summary_if_the_client_asks_for_one(
    canned: CannedServer, client: AsyncOpenAI
) -> None:
    words = [{"reasoning_content": "Hm"}, {"reasoning_content": "."}, {"content": "Yes."}]
    canned.chunks(*map(chunk, words), chunk({}, finish_reason="stop"))
    events, response = await streamed(client, input="x", reasoning={"summary": "auto"})
    kinds = [event.type.removeprefix("response.reasoning_summary_") for event in events if "summary" in event.type]
    assert kinds == ["part.added", "text.delta", "text.delta", "text.done", "part.done"]
    shown = response.output[0].to_dict()
    assert (shown["summary"], "content" in shown) == ([{"type": "summary_text", "text": "Hm."}], False)
    assert response.reasoning.summary == "auto"
    assert await rest(client, response.id, 3) == [event.to_dict() for event in events[4:]]
    canned.chunks(chunk({"content": "Yes."}), chunk({}, finish_reason="stop"))
    history: Any = [{"role": "user", "content": "x"}, *(item.to_dict() for item in response.output)]
    await streamed(client, input=[*history, {"role": "user", "content": "y"}])
    assert json.loads(canned.asked)["messages"][1]["content"] == "Yes."


async def test_a_retry_of_a_stream_gives_the_same_events(canned: CannedServer, client: AsyncOpenAI) -> None:
    canned.chunks(*(chunk({"content": word}) for word in "abcdef"), chunk({}, finish_reason="stop"))
    key = {"Idempotency-Key": "k"}
    (first, _), (again, _) = [await streamed(client, input="x", extra_headers=key) for _ in range(2)]
    assert [event.to_dict() for event in again[2:]] == [event.to_dict() for event in first[2:]]


async def test_a_response_that_was_not_streamed_or_has_lost_an_item_streams_as_it_is(
    canned: CannedServer, client: AsyncOpenAI
) -> None:
    conversation = (await client.conversations.create()).id
    canned.chunks(
        chunk({"reasoning_content": "Hm."}), chunk({"content": "Y"}), chunk({"content": "es."}, finish_reason="stop")
    )
    _, response = await streamed(client, input="x", conversation=conversation)
    await client.conversations.items.delete(response.output[0].id, conversation_id=conversation)
    kinds = [event["type"] for event in await rest(client, response.id, 1)]
    assert kinds == [
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]


async def test_log_probabilities_are_passed_on_whole_and_in_pieces(canned: CannedServer, client: AsyncOpenAI) -> None:
    entries = [{"token": token, "logprob": -0.5, "bytes": [1], "top_logprobs": []} for token in ("Ye", "s", ".")]
    chunks = [chunk({"content": entry["token"]}) for entry in entries]
    for one, entry in zip(chunks, entries, strict=True):
        choices: Any = one["choices"]
        choices[0]["logprobs"] = {"content": [entry]}
    canned.chunks(*chunks, chunk({}, finish_reason="stop"))
    events, response = await streamed(client, input="x", include=["message.output_text.logprobs"], top_logprobs=2)
    asked = json.loads(canned.asked)
    assert (asked["logprobs"], asked["top_logprobs"]) == (True, 2)
    deltas = [event.to_dict() for event in events if event.type == "response.output_text.delta"]
    assert [delta["logprobs"] for delta in deltas] == [[entry] for entry in entries]
    assert response.to_dict()["output"][0]["content"][0]["logprobs"] == entries
    assert [event["logprobs"] for event in await rest(client, response.id, 3) if "delta" in event] == [
        [e] for e in entries
    ]


@pytest.mark.parametrize("after", ["x", "-1", "1.5"])
async def test_a_number_that_no_event_can_have_is_refused(
    client: AsyncOpenAI, after: str, canned: CannedServer
) -> None:
    canned.chunks(chunk({"content": "Yes."}, finish_reason="stop"))
    _, response = await streamed(client, input="x")
    path = f"/responses/{response.id}?stream=true&starting_after={after}"
    with pytest.raises(BadRequestError) as refusal:
        await client.get(path, cast_to=object)
    assert refusal.value.param == "starting_after"
