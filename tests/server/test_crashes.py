"""What is left when the server is killed or stopped, or when its client goes away."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from openai import APIConnectionError, APIError, AsyncOpenAI

from recuerda import Storage, open_storage
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import RecordedRequest, Reply
from tests.server.processes import ServerProcess
from tests.server.serving import running, sdk

ON_BOTH = pytest.mark.parametrize("storage_url", ["sqlite", "postgresql"], indirect=True)


async def spoken(client: AsyncOpenAI, conversation: str) -> list[str]:
    """Return all texts of a conversation, in order."""
    items = await client.conversations.items.list(conversation, order="asc", limit=100)
    return [cast("Any", item).content[0].text async for item in items]


async def ask(client: AsyncOpenAI, conversation: str, number: int, *, is_streamed: bool = True) -> str | None:
    """Ask the question of a number under its own key; return the answer's id, or None when the server went away."""
    headers = {"Idempotency-Key": f"{conversation}-{number}"}
    arguments: Any = {"conversation": conversation, "input": f"question {number}", "extra_headers": headers}
    answer: str | None = None
    with suppress(Exception):  # in whichever way a killed server is felt
        if not is_streamed:
            return str(cast("Any", await client.responses.create(**arguments)).id)
        # Read to its end and closed: one that is left is closed by the garbage collector, maybe in another thread.
        async with cast("Any", await client.responses.create(**arguments, stream=True)) as stream:
            async for event in stream:
                if event.type == "response.completed":
                    answer = event.response.id
    return answer


