"""The trips to the storage: a response in a warm thread reads the thread once, and does not search it for a turn."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from recuerda import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.testing import ScriptedOpenAIServer
from tests.server.serving import running, sdk


@pytest.fixture
def searches(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each read searched for a turn by its id."""
    searches: list[bool] = []
    read = storage.read

    async def noted(thread_id: str, **query: Any) -> ThreadSlice:
        searches.append(query.get("turn_id") is not None)
        return await read(thread_id, **query)

    monkeypatch.setattr(storage, "read", noted)
    return searches


async def test_a_response_in_a_warm_thread_is_one_read_that_searches_for_no_turn(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, searches: list[bool]
) -> None:
    model.default = "Yes."
    conversation = (await client.conversations.create()).id
    first = await client.responses.create(input="x")
    searches.clear()
    for _ in range(3):
        await client.responses.create(input="x", conversation=conversation)
    assert searches == [False] * 3
    second = await client.responses.create(input="x", previous_response_id=first.id)
    searches.clear()
    await client.responses.create(input="x", previous_response_id=second.id)
    assert searches == [False]
    await client.responses.create(input="x", conversation=conversation, extra_headers={"Idempotency-Key": "one"})
    assert searches[1:2] == [True]


async def test_a_response_that_another_server_deleted_is_not_continued_from_memory(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, storage: Storage
) -> None:
    model.default = "Yes."
    first = await client.responses.create(input="x")
    second = await client.responses.create(input="x", previous_response_id=first.id)
    third = await client.responses.create(input="x", previous_response_id=second.id)
    async with running(storage, model.base_url) as url, sdk(url) as other:
        await other.responses.delete(third.id)
        await other.responses.delete(first.id)
    for deleted in (third, first):
        with pytest.raises(openai.BadRequestError) as caught:
            await client.responses.create(input="x", previous_response_id=deleted.id)
        assert caught.value.code == "previous_response_not_found"
    again = await client.responses.create(input="x", previous_response_id=second.id)
    assert again.output_text == "Yes."
