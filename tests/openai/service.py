"""Short ways to ask a client whose service keeps the threads, and to see what the service has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from recuerda import ChatMessage, ChatRequest, ChatResponse, FunctionResultContent
from recuerda.agent.chat import join_updates
from recuerda.agent.tools import FunctionTool
from recuerda.openai import OpenAIResponsesClient
from recuerda.testing.openai_server import Reply, ScriptedOpenAIServer, ToolCall

WAYS = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
KINDS = pytest.mark.parametrize("kind", ["conversation", "response"])
ADD = Reply("Let me see", reasoning="hm", tool_calls=[ToolCall("add", {"a": 1}), ToolCall("add", {"a": 2})])


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


def client_of(server: ScriptedOpenAIServer, **settings: Any) -> OpenAIResponsesClient:
    arguments: dict[str, Any] = {"model_id": "m", "api_key": "k", "base_url": server.base_url, "max_retries": 0}
    return OpenAIResponsesClient(**arguments | settings)


def request(*messages: str | ChatMessage, thread: str | None = None) -> ChatRequest:
    given = [ChatMessage("user", message) if isinstance(message, str) else message for message in messages]
    return ChatRequest(messages=given, tools=[FunctionTool.of(add)], service_thread_id=thread)


async def ask(
    client: OpenAIResponsesClient, *messages: str | ChatMessage, thread: str | None = None, is_streamed: bool = False
) -> ChatResponse:
    asked = request(*messages, thread=thread)
    if is_streamed:
        return join_updates([update async for update in client.stream(asked)])
    return await client.respond(asked)


def results(response: ChatResponse) -> ChatMessage:
    return ChatMessage("tool", [FunctionResultContent(call.call_id, 3) for call in response.message.function_calls])


def kept(server: ScriptedOpenAIServer, thread: str | None) -> list[str]:
    """Give the words of a conversation's items, or their kinds where they have none."""
    assert thread is not None
    found: list[str] = []
    for item in server.threads.conversations[thread].items:
        content = item.get("content")
        words = (
            "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
            if isinstance(content, list)
            else ""
        )
        found.append(words or str(item["type"]))
    return found


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the server lives in another thread
            await asyncio.sleep(0.01)
