"""The offline stand-in speaks OpenAI's chat completions to OpenAI's own client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest
import uvicorn
from openai.types.chat import ChatCompletionMessageParam

from recuerda.offline.endpoint import offline_endpoint
from tests.servers.asgi import serving


@pytest.fixture
async def sdk() -> AsyncIterator[openai.AsyncOpenAI]:
    server = uvicorn.Server(
        uvicorn.Config(offline_endpoint, host="127.0.0.1", port=0, lifespan="off", log_config=None, ws="none")
    )
    async with (
        serving(server) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as sdk,
    ):
        yield sdk


TOLD: list[ChatCompletionMessageParam] = [
    {"role": "user", "content": "My name is Riker."},
    {"role": "assistant", "content": "Noted."},
    {"role": "user", "content": [{"type": "text", "text": "What is my name?"}]},
]


async def test_it_answers_whole_and_streamed(sdk: openai.AsyncOpenAI) -> None:
    whole = await sdk.chat.completions.create(model="offline", messages=TOLD)
    assert whole.choices[0].message.content == "Your name is Riker."
    stream = await sdk.chat.completions.create(model="offline", messages=TOLD, stream=True)
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Your name is Riker."


async def test_it_lists_its_model(sdk: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in sdk.models.list()] == ["offline"]


async def test_what_it_cannot_read_is_refused(sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="messages"):
        await sdk.post("/chat/completions", body={"model": "offline"}, cast_to=object)
    with pytest.raises(openai.NotFoundError):
        await sdk.embeddings.create(model="offline", input="x")
