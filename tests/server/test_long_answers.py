"""Answers of the model's server that are too long: they are cut, and the client gets an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import openai
import pytest
from openai import AsyncOpenAI

from recuerda import Storage, open_storage
from recuerda.server import ServerSettings, Upstream, create_app
from recuerda.server.ending import Ending
from recuerda.server.faults import ApiFault
from recuerda.server.upstream import (
    UpstreamAnswer,
    _lines,  # pyright: ignore[reportPrivateUsage] - the splitting alone
)
from recuerda.testing import ScriptedOpenAIServer
from tests.server.serving import MODEL, failed_stream, sdk, served


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    async with open_storage("memory:") as storage:
        yield storage


@asynccontextmanager
async def limited(storage: Storage, model: ScriptedOpenAIServer) -> AsyncGenerator[AsyncOpenAI]:
    """Run the service with short limits for the model's server, and give a client."""
    upstream = Upstream(model.base_url, timeout_s=20, max_bytes=5000, max_event_bytes=100)
    app = create_app(storage, upstream, ServerSettings(model=MODEL))
    try:
        async with served(app) as url, sdk(url) as client:
            yield client
    finally:
        await upstream.close()


async def test_an_answer_that_is_too_long_is_refused_and_not_kept(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = "x" * 10_000
    async with limited(storage, model) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.responses.create(input="x")
        assert caught.value.status_code == 502
        assert "longer than 5,000 bytes" in str(caught.value)
        model.default = "Yes."
        assert (await client.responses.create(input="x")).output_text == "Yes."
    assert len((await storage.list_threads()).threads) == 1


async def test_an_event_that_is_too_long_ends_the_stream(storage: Storage, model: ScriptedOpenAIServer) -> None:
    model.default = "x"
    async with limited(storage, model) as client:
        error, response = await failed_stream(client, input="x")
        assert "longer than 100 bytes" in error["message"] == response["error"]["message"]
    assert not (await storage.list_threads()).threads


async def pieces_of(data: bytes, size: int) -> AsyncGenerator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def test_events_are_the_same_however_their_bytes_arrive() -> None:
    data = b"data: 1\n\n: comment\nevent: x\r\ndata: \xe2\x80\xa8\r\n\ndata: 3"
    for size in range(1, len(data) + 1):
        lines = [line async for line in _lines(pieces_of(data, size), 100)]
        assert lines == [b"data: 1", b"data: \xe2\x80\xa8\r", b"data: 3"], size


async def test_a_line_without_an_end_is_cut_before_it_is_joined() -> None:
    taken = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 100

    with pytest.raises(ApiFault, match="1,000 bytes"):
        async for _ in _lines(endless(), 1000):
            pass
    assert taken == 11


async def test_others_are_answered_between_the_pieces_of_an_answer_that_is_there_already() -> None:
    pieces = iter([b"x"] * 5)

    async def next_piece() -> bytes:
        return next(pieces, b"")

    async def others() -> None:
        for turn in range(100):
            turns.append(turn)
            await asyncio.sleep(0)

    turns: list[int] = []
    other = asyncio.create_task(others())
    answer = UpstreamAnswer(200, "text/plain", next_piece, ending=Ending(), max_bytes=9, max_event_bytes=9)
    seen = [len(turns) async for _ in answer.pieces()]
    other.cancel()
    assert len(set(seen)) == 5
