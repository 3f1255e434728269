"""Two runs on one thread: one of them gets a conflict. Another branch that is begun on purpose is none."""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.graph import START, MessagesState, StateGraph

from recuerda import ChatMessage, ChatMessageStore, MemoryStorage, Storage, ThreadConflict
from recuerda.interop.langgraph import RecuerdaSaver
from tests.interop.langgraph.graphs import RIKER, chat, said, texts


class MeetingSaver(RecuerdaSaver):
    """A saver whose runs wait until all of them have read the checkpoint at which they begin."""

    def __init__(self, storage: Storage, barrier: asyncio.Barrier) -> None:
        super().__init__(storage)
        self._barrier = barrier

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        found = await super().aget_tuple(config)
        async with asyncio.timeout(10):
            await self._barrier.wait()
        return found


async def race(storages: list[Storage], durability: str) -> tuple[list[list[str]], int]:
    """Run once for each storage handle at the same time. Return the answers, and the number of conflicts."""
    barrier = asyncio.Barrier(len(storages))
    graphs = [chat(MeetingSaver(storage, barrier)) for storage in storages]
    runs = [graph.ainvoke(said(f"{i}"), RIKER, durability=durability) for i, graph in enumerate(graphs)]
    outcomes: list[Any] = await asyncio.gather(*runs, return_exceptions=True)
    conflicts = [one for one in outcomes if isinstance(one, ThreadConflict)]
    answers = [texts(one["messages"]) for one in outcomes if not isinstance(one, Exception)]
    assert len(answers) + len(conflicts) == len(outcomes), outcomes
    return answers, len(conflicts)


async def test_of_two_runs_at_once_one_gets_a_conflict_and_nothing_vanishes(storage: Storage, another: Storage) -> None:
    known: list[str] = []
    # The first race is about a thread that does not exist yet.
    for durability in ("async", "exit"):
        (answer,), conflicts = await race([storage, another], durability)
        assert conflicts == 1
        assert answer[: len(known)] == known
        assert len(answer) == len(known) + 2
        known = answer
    assert texts((await chat(RecuerdaSaver(storage)).aget_state(RIKER)).values["messages"]) == known


async def test_runs_of_one_saver_conflict_too() -> None:
    storage = MemoryStorage()
    for durability in ("sync", "async", "exit"):
        answers, conflicts = await race([storage, storage, storage], durability)
        assert (len(answers), conflicts) == (1, 2)


async def test_a_run_that_another_run_overtakes_gets_a_conflict_wherever_it_is() -> None:
    storage = MemoryStorage()

    async def node(state: MessagesState) -> dict[str, Any]:
        await chat(RecuerdaSaver(storage)).ainvoke(said("fast"), RIKER)
        return {"messages": [AIMessage("late")]}

    # On a new thread, the run has found no checkpoint at which it begins.
    for number in (1, 2):
        with pytest.raises(ThreadConflict, match="riker"):
            await chat(RecuerdaSaver(storage), node).ainvoke(said("slow"), RIKER, durability="sync")
        state = (await chat(RecuerdaSaver(storage)).aget_state(RIKER)).values["messages"]
        assert texts(state) == ["slow", "fast", "You said: fast"] * number


async def test_branches_from_named_checkpoints_are_no_conflict() -> None:
    storage = MemoryStorage()
    graph = chat(RecuerdaSaver(storage))
    await graph.ainvoke(said("one"), RIKER)
    await graph.ainvoke(said("two"), RIKER)
    old = [one async for one in graph.aget_state_history(RIKER)][3]
    outcomes = await asyncio.gather(*(graph.ainvoke(said(text), old.config) for text in ("left", "right")))
    assert {texts(one["messages"])[-1] for one in outcomes} == {"You said: left", "You said: right"}
    kept = [texts(one.values["messages"])[-1:] async for one in graph.aget_state_history(RIKER)]
    assert all([text] in kept for text in ("You said: left", "You said: right", "You said: two"))


async def test_a_run_conflicts_with_a_branch_that_another_program_has_begun_meanwhile() -> None:
    storage = MemoryStorage()
    await chat(RecuerdaSaver(storage)).ainvoke(said("one"), RIKER)
    first = [one async for one in chat(RecuerdaSaver(storage)).aget_state_history(RIKER)][-1]

    async def node(state: MessagesState) -> dict[str, Any]:
        await chat(RecuerdaSaver(storage)).aupdate_state(first.config, said("changed"), as_node="model")
        return {"messages": [AIMessage("late")]}

    with pytest.raises(ThreadConflict, match="riker"):
        await chat(RecuerdaSaver(storage), node).ainvoke(said("two"), RIKER)


async def test_parallel_tasks_and_subgraphs_of_one_run_are_no_conflict() -> None:
    async def work(state: MessagesState) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"messages": [AIMessage("done")]}

    builder = StateGraph(MessagesState)
    for i in range(6):
        builder.add_node(f"n{i}", chat(None, work))  # pyright: ignore[reportUnknownMemberType]
        builder.add_edge(START, f"n{i}")
    graph: Any = builder.compile(checkpointer=RecuerdaSaver(MemoryStorage()))  # pyright: ignore[reportUnknownMemberType]
    for text in ("one", "two"):
        answer = await graph.ainvoke(said(text), RIKER)
    assert len([text for text in texts(answer["messages"]) if text == "done"]) == 12


async def test_another_program_s_turn_on_the_thread_is_no_conflict(storage: Storage) -> None:
    person = ChatMessageStore(storage=storage, thread_id="riker")
    await chat(RecuerdaSaver(storage)).ainvoke(said("one"), RIKER)

    async def node(state: MessagesState) -> dict[str, Any]:
        await person.add_messages([ChatMessage("user", "Red alert!")])
        return {"messages": [AIMessage("two")]}

    graph = chat(RecuerdaSaver(storage), node)
    answer = await graph.ainvoke(said("2"), RIKER, durability="sync")
    assert texts(answer["messages"])[-1] == "two"
    state = (await chat(RecuerdaSaver(storage)).aget_state(RIKER)).values["messages"]
    assert texts(state) == ["one", "You said: one", "2", "two", "Red alert!"]
    assert [one.text for one in await person.list_messages()] == ["one", "You said: one", "2", "Red alert!", "two"]
