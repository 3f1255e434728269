"""`recuerda mcp`: what it prints for clients, how it refuses, and the SDK's own client on its standard streams."""

import json
import shlex
import sys
import tomllib
from pathlib import Path

import pytest
from mcp import StdioServerParameters
from mcp.client.client import Client

from tests.cli.processes import CommandLine
from tests.mcp_server.conftest import answer


@pytest.fixture
def recuerda(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


async def test_the_printed_configuration_starts_a_memory_that_the_command_line_sees(
    recuerda: CommandLine, tmp_path: Path
) -> None:
    printed = json.loads(recuerda.ok("mcp", "--print-config", "claude", "--user", "ana", "--agent", "claude"))
    entry = printed["mcpServers"]["recuerda"]
    assert entry["command"] == sys.executable
    async with Client(StdioServerParameters(**entry, cwd=tmp_path)) as client:
        await answer(client, "remember", text="Ana's boat is the Sirena.")
        found = await answer(client, "recall", query="What is the boat called?")
    assert found["memories"][0]["text"] == "Ana's boat is the Sirena."
    shown = json.loads(recuerda.ok("recall", "boat", "--user", "ana", "--json"))
    assert [memory["text"] for memory in shown["memories"]] == ["Ana's boat is the Sirena."]


def test_each_clients_configuration_has_the_clients_form_and_absolute_names(
    recuerda: CommandLine, tmp_path: Path
) -> None:
    storage = ("--storage", "sqlite:///my%20memory.db", "--index", "x.db", "--namespace", "work", "--max-tokens", "900")
    url = f"sqlite:///{tmp_path}/my%20memory.db"
    options = ["-m", "recuerda", "mcp", "--namespace", "work", "--index", str(tmp_path / "x.db"), "--max-tokens", "900"]
    entry = {"command": sys.executable, "args": options, "env": {"RECUERDA_STORAGE": url}}
    cursor = json.loads(recuerda.ok("mcp", "--print-config", "cursor", *storage))
    assert cursor == {"mcpServers": {"recuerda": entry}}
    vscode = json.loads(recuerda.ok("mcp", "--print-config", "vscode", *storage))
    assert vscode == {"servers": {"recuerda": {"type": "stdio", **entry}}}
    words = shlex.split(recuerda.ok("mcp", "--print-config", "claude-code", *storage))
    start = ["claude", "mcp", "add", "--scope", "user", "--env", f"RECUERDA_STORAGE={url}", "recuerda", "--"]
    assert words == [*start, sys.executable, *options]
    assert shlex.split(recuerda.ok("mcp", "--print-config", "code", *storage)) == words
    assert "choose one of claude, claude-code, vscode, cursor" in recuerda.refused("mcp", "--print-config", "emacs")
    files = json.loads(recuerda.ok("mcp", "--print-config", "cursor", "--storage", "file:my folder"))
    assert files["mcpServers"]["recuerda"]["env"]["RECUERDA_STORAGE"] == f"{tmp_path.as_uri()}/my%20folder"


def test_a_new_token_is_told_once_and_its_lines_are_for_the_file(recuerda: CommandLine) -> None:
    done = recuerda("mcp", "--new-token", "laptop", "--user", "ana", "--reads", "work")
    table = tomllib.loads(done.stdout)["tokens"]["laptop"]
    assert (table["user"], table["namespace"], table["reads"]) == ("ana", "default", ["work"])
    assert "rk-" in done.stderr
    assert "rk-" not in done.stdout


def test_wrong_options_are_refused_with_the_next_step(recuerda: CommandLine) -> None:
    assert "--token-file is for --http" in recuerda.refused("mcp", "--token-file", "x.toml")
    assert "cannot be read" in recuerda.refused("mcp", "--http", "--token-file", "x.toml")
    assert "--new-token" in recuerda.refused("mcp", "--http", "--host", "0.0.0.0")
    assert "--index FILE" in recuerda.refused("mcp", "--storage", "redis://localhost:1/0", "--user", "ana")
    assert "user id" in recuerda.refused("mcp", "--user", "x" * 600)
