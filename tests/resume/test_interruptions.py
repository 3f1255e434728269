"""A stream that is left early and a run that is cancelled: what is kept if asked for, and what of it is sent again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from recuerda import (
    Agent,
    ChatMessage,
    ChatRequest,
    ChatResponse,
    ChatUpdate,
    Context,
    ContextProvider,
    FunctionCallContent,
    FunctionResultContent,
    Storage,
    StorageError,
    TextContent,
    TextReasoningContent,
)
from recuerda.agent.steps import INTERRUPTED
from recuerda.testing.scripted import ScriptedChatClient
from tests.conversation import texts
from tests.resume.conversations import Deed, agent_of, calls, check_sendable, stored_turns


class Hanging(ScriptedChatClient):
    """A model that says something, or nothing, and then no more."""

    def __init__(self, *said: Any, before: tuple[ChatMessage, ...] = ()) -> None:
        super().__init__(before)
        self.hangs = asyncio.Event()
        self._said = said

    async def respond(self, request: ChatRequest) -> ChatResponse:
        if self.answers:
            return await super().respond(request)
        return await self._hang()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        if self.answers:
            async for update in super().stream(request):
                yield update
            return
        for part in self._said:
            yield ChatUpdate(contents=[part])
        await self._hang()

    async def _hang(self) -> ChatResponse:
        self.hangs.set()
        await asyncio.Event().wait()
        raise AssertionError


class Listening(ContextProvider):
    """Notes what it is told at the end of a run."""

    def __init__(self) -> None:
        self.told: list[object] = []

    async def invoking(self, messages: Any, **_: Any) -> Context:
        return Context()

    async def invoked(
        self, request_messages: Any, response_messages: Any = None, invoke_exception: Any = None, **_: Any
    ) -> None:
        kind: type[BaseException] | None = None if invoke_exception is None else invoke_exception.__class__
        self.told.append(kind or "answered")


async def cancelled(agent: Agent, until: asyncio.Event, *, is_streamed: bool = True, **options: Any) -> None:
    """Run until something happens, and cancel the run then."""

    async def run() -> None:
        if is_streamed:
            async for _ in agent.run_stream("tell me", thread="t", keep_partial=True, **options):
                pass
        else:
            await agent.run("tell me", thread="t", keep_partial=True, **options)

    running = asyncio.ensure_future(run())
    waiting = asyncio.ensure_future(until.wait())
    await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def kept(storage: Storage) -> list[ChatMessage]:
    """Return the one turn, which has to be marked, of a form that any model takes, and the thread's only trace."""
    (turn,) = await stored_turns(storage)
    assert turn.turn.is_interrupted
    assert await storage.load_draft("t") is None
    check_sendable(list(turn.messages))
    return list(turn.messages)


async def test_a_stream_that_is_left_early_keeps_what_was_said(storage: Storage) -> None:
    one = ScriptedChatClient(["half an answer"]).create_agent(storage=storage)
    async with one.run_stream("tell me", thread="t", keep_partial=True) as stream:
        async for update in stream:
            if update.text:
                break
    assert texts(await kept(storage)) == ["tell me", "half"]


async def test_a_stream_that_is_just_dropped_is_kept_before_the_next_run(storage: Storage) -> None:
    one = ScriptedChatClient(["half an answer", "the rest"]).create_agent(storage=storage)
    async for update in one.run_stream("tell me", thread="t", keep_partial=True):
        if update.text:
            break
    await one.run("and?", thread="t")
    turns = await stored_turns(storage)
    assert [turn.turn.is_interrupted for turn in turns] == [True, False]
    assert texts([message for turn in turns for message in turn.messages]) == ["tell me", "half", "and?", "the rest"]


