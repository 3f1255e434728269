"""Deleting, pruning and copying take all of a thread's namespaces, and leave the rest as it was."""

import operator
from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    CorruptTurn,
    InvalidInput,
    MemoryStorage,
    NewTurn,
    Storage,
    ThreadConflict,
)
from recuerda.interop.langgraph import RecuerdaSaver, RecuerdaStore
from recuerda.storage import Guard, NewBodies
from tests.interop.langgraph.graphs import RIKER, chat, nested, said, texts, thread


async def bodies(storage: Storage, thread_id: str = "riker") -> bytes:
    return b"\n".join(record.body for record in (await storage.read(thread_id)).records)


async def run(saver: RecuerdaSaver, text: str, run_id: str) -> None:
    await chat(saver).ainvoke(said(text), {**RIKER, "metadata": {"run_id": run_id}})


async def states(saver: RecuerdaSaver, thread_id: str = "riker") -> list[list[str]]:
    return [texts(one.values["messages"]) async for one in chat(saver).aget_state_history(thread(thread_id))]


async def test_a_pruned_thread_has_its_newest_state_and_goes_on(storage: Storage) -> None:
    saver = RecuerdaSaver(storage)
    for text in ("one", "two", "three"):
        await run(saver, text, text)
    size = len(await bodies(storage))
    before = (await chat(saver).aget_state(RIKER)).values
    await saver.aprune(["riker"])
    assert await states(saver) == [texts(before["messages"])]
    assert len(await bodies(storage)) < size / 2
    for one in (saver, RecuerdaSaver(storage)):
        assert (await chat(one).aget_state(RIKER)).values == before
    await run(saver, "four", "four")
    assert len((await states(RecuerdaSaver(storage)))[0]) == 8


async def test_a_pruned_thread_holds_no_word_of_a_value_that_was_replaced() -> None:
    storage = MemoryStorage()

    class Note(TypedDict):
        note: str

    def keep(state: Note) -> dict[str, Any]:
        return {}

    builder = StateGraph(Note)
    builder.add_node("keep", keep)  # pyright: ignore[reportUnknownMemberType]
    builder.add_edge(START, "keep")
    saver = RecuerdaSaver(storage)
    graph: Any = builder.compile(checkpointer=saver)  # pyright: ignore[reportUnknownMemberType]
    for note in ("old secret", "new"):
        await graph.ainvoke({"note": note}, RIKER)
    await saver.aprune(["riker"])
    assert b"old secret" not in await bodies(storage)
    assert (await graph.aget_state(RIKER)).values == {"note": "new"}
    assert len((await storage.read("riker")).records) < 5  # the empty records at the start are gone


async def test_the_runs_that_are_deleted_leave_the_messages_that_later_runs_need() -> None:
    storage = MemoryStorage()
    saver = RecuerdaSaver(storage)
    for text in ("one", "two", "three"):
        await run(saver, text, text)
    await saver.adelete_for_runs(["one", "three"])
    assert [len(one) for one in await states(saver)] == [4, 3, 2]
    assert await states(RecuerdaSaver(storage)) == await states(saver)
    assert b"three" not in await bodies(storage)
    await saver.adelete_for_runs(["two"])
    assert await storage.head("riker") is None


async def test_other_programs_turns_stay_when_all_checkpoints_are_deleted() -> None:
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="riker")
    saver = RecuerdaSaver(storage)
    await run(saver, "one", "one")
    await store.add_messages([ChatMessage("user", "Red alert!")])
    await saver.adelete_for_runs(["one"])
    assert [message.text for message in await store.list_messages()] == ["Red alert!"]
    assert [one async for one in saver.alist(RIKER)] == []


async def test_a_copy_is_whole_also_of_a_thread_whose_numbers_have_gaps() -> None:
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="riker")
    await store.add_messages([ChatMessage("user", "undone")])
    await storage.undo("riker")
    await storage.update_thread("riker", user_id="will")
    saver = RecuerdaSaver(storage)
    await nested(saver).ainvoke({"words": ["in"]}, thread("riker", user_id="will"))
    await saver.acopy_thread("riker", "data")
    await saver.acopy_thread("riker", "data")  # a repeated copy changes nothing
    for thread_id in ("riker", "data"):
        state = await nested(saver).aget_state(thread(thread_id), subgraphs=True)
        assert (state.next, state.tasks[0].state.values) == (("below",), {"words": ["in"]})
        assert (await nested(saver).ainvoke(Command(resume="A"), thread(thread_id)))["words"][-1] == "told"
    info = await storage.head("data")
    assert info is not None
    assert info.user_id == "will"
    with pytest.raises(ThreadConflict):
        await saver.acopy_thread("riker", "data")


