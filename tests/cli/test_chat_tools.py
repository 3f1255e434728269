"""`recuerda chat --mcp`: the tools of an MCP server, with the approvals of the person at the terminal."""

import json
import sys
from pathlib import Path

from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_script import Reply, ToolCall
from tests.cli.processes import CommandLine

ROOT = Path(__file__).parents[2]


def test_the_model_uses_a_servers_tools_and_the_person_decides(recuerda: CommandLine) -> None:
    server = f"{sys.executable} {ROOT / 'tests/mcp/offering.py'}"
    add, wipe = (
        Reply(tool_calls=[ToolCall(name, given)]) for name, given in (("add", '{"a": 2, "b": 3}'), ("wipe", "{}"))
    )
    with ScriptedOpenAIServer(add, "It is 5.", wipe, "Gone.", wipe, "As you wish.") as model:
        env = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}
        done = recuerda("chat", "--mcp", server, input="2 + 3?\nWipe.\n/allow\nAgain.\n/refuse\n/allow\n", **env)
    assert done.stdout.split("\n")[:1] == ["It is 5."]
    assert "Gone." in done.stdout
    assert "As you wish." in done.stdout
    assert "wipe waits with the arguments {}" in done.stderr
    assert "no call of this thread waits for approval" in done.stderr
    results = [message["content"] for message in model.requests[-1].messages if message["role"] == "tool"]
    assert results == ["5", "wiped", "Error: the user did not allow this call"]
    assert json.loads(recuerda.ok("threads", "--json"))["threads"][0]["turns"] == 3
