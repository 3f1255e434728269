"""Several OS threads with event loops of their own, and sub-interpreters.

The sub-interpreters run in a process of their own, because a library that does not know them may crash the process.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recuerda import Agent, NewTurn, open_storage
from recuerda.offline import OfflineChatClient

_RUN = """
import asyncio
from recuerda.offline import OfflineChatClient
async def main():
    agent = OfflineChatClient().create_agent("Guide", storage="sqlite:///%s")
    await agent.run("My name is Riker.", thread="riker")
    print((await agent.run("What is my name?", thread="riker")).text, flush=True)
asyncio.run(main())
"""

_HOST = """
import sys
try:
    import _interpreters as interpreters
    host = interpreters.create("isolated" if sys.argv[1] == "isolated" else "legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    host = interpreters.create(isolated=sys.argv[1] == "isolated")
try:
    failed = interpreters.run_string(host, sys.argv[2])
    text = None if failed is None else failed.formatted
except RuntimeError as error:  # Python 3.11 and 3.12
    text = str(error)
interpreters.destroy(host)
sys.exit(text)
"""

KINDS = ("memory:", "sqlite:///{folder}/memory.db", "file:///{folder}/threads")


def in_a_sub_interpreter(kind: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an agent in a sub-interpreter: `shared` uses the GIL of the process, and `isolated` one of its own."""
    command = [sys.executable, "-c", _HOST, kind, _RUN % (folder / "memory.db").as_posix()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_an_agent_runs_in_a_sub_interpreter_with_the_gil_of_the_process(tmp_path: Path) -> None:
    done = in_a_sub_interpreter("shared", tmp_path)
    assert (done.returncode, "Riker" in done.stdout) == (0, True), done.stderr


def test_an_isolated_sub_interpreter_is_told_what_it_lacks(tmp_path: Path) -> None:
    done = in_a_sub_interpreter("isolated", tmp_path)
    # CPython 3.12 and 3.13 may abort when they end after the refused import, so the exit status is not always 1.
    assert (done.returncode != 0, done.stdout) == (True, "")
    if sys.version_info < (3, 12):  # Such an interpreter has no GIL of its own yet, and may start no OS thread.
        assert "thread is not supported for isolated subinterpreters" in done.stderr
    else:
        assert "_core does not support loading in subinterpreters" in done.stderr


@pytest.mark.parametrize("url", KINDS)
def test_os_threads_with_event_loops_of_their_own_lose_no_turn(url: str, tmp_path: Path) -> None:
    storage = open_storage(url.format(folder=tmp_path.as_posix()))
    agent = Agent(OfflineChatClient(), storage=storage)

    async def talk(number: int) -> None:
        for turn in range(20):
            await agent.run(f"Turn {turn}.", thread=f"own-{number}")
            await storage.append("shared", NewTurn(body=f"{number}-{turn}".encode(), message_count=1))

    def work(number: int) -> None:
        asyncio.run(talk(number))

    with ThreadPoolExecutor(4) as workers:
        assert list(workers.map(work, range(4))) == [None] * 4

    async def turns() -> list[int]:
        async with storage:
            heads = [await storage.head(name) for name in ("own-0", "own-1", "own-2", "own-3", "shared")]
            return [0 if head is None else head.turns for head in heads]

    assert asyncio.run(turns()) == [20, 20, 20, 20, 80]


def test_the_gil_stays_off_in_a_free_threaded_python() -> None:
    code = "from recuerda import *; import sys; print(getattr(sys, '_is_gil_enabled', lambda: True)())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == str(not sysconfig.get_config_var("Py_GIL_DISABLED"))
