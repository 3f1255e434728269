"""The newest clients of the Responses API use `recuerda serve` with their defaults: a test for each cell of the table.

`make clients` runs this file. Its name keeps it out of `make test`, because the clients are not installed there. Each
client runs once, in a process of its own, and reports the answers that it got for all its features.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from recuerda.testing import ScriptedOpenAIServer
from tests.clients.model import answer
from tests.clients.table import CLIENTS, FEATURES, Client
from tests.server.processes import ServerProcess
from tests.servers.npm_packages import installed, node

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CELLS = [(client, feature) for client in CLIENTS for feature in FEATURES if feature not in client.lacks]

Reports = Callable[[Client], dict[str, dict[str, Any]]]


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    """Returns the reports of a client by its features. The client runs when it is first asked for."""
    folder = tmp_path_factory.mktemp("clients")
    with (
        ScriptedOpenAIServer(default=answer) as model,
        ServerProcess(f"sqlite:///{folder}/memory.db", model.base_url) as server,
    ):

        @cache
        def report(script: str) -> dict[str, dict[str, Any]]:
            client = next(client for client in CLIENTS if client.script == script)
            home = folder / client.name.replace(" ", "-")
            home.mkdir()
            lines = _run(client, f"{server.url}/v1", home)
            return {line["feature"]: line for line in map(json.loads, lines)}

        yield lambda client: report(client.script)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("client", "feature"), CELLS, ids=[f"{client.name}-{feature}" for client, feature in CELLS])
def test_a_client_gets_its_answer(client: Client, feature: str, reports: Reports) -> None:
    report = reports(client)[feature]
    assert report.get("got") == FEATURES[feature], report.get("at") or report.get("error")


def _run(client: Client, url: str, home: Path) -> list[str]:
    """Return the lines that a client's script prints."""
    done = subprocess.run(
        [*_command(client), *(feature for feature in FEATURES if feature not in client.lacks)],
        env=_environ(url, home),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"feature"')]
    assert lines, f"{client.name} ended with code {done.returncode}:\n{done.stderr[-3000:]}"
    return lines


def _command(client: Client) -> list[str | Path]:
    script = HERE / client.script
    if client.environment is not None:
        return [ROOT / f".venv-{client.environment}" / "bin" / "python", script]
    return [node(), script, installed(ROOT / "requirements" / "clients-js", below=ROOT / ".venv-clients")]


def _environ(url: str, home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT", "TMPDIR") if name in os.environ}
    quiet = {
        "OPENAI_AGENTS_DISABLE_TRACING": "1",  # the traces would go to OpenAI, and not to the service
        "HAYSTACK_TELEMETRY_ENABLED": "False",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # otherwise LiteLLM asks GitHub for its list of prices
        "LANGSMITH_TRACING": "false",
        "AI_SDK_LOG_WARNINGS": "false",
    }
    return {**kept, **quiet, "HOME": str(home), "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none"}
