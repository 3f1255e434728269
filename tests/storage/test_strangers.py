"""Every public operation on a thread, for a user who does not own it, in every way not to own it, on every storage."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from recuerda import (
    Agent,
    AgentThread,
    ChatMessage,
    ChatMessageStore,
    ContextWindow,
    Storage,
    ThreadOwnershipError,
    Turn,
    tool,
)
from recuerda.messages.codec import encode_turn
from recuerda.storage.records import TurnRecord
from recuerda.testing.scripted import ScriptedChatClient, call
from recuerda.threads.history import stored_turn
from recuerda.threads.loading import ThreadQuery

SECRET = "ana's secret"


@tool(needs_approval=True)
def pay(euros: int) -> str:
    """Pay an amount."""
    return f"paid {euros}"


def said(text: str) -> list[ChatMessage]:
    return [ChatMessage("user", text)]


def agent_on(storage: Storage, *answers: Any) -> Agent:
    return ScriptedChatClient(answers or ["evil"] * 9).create_agent(storage=storage, tools=pay)


async def with_turns(storage: Storage, thread_id: str) -> None:
    await agent_on(storage, "one", "two").run(SECRET, thread=opened(storage, thread_id, "ana"), turn_id="t1")


async def with_a_waiting_call(storage: Storage, thread_id: str) -> None:
    ana = opened(storage, thread_id, "ana")
    agent = agent_on(storage, "one", call("pay", {"euros": 9}, call_id="c1"))
    await agent.run(SECRET, thread=ana)
    assert (await agent.run(SECRET, thread=ana)).pending


async def with_a_first_turn_that_waits(storage: Storage, thread_id: str) -> None:
    agent = agent_on(storage, call("pay", {"euros": 9}, call_id="c1"))
    assert (await agent.run(SECRET, thread=opened(storage, thread_id, "ana"))).pending


async def with_settings_alone(storage: Storage, thread_id: str) -> None:
    await storage.update_thread(thread_id, user_id="ana", title=SECRET)


async def given_away(storage: Storage, thread_id: str) -> None:
    await storage.update_thread(thread_id, user_id="ana", title=SECRET)


async def made_anew(storage: Storage, thread_id: str) -> None:
    await storage.delete(thread_id)
    await with_turns(storage, thread_id)


WAYS: dict[str, Callable[[Storage, str], Awaitable[None]]] = {
    "with turns": with_turns,
    "with a call that waits": with_a_waiting_call,
    "with a first turn that waits": with_a_first_turn_that_waits,
    "with settings alone": with_settings_alone,
    "given away": given_away,
    "made anew": made_anew,
}
"""How a thread can be ana's. In the last two ways, bo has used the thread before."""

BEFORE = ("given away", "made anew")


def opened(storage: Storage, thread_id: str, user_id: str) -> AgentThread:
    return agent_on(storage).get_thread(thread_id, user_id=user_id)


def store_of(thread: AgentThread) -> ChatMessageStore:
    assert thread.turn_store is not None
    return thread.turn_store


STATE: dict[str, Any] = {
    "kind": "memory",
    "turns": [{"id": "e", "turn": {"messages": [{"role": "user", "content": "evil"}]}}],
}
EXPORT = (
    '{"format": "recuerda-thread", "version": 1, "id": "x"}\n'
    '{"id": "e", "turn": {"messages": [{"role": "user", "content": "evil"}]}}\n'
)
EVIL = Turn(messages=(ChatMessage("user", "evil"),))
PICTURED = TurnRecord(
    number=1, id="t1", created_us=1, committed_us=1, message_count=1, body=encode_turn(EVIL), blobs=("0" * 64,)
)


def thread_state(thread_id: str) -> dict[str, Any]:
    store = STATE | {"thread_id": thread_id}
    return {"version": 1, "kind": "thread", "id": thread_id, "service_thread_id": None, "store": store}


Call: TypeAlias = Callable[[Agent, AgentThread], Awaitable[object]]


async def through(stream: AsyncIterator[object]) -> None:
    async for _ in stream:
        pass


