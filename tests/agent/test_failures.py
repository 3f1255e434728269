"""Whatever ends a run before its commit leaves the thread as it was; nothing that fails afterwards takes it back."""

import asyncio
from collections.abc import Callable

import pytest

from recuerda import ChatRequest, ChatResponse, RunLimitError, Storage, StorageFull
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.agent.recording import Recorder
from tests.conversation import answered, texts


class Gate:
    """Stop a coroutine at a place until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def wait(self) -> None:
        self.reached.set()
        await self.go_on.wait()


class GatedClient(ScriptedChatClient):
    def __init__(self, gate: Gate) -> None:
        super().__init__(default="ok")
        self.gate = gate

    async def respond(self, request: ChatRequest) -> ChatResponse:
        await self.gate.wait()
        return await super().respond(request)


async def said(storage: Storage) -> list[str]:
    return texts(await ScriptedChatClient().create_agent(storage=storage).get_thread("t").list_messages())


@pytest.fixture
async def begun(storage: Storage) -> Storage:
    await ScriptedChatClient(["yes"]).create_agent(storage=storage).run("begun", thread="t")
    return storage


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_failing_model_leaves_the_thread_as_it_was(begun: Storage, *, is_streamed: bool) -> None:
    failure, provider = LookupError("model is down"), Recorder()
    agent = ScriptedChatClient([call("f"), failure]).create_agent(
        storage=begun, tools=FORTY_TWO, context_providers=provider
    )
    with pytest.raises(LookupError) as caught:
        await answered(agent, "hi", is_streamed=is_streamed, thread="t")
    assert caught.value is failure
    assert provider.failures == [failure]
    assert provider.learnt == [(["hi"], [])]
    assert await said(begun) == ["begun", "yes"]


def f() -> int:
    return 42


FORTY_TWO: list[Callable[[], int]] = [f]


async def test_a_run_that_is_cancelled_during_the_model_call_leaves_the_thread_as_it_was(begun: Storage) -> None:
    gate, provider = Gate(), Recorder()
    agent = GatedClient(gate).create_agent(storage=begun, context_providers=provider)
    run = asyncio.create_task(agent.run("hi", thread="t"))
    await gate.reached.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert provider.events == ["p.invoking:hi", "p.invoked:CancelledError"]
    assert await said(begun) == ["begun", "yes"]
    gate.go_on.set()
    await agent.run("again", thread="t")
    assert await said(begun) == ["begun", "yes", "again", "ok"]


async def test_a_run_that_is_cancelled_before_it_reads_asks_nobody(begun: Storage) -> None:
    gate, provider = Gate(), Recorder()
    agent = GatedClient(gate).create_agent(storage=begun, context_providers=provider)
    first = asyncio.create_task(agent.run("first", thread="t"))
    await gate.reached.wait()
    waiting = asyncio.create_task(agent.run("waiting", thread="t"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.go_on.set()
    await first
    assert provider.events == ["p.invoking:first", "p.invoked:ok"]
    assert await said(begun) == ["begun", "yes", "first", "ok"]


async def test_a_run_that_is_cancelled_during_a_tool_leaves_the_thread_as_it_was(begun: Storage) -> None:
    gate, provider = Gate(), Recorder()
    agent = ScriptedChatClient([call("wait")]).create_agent(storage=begun, tools=gate.wait, context_providers=provider)
    run = asyncio.create_task(agent.run("hi", thread="t"))
    await gate.reached.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert provider.events[-1] == "p.invoked:CancelledError"
    assert await said(begun) == ["begun", "yes"]


def gate_appends(storage: Storage, patch: pytest.MonkeyPatch, failure: Exception | None = None) -> Gate:
    gate, append = Gate(), storage.append

    async def gated(*args: object, **options: object) -> object:
        await gate.wait()
        if failure is not None:
            raise failure
        return await append(*args, **options)  # pyright: ignore[reportArgumentType] - passed on as they came

    patch.setattr(storage, "append", gated)
    return gate


@pytest.mark.parametrize("times", [1, 3])
async def test_a_run_that_is_cancelled_during_its_commit_is_committed_and_then_cancelled(
    begun: Storage, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    gate, provider = gate_appends(begun, monkeypatch), Recorder()
    agent = ScriptedChatClient(["ok"]).create_agent(storage=begun, context_providers=provider)
    run = asyncio.create_task(agent.run("hi", thread="t"))
    await gate.reached.wait()
    for _ in range(times):
        run.cancel()
        await asyncio.sleep(0)
    assert not run.done()
    gate.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await said(begun) == ["begun", "yes", "hi", "ok"]
    assert provider.events == ["p.invoking:hi", "p.invoked:ok"]


async def test_a_run_that_is_cancelled_during_a_commit_that_fails_is_cancelled(
    begun: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = StorageFull("no space left")
    gate, provider = gate_appends(begun, monkeypatch, full), Recorder()
    agent = ScriptedChatClient(["ok"]).create_agent(storage=begun, context_providers=provider)
    run = asyncio.create_task(agent.run("hi", thread="t"))
    await gate.reached.wait()
    run.cancel()
    await asyncio.sleep(0)
    gate.go_on.set()
    with pytest.raises(asyncio.CancelledError) as caught:
        await run
    assert provider.events[-1] == "p.invoked:CancelledError"
    cause = provider.failures[-1].__cause__ if provider.failures[-1] else None
    assert cause is full
    assert caught.type is asyncio.CancelledError


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_commit_that_fails_is_told_to_the_providers(
    begun: Storage, monkeypatch: pytest.MonkeyPatch, *, is_streamed: bool
) -> None:
    full = StorageFull("no space left")
    gate_appends(begun, monkeypatch, full).go_on.set()
    provider = Recorder()
    agent = ScriptedChatClient(["ok"]).create_agent(storage=begun, context_providers=provider)
    with pytest.raises(StorageFull):
        await answered(agent, "hi", is_streamed=is_streamed, thread="t")
    assert provider.failures == [full]
    assert await said(begun) == ["begun", "yes"]


async def test_a_read_that_fails_asks_nobody(begun: Storage) -> None:
    client, provider = ScriptedChatClient(["never"]), Recorder()
    agent = client.create_agent(storage=begun, context_providers=provider)
    await begun.close()
    with pytest.raises(Exception, match="closed"):
        await agent.run("hi", thread="t")
    assert (client.requests, provider.events) == ([], [])


async def test_a_provider_that_fails_before_the_model_ends_the_run_unpaid(begun: Storage) -> None:
    events: list[str] = []
    client = ScriptedChatClient(["never"])
    providers = [Recorder("a", events), Recorder("b", events, fail_in="invoking")]
    agent = client.create_agent(storage=begun, context_providers=providers)
    with pytest.raises(LookupError, match="invoking is down"):
        await agent.run("hi", thread="t")
    assert client.requests == []
    assert events[-2:] == ["a.invoked:LookupError", "b.invoked:LookupError"]
    assert await said(begun) == ["begun", "yes"]


@pytest.mark.parametrize("hook", ["invoked", "thread_created"])
async def test_a_provider_that_fails_after_the_commit_is_a_warning(
    storage: Storage, hook: str, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[str] = []
    providers = [Recorder("a", events, fail_in=hook), Recorder("b", events)]
    agent = ScriptedChatClient(["ok"]).create_agent(storage=storage, context_providers=providers)
    reply = await agent.run("hi", thread="t")
    assert reply.text == "ok"
    assert reply.warnings == (f"a.{hook} failed: LookupError: {hook} is down",)
    assert f"b.{hook}:{'ok' if hook == 'invoked' else 't'}" in events
    assert hook in caplog.text
    assert await said(storage) == ["hi", "ok"]


async def test_a_provider_that_fails_while_it_is_told_of_a_failure_does_not_hide_it(begun: Storage) -> None:
    provider = Recorder(fail_in="invoked")
    agent = ScriptedChatClient([KeyError("model")]).create_agent(storage=begun, context_providers=provider)
    with pytest.raises(KeyError, match="model"):
        await agent.run("hi", thread="t")


async def test_a_model_that_never_stops_calling_is_stopped(begun: Storage) -> None:
    client, provider = ScriptedChatClient(default=call("f")), Recorder()
    agent = client.create_agent(storage=begun, tools=f, max_tool_rounds=3, context_providers=provider)
    with pytest.raises(RunLimitError) as caught:
        await agent.run("hi", thread="t")
    assert caught.value.rounds == 3
    assert [request.may_call_tools for request in client.requests] == [True, True, True, False]
    assert provider.events[-1] == "p.invoked:RunLimitError"
    assert await said(begun) == ["begun", "yes"]


async def test_the_last_round_may_still_answer(begun: Storage) -> None:
    agent = ScriptedChatClient([call("f"), "done"]).create_agent(storage=begun, tools=f, max_tool_rounds=1)
    assert (await agent.run("hi", thread="t")).text == "done"


async def test_a_timeout_around_a_run_leaves_the_thread_as_it_was(begun: Storage) -> None:
    agent = GatedClient(Gate()).create_agent(storage=begun)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await agent.run("hi", thread="t")
    assert await said(begun) == ["begun", "yes"]
