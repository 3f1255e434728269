"""Hooks around the calls of models and tools, and the budget of a run."""

from typing import Any

import msgspec
import pytest

from recuerda import (
    Agent,
    ChatRequest,
    ChatResponse,
    ConfigurationError,
    FunctionCallContent,
    FunctionResultContent,
    InvalidInput,
    RunContext,
    RunHooks,
    Storage,
    Usage,
    UsageLimitExceeded,
    UsageLimits,
    tool,
)
from recuerda.testing import ScriptedChatClient, call
from tests.conversation import texts


class Trip(msgspec.Struct):
    days: int


class Log(RunHooks):
    """Note each hook; raise in the hook `fail_in`."""

    def __init__(self, fail_in: str | None = None) -> None:
        self.events: list[str] = []
        self.fail_in = fail_in

    def note(self, hook: str, detail: object, run: RunContext[object]) -> None:
        self.events.append(f"{hook}:{detail}:{run.context}:{run.call_id}")
        if hook == self.fail_in:
            raise LookupError(hook)

    async def on_model_start(self, request: ChatRequest, *, run: RunContext[object]) -> None:
        self.note("model_start", len(request.messages), run)

    async def on_model_end(self, request: ChatRequest, response: ChatResponse, *, run: RunContext[object]) -> None:
        self.note("model_end", response.message.text, run)

    async def on_model_error(self, request: ChatRequest, error: Exception, *, run: RunContext[object]) -> None:
        self.note("model_error", type(error).__name__, run)

    async def on_tool_start(self, call: FunctionCallContent, *, run: RunContext[object]) -> None:
        self.note("tool_start", call.name, run)

    async def on_tool_end(
        self, call: FunctionCallContent, result: FunctionResultContent, *, run: RunContext[object]
    ) -> None:
        self.note("tool_end", result.result, run)


acted: list[str] = []


@tool
def act() -> str:
    """Act."""
    acted.append("act")
    return "acted"


async def outcome(agent: Agent, *, is_streamed: bool, **options: Any) -> None:
    if not is_streamed:
        await agent.run("go", **options)
        return
    async for _ in agent.run_stream("go", **options):
        pass


async def test_hooks_are_told_before_and_after_each_call() -> None:
    for is_streamed in (False, True):
        log = Log()
        agent = ScriptedChatClient([call("act"), "done"]).create_agent(tools=act, hooks=log)
        await outcome(agent, is_streamed=is_streamed, context="ctx")
        assert log.events == [
            "model_start:1:ctx:",
            "model_end::ctx:",
            "tool_start:act:ctx:call_1",
            "tool_end:acted:ctx:call_1",
            "model_start:3:ctx:",
            "model_end:done:ctx:",
        ]


async def test_a_hook_learns_that_the_model_failed_and_the_error_is_raised() -> None:
    log, second = Log(), RunHooks()
    agent = ScriptedChatClient([ValueError("down")]).create_agent(hooks=[log, second])
    with pytest.raises(ValueError, match="down"):
        await agent.run("go")
    assert log.events == ["model_start:1:None:", "model_error:ValueError:None:"]


async def test_a_hook_that_raises_ends_the_run_and_nothing_is_stored(storage: Storage) -> None:
    for hook, calls in (("model_start", 0), ("model_end", 1), ("tool_start", 1), ("tool_end", 1)):
        client = ScriptedChatClient([call("act"), "done"])
        agent = client.create_agent(storage=storage, tools=act, hooks=Log(fail_in=hook))
        with pytest.raises(LookupError, match=hook):
            await agent.run("go", thread="t")
        assert len(client.requests) == calls
        assert await agent.get_thread("t").list_messages() == []


async def test_a_hook_may_not_run_an_agent_on_the_thread_of_its_run() -> None:
    class Nested(RunHooks):
        async def on_model_start(self, request: ChatRequest, *, run: RunContext[object]) -> None:
            await agent.run("again", thread=run.thread)

    agent = ScriptedChatClient(default="done").create_agent(hooks=Nested())
    with pytest.raises(ConfigurationError):
        await agent.run("go", thread="t")


def test_hooks_of_another_class_are_refused() -> None:
    wrong: Any = [Log(), print]
    with pytest.raises(ConfigurationError, match="RunHooks"):
        ScriptedChatClient().create_agent(hooks=wrong)


