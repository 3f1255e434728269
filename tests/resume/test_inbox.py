"""The inbox of approvals: the turns in it, decisions without an agent's tools, and decisions that come too late."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from recuerda import (
    AlreadyDecided,
    ChatMessage,
    ConfigurationError,
    DraftConflict,
    FunctionResultContent,
    FunctionTool,
    InvalidInput,
    Storage,
    TurnPending,
)
from recuerda.agent import Refusal
from recuerda.agent.inbox import TRIES
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.ram import MemoryStorage
from tests.resume.conversations import Deed, agent_of, calls, check_sendable, stored_turns

HOUR_US = 3600 * 1_000_000
DAY = timedelta(days=1)


@pytest.fixture
def guarded(deed: Deed) -> FunctionTool:
    return FunctionTool.of(deed.act, needs_approval=True)


def results_of(messages: Any) -> list[Any]:
    return [part.result for message in messages for part in message.contents if isinstance(part, FunctionResultContent)]


def notes_of(messages: Any) -> list[Any]:
    """Return the decisions that stand on the calls of some messages, without their times."""
    calls: list[Any] = [call for message in messages for call in message.function_calls]
    kept: list[dict[str, Any]] = [call.additional_properties or {} for call in calls]
    notes: list[Any] = [properties.get("approval") for properties in kept]
    return [note and {key: note[key] for key in note if key != "at"} for note in notes]


# -- the list ----------------------------------------------------------------------------------------------------------


async def test_the_inbox_lists_what_waits_for_a_person_and_no_other_turn(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    broken = Deed()
    broken.fails_on = {"x"}
    one, _ = agent_of([calls("a", "b")], storage, guarded, durability="turn")
    two, _ = agent_of([calls("c"), "done", calls("d")], storage, guarded)
    cut, _ = agent_of([calls("x")], storage, broken.act)
    await one.run("go", thread=one.get_thread("ana's", user_id="ana"))
    await two.run("go", thread=two.get_thread("bo's", user_id="bo"))
    with pytest.raises(asyncio.CancelledError):
        await cut.run("go", thread="broken off")
    await storage.save_draft("not ours", (await storage.load_draft("ana's")).steps[0])  # pyright: ignore[reportOptionalMemberAccess] - it is there
    await storage.drop_draft("not ours")
    page = await two.list_pending()
    assert [(turn.thread_id, turn.user_id) for turn in page.turns] == [("ana's", "ana"), ("bo's", "bo")]
    assert [(call.call_id, call.waits_for, call.decision) for call in page.turns[0].calls] == [
        ("a", "approval", None),
        ("b", "approval", None),
    ]
    assert page.turns[0].calls[0].asked_at is not None
    assert [turn.thread_id for turn in (await two.list_pending(user_id="bo")).turns] == ["bo's"]
    first = await two.list_pending(limit=1)
    second = await two.list_pending(limit=1, cursor=first.cursor)
    assert [turn.thread_id for turn in (*first.turns, *second.turns)] == ["ana's", "bo's"]
    await two.resume("bo's", approvals={"c": True})
    assert (await two.list_pending(user_id="bo")).turns == ()


async def test_a_draft_that_is_no_turn_of_an_agent_is_left_out(storage: Storage, guarded: FunctionTool) -> None:
    one, _ = agent_of([calls("a")], storage, guarded)
    await one.run("go", thread="t")
    draft = await storage.load_draft("t")
    assert draft is not None
    await storage.save_draft("other", replace(draft.steps[0], body=b"another program's"))
    assert [turn.thread_id for turn in (await one.list_pending()).turns] == ["t"]


async def test_unknown_outcomes_are_listed_on_request(deed: Deed) -> None:
    one, _ = agent_of([calls("x")], MemoryStorage(), deed.act)
    deed.fails_on = {"x"}
    with pytest.raises(asyncio.CancelledError):
        await one.run("go", thread="t")
    assert (await one.list_pending()).turns == ()
    (turn,) = (await one.list_pending(unknown_outcomes=True)).turns
    assert (turn.has_unknown_outcome, turn.is_paused) == (True, False)
    assert [call.waits_for for call in turn.calls] == ["outcome"]


async def test_turns_that_are_sealed_are_counted_and_cannot_be_decided(guarded: FunctionTool) -> None:
    storage = MemoryStorage()
    keeper, _ = agent_of([calls("a")], EncryptedStorage(storage, KeyRing({"k": b"0" * 32}, current="k")), guarded)
    await keeper.run("go", thread="t")
    clerk, _ = agent_of([], storage)
    page = await clerk.list_pending()
    assert (page.turns, page.sealed) == ((), 1)
    with pytest.raises(InvalidInput, match="'t' is encrypted"):
        await clerk.decide("t", {"a": True})
    page = await keeper.list_pending()
    assert (len(page.turns), page.sealed) == (1, 0)


# -- decisions ---------------------------------------------------------------------------------------------------------


async def test_a_saved_decision_calls_nothing_and_the_next_resume_carries_it_out(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    first, _ = agent_of([calls("a", "b", "c")], storage, guarded, durability="turn")
    await first.run("go", thread="t")
    clerk, client = agent_of([], storage)
    await clerk.decide("t", {"a": True}, decided_by="eva")
    await clerk.decide("t", {"b": False}, decided_by="eva")
    turn = await clerk.decide("t", {"c": {"what": "less"}}, decided_by="bo")
    again = await clerk.pending_turn("t")
    assert again is not None
    assert turn.calls == again.calls
    assert [(call.waits_for, call.decision and call.decision.kind) for call in turn.calls] == [
        ("resume", "approved"),
        ("resume", "refused"),
        ("resume", "edited"),
    ]
    assert (turn.is_paused, turn.waits_for_approval) == (True, False)
    assert (client.requests, deed.done) == ([], [])
    with pytest.raises(TurnPending, match="has decided about") as refused:
        await clerk.run("and?", thread="t")
    assert (refused.value.waiting, refused.value.is_decided) == ((), True)
    second, _ = agent_of(["done", "yes"], storage, guarded)
    reply = await second.run("and?", thread="t", on_pending="resume")
    assert (reply.text, sorted(deed.done)) == ("yes", ["a", "less"])
    (turn, _) = await stored_turns(storage)
    assert notes_of(turn.messages) == [
        {"decision": "approved", "by": "eva"},
        {"decision": "refused", "by": "eva"},
        {"decision": "edited", "by": "bo", "asked": {"what": "c"}},
    ]
    assert [call.arguments for call in turn.messages[1].function_calls] == [
        {"what": "a"},
        {"what": "b"},
        {"what": "less"},
    ]
    check_sendable(list(turn.messages))


async def test_a_refusal_tells_the_model_its_reason(deed: Deed, guarded: FunctionTool) -> None:
    storage = MemoryStorage()
    one, _ = agent_of([calls("a", "b"), "done"], storage, guarded)
    await one.run("go", thread="t")
    turn = await one.decide("t", {"a": Refusal("too expensive"), "b": Refusal(" ")}, decided_by="eva")
    assert [call.decision and call.decision.reason for call in turn.calls] == ["too expensive", None]
    with pytest.raises(AlreadyDecided):
        await one.decide("t", {"a": True})
    await one.resume("t")
    (stored,) = await stored_turns(storage)
    denied = "Error: the user did not allow this call"
    assert results_of(stored.messages) == [f"{denied}: too expensive", denied]
    assert notes_of(stored.messages) == [
        {"decision": "refused", "by": "eva", "reason": "too expensive"},
        {"decision": "refused", "by": "eva"},
    ]
    assert deed.done == []


async def test_a_saved_outcome_stands_for_the_result_of_a_started_call(deed: Deed) -> None:
    storage = MemoryStorage()
    one, _ = agent_of([calls("x", "y"), "done"], storage, deed.act)
    deed.waits_on = {"x", "y"}
    run = asyncio.create_task(one.run("go", thread="t"))
    await deed.is_waiting.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    with pytest.raises(InvalidInput, match="give the outcome of the tool too"):
        await one.decide("t", outcomes={"x": "it was done"})
    turn = await one.decide("t", outcomes={"x": "it was done", "y": {"euros": 3}}, decided_by="eva")
    assert turn.calls == ()
    with pytest.raises(InvalidInput, match="not waiting for that"):
        await one.decide("t", outcomes={"x": "no"})
    assert (await one.resume("t")).text == "done"
    (stored,) = await stored_turns(storage)
    assert results_of(stored.messages) == ["it was done", {"euros": 3}]
    result = stored.messages[2].contents[0]
    assert result.additional_properties is not None
    assert result.additional_properties["outcome"]["by"] == "eva"


async def test_a_user_who_moves_on_is_told_who_decides_and_goes_on_after_the_decision(deed: Deed) -> None:
    storage = MemoryStorage()
    one, client = agent_of([], storage, FunctionTool.of(deed.act, needs_approval=True))

    async def run(thread: str) -> str:
        return (await one.run("and?", thread=thread, on_pending="resume")).text

    async def stream(thread: str) -> str:
        return "".join([update.text async for update in one.run_stream("and?", thread=thread, on_pending="resume")])

    async def sync(thread: str) -> str:
        return (await asyncio.to_thread(one.run_sync, "and?", thread=thread, on_pending="resume")).text

    for way in (run, stream, sync):
        name = way.__name__
        client.answers.append(calls("a"))
        await one.run("go", thread=name)
        with pytest.raises(TurnPending, match="wait for approval") as told:
            await way(name)
        assert told.value.waiting == ("a",), name
        await one.decide(name, {"a": True})
        client.answers.extend(["done", "yes"])
        assert await way(name) == "yes", name
    assert deed.done == ["a", "a", "a"]


async def test_a_decision_about_some_calls_leaves_the_others_waiting(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    one, _ = agent_of([calls("a", "b"), "done"], storage, guarded)
    await one.run("go", thread="t")
    assert (await one.decide("t", {"b": True})).waits_for_approval
    assert [call.call_id for call in (await one.resume("t")).pending] == ["a"]
    assert deed.done == ["b"]
    assert (await one.resume("t", approvals={"a": True}, decided_by="eva")).text == "done"
    (turn,) = await stored_turns(storage)
    assert notes_of(turn.messages) == [{"decision": "approved", "by": "eva"}, {"decision": "approved"}]


async def test_a_second_decision_is_refused_and_told_who_decided(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    one, _ = agent_of([calls("a"), "done"], storage, guarded)
    await one.run("go", thread="t")
    await one.decide("t", {"a": False}, decided_by="eva")
    ways = (one.decide("t", {"a": True}), one.resume("t", approvals={"a": True}))
    for way in ways:
        with pytest.raises(AlreadyDecided, match="'a' of thread 't' was already refused by eva at") as told:
            await way
        assert (told.value.decision, told.value.decided_by) == ("refused", "eva")
        assert isinstance(told.value, DraftConflict)
    assert (await one.resume("t")).text == "done"
    for way in (one.decide("t", {"a": True}), one.resume("t", approvals={"a": True})):
        with pytest.raises(AlreadyDecided, match="already refused by eva"):
            await way
    assert deed.done == []


async def test_of_two_that_decide_at_once_one_is_told_who_was_first(tmp_path: Path, guarded: FunctionTool) -> None:
    path = tmp_path / "threads.db"
    async with SQLiteStorage(path) as here, SQLiteStorage(path) as there:
        first, _ = agent_of([calls("a", "b")], here, guarded)
        second, _ = agent_of([], there, guarded)
        await first.run("go", thread="t")
        came = await asyncio.gather(
            first.decide("t", {"a": True}, decided_by="eva"),
            second.decide("t", {"a": False}, decided_by="bo"),
            second.decide("t", {"b": False}, decided_by="bo"),
            return_exceptions=True,
        )
        (refused,) = [one for one in came if isinstance(one, BaseException)]
        assert isinstance(refused, AlreadyDecided)
        pending = await first.pending_turn("t")
        assert pending is not None
        decision = pending.calls[0].decision
        assert decision is not None
        assert (refused.decision, refused.decided_by) == (decision.kind, decision.by)
        assert pending.calls[1].decision is not None


async def test_a_decision_that_always_comes_second_ends_with_a_conflict(
    guarded: FunctionTool, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = MemoryStorage()
    one, _ = agent_of([calls("a")], storage, guarded)
    await one.run("go", thread="t")
    tries: list[int] = []

    async def never(thread_id: str, step: Any, **_: Any) -> str:
        tries.append(step.number)
        raise DraftConflict(thread_id, turn_id=step.turn_id, number=step.number)

    monkeypatch.setattr(storage, "save_draft", never)
    with pytest.raises(DraftConflict):
        await one.decide("t", {"a": True})
    assert len(tries) == TRIES


async def test_what_cannot_be_decided_is_refused_and_changes_nothing(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    one, _ = agent_of([calls("a")], storage, guarded)
    with pytest.raises(InvalidInput, match="no turn that waits"):
        await one.decide("t", {"a": True})
    await one.run("go", thread="t")
    before = await storage.load_draft("t")
    for approvals, told in (({"b": True}, "not waiting for that"), ({"a": {"what": 5}}, "do not match its parameters")):
        with pytest.raises(InvalidInput, match=told):
            await one.decide("t", approvals)  # pyright: ignore[reportArgumentType] - not what the tool takes
    with pytest.raises(InvalidInput, match="decided_by"):
        await one.decide("t", {"a": True}, decided_by="")
    assert await storage.load_draft("t") == before
    deed.fails_on = {"a"}
    with pytest.raises(asyncio.CancelledError):
        await one.resume("t", approvals={"a": True})
    with pytest.raises(AlreadyDecided):
        await one.decide("t", {"a": True})


async def test_a_turn_that_is_running_takes_no_decision(storage: Storage, deed: Deed, guarded: FunctionTool) -> None:
    deed.waits_on = {"x"}
    free = FunctionTool.of(deed.act, name="free")
    answer = ChatMessage("assistant", [*calls("a").contents, *calls("x", tool="free").contents])
    one, _ = agent_of([answer], storage, guarded, free)
    run = asyncio.ensure_future(one.run("go", thread="t"))
    await deed.is_waiting.wait()
    clerk, _ = agent_of([], storage)
    with pytest.raises(InvalidInput, match="still running"):
        await clerk.decide("t", {"a": True})
    assert (await clerk.list_pending()).turns == ()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run


async def test_new_arguments_that_do_not_match_are_told_to_the_model(
    storage: Storage, deed: Deed, guarded: FunctionTool
) -> None:
    one, _ = agent_of([calls("a"), "I see"], storage, guarded)
    await one.run("go", thread="t")
    clerk, _ = agent_of([], storage)
    await clerk.decide("t", {"a": {"what": 5}})
    assert (await one.resume("t")).text == "I see"
    (turn,) = await stored_turns(storage)
    assert "do not match the parameters" in results_of(turn.messages)[0]
    assert deed.done == []


# -- approvals that expire ---------------------------------------------------------------------------------------------


def late(hours: int) -> tuple[MemoryStorage, list[int]]:
    """Return a storage whose clock is the number in the list."""
    now = [1_750_000_000_000_000]
    return MemoryStorage(clock=lambda: now[0]), now


@pytest.mark.parametrize("way", ["run", "stream", "resume", "on_pending"])
async def test_a_call_whose_time_is_over_is_refused_by_the_next_run_with_the_reason(deed: Deed, way: str) -> None:
    storage, now = late(25)
    tool = FunctionTool.of(deed.act, needs_approval=True, approval_expires=DAY)
    one, _ = agent_of([calls("a"), "I was not allowed", "hello"], storage, tool, durability="turn")
    reply = await one.run("go", thread="t")
    call = reply.pending[0]
    assert call.expires_at is not None
    now[0] += 23 * HOUR_US
    assert [call.call_id for call in (await one.resume("t")).pending] == ["a"]
    with pytest.raises(TurnPending):
        await one.run("hi", thread="t")
    now[0] += HOUR_US
    with pytest.raises(InvalidInput, match="comes too late"):
        await one.resume("t", approvals={"a": True})
    with pytest.raises(InvalidInput, match="comes too late"):
        await one.decide("t", {"a": True})
    if way == "resume":
        assert (await one.resume("t")).text == "I was not allowed"
    elif way == "stream":
        assert [update.text async for update in one.run_stream("hi", thread="t")] == ["hello"]
    else:
        options: Any = {"on_pending": "resume"} if way == "on_pending" else {}
        assert (await one.run("hi", thread="t", **options)).text == "hello"
    turn = (await stored_turns(storage))[0]
    assert results_of(turn.messages) == ["Error: nobody allowed this call within 1 day, 0:00:00, so it was not run"]
    assert notes_of(turn.messages) == [{"decision": "expired"}]
    assert deed.done == []


@pytest.mark.parametrize("has_earlier_turn", [False, True])
async def test_a_turn_whose_call_was_not_allowed_in_time_is_ended_and_then_answered_again(
    deed: Deed, has_earlier_turn: bool
) -> None:
    storage, now = late(25)
    tool = FunctionTool.of(deed.act, needs_approval=True, approval_expires=DAY)
    script: list[Any] = ["hello"] if has_earlier_turn else []
    one, _ = agent_of([*script, calls("a"), "I was not allowed", "bye"], storage, tool)
    if has_earlier_turn:
        await one.run("hi", thread="t")
    await one.run("go", thread="t")
    if has_earlier_turn:
        with pytest.raises(TurnPending):
            await one.regenerate("t")
    now[0] += 25 * HOUR_US
    assert (await one.regenerate("t")).text == "bye"
    asked = [turn.messages[0].text for turn in await stored_turns(storage)]
    assert asked == (["hi", "go"] if has_earlier_turn else ["go"])
    assert deed.done == []


async def test_the_agents_time_holds_for_tools_without_their_own_and_for_providers_tools(deed: Deed) -> None:
    storage, now = late(25)
    slow = FunctionTool.of(deed.act, name="slow", needs_approval=True, approval_expires=2 * DAY)
    quick = FunctionTool.of(deed.act, needs_approval=True)
    answer = ChatMessage("assistant", [*calls("a").contents, *calls("b", tool="slow").contents])
    one, _ = agent_of([answer, "done"], storage, quick, slow, approval_expires=DAY)
    reply = await one.run("go", thread="t")
    first, second = (call.expires_at for call in reply.pending)
    assert first is not None
    assert second is not None
    assert second - first == DAY
    await one.decide("t", {"b": True})
    now[0] += 25 * HOUR_US
    assert (await one.resume("t")).text == "done"
    assert deed.done == ["b"]


async def test_a_decision_in_time_counts_also_when_the_run_comes_later(deed: Deed) -> None:
    storage, now = late(25)
    tool = FunctionTool.of(deed.act, needs_approval=True, approval_expires=DAY)
    one, _ = agent_of([calls("a"), "done"], storage, tool)
    await one.run("go", thread="t")
    await one.decide("t", {"a": True})
    now[0] += 48 * HOUR_US
    assert (await one.resume("t")).text == "done"
    assert deed.done == ["a"]


def test_a_time_that_is_none_is_refused_where_it_is_given(deed: Deed) -> None:
    for wrong in (timedelta(), 5):
        with pytest.raises(ConfigurationError, match="approval_expires must be a timedelta"):
            FunctionTool.of(deed.act, approval_expires=wrong)  # pyright: ignore[reportArgumentType] - not a timedelta
        with pytest.raises(ConfigurationError, match="approval_expires must be a timedelta"):
            agent_of([], MemoryStorage(), approval_expires=wrong)
