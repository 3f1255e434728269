"""The server over HTTP: tokens and their scopes, sessions or none, and protection against web pages."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from recuerda import ConfigurationError
from recuerda.mcp_server import MemoryServer, Scope
from recuerda.mcp_server.command import check_host
from recuerda.mcp_server.http import http_app
from recuerda.mcp_server.tokens import Tokens, make_token
from recuerda.recall import SQLiteRecallIndex
from recuerda.storage.ram import MemoryStorage
from tests.mcp.serving import served
from tests.mcp_server.conftest import ANA, BOB, answer, failure

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HEADERS = {"accept": "application/json, text/event-stream"}


@pytest.fixture
def token_file(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """Return a token file, and the tokens of ana and bob."""
    made = {name: make_token(name, scope) for name, scope in (("ana", ANA), ("bob", BOB))}
    path = tmp_path / "tokens.toml"
    path.write_text("\n".join(lines for _, lines in made.values()), encoding="utf-8")
    return path, {name: token for name, (token, _) in made.items()}


@asynccontextmanager
async def listening(path: Path | None, *, is_stateless: bool = False) -> AsyncGenerator[str]:
    """Serve a memory in RAM, and give the endpoint's URL."""
    tokens = None if path is None else Tokens(path)
    async with MemoryStorage() as storage:
        scope = tokens.scope if tokens is not None else lambda: ANA
        server = MemoryServer(storage, SQLiteRecallIndex(":memory:"), scope=scope)
        async with served(http_app(server, tokens=tokens, host="127.0.0.1", is_stateless=is_stateless)) as url:
            yield f"{url}/mcp"
        await server.close()


@asynccontextmanager
async def connected(url: str, token: str, mode: str) -> AsyncGenerator[Client]:
    async with (
        create_mcp_http_client(headers={"Authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


@pytest.mark.parametrize("is_stateless", [False, True])
async def test_a_token_stands_for_a_user_whatever_the_version_of_the_protocol(
    is_stateless: bool, token_file: tuple[Path, dict[str, str]]
) -> None:
    path, tokens = token_file
    async with listening(path, is_stateless=is_stateless) as url:
        for mode in ("auto", "legacy"):
            async with connected(url, tokens["ana"], mode) as client:
                kept = await answer(client, "remember", text=f"Ana's bicycle is green, says the {mode} client.")
            async with connected(url, tokens["bob"], mode) as client:
                assert (await answer(client, "recall", query="bicycle"))["memories"] == []
                assert "no memory" in await failure(client, "correct", memory=kept["memory"], text="Red.")
            async with connected(url, tokens["ana"], mode) as client:
                found = (await answer(client, "recall", query="Which colour is the bicycle?"))["memories"]
                assert found[0]["speaker"] == "claude"


async def test_a_request_without_a_valid_token_or_from_a_web_page_is_refused(
    token_file: tuple[Path, dict[str, str]],
) -> None:
    path, tokens = token_file
    async with listening(path, is_stateless=True) as url, httpx.AsyncClient(headers=HEADERS) as http:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {tokens['ana']}"}):
            refused = await http.post(url, json=PING, headers=headers)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer")
        right = {"authorization": f"Bearer {tokens['ana']}"}
        assert (await http.post(url, json=PING, headers=right)).status_code == 200
        assert (await http.post(url, json=PING, headers={**right, "host": "evil.example"})).status_code == 421
        assert (await http.post(url, json=PING, headers={**right, "origin": "http://evil.example"})).status_code == 403


async def test_a_session_of_one_user_is_no_session_of_another(token_file: tuple[Path, dict[str, str]]) -> None:
    path, tokens = token_file
    start = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    async with listening(path) as url, httpx.AsyncClient(headers=HEADERS) as http:
        as_ana, as_bob = ({"authorization": f"Bearer {tokens[name]}"} for name in ("ana", "bob"))
        begun = await http.post(
            url, json={"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": start}, headers=as_ana
        )
        session = {"mcp-session-id": begun.headers["mcp-session-id"]}
        assert (await http.post(url, json=PING, headers={**as_ana, **session})).status_code == 200
        assert (await http.post(url, json=PING, headers={**as_bob, **session})).status_code == 404


def test_without_tokens_only_this_machine_is_served() -> None:
    for host in ("0.0.0.0", "example.org", "::"):
        with pytest.raises(ConfigurationError, match="this machine only"):
            check_host(host, has_tokens=False)
        check_host(host, has_tokens=True)
    for host in ("127.0.0.1", "localhost", "::1"):
        check_host(host, has_tokens=False)


def test_a_token_file_that_is_wrong_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    good = f'hash = "sha256:{"a" * 64}"\nuser = "ana"'
    for text, words in (
        ("", "no table"),
        ("tokens = 3", "no table"),
        ("x = [", "not valid TOML"),
        ("[tokens.'a b']", "'a b' cannot be the name"),
        ('[tokens.a]\nhash = "rk-secret"\nuser = "ana"', "needs a hash"),
        (f"[tokens.a]\n{good}\nroot = true", "unknown field 'root'"),
        (f"[tokens.a]\n{good}\n[tokens.b]\n{good}", "the same token"),
        (f'[tokens.a]\nhash = "sha256:{"a" * 64}"', "a text as user"),
        (f'[tokens.a]\n{good}\nreads = "work"', "a list of texts"),
        (f'[tokens.a]\n{good}\nnamespace = ""', "cannot be used"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigurationError, match=words) as refused:
            Tokens(path)
        assert "secret" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Tokens(tmp_path / "none.toml")


async def test_a_new_token_is_accepted_with_every_name_that_a_scope_can_have(tmp_path: Path) -> None:
    scope = Scope(user_id='a"b\\c\x7f€😀', namespace="n\n", reads=("x'y", "z"), agent="\t")
    token, lines = make_token("t", scope)
    path = tmp_path / "tokens.toml"
    path.write_text(lines, encoding="utf-8")
    tokens = Tokens(path)
    found = await tokens.verify_token(token)
    assert found is not None
    assert (found.client_id, found.subject) == ("t", scope.user_id)
    assert token not in lines
    assert await tokens.verify_token("rk-other") is None
    with pytest.raises(ConfigurationError, match="has no token"):
        tokens.scope()
