"""The processor time of a run with the official SDK: `python -m bench.calls`.

An agent asks a service that answers at once, with a window of 20 messages of 300 characters in RAM. Each client runs in
two ways: as it is, and while a method of the SDK is replaced, as by a program that records calls. Then the messages are
arguments, which the SDK looks through. Nothing is sent over a network.
"""

from __future__ import annotations

import asyncio
import time
from statistics import median
from typing import Any

import httpx2
from openai import AsyncOpenAI

from bench.pictures import AtOnce
from recuerda import ChatClient, ContextWindow, MemoryStorage
from recuerda.openai import OpenAIChatClient, OpenAIResponsesClient

RUNS = 300


def _client(kind: type[OpenAIChatClient | OpenAIResponsesClient], *, is_recorded: bool) -> ChatClient:
    sdk = AsyncOpenAI(api_key="k", base_url="http://model/v1", http_client=httpx2.AsyncClient(transport=AtOnce()))
    if is_recorded:
        post = sdk.post

        async def recorded(*args: Any, **kwargs: Any) -> Any:
            return await post(*args, **kwargs)

        sdk.post = recorded
    if kind is OpenAIChatClient:
        return OpenAIChatClient(model_id="m", client=sdk)
    return OpenAIResponsesClient(model_id="m", client=sdk, store=False)


async def _run_ms(client: ChatClient) -> float:
    agent = client.create_agent(storage=MemoryStorage(), window=ContextWindow(max_messages=20))
    thread = agent.get_thread("t")
    times: list[float] = []
    for _ in range(RUNS):
        started = time.process_time()
        await agent.run("x" * 300, thread=thread)
        times.append((time.process_time() - started) * 1000)
    return median(times[20:])


async def main() -> None:
    """Measure, and print one line for each client."""
    for kind in (OpenAIChatClient, OpenAIResponsesClient):
        ready, looked_through = [await _run_ms(_client(kind, is_recorded=recorded)) for recorded in (False, True)]
        print(f"{kind.__name__}: a run takes {ready:.2f} ms, {looked_through:.2f} ms if the SDK looks through it")


if __name__ == "__main__":
    asyncio.run(main())
