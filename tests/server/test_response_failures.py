"""Responses that come to nothing: what the client is told, and that nothing is left."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from openai import APIStatusError, AsyncOpenAI, BadRequestError, InternalServerError, NotFoundError

from recuerda import Storage
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Dropped, Failure, Reply
from tests.server.serving import failed_stream, streamed


@pytest.mark.parametrize(
    "failure",
    [
        (Failure(401, "Incorrect API key provided: sk-upstream-secret"), 502, "upstream_unauthorized"),
        (Failure(500), 502, "upstream_error"),
        (Failure(503), 502, "upstream_error"),
        (Failure(429, "Slow down.", code="slow_down", headers={"retry-after": "7"}), 429, "slow_down"),
        (Failure(400, "The maximum context length is 8.", code="too_long"), 400, "too_long"),
        (Failure(404, "There is no such model.", code="model_not_found"), 404, "model_not_found"),
        (Dropped(), 502, "upstream_unreachable"),
    ],
    ids=["key", "failed", "overloaded", "rate", "too-long", "model", "dropped"],
)
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_what_the_models_server_does_wrong_has_a_status_and_leaves_nothing(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, failure: tuple[Any, int, str], is_streamed: bool
) -> None:
    model.default, status, code = failure
    conversation = (await client.conversations.create()).id
    with pytest.raises(APIStatusError) as refusal:
        await client.responses.create(input="x", conversation=conversation, stream=cast("Any", is_streamed))
    assert (refusal.value.status_code, refusal.value.code) == (status, code)
    assert "secret" not in str(refusal.value)
    assert (await client.conversations.items.list(conversation)).data == []
    if status == 429:
        assert refusal.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("chunks", [1, 3, 5])
async def test_a_stream_that_breaks_off_ends_as_failed_and_leaves_nothing(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, chunks: int
) -> None:
    model.script.extend([Dropped(chunks, Reply("A long answer that is cut.")), "Whole."])
    conversation = (await client.conversations.create()).id
    error, response = await failed_stream(client, input="x", conversation=conversation)
    assert (error["code"], response["status"]) == ("upstream_broken", "failed")
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(response["id"])
    assert (await client.responses.create(input="x", conversation=conversation)).output_text == "Whole."
    assert len((await client.conversations.items.list(conversation)).data) == 2


async def test_a_stream_that_breaks_off_behind_its_end_is_whole(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.script.append(Dropped(99, Reply("Whole.")))
    _, response = await streamed(client, input="x")
    assert (response.status, response.output_text) == ("completed", "Whole.")
    assert (await client.responses.retrieve(response.id)).output_text == "Whole."


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": 7}, "input"),
        ({"input": "x", "temperature": "hot"}, "temperature"),
        ({"input": "x", "temperature": 3}, "temperature"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": "x", "tools": [{"type": "function"}]}, "tools[0].name"),
        ({"input": "x", "background": True, "store": False}, "store"),
        ({"input": "x", "include": ["bogus"]}, "include[0]"),
        ({"input": "x", "tool_choice": "required"}, "tool_choice"),
        ({"input": [{"type": "web_search_call", "status": "completed"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": "x"}, {"type": "compaction"}]}, "input[1].type"),
        ({"input": [{"type": "custom_tool_call", "call_id": "c", "name": "f"}]}, "input[0].input"),
        ({"input": [{"type": "local_shell_call_output", "output": "x"}]}, "input[0].call_id"),
        ({"input": "x", "max_output_tokens": 0}, "max_output_tokens"),
        ({"input": "x", "text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema"),
        ({"input": "x", "previous_response_id": "resp_x"}, "previous_response_id"),
        ({"input": "x", "previous_response_id": "resp_x", "conversation": "conv_x"}, "previous_response_id"),
        ({"input": "x", "metadata": {"a": 1}}, "metadata"),
        ({"input": [{"role": "user", "content": "x"}, {"role": "user"}]}, "input[1].content"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_request_that_cannot_be_used_is_refused_by_its_path(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, body: Any, param: str
) -> None:
    with pytest.raises(BadRequestError) as refusal:
        await client.post("/responses", cast_to=cast("Any", object), body=body)
    assert refusal.value.param == param
    assert refusal.value.type == "invalid_request_error"
    assert model.requests == []


async def test_a_conversation_that_is_not_there_is_404(client: AsyncOpenAI) -> None:
    for id in ("conv_000000000000000000000000", "conv_x", "../x", "chain_000000000000000000000000"):
        with pytest.raises(NotFoundError):
            await client.responses.create(input="x", conversation=id)


async def test_half_a_character_from_the_model_does_not_lose_the_answer(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = Reply("12345\U0001f600 and \ud83d alone")
    _, response = await streamed(client, input="x")
    assert response.output_text == "12345\U0001f600 and � alone"
    assert (await client.responses.create(input="x")).output_text == "12345\U0001f600 and � alone"


async def test_a_defect_is_told_without_what_it_talks_about(
    client: AsyncOpenAI,
    model: ScriptedOpenAIServer,
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(*_: object, **__: object) -> object:
        raise RuntimeError("the secret is 42")

    model.default = "Yes."
    monkeypatch.setattr(storage, "append", broken)
    with pytest.raises(InternalServerError) as failure:
        await client.responses.create(input="x")
    assert failure.value.status_code == 500
    assert "secret" not in json.dumps(failure.value.body) + caplog.text
    assert "RuntimeError" in caplog.text
