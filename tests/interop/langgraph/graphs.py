"""Graphs for the tests: their nodes stand in for a model."""

import operator
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import interrupt

from recuerda import MemoryStorage
from recuerda.storage import Appended, Guard, NewRecord, ReadQuery, ThreadSlice

Graph: TypeAlias = Any
"""A compiled graph. LangGraph's own type depends on the types of the state and of the input."""

RIKER: RunnableConfig = {"configurable": {"thread_id": "riker"}}


def thread(thread_id: str, **configurable: object) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id, **configurable}}


def said(text: str) -> dict[str, list[HumanMessage]]:
    return {"messages": [HumanMessage(text)]}


def texts(messages: list[AnyMessage]) -> list[str]:
    return [str(message.content) for message in messages]


def echo(state: MessagesState) -> dict[str, list[AnyMessage]]:
    return {"messages": [AIMessage(f"You said: {texts(state['messages'])[-1]}")]}


def chat(saver: BaseCheckpointSaver[Any] | None, node: Callable[..., object] = echo, **options: Any) -> Graph:
    """A conversation: one node answers each message."""
    builder = StateGraph(MessagesState)
    builder.add_node("model", node)  # pyright: ignore[reportUnknownMemberType] - LangGraph's own types
    builder.add_edge(START, "model")
    builder.add_edge("model", END)
    return builder.compile(checkpointer=saver, **options)  # pyright: ignore[reportUnknownMemberType] - as above


def agent(saver: BaseCheckpointSaver[Any]) -> Graph:
    """An agent that calls a tool once for each message, and asks a person before."""

    def model(state: MessagesState) -> dict[str, list[AnyMessage]]:
        last = state["messages"][-1]
        if isinstance(last, ToolMessage):
            return {"messages": [AIMessage(f"The tool said {last.content!r}.")]}
        call = {"name": "scan", "args": {"deck": 7}, "id": f"call-{len(state['messages'])}", "type": "tool_call"}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    def tool(state: MessagesState) -> dict[str, list[AnyMessage]]:
        (call,) = state["messages"][-1].tool_calls  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
        answer: object = interrupt({"may I call": call["name"]})
        return {"messages": [ToolMessage(f"{answer}", tool_call_id=call["id"] or "")]}

    def after(state: MessagesState) -> str:
        return "tool" if getattr(state["messages"][-1], "tool_calls", None) else END

    builder = StateGraph(MessagesState)
    builder.add_node("model", model)  # pyright: ignore[reportUnknownMemberType]
    builder.add_node("tool", tool)  # pyright: ignore[reportUnknownMemberType]
    builder.add_edge(START, "model")
    builder.add_conditional_edges("model", after)
    builder.add_edge("tool", "model")
    return builder.compile(checkpointer=saver)  # pyright: ignore[reportUnknownMemberType]


class Words(TypedDict):
    words: Annotated[list[str], operator.add]


def nested(saver: BaseCheckpointSaver[Any], *, is_stateful: bool = False) -> Graph:
    """A graph with a subgraph that asks a person."""

    def ask(state: Words) -> dict[str, list[str]]:
        return {"words": [f"asked {interrupt('who?')}"]}

    def tell(state: Words) -> dict[str, list[str]]:
        return {"words": ["told"]}

    below = StateGraph(Words)
    below.add_node("ask", ask)  # pyright: ignore[reportUnknownMemberType]
    below.add_node("tell", tell)  # pyright: ignore[reportUnknownMemberType]
    below.add_edge(START, "ask")
    below.add_edge("ask", "tell")
    builder = StateGraph(Words)
    builder.add_node("below", below.compile(checkpointer=is_stateful or None))  # pyright: ignore[reportUnknownMemberType]
    builder.add_node("left", tell)  # pyright: ignore[reportUnknownMemberType]
    builder.add_edge(START, "below")
    builder.add_edge("below", "left")
    return builder.compile(checkpointer=saver)  # pyright: ignore[reportUnknownMemberType]


class CountedStorage(MemoryStorage):
    """A storage that counts its trips, and the bytes and records that they carry."""

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        self.appends = self.reads = self.bytes_written = self.records_read = 0

    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        self.appends += 1
        self.bytes_written += len(record.body)
        return await super()._append(thread_id, record, guard)

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        self.reads += 1
        found = await super()._read(thread_id, query)
        self.records_read += len(found.records)
        return found
