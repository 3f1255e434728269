"""Runs on one thread queue, and see each other; runs on different threads do not wait."""

import asyncio
import gc
import weakref
from collections.abc import Sequence

import pytest

from recuerda import (
    AgentThread,
    ChatMessage,
    ChatMessageStore,
    ChatRequest,
    ChatResponse,
    ConfigurationError,
    Context,
    ContextProvider,
    FunctionTool,
    Storage,
    ThreadOwnershipError,
)
from recuerda.agent import queue
from recuerda.agent.agent import Agent
from recuerda.storage import run_lock
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.conversation import texts
from tests.thread.own_store import OwnStore


class SlowClient(ScriptedChatClient):
    """Let every other task run before it answers, and count how many calls are under way."""

    running = most = 0

    async def respond(self, request: ChatRequest) -> ChatResponse:
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(20):
            await asyncio.sleep(0)
        self.running -= 1
        return await super().respond(request)


def answer(request: ChatRequest) -> str:
    return f"{len(request.messages)}"


async def test_concurrent_runs_on_a_thread_see_each_other(storage: Storage) -> None:
    client = SlowClient(default=answer)
    agent = client.create_agent(storage=storage)
    thread = agent.get_thread("t")
    await asyncio.gather(*(agent.run(str(i), thread=thread) for i in range(5)))
    assert client.most == 1
    assert texts(await thread.list_messages()) == [text for i in range(5) for text in (str(i), str(2 * i + 1))]


async def test_two_handles_and_two_agents_on_a_storage_are_one_queue(storage: Storage) -> None:
    client = SlowClient(default=answer)
    agents = [client.create_agent(storage=storage) for _ in range(3)]
    await asyncio.gather(*(agent.run("x", thread="t") for agent in agents))
    assert client.most == 1
    assert [len(request.messages) for request in client.requests] == [1, 3, 5]


async def test_runs_on_different_threads_do_not_wait(storage: Storage) -> None:
    client = SlowClient(default="ok")
    agent = client.create_agent(storage=storage)
    await asyncio.gather(*(agent.run("x", thread=f"t{i}") for i in range(5)), agent.run("x"), agent.run("x"))
    assert client.most > 1


async def test_runs_on_an_own_stores_thread_queue_too() -> None:
    client = SlowClient(default=answer)
    agent = client.create_agent(chat_message_store_factory=OwnStore)
    thread = agent.get_new_thread()
    await asyncio.gather(*(agent.run("x", thread=thread) for _ in range(3)))
    assert [len(request.messages) for request in client.requests] == [1, 3, 5]


def nested(storage: Storage, inner_thread: str, found: list[object]) -> Agent:
    """Return an agent whose tool runs another on a thread."""
    inner = ScriptedChatClient(default="inner").create_agent(storage=storage)

    async def ask() -> str:
        try:
            reply = await inner.run("inner", thread=inner_thread)
        except ConfigurationError as error:
            found.append(error)
            raise
        found.append(reply.text)
        return reply.text

    return ScriptedChatClient([call("ask"), "outer"]).create_agent(storage=storage, tools=ask)


async def test_a_tool_may_run_an_agent_on_another_thread(storage: Storage) -> None:
    found: list[object] = []
    await nested(storage, "inner", found).run("go", thread="outer")
    assert found == ["inner"]


async def test_a_tool_that_runs_an_agent_on_its_own_thread_is_told_so_at_once(storage: Storage) -> None:
    found: list[object] = []
    reply = await nested(storage, "outer", found).run("go", thread="outer")
    (error,) = found
    assert isinstance(error, ConfigurationError)
    assert "inside another run of the same thread" in str(error)
    assert reply.text == "outer"


async def test_a_sync_tool_that_runs_an_agent_on_its_own_thread_is_told_so_too(storage: Storage) -> None:
    inner = ScriptedChatClient(default="inner").create_agent(storage=storage)

    def ask(thread_id: str) -> str:
        return inner.run_sync("inner", thread=thread_id).text

    script = [call("ask", {"thread_id": "outer"}), call("ask", {"thread_id": "inner"}), "done"]
    told = FunctionTool.of(ask, expose_errors=True)
    reply = await ScriptedChatClient(script).create_agent(storage=storage, tools=told).run("go", thread="outer")
    first, second = [message.contents[0] for message in reply.messages if message.role == "tool"]
    assert "inside another run of the same thread" in str(first)
    assert "'inner'" in str(second)


async def test_a_provider_that_runs_an_agent_on_the_same_thread_is_told_so(storage: Storage) -> None:
    inner = ScriptedChatClient(default="inner").create_agent(storage=storage)

    class Asking(ContextProvider):
        async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context | None:
            await inner.run("summarise", thread=thread)
            return None

    agent = ScriptedChatClient(["never"]).create_agent(storage=storage, context_providers=Asking())
    with pytest.raises(ConfigurationError, match="inside another run"):
        await agent.run("go", thread="t")


