"""Chat completions and models go through as they are."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from openai import APIStatusError, AsyncOpenAI

from recuerda import Storage
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Failure, Reply, ToolCall
from tests.server.serving import MODEL

MESSAGES: Any = [{"role": "user", "content": "x"}]


async def test_a_chat_completion_comes_back_as_the_model_gave_it(
    client: AsyncOpenAI, service: str, model: ScriptedOpenAIServer, storage: Storage
) -> None:
    model.default = Reply("Yes.", reasoning="Hm.", tool_calls=[ToolCall("add", {"a": 1}, id="call_1")])
    body = {"model": "other", "messages": MESSAGES, "temperature": 0.1, "logit_bias": {"50256": -100}}
    async with httpx.AsyncClient() as raw:
        direct = (await raw.post(f"{model.base_url}/chat/completions", json=body)).json()
        through = (await raw.post(f"{service}/v1/chat/completions", json=body)).json()
    assert through | {"id": 0} == direct | {"id": 0, "choices": through["choices"]}
    assert through["choices"][0]["message"]["content"] == "Yes."
    assert model.requests[-1].body == body
    completion = await client.chat.completions.create(model="other", messages=MESSAGES)
    assert completion.choices[0].message.content == "Yes."
    assert (await storage.list_threads()).threads == ()


async def test_a_chat_completion_without_a_model_gets_the_default_one(
    service: str, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    for given in ("", '"model": null, ', '"model": "", '):
        text = f' {{{given}"messages": [{{"role": "user", "content": "\\u00e9"}}], "seed": 12345678901}}'
        async with httpx.AsyncClient() as raw:
            assert (await raw.post(f"{service}/v1/chat/completions", content=text)).status_code == 200
        messages = [{"role": "user", "content": "é"}]
        assert model.requests[-1].body == {"model": MODEL, "messages": messages, "seed": 12345678901}


async def test_a_streamed_chat_completion_comes_through_piece_by_piece(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = "A stream in pieces."
    options: Any = {"include_usage": True}
    stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_options=options)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "A stream in pieces."
    assert chunks[-1].usage is not None
    assert len(chunks) > 4


async def test_a_server_that_refuses_stream_options_gets_none_from_then_on(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    refusal = "Unrecognized request argument supplied: stream_options"
    model.script.extend([Failure(400, refusal), "One", "Two", Failure(400, refusal)])
    options: Any = {"include_usage": True}
    for _ in range(2):
        stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_options=options)
        assert [chunk async for chunk in stream]
    assert ["stream_options" in request.body for request in model.requests] == [True, False, False]
    with pytest.raises(APIStatusError):
        await client.chat.completions.create(model="m", messages=MESSAGES, stream=True, stream_options=options)
    assert len(model.requests) == 4


async def test_models_are_those_of_the_models_server(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["scripted-model"]


@pytest.mark.parametrize(("failure", "status"), [(Failure(401), 502), (Failure(500), 502), (Failure(400), 400)])
async def test_what_goes_wrong_behind_has_a_status(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, failure: Failure, status: int
) -> None:
    model.default = failure
    with pytest.raises(APIStatusError) as refusal:
        await client.chat.completions.create(model="m", messages=MESSAGES)
    assert refusal.value.status_code == status


async def test_an_unknown_path_is_told_in_the_right_shape(service: str) -> None:
    async with httpx.AsyncClient() as raw:
        for method, path, status in (
            ("GET", "/v1/vector_stores", 404),
            ("PUT", "/v1/responses", 405),
            ("GET", "/", 404),
        ):
            answer = await raw.request(method, f"{service}{path}")
            assert answer.status_code == status
            assert answer.json()["error"]["type"] == "invalid_request_error"
