"""Embeddings over HTTP: what is sent, what comes back, and what is said when it fails."""

from __future__ import annotations

import asyncio
import math
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI

from recuerda import ConfigurationError
from recuerda.agent.background import run_in_background
from recuerda.errors import EmbedderError, InvalidInput
from recuerda.openai import OpenAIEmbedder
from recuerda.providers.embedding import Embedder, embed
from recuerda.testing.openai_server import ScriptedOpenAIServer
from tests.openai.canned import CannedServer

KEY = "sk-embed-91f2"


@pytest.fixture
async def embedder(server: ScriptedOpenAIServer) -> AsyncIterator[OpenAIEmbedder]:
    async with OpenAIEmbedder(model_id="m", api_key=KEY, base_url=server.base_url, timeout_s=10, max_retries=0) as made:
        yield made


@pytest.fixture
async def canned_embedder(canned: CannedServer) -> AsyncIterator[OpenAIEmbedder]:
    canned.content_type = "application/json"
    async with OpenAIEmbedder(model_id="odd", api_key=KEY, base_url=canned.base_url, max_retries=0) as made:
        yield made


async def test_each_text_gets_its_vector_in_order(embedder: Embedder) -> None:
    first, second, again = await embed(embedder, ["the red fox", "a blue whale", "the red fox"])
    assert first == again
    assert sum(x * y for x, y in zip(first, second, strict=True)) < 0.5
    assert math.hypot(*first) == pytest.approx(1, abs=1e-6)
    assert len(first) == 64
    assert all(type(value) is float for value in first)


async def test_vectors_have_the_length_that_was_asked_for(server: ScriptedOpenAIServer) -> None:
    async with OpenAIEmbedder(model_id="m", base_url=server.base_url, dimensions=16) as embedder:
        (vector,) = await embed(embedder, ["hello"], dimensions=16)
        assert len(vector) == 16
        assert embedder.model_id == "m/16"
    assert server.requests[0].body["dimensions"] == 16
    assert server.requests[0].body["model"] == "m"


async def test_the_models_own_length_is_not_asked_for(server: ScriptedOpenAIServer, embedder: Embedder) -> None:
    await embed(embedder, ["hello"])
    assert "dimensions" not in server.requests[0].body
    assert embedder.model_id == "m"


async def test_long_lists_are_sent_in_parts_and_stay_in_order(server: ScriptedOpenAIServer, embedder: Embedder) -> None:
    texts = [f"number{number}" for number in range(600)]
    vectors = await embed(embedder, texts)
    sizes = [len(input_of(request.body)) for request in server.requests]
    assert sizes == [256, 256, 88]
    assert vectors[300] == (await embed(embedder, ["number300"]))[0]


async def test_a_request_has_a_bounded_size(server: ScriptedOpenAIServer, embedder: Embedder) -> None:
    await embed(embedder, ["x" * 8000] * 60)
    assert [len(input_of(request.body)) for request in server.requests] == [25, 25, 10]


async def test_a_long_text_is_cut_and_an_empty_one_is_a_space(server: ScriptedOpenAIServer, embedder: Embedder) -> None:
    await embed(embedder, ["x" * 100_000, "", "a \ud800 b"])
    assert input_of(server.requests[0].body) == ["x" * 8000, " ", "a ? b"]


async def test_no_texts_ask_nobody(server: ScriptedOpenAIServer, embedder: OpenAIEmbedder) -> None:
    assert await embedder.embed([]) == []
    assert server.requests == []


async def test_azures_dated_interface_is_spoken(server: ScriptedOpenAIServer) -> None:
    azure = OpenAIEmbedder(
        model_id="small", azure_endpoint=server.azure_endpoint, api_version="2024-10-21", api_key=KEY
    )
    async with azure as embedder:
        await embed(embedder, ["hello"])
    request = server.requests[0]
    assert request.path == "/openai/deployments/small/embeddings"
    assert (request.query["api-version"], request.headers["api-key"]) == ("2024-10-21", KEY)


async def test_the_environment_says_where_the_service_is(server: ScriptedOpenAIServer) -> None:
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": server.base_url}
    async with OpenAIEmbedder.from_env(model_id="small", dimensions=8, environ=environ) as embedder:
        await embed(embedder, ["hello"], dimensions=8)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_ready_client_is_used_and_left_open(server: ScriptedOpenAIServer) -> None:
    async with AsyncOpenAI(base_url=server.base_url, api_key=KEY) as sdk:
        async with OpenAIEmbedder(model_id="m", client=sdk) as embedder:
            await embed(embedder, ["hello"])
        assert not sdk.is_closed()
        with pytest.raises(EmbedderError, match="closed"):
            await embedder.embed(["hello"])
        with pytest.raises(ConfigurationError, match="base_url"):
            OpenAIEmbedder(model_id="m", client=sdk, base_url=server.base_url)


