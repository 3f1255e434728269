"""Count the processor's instructions of a turn on SQLite: `python -m bench.instructions`.

Times vary with the load of a machine; instructions hardly do. Valgrind has to be installed: it runs a program and
counts. Each figure is the difference between a long and a short run, divided by the number of turns between them, so
the start of Python does not count.

To compare with another state of the source, check it out elsewhere: `python -m bench.instructions --base FOLDER`. The
exit status is 1 if a mode needs over 5 % more. Two counts of the same source differ by up to 3 %, because an event loop
that waits for another thread goes round more or less often.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from msgspec import structs

from recuerda import Agent, ContextWindow, NewTurn, Storage, ThreadInfo
from recuerda.sqlite import SQLiteStorage
from recuerda.testing import ScriptedChatClient

MODES = {
    "append": "an append",
    "warm": "a read without news, and an append",
    "cold": "a read of the newest ten turns, and an append",
    "run": "a run of an agent on a handle that has read the thread; the model answers at once",
    "new-run": "a run of an agent on a new handle; the agent has the thread in memory",
    "first-run": "a run of an agent that has no thread in memory",
}
SHORT, LONG = 50, 450
SETTLED_S = 3.5
"""After this time without a change of the folder, the storage looks at the folder alone; see `sqlite_names.py`."""


LIMIT = 1.05
"""The largest ratio of two counts that `--base` accepts."""


def main() -> int:
    """Print the figures, or run one mode for valgrind: `MODE TURNS`."""
    if len(sys.argv) == 3 and sys.argv[1] in MODES:
        never_pause()
        asyncio.run(_run(sys.argv[1], int(sys.argv[2])))
        return 0
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--base", type=Path, metavar="FOLDER", help="a checkout to compare with")
    base: Path | None = parser.parse_args().base
    if shutil.which("valgrind") is None:
        print("valgrind is not installed, or not in PATH; install the package valgrind to count", file=sys.stderr)
        return 1
    is_worse = False
    for mode, meaning in MODES.items():
        number, beside = count("bench.instructions", mode), ""
        if base is not None:
            ratio = number / count("bench.instructions", mode, source=base / "src")
            is_worse, beside = is_worse or ratio > LIMIT, f", {ratio:.3f} x the base"
        print(f"{mode}  {number:,} instructions{beside}: {meaning}")
    return int(is_worse)


def never_pause() -> None:
    """Keep short operations in the event loop: under valgrind, another program's turn would change the count."""
    for name in ("recuerda.storage.recent", "recuerda.sqlite.recent"):  # an older checkout has the second one
        with suppress(ImportError):
            vars(importlib.import_module(name))["SLOW_S"] = float("inf")


def count(module: str, mode: str, *, source: Path | None = None) -> int:
    """Return the instructions of one turn in a mode of a module of this package.

    Args:
        module: the module.
        mode: the mode.
        source: the folder with the package `recuerda`; None for the package that is installed.
    """
    return (_count(module, mode, LONG, source) - _count(module, mode, SHORT, source)) // (LONG - SHORT)


def _count(module: str, mode: str, turns: int, source: Path | None) -> int:
    valgrind = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
    command = (*valgrind, sys.executable, "-m", module, mode, str(turns))
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    if source is not None:
        environment["PYTHONPATH"] = str(source)
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stderr
    found = re.search(r"I +refs: +([\d,]+)", told)
    if found is None:
        raise RuntimeError(f"valgrind printed no number of instructions: {told}")
    return int(found[1].replace(",", ""))


async def _run(mode: str, turns: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with SQLiteStorage(Path(folder) / "threads.db") as storage:
            for _ in range(60):
                await storage.append("a", _turn(), user_id="ana", title="Rain")
            await asyncio.sleep(SETTLED_S)
            info = await storage.head("a")
            assert info is not None
            if mode.endswith("run"):
                await run_agent(storage, turns, mode)
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


async def run_agent(storage: Storage, turns: int, mode: str) -> None:
    """Run an agent for a number of turns, in one of the modes that end with "run"."""
    client = ScriptedChatClient(default="y" * 300)
    warm_bytes = 0 if mode == "first-run" else 1_000_000
    agent = Agent(client, storage=storage, window=ContextWindow(max_messages=20), warm_bytes=warm_bytes)
    thread = agent.get_thread("b", user_id="ana")
    for _ in range(60):
        await agent.run("x" * 300, thread=thread)
    for _ in range(turns):
        await agent.run("x" * 300, thread=thread if mode == "run" else agent.get_thread("b", user_id="ana"))
        client.requests.clear()  # otherwise they would be kept for a test


def _turn() -> NewTurn:
    return NewTurn(body=b"x" * 600, message_count=2)


if __name__ == "__main__":
    sys.exit(main())
