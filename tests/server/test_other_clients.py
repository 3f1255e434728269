"""Clients that speak in another way: Azure's paths and header, compressed bodies, web pages, and other routes."""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from typing import Any

import httpx
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI, BadRequestError, NotFoundError

from recuerda import ContextWindow, Storage
from recuerda._drivers.bearer_keys import digest_of
from recuerda.server import Limits, ServerSettings, TenantKeys
from recuerda.server.encodings import KNOWN
from recuerda.testing import ScriptedOpenAIServer
from tests.openai.canned import CannedServer
from tests.server.serving import MODEL, failed_stream, running, sdk

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

KEY = "key-of-ann-0123456789"
PAGE = "https://example.org"


async def test_clients_of_azure_are_served_with_their_paths_and_their_header(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    keys = TenantKeys({digest_of(KEY): "ann"})
    async with running(storage, model.base_url, keys=keys) as url:
        azure: dict[str, Any] = {"azure_endpoint": url, "api_version": "2026-01-01", "max_retries": 0}
        async with AsyncAzureOpenAI(api_key=KEY, **azure) as client:
            conversation = (await client.conversations.create()).id
            response = await client.responses.create(model="d", input="x", conversation=conversation)
            assert (await client.responses.retrieve(response.id)).output_text == "Yes."
            await client.chat.completions.create(model="d", messages=[{"role": "user", "content": "x"}])
            assert len((await client.embeddings.create(model="d", input="x")).data) == 1
        async with httpx.AsyncClient(base_url=url, headers={"api-key": KEY}) as raw:
            listed = await raw.get(f"/openai/v1/conversations/{conversation}/items")
            assert len(listed.json()["data"]) == 2
            path = "/openai/deployments/d%20e/chat/completions?api-version=1"
            await raw.post(path, json={"messages": [{"role": "user", "content": "x"}]})
            assert model.requests[-1].body["model"] == "d e"
            assert (await raw.get("/v1//models")).status_code == 200  # a base URL with a slash at its end
            for wrong in ({"api-key": "wrong"}, {"authorization": "Basic x"}):
                assert (await raw.get("/openai/v1/models", headers={"api-key": "", **wrong})).status_code == 401


async def test_a_compressed_body_is_unpacked_within_the_limits(storage: Storage, model: ScriptedOpenAIServer) -> None:
    model.default = "Yes."
    settings = ServerSettings(model=MODEL, limits=Limits(max_body_bytes=300_000))
    async with running(storage, model.base_url, settings=settings) as url, httpx.AsyncClient(base_url=url) as raw:

        async def send(body: bytes, encoding: str) -> httpx.Response:
            headers = {"content-type": "application/json", "content-encoding": encoding}
            return await raw.post("/v1/responses", content=body, headers=headers)

        text = json.dumps({"input": "x" * 200_000}).encode()
        for body, encoding in ((gzip.compress(text), "gzip"), (zlib.compress(text), "Deflate"), (text, "identity")):
            assert (await send(body, encoding)).status_code == 200
            assert model.requests[-1].messages[0]["content"] == "x" * 200_000
        packed = gzip.compress(text)
        bomb = gzip.compress(b" " * 10_000_000)
        for body, encoding, status in (
            (packed[:-20], "gzip", 400),
            (b"no gzip", "gzip", 400),
            (b"", "gzip", 400),
            (bomb, "gzip", 413),
            (text, "br", 415),
        ):
            answer = await send(body, encoding)
            assert (answer.status_code, answer.json()["error"]["type"]) == (status, "invalid_request_error")
        assert all(name in answer.json()["error"]["message"] for name in KNOWN)


async def test_a_body_that_zstd_has_compressed_is_unpacked_within_the_limits(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    settings = ServerSettings(model=MODEL, limits=Limits(max_body_bytes=300_000))
    async with running(storage, model.base_url, settings=settings) as url, httpx.AsyncClient(base_url=url) as raw:
        text = json.dumps({"input": "x" * 200_000}).encode()
        packed = zstd.compress(text)
        wide = zstd.compress(text, options={zstd.CompressionParameter.window_log: 27})
        endless = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
        for body, status in (
            (packed, 200),
            (wide, 200),  # a short body needs no window of this size
            (packed[:-9], 400),
            (packed + packed, 400),
            (b"no zstd", 400),
            (endless.compress(text) + endless.flush(), 400),  # a body of unknown length asks for 128 MB
            (zstd.compress(b" " * 10_000_000), 413),
        ):
            headers = {"content-type": "application/json", "content-encoding": "zstd"}
            answer = await raw.post("/v1/responses", content=body, headers=headers)
            assert answer.status_code == status, answer.text


async def test_web_pages_of_the_origins_that_are_named_may_call_and_others_may_not(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    settings = ServerSettings(model=MODEL, cors_origins=(PAGE,))
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,idempotency-key"}
    async with running(storage, model.base_url, settings=settings) as url, httpx.AsyncClient(base_url=url) as raw:
        allowed = await raw.options("/v1/responses", headers={"origin": PAGE, **asks})
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, PAGE)
        answer = await raw.post("/v1/responses", json={"input": "x"}, headers={"origin": PAGE})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, PAGE)
        assert "x-request-id" in answer.headers["access-control-expose-headers"]
        refused = await raw.post("/v1/responses", json={}, headers={"origin": PAGE})
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (400, PAGE)
        stranger = {"origin": "https://other.org"}
        assert (await raw.options("/v1/responses", headers={**stranger, **asks})).status_code == 400
        foreign = await raw.post("/v1/responses", json={"input": "x"}, headers=stranger)
        assert (foreign.status_code, "access-control-allow-origin" in foreign.headers) == (403, False)


async def test_embeddings_and_the_description_of_a_model_are_passed_through(
    client: AsyncOpenAI, service: str, model: ScriptedOpenAIServer
) -> None:
    made = await client.embeddings.create(model="e", input=["a", "b"])
    assert (len(made.data), model.requests[-1].body["model"]) == (2, "e")
    await client.post("/embeddings", cast_to=object, body={"input": "a"})
    assert model.requests[-1].body["model"] == MODEL
    async with httpx.AsyncClient(base_url=service) as raw:
        for name in ("..%2Fembeddings", "a%2F..%2F..%2Fx"):
            assert "'" in (await raw.get(f"/v1/models/{name}")).json()["error"]["message"]
    with pytest.raises(NotFoundError):
        await client.models.retrieve("no/such-model")


async def test_the_tokens_of_a_request_are_counted_without_a_call_of_the_model(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    counts = client.responses.input_tokens
    short = (await counts.count(input="Hello.")).input_tokens
    assert 1 < short < (await counts.count(input="Hello. " * 100)).input_tokens
    assert short < (await counts.count(input="Hello.", instructions="Be short.")).input_tokens
    assert model.requests == []
    first = await client.responses.create(input="Hello. " * 50)
    assert (await counts.count(input="Hello.", previous_response_id=first.id)).input_tokens > short + 50


async def test_a_conversation_that_may_not_be_cut_is_refused_once_it_does_not_fit(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    settings = ServerSettings(model=MODEL, window=ContextWindow(max_messages=4))
    async with running(storage, model.base_url, settings=settings) as url, sdk(url) as client:
        conversation = (await client.conversations.create()).id
        place: dict[str, Any] = {"input": "x", "conversation": conversation}
        create: Any = client.responses.create
        for _ in range(3):
            assert (await create(**place, truncation="disabled")).truncation == "disabled"
        for _ in range(2):
            with pytest.raises(BadRequestError) as refusal:
                await create(**place, truncation="disabled")
            assert (refusal.value.param, refusal.value.code) == ("truncation", "context_length_exceeded")
            assert (await create(**place)).truncation == "auto"


async def test_an_error_in_an_answer_is_shown_if_it_is_about_the_request(storage: Storage) -> None:
    async with (
        CannedServer().running() as canned,
        running(storage, canned.base_url) as url,
        sdk(url) as client,
    ):
        too_long = {"error": {"message": "The limit is 8 tokens.", "code": "context_length_exceeded"}}
        canned.chunks(too_long)
        assert (await failed_stream(client, input="x"))[0]["message"] == "The limit is 8 tokens."
        canned.chunks({"error": {"message": "Connection to 10.0.0.7 failed.", "code": 500}})
        assert "10.0.0.7" not in (await failed_stream(client, input="x"))[0]["message"]
        canned.whole(too_long)
        with pytest.raises(BadRequestError, match="8 tokens"):
            await client.responses.create(input="x")
