"""`recuerda show` says how long each turn took."""

from __future__ import annotations

import asyncio
import json

from recuerda import ChatMessage, ChatMessageStore, Turn, open_storage
from recuerda.messages import TurnRuns
from tests.cli.processes import CommandLine

STORAGE = "sqlite:///memory.db"
RUNS = (TurnRuns(took_ms=4230), TurnRuns(took_ms=65_000, count=2, began_us=1_750_000_000_000_000), None)


async def write(url: str) -> None:
    async with open_storage(url) as storage:
        store = ChatMessageStore(storage=storage, thread_id="t")
        for runs in (*RUNS, TurnRuns(took_ms=0)):
            await store.append(Turn(messages=(ChatMessage("user", "hi"), ChatMessage("assistant", "hello")), runs=runs))


def test_a_turn_is_shown_with_its_time_and_with_its_runs_if_there_were_several(recuerda: CommandLine) -> None:
    asyncio.run(write(f"sqlite:///{recuerda.folder}/memory.db"))
    shown = recuerda.ok("show", "t", "--storage", STORAGE)
    headings = [line for line in shown.splitlines() if line.startswith("turn ")]
    assert [line.partition(" · took ")[2] for line in headings] == ["4.2 s", "1 min 5 s in 2 runs", "", "0 ms"]
    turns = json.loads(recuerda.ok("show", "t", "--json", "--storage", STORAGE))["turns"]
    assert [(turn["duration_s"], turn["runs"]) for turn in turns] == [(4.23, 1), (65.0, 2), (None, 0), (0.0, 1)]
    assert turns[1]["started_at"] == "2025-06-15T15:06:40+00:00"
    assert turns[2]["started_at"] is None
