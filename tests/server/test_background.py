"""Responses in the background: they go on without their client, and every node knows how far they are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError, UnprocessableEntityError

from recuerda import Storage, open_storage
from recuerda._drivers.bearer_keys import digest_of
from recuerda.errors import StorageUnavailable
from recuerda.server import TenantKeys, background, patience
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Dropped, Failure, Reply, ToolCall
from tests.server.serving import running, sdk
from tests.server.test_responses import ADD, ON_BOTH

SLOW = Reply("One word after the other, and so on to the end.", chunk_delay_s=0.05)
KEYS = {"ann": "key-of-ann-0123456789", "bob": "key-of-bob-0123456789"}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nodes save and look often."""
    monkeypatch.setattr(background, "SAVE_S", 0.05)
    monkeypatch.setattr(background, "FOLLOW_S", 0.02)


async def ended(client: AsyncOpenAI, id: str) -> Any:
    while True:
        response: Any = await client.responses.retrieve(id)
        if response.status != "in_progress":
            return response
        await asyncio.sleep(0.02)


async def rest(client: AsyncOpenAI, id: str, after: int | None = None) -> list[Any]:
    given: Any = {} if after is None else {"starting_after": after}
    stream: Any = await client.responses.retrieve(id, stream=True, **given)
    return [event.to_dict() async for event in stream]


@ON_BOTH
async def test_a_response_is_made_after_its_client_has_left_and_any_node_streams_it(
    client: AsyncOpenAI, storage_url: str, model: ScriptedOpenAIServer, storage: Storage
) -> None:
    model.default = SLOW
    conversation = (await client.conversations.create()).id
    create: Any = client.responses.create
    begun = await create(input="x", conversation=conversation, background=True, metadata={"a": "b"})
    assert (begun.status, begun.background, begun.output) == ("in_progress", True, [])
    async with open_storage(storage_url) as again, running(again, model.base_url) as url, sdk(url) as other:
        assert (await other.responses.retrieve(begun.id)).status == "in_progress"
        assert len((await other.responses.input_items.list(begun.id)).data) == 1
        near, far, late = await asyncio.gather(
            rest(client, begun.id), rest(other, begun.id), rest(other, begun.id, after=4)
        )
        assert near == far
        assert late == near[5:]
        assert [event["sequence_number"] for event in near] == list(range(len(near)))
        assert near[-1]["type"] == "response.completed"
        done = await other.responses.retrieve(begun.id)
    assert (done.status, done.output_text, done.metadata) == ("completed", SLOW.text, {"a": "b"})
    assert len((await client.conversations.items.list(conversation)).data) == 2
    assert await rest(client, begun.id, after=1) == near[2:]
    assert not [info.id for info in (await storage.list_threads()).threads if "running" in info.id]


