"""A preview shows the request that a run sends, and asks no model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from recuerda import (
    Agent,
    ChatMessage,
    ChatRequest,
    ConfigurationError,
    Context,
    ContextWindow,
    InvalidInput,
    MemoryStorage,
    RecuerdaError,
    Storage,
    Summarizer,
    ThreadOwnershipError,
    TokenCounter,
)
from recuerda.agent.preview import RunPreview
from recuerda.recall import RecallProvider
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.agent.recording import Recorder
from tests.agent.test_random_summaries import keep_all
from tests.conversation import texts

EXAMPLES = 24


def look_up(page: int) -> str:
    """Look up a page."""
    return f"page {page}: " + "text " * (page * 40)


def look_out(place: str) -> str:
    """Look out of a window."""
    return place


def any_window(random: Random) -> ContextWindow | None:
    return random.choice(
        (
            None,
            ContextWindow(max_messages=random.randint(2, 20)),
            ContextWindow(max_tokens=random.randint(200, 1500), keep_results=random.choice((None, 1, 2))),
            ContextWindow(max_tokens=900, reserve_tokens=100, max_messages=12, keep_files=random.choice((0, 1, None))),
        )
    )


def any_input(random: Random, number: int) -> ChatMessage:
    text = f"fact {number} " + "word " * random.choice((1, 20, 60))
    return ChatMessage("user", text, additional_properties={"pinned": random.random() < 0.15})


def any_agent(random: Random, client: ScriptedChatClient, storage: Storage) -> Agent:
    context = Context(instructions="Recall this.", messages=[ChatMessage("user", "memory " * 20)], tools=[look_out])
    return client.create_agent(
        "Guide",
        "Be kind.",
        storage=storage,
        window=any_window(random),
        tools=look_up,
        context_providers=random.choice(([], [Recorder(context=context)])),
        summarizer=None if random.random() < 0.5 else Summarizer(ScriptedChatClient(default=keep_all), max_messages=8),
    )


def parts(request: ChatRequest) -> tuple[object, ...]:
    """Return everything of a request that a model gets."""
    tools = [(tool.name, tool.description) for tool in request.tools]
    return list(request.messages), request.instructions, tools, request.may_call_tools, dict(request.options)


def check(preview: RunPreview, request: ChatRequest) -> None:
    """Check that a preview shows a request, and that its reports tell of each message that is sent."""
    assert parts(preview.request) == parts(request)
    contexts = [message for one in preview.providers if one.context for message in one.context.messages]
    said = [one.sent for one in preview.input if one.sent is not None]
    pinned = [*(preview.summary.pinned if preview.summary else ()), *preview.pinned]
    assert [*pinned, *preview.window.sent, *contexts, *said] == list(request.messages)
    whole = TokenCounter().count(request.messages, instructions=request.instructions, tools=request.tools)
    assert abs(preview.total_tokens - whole) <= 4 * len(preview.tokens)


def test_a_preview_is_the_request_of_the_run_now_and_of_each_past_turn() -> None:
    async def carry_out(random: Random) -> None:
        client = ScriptedChatClient()
        agent = any_agent(random, client, MemoryStorage())
        asked: list[list[ChatRequest]] = []
        for number in range(random.randint(1, 16)):
            message = any_input(random, number)
            now = await agent.preview(message, thread="t")
            pages = [call("look_up", {"page": random.randint(1, 9)}) for _ in range(random.choice((0, 0, 1, 3)))]
            client.answers.extend([*pages, "ok"])
            client.requests.clear()
            await agent.run(message, thread="t")
            check(now, client.requests[0])
            asked.append(list(client.requests))
            if agent._settings.summarizer is not None:  # pyright: ignore[reportPrivateUsage] - to wait for it
                await agent._settings.summarizer.close()  # pyright: ignore[reportPrivateUsage]
        client.requests.clear()
        for stored, requests in zip(await agent.get_thread("t").list_turns(), asked, strict=True):
            for number, request in enumerate(requests, start=1):
                then = await agent.preview(thread="t", turn=random.choice((stored, stored.number)), request=number)
                assert (then.turn, then.requests) == (stored.number, len(requests))
                known = all(one.is_known for one in then.providers)
                if known:
                    check(then, request)
        assert client.requests == []

    for seed in range(EXAMPLES):
        asyncio.run(carry_out(Random(seed)))


async def chatted(storage: Storage, turns: int, window: ContextWindow | None = None) -> Agent:
    agent = ScriptedChatClient(default="ok").create_agent("A", "Be kind.", storage=storage, window=window)
    for number in range(turns):
        await agent.run(f"question {number}", thread="t")
    return agent


async def test_a_preview_says_why_each_turn_is_left_out(storage: Storage) -> None:
    window = ContextWindow(max_messages=8)
    await chatted(storage, 40)
    agent = ScriptedChatClient().create_agent(storage=storage, window=window)  # it holds no turn yet
    preview = await agent.preview("now?", thread="t")
    assert {turn.left_out for turn in preview.window.turns} == {None, "message_limit"}
    (earlier,) = preview.earlier
    assert (earlier.first, earlier.left_out) == (1, "message_limit")
    assert earlier.last + 1 == preview.window.turns[0].number
    assert texts(preview.request.messages)[-1] == "now?"


async def test_a_preview_with_another_window_shows_the_difference(storage: Storage) -> None:
    agent = await chatted(storage, 6, ContextWindow(max_messages=4))
    small = await agent.preview(thread="t")
    whole = await agent.preview(thread="t", window=None)
    assert (len(small.request.messages), len(whole.request.messages)) == (4, 12)
    assert whole.earlier == ()
    assert whole.total_tokens > small.total_tokens


async def test_a_preview_writes_nothing(storage: Storage) -> None:
    agent = await chatted(storage, 2)
    before = [info async for info in storage.threads()]
    provider = RecallProvider(":memory:", namespace="work", storage=storage)
    recalling = ScriptedChatClient().create_agent(storage=storage, context_providers=provider)
    await recalling.preview("question 1", thread="new")
    await recalling.preview("question 1", thread="t")
    await agent.preview(thread="t", turn=1)
    assert [info async for info in storage.threads()] == before
    await provider.close()


async def test_the_preview_of_a_past_turn_recalls_only_what_was_said_before_it(storage: Storage) -> None:
    provider = RecallProvider(":memory:", storage=storage, recent_turns=0)
    agent = ScriptedChatClient(default="ok").create_agent(storage=storage, context_providers=provider)
    first = agent.get_thread("first", user_id="ana")
    await agent.run("My dentist is Dr. Gomez in Oslo.", thread=first)
    second = agent.get_thread("second", user_id="ana")
    await agent.run("Where is my dentist?", thread=second)
    await agent.run("My dentist moved from Oslo to Bergen.", thread=first)
    then = await agent.preview(thread=second, turn=1)
    now = await agent.preview("Where is my dentist?", thread=agent.get_thread("third", user_id="ana"))
    told = [str([texts(one.context.messages) for one in each.providers if one.context]) for each in (then, now)]
    assert ("Oslo" in told[0], "Bergen" in told[0]) == (True, False)
    assert "Bergen" in told[1]
    await provider.close()


async def test_a_preview_that_cannot_be_made_says_so() -> None:
    agent = await chatted(MemoryStorage(), 1)
    cases: Sequence[tuple[dict[str, object], type[RecuerdaError], str]] = (
        ({"turn": 7}, InvalidInput, "has no turn 7"),
        ({"turn": "x"}, InvalidInput, "has no turn 'x'"),
        ({"turn": 1, "request": 2}, InvalidInput, "has the requests 1 to 1"),
        ({"window": 5}, ConfigurationError, "must be a ContextWindow"),
    )
    for given, error, text in cases:
        with pytest.raises(error, match=text):
            await agent.preview(thread="t", **given)  # pyright: ignore[reportArgumentType] - wrong on purpose
    kept = agent.get_thread("u", user_id="ana")
    await agent.run("hello", thread=kept)
    with pytest.raises(ThreadOwnershipError):
        await agent.preview(thread=agent.get_thread("u", user_id="eva"))
