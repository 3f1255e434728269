"""Files and databases that the real packages wrote."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from agent_framework import AgentSession, Content, FileHistoryProvider, Message
from agents import SQLiteSession
from agents.extensions.memory import AdvancedSQLiteSession
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.sessions import DatabaseSessionService
from google.genai import types
from langchain_core.load import dumpd
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, messages_to_dict
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from redis.asyncio import Redis

from recuerda import DataContent, MemoryStorage
from recuerda.errors import InvalidInput, StateError
from recuerda.formats import MovedThread, import_threads, read
from recuerda.interop.google_adk import RecuerdaSessionService
from recuerda.interop.openai_agents import RecuerdaSession
from tests.formats.native import kinds, parts, threads, written
from tests.servers.postgres_server import postgres_url, schema_of
from tests.servers.redis_server import prefix_of, redis_url

DATA = Path(__file__).parent / "data"
RUN: list[Any] = [
    {"role": "user", "content": "How is the weather?"},
    {
        "type": "function_call",
        "call_id": "c1",
        "name": "weather",
        "arguments": "{}",
        "id": "fc_1",
        "status": "completed",
    },
    {"type": "function_call_output", "call_id": "c1", "output": "18 degrees"},
    {"role": "assistant", "content": "It has 18 degrees."},
]


async def found(source: Any, format: str | None = None) -> list[MovedThread]:
    return [thread async for thread in read(source, format)]


def shape(thread: MovedThread) -> list[list[str]]:
    return [[message.role for message in turn.turn.messages] for turn in thread.turns]


async def test_sessions_of_the_agents_sdk_come_in_and_go_on(tmp_path: Path) -> None:
    path = tmp_path / "agents.db"
    for name in ("riker", "other"):
        session = SQLiteSession(name, path)
        await session.add_items([{"role": "user", "content": f"I am {name}."}, {"role": "assistant", "content": "Hi."}])
        await session.add_items(RUN)
        session.close()
    storage = MemoryStorage()
    arrivals = await import_threads(storage, path)
    assert [(one.thread_id, one.turns, one.losses) for one in arrivals] == [("other", 2, {}), ("riker", 2, {})]
    assert sum(one.added for one in await import_threads(storage, path)) == 0
    assert (await RecuerdaSession("riker", storage).get_items())[2:] == RUN
    thread = (await found(path))[1]
    assert shape(thread) == [["user", "assistant"], ["user", "assistant", "tool", "assistant"]]
    assert [turn.id for turn in thread.turns] == ["1", "3"]
    assert all(turn.created_us is not None for turn in thread.turns)


async def test_branches_of_an_advanced_session_become_threads(tmp_path: Path) -> None:
    path = tmp_path / "agents.db"
    session = AdvancedSQLiteSession(session_id="riker", db_path=path, create_tables=True)
    await session.add_items([{"role": "user", "content": "One."}, {"role": "assistant", "content": "1"}])
    await session.add_items([{"role": "user", "content": "Two."}, {"role": "assistant", "content": "2"}])
    await session.create_branch_from_turn(2, "again")
    await session.add_items([{"role": "user", "content": "Three."}, {"role": "assistant", "content": "3"}])
    session.close()
    main, branch = await found(path)
    assert [message.text for message in main.messages] == ["One.", "1", "Two.", "2"]
    assert [message.text for message in branch.messages] == ["One.", "1", "Three.", "3"]
    assert branch.parent is not None
    assert (branch.parent.thread_id, branch.parent.turn_id) == ("riker", main.turns[0].id)


_18 = {"result": 18}


async def adk_sessions(url: str) -> list[str]:
    """Write two sessions with ADK's own service, and return the ids of the events of the first."""
    service = DatabaseSessionService(url)
    session = await service.create_session(
        app_name="app", user_id="ana", session_id="s/1", state={"city": "Lima", "user:name": "Ana", "app:mode": "x"}
    )
    parts_of: list[tuple[str, types.Part]] = [
        ("user", types.Part(text="How is the weather?")),
        ("clerk", types.Part(function_call=types.FunctionCall(id="c1", name="weather", args={"city": "Lima"}))),
        ("clerk", types.Part(function_response=types.FunctionResponse(id="c1", name="weather", response=_18))),
        ("clerk", types.Part(text="It has 18 degrees.")),
        ("user", types.Part(inline_data=types.Blob(data=b"\x89PNG", mime_type="image/png"))),
        ("clerk", types.Part(text="A picture.")),
    ]  # fmt: skip
    ids: list[str] = []
    for number, (author, part) in enumerate(parts_of):
        role = "user" if author == "user" or part.function_response else "model"
        event = Event(
            author=author,
            invocation_id=f"i{number // 4}",
            content=types.Content(role=role, parts=[part]),
            timestamp=1_700_000_000.5 + number,
            actions=EventActions(state_delta={"last": number}),
        )
        ids.append((await service.append_event(session, event)).id)
    await service.create_session(app_name="app", user_id="bo", session_id="empty")
    await service.close()
    return ids


