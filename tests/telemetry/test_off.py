"""Telemetry that is off costs nothing: nothing is imported and nobody observes."""

from __future__ import annotations

import subprocess
import sys

from recuerda import Agent, Storage, _observing
from recuerda.agent import observing
from recuerda.telemetry import uninstrument
from recuerda.testing import ScriptedChatClient
from tests.telemetry.recorded import Recorded

PROGRAM = """
import asyncio, sys
from recuerda.offline import OfflineChatClient
from recuerda.recall import RecallProvider
agent = OfflineChatClient().create_agent(storage="sqlite:///threads.db", context_providers=RecallProvider())
asyncio.run(agent.run("My name is Ana.", thread="t"))
print(sorted(name for name in sys.modules if name.startswith(("opentelemetry", "recuerda.telemetry"))))
"""


def test_a_run_without_telemetry_imports_nothing_of_it(tmp_path: object) -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=str(tmp_path), capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"


async def test_after_the_switch_is_off_nothing_is_recorded(recorded: Recorded, storage: Storage) -> None:
    agent = Agent(ScriptedChatClient(default="Yes."), storage=storage)
    await agent.run("On?", thread="t")
    count = len(recorded.spans)
    uninstrument()
    await agent.run("Off?", thread="t")
    assert len(recorded.spans) == count == 4
    assert _observing.observer is None
    assert observing.observer is None
