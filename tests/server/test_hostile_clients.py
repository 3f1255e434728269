"""Clients that send too much, too slowly or nonsense: they are refused, and others are answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import accumulate, cycle, islice, pairwise
from typing import Any, cast

import msgspec
import pytest

from recuerda import Storage, open_storage
from recuerda._drivers.bearer_keys import digest_of
from recuerda.server import Limits, ServerSettings, TenantKeys
from recuerda.server.connections import GuardedConnection
from recuerda.testing import Reply, ScriptedOpenAIServer
from tests.server.serving import MODEL, running

HEALTH = b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
TIMEOUT_S = 20


class Client:
    """A connection of a client that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Return the status and the body of the next answer."""
        async with asyncio.timeout(TIMEOUT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length:")[2].split()[0])
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def is_closed(self) -> bool:
        """Wait for the end of the connection. Return True if nothing came before it."""
        async with asyncio.timeout(TIMEOUT_S):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Client]:
    """Give a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    async with open_storage("memory:") as storage:
        yield storage


@asynccontextmanager
async def limited(
    storage: Storage, model: ScriptedOpenAIServer, limits: Limits, *, keys: TenantKeys | None = None
) -> AsyncGenerator[str]:
    """Run the service with limits, and give its address."""
    settings = ServerSettings(model=MODEL, limits=limits)
    async with running(storage, model.base_url, settings=settings, keys=keys) as url:
        yield url


async def answer_to(url: str, *pieces: bytes) -> tuple[int, str]:
    """Return the status and the code of the answer to what a new connection sends."""
    async with connected(url) as client:
        for piece in pieces:
            await client.send(piece)
        status, body = await client.answer()
        error = msgspec.json.decode(body, type=dict[str, Any]).get("error")
        return status, "" if error is None else str(error["code"])


