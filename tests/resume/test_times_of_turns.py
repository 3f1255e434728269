"""How long a turn took, when it began, and how many runs it needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from recuerda import (
    Agent,
    ChatClientError,
    ChatMessage,
    ChatMessageStore,
    ChatRequest,
    ContextProvider,
    FunctionTool,
    Storage,
)
from recuerda.copying import copy_thread
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import from_microseconds
from recuerda.testing.scripted import ScriptedChatClient
from recuerda.threads import stopwatch
from recuerda.threads.history import StoredTurn
from tests.resume.conversations import agent_of, calls, stored_turns
from tests.storage.matrix import STORAGES

START_US = 1_750_000_000_000_000


class FakeTime:
    """The wall clock of a storage, and the clock of the runs."""

    def __init__(self) -> None:
        self.now_us = START_US

    def clock(self) -> int:
        return self.now_us

    def passes(self, *, s: float) -> None:
        self.now_us += int(s * 1_000_000)

    def after(self, s: float, answer: Any) -> Callable[[ChatRequest], Any]:
        """Return a model that takes `s` seconds for its answer."""

        def respond(request: ChatRequest) -> Any:
            self.passes(s=s)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return respond


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    time = FakeTime()
    monkeypatch.setattr(stopwatch, "perf_counter_ns", lambda: time.now_us * 1000)
    return time


async def the_turn(storage: Storage) -> StoredTurn:
    (turn,) = await stored_turns(storage)
    return turn


def seconds_and_runs(turn: StoredTurn) -> tuple[timedelta | None, int]:
    return turn.duration, turn.run_count


async def test_a_turn_says_when_it_began_and_how_long_it_took(time: FakeTime) -> None:
    storage = MemoryStorage(clock=time.clock)
    agent = ScriptedChatClient([time.after(2.5, "hello")]).create_agent(storage=storage)
    await agent.run("hi", thread="t")
    turn = await the_turn(storage)
    assert seconds_and_runs(turn) == (timedelta(seconds=2.5), 1)
    assert turn.started_at == from_microseconds(START_US)
    assert turn.created_at == from_microseconds(START_US + 2_500_000)


async def test_providers_and_tools_are_a_part_of_the_time(time: FakeTime) -> None:
    class Slow(ContextProvider):
        async def invoking(self, messages: Any, *, thread: Any) -> None:
            time.passes(s=1)

    def act(what: str) -> str:
        """Do something."""
        time.passes(s=4)
        return what

    storage = MemoryStorage(clock=time.clock)
    one, _ = agent_of([time.after(2, calls("a")), "done"], storage, act, context_providers=Slow())
    await one.run("go", thread="t")
    assert seconds_and_runs(await the_turn(storage)) == (timedelta(seconds=7), 1)


async def test_the_wait_for_another_run_of_the_thread_does_not_count(time: FakeTime) -> None:
    storage = MemoryStorage(clock=time.clock)
    agent = ScriptedChatClient([time.after(5, "one"), time.after(1, "two")]).create_agent(storage=storage)
    await asyncio.gather(agent.run("a", thread="t"), agent.run("b", thread="t"))
    first, second = await stored_turns(storage)
    assert (first.duration, second.duration) == (timedelta(seconds=5), timedelta(seconds=1))
    assert second.started_at == first.created_at


async def test_messages_that_no_run_made_have_no_time(time: FakeTime) -> None:
    store = ChatMessageStore(storage=MemoryStorage(clock=time.clock), thread_id="t")
    await store.add_messages([ChatMessage("user", "hi"), ChatMessage("assistant", "hello")])
    (turn,) = await store.list_turns()
    assert (turn.turn.runs, turn.duration, turn.started_at, turn.run_count) == (None, None, None, 0)


async def test_a_stream_and_a_turn_that_was_kept_after_a_failure_have_their_time(time: FakeTime) -> None:
    storage = MemoryStorage(clock=time.clock)
    client = ScriptedChatClient([time.after(2, "hello"), time.after(3, ChatClientError("down", status=503))])
    agent = client.create_agent(storage=storage)
    async for _ in agent.run_stream("hi", thread="t"):
        pass
    with pytest.raises(ChatClientError):
        await agent.run("and?", thread="t", keep_failed=True)
    streamed, failed = await stored_turns(storage)
    assert (streamed.duration, failed.duration) == (timedelta(seconds=2), timedelta(seconds=3))
    assert failed.turn.error


async def test_a_resumed_turn_began_with_its_first_run_and_counts_the_work_of_all_runs(time: FakeTime) -> None:
    storage = MemoryStorage(clock=time.clock)

    def act(what: str) -> str:
        """Do something."""
        time.passes(s=1)
        return what

    broken = [time.after(2, calls("a")), time.after(60, ChatClientError("down", status=503))]
    first, _ = agent_of(broken, storage, act)
    with pytest.raises(ChatClientError):
        await first.run("go", thread="t")
    time.passes(s=3600)
    second, _ = agent_of([time.after(4, "done")], storage, act)
    await second.resume("t")
    turn = await the_turn(storage)
    # The first run counts until its last saved step: the 60 seconds before its end left nothing.
    assert seconds_and_runs(turn) == (timedelta(seconds=2 + 1 + 4), 2)
    assert turn.started_at == from_microseconds(START_US)


@pytest.mark.parametrize("durability", ["steps", "turn"])
async def test_the_wait_for_an_approval_does_not_count(time: FakeTime, durability: str) -> None:
    storage = MemoryStorage(clock=time.clock)

    def act(what: str) -> str:
        """Do something."""
        time.passes(s=1)
        return what

    guarded = FunctionTool.of(act, needs_approval=True)
    answers = [time.after(2, calls("a", "b")), time.after(3, "done")]
    agent, _ = agent_of(answers, storage, guarded, durability=durability)
    await agent.run("go", thread="t")
    time.passes(s=7200)
    await agent.resume("t", approvals={"a": True})
    time.passes(s=7200)
    await agent.decide("t", approvals={"b": True})  # a person decides; no run works on the turn
    time.passes(s=7200)
    await agent.resume("t")
    turn = await the_turn(storage)
    assert seconds_and_runs(turn) == (timedelta(seconds=2 + 1 + 1 + 3), 3)
    assert turn.started_at == from_microseconds(START_US)
    assert turn.created_at - from_microseconds(START_US) == timedelta(seconds=3 * 7200 + 7)


async def test_the_resumption_of_an_expired_turn_is_not_a_part_of_the_next_turn(time: FakeTime) -> None:
    def act(what: str) -> str:
        """Do something."""
        return what

    storage = MemoryStorage(clock=time.clock)
    guarded = FunctionTool.of(act, needs_approval=True, approval_expires=timedelta(hours=1))
    answers = [calls("a"), time.after(5, "not allowed"), time.after(2, "next")]
    agent, _ = agent_of(answers, storage, guarded)
    await agent.run("go", thread="t")
    time.passes(s=7200)
    await agent.run("and now?", thread="t")
    expired, turn = await stored_turns(storage)
    assert seconds_and_runs(expired) == (timedelta(seconds=5), 2)
    assert seconds_and_runs(turn) == (timedelta(seconds=2), 1)


async def test_a_replay_changes_nothing_of_the_turn(time: FakeTime) -> None:
    storage = MemoryStorage(clock=time.clock)
    agent = ScriptedChatClient([time.after(2, "hello")]).create_agent(storage=storage)
    await agent.run("hi", thread="t", turn_id="t1")
    before = await storage.read("t")
    time.passes(s=60)
    assert (await agent.run("hi", thread="t", turn_id="t1")).is_replay
    assert await storage.read("t") == before


@pytest.mark.parametrize("is_encrypted", [False, True])
@pytest.mark.parametrize("name", STORAGES)
async def test_every_storage_and_every_copy_keeps_the_time(
    name: str, is_encrypted: bool, tmp_path: Path, time: FakeTime
) -> None:
    async with STORAGES[name](tmp_path) as inner:
        storage = EncryptedStorage(inner, KeyRing({"k": bytes(32)}, current="k")) if is_encrypted else inner
        agent = await _agent_with_two_runs(time, storage)
        turn = await the_turn(storage)
        assert seconds_and_runs(turn) == (timedelta(seconds=5), 2)
        facts = (turn.turn, turn.created_us, turn.started_at)
        thread = agent.get_thread("t")
        fork = await thread.fork()
        other = MemoryStorage()
        await copy_thread(storage, other, "t")
        store = ChatMessageStore(storage=storage, thread_id="imported")
        await store.import_jsonl(await ChatMessageStore(storage=storage, thread_id="t").export_jsonl())
        await ChatMessageStore(storage=storage, thread_id="t").update_turn(turn.id, metadata={"rating": 5})
        (rated,) = await stored_turns(storage)
        assert rated.turn.runs == turn.turn.runs
        for copies in (await stored_turns(storage, fork.id), await stored_turns(other), await store.list_turns()):
            assert [(one.turn, one.created_us, one.started_at) for one in copies] == [facts]


async def _agent_with_two_runs(time: FakeTime, storage: Storage) -> Agent:
    storage.clock = time.clock

    def act(what: str) -> str:
        """Do something."""
        return what

    guarded = FunctionTool.of(act, needs_approval=True)
    agent, _ = agent_of([time.after(2, calls("a")), time.after(3, "done")], storage, guarded)
    await agent.run("go", thread="t")
    time.passes(s=60)
    await agent.resume("t", approvals={"a": True})
    return agent
