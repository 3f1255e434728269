"""Real graphs give the same with our saver as with LangGraph's own in memory, also after a restart at every step."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import MessagesState
from langgraph.types import Command

from recuerda import MemoryStorage, Storage
from recuerda.interop.langgraph import RecuerdaSaver
from tests.interop.langgraph.graphs import RIKER, agent, chat, nested, said, texts, thread

Make = Callable[[], BaseCheckpointSaver[Any]]


def plain(value: object) -> object:
    """Return a value of a graph without random ids."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in cast("dict[str, object]", value).items() if key != "__interrupt__"}
    if isinstance(value, list):
        return [plain(item) for item in cast("list[object]", value)]
    if isinstance(value, HumanMessage | AIMessage):
        return value.model_dump(exclude={"id"})
    return value if isinstance(value, str | int | None) else type(value).__name__


async def history(graph: Any) -> list[object]:
    """Return each checkpoint of a thread as it can be compared."""
    return [
        (plain(one.values), one.next, one.metadata["source"], one.metadata["step"], len(one.tasks), len(one.interrupts))
        async for one in graph.aget_state_history(RIKER)
    ]


async def conversation(make: Make) -> list[object]:
    """Two turns, a trim of the messages, a change from outside, and a retry of an old step."""

    def forgetful(state: MessagesState) -> dict[str, Any]:
        first = state["messages"][0]
        drop = [RemoveMessage(first.id or "")] if len(state["messages"]) > 4 else []
        return {"messages": [AIMessage(f"heard {texts(state['messages'])[-1]}"), *drop]}

    seen = [plain(await chat(make(), forgetful).ainvoke(said(text), RIKER)) for text in ("one", "two", "three")]
    await chat(make(), forgetful).aupdate_state(RIKER, said("from outside"), as_node="model")
    old = [one async for one in chat(make()).aget_state_history(RIKER)][4]
    seen.append(plain(await chat(make(), forgetful).ainvoke(None, old.config)))
    seen.append(plain(await chat(make(), forgetful).ainvoke(said("another branch"), old.config)))
    seen.append(plain(await chat(make(), forgetful).ainvoke(said("goes on"), RIKER)))
    return [*seen, await history(chat(make()))]


async def approvals(make: Make) -> list[object]:
    """A tool that waits for a person, twice, with a stream."""
    seen: list[object] = []
    for answer in ("yes", {"level": 3}):
        seen.extend(
            [plain(update) async for update in agent(make()).astream(said("scan"), RIKER, stream_mode="values")]
        )
        seen.append((await agent(make()).aget_state(RIKER)).next)
        seen.append(plain(await agent(make()).ainvoke(Command(resume=answer), RIKER)))
    return [*seen, await history(agent(make()))]


def subgraphs(*, is_stateful: bool) -> Callable[[Make], Awaitable[list[object]]]:
    async def run(make: Make) -> list[object]:
        def graph() -> Any:
            return nested(make(), is_stateful=is_stateful)

        seen: list[object] = [plain(await graph().ainvoke({"words": ["in"]}, RIKER))]
        inner = (await graph().aget_state(RIKER, subgraphs=True)).tasks[0].state
        seen += [plain(inner.values), inner.next, plain(await graph().ainvoke(Command(resume="A"), RIKER))]
        await graph().ainvoke({"words": ["again"]}, RIKER)
        seen.append(plain(await graph().ainvoke(Command(resume="B"), RIKER)))
        old = [one async for one in graph().aget_state_history(RIKER) if one.next == ("below",)][-1]
        seen += [plain(await graph().ainvoke(None, old.config))]
        seen += [plain(await graph().ainvoke(Command(resume="C"), RIKER)), await history(graph())]
        return seen

    return run


async def failing(make: Make) -> list[object]:
    """A node fails, and the graph goes on from there."""

    def broken(state: MessagesState) -> dict[str, Any]:
        raise ValueError("the model is away")

    with pytest.raises(ValueError, match="away"):
        await chat(make(), broken).ainvoke(said("hello"), RIKER)
    waiting = await chat(make()).aget_state(RIKER)
    seen: list[object] = [waiting.next, [str(task.error) for task in waiting.tasks]]
    return [*seen, plain(await chat(make()).ainvoke(None, RIKER)), await history(chat(make()))]


STORIES = {
    "conversation": conversation,
    "approvals": approvals,
    "subgraphs": subgraphs(is_stateful=False),
    "stateful subgraphs": subgraphs(is_stateful=True),
    "failing": failing,
}


@pytest.mark.parametrize("name", STORIES)
async def test_a_graph_gives_the_same_as_with_the_saver_in_memory(name: str) -> None:
    oracle = InMemorySaver()
    wanted = await STORIES[name](lambda: oracle)
    storage = MemoryStorage()
    warm = RecuerdaSaver(storage)
    assert await STORIES[name](lambda: warm) == wanted
    cold = MemoryStorage()
    assert await STORIES[name](lambda: RecuerdaSaver(cold)) == wanted


async def test_an_approval_survives_a_restart_on_every_storage(storage: Storage) -> None:
    await agent(RecuerdaSaver(storage)).ainvoke(said("scan"), RIKER)
    answer = await agent(RecuerdaSaver(storage)).ainvoke(Command(resume="yes"), RIKER)
    assert texts(answer["messages"]) == ["scan", "", "yes", "The tool said 'yes'."]


def test_a_graph_without_an_event_loop_keeps_its_thread() -> None:
    storage = MemoryStorage()
    with RecuerdaSaver(storage) as saver:
        chat(saver).invoke(said("one"), RIKER)
        list(chat(saver).stream(said("two"), RIKER))
        assert len(chat(saver).get_state(RIKER).values["messages"]) == 4
        assert len(list(chat(saver).get_state_history(RIKER))) == 6
        saver.copy_thread("riker", "data")
        saver.prune(["data"])
        assert len(list(chat(saver).get_state_history(thread("data")))) == 1
        saver.delete_for_runs(["none"])
        saver.delete_thread("riker")
        assert chat(saver).get_state(RIKER).values == {}


async def test_a_message_that_a_node_changes_in_place_is_stored_as_it_is_now() -> None:
    storage = MemoryStorage()

    def correct(state: MessagesState) -> dict[str, Any]:
        state["messages"][0].content = "corrected"
        return {"messages": [state["messages"][0], AIMessage("done")]}

    saver = RecuerdaSaver(storage)
    await chat(saver, correct).ainvoke(said("wrong"), RIKER)
    for one in (saver, RecuerdaSaver(storage)):
        assert texts((await chat(one).aget_state(RIKER)).values["messages"]) == ["corrected", "done"]


async def test_a_change_of_a_returned_state_does_not_reach_the_saver() -> None:
    saver = RecuerdaSaver(MemoryStorage())
    await chat(saver).ainvoke({"messages": [HumanMessage("one", additional_kwargs={"a": {"b": 1}})]}, RIKER)
    state = await chat(saver).aget_state(RIKER)
    state.values["messages"][0].additional_kwargs["a"]["b"] = 2
    state.values["messages"][0].content = "other"
    state.values["messages"].clear()
    again = await chat(saver).aget_state(RIKER)
    assert again.values["messages"][0] == HumanMessage(
        "one", additional_kwargs={"a": {"b": 1}}, id=again.values["messages"][0].id
    )
