"""The protocol's inspector and its conformance tests, both from npm, on `recuerda mcp`.

`make mcp-clients` runs this file. Its name keeps it out of `make test`, because the two packages take 144 MB.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.processes import CommandLine
from tests.mcp_server.processes import HTTPServer
from tests.servers.npm_packages import installed, node

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 100

FITTING = (
    "server-initialize",
    "ping",
    "tools-list",
    "server-sse-polling",
    "server-sse-multiple-streams",
    "resources-list",
    "resources-subscribe",
    "resources-unsubscribe",
    "prompts-list",
    "dns-rebinding-protection",
)
"""The scenarios that any server can pass."""

NOT_OFFERED = (
    "logging-set-level",
    "completion-complete",
    "tools-call-with-logging",
    "tools-call-sampling",
    "tools-call-elicitation",
    "elicitation-sep1034-defaults",
    "elicitation-sep1330-enums",
)
"""Scenarios for what this server does not declare: logging (which the protocol has given up), completions, sampling and
elicitation."""

OF_THE_MODEL_SERVER = (
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-mixed-content",
    "tools-call-error",
    "tools-call-with-progress",
    "json-schema-2020-12",
    "resources-read-text",
    "resources-read-binary",
    "resources-templates-read",
    "prompts-get-simple",
    "prompts-get-with-args",
    "prompts-get-embedded-resource",
    "prompts-get-with-image",
)
"""Scenarios that call a tool, a resource or a prompt of the suite's own model server by its name, such as
`test_simple_text`. Our own tests show the same of our tools: errors, progress, resources, templates and prompts."""


@pytest.fixture(scope="session")
def packages() -> Path:
    """Return the folder of the packages."""
    below = ROOT / ".venv-mcp-clients"
    below.mkdir(exist_ok=True)
    return installed(ROOT / "requirements" / "mcp-clients-js", below=below) / "node_modules" / "@modelcontextprotocol"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Serve a memory over HTTP."""
    with HTTPServer(f"sqlite:///{tmp_path}/memory.db") as server:
        yield server.url


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "MCP_INSPECTOR_SECRET_STORE": "memory"}
    command = [str(word) for word in (node(), *words)]
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def conformance(packages: Path, *words: object, folder: Path) -> str:
    return run(packages / "conformance" / "dist" / "index.js", *words, folder=folder).stdout


@pytest.mark.timeout(TIMEOUT_S)
def test_every_scenario_that_fits_passes(packages: Path, url: str, tmp_path: Path) -> None:
    known = re.findall(r"^  - (\S+)", conformance(packages, "list", "--server", folder=tmp_path), re.MULTILINE)
    assert sorted(known) == sorted((*FITTING, *NOT_OFFERED, *OF_THE_MODEL_SERVER))
    told = conformance(packages, "server", "--url", url, "--suite", "all", folder=tmp_path)
    passed = re.findall(r"^✓ (\S+): \d+ passed, 0 failed", told, re.MULTILINE)
    assert sorted(passed) == sorted(FITTING), told[-3_000:]


@pytest.mark.timeout(TIMEOUT_S)
def test_the_inspector_uses_the_printed_configuration(packages: Path, tmp_path: Path) -> None:
    config = tmp_path / "claude.json"
    config.write_text(CommandLine(tmp_path).ok("mcp", "--print-config", "claude", "--user", "ana"), encoding="utf-8")
    launcher = packages / "inspector" / "clients" / "launcher" / "build" / "index.js"

    def ask(*words: str) -> Any:
        done = run(launcher, "--cli", "--config", config, "--server", "recuerda", *words, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    # --strict fails if a schema has a form that some clients do not understand.
    tools = ask("--method", "tools/list", "--strict")["tools"]
    assert len(tools) == 7
    kept = ask("--method", "tools/call", "--tool-name", "remember", "--tool-arg", "text=Ana keeps bees.")
    assert kept["structuredContent"]["is_new"]
    about = ask("--method", "resources/read", "--uri", "recuerda://memory/about-me")
    assert "Ana keeps bees." in about["contents"][0]["text"]
    prompt = ask("--method", "prompts/get", "--prompt-name", "what_do_you_know_about_me")
    assert "Ana keeps bees." in prompt["messages"][1]["content"]["text"]