@ON_BOTH
async def test_killed_during_streams_there_are_whole_turns_and_retries_are_safe(
    storage_url: str, model: ScriptedOpenAIServer
) -> None:

    def answer(request: RecordedRequest) -> Reply:
        return Reply(f"answer to {request.last_text}", chunk_delay_s=0.01)

    model.default = answer
    told: dict[tuple[str, int], str] = {}
    with ServerProcess(storage_url, model.base_url) as server:
        async with sdk(server.url) as client:
            conversations = [(await client.conversations.create()).id for _ in range(6)]
            asking = [asyncio.create_task(_ask_on(client, one, told)) for one in conversations]
            while not told:  # noqa: ASYNC110 - a task sets no event when it has been answered
                await asyncio.sleep(0.01)
            await asyncio.sleep(random.uniform(0, 0.5))
            server.kill()
            await asyncio.gather(*asking)
    with ServerProcess(storage_url, model.base_url) as server:
        async with sdk(server.url) as client:
            for conversation in conversations:
                texts = await spoken(client, conversation)
                expected = _whole(len(texts) // 2)
                assert texts == expected
                for number in range(max(0, len(texts) // 2 - 2), len(texts) // 2 + 1):
                    asked = len(model.requests)
                    again = await ask(client, conversation, number)
                    is_new = number == len(texts) // 2
                    assert len(model.requests) == asked + is_new
                    assert again == told.get((conversation, number), again)
                assert await spoken(client, conversation) == _whole(len(texts) // 2 + 1)
    assert told


async def _ask_on(client: AsyncOpenAI, conversation: str, told: dict[tuple[str, int], str]) -> None:
    """Ask one question after the other until the server is gone."""
    number = 0
    while (answer := await ask(client, conversation, number, is_streamed=number % 3 != 0)) is not None:
        told[conversation, number] = answer
        number += 1


def _whole(turns: int) -> list[str]:
    return [text for n in range(turns) for text in (f"question {n}", f"answer to question {n}")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
async def test_a_graceful_stop_lets_what_runs_finish(
    storage_url: str, model: ScriptedOpenAIServer, number: int, storage: Storage
) -> None:
    model.default = Reply("Slow and whole.", delay_s=0.3, chunk_delay_s=0.1)
    with ServerProcess(storage_url, model.base_url) as server:
        async with sdk(server.url) as client:
            conversations = [(await client.conversations.create()).id for _ in range(2)]
            asking = [
                asyncio.create_task(ask(client, one, 0, is_streamed=is_streamed))
                for one, is_streamed in zip(conversations, (False, True), strict=True)
            ]
            while len(model.requests) < 2:  # noqa: ASYNC110 - the other side is a thread
                await asyncio.sleep(0.01)
            server.interrupt(number)
            assert None not in await asyncio.gather(*asking)
            code, errors = await asyncio.to_thread(server.wait)
            assert (code, errors) == (0, "")
            async with sdk(server.url) as late:
                with pytest.raises(APIConnectionError):
                    await late.conversations.create()
    for conversation in conversations:
        info = await storage.head(conversation)
        assert info is not None
        assert info.turns == 1


async def test_a_graceful_stop_waits_only_so_long_and_leaves_nothing_behind(
    storage_url: str, model: ScriptedOpenAIServer, storage: Storage
) -> None:
    model.default = Reply("Never whole." * 100, chunk_delay_s=0.5)
    with ServerProcess(storage_url, model.base_url, "--stop-after", "1") as server:
        async with sdk(server.url) as client:
            conversation = (await client.conversations.create()).id
            asking = [asyncio.create_task(ask(client, conversation, 0))]
            while not model.requests:  # noqa: ASYNC110 - the other side is a thread
                await asyncio.sleep(0.01)
            server.interrupt()
            code, _ = await asyncio.to_thread(server.wait)
            assert code == 0
            assert await asyncio.gather(*asking) == [None]
    info = await storage.head(conversation)
    assert info is not None
    assert info.turns == 0


class SlowModel:
    """A model's server that begins an answer, and sees whether its client goes away."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.left = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split()[0]))
        chunk = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"Once"}}]}\n\n'
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + chunk)
        await writer.drain()
        self.begun.set()
        with suppress(ConnectionError):
            await reader.read()
        self.left.set()
        writer.close()


@asynccontextmanager
async def slow_model() -> AsyncGenerator[tuple[SlowModel, str]]:
    slow = SlowModel()
    server = await asyncio.start_server(slow.answer, "127.0.0.1", 0)
    try:
        yield slow, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()


@pytest.mark.parametrize("path", ["responses", "chat/completions"])
async def test_a_client_that_leaves_a_stream_ends_the_call_of_the_model(storage: Storage, path: str) -> None:
    async with slow_model() as (slow, model_url), running(storage, model_url) as url, sdk(url) as client:
        conversation = (await client.conversations.create()).id
        body: dict[str, Any] = {"stream": True, "model": "m"}
        if path == "responses":
            body |= {"conversation": conversation, "input": "x"}
        else:
            body["messages"] = [{"role": "user", "content": "x"}]
        async with httpx.AsyncClient() as raw:
            async with raw.stream("POST", f"{url}/v1/{path}", json=body) as answer:
                await slow.begun.wait()
                assert answer.status_code == 200
            async with asyncio.timeout(10):
                await slow.left.wait()
            counts = (await raw.get(f"{url}/metrics")).text
        assert "recuerda_model_calls_in_flight 0" in counts
        assert await spoken(client, conversation) == []


async def test_a_client_that_leaves_before_the_first_word_holds_nothing(storage: Storage) -> None:
    async with slow_model() as (slow, model_url), running(storage, model_url) as url, sdk(url) as client:
        conversation = (await client.conversations.create()).id
        for _ in range(3):
            stream = await client.responses.create(conversation=conversation, input="x", stream=True)
            await stream.close()
            async with asyncio.timeout(10):
                await slow.left.wait()
            slow.left.clear()
        assert await spoken(client, conversation) == []


async def test_the_greeting_shows_no_secret(tmp_path: Path, model: ScriptedOpenAIServer) -> None:
    storage = f"sqlite:///{tmp_path}/memory.db"
    environ = {"RECUERDA_SERVER_KEYS": "ann=key-of-ann-0123456789", "RECUERDA_UPSTREAM_KEY": "sk-upstream-secret"}
    with ServerProcess(storage, model.base_url, **environ) as server:
        greeting = "\n".join(server.greeting)
        assert "1 of 1 tenant" in greeting
        assert not any(secret in greeting for secret in ("key-of-ann", "sk-upstream"))
        model.default = "Yes."
        async with sdk(server.url, "key-of-ann-0123456789") as client:
            assert (await client.responses.create(input="x")).output_text == "Yes."
        assert model.requests[-1].headers["authorization"] == "Bearer sk-upstream-secret"
        server.interrupt()
        assert server.wait() == (0, "")


async def test_a_port_that_is_taken_is_told(storage_url: str, service: str, model: ScriptedOpenAIServer) -> None:
    port = service.rpartition(":")[2]
    with pytest.raises(RuntimeError, match="cannot listen on"):
        ServerProcess(storage_url, model.base_url, "--port", port)


async def test_a_storage_that_was_killed_in_the_middle_of_a_copy_is_mended_by_the_retry(
    storage_url: str, model: ScriptedOpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.default = "Yes."
    async with open_storage(storage_url) as storage, running(storage, model.base_url) as url, sdk(url) as client:
        first = await client.responses.create(input="a")
        await client.responses.create(input="b", previous_response_id=first.id)
        append_all = storage.append_all

        async def broken_off(thread_id: str, turns: Any, **options: Any) -> Any:
            await append_all(thread_id, turns[:1], **options)
            raise ConnectionResetError

        headers = {"Idempotency-Key": "k"}
        with monkeypatch.context() as patch:
            patch.setattr(storage, "append_all", broken_off)
            with pytest.raises(APIError):
                await client.responses.create(input="c", previous_response_id=first.id, extra_headers=headers)
        copy = await client.responses.create(input="c", previous_response_id=first.id, extra_headers=headers)
        await client.responses.create(input="d", previous_response_id=copy.id)
        assert [message["content"] for message in model.requests[-1].messages] == ["a", "Yes.", "c", "Yes.", "d"]