def test_several_event_loops_may_use_one(server: ScriptedOpenAIServer) -> None:
    embedder = OpenAIEmbedder(model_id="m", base_url=server.base_url)

    async def both() -> list[list[float]]:
        found = await embed(embedder, ["hello"])
        await embedder.close()
        return found

    assert run_in_background(embed(embedder, ["hello"])) == asyncio.run(both())


# Failures


@pytest.mark.parametrize(
    ("status", "text"),
    [(401, "Check api_key"), (404, "Check model_id"), (429, "too many requests"), (500, "Try again later")],
)
async def test_a_refusal_says_the_next_step_and_no_key(
    canned: CannedServer, canned_embedder: OpenAIEmbedder, status: int, text: str
) -> None:
    canned.status = status
    canned.whole({"error": {"message": f"Incorrect key {KEY}", "code": None, "param": None, "type": "t"}})
    with pytest.raises(EmbedderError, match=text) as caught:
        await canned_embedder.embed(["secret words"])
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    assert "secret words" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"retry-after": "20"}, 20),
        (503, {"retry-after": "1.5"}, 1.5),
        (429, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0),
        (429, {"retry-after": "soon"}, None),
        (429, {"retry-after": "inf"}, None),
        (429, {}, None),
        (400, {"retry-after": "20"}, None),
    ],
)
async def test_a_failure_has_its_status_and_when_to_ask_again(
    canned: CannedServer,
    canned_embedder: OpenAIEmbedder,
    status: int,
    headers: dict[str, str],
    seconds: float | None,
) -> None:
    canned.status, canned.headers = status, headers
    canned.whole({"error": {"message": "no"}})
    with pytest.raises(EmbedderError) as caught:
        await canned_embedder.embed(["hello"])
    assert (caught.value.status, caught.value.retry_after_s) == (status, seconds)


async def test_a_service_that_is_down_is_told_with_its_address() -> None:
    async with OpenAIEmbedder(model_id="m", base_url="http://127.0.0.1:9/v1", max_retries=0) as embedder:
        with pytest.raises(EmbedderError, match=r"127\.0\.0\.1:9"):
            await embedder.embed(["hello"])


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "list", "data": [], "model": "m"},
        {"object": "list", "data": [{"index": 1, "embedding": [0.5], "object": "embedding"}], "model": "m"},
        {"choices": []},
        [],
        "no",
    ],
    ids=["none", "wrong-index", "of-a-chat", "a-list", "a-text"],
)
async def test_an_odd_answer_is_an_error(canned: CannedServer, canned_embedder: OpenAIEmbedder, answer: object) -> None:
    canned.whole(answer)
    with pytest.raises(EmbedderError, match="odd"):
        await canned_embedder.embed(["hello"])


async def test_a_vector_that_is_not_finite_is_an_error(canned: CannedServer, canned_embedder: OpenAIEmbedder) -> None:
    canned.whole({"object": "list", "data": [{"index": 0, "embedding": [math.nan], "object": "e"}], "model": "m"})
    with pytest.raises(EmbedderError, match="finite"):
        await embed(canned_embedder, ["hello"])


async def test_a_closed_embedder_says_so(server: ScriptedOpenAIServer) -> None:
    embedder = OpenAIEmbedder(model_id="m", base_url=server.base_url)
    await embedder.close()
    with pytest.raises(EmbedderError, match="create a new one"):
        await embedder.embed(["hello"])


@pytest.mark.parametrize("bad", [0, -3, True])
def test_dimensions_are_a_positive_number(bad: int) -> None:
    with pytest.raises(InvalidInput, match="dimensions"):
        OpenAIEmbedder(model_id="m", api_key=KEY, dimensions=bad)


def test_a_model_has_to_be_named_and_no_key_is_shown() -> None:
    with pytest.raises(ConfigurationError, match="embedding model"):
        OpenAIEmbedder(model_id="", api_key=KEY)
    assert repr(OpenAIEmbedder(model_id="m", api_key=KEY)) == (
        "OpenAIEmbedder(model_id='m', url='https://api.openai.com/v1')"
    )


def input_of(body: dict[str, Any]) -> list[str]:
    return body["input"]