async def test_deletion_takes_the_subgraphs(storage: Storage) -> None:
    saver = RecuerdaSaver(storage)
    await nested(saver, is_stateful=True).ainvoke({"words": ["in"]}, RIKER)
    assert {one.config["configurable"]["checkpoint_ns"] async for one in saver.alist(RIKER)} == {"", "below"}  # pyright: ignore[reportTypedDictNotRequiredAccess]
    await saver.adelete_thread("riker")
    assert [one async for one in saver.alist(None)] == []
    assert [info async for info in storage.threads()] == []


async def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(InvalidInput, match="keep_latest"):
        await RecuerdaSaver(MemoryStorage()).aprune(["riker"], strategy="keep_all")


async def test_a_prune_that_meets_a_writer_tries_again() -> None:
    class Busy(MemoryStorage):
        left = 1

        async def _rewrite(self, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
            if self.left:
                self.left -= 1
                await self.append(thread_id, NewTurn(body=b'{"messages":[]}', message_count=1))
            return await super()._rewrite(thread_id, change, now_us, guard)

    storage = Busy()
    await run(RecuerdaSaver(storage), "first", "one")
    await RecuerdaSaver(storage).aprune(["riker"])
    assert (storage.left, await states(RecuerdaSaver(storage))) == (0, [["first", "You said: first"]])


def merge(state: list[AnyMessage], writes: Sequence[Any]) -> list[AnyMessage]:
    merged: Any = state
    for write in writes:
        merged = add_messages(merged, write)
    return merged


class Growing(TypedDict):
    messages: Annotated[list[AnyMessage], DeltaChannel(merge, snapshot_frequency=4)]
    seen: Annotated[list[int], operator.add]


def delta(saver: RecuerdaSaver) -> Any:
    def model(state: Growing) -> dict[str, Any]:
        return {"messages": [AIMessage(f"{len(state['messages'])}")], "seen": [len(state["messages"])]}

    builder = StateGraph(Growing)
    builder.add_node("model", model)  # pyright: ignore[reportUnknownMemberType]
    builder.add_edge(START, "model")
    return builder.compile(checkpointer=saver)  # pyright: ignore[reportUnknownMemberType]


async def test_delta_channels_come_back_from_their_writes(storage: Storage) -> None:
    saver = RecuerdaSaver(storage)
    for number in range(7):
        await delta(RecuerdaSaver(storage) if number % 2 else saver).ainvoke(said(f"m{number}"), RIKER)
    whole = (await delta(saver).aget_state(RIKER)).values
    assert (len(whole["messages"]), whole["seen"]) == (14, [1, 3, 5, 7, 9, 11, 13])
    await saver.aprune(["riker"])
    assert (await delta(RecuerdaSaver(storage)).aget_state(RIKER)).values == whole
    assert len([one async for one in saver.alist(RIKER)]) == 1
    assert len((await delta(saver).ainvoke(said("on"), RIKER))["messages"]) == 16
    await saver.acopy_thread("riker", "data")
    assert len((await delta(saver).aget_state(thread("data"))).values["messages"]) == 16


def test_delta_channels_work_without_an_event_loop() -> None:
    saver = RecuerdaSaver(MemoryStorage())
    for number in range(3):
        delta(saver).invoke(said(f"m{number}"), RIKER)
    assert len(delta(saver).get_state(RIKER).values["messages"]) == 6


async def test_threads_of_other_programs_do_not_disturb_a_walk_over_all_threads() -> None:
    storage = MemoryStorage()
    await storage.append("odd", NewTurn(body=b"no JSON", message_count=1))
    await ChatMessageStore(storage=storage, thread_id="chat").add_messages([ChatMessage("user", "hello")])
    await RecuerdaStore(storage).aput(("memories",), "k", {"n": 1})
    saver = RecuerdaSaver(storage)
    await run(saver, "one", "one")
    assert {one.config["configurable"]["thread_id"] async for one in saver.alist(None)} == {"riker"}  # pyright: ignore[reportTypedDictNotRequiredAccess]
    await saver.adelete_for_runs(["one"])
    assert {info.id async for info in storage.threads()} >= {"odd", "chat"}
    assert await RecuerdaStore(storage).aget(("memories",), "k") is not None
    with pytest.raises(CorruptTurn, match="odd"):
        await saver.aget_tuple(thread("odd"))
