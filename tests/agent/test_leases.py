"""Runs that queue across processes, by a lease of the thread. Two storages on one file stand for two processes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from recuerda import ThreadConflict
from recuerda.agent.chat import ChatRequest, ChatResponse
from recuerda.agent.client import ChatClient
from recuerda.messages.message import ChatMessage
from recuerda.sqlite import SQLiteStorage


class Slow(ChatClient):
    """Answers with the number of messages that it was sent, after letting others run.

    Args:
        others: models that must have been asked, too, before the first answer.
    """

    def __init__(self, *others: Slow) -> None:
        self.was_asked = asyncio.Event()
        self.others = list(others)

    async def respond(self, request: ChatRequest) -> ChatResponse:
        self.was_asked.set()
        for other in self.others:
            await other.was_asked.wait()
        await asyncio.sleep(0.02)
        return ChatResponse(message=ChatMessage("assistant", str(len(request.messages))))


async def run_everywhere(path: Path, lease: timedelta | None) -> list[str | BaseException]:
    async with SQLiteStorage(path) as one, SQLiteStorage(path) as two:
        models = Slow(), Slow()
        if lease is None:  # both runs have read the thread before one is committed
            models[0].others, models[1].others = [models[1]], [models[0]]
        agents = [
            model.create_agent(storage=storage, lease=lease) for model, storage in zip(models, (one, two), strict=True)
        ]
        runs = [agents[i % 2].run("hi", thread="t") for i in range(4)]
        outcomes = await asyncio.gather(*runs, return_exceptions=True)
    return [outcome if isinstance(outcome, BaseException) else outcome.text for outcome in outcomes]


async def test_runs_with_a_lease_queue_and_see_each_other(tmp_path: Path) -> None:
    answers = await run_everywhere(tmp_path / "t.db", timedelta(seconds=30))
    assert sorted(map(str, answers)) == ["1", "3", "5", "7"]


async def test_runs_without_a_lease_conflict(tmp_path: Path) -> None:
    outcomes = await run_everywhere(tmp_path / "t.db", None)
    assert any(isinstance(outcome, ThreadConflict) for outcome in outcomes)


async def test_a_cancelled_run_gives_its_lease_back(tmp_path: Path) -> None:
    async with SQLiteStorage(tmp_path / "t.db") as storage:
        client = Slow()
        agent = client.create_agent(storage=storage, lease=timedelta(seconds=30))
        run = asyncio.create_task(agent.run("hi", thread="t"))
        await client.was_asked.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        async with asyncio.timeout(5):
            assert (await agent.run("hi", thread="t")).text == "1"