async def test_sessions_of_adk_come_in_and_go_on(tmp_path: Path) -> None:
    path = tmp_path / "adk.db"
    ids = await adk_sessions(f"sqlite+aiosqlite:///{path}")
    first, empty = await found(path)
    assert (first.id, first.user_id, shape(first)) == (
        "adk/app/ana/s%2F1",
        "ana",
        [["user", "assistant", "tool", "assistant"], ["user", "assistant"]],
    )
    assert [(turn.id, turn.created_us) for turn in first.turns] == [
        (ids[0], 1_700_000_000_500_000),
        (ids[4], 1_700_000_004_500_000),
    ]
    assert [part.data for part in parts(first) if isinstance(part, DataContent)] == [b"\x89PNG"]
    assert (first.losses, empty.turns) == ({"value of shared state": 2}, ())
    storage = MemoryStorage()
    await import_threads(storage, path)
    service = RecuerdaSessionService(storage)
    session = await service.get_session(app_name="app", user_id="ana", session_id="s/1")
    assert session is not None
    assert [event.id for event in session.events] == ids
    assert (session.state["city"], session.state["last"]) == ("Lima", 5)


async def test_messages_of_pydantic_ai_come_back_unchanged(tmp_path: Path) -> None:
    messages = [
        ModelRequest(parts=[UserPromptPart(["Look:", BinaryContent(b"\x89PNG", media_type="image/png")])]),
        ModelResponse(parts=[ThinkingPart("Hm."), ToolCallPart("look", {"at": 1}, "c1")], model_name="m"),
        ModelRequest(parts=[ToolReturnPart("look", "grey", "c1")]),
        ModelResponse(parts=[TextPart("Grey.")]),
    ]
    path = tmp_path / "riker.json"
    path.write_bytes(ModelMessagesTypeAdapter.dump_json(messages))
    (thread,) = await found(path)
    assert (thread.id, shape(thread)) == ("riker", [["user", "assistant", "tool", "assistant"]])
    assert thread.turns[0].created_us is not None
    again = json.loads(written([thread], "pydantic-ai")[0])["messages"]
    plain = ModelMessagesTypeAdapter.validate_json(ModelMessagesTypeAdapter.dump_json(messages))
    assert ModelMessagesTypeAdapter.validate_python(again) == plain


async def test_messages_of_langchain_come_back_unchanged() -> None:
    messages = [
        HumanMessage([{"type": "text", "text": "Look"}, {"type": "image", "base64": "iVBO", "mime_type": "image/png"}]),
        AIMessage("", tool_calls=[{"name": "look", "args": {"at": 1}, "id": "c1"}], id="a1"),
        ToolMessage("grey", tool_call_id="c1", artifact={"x": 1}),
        AIMessage("Grey.", usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}),
    ]  # fmt: skip
    for items in (messages_to_dict(messages), [dumpd(message) for message in messages]):
        (thread,) = await found(json.dumps(items).encode())
        assert shape(thread) == [["user", "assistant", "tool", "assistant"]]
        assert kinds(thread) == ["Text", "Data", "FunctionCall", "FunctionResult", "Text"]
        assert json.loads(written([thread], "langchain")[0])["messages"] == items


AF = [
    Message("user", ["How is the weather?"], message_id="m1"),
    Message("assistant", [Content.from_function_call("c1", "weather", arguments={"city": "Lima"})]),
    Message("tool", [Content.from_function_result("c1", result="18 degrees")]),
    Message("assistant", ["It has 18 degrees."]),
]


@pytest.mark.filterwarnings("ignore::agent_framework._feature_stage.ExperimentalWarning")
@pytest.mark.parametrize("form", ["json", "msgpack"])
async def test_history_files_of_agent_framework_come_in(tmp_path: Path, form: Any) -> None:
    provider = FileHistoryProvider(tmp_path, serialization_format=form)
    for session_id in ("riker", "an/odd id"):
        await provider.save_messages(session_id, AF)
    both = await found(tmp_path, "agent-framework")
    assert {thread.id for thread in both} == {"riker", "an/odd id"}
    file = tmp_path / f"riker.{'jsonl' if form == 'json' else form}"
    (alone,) = await found(file, "agent-framework")
    assert alone in both
    assert shape(alone) == [["user", "assistant", "tool", "assistant"]]
    items = json.loads(written([alone], "agent-framework")[0])["messages"]
    assert items == [json.loads(json.dumps(message.to_dict())) for message in AF]
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(StateError, match=r"(line|record) 4"):
        await found(file, "agent-framework")