async def test_by_default_nothing_is_kept(storage: Storage) -> None:
    one = ScriptedChatClient(["half an answer"]).create_agent(storage=storage)
    async with one.run_stream("tell me", thread="t") as stream:
        await anext(stream)
    assert await stored_turns(storage) == []


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_run_that_is_cancelled_before_a_word_keeps_the_question_and_a_note(
    storage: Storage, *, is_streamed: bool
) -> None:
    client = Hanging()
    await cancelled(client.create_agent(storage=storage), client.hangs, is_streamed=is_streamed)
    assert texts(await kept(storage)) == ["tell me", INTERRUPTED]


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        pytest.param([TextContent("half "), TextContent("of it")], ["half of it"], id="text"),
        pytest.param([TextContent(" ")], [INTERRUPTED], id="blank"),
        pytest.param([TextContent("")], [INTERRUPTED], id="empty"),
        pytest.param([TextReasoningContent("let me think")], [INTERRUPTED], id="reasoning"),
        pytest.param(
            [TextContent("I look"), FunctionCallContent("c1", "act", {"what": "a"})],
            ["I look", "", INTERRUPTED],
            id="a call that was said and not yet made",
        ),
        pytest.param([FunctionCallContent("c1", "act", '{"wha')], ["", "", INTERRUPTED], id="half a call"),
    ],
)
async def test_an_answer_that_was_cut_anywhere_is_kept_as_a_whole_turn(
    storage: Storage, deed: Deed, said: list[Any], ends: list[str]
) -> None:
    client = Hanging(*said)
    await cancelled(client.create_agent(storage=storage, tools=deed.act), client.hangs)
    messages = await kept(storage)
    assert texts(messages) == ["tell me", *ends]
    results = [part for part in messages[2].contents if isinstance(part, FunctionResultContent)] if ends[1:] else []
    assert ["it was not run" in str(result.result) for result in results] == [True] * len(results)
    assert deed.done == []


@pytest.mark.parametrize("durability", ["turn", "steps"])
@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_tool_that_was_running_gets_a_result_that_says_so(
    storage: Storage, deed: Deed, durability: Any, *, is_streamed: bool
) -> None:
    deed.waits_on = {"b"}
    one, _ = agent_of([calls("a", text="first"), calls("b", "c")], storage, deed.act, durability=durability)
    await cancelled(one, deed.is_waiting, is_streamed=is_streamed)
    messages = await kept(storage)
    assert texts(messages) == ["tell me", "first", "", "", "", INTERRUPTED]
    results = [part for part in messages[4].contents if isinstance(part, FunctionResultContent)]
    assert [result.call_id for result in results] == ["b", "c"]
    assert results[0].is_error
    assert "not known" in str(results[0].result)
    assert results[1].result == "did c"
    assert deed.done == ["a", "c"]


async def test_a_kept_turn_is_sent_with_the_next_run(storage: Storage) -> None:
    client = Hanging(TextContent("half"))
    await cancelled(client.create_agent(storage=storage), client.hangs)
    other, seen = agent_of(["the other half"], storage)
    await other.run("and?", thread="t")
    assert texts(seen.requests[0].messages) == ["tell me", "half", "and?"]


async def test_a_turn_that_is_kept_under_its_id_is_the_answer_of_a_retry(storage: Storage) -> None:
    client = Hanging(TextContent("half"))
    await cancelled(client.create_agent(storage=storage), client.hangs, turn_id="visit-1")
    other, seen = agent_of([], storage)
    reply = await other.run("tell me", thread="t", turn_id="visit-1", keep_partial=True)
    assert (reply.text, reply.is_replay, reply.is_interrupted) == ("half", True, True)
    assert seen.requests == []


async def test_an_answer_that_is_whole_is_no_interrupted_one(storage: Storage) -> None:
    one, _ = agent_of(["all of it"], storage, durability="turn")
    async with one.run_stream("tell me", thread="t", keep_partial=True) as stream:
        async for _ in stream:
            pass
    (turn,) = await stored_turns(storage)
    assert not turn.turn.is_interrupted


