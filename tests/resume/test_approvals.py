"""Calls that wait to be allowed: some of several, in another process, with other arguments, and only once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recuerda import (
    AlreadyDecided,
    ConfigurationError,
    Context,
    ContextProvider,
    FunctionResultContent,
    FunctionTool,
    InvalidInput,
    Storage,
    ThreadConflict,
    ToolOutcomeUnknown,
    TurnPending,
)
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.ram import MemoryStorage
from recuerda.testing.scripted import ScriptedChatClient
from tests.conversation import texts
from tests.resume.conversations import Deed, agent_of, calls, check_sendable, stored_turns
from tests.thread.own_store import OwnStore

DAYS_US = 2 * 24 * 3600 * 1_000_000


@pytest.fixture
def guarded(deed: Deed) -> FunctionTool:
    return FunctionTool.of(deed.act, needs_approval=True)


def results_of(messages: Any) -> list[Any]:
    return [part.result for message in messages for part in message.contents if isinstance(part, FunctionResultContent)]


async def test_some_calls_may_be_allowed_before_others(storage: Storage, deed: Deed, guarded: FunctionTool) -> None:
    one, client = agent_of([calls("a", "b", "c"), "done"], storage, guarded, durability="turn")
    reply = await one.run("go", thread="t")
    assert [call.call_id for call in reply.pending] == ["a", "b", "c"]
    reply = await one.resume("t", approvals={"b": True})
    assert ([call.call_id for call in reply.pending], deed.done) == (["a", "c"], ["b"])
    reply = await one.resume("t", approvals={"c": False})
    assert ([call.call_id for call in reply.pending], deed.done) == (["a"], ["b"])
    assert len(client.requests) == 1
    reply = await one.resume("t", approvals={"a": {"what": "another"}})
    assert (reply.text, reply.pending, deed.done) == ("done", (), ["b", "another"])
    (turn,) = await stored_turns(storage)
    assert turn.messages[1].function_calls[0].arguments == {"what": "another"}
    check_sendable(list(turn.messages))


async def test_a_call_with_the_id_of_a_decided_call_waits_for_a_decision_of_its_own(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    one, _ = agent_of([calls("a"), calls("a", "a-2"), calls("a"), "done"], storage, guarded)
    await one.run("go", thread="t")
    reply = await one.resume("t", approvals={"a": True})
    assert [call.call_id for call in reply.pending] == ["a-3", "a-2"]
    with pytest.raises(AlreadyDecided):  # somebody who has seen only the first call
        await one.resume("t", approvals={"a": True})
    reply = await one.resume("t", approvals={"a-3": True, "a-2": False})
    assert [call.call_id for call in reply.pending] == ["a-4"]
    assert (await one.resume("t", approvals={"a-4": True})).text == "done"
    assert deed.done == ["a", "a", "a"]
    (turn,) = await stored_turns(storage)
    check_sendable(list(turn.messages))


async def test_the_callers_arguments_are_checked_before_anything_is_settled(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    one, _ = agent_of([calls("a", "b"), "done"], storage, guarded)
    await one.run("go", thread="t")
    steps = await storage.load_draft("t")
    for edited in ({"what": 5}, {}, {"what": "x", "more": 1}):
        with pytest.raises(InvalidInput, match="for tool 'act' do not match its parameters"):
            await one.resume("t", approvals={"b": True, "a": edited})  # pyright: ignore[reportArgumentType] - not what the tool takes
    assert (await storage.load_draft("t"), deed.done) == (steps, [])


async def test_an_agent_without_the_tool_leaves_the_call_waiting(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    first, _ = agent_of([calls("a")], storage, guarded)
    await first.run("go", thread="t")
    without, _ = agent_of([], storage)
    assert [call.call_id for call in (await without.resume("t")).pending] == ["a"]
    with pytest.raises(InvalidInput, match="which this agent does not have"):
        await without.resume("t", approvals={"a": True})
    second, _ = agent_of(["done"], storage, guarded)
    assert (await second.resume("t", approvals={"a": True})).text == "done"
    assert deed.done == ["a"]


async def test_an_agent_whose_tool_is_not_guarded_leaves_the_call_waiting(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    first, _ = agent_of([calls("a")], storage, guarded)
    await first.run("go", thread="t")
    second, _ = agent_of(["done"], storage, deed.act)
    assert [call.call_id for call in (await second.resume("t")).pending] == ["a"]
    assert deed.done == []


async def test_an_approval_days_later_is_as_good(tmp_path: Path, deed: Deed, guarded: FunctionTool) -> None:
    path = tmp_path / "threads.db"
    now_us = 1_750_000_000_000_000
    async with SQLiteStorage(path, clock=lambda: now_us) as monday:
        one, _ = agent_of([calls("a")], monday, guarded, durability="turn")
        await one.run("go", thread="t")
    async with SQLiteStorage(path, clock=lambda: now_us + DAYS_US) as wednesday:
        other, _ = agent_of(["done"], wednesday, guarded)
        pending = await other.pending_turn("t")
        assert pending is not None
        assert pending.age.days > 2
        assert [(call.call_id, call.is_started) for call in pending.calls] == [("a", False)]
        assert (await other.resume("t", approvals={"a": True})).text == "done"
    assert deed.done == ["a"]


async def test_of_two_that_approve_at_once_one_is_refused(tmp_path: Path, deed: Deed, guarded: FunctionTool) -> None:
    for round_number in range(10):
        async with SQLiteStorage(tmp_path / "threads.db") as here, SQLiteStorage(tmp_path / "threads.db") as there:
            thread = f"t{round_number}"
            first, _ = agent_of([calls(thread), "done"], here, guarded)
            second, _ = agent_of(["done"], there, guarded)
            await first.run("go", thread=thread)
            came = await asyncio.gather(
                *(one.resume(thread, approvals={thread: True}) for one in (first, second)), return_exceptions=True
            )
            failures = [one for one in came if isinstance(one, Exception)]
            assert [type(one) for one in failures] == [AlreadyDecided], came
            assert deed.done.count(thread) == 1


APPROVER = """
import asyncio, sys
from recuerda import AlreadyDecided, FunctionTool
from recuerda.testing.scripted import ScriptedChatClient

