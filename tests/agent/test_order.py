"""The steps of a run, and their order."""

import asyncio

import pytest

from recuerda import ChatRequest, Context, Storage
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.agent.recording import Recorder
from tests.conversation import answered


def traced(storage: Storage, events: list[str], patch: pytest.MonkeyPatch) -> None:
    read, append = storage.read, storage.append

    async def traced_read(*args: object, **options: object) -> object:
        events.append("read")
        return await read(*args, **options)  # pyright: ignore[reportArgumentType] - passed on as they came

    async def traced_append(*args: object, **options: object) -> object:
        events.append("commit")
        return await append(*args, **options)  # pyright: ignore[reportArgumentType] - as above

    patch.setattr(storage, "read", traced_read)
    patch.setattr(storage, "append", traced_append)


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_the_steps_come_in_order(storage: Storage, monkeypatch: pytest.MonkeyPatch, *, is_streamed: bool) -> None:
    events: list[str] = []
    traced(storage, events, monkeypatch)

    def tool() -> str:
        events.append("tool")
        return "x"

    def answer(request: ChatRequest) -> str:
        events.append("model")
        return "done"

    def first(request: ChatRequest) -> object:
        events.append("model")
        return call("tool")

    client = ScriptedChatClient([first, answer, answer])  # pyright: ignore[reportArgumentType] - a message it is
    agent = client.create_agent(storage=storage, tools=tool, context_providers=Recorder(events=events))
    for text in ("one", "two"):
        await answered(agent, text, is_streamed=is_streamed, thread="t")
    assert events == [
        *("read", "p.invoking:one", "model", "tool", "model", "commit", "p.thread_created:t", "p.invoked:ok"),
        *("read", "p.invoking:two", "model", "commit", "p.invoked:ok"),
    ]


async def test_providers_are_asked_at_the_same_time_and_used_in_their_order() -> None:
    second_is_done = asyncio.Event()

    async def wait() -> None:
        await second_is_done.wait()

    async def finish() -> None:
        second_is_done.set()

    client = ScriptedChatClient(["ok"])
    events: list[str] = []
    first = Recorder("a", events, context=Context(instructions="A"), before=lambda: asyncio.ensure_future(wait()))
    second = Recorder("b", events, context=Context(instructions="B"), before=lambda: asyncio.ensure_future(finish()))
    await client.create_agent(context_providers=[first, second]).run("hi")
    assert events[:2] == ["b.invoking:hi", "a.invoking:hi"]
    assert client.requests[0].instructions == "A\n\nB"


async def test_the_model_sees_a_tools_result_before_it_goes_on() -> None:
    client = ScriptedChatClient([call("tool"), "done"])

    def tool() -> str:
        return "42"

    await client.create_agent(tools=tool).run("?")
    assert [message.role for message in client.requests[1].messages] == ["user", "assistant", "tool"]


async def test_a_thread_is_created_once(storage: Storage, another: Storage) -> None:
    for number, place in enumerate((storage, another)):
        provider = Recorder()
        agent = ScriptedChatClient(default="ok").create_agent(storage=place, context_providers=provider)
        await agent.run("hi", thread="t")
        assert ("p.thread_created:t" in provider.events) == (number == 0)