async def test_a_stream_in_the_background_survives_its_connection(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    calls = [ToolCall("add", {"a": number}, id=f"call_{number}") for number in range(2)]
    model.default = Reply("Let me see.", reasoning="A sum.", tool_calls=calls, chunk_delay_s=0.02)
    create: Any = client.responses.create
    seen: list[Any] = []
    async with await create(input="x", background=True, stream=True, tools=[ADD]) as stream:
        async for event in stream:
            seen.append(event.to_dict())
            if len(seen) == 5:
                break
    id = seen[0]["response"]["id"]
    seen += await rest(client, id, after=4)
    assert [event["sequence_number"] for event in seen] == list(range(len(seen)))
    assert seen[-1]["type"] == "response.completed"
    assert [item["type"] for item in seen[-1]["response"]["output"]] == [
        "reasoning",
        "message",
        "function_call",
        "function_call",
    ]
    assert len(model.requests) == 1
    assert await rest(client, id, after=4) == seen[5:]


async def test_a_response_is_cancelled_on_any_node_and_leaves_nothing_in_its_conversation(
    client: AsyncOpenAI, storage_url: str, model: ScriptedOpenAIServer
) -> None:
    model.default = SLOW
    conversation = (await client.conversations.create()).id
    begun = await client.responses.create(input="x", conversation=conversation, background=True)
    async with open_storage(storage_url) as again, running(again, model.base_url) as url, sdk(url) as other:
        watching = asyncio.create_task(rest(client, begun.id))
        await asyncio.sleep(0.1)
        for node in (other, client):
            assert (await node.responses.cancel(begun.id)).status == "cancelled"
        assert (await watching)[-1]["response"]["status"] == "cancelled"
        assert (await rest(other, begun.id, after=1))[-1]["response"]["status"] == "cancelled"
    assert (await client.conversations.items.list(conversation)).data == []
    model.default = "Yes."
    assert (await client.responses.create(input="y", conversation=conversation)).output_text == "Yes."
    await client.responses.delete(begun.id)
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(begun.id)


async def test_a_finished_response_stays_and_one_with_a_client_cannot_be_cancelled(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    begun = await client.responses.create(input="x", background=True)
    await ended(client, begun.id)
    assert (await client.responses.cancel(begun.id)).status == "completed"
    plain = await client.responses.create(input="x")
    with pytest.raises(BadRequestError):
        await client.responses.cancel(plain.id)
    with pytest.raises(NotFoundError):
        await client.responses.cancel("resp_" + "0" * 24 + "r" + "0" * 24)
    chained = await client.responses.create(input="y", previous_response_id=begun.id)
    assert [message["role"] for message in model.requests[-1].messages] == ["user", "assistant", "user"]
    assert chained.output_text == "Yes."


@pytest.mark.parametrize("failure", [Failure(500), Failure(400, "Too long.", code="too_long"), Dropped(4, SLOW)])
async def test_a_failure_in_the_background_is_kept_for_every_node(
    client: AsyncOpenAI, storage_url: str, model: ScriptedOpenAIServer, failure: Any
) -> None:
    model.default = failure
    begun = await client.responses.create(input="x", background=True)
    assert (await ended(client, begun.id)).status == "failed"
    async with open_storage(storage_url) as again, running(again, model.base_url) as url, sdk(url) as other:
        response: Any = await other.responses.retrieve(begun.id)
        assert (response.status, response.error.code) == ("failed", "server_error")
        with pytest.raises(BadRequestError):
            await other.responses.create(input="y", previous_response_id=begun.id)
        await other.responses.delete(begun.id)
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(begun.id)


async def test_a_node_that_stops_or_dies_leaves_a_failed_response(
    storage_url: str, model: ScriptedOpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.default = Reply("Slow.", delay_s=30)
    ids: list[str] = []
    async with open_storage(storage_url) as first, running(first, model.base_url) as url, sdk(url) as client:
        ids.append((await client.responses.create(input="x", background=True)).id)
    async with open_storage(storage_url) as second:
        async with running(second, model.base_url) as url, sdk(url) as client:
            assert (await client.responses.retrieve(ids[0])).status == "failed"
            # A node that dies cannot note anything, and its lease ends.
            monkeypatch.setattr(background.Background, "_end", _nothing)
            ids.append((await client.responses.create(input="x", background=True)).id)
            assert (await client.responses.retrieve(ids[1])).status == "in_progress"
        monkeypatch.undo()
        monkeypatch.setattr(background, "ABANDONED_AFTER_S", 0)
        async with running(second, model.base_url) as url, sdk(url) as client:
            assert (await client.responses.retrieve(ids[1])).status == "failed"
            assert (await client.responses.retrieve(ids[1])).status == "failed"


async def _nothing(*_: object) -> None: ...


async def test_a_retry_of_a_request_finds_the_response_while_it_runs_and_afterwards(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = SLOW
    arguments: Any = {"input": "x", "background": True, "extra_headers": {"Idempotency-Key": "k"}}
    create: Any = client.responses.create
    ids = {(await create(**arguments)).id for _ in range(2)}
    stream: Any = await create(**arguments, stream=True)
    events = [event async for event in stream]
    assert {*ids, events[-1].response.id} == {events[0].response.id}
    assert (await create(**arguments)).status == "completed"
    assert len(model.requests) == 1
    model.default = Failure(500)
    other: Any = {**arguments, "extra_headers": {"Idempotency-Key": "other"}}
    failed = await ended(client, (await create(**other)).id)
    assert (await create(**other)).id == failed.id
    for key in ("k", "other"):
        with pytest.raises(UnprocessableEntityError):
            await create(input="y", background=True, extra_headers={"Idempotency-Key": key})


async def test_a_tenant_sees_no_response_of_another_tenant_while_it_runs(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = SLOW
    keys = TenantKeys({digest_of(key): tenant for tenant, key in KEYS.items()})
    async with (
        running(storage, model.base_url, keys=keys) as url,
        sdk(url, KEYS["ann"]) as ann,
        sdk(url, KEYS["bob"]) as bob,
    ):
        begun = await ann.responses.create(input="x", background=True)
        for refused in (bob.responses.retrieve, bob.responses.cancel, bob.responses.delete):
            with pytest.raises(NotFoundError):
                await refused(begun.id)
        assert (await ended(ann, begun.id)).output_text == SLOW.text


async def test_a_client_that_comes_back_gets_events_that_its_node_has_forgotten(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "KEPT_BYTES", 0)
    model.default = SLOW
    begun = await client.responses.create(input="x", background=True)
    first = asyncio.create_task(rest(client, begun.id))
    found: list[list[Any]] = []
    while not first.done():
        await asyncio.sleep(0.1)
        found.append(await asyncio.wait_for(_some(client, begun.id, 6), 10))
    events = await first
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert all(some == events[:6] for some in found)
    assert found
    assert events == await rest(client, begun.id)


async def test_an_answer_outlives_an_outage_of_the_storage(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_AGAIN_S", 0.02)
    model.default = SLOW
    refused: list[str] = []
    begun = await client.responses.create(input="x", background=True)
    for name in ("save_draft", "append"):
        operation = getattr(storage, name)

        async def away(*given: Any, operation: Any = operation, name: str = name, **options: Any) -> Any:
            if refused.count(name) < 3:
                refused.append(name)
                raise StorageUnavailable("the storage is away")
            return await operation(*given, **options)

        monkeypatch.setattr(storage, name, away)
    assert (await ended(client, begun.id)).output_text == SLOW.text
    assert refused == ["save_draft"] * 3 + ["append"] * 3


async def _some(client: AsyncOpenAI, id: str, count: int) -> list[Any]:
    """Return the first events of a response, and leave its stream."""
    found: list[Any] = []
    stream: Any = await client.responses.retrieve(id, stream=True)
    async with stream:
        async for event in stream:
            found.append(event.to_dict())
            if len(found) == count:
                break
    return found