def act(what: str) -> str:
    open(sys.argv[2], "a").write(what)
    return "did it"

async def main():
    async with ScriptedChatClient(["done"]).create_agent(
        storage=sys.argv[1], tools=FunctionTool.of(act, needs_approval=True)
    ) as agent:
        try:
            print((await agent.resume("t", approvals={"a": True})).text)
        except AlreadyDecided as error:
            print(type(error).__name__)

asyncio.run(main())
"""


async def test_another_process_goes_on_with_an_approval_and_a_third_is_refused(
    tmp_path: Path, guarded: FunctionTool
) -> None:
    url, file = f"sqlite:///{tmp_path}/threads.db", tmp_path / "deeds"
    async with SQLiteStorage(tmp_path / "threads.db") as storage:
        one, _ = agent_of([calls("a")], storage, guarded)
        await one.run("go", thread="t")
    command = [sys.executable, "-c", APPROVER, url, str(file)]
    said = [
        (await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["done", "AlreadyDecided"]
    assert file.read_text() == "a"


async def test_a_stream_ends_with_what_waits(storage: Storage, deed: Deed, guarded: FunctionTool) -> None:
    one, _ = agent_of([calls("a", text="May I?"), "done"], storage, guarded)
    stream = one.run_stream("go", thread="t")
    shown = [update.text async for update in stream]
    assert "".join(shown) == "May I?"
    assert [call.call_id for call in stream.response.pending] == ["a"]
    stream = one.resume_stream("t", approvals={"a": True})
    assert [update.role async for update in stream] == ["tool", "assistant"]
    assert (stream.response.text, deed.done) == ("done", ["a"])


def test_run_sync_ends_with_what_waits(deed: Deed, guarded: FunctionTool) -> None:
    one, _ = agent_of([calls("a"), "done"], MemoryStorage(), guarded, durability="turn")
    assert [call.call_id for call in one.run_sync("go", thread="t").pending] == ["a"]
    assert deed.done == []


class Toolbox(ContextProvider):
    """Brings a tool along."""

    def __init__(self, tool: FunctionTool) -> None:
        self._tool = tool

    async def invoking(self, messages: Any, **_: Any) -> Context:
        return Context(tools=[self._tool])


async def test_a_providers_tool_may_need_approval(storage: Storage, deed: Deed, guarded: FunctionTool) -> None:
    one, _ = agent_of([calls("a"), "done"], storage, durability="turn", context_providers=Toolbox(guarded))
    assert [call.call_id for call in (await one.run("go", thread="t")).pending] == ["a"]
    assert (await one.resume("t", approvals={"a": True})).text == "done"
    assert deed.done == ["a"]


async def test_an_allowed_call_that_was_cut_is_in_doubt_and_told(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    deed.fails_on = {"a"}
    one, _ = agent_of([calls("a"), "done"], storage, guarded)
    await one.run("go", thread="t")
    with pytest.raises(asyncio.CancelledError):
        await one.resume("t", approvals={"a": True})
    pending = await one.pending_turn("t")
    assert pending is not None
    assert [(call.call_id, call.is_started) for call in pending.calls] == [("a", True)]
    with pytest.raises(AlreadyDecided, match="already approved"):
        await one.resume("t", approvals={"a": True})
    with pytest.raises(ToolOutcomeUnknown):
        await one.resume("t")
    await one.resume("t", outcomes={"a": "it was done"})
    (turn,) = await stored_turns(storage)
    assert (results_of(turn.messages), deed.done) == (["it was done"], ["a"])


async def test_a_thread_that_moves_on_while_a_call_waits_ends_the_turn(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    one, _ = agent_of([calls("a")], storage, guarded)
    await one.run("go", thread="t")
    other, _ = agent_of(["hello"], storage, durability="turn")
    await other.run("hi", thread="t", on_pending="discard")
    with pytest.raises(InvalidInput, match="no interrupted turn"):
        await one.resume("t", approvals={"a": True})
    assert deed.done == []


async def test_a_run_that_resumes_first_is_refused_while_a_call_waits(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    one, _ = agent_of([calls("a")], storage, guarded)
    await one.run("go", thread="t")
    other, client = agent_of([], storage, guarded, durability="turn")
    with pytest.raises(TurnPending):
        await other.run("hi", thread="t", on_pending="resume")
    assert (client.requests, deed.done) == ([], [])


async def test_a_turn_whose_thread_was_undone_is_not_gone_on_with(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    one, _ = agent_of(["hello", calls("a")], storage, guarded)
    await one.run("hi", thread="t")
    await one.run("go", thread="t")
    await one.get_thread("t").undo()
    with pytest.raises((ThreadConflict, InvalidInput)):
        await one.resume("t", approvals={"a": True})
    assert deed.done == []


async def test_a_summary_meanwhile_does_not_stand_in_the_way(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    one, _ = agent_of(["hello", calls("a"), "done"], storage, guarded)
    await one.run("hi", thread="t")
    await one.run("go", thread="t")
    await storage.summarize("t", b'{"summary":"they said hello"}', through=1)
    assert (await one.resume("t", approvals={"a": True})).text == "done"
    assert texts(list((await stored_turns(storage))[-1].messages)) == ["go", "", "", "done"]
    assert deed.done == ["a"]


async def test_a_call_cannot_wait_without_a_thread(deed: Deed, guarded: FunctionTool) -> None:
    one, _ = agent_of([calls("a")], MemoryStorage(), guarded, durability="turn")
    with pytest.raises(ConfigurationError, match="no thread on which to wait"):
        await one.run("go")
    assert deed.done == []


async def test_a_thread_that_cannot_hold_a_turn_is_refused_before_anything_is_paid_for(guarded: FunctionTool) -> None:
    client = ScriptedChatClient(["never"])
    one = client.create_agent(chat_message_store_factory=OwnStore, tools=guarded)
    with pytest.raises(ConfigurationError, match="unfinished turn"):
        await one.run("go", thread=one.get_new_thread())
    assert client.requests == []


async def test_what_waits_is_encrypted_like_the_thread(tmp_path: Path, deed: Deed, guarded: FunctionTool) -> None:
    path = tmp_path / "threads.db"
    async with EncryptedStorage(SQLiteStorage(path), KeyRing({"k1": bytes(32)}, current="k1")) as storage:
        one, _ = agent_of([calls("a", text="the secret plan")], storage, guarded)
        await one.run("the secret wish", thread="t")
        async with SQLiteStorage(path) as plain:
            draft = await plain.load_draft("t")
            assert draft is not None
            assert all(b"secret" not in step.body for step in draft.steps)
        other, _ = agent_of(["done"], storage, guarded)
        assert (await other.resume("t", approvals={"a": True})).text == "done"
    assert deed.done == ["a"]
