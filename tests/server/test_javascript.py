"""OpenAI's official JavaScript SDK and Vercel's AI SDK, against the server as people run it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Reply, ToolCall
from tests.clients.model import answer
from tests.clients.table import FEATURES
from tests.server.processes import ServerProcess
from tests.servers.npm_packages import installed, node

LOCKED = Path(__file__).parents[2] / "requirements" / "openai-js"
KEY = "key-of-ann-0123456789"


def test_the_javascript_sdk_talks_to_the_server(storage_url: str, model: ScriptedOpenAIServer) -> None:
    model.script.extend(
        [
            "Hello, Will.",
            "You are Will.",
            Reply(tool_calls=[ToolCall("add", {"a": 1}, id="call_1")]),
            "Three.",
            "Once.",
        ]
    )
    folder = installed(LOCKED)
    with ServerProcess(storage_url, model.base_url, RECUERDA_SERVER_KEYS=f"ann={KEY}") as server:
        command = [node(), LOCKED / "drive.mjs", folder, f"{server.url}/v1", KEY]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "metadata": {"ship": "Enterprise"},
        "first": "Hello, Will.",
        "streamed": "You are Will.",
        "order": ["response.created", "response.in_progress", "response.completed"],
        "call": {"name": "add", "arguments": '{"a":1}'},
        "answered": "Three.",
        "items": ["I am Will.", "Hello, Will.", "Who?", "You are Will."],
        "refusal": {"name": "NotFoundError", "status": 404},
        "isReplayed": True,
        "isDeleted": True,
    }


def test_the_ai_sdk_has_every_feature(storage_url: str, model: ScriptedOpenAIServer) -> None:
    model.default = answer
    script = Path(__file__).parents[1] / "clients" / "javascript" / "ai_sdk_7.mjs"
    with ServerProcess(storage_url, model.base_url) as server:
        environ = {"PATH": os.environ["PATH"], "OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "none"}
        command = [node(), script, installed(LOCKED)]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=50, check=False)
    reports = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert {report["feature"]: report.get("got") or report for report in reports} == dict(FEATURES), done.stderr
