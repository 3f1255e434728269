"""RecuerdaSaver beside LangGraph's own saver for SQLite: the cost of a turn, bytes, many conversations, two writers.

Run `python -m bench.interop_langgraph` in an environment that has `langgraph-checkpoint-sqlite` (`make peers` makes
one). A turn is one `ainvoke` of a graph with one node: an input of 300 characters, and an answer of as many. The floor
is the same graph without a saver, which is given all messages: LangGraph's own work with a long list.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph

from recuerda import ThreadConflict
from recuerda.interop.langgraph import RecuerdaSaver
from recuerda.sqlite import SQLiteStorage

LETTERS = 300
DISK_MESSAGES = 500
CONVERSATIONS = 200

Open: TypeAlias = Callable[[Path], AbstractAsyncContextManager[Any]]


@asynccontextmanager
async def _ours(path: Path) -> AsyncGenerator[Any]:
    async with SQLiteStorage(path) as storage:
        yield RecuerdaSaver(storage)


def _theirs(path: Path) -> AbstractAsyncContextManager[Any]:
    return importlib.import_module("langgraph.checkpoint.sqlite.aio").AsyncSqliteSaver.from_conn_string(str(path))


SAVERS: dict[str, Open] = {"AsyncSqliteSaver": _theirs, "RecuerdaSaver": _ours}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(prog="python -m bench.interop_langgraph")
    parser.add_argument("--sizes", default="10,1000,10000", help="numbers of messages before the turn")
    parser.add_argument("--turns", type=int, default=5, help="turns for each size")
    parser.add_argument("--savers", default=",".join(SAVERS), help="the savers to measure")
    parser.add_argument(
        "--disk", type=int, default=DISK_MESSAGES, help="messages of the thread whose bytes are counted"
    )
    parser.add_argument("--conversations", type=int, default=CONVERSATIONS, help="conversations at once")
    options = parser.parse_args(arguments)
    sizes = [int(size) for size in options.sizes.split(",")]
    asyncio.run(_measure(sizes, options.savers.split(","), options))


async def _measure(sizes: Sequence[int], savers: Sequence[str], options: argparse.Namespace) -> None:
    print(f"{'best milliseconds of a turn':<28}" + "".join(f"{size:>10,}" for size in sizes) + "   messages before it")
    print(f"{'no saver':<28}" + "".join([f"{1000 * await _floor(size, options.turns):>10.1f}" for size in sizes]))
    for name in savers:
        for is_warm in (True, False):
            costs = [await _turn(SAVERS[name], size, options.turns, is_warm=is_warm) for size in sizes]
            label = f"{name}, {'kept' if is_warm else 'newly opened'}"
            print(f"{label:<28}" + "".join(f"{1000 * cost:>10.1f}" for cost in costs))
    for name in savers:
        size = await _bytes(SAVERS[name], options.disk // 2)
        print(f"{name}: {options.disk} messages of {LETTERS} characters take {size:,} bytes")
        seconds = await _many(SAVERS[name], options.conversations)
        print(f"{name}: {options.conversations} conversations at once take {seconds:.2f} s")
        lost, conflicts = await _race(SAVERS[name])
        print(f"{name}: of 20 turns of two writers, {lost} were lost, and {conflicts} raised a conflict")


def _graph(saver: Any) -> Any:
    def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage("a" * LETTERS, name=None if state["messages"] else "nobody")]}

    builder = StateGraph(MessagesState)
    builder.add_node("answer", answer)  # pyright: ignore[reportUnknownMemberType] - LangGraph's own types
    builder.add_edge(START, "answer")
    builder.add_edge("answer", END)
    return builder.compile(checkpointer=saver)  # pyright: ignore[reportUnknownMemberType] - as above


def _thread(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id}}


def _said(text: str = "q" * LETTERS) -> dict[str, Any]:
    return {"messages": [HumanMessage(text)]}


def _messages(number: int) -> list[Any]:
    return [(AIMessage if i % 2 else HumanMessage)("m" * LETTERS, id=f"{i}") for i in range(number)]


async def _floor(size: int, turns: int) -> float:
    graph, state = _graph(None), {"messages": [*_messages(size), HumanMessage("q" * LETTERS)]}
    return min([await _timed(graph.ainvoke(state)) for _ in range(turns)])


async def _turn(open_saver: Open, size: int, turns: int, *, is_warm: bool) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        async with open_saver(path) as saver:
            graph = _graph(saver)
            await graph.aupdate_state(_thread("t"), {"messages": _messages(size)}, as_node="answer")
            if is_warm:
                await graph.ainvoke(_said(), _thread("t"))
                return min([await _timed(graph.ainvoke(_said(), _thread("t"))) for _ in range(turns)])
        times: list[float] = []
        for _ in range(turns):
            async with open_saver(path) as saver:
                times.append(await _timed(_graph(saver).ainvoke(_said(), _thread("t"))))
        return min(times)


async def _timed(work: Any) -> float:
    started = time.perf_counter()
    await work
    return time.perf_counter() - started


async def _bytes(open_saver: Open, turns: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        async with open_saver(Path(folder) / "bench.db") as saver:
            graph = _graph(saver)
            for _ in range(turns):
                await graph.ainvoke(_said(), _thread("t"))
        return sum(entry.stat().st_size for entry in os.scandir(folder))


async def _many(open_saver: Open, conversations: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        async with open_saver(Path(folder) / "bench.db") as saver:
            graph = _graph(saver)
            runs = [graph.ainvoke(_said(), _thread(f"{i}")) for i in range(conversations)]
            return await _timed(asyncio.gather(*runs))


async def _race(open_saver: Open) -> tuple[int, int]:
    """Let two writers say ten things each at the same time. Return the number of lost turns, and of conflicts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        async with open_saver(path) as one, open_saver(path) as two:
            graphs = [_graph(one), _graph(two)]
            done: list[str] = []
            conflicts = 0
            for number in range(10):
                texts = [f"{number} {writer}" for writer in range(2)]
                runs = [graph.ainvoke(_said(text), _thread("t")) for graph, text in zip(graphs, texts, strict=True)]
                for text, outcome in zip(texts, await asyncio.gather(*runs, return_exceptions=True), strict=True):
                    if isinstance(outcome, ThreadConflict):
                        conflicts += 1
                    elif isinstance(outcome, BaseException):
                        raise outcome
                    else:
                        done.append(text)
            state = await graphs[0].aget_state(_thread("t"))
        kept = {str(message.content) for message in state.values["messages"]}
        return sum(text not in kept for text in done), conflicts


if __name__ == "__main__":
    main()