def test_a_limit_below_one_is_refused() -> None:
    UsageLimits(tool_calls_limit=0)
    for wrong in ({"request_limit": 0}, {"tool_calls_limit": -1}, {"total_tokens_limit": True}):
        with pytest.raises(InvalidInput, match=next(iter(wrong))):
            UsageLimits(**wrong)


LIMITS = [
    (UsageLimits(request_limit=1), "request_limit", 1, 1, 0),
    (UsageLimits(request_limit=2), "request_limit", 2, 2, 1),
    (UsageLimits(tool_calls_limit=0), "tool_calls_limit", 1, 1, 0),
    (UsageLimits(tool_calls_limit=1), "tool_calls_limit", 2, 2, 1),
    (UsageLimits(input_tokens_limit=3), "input_tokens_limit", 3, 1, 0),
    (UsageLimits(output_tokens_limit=4), "output_tokens_limit", 4, 2, 1),
    (UsageLimits(total_tokens_limit=6), "total_tokens_limit", 10, 2, 1),
]


async def test_a_limit_ends_a_run_before_its_next_step_and_nothing_is_stored(storage: Storage) -> None:
    usage = Usage(input_tokens=3, output_tokens=2, total_tokens=5)
    for limits, name, used, requests, tools in LIMITS:
        for is_streamed in (False, True):
            acted.clear()
            client = ScriptedChatClient(default=call("act"), usage=usage)
            agent = client.create_agent(storage=storage, tools=act, usage_limits=limits)
            with pytest.raises(UsageLimitExceeded, match=name) as caught:
                await outcome(agent, is_streamed=is_streamed, thread="t")
            assert (caught.value.limit, caught.value.used) == (name, used)
            assert (len(client.requests), len(acted)) == (requests, tools)
            assert await agent.get_thread("t").list_messages() == []


async def test_a_whole_answer_is_kept_although_it_reached_a_limit() -> None:
    limits = UsageLimits(request_limit=1, total_tokens_limit=5)
    agent = ScriptedChatClient(["done"], usage=Usage(total_tokens=50)).create_agent(usage_limits=limits)
    reply = await agent.run("go")
    assert (reply.text, reply.warnings) == ("done", ())


async def test_a_run_has_its_own_limits_in_place_of_the_agents() -> None:
    agent = ScriptedChatClient([call("act"), "done"]).create_agent(tools=act, usage_limits=UsageLimits(request_limit=1))
    assert (await agent.run("go", usage_limits=UsageLimits(request_limit=2))).text == "done"


async def test_with_keep_failed_the_turn_says_which_limit_ended_it(storage: Storage) -> None:
    agent = ScriptedChatClient(default=call("act")).create_agent(
        storage=storage, tools=act, usage_limits=UsageLimits(request_limit=1)
    )
    with pytest.raises(UsageLimitExceeded):
        await agent.run("go", thread="t", keep_failed=True)
    (turn,) = await agent.get_thread("t").list_turns()
    assert turn.turn.is_interrupted
    assert turn.turn.error is not None
    assert "request_limit" in turn.turn.error
    assert texts(turn.messages)[-1] == "(This answer was interrupted.)"


async def test_a_durable_run_that_reached_a_limit_is_resumed_with_a_higher_one(storage: Storage) -> None:
    client = ScriptedChatClient([call("act"), call("act", call_id="c2"), "done"])
    agent = client.create_agent(storage=storage, tools=act)
    with pytest.raises(UsageLimitExceeded):
        await agent.run("go", thread="t", durability="steps", usage_limits=UsageLimits(request_limit=2))
    with pytest.raises(UsageLimitExceeded) as caught:
        await agent.resume("t", usage_limits=UsageLimits(request_limit=1))
    assert caught.value.used == 1
    assert (await agent.resume("t", usage_limits=UsageLimits(request_limit=3))).text == "done"


async def test_an_answer_that_is_asked_for_again_counts() -> None:
    client = ScriptedChatClient(["{}", '{"days": 1}', "{}"])
    agent = client.create_agent()
    assert (await agent.run("go", output_type=Trip, usage_limits=UsageLimits(request_limit=2))).value == Trip(1)
    with pytest.raises(UsageLimitExceeded):
        await agent.run("go", output_type=Trip, usage_limits=UsageLimits(request_limit=1))


async def test_limits_of_tokens_without_reported_tokens_are_a_warning() -> None:
    agent = ScriptedChatClient(["done"]).create_agent(usage_limits=UsageLimits(total_tokens_limit=5))
    assert "reports no token usage" in (await agent.run("go")).warnings[0]