def post(path: str, body: bytes, *, headers: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def chunked(path: str, body: bytes, *sizes: int) -> bytes:
    ends = list(accumulate(islice(cycle(sizes), len(body)), initial=0))
    chunks = [chunk for start, end in pairwise(ends) if (chunk := body[start:end])]
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


async def test_a_head_that_is_too_long_or_never_ends_is_refused(storage: Storage, model: ScriptedOpenAIServer) -> None:
    begin = b"GET /health HTTP/1.1\r\nhost: x\r\n"
    async with limited(storage, model, Limits()) as url:
        assert await answer_to(url, begin, b"x: " + b"a" * 40_000) == (431, "request_too_large")
        assert await answer_to(url, begin + b"x: " + b"a" * 33_000 + b"\r\n\r\n") == (431, "request_too_large")
        assert await answer_to(url, begin + b"x: 1\r\n" * 101 + b"\r\n") == (431, "request_too_large")
        assert await answer_to(url, b"GET /" + b"a" * 40_000) == (414, "request_too_large")
        assert await answer_to(url, begin + b"x: " + b"a" * 30_000 + b"\r\n\r\n") == (200, "")
        assert await answer_to(url, begin + b"x: 1\r\n" * 90 + b"\r\n") == (200, "")


async def test_a_head_that_comes_too_slowly_is_refused_and_a_silent_connection_is_closed(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    async with limited(storage, model, Limits(head_s=0.05)) as url:
        assert await answer_to(url, b"GET /hea") == (408, "request_timeout")
        async with connected(url) as silent:
            assert await silent.is_closed()
        async with connected(url) as second_request:
            await second_request.send(HEALTH)
            assert await second_request.answer() == (200, b'{"status":"ok"}')
            await second_request.send(b"GET /hea")
            assert (await second_request.answer())[0] == 408


async def test_the_longest_silent_connection_gives_way_to_a_new_one(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    async with (
        limited(storage, model, Limits(max_connections=3)) as url,
        connected(url) as kept_alive,
        connected(url) as first,
        connected(url) as second,
    ):
        await kept_alive.send(HEALTH)
        assert (await kept_alive.answer())[0] == 200
        async with connected(url) as third:
            assert await first.is_closed()
            await third.send(HEALTH)
            assert (await third.answer())[0] == 200
            await kept_alive.send(HEALTH)
            assert (await kept_alive.answer())[0] == 200
            async with connected(url):
                assert await second.is_closed()


async def test_slow_uploads_on_all_connections_do_not_close_a_new_one(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    upload = b"POST /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n"
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(limited(storage, model, Limits(max_connections=3)))
        uploads: list[Client] = []
        for _ in range(3):
            uploads.append(await stack.enter_async_context(connected(url)))
            await uploads[-1].send(upload)
            assert await uploads[-1].reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        fresh = await stack.enter_async_context(connected(url))
        another = await stack.enter_async_context(connected(url))
        for client in (another, fresh):
            await client.send(HEALTH)
            assert await client.answer() == (200, b'{"status":"ok"}')


async def test_a_new_connection_is_refused_while_all_others_are_answered(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = Reply("Yes.", delay_s=TIMEOUT_S)
    async with limited(storage, model, Limits(max_connections=1)) as url:
        async with connected(url) as busy:
            await busy.send(post("/v1/chat/completions", b'{"messages":[{"role":"user","content":"x"}],"stream":true}'))
            while not model.requests:  # noqa: ASYNC110 - the model's server runs in another thread
                await asyncio.sleep(0.005)
            assert await answer_to(url) == (503, "server_overloaded")
        while await answer_to(url, HEALTH) != (200, ""):  # noqa: ASYNC110 - until the service sees that the client left
            await asyncio.sleep(0.005)


async def test_a_body_that_comes_too_slowly_is_refused(
    storage: Storage, model: ScriptedOpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recuerda.server.connections._LINGER_S", 0.05)
    begun = post("/v1/conversations", b"{}", headers="expect: 100-continue\r\n")[:-1]
    async with limited(storage, model, Limits(body_s=0.05)) as url, connected(url) as client:
        await client.send(begun)
        assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        assert (await client.answer())[0] == 408
        assert await client.is_closed()


async def test_a_body_behind_an_answer_is_read_for_a_short_time_only(
    storage: Storage, model: ScriptedOpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recuerda.server.connections._LINGER_S", 0.05)
    keys = TenantKeys({digest_of("rk-acme-0123456789abcdef"): "acme"})
    async with limited(storage, model, Limits(), keys=keys) as url, connected(url) as client:
        await client.send(b"POST /v1/responses HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
        assert (await client.answer())[0] == 401
        assert await client.is_closed()


async def test_a_body_in_small_chunks_is_read_and_one_in_a_flood_of_chunks_is_refused(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    small = json.dumps({"items": [{"role": "user", "content": "x" * 2000}]}).encode()
    large = json.dumps({"items": [{"role": "user", "content": "x" * 20_000}]}).encode()
    async with limited(storage, model, Limits()) as url:
        assert await answer_to(url, chunked("/v1/conversations", small, 1)) == (200, "")
        assert await answer_to(url, chunked("/v1/conversations", large, 1)) == (400, "chunks_too_small")
        assert await answer_to(url, chunked("/v1/conversations", large, 1000)) == (200, "")
        assert await answer_to(url, chunked("/v1/conversations", large, 5000, 10, 4097)) == (200, "")
        endless = chunked("/v1/conversations", b"{}", 2)[:-2] + b"x: 1\r\n" * 100_000
        assert await answer_to(url, endless) == (400, "chunks_too_small")


async def test_pipelined_requests_are_answered_in_order_up_to_a_limit(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    async with limited(storage, model, Limits(max_pipelined=4)) as url:
        async with connected(url) as client:
            await client.send(HEALTH + post("/v1/conversations", b"[") + HEALTH)
            assert [(await client.answer())[0] for _ in range(3)] == [200, 400, 200]
            await client.send(HEALTH)
            assert (await client.answer())[0] == 200
        async with connected(url) as client:
            await client.send(HEALTH * 100)
            assert [(await client.answer())[0] for _ in range(5)] == [200] * 5
            assert await client.is_closed()


async def test_a_request_whose_length_is_ambiguous_is_refused_once(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    begin = b"POST /v1/conversations HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    chunks = b"0\r\n\r\n"
    forms = [
        b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}",
        b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"content-length: 2, 2\r\n\r\n{}",
        b"content-length: +2\r\n\r\n{}",
        b"content-length : 2\r\n\r\n{}",
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n" + chunks,
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n" + chunks,
        b"transfer-encoding: xchunked\r\n\r\n" + chunks,
        b"transfer-encoding: chunked, identity\r\n\r\n" + chunks,
        b"transfer-encoding: chunked\r\n\r\n-1\r\n\r\n" + chunks,
        b"x: 1\r\n folded: 1\r\ncontent-length: 2\r\n\r\n{}",
        b"upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 2\r\n\r\n{}",
    ]
    async with limited(storage, model, Limits()) as url:
        for form in forms:
            async with connected(url) as client:
                await client.send(begin + form + HEALTH)
                assert (await client.answer())[0] == 400, form
                assert await client.is_closed(), form
    assert not (await storage.list_threads()).threads


async def test_other_protocols_get_one_answer(storage: Storage, model: ScriptedOpenAIServer) -> None:
    websocket = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    requests = [
        (websocket + b"\x81\x85\x00", 200),
        (b"GET /health HTTP/1.0\r\n\r\n", 200),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /h\xff HTTP/1.1\r\n\r\n", 400),
    ]
    async with limited(storage, model, Limits()) as url:
        for request, status in requests:
            async with connected(url) as client:
                await client.send(request)
                assert (await client.answer())[0] == status, request
                assert await client.is_closed(), request


async def test_an_answer_of_unknown_length_over_http_1_0_ends_with_the_connection(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    request = post("/v1/responses", b'{"input":"x","stream":true}').replace(b"HTTP/1.1", b"HTTP/1.0")
    async with limited(storage, model, Limits()) as url, connected(url) as client:
        await client.send(request)
        head, _, events = (await client.reader.read(-1)).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert events.startswith(b"event: response.created\n")
    assert b"event: response.completed\n" in events
    assert events.endswith(b"\n\n")
    assert len((await storage.list_threads()).threads) == 1


async def test_a_client_that_does_not_read_is_cut_off(
    storage: Storage, model: ScriptedOpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop, dropped = GuardedConnection.drop, asyncio.Event()

    def noted(connection: GuardedConnection) -> None:
        drop(connection)
        dropped.set()

    monkeypatch.setattr(GuardedConnection, "drop", noted)
    model.default = "x" * 16_000_000
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()
    async with limited(storage, model, Limits(send_s=0.1)) as url, connected(url) as client:
        cast("asyncio.Transport", client.writer.transport).pause_reading()
        await client.send(post("/v1/chat/completions", body))
        await dropped.wait()


async def test_a_client_that_does_not_read_its_stream_gives_way_to_a_new_one(storage: Storage) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b"%x\r\n%b\r\n" % (1 << 16, b"x" * (1 << 16)))
                await writer.drain()

    settings = ServerSettings(model=MODEL, limits=Limits(max_connections=1))
    request = post("/v1/chat/completions", b'{"messages":[{"role":"user","content":"x"}],"stream":true}')
    async with await asyncio.start_server(endless, "127.0.0.1", 0) as upstream:
        base_url = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}/v1"
        async with running(storage, base_url, settings=settings) as url, connected(url) as client:
            await client.send(request)
            assert b" 200 " in await client.reader.readline()
            cast("asyncio.Transport", client.writer.transport).pause_reading()
            async with asyncio.timeout(TIMEOUT_S):
                while await answer_to(url, HEALTH) != (200, ""):  # noqa: ASYNC110 - until it is stuck for half a second
                    await asyncio.sleep(0.05)


async def test_json_that_is_too_large_is_refused_before_anything_is_paid_for(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    schema = b'{"a":' * 70 + b"{}" + b"}" * 70
    part = b'{"type":"input_text","text":""}'
    many = b'{"role":"user","content":[' + b",".join([part] * 4001) + b"]}"
    bodies = [
        (b'{"input":' + deep + b',"messages":' + deep + b',"items":' + deep + b"}", 413),
        (b'{"input":"x","tools":[{"type":"function","name":"f","parameters":' + schema + b"}]}", 400),
        (b'{"input":"x","messages":[],"items":[{"role":"user","content":"x","y":' + schema + b"}]}", 400),
        (b'{"input":[' + many + b'],"items":[' + many + b'],"messages":[{}],"y":' + schema + b"}", 400),
        (b'{"input":"x","items":[],"messages":[],"y":' + b"9" * 1_000_000 + b"}", 400),
        (b'{"input":"x","metadata":{' + b",".join(b'"%d":"x"' % i for i in range(60_000)) + b"}}", 413),
    ]
    paths = ["/v1/responses", "/v1/chat/completions", "/v1/conversations", "/v1/conversations/conv_1/items"]
    async with limited(storage, model, Limits()) as url:
        for body, status in bodies:
            for path in paths:
                assert (await answer_to(url, post(path, body)))[0] == status, (path, body[:100])
        assert (await answer_to(url, post("/v1/responses", b'{"input":[' + many + b"]}")))[0] == 400
        assert (await answer_to(url, post("/v1/conversations", b'{"items":[' + many + b"]}")))[0] == 400
    assert model.requests == []
    assert not (await storage.list_threads()).threads


async def test_a_body_with_too_many_values_is_refused_before_its_rest_arrives(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    body = b'{"items":[' + b"1," * 60_000 + b" " * 1_000_000 + b"1]}"
    for headers in ("", "connection: close\r\n"):
        request = post("/v1/conversations", body, headers=headers)
        async with limited(storage, model, Limits()) as url, connected(url) as client:
            await client.send(request[:-1_000_000])
            assert (await client.answer())[0] == 413
            await client.send(request[-1_000_000:])
            if headers:
                assert await client.reader.read() == b""
            else:
                await client.send(HEALTH)
                assert (await client.answer())[0] == 200


async def test_a_large_request_and_a_schema_at_the_limit_are_answered_and_kept(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    parameters = b'{"type":"object","properties":' * 58 + b"{}" + b"}" * 58
    tool = b'{"type":"function","name":"f","parameters":' + parameters + b"}"
    item = b'{"role":"user","content":[' + b",".join([b'{"type":"input_text","text":"x"}'] * 4) + b"]}"
    body = b'{"input":[' + b",".join([item] * 1000) + b'],"tools":[' + tool + b"]}"
    async with limited(storage, model, Limits()) as url:
        assert await answer_to(url, post("/v1/responses", body)) == (200, "")
    (thread,) = (await storage.list_threads()).threads
    assert thread.turns == 1


async def test_long_bodies_beyond_the_memory_for_them_are_refused(
    storage: Storage, model: ScriptedOpenAIServer
) -> None:
    limits = Limits(max_buffered_bytes=150_000)
    body = json.dumps({"metadata": None, "x": "y" * 100_000}).encode()
    async with limited(storage, model, limits) as url, connected(url) as slow:
        await slow.send(post("/v1/conversations", body, headers="expect: 100-continue\r\n")[:-1])
        await slow.reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.05)
        assert await answer_to(url, post("/v1/conversations", body)) == (503, "server_overloaded")
        assert await answer_to(url, post("/v1/conversations", b"{}")) == (200, "")
        await slow.send(body[-1:])
        assert (await slow.answer())[0] == 200
        assert await answer_to(url, post("/v1/conversations", body)) == (200, "")
