"""The command line works on every server's URL as it does on a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recuerda import ChatMessage, open_storage
from recuerda.agent.steps import Step, encode_step
from recuerda.storage.drafts import DraftStep
from tests.cli.processes import CommandLine
from tests.servers.cosmos_server import cosmos_url
from tests.servers.postgres_server import postgres_url, schema_of
from tests.servers.redis_server import prefix_of, redis_url


def with_option(url: str, option: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{option}"


URLS: dict[str, Callable[[Path], str]] = {
    "redis": lambda folder: with_option(redis_url(), f"key_prefix={prefix_of(folder)}"),
    "postgresql": lambda folder: with_option(postgres_url(), f"schema={schema_of(folder)}"),
    "cosmos": cosmos_url,
}


@pytest.fixture(params=URLS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return URLS[request.param](tmp_path)


def test_a_thread_moves_to_a_server_and_goes_on_there(recuerda: CommandLine, url: str) -> None:
    # Warnings are no errors here: a server that keeps nothing on disk is warned of, and rightly.
    recuerda.ok("chat", "--thread", "riker", "--storage", "file:here", input="My name is Riker.\n")
    assert "1 turn added" in recuerda.ok("copy", "file:here", url, "--all")
    assert "Riker" in recuerda.ok("chat", "--thread", "riker", "--storage", url, input="What is my name?\n")
    threads = json.loads(recuerda.ok("threads", "--json", "--storage", url))["threads"]
    assert [(one["id"], one["turns"]) for one in threads] == [("riker", 2)]
    assert "My name is Riker." in recuerda.ok("show", "riker", "--storage", url)
    exported = recuerda.ok("export", "riker", "--storage", url)
    assert "riker: 0 of 2 turns added" in recuerda.ok("import", "-", "--storage", url, input=exported)
    recuerda.ok("delete", "riker", "--yes", "--storage", url)
    assert json.loads(recuerda.ok("threads", "--json", "--storage", url))["threads"] == []


def test_a_servers_password_is_never_shown(recuerda: CommandLine) -> None:
    for url in (
        "redis://:s3cr3t@127.0.0.1:1/0?timeout_s=1",
        "postgresql://ana:s3cr3t@127.0.0.1:1/db?connect_timeout=1",
    ):
        told = recuerda("threads", "--storage", url)
        assert told.returncode == 1
        assert "s3cr3t" not in told.stdout + told.stderr
        assert "127.0.0.1" in told.stderr


def test_the_doctor_finds_and_repairs_on_a_server_as_elsewhere(recuerda: CommandLine, url: str) -> None:
    recuerda.ok("chat", "--thread", "riker", "--storage", url, input="My name is Riker.\nI live in Lima.\n")
    asyncio.run(damage(url))
    found = json.loads(recuerda("doctor", url, "--json").stdout)["findings"]
    assert {(one["thread_id"], one["kind"]) for one in found} == {("riker", "corrupt_turn"), ("riker", "open_draft")}
    command = ("doctor", url, "--repair", "--drop-drafts", "--backup", "copies", "--json")
    repaired = json.loads(recuerda.ok(*command))["findings"]
    assert [one["is_repaired"] for one in repaired] == [True, True]
    assert len(list((recuerda.folder / "copies").iterdir())) == 3
    assert json.loads(recuerda.ok("doctor", url, "--json"))["findings"] == []
    assert "You live in Lima." in recuerda.ok("chat", "--thread", "riker", "--storage", url, input="Where do I live?\n")


async def damage(url: str) -> None:
    async with open_storage(url) as storage:
        await storage.rewrite("riker", {1: b"\xff no turn"})
        step = encode_step(Step(input=(ChatMessage("user", "go on"),), claim="one"))
        await storage.save_draft("riker", DraftStep(turn_id="cut", revision=2, number=1, body=step))