async def _into_anas(agent: Agent, bo: AgentThread) -> None:
    own = agent.get_thread("bo's own", user_id="bo")
    await store_of(own).add_messages(said("evil"))
    await own.fork(thread_id=bo.id)


STORE: dict[str, Call] = {
    "add_messages": lambda _, bo: store_of(bo).add_messages(said("evil")),
    "list_messages": lambda _, bo: store_of(bo).list_messages(),
    "update_from_state": lambda _, bo: store_of(bo).update_from_state(STATE | {"thread_id": bo.id}),
    "deserialize": lambda _, bo: ChatMessageStore.deserialize(
        STATE | {"thread_id": bo.id}, storage=store_of(bo).storage, user_id="bo"
    ),
    "refresh": lambda _, bo: store_of(bo).refresh(),
    "list_turns": lambda _, bo: store_of(bo).list_turns(skip_corrupt=True),
    "append": lambda _, bo: store_of(bo).append(EVIL, turn_id="t1"),
    "summarize": lambda _, bo: store_of(bo).summarize(b"evil", through=1),
    "undo": lambda _, bo: store_of(bo).undo(),
    "trim": lambda _, bo: store_of(bo).trim(keep_turns=1),
    "update_turn": lambda _, bo: store_of(bo).update_turn("t1", metadata={"rating": 1}),
    "fork": lambda _, bo: store_of(bo).fork(),
    "list_branches": lambda _, bo: store_of(bo).list_branches(),
    "whole": lambda _, bo: store_of(bo).whole(PICTURED),
    "filled": lambda _, bo: store_of(bo).filled(stored_turn(PICTURED, "t")),
    "info": lambda _, bo: store_of(bo).info(),
    "export_jsonl": lambda _, bo: store_of(bo).export_jsonl(),
    "import_jsonl": lambda _, bo: store_of(bo).import_jsonl(EXPORT),
    "clear": lambda _, bo: store_of(bo).clear(),
}
THREAD: dict[str, Call] = {
    "on_new_messages": lambda _, bo: bo.on_new_messages(said("evil")),
    "list_messages": lambda _, bo: bo.list_messages(),
    "list_turns": lambda _, bo: bo.list_turns(),
    "undo": lambda _, bo: bo.undo(),
    "update_turn": lambda _, bo: bo.update_turn(1, metadata={"rating": 1}),
    "fork": lambda _, bo: bo.fork(),
    "info": lambda _, bo: bo.info(),
    "list_branches": lambda _, bo: bo.list_branches(),
    "fork, into the thread": _into_anas,
    "load": lambda _, bo: bo.load(ThreadQuery(turn_id="t1")),
    "deserialize": lambda _, bo: AgentThread.deserialize(thread_state(bo.id), message_store=store_of(bo)),
    "update_from_thread_state": lambda _, bo: bo.update_from_thread_state(thread_state(bo.id)),
    "commit": lambda _, bo: bo.commit(EVIL, turn_id="t1", expected=None),
}
AGENT: dict[str, Call] = {
    "run": lambda agent, bo: agent.run("evil", thread=bo),
    "run, a retry": lambda agent, bo: agent.run("evil", thread=bo, turn_id="t1"),
    "run, after a resumption": lambda agent, bo: agent.run("evil", thread=bo, on_pending="resume"),
    "run, after a discard": lambda agent, bo: agent.run("evil", thread=bo, on_pending="discard"),
    "run_stream": lambda agent, bo: through(agent.run_stream("evil", thread=bo)),
    "run, in place of a turn": lambda agent, bo: agent.run("evil", thread=bo, replaces="t1"),
    "regenerate": lambda agent, bo: agent.regenerate(bo),
    "regenerate_stream": lambda agent, bo: through(agent.regenerate_stream(bo)),
    "edit": lambda agent, bo: agent.edit(bo, "t1", "evil"),
    "edit_stream": lambda agent, bo: through(agent.edit_stream(bo, 1, "evil")),
    "preview": lambda agent, bo: agent.preview("evil", thread=bo),
    "preview, of a turn": lambda agent, bo: agent.preview(thread=bo, turn="t1"),
    "preview, of a turn by its number": lambda agent, bo: agent.preview(thread=bo, turn=1),
    "resume": lambda agent, bo: agent.resume(bo, approvals={"c1": True}),
    "resume_stream": lambda agent, bo: through(agent.resume_stream(bo, approvals={"c1": True})),
    "pending_turn": lambda agent, bo: agent.pending_turn(bo),
    "decide": lambda agent, bo: agent.decide(bo, {"c1": True}),
    "discard_turn": lambda agent, bo: agent.discard_turn(bo),
    "deserialize_thread": lambda agent, bo: agent.deserialize_thread(thread_state(bo.id), user_id="bo"),
}
OPERATIONS = {
    f"{kind}.{name}": operation
    for kind, table in {"ChatMessageStore": STORE, "AgentThread": THREAD, "Agent": AGENT}.items()
    for name, operation in table.items()
}

