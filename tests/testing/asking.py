"""Short ways to ask the scripted server through the official SDK."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from recuerda.testing.openai_server import (
    ScriptedOpenAIServer,
)

SYSTEM = {"role": "system", "content": "Be brief."}
HELLO = {"role": "user", "content": "Hello"}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    },
}


async def ask(client: AsyncOpenAI, *messages: object, **settings: Any) -> Any:
    # The official types would refuse what some tests send on purpose.
    create = cast("Any", client.chat.completions.create)
    return await create(model="gpt-scripted", messages=list(messages) or [HELLO], **settings)


async def stream(client: AsyncOpenAI, **settings: Any) -> list[ChatCompletionChunk]:
    return [chunk async for chunk in await ask(client, stream=True, **settings)]


async def arrivals(server: ScriptedOpenAIServer, count: int) -> None:
    while len(server.requests) < count:  # noqa: ASYNC110 - the server lives in another thread
        await asyncio.sleep(0.01)


def called(*call_ids: str) -> dict[str, object]:
    calls = [{"id": id, "type": "function", "function": {"name": "add", "arguments": "{}"}} for id in call_ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(call_id: str) -> dict[str, object]:
    return {"role": "tool", "tool_call_id": call_id, "content": "3"}


async def refusal_of(client: AsyncOpenAI, *messages: object, **settings: Any) -> openai.BadRequestError:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(client, *messages, **settings)
    return caught.value