async def test_saved_sessions_of_agent_framework_come_in(tmp_path: Path) -> None:
    session = AgentSession(session_id="riker")
    session.state["in_memory"] = {"messages": AF}
    path = tmp_path / "session.json"
    path.write_text(json.dumps(session.to_dict()))
    (thread,) = await found(path)
    assert (thread.id, shape(thread)) == ("riker", [["user", "assistant", "tool", "assistant"]])


async def test_lists_of_agent_framework_in_redis_come_in(tmp_path: Path) -> None:
    prefix = prefix_of(tmp_path) + "[*]"
    url = f"{redis_url()}{'&' if '?' in redis_url() else '?'}key_prefix={prefix}"
    client: Any = Redis.from_url(redis_url())  # pyright: ignore[reportUnknownMemberType] - redis-py declares no types here
    old = {
        "type": "chat_message",
        "role": {"type": "role", "value": "user"},
        "contents": [{"type": "text", "text": "Hi"}],
    }
    await client.rpush(f"{prefix}:riker", *(json.dumps(message.to_dict()) for message in AF))
    await client.rpush(f"{prefix}:older", json.dumps(old))
    older, riker = await found(url, "agent-framework")
    assert [(older.id, shape(older)), (riker.id, shape(riker))] == [
        ("older", [["user"]]),
        ("riker", [["user", "assistant", "tool", "assistant"]]),
    ]
    await client.rpush(f"{prefix}:older", "{oh")
    with pytest.raises(StateError, match="entry 1 of the list of session 'older'"):
        await found(url, "agent-framework")
    await client.delete(f"{prefix}:riker", f"{prefix}:older")
    await client.aclose()


def _stored(column: str, value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict) else bytes.fromhex(value) if column == "blob" else value


@pytest.fixture
async def checkpoints(tmp_path: Path) -> AsyncIterator[str]:
    """A database with the tables that LangGraph's `PostgresSaver` wrote."""
    schema, tables = schema_of(tmp_path), json.loads((DATA / "langgraph_postgres.json").read_text())
    types_of = {"checkpoint": "jsonb", "metadata": "jsonb", "blob": "bytea"}
    async with await psycopg.AsyncConnection.connect(postgres_url(), autocommit=True) as connection:
        await connection.execute(f'CREATE SCHEMA "{schema}"'.encode())
        for name, rows in tables.items():
            columns = ", ".join(f"{column} {types_of.get(column, 'text')}" for column in rows[0])
            await connection.execute(f'CREATE TABLE "{schema}".{name} ({columns})'.encode())
            for row in rows:
                values = [_stored(column, value) for column, value in row.items()]
                marks = ", ".join(["%s"] * len(values))
                await connection.execute(f'INSERT INTO "{schema}".{name} VALUES ({marks})'.encode(), values)
        yield f"{postgres_url()}{'&' if '?' in postgres_url() else '?'}options=-csearch_path%3D{schema}"
        await connection.execute(f'DROP SCHEMA "{schema}" CASCADE'.encode())


async def test_checkpoints_of_langgraph_come_in_with_their_branches(checkpoints: str) -> None:
    for threads_found in (await found(DATA / "langgraph.sqlite"), await found(checkpoints, "langgraph")):
        other, main, branch = threads_found
        assert (other.id, shape(other)) == ("other", [["user", "assistant"]])
        assert (main.id, shape(main)) == ("riker", [["user", "assistant"], ["user", "assistant", "tool", "assistant"]])
        assert (branch.id, shape(branch)) == ("riker~h2b", [["user", "assistant"], ["user", "assistant"]])
        assert branch.parent is not None
        assert (branch.parent.thread_id, branch.parent.turn_id) == ("riker", "h1")
        assert [turn.id for turn in main.turns] == ["h1", "h2"]
        assert (main.losses, branch.metadata) == ({"other value of the state": 1}, {"shown": True})
        assert kinds(branch)[2:4] == ["Text", "Uri"]
        times = [turn.created_us for turn in (*main.turns, branch.turns[1])]
        assert None not in times
        assert times == sorted(time or 0 for time in times)


def test_what_is_no_database_of_a_format_is_told(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    for source, format, told in (
        (text, "langgraph", "not the file of a SQLite database"),
        ("mysql://x/y", "langgraph", "postgresql://"),
        ("mysql://x/y", "agent-framework", "redis://"),
        ("postgresql://x/y", None, "not guessed"),
    ):
        with pytest.raises(InvalidInput, match=told):
            threads(source, format)
    with pytest.raises(StateError, match="no table 'events'"):
        threads(DATA / "langgraph.sqlite", "google-adk")