async def test_a_resumed_turn_can_be_kept_as_far_as_it_came(storage: Storage, deed: Deed) -> None:
    first, _ = agent_of([calls("a"), RuntimeError("away")], storage, deed.act)
    with pytest.raises(RuntimeError):
        await first.run("tell me", thread="t", turn_id="visit-1")
    second = Hanging(TextContent("so far")).create_agent(storage=storage, tools=deed.act)
    async with second.resume_stream("t", keep_partial=True) as stream:
        async for update in stream:
            if update.text:
                break
    assert texts(await kept(storage)) == ["tell me", "", "", "so far"]
    assert [turn.id for turn in await stored_turns(storage)] == ["visit-1"]


async def test_providers_are_told_of_the_interruption(storage: Storage) -> None:
    listening = Listening()
    client = Hanging()
    one = client.create_agent(storage=storage, context_providers=listening)
    await cancelled(one, client.hangs)
    async with one.run_stream("tell me", thread="u", keep_partial=True) as stream:
        client.answers.append("some words")
        await anext(stream)
    assert listening.told == [asyncio.CancelledError, GeneratorExit]


async def test_a_failure_while_keeping_is_logged_and_the_cancellation_is_raised(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listening = Listening()
    client = Hanging(TextContent("half"))

    async def fail(*_: Any) -> None:
        raise StorageError("the disk is gone")

    monkeypatch.setattr(storage, "_append", fail)
    with caplog.at_level(logging.WARNING, logger="recuerda"):
        await cancelled(client.create_agent(storage=storage, context_providers=listening), client.hangs)
    assert [record.getMessage() for record in caplog.records] == [
        "the interrupted turn could not be kept: StorageError: the disk is gone"
    ]
    assert listening.told == [asyncio.CancelledError]


def slowly(write: Callable[..., Any], began: asyncio.Event) -> Callable[..., Any]:
    async def slow(*given: Any) -> Any:
        began.set()
        await asyncio.sleep(0.05)
        return await write(*given)

    return slow


async def test_a_second_cancellation_does_not_lose_what_is_being_kept(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    listening, began = Listening(), asyncio.Event()
    client = Hanging(TextContent("half"))
    one = client.create_agent(storage=storage, context_providers=listening)
    monkeypatch.setattr(storage, "_append", slowly(getattr(storage, "_append"), began))  # noqa: B009 - a hook
    stream = one.run_stream("tell me", thread="t", keep_partial=True)
    running = asyncio.ensure_future(anext(stream))
    await running
    running = asyncio.ensure_future(anext(stream))
    await client.hangs.wait()
    running.cancel()
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert texts(await kept(storage)) == ["tell me", "half"]
    assert listening.told == [asyncio.CancelledError]


async def test_a_cancellation_while_a_stream_is_being_closed_is_not_swallowed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.Event()
    one = ScriptedChatClient(["half an answer"]).create_agent(storage=storage)
    monkeypatch.setattr(storage, "_append", slowly(getattr(storage, "_append"), began))  # noqa: B009 - a hook

    async def leave_early() -> str:
        async with one.run_stream("tell me", thread="t", keep_partial=True) as stream:
            await anext(stream)
        return "went on"

    leaving = asyncio.ensure_future(leave_early())
    await began.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert texts(await kept(storage)) == ["tell me", "half"]


async def test_a_stop_in_the_moment_of_the_commit_keeps_the_turn_once(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = asyncio.Event()
    write = getattr(storage, "_append")  # noqa: B009 - a hook
    failures = [StorageError("the answer was lost")]

    async def lossy(*given: Any) -> Any:
        done = await write(*given)
        began.set()
        await asyncio.sleep(0.02)
        if failures:
            raise failures.pop()
        return done

    monkeypatch.setattr(storage, "_append", lossy)
    one, _ = agent_of(["all of it"], storage, durability="turn")
    running = asyncio.ensure_future(one.run("tell me", thread="t", keep_partial=True))
    await began.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    (turn,) = await stored_turns(storage)
    assert texts(list(turn.messages)) == ["tell me", "all of it"]
