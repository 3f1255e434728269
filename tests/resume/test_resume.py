"""A durable run that broke off, and what resuming it does and does not do again."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from recuerda import (
    Agent,
    AlreadyDecided,
    ChatClientError,
    ChatMessage,
    ChatRequest,
    ConfigurationError,
    DraftConflict,
    FunctionResultContent,
    FunctionTool,
    InvalidInput,
    NewTurn,
    Storage,
    StorageError,
    ThreadConflict,
    ToolOutcomeUnknown,
    Turn,
    TurnPending,
)
from recuerda.agent import journal
from recuerda.messages.codec import encode_turn
from recuerda.storage.drafts import DraftStep
from recuerda.storage.thread_info import Expected
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.conversation import texts
from tests.resume.conversations import Deed


def fail(request: ChatRequest) -> Any:
    raise ChatClientError("the service is down", status=503)


def agent(
    answers: list[Any], storage: Storage, *tools: Callable[..., Any] | FunctionTool, **options: Any
) -> tuple[Agent, ScriptedChatClient]:
    client = ScriptedChatClient(answers)
    return client.create_agent(storage=storage, tools=list(tools), durability="steps", **options), client


async def test_a_run_goes_on_where_the_model_failed(storage: Storage, deed: Deed) -> None:
    first, _ = agent([call("act", {"what": "a"}), call("act", {"what": "b"}), fail], storage, deed.act)
    with pytest.raises(ChatClientError):
        await first.run("go", thread="t")
    assert (await storage.read("t")).records == ()

    second, client = agent(["all done"], storage, deed.act)
    reply = await second.resume("t")
    assert reply.text == "all done"
    assert deed.done == ["a", "b"]
    assert [message.role for message in client.requests[0].messages] == [
        *("user", "assistant", "tool", "assistant", "tool"),
    ]
    thread = second.get_thread("t")
    assert len(await thread.list_messages()) == 6
    assert await second.pending_turn("t") is None
    assert (await storage.head("t")).revision == 1  # pyright: ignore[reportOptionalMemberAccess] - it is there


async def test_the_steps_of_a_whole_turn_leave_nothing_behind(storage: Storage, deed: Deed) -> None:
    one, _ = agent([call("act", {"what": "a"}), "done"], storage, deed.act)
    reply = await one.run("go", thread="t")
    assert reply.text == "done"
    assert await storage.load_draft("t") is None


async def test_a_call_in_doubt_is_told_and_not_made_again(storage: Storage, deed: Deed) -> None:
    deed.fails_on = {"a"}
    first, _ = agent([call("act", {"what": "a"}, call_id="c1")], storage, deed.act)
    with pytest.raises(asyncio.CancelledError):
        await first.run("go", thread="t")
    second, client = agent(["fine"], storage, deed.act)
    with pytest.raises(ToolOutcomeUnknown) as caught:
        await second.resume("t")
    assert (caught.value.call_id, caught.value.name, caught.value.arguments) == ("c1", "act", {"what": "a"})
    assert client.requests == []
    reply = await second.resume("t", outcomes={"c1": "it was done"})
    assert reply.text == "fine"
    assert deed.done == ["a"]
    result = client.requests[0].messages[-1].contents[0]
    assert isinstance(result, FunctionResultContent)
    assert result.result == "it was done"


async def test_a_tool_that_may_be_retried_is_called_again(storage: Storage, deed: Deed) -> None:
    deed.fails_on = {"a"}
    tool = FunctionTool.of(deed.act, retry_safe=True)
    first, _ = agent([call("act", {"what": "a"})], storage, tool)
    with pytest.raises(asyncio.CancelledError):
        await first.run("go", thread="t")
    deed.fails_on = set()
    second, _ = agent(["fine"], storage, tool)
    assert (await second.resume("t")).text == "fine"
    assert deed.done == ["a", "a"]


async def test_a_run_on_a_thread_with_an_interrupted_turn_is_refused(storage: Storage, deed: Deed) -> None:
    first, _ = agent([call("act", {"what": "a"}), fail], storage, deed.act)
    with pytest.raises(ChatClientError):
        await first.run("go", thread="t")
    second, client = agent(["resumed", "next"], storage, deed.act)
    with pytest.raises(TurnPending) as caught:
        await second.run("what now?", thread="t")
    assert caught.value.step == 2
    assert caught.value.age.total_seconds() >= 0
    assert client.requests == []
    reply = await second.run("what now?", thread="t", on_pending="resume")
    assert reply.text == "next"
    assert texts(await second.get_thread("t").list_messages())[-3:] == ["resumed", "what now?", "next"]


async def test_an_interrupted_turn_can_be_dropped(storage: Storage, deed: Deed) -> None:
    first, _ = agent([call("act", {"what": "a"}), fail], storage, deed.act)
    with pytest.raises(ChatClientError):
        await first.run("go", thread="t")
    second, _ = agent(["next"], storage, deed.act)
    await second.run("what now?", thread="t", on_pending="discard")
    assert texts(await second.get_thread("t").list_messages()) == ["what now?", "next"]
    assert await second.discard_turn("t") is False
    with pytest.raises(InvalidInput, match="no interrupted turn"):
        await second.resume("t")


async def test_the_turn_that_was_shown_is_dropped_and_no_later_one(storage: Storage, deed: Deed) -> None:
    first, _ = agent([call("act", {"what": "a"}), fail, call("act", {"what": "b"}), fail], storage, deed.act)
    with pytest.raises(ChatClientError):
        await first.run("go", thread="t", turn_id="shown")
    shown = await first.pending_turn("t")
    assert shown is not None
    with pytest.raises(ChatClientError):
        await first.run("go on", thread="t", turn_id="later", on_pending="discard")
    assert await first.discard_turn("t", turn_id=shown.turn_id) is False
    later = await first.pending_turn("t")
    assert later is not None
    assert later.turn_id == "later"
    assert await first.discard_turn("t", turn_id=later.turn_id) is True
    assert await first.discard_turn("t", turn_id=later.turn_id) is False


async def test_a_turn_is_not_resumed_on_a_thread_that_moved_on(storage: Storage, deed: Deed) -> None:
    one, _ = agent(["hi"], storage, deed.act)
    await one.run("hello", thread="t")
    first, _ = agent([call("act", {"what": "a"}), fail], storage, deed.act)
    with pytest.raises(ChatClientError):
        await first.run("go", thread="t")
    await storage.undo("t")
    second, client = agent(["never"], storage, deed.act)
    with pytest.raises(ThreadConflict):
        await second.resume("t")
    assert client.requests == []


async def test_only_one_of_two_resumes_goes_on(storage: Storage, deed: Deed) -> None:
    first, _ = agent([call("act", {"what": "a"}), fail], storage, deed.act)
    with pytest.raises(ChatClientError):
        await first.run("go", thread="t")
    draft = await storage.load_draft("t")
    assert draft is not None
    second, _ = agent(["once"], storage, deed.act)
    outcomes = await asyncio.gather(second.resume("t"), second.resume("t"), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AgentResponse", "InvalidInput"]
    with pytest.raises(DraftConflict):
        await storage.save_draft("t", draft.steps[-1])


def drop_table(table: str) -> str:
    """Drop a table."""
    return f"dropped {table}"


async def test_a_call_waits_to_be_allowed_and_is_then_made_once(storage: Storage, deed: Deed) -> None:
    tool = FunctionTool.of(deed.act, needs_approval=True)
    client = ScriptedChatClient([call("act", {"what": "a"}, call_id="c1")])
    first = client.create_agent(storage=storage, tools=tool)
    reply = await first.run("go", thread="t")
    assert [(one.call_id, one.name, one.arguments, one.is_started) for one in reply.pending] == [
        ("c1", "act", {"what": "a"}, False)
    ]
    assert deed.done == []
    assert (await storage.read("t")).records == ()

    second = ScriptedChatClient(["done"]).create_agent(storage=storage, tools=tool)
    waiting = await second.resume("t")
    assert [one.call_id for one in waiting.pending] == ["c1"]
    reply = await second.resume("t", approvals={"c1": True})
    assert (reply.text, reply.pending, deed.done) == ("done", (), ["a"])
    with pytest.raises(AlreadyDecided, match="already approved"):
        await second.resume("t", approvals={"c1": True})
    assert deed.done == ["a"]


@pytest.mark.parametrize("decision", [False, {"what": "b"}])
async def test_a_call_may_be_refused_or_changed(storage: Storage, deed: Deed, decision: Any) -> None:
    tool = FunctionTool.of(deed.act, needs_approval=True)
    client = ScriptedChatClient([call("act", {"what": "a"}, call_id="c1"), "done"])
    one = client.create_agent(storage=storage, tools=tool)
    await one.run("go", thread="t")
    await one.resume("t", approvals={"c1": decision})
    answer, results = (await one.get_thread("t").list_messages())[1:3]
    result = results.contents[0]
    assert isinstance(result, FunctionResultContent)
    if decision is False:
        assert deed.done == []
        assert result.is_error
        assert answer.function_calls[0].arguments == {"what": "a"}
    else:
        assert deed.done == ["b"]
        assert answer.function_calls[0].arguments == {"what": "b"}


async def test_calls_that_need_no_approval_are_made_meanwhile(storage: Storage, deed: Deed) -> None:
    guarded = FunctionTool.of(drop_table, needs_approval=True)
    both = ChatMessage(
        "assistant",
        [
            *call("act", {"what": "a"}, call_id="1").contents,
            *call("drop_table", {"table": "x"}, call_id="2").contents,
        ],
    )
    client = ScriptedChatClient([both, "done"])
    one = client.create_agent(storage=storage, tools=[deed.act, guarded])
    reply = await one.run("go", thread="t")
    assert deed.done == ["a"]
    assert [pending.call_id for pending in reply.pending] == ["2"]
    await one.resume("t", approvals={"2": True})
    assert deed.done == ["a"]
    results = (await one.get_thread("t").list_messages())[2].contents
    assert [part.result for part in results if isinstance(part, FunctionResultContent)] == ["did a", "dropped x"]


async def test_a_decision_on_a_call_that_does_not_wait_is_refused(storage: Storage, deed: Deed) -> None:
    tool = FunctionTool.of(deed.act, needs_approval=True)
    one = ScriptedChatClient([call("act", {"what": "a"}, call_id="c1")]).create_agent(storage=storage, tools=tool)
    await one.run("go", thread="t")
    for decisions in ({"approvals": {"c2": True}}, {"outcomes": {"c1": "done"}}):
        with pytest.raises(InvalidInput, match="is not waiting for that"):
            await one.resume("t", **decisions)  # pyright: ignore[reportArgumentType] - one of both
    assert deed.done == []


async def test_durable_runs_need_a_store_that_knows_turns(deed: Deed) -> None:
    from tests.thread.own_store import OwnStore

    client = ScriptedChatClient(["never"])
    one = client.create_agent(chat_message_store_factory=OwnStore, tools=deed.act, durability="steps")
    with pytest.raises(ConfigurationError, match="unfinished turn"):
        await one.run("go", thread=one.get_new_thread())
    assert client.requests == []


@pytest.mark.parametrize("on_pending", ["discard", "resume"])
async def test_a_run_that_is_at_work_is_waited_for_and_not_taken_for_an_interrupted_one(
    storage: Storage, deed: Deed, on_pending: Any
) -> None:
    is_asked_again = asyncio.Event()

    class Slow(ScriptedChatClient):
        async def respond(self, request: ChatRequest) -> Any:
            if self.requests:
                is_asked_again.set()
            await asyncio.sleep(0.01)
            return await super().respond(request)

    client = Slow([call("act", {"what": "a"}), call("act", {"what": "b"}), "first", "second"])
    one = client.create_agent(storage=storage, tools=deed.act, durability="steps")
    first = asyncio.ensure_future(one.run("go", thread="t"))
    await is_asked_again.wait()
    second = await one.run("and?", thread="t", on_pending=on_pending)
    assert ((await first).text, second.text, deed.done) == ("first", "second", ["a", "b"])
    assert (await storage.head("t")).revision == 2  # pyright: ignore[reportOptionalMemberAccess] - it is there


async def test_a_turn_that_was_committed_is_replayed_and_drops_no_other(storage: Storage, deed: Deed) -> None:
    one, _ = agent(["hi", call("act", {"what": "a"}), fail], storage, deed.act)
    await one.run("hello", thread="t", turn_id="visit-1")
    with pytest.raises(ChatClientError):
        await one.run("go", thread="t")
    reply = await one.run("hello", thread="t", turn_id="visit-1", on_pending="discard")
    assert (reply.text, reply.is_replay) == ("hi", True)
    assert await one.pending_turn("t") is not None


async def test_an_interrupted_turn_is_gone_on_with_by_a_run_of_its_own_id(storage: Storage, deed: Deed) -> None:
    first, _ = agent([call("act", {"what": "a"}), fail], storage, deed.act)
    with pytest.raises(ChatClientError):
        await first.run("go", thread="t", turn_id="visit-1")
    second, client = agent(["done"], storage, deed.act)
    reply = await second.run("go", thread="t", turn_id="visit-1", on_pending="resume")
    assert (reply.text, reply.is_replay, len(client.requests), deed.done) == ("done", True, 1, ["a"])
    assert len(await second.get_thread("t").list_messages()) == 4


async def test_a_tool_of_a_resumed_turn_cannot_wait_for_its_own_thread(storage: Storage) -> None:
    async def ask_again() -> str:
        """Ask the agent itself."""
        return (await second.run("and?", thread="t")).text

    async def break_off() -> str:
        """Do not finish."""
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)
        return ""

    first, _ = agent([call("ask_again")], storage, FunctionTool.of(break_off, name="ask_again"))
    with pytest.raises(asyncio.CancelledError):
        await first.run("go", thread="t")
    second, _ = agent(["done", "next"], storage, FunctionTool.of(ask_again, retry_safe=True, expose_errors=True))
    reply = await second.run("hello", thread="t", on_pending="resume")
    assert reply.text == "next"
    results = (await second.get_thread("t").list_messages())[2].contents
    assert "inside another run" in str(getattr(results[0], "result", ""))


async def test_a_summary_behind_the_last_answer_does_not_stop_a_turn_that_begins(storage: Storage, deed: Deed) -> None:
    one, _ = agent(["hi"], storage, deed.act)
    await one.run("hello", thread="t")

    class SummedUpMeanwhile(ScriptedChatClient):
        async def respond(self, request: ChatRequest) -> Any:
            if len(self.requests) == 0:
                await storage.summarize("t", b'{"summary":"they said hello"}', through=1)
            return await super().respond(request)

    client = SummedUpMeanwhile([call("act", {"what": "a"}), "done"])
    other = client.create_agent(storage=storage, tools=deed.act, durability="steps")
    assert (await other.run("go", thread="t")).text == "done"
    assert deed.done == ["a"]


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("is_resumed", [False, True])
async def test_a_turn_writes_no_step_into_the_thread_that_came_after_its_own(
    storage: Storage, is_resumed: bool, is_first: bool
) -> None:
    if not is_first:
        await agent(["hi"], storage)[0].run("hello", thread="t")

    async def begin_anew() -> str:
        """Begin the thread anew, and the same turn in it, as another process does."""
        draft = await storage.load_draft("t")
        assert draft is not None
        await storage.delete("t")
        turn = Turn(messages=(ChatMessage("user", "new"),))
        if not is_first:
            await storage.append("t", NewTurn(body=encode_turn(turn), message_count=1))
        for step in draft.steps:
            await storage.save_draft("t", replace(step, body=b"new"))
        return "done"

    tool = FunctionTool.of(begin_anew, needs_approval=is_resumed)
    other, client = agent([call("begin_anew", {}, call_id="c"), "never"], storage, tool)
    if is_resumed:
        assert (await other.run("go", thread="t")).pending
    with pytest.raises(ThreadConflict):
        await (other.resume("t", approvals={"c": True}) if is_resumed else other.run("go", thread="t"))
    draft = await storage.load_draft("t")
    assert draft is not None
    assert {step.body for step in draft.steps} == {b"new"}
    assert len(client.requests) == 1


async def test_any_agent_refuses_a_thread_with_an_interrupted_turn(storage: Storage, deed: Deed) -> None:
    first, _ = agent([call("act", {"what": "a"}), fail], storage, deed.act)
    with pytest.raises(ChatClientError):
        await first.run("go", thread="t")
    plain = ScriptedChatClient(["never"])
    with pytest.raises(TurnPending):
        await plain.create_agent(storage=storage).run("hello", thread="t")
    assert plain.requests == []


async def test_a_step_that_cannot_be_written_at_first_is_written_again(
    storage: Storage, deed: Deed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "PAUSE_S", 0)
    save = storage.save_draft
    tries: list[int] = []

    async def failing(thread_id: str, step: DraftStep, *, expected: Expected | None) -> str:
        incarnation = await save(thread_id, step, expected=expected)
        tries.append(step.number)
        if tries.count(step.number) < journal.ATTEMPTS:
            raise StorageError("the answer was lost")
        return incarnation

    monkeypatch.setattr(storage, "save_draft", failing)
    one, _ = agent([call("act", {"what": "a"}), "done"], storage, deed.act)
    assert (await one.run("go", thread="t")).text == "done"
    assert (deed.done, tries) == (["a"], [1, 1, 1, 2, 2, 2])
