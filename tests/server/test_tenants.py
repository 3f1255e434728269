"""Keys, tenants and limits: who is let in, what each sees, and how much each may ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from openai import APIStatusError, AsyncOpenAI, AuthenticationError, NotFoundError, RateLimitError

from recuerda import Storage
from recuerda._drivers.bearer_keys import digest_of, new_key
from recuerda.errors import ConfigurationError
from recuerda.server import Limits, ServerSettings, TenantKeys, read_keys
from recuerda.server.faults import ApiFault
from recuerda.server.keys import file_line
from recuerda.server.limits import RateLimit
from recuerda.server.settings import check_host
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Reply
from tests.server.serving import MODEL, running, sdk

ANN, BOB = "key-of-ann-0123456789", "key-of-bob-0123456789"
KEYS = TenantKeys({digest_of(ANN): "ann", digest_of(BOB): "bob"})
ON_BOTH = pytest.mark.parametrize("storage_url", ["sqlite", "postgresql"], indirect=True)


@ON_BOTH
async def test_a_tenant_sees_nothing_of_another(storage: Storage, model: ScriptedOpenAIServer) -> None:
    model.default = "Yes."
    async with running(storage, model.base_url, keys=KEYS) as url, sdk(url, ANN) as ann, sdk(url, BOB) as bob:
        conversation = (await ann.conversations.create(items=[{"role": "user", "content": "secret"}])).id
        response = await ann.responses.create(conversation=conversation, input="x")
        chained = await ann.responses.create(input="x")
        item = (await ann.conversations.items.list(conversation)).data[0].id
        foreign: list[Any] = [
            bob.conversations.retrieve(conversation),
            bob.conversations.update(conversation, metadata={}),
            bob.conversations.delete(conversation),
            bob.conversations.items.list(conversation, order="asc"),
            bob.conversations.items.list(conversation, order="desc"),
            bob.conversations.items.create(conversation, items=[{"role": "user", "content": "x"}]),
            bob.conversations.items.retrieve(cast("str", item), conversation_id=conversation),
            bob.conversations.items.delete(cast("str", item), conversation_id=conversation),
            bob.responses.create(conversation=conversation, input="x"),
            *(bob.responses.retrieve(id) for id in (response.id, chained.id)),
            *(bob.responses.delete(id) for id in (response.id, chained.id)),
            bob.responses.input_items.list(response.id),
        ]
        for request in foreign:
            with pytest.raises(NotFoundError) as refusal:
                await request
            assert "secret" not in json.dumps(refusal.value.body)
        with pytest.raises(APIStatusError, match="not found"):
            await bob.responses.create(previous_response_id=chained.id, input="x")
        assert len((await ann.conversations.items.list(conversation)).data) == 3
        assert (await ann.responses.retrieve(chained.id)).output_text == "Yes."
    assert {info.user_id for info in (await storage.list_threads()).threads} == {"ann"}


async def test_the_same_idempotency_key_of_two_tenants_is_two_requests(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.script.extend(["For Ann.", "For Bob."])
    async with running(storage, model.base_url, keys=KEYS) as url, sdk(url, ANN) as ann, sdk(url, BOB) as bob:
        answers = [
            (await client.responses.create(input="x", extra_headers={"Idempotency-Key": "k"})).output_text
            for client in (ann, bob, ann, bob)
        ]
        made = [(await c.conversations.create(extra_headers={"Idempotency-Key": "k2"})).id for c in (ann, bob)]
    assert answers == ["For Ann.", "For Bob.", "For Ann.", "For Bob."]
    assert made[0] != made[1]


async def test_a_thread_without_a_tenant_is_nobodys(storage: Storage, model: ScriptedOpenAIServer) -> None:
    async with running(storage, model.base_url) as url, sdk(url) as anybody:
        conversation = (await anybody.conversations.create()).id
    async with running(storage, model.base_url, keys=KEYS) as url, sdk(url, ANN) as ann:
        with pytest.raises(NotFoundError):
            await ann.conversations.retrieve(conversation)


@pytest.mark.parametrize("key", ["wrong", "key-of-ann-012345678", "key-of-ann-0123456789x", "é" * 20])
async def test_a_wrong_key_is_refused(storage: Storage, model: ScriptedOpenAIServer, key: str) -> None:
    async with running(storage, model.base_url, keys=KEYS) as url, httpx.AsyncClient() as client:
        for headers in (
            {},
            {"Authorization": "Bearer"},
            {"Authorization": f"Bearer {key}".encode()},
            {"Authorization": f"Basic {ANN}".encode()},
        ):
            answer = await client.get(f"{url}/v1/conversations/conv_x", headers=cast("Any", headers))
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "invalid_request_error"
        for path in ("/health", "/readyz", "/metrics", "/openapi.json"):
            assert (await client.get(f"{url}{path}")).status_code == 200
    async with running(storage, model.base_url, keys=KEYS) as url, sdk(url, "wrong") as client:
        with pytest.raises(AuthenticationError):
            await client.models.list()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "127.0.0.1.evil.example"},
    ],
    ids=["host", "origin", "null", "prefix"],
)
async def test_without_keys_no_web_page_gets_through(service: str, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{service}/v1/conversations", headers=headers, content=b"{}")
    assert answer.status_code == 403


def test_without_keys_only_loopback_is_listened_on() -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        check_host(host, has_keys=False)
    check_host("0.0.0.0", has_keys=True)
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.com"):
        with pytest.raises(ConfigurationError, match="keys"):
            check_host(host, has_keys=False)


def test_a_key_file_holds_hashes_only(tmp_path: Path) -> None:
    key, other = new_key(), new_key()
    path = tmp_path / "keys.toml"
    path.write_text(f"[tenants]\n{file_line('acme', key)}\n", encoding="utf-8")
    keys = read_keys(path, f"umbra={other}, ")
    assert key not in path.read_text(encoding="utf-8")
    assert [keys.tenant_of(one) for one in (key, other, "x", digest_of(key))] == ["acme", "umbra", None, None]


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("", None),
        ("[tenants]\n", None),
        ("[tenants]\nacme = ['sk-plain-secret-0123']\n", None),
        ("[tenants]\n'a b' = []\n", None),
        ("sk-plain-secret-0123", None),
        ("[tenants]\nacme = ['sha256:" + "0" * 63 + "']\n", None),
        (None, "sk-plain-secret-0123"),
        (None, "a:b=sk-plain-secret-0123"),
        (None, "acme=secret"),
        (None, "a=sk-plain-secret-0123,b=sk-plain-secret-0123"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_without_showing_one(
    text: str | None, variable: str | None, tmp_path: Path
) -> None:
    path = None if text is None else tmp_path / "keys.toml"
    if path is not None:
        path.write_text(text or "", encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        read_keys(path, variable)
    assert "secret" not in str(error.value)


async def test_a_request_that_is_too_long_is_refused(storage: Storage, model: ScriptedOpenAIServer) -> None:
    settings = ServerSettings(model=MODEL, limits=Limits(max_body_bytes=1000, max_input_items=2))

    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(20):
            yield b"x" * 500

    async with running(storage, model.base_url, settings=settings) as url, sdk(url) as client:
        with pytest.raises(APIStatusError) as refusal:
            await client.responses.create(input="x" * 1000)
        assert refusal.value.status_code == 413
        async with httpx.AsyncClient() as raw:
            assert (await raw.post(f"{url}/v1/responses", content=pieces())).status_code == 413
        with pytest.raises(APIStatusError, match="3 items are too many"):
            await client.responses.create(input=cast("Any", [{"role": "user", "content": "x"}] * 3))


async def test_requests_over_the_rate_wait(storage: Storage, model: ScriptedOpenAIServer) -> None:
    settings = ServerSettings(model=MODEL, limits=Limits(requests_per_minute=2))
    async with (
        running(storage, model.base_url, settings=settings, keys=KEYS) as url,
        sdk(url, ANN) as ann,
        sdk(url, BOB) as bob,
    ):
        for _ in range(2):
            await ann.conversations.create()
        with pytest.raises(RateLimitError) as refusal:
            await ann.conversations.create()
        assert 1 <= int(refusal.value.response.headers["retry-after"]) <= 30
        await bob.conversations.create()


def test_a_bucket_fills_again() -> None:
    now = [0.0]
    limit = RateLimit(60, clock=lambda: now[0])
    for _ in range(60):
        limit.take("ann")
    with pytest.raises(ApiFault) as refusal:
        limit.take("ann")
    assert refusal.value.headers == {"retry-after": "1"}
    now[0] = 1.0
    limit.take("ann")
    with pytest.raises(ApiFault):
        limit.take("ann")


async def test_more_calls_of_the_model_than_there_may_be_are_refused(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = Reply("Yes.", delay_s=0.3)
    settings = ServerSettings(model=MODEL, limits=Limits(max_in_flight=2))
    async with running(storage, model.base_url, settings=settings) as url, sdk(url) as client:
        answers = await asyncio.gather(*(client.responses.create(input="x") for _ in range(5)), return_exceptions=True)
        statuses = sorted(getattr(answer, "status_code", 200) for answer in answers)
        assert statuses == [200, 200, 503, 503, 503]
        assert (await client.responses.create(input="x")).output_text == "Yes."


async def test_the_counts_tell_what_happened_and_name_no_id(
    client: AsyncOpenAI, service: str, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    conversation = (await client.conversations.create()).id
    await client.responses.create(input="x", conversation=conversation)
    async for _ in await client.responses.create(input="x", conversation=conversation, stream=True):
        pass
    async with httpx.AsyncClient() as raw:
        text = (await raw.get(f"{service}/metrics")).text
    assert 'recuerda_requests_total{route="/v1/responses",method="POST",status="200"} 2' in text
    assert 'recuerda_request_duration_seconds_count{route="/v1/responses"} 2' in text
    assert 'recuerda_tokens_total{kind="input"} 40' in text
    assert "recuerda_requests_in_flight 0" in text
    assert conversation not in text