NO_OPERATIONS_ON_A_THREAD = {
    # The state of a thread on a storage is its address. A test below looks into the state of a thread in RAM.
    "ChatMessageStore.serialize",
    "AgentThread.serialize",
    # A service's thread has no user here.
    "AgentThread.attach",
    "AgentThread.detach",
    "AgentThread.update_mirror",
    "AgentThread.verify_mirror",
    # It reads only the turns that the handle's own turns name. A test below lets them name a turn.
    "ChatMessageStore.read_pins",
    # It lists the turns of one user or of all, and a test below asks for bo's.
    "Agent.list_pending",
    "ChatMessageStore.close",
    "Agent.close",
}


def test_every_public_operation_is_tried() -> None:
    public = {
        f"{kind.__name__}.{name}"
        for kind in (ChatMessageStore, AgentThread, Agent)
        for name, _ in inspect.getmembers(kind, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    tried = {name.split(",")[0] for name in OPERATIONS}
    assert public - tried == NO_OPERATIONS_ON_A_THREAD


@pytest.mark.parametrize("way", WAYS)
async def test_no_operation_of_another_user_passes(storage: Storage, another: Storage, way: str) -> None:
    handles = {name: opened(another, "a", "bo") for name in OPERATIONS}
    if way in BEFORE:
        await store_of(handles["Agent.run"]).add_messages(said("bo's own words"))
        for bo in handles.values():
            assert len(await bo.list_messages()) == 1
    await WAYS[way](storage, "a")
    before = await everything(storage, "a")
    for name, operation in OPERATIONS.items():
        client = ScriptedChatClient(["evil"] * 9)
        agent = client.create_agent(storage=another, tools=pay)
        with pytest.raises(ThreadOwnershipError):
            pytest.fail(f"{name} passed: {await operation(agent, handles[name])!r}")
        assert await everything(storage, "a") == before, name
        assert client.requests == [], name


async def test_a_user_is_told_of_no_call_that_waits_in_anothers_thread(storage: Storage) -> None:
    await with_a_waiting_call(storage, "t")
    agent = agent_on(storage)
    assert (await agent.list_pending(user_id="bo")).turns == ()
    assert [turn.thread_id for turn in (await agent.list_pending(user_id="ana")).turns] == ["t"]


async def test_the_state_of_a_strangers_handle_holds_no_word(storage: Storage) -> None:
    await with_turns(storage, "t")
    bo = opened(storage, "t", "bo")
    try:
        state = str(await bo.serialize())
    except ThreadOwnershipError:
        return
    assert SECRET not in state


async def test_the_pinned_messages_of_a_thread_that_changed_hands_are_not_read(storage: Storage) -> None:
    bo = store_of(opened(storage, "a", "bo"))
    await bo.append(Turn(messages=(ChatMessage("user", "keep", additional_properties={"pinned": True}),)), turn_id="t1")
    await bo.append(Turn(messages=tuple(said("later")), pins=("t1",)))
    fresh = store_of(opened(storage, "a", "bo"))
    await fresh.refresh(ContextWindow(max_messages=1))
    await storage.delete("a")
    await with_turns(storage, "a")
    with pytest.raises(ThreadOwnershipError):
        pytest.fail(f"read_pins passed: {await fresh.read_pins()!r}")


async def everything(storage: Storage, thread_id: str) -> tuple[object, ...]:
    return await storage.read(thread_id), await storage.load_draft(thread_id)
