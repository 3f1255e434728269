"""What a run sends: as much of the thread as fits beside all else, and nothing that a service refuses."""

import pytest

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    ChatRequest,
    Context,
    ContextWindow,
    FunctionCallContent,
    FunctionResultContent,
    Storage,
    TokenCounter,
    Usage,
)
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.agent.recording import Recorder
from tests.conversation import exchange, texts

BUDGET = 2_000


def cost(request: ChatRequest) -> int:
    return TokenCounter().count(request.messages, instructions=request.instructions, tools=request.tools)


async def filled(storage: Storage, turns: int) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t")
    for number in range(turns):
        await store.add_messages(exchange(f"word {number} " * 10))


async def test_every_request_of_a_run_keeps_to_the_budget(storage: Storage) -> None:
    def big(n: int) -> str:
        """Return much."""
        return "x" * 1_200

    await filled(storage, 100)
    client = ScriptedChatClient([*(call("big", {"n": n}, call_id=f"c{n}") for n in range(8)), "done"])
    window = ContextWindow(max_tokens=BUDGET + 200, reserve_tokens=200)
    provider = Recorder(context=Context(instructions="Recall " * 100, messages=[ChatMessage("user", "memory " * 50)]))
    agent = client.create_agent(
        "A", "Be kind. " * 20, storage=storage, window=window, tools=big, context_providers=provider
    )
    await agent.run("go", thread="t")
    costs = [cost(request) for request in client.requests]
    assert max(costs) <= BUDGET
    assert costs[0] > BUDGET / 2
    sent = [len(request.messages) for request in client.requests]
    assert "word 99" in client.requests[0].messages[-3].text
    assert sent[0] > 20
    results = [
        part.result
        for message in client.requests[-1].messages
        for part in message.contents
        if isinstance(part, FunctionResultContent)
    ]
    assert len(results) == 8


async def test_the_front_of_what_is_sent_stays_for_many_runs(storage: Storage) -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(storage=storage, window=ContextWindow(max_messages=32))
    for number in range(60):
        await agent.run(f"word {number}", thread="t")
    fronts = [request.messages[0].text for request in client.requests[20:]]
    assert len(set(fronts)) <= 12


async def test_a_damaged_history_is_mended_on_its_way_and_stays_as_it_is(storage: Storage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t")
    damaged = [
        ChatMessage("tool", FunctionResultContent("lost", "orphan")),
        ChatMessage("user", "hi"),
        ChatMessage("assistant", FunctionCallContent("open", "f", {})),
    ]
    await store.add_messages(damaged)
    client = ScriptedChatClient(["fine"])
    await client.create_agent(storage=storage).run("and now?", thread="t")
    roles = [message.role for message in client.requests[0].messages]
    assert roles == ["user", "assistant", "tool", "user"]
    assert (await store.list_messages())[:3] == damaged


async def test_a_result_that_the_caller_brings_meets_its_call(storage: Storage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t")
    await store.add_messages([ChatMessage("user", "hi"), ChatMessage("assistant", FunctionCallContent("c", "f", {}))])
    client = ScriptedChatClient(["thanks"])
    result = ChatMessage("tool", FunctionResultContent("c", "42"))
    await client.create_agent(storage=storage).run(result, thread="t")
    assert client.requests[0].messages[-1] == result


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_the_window_learns_what_tokens_cost(storage: Storage, *, is_streamed: bool) -> None:
    await filled(storage, 200)
    dear = Usage(input_tokens=2_000, output_tokens=1)
    client = ScriptedChatClient(default="ok", usage=dear)
    agent = client.create_agent(storage=storage, window=ContextWindow(max_tokens=1_000))
    for _ in range(8):
        if is_streamed:
            async for _update in agent.run_stream("go", thread="t"):
                pass
        else:
            await agent.run("go", thread="t")
    assert len(texts(client.requests[-1].messages)) < 0.7 * len(texts(client.requests[0].messages))
