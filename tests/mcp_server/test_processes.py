"""Several servers on one storage, servers that are killed, and clients that vanish: what was acknowledged is stored."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError

from recuerda import ChatMessageStore, open_storage
from tests.mcp_server.processes import HTTPServer, StdioServer
from tests.servers.postgres_server import postgres_url, schema_of

PROCESSES = 2

NOISY = """
import os, sys
from recuerda.mcp_server import command, memories

def noisy(query):
    print("a library prints", flush=True)
    os.write(1, b"a library in C prints\\n")

memories.check_query = noisy
command.run_stdio(command.settings(storage="memory:", user="ana", index=sys.argv[1]))
"""


async def stored(storage_url: str, thread_id: str) -> Counter[str]:
    """Return the texts of the memories in a storage, each with its number of occurrences."""
    async with open_storage(storage_url) as storage:
        messages = await ChatMessageStore(storage=storage, thread_id=thread_id, user_id="ana").list_messages()
    return Counter(message.text for message in messages)


def url_of(scheme: str, folder: Path) -> str:
    """Return the URL of an empty storage."""
    if scheme == "sqlite":
        return f"sqlite:///{folder}/memory.db"
    url = postgres_url()
    return f"{url}{'&' if '?' in url else '?'}schema={schema_of(folder)}"


def remember_all(server: StdioServer, texts: list[str]) -> dict[str, Any]:
    """Let a server remember texts one after the other, and return what it has acknowledged."""
    return {text: server.call("remember", text=text) for text in texts}


@pytest.mark.chaos
@pytest.mark.parametrize("scheme", ["sqlite", "postgresql"])
async def test_two_servers_on_one_storage_store_everything_that_they_acknowledge(
    scheme: str, tmp_path: Path, *, is_long: bool
) -> None:
    count = 500 if is_long else 60
    url = url_of(scheme, tmp_path)
    with StdioServer(url) as one, StdioServer(url) as other, ThreadPoolExecutor(PROCESSES) as pool:
        texts = [[f"Fact {number} of {name}." for number in range(count)] for name in ("one", "other")]
        acknowledged = [text for part in pool.map(remember_all, (one, other), texts) for text in part]
        thread_id = one.call("list_threads")["threads"][0]["thread"]
        acknowledged += remember_all(one, ["The lighthouse keeper is called Otto."])
        found = other.call("recall", query="What is the lighthouse keeper called?", limit=1)["memories"]
        assert [memory["text"] for memory in found] == acknowledged[-1:]
    kept = await stored(url, thread_id)
    assert len(acknowledged) == PROCESSES * count + 1
    assert kept == Counter(acknowledged)


@pytest.mark.chaos
async def test_a_killed_server_has_stored_each_acknowledged_memory_once(tmp_path: Path, *, is_long: bool) -> None:
    count, url = 400 if is_long else 40, f"sqlite:///{tmp_path}/memory.db"
    chance = random.Random(7)
    left = [f"Fact {number}." for number in range(count)]
    acknowledged: list[str] = []
    kills = 0
    thread_id = ""
    while left:
        lives = chance.randrange(1, 20)
        with StdioServer(url) as server:
            try:
                while left:
                    if lives == 0:
                        threading.Timer(chance.uniform(0.0, 0.01), server.kill).start()
                    answer = server.call("remember", text=left[0], idempotency_key=left[0])
                    thread_id = answer["thread"]
                    acknowledged.append(left.pop(0))
                    lives -= 1
            except EOFError:
                kills += 1
                kept = await stored(url, thread_id)
                assert not [text for text in acknowledged if kept[text] != 1]
    assert kills
    assert await stored(url, thread_id) == Counter(acknowledged)


async def test_a_client_that_vanishes_leaves_whole_memories_and_ends_its_server(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/memory.db"
    with StdioServer(url) as server:
        thread_id = server.call("remember", text="The first fact.")["thread"]
        for number in range(20):
            server.send("tools/call", {"name": "remember", "arguments": {"text": f"Fact {number}."}})
        assert server.vanish() == 0
    kept = await stored(url, thread_id)
    assert kept["The first fact."] == 1
    assert set(kept.values()) == {1}
    assert kept.keys() <= {"The first fact.", *(f"Fact {number}." for number in range(20))}


def test_a_text_that_was_cut_in_the_middle_of_an_emoji_is_answered(tmp_path: Path) -> None:
    with StdioServer(f"sqlite:///{tmp_path}/memory.db") as server:
        assert server.call("remember", text="A whale: \ud83d", about="\udc33")["text"] == "?: A whale: ?"
        assert server.call("remember", text="A \\ud83d, and a whole 🐳.")["text"] == "A \\ud83d, and a whole 🐳."


def test_a_line_that_is_no_message_is_passed_over(tmp_path: Path) -> None:
    with StdioServer(f"sqlite:///{tmp_path}/memory.db") as server:
        for line in (
            b"{",
            b"[]",
            b"\xff\xfe",
            b'"text"',
            b"[" * 100_000,
            b'{"jsonrpc": "2.0", "id": {}, "method": "\\ud83d"}',
        ):
            server.write(line)
        assert server.ask("ping", {}) == {}


def test_nothing_that_a_library_prints_reaches_the_client(tmp_path: Path) -> None:
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "plain", "version": "1"}}
    lines = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": about},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "recall", "arguments": {"query": "x"}}},
    ]
    command = [sys.executable, "-c", NOISY, str(tmp_path / "index.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
        server.stdin.flush()
        answers = [json.loads(server.stdout.readline()) for _ in range(2)]
        rest, told = server.communicate(timeout=30)
    assert [one["id"] for one in answers] == [1, 2]
    assert rest == b""
    assert b"a library prints" in told
    assert b"a library in C prints" in told


def test_a_signal_ends_a_server_of_one_client_at_once(tmp_path: Path) -> None:
    with StdioServer(f"sqlite:///{tmp_path}/memory.db") as server:
        server.call("remember", text="A fact.")
        server.kill(signal.SIGINT)
        with pytest.raises(EOFError):
            server.read()


async def test_a_signal_ends_a_server_of_many_clients_while_one_of_them_listens(tmp_path: Path) -> None:
    ends: list[tuple[int, str]] = []
    with HTTPServer(f"sqlite:///{tmp_path}/memory.db") as server:
        async with Client(server.url) as client:
            await client.call_tool("remember", {"text": "A fact."})
            with suppress(SubscriptionLost, MCPError):
                async with client.listen(resource_subscriptions=["recuerda://thread/x"]) as stream:
                    ends.append(await asyncio.to_thread(server.stop))
                    async for _ in stream:
                        pass
    assert ends == [(-signal.SIGTERM, "")]
