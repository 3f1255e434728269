"""Checkpointers of LangGraph for the conformance kit: ours, and LangGraph's own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph

from recuerda.interop.langgraph import RecuerdaSaver
from recuerda.testing.conversation_contract import Part, Pause
from tests.interop.kit.base import KitAdapter
from tests.interop.kit.places import open_at


class GraphAdapter(KitAdapter[BaseCheckpointSaver[Any], BaseMessage]):
    """Checkpointers of LangGraph, written by a graph with one node for each message after the question."""

    def make(self, part: Part, text: str) -> BaseMessage:
        match part:
            case "question":
                return HumanMessage(text, id=f"q {text}")
            case "call":
                call = {"name": "scan", "args": {"deck": 7}, "id": text, "type": "tool_call"}
                return AIMessage("", tool_calls=[call], id=f"c {text}")
            case "result":
                return ToolMessage("clear", tool_call_id=text, id=f"r {text}")
            case "answer":
                return AIMessage(text, id=f"a {text}")

    def dump(self, item: BaseMessage) -> bytes:
        return JsonPlusSerializer().dumps_typed(item)[1]

    def load(self, dumps: Sequence[bytes]) -> list[BaseMessage]:
        serde = JsonPlusSerializer()
        return [serde.loads_typed(("msgpack", one)) for one in dumps]

    async def add_run(
        self,
        store: BaseCheckpointSaver[Any],
        conversation_id: str,
        items: Sequence[BaseMessage],
        *,
        pause: Pause,
        run_id: str,
    ) -> None:
        first, *others = items
        graph = _graph(store, others, pause)
        await graph.ainvoke({"messages": [first]}, _config(conversation_id), durability="sync")

    async def read(
        self, store: BaseCheckpointSaver[Any], conversation_id: str, limit: int | None = None
    ) -> Sequence[BaseMessage]:
        state = await _graph(store, [AIMessage("")], _never).aget_state(_config(conversation_id))
        return state.values.get("messages", [])

    async def fill(
        self, store: BaseCheckpointSaver[Any], conversation_id: str, pairs: Sequence[Sequence[BaseMessage]]
    ) -> None:
        messages = [message for pair in pairs for message in pair]
        graph = _graph(store, [AIMessage("")], _never)
        await graph.aupdate_state(_config(conversation_id), {"messages": messages}, as_node="0")

    async def delete(self, store: BaseCheckpointSaver[Any], conversation_id: str) -> None:
        await store.adelete_thread(conversation_id)

    def unusual_items(self) -> Sequence[BaseMessage]:
        image = {"type": "image", "base64": "QUJD", "mime_type": "image/png", "extras": {"x": [1, 1.0]}}
        usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
        return [
            HumanMessage([{"type": "text", "text": "Look."}, image], id="h", name="riker"),
            AIMessage(
                "", id="u", usage_metadata=usage, response_metadata={"model": "m"}, additional_kwargs={"a": None}
            ),
        ]


async def _never() -> None:
    raise AssertionError("no node runs")


def _config(conversation_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": conversation_id}}


def _graph(saver: BaseCheckpointSaver[Any], messages: Sequence[BaseMessage], pause: Pause) -> Any:
    def node(message: BaseMessage) -> Any:
        async def say(state: MessagesState) -> dict[str, Any]:
            await pause()
            return {"messages": [message]}

        return say

    builder: Any = StateGraph(MessagesState)
    names = [f"{number}" for number in range(len(messages))]
    for name, message in zip(names, messages, strict=True):
        builder.add_node(name, node(message))
    for name, after in zip([START, *names], [*names, END], strict=True):
        builder.add_edge(name, after)
    return builder.compile(checkpointer=saver)


class OurSavers(GraphAdapter):
    """`RecuerdaSaver` on SQLite."""

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[BaseCheckpointSaver[Any]]:
        async with open_at(place) as storage:
            yield RecuerdaSaver(storage)


class TheirSavers(GraphAdapter):
    """LangGraph's own saver in memory."""

    def __init__(self) -> None:
        self._savers: defaultdict[Path, InMemorySaver] = defaultdict(InMemorySaver)

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[BaseCheckpointSaver[Any]]:
        yield self._savers[place]


class TheirSaversOnSQLite(GraphAdapter):
    """LangGraph's own saver on SQLite."""

    def open(self, place: Path) -> AbstractAsyncContextManager[BaseCheckpointSaver[Any]]:
        return AsyncSqliteSaver.from_conn_string(str(place / "checkpoints.db"))
