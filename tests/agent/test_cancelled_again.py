"""A run that is cancelled at any moment, and again and again, as web servers do when a client leaves."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from datetime import timedelta

import pytest

from recuerda import Agent, ChatMessageStore, NewTurn, Storage, ThreadConflict
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.agent.recording import Recorder
from tests.conversation import texts

MINUTE = timedelta(minutes=1)
WHOLE = ["go", "", "", "done"]


def agent_on(storage: Storage, provider: Recorder) -> Agent:
    async def act() -> str:
        """Act."""
        await asyncio.sleep(0)
        return "acted"

    client = ScriptedChatClient([call("act"), "done"])
    return client.create_agent(storage=storage, lease=MINUTE, context_providers=provider, tools=act)


async def run_it(agent: Agent, thread: str, *, is_streamed: bool) -> None:
    if not is_streamed:
        await agent.run("go", thread=thread)
        return
    async with aclosing(agent.run_stream("go", thread=thread)) as stream:
        async for _ in stream:
            await asyncio.sleep(0)


async def cancelled_at(step: int, times: int, work: asyncio.Task[None]) -> None:
    """Cancel a task after it was resumed `step` times, and then before each of its next steps."""
    for _ in range(step):
        await asyncio.sleep(0)
    for _ in range(times):
        work.cancel()
        await asyncio.sleep(0)
    with suppress(asyncio.CancelledError):
        await work


@pytest.mark.parametrize("times", [1, 2, 1000])
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_run_that_is_cancelled_at_any_moment_leaves_a_whole_turn_or_nothing(
    storage: Storage, times: int, *, is_streamed: bool
) -> None:
    await storage.head("warm")
    others = asyncio.all_tasks()
    for step in range(45):
        provider, thread = Recorder(), f"{step}"
        work = asyncio.create_task(run_it(agent_on(storage, provider), thread, is_streamed=is_streamed))
        await cancelled_at(step, times, work)
        assert asyncio.all_tasks() == others, step
        assert await storage.take_lease(thread, "another", MINUTE), f"the lease stays after step {step}"
        assert not storage.run_lock(thread).locked(), step
        held = await held_by(storage, thread)
        assert held in ([], WHOLE), step
        told = [event for event in provider.events if event.startswith("p.invoked")]
        assert len(told) <= 1, (step, provider.events)
        assert told or "p.invoking:go" not in provider.events, (step, provider.events)
        assert (held == WHOLE) == (told == ["p.invoked:ok"]), (step, provider.events)
        await asyncio.sleep(0)
        assert await held_by(storage, thread) == held, f"a write landed late: {step}"


@pytest.mark.parametrize("times", [1, 2, 1000])
async def test_a_lease_that_is_cancelled_at_any_moment_is_free(storage: Storage, times: int) -> None:
    async def hold(thread: str) -> None:
        async with storage.lease(thread, MINUTE):
            await asyncio.sleep(0)

    await storage.head("warm")
    others = asyncio.all_tasks()
    for step in range(20):
        await cancelled_at(step, times, asyncio.create_task(hold(f"{step}")))
        assert asyncio.all_tasks() == others
        assert await storage.take_lease(f"{step}", "another", MINUTE), step


@pytest.mark.parametrize("times", [1, 2, 1000])
async def test_an_append_that_is_cancelled_at_any_moment_is_found_by_a_retry(storage: Storage, times: int) -> None:
    turn = NewTurn(body=b'{"messages":[{"role":"user","content":"one"}]}', message_count=1, id="r")

    async def append(thread: str) -> None:
        await storage.append(thread, turn, expected=0)

    for step in range(20):
        await cancelled_at(step, times, asyncio.create_task(append(f"{step}")))
        with suppress(ThreadConflict):
            await storage.append(f"{step}", turn, expected=0)
        assert [record.id for record in (await storage.read(f"{step}")).records] == ["r"]


async def held_by(storage: Storage, thread: str) -> list[str]:
    return texts(await ChatMessageStore(storage=storage, thread_id=thread).list_messages())
