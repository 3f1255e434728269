"""Two processes that begin a turn on one thread at the same time: one goes on, the other stops before its tools run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from recuerda import AgentResponse, ChatRequest, ChatResponse, DraftConflict, Storage, ThreadConflict
from recuerda.storage.ram import MemoryStorage
from recuerda.testing.scripted import ScriptedChatClient
from tests.conversation import LOCAL
from tests.resume.conversations import calls, stored_turns
from tests.storage.matrix import IN_ONE_PROCESS, STORAGES


@pytest.fixture(params=[name for name in LOCAL if name not in IN_ONE_PROCESS])
async def storages(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Storage, Storage]]:
    """Return the storages of two processes on one place."""
    make = STORAGES[request.param]
    async with make(tmp_path) as one, make(tmp_path) as other:
        yield one, other


class Held(ScriptedChatClient):
    """A model whose first answer waits for something."""

    def __init__(self, answers: list[Any], held: Callable[[], Awaitable[object]]) -> None:
        super().__init__(answers)
        self._held = held

    async def respond(self, request: ChatRequest) -> ChatResponse:
        response = await super().respond(request)
        if len(self.requests) == 1:
            await self._held()
        return response


class Tool:
    """A tool that notes who calls it, and returns when somebody is done."""

    def __init__(self) -> None:
        self.callers: list[str] = []
        self.is_called = asyncio.Event()
        self.may_return = asyncio.Event()

    async def act(self, what: str) -> str:
        """Do something."""
        self.callers.append(what)
        self.is_called.set()
        if len(self.callers) == 1:
            await self.may_return.wait()
        self.may_return.set()
        return "did it"


async def settle(run: Awaitable[AgentResponse], tool: Tool) -> AgentResponse | DraftConflict:
    """Carry a run out; one that is refused lets the other's tool return."""
    try:
        return await run
    except DraftConflict as conflict:
        tool.may_return.set()
        return conflict


@pytest.mark.parametrize("turns", [0, 1])
async def test_of_two_that_begin_at_once_one_does_all_and_the_other_nothing(
    storages: tuple[Storage, Storage], turns: int
) -> None:
    if turns:
        await ScriptedChatClient("hi").create_agent(storage=storages[0]).run("hello", thread="t")
    tool, both = Tool(), asyncio.Barrier(2)
    agents = [
        Held([calls(name), "done"], both.wait).create_agent(storage=storage, tools=tool.act, durability="steps")
        for name, storage in zip(("one", "other"), storages, strict=True)
    ]
    outcomes = await asyncio.gather(*(settle(agent.run("go", thread="t"), tool) for agent in agents))
    (refused,) = [one for one in outcomes if isinstance(one, DraftConflict)]
    assert (refused.thread_id, refused.number) == ("t", 1)
    assert "has begun a turn there" in str(refused)
    assert tool.callers == [("one", "other")[[isinstance(one, AgentResponse) for one in outcomes].index(True)]]
    turns_there = await stored_turns(storages[0])
    assert len(turns_there) == turns + 1
    assert turns_there[-1].messages[-1].text == "done"
    assert await storages[0].load_draft("t") is None


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_one_that_is_late_for_the_same_turn_gets_the_answer_in_the_thread(
    storages: tuple[Storage, Storage], *, is_streamed: bool
) -> None:
    done: list[str] = []

    def act(what: str) -> str:
        done.append(what)
        return "did it"

    quick = ScriptedChatClient([calls("quick"), "done"]).create_agent(
        storage=storages[0], tools=act, durability="steps"
    )

    async def overtaken() -> None:
        await quick.run("go", thread="t", turn_id="visit-1")

    late = Held([calls("late"), "never"], overtaken).create_agent(storage=storages[1], tools=act, durability="steps")
    if is_streamed:
        async with late.run_stream("go", thread="t", turn_id="visit-1") as updates:
            async for _ in updates:
                pass
        reply = updates.response
    else:
        reply = await late.run("go", thread="t", turn_id="visit-1")
    assert (reply.text, reply.is_replay, done) == ("done", True, ["quick"])
    assert len(await stored_turns(storages[1])) == 1
    with pytest.raises(ThreadConflict):
        await (
            Held([calls("late")], lambda: storages[0].undo("t"))
            .create_agent(storage=storages[1], tools=act, durability="steps")
            .run("go", thread="t", turn_id="visit-2")
        )


