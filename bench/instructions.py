"""Count the processor's instructions of a turn on SQLite: `python -m bench.instructions`.

Times vary with the load of a machine; instructions hardly do. Valgrind has to be installed: it runs a program and
counts. Each figure is the difference between a long and a short run, divided by the number of turns between them, so
the start of Python does not count. To compare with another state of the source, check it out elsewhere and set
`PYTHONPATH` to its `src` folder.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from msgspec import structs

from recuerda import Agent, ContextWindow, NewTurn, ThreadInfo
from recuerda.sqlite import SQLiteStorage
from recuerda.testing import ScriptedChatClient

MODES = {
    "append": "an append",
    "warm": "a read without news, and an append",
    "cold": "a read of the newest ten turns, and an append",
    "run": "a run of an agent on a handle that has read the thread; the model answers at once",
    "new-run": "a run of an agent on a new handle",
}
SHORT, LONG = 50, 450
SETTLED_S = 3.5
"""After this time without a change of the folder, the storage looks at the folder alone; see `sqlite_names.py`."""


def main() -> int:
    """Print the figures, or run one mode for valgrind: `MODE TURNS`."""
    if len(sys.argv) == 3:
        asyncio.run(_run(sys.argv[1], int(sys.argv[2])))
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is not installed, or not in PATH; install the package valgrind to count", file=sys.stderr)
        return 1
    for mode, meaning in MODES.items():
        print(f"{mode}  {(_count(mode, LONG) - _count(mode, SHORT)) // (LONG - SHORT):,} instructions: {meaning}")
    return 0


def _count(mode: str, turns: int) -> int:
    valgrind = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
    command = (*valgrind, sys.executable, "-m", "bench.instructions", mode, str(turns))
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
    found = re.search(r"I +refs: +([\d,]+)", told)
    if found is None:
        raise RuntimeError(f"valgrind printed no number of instructions: {told}")
    return int(found[1].replace(",", ""))


async def _run(mode: str, turns: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with SQLiteStorage(Path(folder) / "threads.db", synchronous="NORMAL") as storage:
            for _ in range(60):
                await storage.append("a", _turn(), user_id="ana", title="Rain")
            await asyncio.sleep(SETTLED_S)
            info = await storage.head("a")
            assert info is not None
            if mode in ("run", "new-run"):
                await _run_agent(storage, turns, is_warm=mode == "run")
            else:
                for _ in range(turns):
                    info = await _take_turn(storage, info, mode)


async def _take_turn(storage: SQLiteStorage, info: ThreadInfo, mode: str) -> ThreadInfo:
    if mode == "append":
        appended = await storage.append("a", _turn(), expected=info.version, user_id="ana")
        return structs.replace(info, revision=appended.revision, record_id=appended.record.id)
    if mode == "cold":
        found = await storage.read("a", last_messages=20)
    else:
        found = await storage.read("a", after=info.version)
    assert found.info is not None
    appended = await storage.append("a", _turn(), expected=found.info.version, user_id="ana")
    return structs.replace(found.info, revision=appended.revision, record_id=appended.record.id)


async def _run_agent(storage: SQLiteStorage, turns: int, *, is_warm: bool) -> None:
    client = ScriptedChatClient(default="y" * 300)
    agent = Agent(client, storage=storage, window=ContextWindow(max_messages=20))
    thread = agent.get_thread("b", user_id="ana")
    for _ in range(60):
        await agent.run("x" * 300, thread=thread)
    for _ in range(turns):
        await agent.run("x" * 300, thread=thread if is_warm else agent.get_thread("b", user_id="ana"))
        client.requests.clear()  # otherwise they would be kept for a test


def _turn() -> NewTurn:
    return NewTurn(body=b"x" * 600, message_count=2)


if __name__ == "__main__":
    sys.exit(main())
