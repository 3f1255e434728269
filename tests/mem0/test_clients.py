"""Clients that an application has wrapped, and clients that fail in ways that no caller expects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from recuerda.errors import ProviderError
from recuerda.mem0 import Mem0Provider
from tests.mem0.threads import assistant, recalled, thread_of, user


class Client:
    """An asynchronous client in memory."""

    def __init__(self) -> None:
        self.added: list[object] = []
        self.failure: Callable[[], Awaitable[object]] | None = None

    async def search(self, query: str, *, filters: object, top_k: int) -> object:
        if self.failure is not None:
            await self.failure()
        return {"results": [{"id": "1", "memory": "Ada likes tea.", "user_id": "ada"}]}

    async def add(self, messages: object, *, user_id: str, metadata: object) -> object:
        self.added.append(messages)
        return {"results": []}


class Wrapped:
    """A client whose plain methods return what has to be awaited."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def search(self, query: str, *, filters: object, top_k: int) -> Awaitable[object]:
        return self._client.search(query, filters=filters, top_k=top_k)

    def add(self, messages: object, *, user_id: str, metadata: object) -> Awaitable[object]:
        return self._client.add(messages, user_id=user_id, metadata=metadata)


class Panic(BaseException):
    """What a library that is written in another language may raise."""


async def panics() -> object:
    raise Panic


async def cancels_itself() -> object:
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    return await task


async def test_a_wrapped_client_is_awaited() -> None:
    client = Client()
    provider = Mem0Provider(Wrapped(client), user_id="ada")
    assert "Ada likes tea." in await recalled(provider, "tea")
    await provider.invoked(user("I like cake."), assistant("Noted."), thread=thread_of())
    await provider.close()
    assert client.added == [[{"role": "user", "content": "I like cake."}, {"role": "assistant", "content": "Noted."}]]


@pytest.mark.parametrize(
    ("failure", "text"), [(panics, r"Mem0's client failed \(Panic\)"), (cancels_itself, "cancelled its own work")]
)
async def test_a_client_that_cancels_its_own_work_does_not_cancel_the_run(
    failure: Callable[[], Awaitable[object]], text: str
) -> None:
    client = Client()
    client.failure = failure
    provider = Mem0Provider(client, user_id="ada")
    with pytest.raises(ProviderError, match=text):
        await recalled(provider, "tea")
    await provider.close()


async def test_the_callers_own_cancellation_passes() -> None:
    client, is_asked = Client(), asyncio.Event()

    async def hangs() -> object:
        is_asked.set()
        return await asyncio.Event().wait()

    client.failure = hangs
    provider = Mem0Provider(client, user_id="ada")
    searching = asyncio.create_task(recalled(provider, "tea"))
    await is_asked.wait()
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    await provider.close()
