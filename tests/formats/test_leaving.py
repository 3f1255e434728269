"""Files for other frameworks: the framework itself reads them and goes on, and an import adds only the new turns."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from agent_framework import AgentSession, FileHistoryProvider, InMemoryHistoryProvider, Message
from agents import SQLiteSession
from google.adk.events.event import Event
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.genai import types
from hypothesis import HealthCheck, given, settings
from langchain_core.messages import AIMessage, AnyMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph import START, StateGraph
from langgraph.graph.message import add_messages

from recuerda import DataContent, FunctionCallContent, FunctionResultContent, MemoryStorage
from recuerda.errors import InvalidInput
from recuerda.formats import MovedThread, import_threads, read, write
from recuerda.formats.agent_framework_files import stem_of
from tests.formats.native import parts, threads
from tests.formats.test_archives import PIXEL, calls, said
from tests.formats.test_lists import THREADS, facts
from tests.formats.test_trees import FAMILY, saved

FILES = ["openai-agents", "google-adk", "langgraph", "agent-framework-files", "agent-framework-sessions"]
READERS = {"agent-framework-files": "agent-framework", "agent-framework-sessions": "agent-framework"}
TURNS = {"t1", "t2", "t3", "t4"}


async def found(path: Path, format: str) -> list[MovedThread]:
    return [thread async for thread in read(path, READERS.get(format, format))]


@pytest.mark.parametrize("name", FILES)
async def test_threads_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    departures = await write(FAMILY, name, path)
    back = {thread.id: thread for thread in await found(path, name)}
    assert back.keys() == {thread.id for thread in FAMILY}
    for thread, departure in zip(FAMILY, departures, strict=True):
        assert facts(back[thread.id], TURNS) == facts(thread, TURNS)
        assert said(back[thread.id]) == said(thread)
        assert [part.data for part in parts(back[thread.id]) if isinstance(part, DataContent)] == [PIXEL]
        assert departure.losses.keys() <= {"reasoning part", "property"}
        assert departure.supplement["turn id"] == len(thread.turns)
    assert [call[0:3:2] for call in calls(back["main"])] == [("weather", "18 degrees"), ("weather", "9 degrees")]
    with pytest.raises(InvalidInput, match="exists"):
        await write(FAMILY, name, path)


# ADK's service commits each event, which takes too long for many examples.
@pytest.mark.parametrize("name", [name for name in FILES if name != "google-adk"])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(thread=THREADS)
def test_any_thread_comes_back_and_what_is_missing_is_counted(name: str, thread: MovedThread, tmp_path: Path) -> None:
    path, (departure,) = saved([thread], name, tmp_path)
    back = threads(path, READERS.get(name, name))
    assert len(back) == 1
    for one in back:
        turns = {turn.id for turn in one.turns}
        assert len(turns) == len(thread.turns) - departure.losses.get("turn", 0)
        assert facts(one, turns) == facts(thread, turns)
        for kind, name_of in ((FunctionCallContent, "tool call"), (FunctionResultContent, "tool result")):
            before, after = (sum(isinstance(part, kind) for part in parts(each)) for each in (thread, one))
            assert after >= before - departure.losses.get(name_of, 0)


async def imported_again(path: Path, name: str, go_on: Any) -> Sequence[int]:
    """Import a file, let the framework go on with it, and return the numbers of new turns of the second import."""
    storage = MemoryStorage()
    await import_threads(storage, path, READERS.get(name, name))
    await go_on()
    arrivals = await import_threads(storage, path, READERS.get(name, name))
    assert sum(one.differing for one in arrivals) == 0
    return sorted(one.added for one in arrivals)


async def test_the_agents_sdk_goes_on_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    await write(FAMILY, "openai-agents", path)
    session = SQLiteSession("main", path)
    items: list[Any] = [*(await session.get_items())]
    assert (items[0]["role"], items[-1]) == ("user", {"role": "assistant", "content": "It is warmer in Lima."})

    async def go_on() -> None:
        await session.add_items([{"role": "user", "content": "Thanks."}, {"role": "assistant", "content": "Fine."}])

    assert await imported_again(path, "openai-agents", go_on) == [0, 0, 1]
    session.close()


async def test_adk_goes_on_with_its_database(tmp_path: Path) -> None:
    path = tmp_path / "adk.db"
    await write(FAMILY, "google-adk", path)
    service = SqliteSessionService(str(path))
    session = await service.get_session(app_name="recuerda", user_id="ana", session_id="main")
    assert session is not None
    assert [
        part.text for event in session.events for part in (event.content and event.content.parts) or () if part.text
    ][-1] == "It is warmer in Lima."
    times = [event.timestamp for event in session.events]
    assert times == sorted(set(times))

    async def go_on() -> None:
        for number, author in enumerate(("user", "clerk")):
            content = types.Content(role="user" if author == "user" else "model", parts=[types.Part(text="Thanks.")])
            event = Event(author=author, invocation_id="i9", content=content, timestamp=1_800_000_000.0 + number)
            await service.append_event(session, event)

    assert await imported_again(path, "google-adk", go_on) == [0, 0, 1]


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


def answered(state: State) -> dict[str, Any]:
    return {"messages": [AIMessage(f"I know {len(state['messages'])} messages.")]}


async def test_a_graph_goes_on_with_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.db"
    await write(FAMILY, "langgraph", path)
    saver = InMemorySaver()
    builder: Any = StateGraph(State)
    graph = builder.add_node("model", answered).add_edge(START, "model").compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "main", "checkpoint_ns": ""}}
    connection = sqlite3.connect(path)
    ((kind, data, metadata),) = connection.execute(
        "SELECT type, checkpoint, metadata FROM checkpoints WHERE thread_id = 'main'"
    )
    connection.close()
    checkpoint = JsonPlusSerializer().loads_typed((kind, data))
    saver.put(config, checkpoint, json.loads(metadata), checkpoint["channel_versions"])
    known = (await graph.aget_state(config)).values["messages"]
    state = await graph.ainvoke({"messages": [("user", "Thanks.")]}, config)
    assert [message.content for message in state["messages"][-2:]] == ["Thanks.", f"I know {len(known) + 1} messages."]
    assert [call["name"] for message in known for call in getattr(message, "tool_calls", ())] == ["weather"] * 2


@pytest.mark.filterwarnings("ignore::agent_framework._feature_stage.ExperimentalWarning")
async def test_agent_framework_goes_on_with_its_files(tmp_path: Path) -> None:
    path = tmp_path / "histories"
    await write(FAMILY, "agent-framework-files", path)
    provider = FileHistoryProvider(path)
    messages = await provider.get_messages("main")
    assert (messages[0].role, messages[-1].text) == ("user", "It is warmer in Lima.")

    async def go_on() -> None:
        await provider.save_messages("main", [Message("user", ["Thanks."]), Message("assistant", ["Fine."])])

    assert await imported_again(path, "agent-framework-files", go_on) == [0, 0, 1]
    for odd in ("a b/ü", "CON", "con.x", "A", ".hidden", "end.", "X" * 300, "a.b", "-"):
        await provider.save_messages(odd, [Message("user", ["Hi"])])
        assert (path / f"{stem_of(odd)}.jsonl").is_file(), odd


async def test_agent_framework_restores_its_sessions(tmp_path: Path) -> None:
    path = tmp_path / "sessions.jsonl"
    await write(FAMILY, "agent-framework-sessions", path)
    session = AgentSession.from_dict(json.loads(path.read_text().splitlines()[0]))
    provider = InMemoryHistoryProvider()
    messages = await provider.get_messages("main", state=session.state[provider.source_id])
    assert (session.session_id, messages[-1].text) == ("main", "It is warmer in Lima.")
