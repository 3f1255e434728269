"""A conversation goes on in a graph after another program's turns, and the other way round."""

import operator
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, ToolMessage
from langgraph.types import Command

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    MemoryStorage,
    Storage,
    TextContent,
    UriContent,
)
from recuerda.interop.langgraph import RecuerdaSaver
from recuerda.offline import OfflineChatClient
from tests.interop.langgraph.graphs import RIKER, CountedStorage, agent, chat, said, texts
from tests.interop.langgraph.test_forgetting import delta


async def test_a_conversation_goes_from_an_agent_to_a_graph_and_back(storage: Storage) -> None:
    doctor = OfflineChatClient().create_agent(storage=storage)
    await doctor.run("My name is Riker.", thread="riker")
    saver = RecuerdaSaver(storage)
    for text, one in (("one", saver), ("two", RecuerdaSaver(storage))):
        await doctor.run(f"My favourite number is {text}.", thread="riker")
        await chat(one).ainvoke(said(text), RIKER)
    whole = [message.text for message in await doctor.get_thread("riker").list_messages()]
    assert whole[:2] == ["My name is Riker.", "Noted. Your name is Riker."]
    assert whole[4:6] == ["one", "You said: one"]
    assert len(whole) == 10
    for one in (saver, RecuerdaSaver(storage)):
        assert texts((await chat(one).aget_state(RIKER)).values["messages"]) == whole
    reply = await doctor.run("What is my name?", thread="riker")
    assert reply.text == "Your name is Riker."
    history = [texts(state.values["messages"]) async for state in chat(saver).aget_state_history(RIKER)]
    assert history[0] == whole  # a stored checkpoint is never changed
    assert len(history) == 6


async def test_what_others_said_is_stored_once_more_and_shown_once() -> None:
    storage = CountedStorage()
    store = ChatMessageStore(storage=storage, thread_id="riker")
    await store.add_messages([ChatMessage("user", "said elsewhere")])
    saver = RecuerdaSaver(storage)
    for text in ("one", "two", "three"):
        await chat(saver).ainvoke(said(text), RIKER)
    bodies = b"".join(record.body for record in (await storage.read("riker")).records)
    assert bodies.count(b"said elsewhere") == 2
    assert [one.text for one in await store.list_messages()].count("said elsewhere") == 1


async def test_what_is_said_while_a_run_waits_for_a_person_comes_after_its_result() -> None:
    storage = MemoryStorage()
    await agent(RecuerdaSaver(storage)).ainvoke(said("scan"), RIKER)
    await ChatMessageStore(storage=storage, thread_id="riker").add_messages([ChatMessage("user", "Hurry!")])
    answer = await agent(RecuerdaSaver(storage)).ainvoke(Command(resume="yes"), RIKER)
    assert texts(answer["messages"]) == ["scan", "", "yes", "The tool said 'yes'."]
    for saver in (RecuerdaSaver(storage), RecuerdaSaver(storage, messages_channel="messages")):
        state = (await agent(saver).aget_state(RIKER)).values["messages"]
        assert texts(state) == ["scan", "", "yes", "The tool said 'yes'.", "Hurry!"]


async def test_a_branch_from_an_old_checkpoint_does_not_get_later_turns() -> None:
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="riker")
    graph = chat(RecuerdaSaver(storage))
    await graph.ainvoke(said("one"), RIKER)
    old = await graph.aget_state(RIKER)
    await store.add_messages([ChatMessage("user", "later")])
    await graph.ainvoke(said("two"), RIKER)
    await graph.ainvoke(said("branch"), old.config)
    assert texts((await graph.aget_state(RIKER)).values["messages"]) == [
        "one",
        "You said: one",
        "branch",
        "You said: branch",
    ]
    await store.add_messages([ChatMessage("user", "after the branch")])
    assert texts((await chat(RecuerdaSaver(storage)).aget_state(RIKER)).values["messages"])[-1] == "after the branch"


async def test_every_kind_of_part_is_said_as_well_as_langchain_can() -> None:
    storage = MemoryStorage()
    call = FunctionCallContent(call_id="c", name="scan", arguments='{"deck": 7}')
    await ChatMessageStore(storage=storage, thread_id="riker").add_messages(
        [
            ChatMessage("system", "Be brief."),
            ChatMessage("user", ["see", UriContent(uri="https://a/b.png", media_type="image/png")], author_name="Will"),
            ChatMessage("user", [DataContent(data=b"x", media_type="application/pdf")]),
            ChatMessage("assistant", [TextContent(text="let me see"), call], message_id="m"),
            ChatMessage("tool", [FunctionResultContent(call_id="c", result={"n": 1}, is_error=True)]),
            ChatMessage("narrator", "Meanwhile"),
        ]
    )
    found = (await chat(RecuerdaSaver(storage)).aget_state(RIKER)).values["messages"]
    assert [one.type for one in found] == ["system", "human", "human", "ai", "tool", "chat"]
    image = {"type": "image", "url": "https://a/b.png", "mime_type": "image/png"}
    assert found[1].content == [{"type": "text", "text": "see"}, image]
    assert found[1].name == "Will"
    assert found[2].content == [{"type": "file", "base64": "eA==", "mime_type": "application/pdf"}]
    assert isinstance(found[3], AIMessage)
    assert (found[3].id, found[3].content, found[3].tool_calls[0]["args"]) == ("m", "let me see", {"deck": 7})
    assert isinstance(found[4], ToolMessage)
    assert (found[4].content, found[4].status, found[4].tool_call_id) == ('{"n":1}', "error", "c")
    assert len({one.id for one in found}) == 6


async def test_delta_channels_begin_with_what_others_said_before() -> None:
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="riker")
    await store.add_messages([ChatMessage("user", "before")])
    for number in range(6):
        await delta(RecuerdaSaver(storage)).ainvoke(said(f"m{number}"), RIKER)
    messages = (await delta(RecuerdaSaver(storage)).aget_state(RIKER)).values["messages"]
    assert texts(messages)[:2] == ["before", "m0"]
    assert len(messages) == 13


async def test_a_saver_without_a_messages_channel_ignores_what_others_said() -> None:
    storage = MemoryStorage()
    await ChatMessageStore(storage=storage, thread_id="riker").add_messages([ChatMessage("user", "elsewhere")])
    graph = chat(RecuerdaSaver(storage, messages_channel=None))
    assert texts((await graph.ainvoke(said("one"), RIKER))["messages"]) == ["one", "You said: one"]


async def test_a_graph_whose_messages_are_no_list_stays_as_it_is() -> None:
    from langgraph.graph import START, StateGraph

    class Odd(TypedDict):
        messages: str
        seen: Annotated[list[int], operator.add]

    def node(state: Odd) -> dict[str, Any]:
        return {"messages": state["messages"] + "!", "seen": [1]}

    storage = MemoryStorage()
    builder = StateGraph(Odd)
    builder.add_node("node", node)  # pyright: ignore[reportUnknownMemberType]
    builder.add_edge(START, "node")
    graph: Any = builder.compile(checkpointer=RecuerdaSaver(storage))  # pyright: ignore[reportUnknownMemberType]
    await graph.ainvoke({"messages": "a"}, RIKER)
    await ChatMessageStore(storage=storage, thread_id="riker").add_messages([ChatMessage("user", "elsewhere")])
    assert (await graph.ainvoke({"messages": "b"}, RIKER)) == {"messages": "b!", "seen": [1, 1]}
