"""The examples of the page about many nodes have options, probes and times of the real server."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
import yaml

from recuerda._drivers.bearer_keys import new_key
from recuerda.cli.app import app
from recuerda.server.keys import file_line
from recuerda.testing import ScriptedOpenAIServer
from tests.docs.pages import ROOT, blocks
from tests.server.processes import ServerProcess

PAGE = ROOT / "docs" / "guides" / "serve-many-nodes.md"
OF_THE_TEST = ("--host", "--port", "--key-file", "--upstream")
"""The options that another machine needs."""


def block(kind: str) -> str:
    """Return the only block of a kind."""
    (found,) = [block.code for block in blocks(PAGE) if block.kind == kind]
    return found


@pytest.fixture(scope="module")
def pod() -> dict[str, Any]:
    """The pods of the deployment."""
    deployment, service = yaml.safe_load_all(block("yaml"))
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    return deployment["spec"]["template"]["spec"]


def options_of(arguments: list[str]) -> dict[str, Any]:
    """Return the options that the command line reads."""
    commands: Any = typer.main.get_command(app)
    return commands.commands["serve"].make_context("serve", arguments).params


def test_the_pods_answer_their_probes_with_their_command_line(pod: dict[str, Any], tmp_path: Path) -> None:
    (container,) = pod["containers"]
    assert container["command"] == ["recuerda", "serve"]
    key = new_key()
    keys = tmp_path / "keys.toml"
    keys.write_text(f"[tenants]\n{file_line('acme', key)}\n", encoding="utf-8")
    options = [option for option in container["args"] if not option.startswith(OF_THE_TEST)]
    assert len(options) == len(container["args"]) - len(OF_THE_TEST)
    storage = f"sqlite:///{tmp_path}/memory.db"
    with (
        ScriptedOpenAIServer("Yes.") as model,
        ServerProcess(storage, model.base_url, "--key-file", str(keys), *options) as server,
        httpx.Client(base_url=server.url) as http,
    ):
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert http.get(container[probe]["httpGet"]["path"]).status_code == 200
        answer = http.post("/v1/responses", json={"input": "x"}, headers={"authorization": f"Bearer {key}"})
        assert answer.json()["status"] == "completed"


def test_the_pods_have_enough_time_to_stop(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    options = options_of(container["args"])
    probe = container["readinessProbe"]
    assert options["drain"] > probe["periodSeconds"] * probe["failureThreshold"]
    assert pod["terminationGracePeriodSeconds"] >= options["drain"] + options["stop"] + 5
    assert {port["containerPort"] for port in container["ports"]} == {options["port"]}


def test_the_unit_of_systemd_has_options_of_the_server_and_enough_time_to_stop() -> None:
    lines: dict[str, str] = dict(re.findall(r"^(\w+)=(.*)$", block("ini"), re.MULTILINE))
    command = shlex.split(lines["ExecStart"].replace("%i", "8787"))
    assert [Path(command[0]).name, command[1]] == ["recuerda", "serve"]
    options = options_of(command[2:])
    assert float(lines["TimeoutStopSec"]) >= options["drain"] + options["stop"] + 5


def test_the_container_has_options_of_the_server() -> None:
    lines: dict[str, str] = dict(re.findall(r"^([A-Z]+) (.*)$", block("dockerfile"), re.MULTILINE))
    command: list[str] = json.loads(lines["ENTRYPOINT"])
    options = options_of([*command[2:], *json.loads(lines["CMD"])])
    assert command[:2] == ["recuerda", "serve"]
    assert int(lines["EXPOSE"]) == options["port"]