async def test_a_summary_that_comes_in_between_lets_nobody_in_beside_the_first(
    storages: tuple[Storage, Storage],
) -> None:
    await ScriptedChatClient("hi").create_agent(storage=storages[0]).run("hello", thread="t")
    tool, is_asked, may_answer = Tool(), asyncio.Event(), asyncio.Event()

    async def held() -> None:
        is_asked.set()
        await may_answer.wait()

    late = Held([calls("late"), "never"], held).create_agent(storage=storages[1], tools=tool.act, durability="steps")
    client = ScriptedChatClient([calls("early"), "done"])
    early = client.create_agent(storage=storages[0], tools=tool.act, durability="steps")
    async with asyncio.TaskGroup() as tasks:
        second = tasks.create_task(settle(late.run("go", thread="t"), tool))
        await is_asked.wait()
        first = tasks.create_task(early.run("go", thread="t"))
        await tool.is_called.wait()
        await storages[1].summarize("t", b"so far", through=1)
        may_answer.set()
    assert isinstance(second.result(), DraftConflict)
    assert first.result().text == "done"
    assert tool.callers == ["early"]
    assert await storages[0].load_draft("t") is None


class PutBack(MemoryStorage):
    """A storage that can be put back to an earlier state, as by a backup."""

    def kept(self) -> object:
        return deepcopy(self._logs)

    def put_back(self, kept: object) -> None:
        self._logs = deepcopy(kept)  # pyright: ignore[reportAttributeAccessIssue] - the value of `kept`


async def test_a_step_of_an_old_worker_never_follows_a_step_of_the_worker_after_a_restored_backup() -> None:
    storage, restored = PutBack(), PutBack()  # the same place for two processes
    kept: list[object] = []

    async def act(what: str) -> str:
        """Do something."""
        kept.append(storage.kept())
        return f"did {what}"

    class Old(ScriptedChatClient):
        async def respond(self, request: ChatRequest) -> ChatResponse:
            if self.requests:
                restored.put_back(kept[0])
                with pytest.raises(RuntimeError):
                    await other.resume("t", outcomes={"one": "it is not known"})
                storage.put_back(restored.kept())
            return await super().respond(request)

    old = Old([calls("one"), calls("three")]).create_agent(storage=storage, tools=act, durability="steps")
    other = ScriptedChatClient([RuntimeError("away")]).create_agent(storage=restored, tools=act, durability="steps")
    with pytest.raises(DraftConflict):
        await old.run("go", thread="t")
    pending = await old.pending_turn("t")
    assert pending is not None
    assert (pending.steps, len(pending.messages), len(kept)) == (2, 2, 1)
    assert str(pending.messages).count("it is not known") == 1


async def test_a_worker_does_not_commit_over_the_step_of_a_worker_that_has_taken_its_turn(
    storages: tuple[Storage, Storage],
) -> None:
    storage, there = storages
    done: list[str] = []

    async def act(what: str) -> str:
        """Do something."""
        done.append(what)
        return f"did {what}"

    class Slow(ScriptedChatClient):
        async def respond(self, request: ChatRequest) -> ChatResponse:
            if self.requests:
                with pytest.raises(RuntimeError):
                    await other.resume("t")
            return await super().respond(request)

    slow = Slow([calls("one"), "done"]).create_agent(storage=storage, tools=act, durability="steps")
    client = ScriptedChatClient([calls("two"), RuntimeError("away"), "done by the other"])
    other = client.create_agent(storage=there, tools=act, durability="steps")
    with pytest.raises(DraftConflict) as refused:
        await slow.run("go", thread="t")
    assert refused.value.number == 0
    assert (await stored_turns(storage), done) == ([], ["one", "two"])
    assert (await other.resume("t")).text == "done by the other"
    (turn,) = await stored_turns(storage)
    assert [result for result in ("did one", "did two") if result in str(turn.messages)] == ["did one", "did two"]
