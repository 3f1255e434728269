"""A process that forks while it has SQLite's file open: nothing is lost in either."""

import subprocess
import sys
from pathlib import Path

import pytest

from recuerda.sqlite import SQLiteStorage

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "threads.db"


def run_script(script: str, *arguments: object) -> str:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, check=False, timeout=30, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


FORK = """
import asyncio, os, sys
from recuerda.storage.records import NewTurn
from recuerda.sqlite import SQLiteStorage

storage = SQLiteStorage(sys.argv[1], synchronous=sys.argv[2])
to_parent, to_child = os.pipe(), os.pipe()

def append(who):
    async def some():
        for i in range(5):
            await storage.read("a", last_messages=5)  # with NORMAL, the append then runs in the event loop
            await storage.append("a", NewTurn(id=f"{who}.{i}", body=b"x" * 3000, message_count=1))
    asyncio.run(some())

append("before")
if os.fork() == 0:
    append("child")
    os.write(to_parent[1], b"!")
    os.read(to_child[0], 1)
    append("orphan")
    asyncio.run(storage.close())
    os._exit(0)
os.read(to_parent[0], 1)
append("parent")
asyncio.run(storage.close())
os.write(to_child[1], b"!")
assert os.wait()[1] == 0
"""


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
async def test_parent_and_child_of_a_fork_both_write_and_lose_nothing(path: Path, synchronous: str) -> None:
    # Without care the parent, closing, removes the log into which the child then writes its last five turns.
    run_script(FORK, path, synchronous)
    async with SQLiteStorage(path) as storage:
        ids = [record.id for record in (await storage.read("a")).records]
    assert sorted(ids) == sorted(f"{who}.{i}" for who in ("before", "child", "orphan", "parent") for i in range(5))


FORK_WHILE_WRITING = """
import asyncio, os, sys
from recuerda.storage.records import NewTurn
from recuerda.sqlite import SQLiteStorage

async def main():
    async with SQLiteStorage(sys.argv[1]) as storage:
        def begin():
            return [asyncio.ensure_future(storage.append("a", NewTurn(body=b"", message_count=1))) for _ in range(50)]
        appends = begin()
        await asyncio.sleep(0)
        if os.fork() == 0:
            os._exit(0)
        outcomes = await asyncio.gather(*appends, *begin())
        assert sorted(one.revision for one in outcomes) == list(range(1, 101))
        assert os.wait()[1] == 0

asyncio.run(main())
"""


def test_a_fork_in_the_midst_of_writes_breaks_none_of_them(path: Path) -> None:
    run_script(FORK_WHILE_WRITING, path)
