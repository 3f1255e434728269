"""The HTTP session with the model's server: proxies, and large requests."""

from __future__ import annotations

import asyncio

import pytest

from recuerda.errors import ConfigurationError
from recuerda.server import Upstream
from recuerda.testing import ScriptedOpenAIServer


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


QUESTION = b'{"model": "m", "messages": [{"role": "user", "content": "x"}], "user": "%b"}'


async def asked(url: str, content: bytes = QUESTION % b"") -> None:
    upstream = Upstream(url, timeout_s=20)
    try:
        async with upstream.chat(content) as answer:
            assert answer.status == 200
            await answer.read()
    finally:
        await upstream.close()


async def test_the_proxy_of_the_environment_is_used_unless_it_is_left_out(
    model: ScriptedOpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked_for.append(await reader.readline())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as proxy:
        address = f"127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        for name, value in (("http_proxy", f"http://{address}"), ("all_proxy", address)):
            with monkeypatch.context() as patched:
                patched.setenv(name, value)
                await asked("http://model.invalid/v1")
        assert asked_for == [b"POST http://model.invalid/v1/chat/completions HTTP/1.1\r\n"] * 2
        monkeypatch.setenv("all_proxy", address)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        model.default = "Yes."
        await asked(model.base_url)
    assert (len(model.requests), len(asked_for)) == (1, 2)


def test_a_proxy_that_is_no_http_proxy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(ConfigurationError, match="scheme 'socks5'"):
        Upstream("http://model.invalid/v1")


async def test_a_large_request_is_sent_with_its_length(model: ScriptedOpenAIServer) -> None:
    model.default = "Yes."
    for size in (10, 300_000, 2_000_000):
        content = QUESTION % (b"x" * size)
        await asked(model.base_url, content)
        assert model.requests[-1].headers["content-length"] == str(len(content))
        assert model.requests[-1].body["user"] == "x" * size
