"""A request that is sent again is answered again, and the model is asked once."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from openai import APIStatusError, APITimeoutError, AsyncOpenAI, ConflictError, UnprocessableEntityError

from recuerda import Storage, open_storage
from recuerda.server import Limits, ServerSettings
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Failure, RecordedRequest, Reply
from tests.server.serving import MODEL, Held, failed_stream, running, sdk

ON_BOTH = pytest.mark.parametrize("storage_url", ["sqlite", "postgresql"], indirect=True)
PLACES = pytest.mark.parametrize("place", ["conversation", "new", "previous", "older"])
KEY = {"Idempotency-Key": "key-1"}
KEY_2 = {"Idempotency-Key": "key-2"}


async def arguments_for(client: AsyncOpenAI, place: str) -> dict[str, Any]:
    """Return the arguments of a response in some place."""
    match place:
        case "conversation":
            return {"input": "x", "conversation": (await client.conversations.create()).id}
        case "previous":
            return {"input": "x", "previous_response_id": (await client.responses.create(input="a")).id}
        case "older":
            first = await client.responses.create(input="a")
            await client.responses.create(input="b", previous_response_id=first.id)
            return {"input": "x", "previous_response_id": first.id}
        case _:
            return {"input": "x"}


async def respond(client: AsyncOpenAI, **arguments: Any) -> Any:
    """Create a response: the client's types have no place for arguments that vary."""
    create: Any = client.responses.create
    return await create(**arguments)


@ON_BOTH
@PLACES
async def test_a_retry_gets_the_first_answer_also_from_another_process(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, storage_url: str, place: str
) -> None:

    def answer(_: RecordedRequest) -> str:
        return f"answer {len(model.requests)}"

    model.default = answer
    arguments = await arguments_for(client, place)
    first = await respond(client, **arguments, extra_headers=KEY)
    asked = len(model.requests)
    again = await respond(client, **arguments, extra_headers=KEY)
    assert again.model_dump() == first.model_dump()
    async with open_storage(storage_url) as other, running(other, model.base_url) as url, sdk(url) as second:
        stream = await respond(second, **arguments, extra_headers=KEY, stream=True)
        events = [event async for event in stream]
    assert events[-1].response.model_dump() == first.model_dump()
    assert len(model.requests) == asked
    other_key = await respond(client, **arguments, extra_headers=KEY_2)
    assert other_key.id != first.id
    assert len(model.requests) == asked + 1


@PLACES
async def test_two_requests_of_one_key_at_once_ask_the_model_once(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, place: str
) -> None:
    model.default = Reply("Yes.")
    arguments = await arguments_for(client, place)
    asked = len(model.requests)
    model.default = Reply("Yes.", delay_s=0.2)
    answers = await asyncio.gather(*(respond(client, **arguments, extra_headers=KEY) for _ in range(5)))
    assert len({answer.id for answer in answers}) == 1
    assert len(model.requests) == asked + 1


async def test_a_key_that_stood_for_another_request_is_refused(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    await client.responses.create(input="x", extra_headers=KEY)
    with pytest.raises(UnprocessableEntityError):
        await client.responses.create(input="y", extra_headers=KEY)


async def test_a_failure_is_not_remembered(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    model.script.extend([Failure(500), "Yes."])
    with pytest.raises(APIStatusError):
        await client.responses.create(input="x", extra_headers=KEY)
    assert (await client.responses.create(input="x", extra_headers=KEY)).output_text == "Yes."


async def test_a_client_that_gave_up_finds_the_answer_that_was_paid_for(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = Reply("Yes.", delay_s=0.3)
    with pytest.raises(APITimeoutError):
        await client.with_options(timeout=0.1).responses.create(input="x", extra_headers=KEY)
    assert (await client.responses.create(input="x", extra_headers=KEY)).output_text == "Yes."
    assert len(model.requests) == 1


async def test_conversations_and_items_are_made_once(client: AsyncOpenAI) -> None:
    items: Any = [{"role": "user", "content": "x"}]
    made = [await client.conversations.create(items=items, extra_headers=KEY) for _ in range(2)]
    assert made[0] == made[1]
    added = [await client.conversations.items.create(made[0].id, items=items, extra_headers=KEY_2) for _ in range(2)]
    assert added[0] == added[1]
    assert len((await client.conversations.items.list(made[0].id)).data) == 2


async def test_requests_on_one_conversation_take_turns(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    model.default = Reply("Yes.", delay_s=0.02)
    conversation = (await client.conversations.create()).id
    await asyncio.gather(*(client.responses.create(input=f"{i}", conversation=conversation) for i in range(8)))
    assert sorted(len(request.messages) for request in model.requests) == [1, 3, 5, 7, 9, 11, 13, 15]
    assert len((await client.conversations.items.list(conversation)).data) == 16


async def test_whoever_waits_too_long_for_a_conversation_is_told(storage: Storage, model: ScriptedOpenAIServer) -> None:
    model.default = held = Held()
    settings = ServerSettings(model=MODEL, limits=Limits(queue_s=0.05))
    async with running(storage, model.base_url, settings=settings) as url, sdk(url) as client:
        conversation = (await client.conversations.create()).id
        first = asyncio.create_task(client.responses.create(input="a", conversation=conversation))
        await wait_for_request(model, 1)
        with pytest.raises(ConflictError) as conflict:
            await client.responses.create(input="b", conversation=conversation)
        assert conflict.value.code == "conversation_locked"
        held.release()
        assert (await first).output_text == "Yes."


@ON_BOTH
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_two_processes_on_one_conversation_conflict_and_mix_nothing(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, storage_url: str, is_streamed: bool
) -> None:
    model.default = held = Held()
    conversation = (await client.conversations.create()).id
    with ScriptedOpenAIServer(default="Yes.") as quick:
        async with open_storage(storage_url) as other, running(other, quick.base_url) as url, sdk(url) as second:
            slow = asyncio.create_task(ask(client, conversation, is_streamed=is_streamed))
            await wait_for_request(model, 1)
            await second.responses.create(input="quick", conversation=conversation)
            held.release()
            assert await slow == ("failed" if is_streamed else "409")
            items = (await second.conversations.items.list(conversation, order="asc")).data
    assert [cast("Any", item).content[0].text for item in items] == ["quick", "Yes."]


@ON_BOTH
async def test_branches_of_one_response_at_once_are_all_kept(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    model.default = "Yes."
    first = await client.responses.create(input="root")
    model.default = Reply("Yes.", delay_s=0.1)
    branches = await asyncio.gather(
        *(client.responses.create(input=f"{i}", previous_response_id=first.id) for i in range(4))
    )
    for branch in branches:
        assert (await client.responses.retrieve(branch.id)).output_text == "Yes."
    assert [len(request.messages) for request in model.requests[1:]] == [3, 3, 3, 3]


async def ask(client: AsyncOpenAI, conversation: str, *, is_streamed: bool) -> str:
    if not is_streamed:
        try:
            return str((await client.responses.create(input="slow", conversation=conversation)).status)
        except ConflictError as error:
            return str(error.status_code)
    _, response = await failed_stream(client, input="slow", conversation=conversation)
    return str(response["status"])


async def wait_for_request(model: ScriptedOpenAIServer, count: int) -> None:
    while len(model.requests) < count:  # noqa: ASYNC110 - the other side is a thread
        await asyncio.sleep(0.005)
