"""A graph whose process is killed goes on from its last finished step."""

import subprocess
import sys
from pathlib import Path

from recuerda.interop.langgraph import RecuerdaSaver
from recuerda.sqlite import SQLiteStorage
from tests.interop.langgraph.graphs import RIKER

PROGRAM = """
import operator, os, signal, sys
from typing import Annotated, TypedDict
from langgraph.graph import START, StateGraph
from recuerda.interop.langgraph import RecuerdaSaver

class Steps(TypedDict):
    done: Annotated[list[int], operator.add]

def node(number, folder):
    def work(state):
        with open(f"{folder}/log", "a") as log:
            log.write(f"{number}\\n")
        if number == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"done": [number]}
    return work

folder, killed_at = sys.argv[1], 3
builder = StateGraph(Steps)
for number in range(6):
    builder.add_node(str(number), node(number, folder))
    builder.add_edge(START if number == 0 else str(number - 1), str(number))

def run():
    with RecuerdaSaver(f"sqlite:///{folder}/threads.db") as saver:
        graph = builder.compile(checkpointer=saver)
        config = {"configurable": {"thread_id": "riker"}}
        begun = graph.get_state(config).next
        print(graph.invoke(None if begun else {"done": []}, config, durability="sync")["done"])

if (child := os.fork()) == 0:
    run()
assert os.waitpid(child, 0)[1] == signal.SIGKILL
killed_at = None
run()
"""


async def test_a_killed_graph_goes_on_and_repeats_only_the_step_that_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)  # noqa: ASYNC221 - alone here
    assert (done.returncode, done.stdout) == (0, "[0, 1, 2, 3, 4, 5]\n"), done.stderr
    assert (tmp_path / "log").read_text().split() == ["0", "1", "2", "3", "3", "4", "5"]
    async with SQLiteStorage(tmp_path / "threads.db") as storage:
        found = [one async for one in RecuerdaSaver(storage).alist(RIKER)]
    assert len(found) == 8