async def test_a_provider_that_runs_an_agent_on_the_same_thread_afterwards_is_told_so(storage: Storage) -> None:
    inner = ScriptedChatClient(default="inner").create_agent(storage=storage)

    class Asking(ContextProvider):
        async def invoked(
            self,
            request_messages: Sequence[ChatMessage],
            response_messages: Sequence[ChatMessage] = (),
            *,
            thread: AgentThread,
            invoke_exception: BaseException | None = None,
        ) -> None:
            await inner.run("summarise", thread=thread.id)

    agent = ScriptedChatClient(["ok"]).create_agent(storage=storage, context_providers=Asking())
    reply = await agent.run("go", thread="t")
    assert len(reply.warnings) == 1
    assert "inside another run" in reply.warnings[0]


async def test_a_task_that_a_tool_leaves_behind_may_use_the_thread_later(storage: Storage) -> None:
    tasks: list[asyncio.Task[object]] = []
    go = asyncio.Event()
    inner = ScriptedChatClient(default="inner").create_agent(storage=storage)

    async def later() -> object:
        await go.wait()
        return await inner.run("later", thread="t")

    async def leave() -> None:
        tasks.append(asyncio.create_task(later()))

    agent = ScriptedChatClient([call("leave"), "outer"]).create_agent(storage=storage, tools=leave)
    await agent.run("go", thread="t")
    go.set()
    await tasks[0]
    assert texts(await agent.get_thread("t").list_messages())[-2:] == ["later", "inner"]


async def test_a_run_may_follow_a_failed_one(storage: Storage) -> None:
    agent = ScriptedChatClient([LookupError(), "ok"]).create_agent(storage=storage)
    results = await asyncio.gather(agent.run("a", thread="t"), agent.run("b", thread="t"), return_exceptions=True)
    assert isinstance(results[0], LookupError)
    assert str(results[1]) == "ok"


async def test_many_threads_leave_no_locks_and_no_threads_behind(storage: Storage) -> None:
    agent = ScriptedChatClient(default="ok").create_agent(storage=storage)
    references: list[weakref.ref[object]] = []
    for i in range(20):
        thread = agent.get_thread(f"t{i}")
        await agent.run("hi", thread=thread)
        references.extend([weakref.ref(thread), weakref.ref(thread.run_lock())])
        assert isinstance(thread.message_store, ChatMessageStore)
        references.append(weakref.ref(thread.message_store))
        del thread
    gc.collect()
    assert [reference() for reference in references] == [None] * 60
    assert len(storage._locks) == 0  # pyright: ignore[reportPrivateUsage] - that nothing grows is the fact


def test_a_thread_can_be_used_from_one_event_loop_after_another(storage: Storage) -> None:
    agent = SlowClient(default=answer).create_agent()
    thread = agent.get_new_thread()

    async def two() -> None:
        await asyncio.gather(*(agent.run("x", thread=thread) for _ in range(2)))
        await asyncio.gather(*(thread.list_messages() for _ in range(3)))

    asyncio.run(two())
    asyncio.run(two())
    assert asyncio.run(thread.list_messages())[-1].text == "7"


async def test_a_run_that_waits_for_a_stream_that_nobody_reads_is_named_and_then_fails(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run_lock, "CHECK_S", 0.01)
    monkeypatch.setattr(queue, "LEFT_S", 0.02)
    monkeypatch.setattr(queue, "GIVE_UP_S", 0.1)
    agent = ScriptedChatClient(default="one two three").create_agent(storage=storage)
    stream = agent.run_stream("x", thread="t")
    async for _ in stream:
        break
    with pytest.raises(ConfigurationError, match="a stream that nobody has read for"):
        await asyncio.create_task(agent.run("y", thread="t"))
    assert "waits for a stream that nobody has read" in caplog.text
    await stream.aclose()
    assert (await agent.run("z", thread="t")).text == "one two three"


async def test_a_stream_that_is_entered_has_begun_its_run(storage: Storage) -> None:
    client = ScriptedChatClient(default="one two three")
    agent = client.create_agent(storage=storage)
    await agent.run("x", thread=agent.get_thread("t", user_id="ana"))
    with pytest.raises(ThreadOwnershipError):
        async with agent.run_stream("y", thread=agent.get_thread("t", user_id="bo")):
            raise AssertionError("never entered")
    async with agent.run_stream("z", thread="new") as stream:
        assert storage.run_lock("new").locked()
        assert len(client.requests) == 1
        assert "".join([update.text async for update in stream]) == "one two three"
