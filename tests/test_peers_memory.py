"""Facts about memories, summaries and interrupted turns that were seen not to hold elsewhere, as in `test_peers.py`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from recuerda import (
    AgentThread,
    ChatClientError,
    ChatMessage,
    ChatMessageStore,
    ChatRequest,
    ConfigurationError,
    Context,
    ContextProvider,
    FunctionCallContent,
    FunctionTool,
    InvalidInput,
    Summarizer,
    open_storage,
)
from recuerda.recall import RecallProvider
from recuerda.redis import RedisProvider
from recuerda.testing.scripted import ScriptedAnswer, ScriptedChatClient, call
from tests.conversation import texts


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/threads.db"


# Long-term memory -----------------------------------------------------------------------------------------------------


class Remembering(ContextProvider):
    """Learns every text that it is told, and recalls all of them, in both ways."""

    def __init__(self, learnt: list[str]) -> None:
        self.learnt = learnt

    async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context:
        return Context(
            messages=[ChatMessage("user", text) for text in self.learnt], instructions="\n".join(self.learnt)
        )

    async def invoked(
        self,
        request_messages: Sequence[ChatMessage],
        response_messages: Sequence[ChatMessage] = (),
        *,
        thread: AgentThread,
        invoke_exception: BaseException | None = None,
    ) -> None:
        self.learnt.extend(texts([*request_messages, *response_messages]))


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_fifty_runs_that_recall_and_learn_learn_each_thing_once(url: str, *, is_streamed: bool) -> None:
    learnt: list[str] = []
    client = ScriptedChatClient(default=lambda _: f"answer {len(client.requests)}")
    async with client.create_agent(storage=url, context_providers=Remembering(learnt)) as agent:
        for number in range(1, 51):
            stream = agent.run_stream(f"fact {number}", thread=f"t{number % 3}")
            if is_streamed:
                assert [update async for update in stream]
            else:
                await stream.drained()
            assert len(learnt) == 2 * number
        stored = [texts(await agent.get_thread(f"t{name}").list_messages()) for name in range(3)]
    assert learnt == [text for number in range(1, 51) for text in (f"fact {number}", f"answer {number}")]
    assert sorted(text for thread in stored for text in thread) == sorted(learnt)
    assert texts(client.requests[-1].messages)[-99:] == [*learnt[:98], "fact 50"]


@pytest.mark.parametrize("query", [None, "trombone"])
async def test_forgetting_without_a_scope_is_refused_and_forgets_nobody(url: str, query: str | None) -> None:
    async with open_storage(url) as storage:
        for user in ("ana", "ben"):
            store = ChatMessageStore(storage=storage, thread_id=f"of {user}", user_id=user)
            await store.add_messages([ChatMessage("user", f"I am {user}, and I play the trombone.")])
        recall = RecallProvider(storage=storage)
        with pytest.raises((InvalidInput, ConfigurationError)):
            await recall.forget(query=query)
        assert [len(await recall.search("trombone", user_id=user)) for user in ("ana", "ben")] == [1, 1]
        assert await recall.forget(user="ana", query=query) == 1
        assert [len(await recall.search("trombone", user_id=user)) for user in ("ana", "ben")] == [0, 1]
        await recall.close()


def test_a_memory_of_everybody_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(ConfigurationError, match="user_id"):
        RedisProvider("redis://127.0.0.1:1")


# Summaries ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("notes", [ChatClientError("503: the summary failed"), ""], ids=["an-error", "nothing"])
async def test_a_failed_summary_never_takes_the_place_of_what_was_said(url: str, notes: ScriptedAnswer) -> None:
    async with open_storage(url) as storage:
        model = ScriptedChatClient(default=notes)
        summarizer = Summarizer(model, max_messages=4, keep_messages=2)
        client = ScriptedChatClient(default="ok")
        async with client.create_agent(storage=storage, summarizer=summarizer) as agent:
            for number in range(6):
                await agent.run(f"fact {number}", thread="t")
                await summarizer.close()
        assert len(model.requests) > 1
        assert texts(client.requests[-1].messages)[::2] == [f"fact {number}" for number in range(6)]
        assert {request.instructions for request in client.requests} == {None}
        assert len(await ChatMessageStore(storage=storage, thread_id="t").list_messages()) == 12


async def test_a_summary_that_says_nonsense_can_be_done_without(url: str) -> None:
    async with open_storage(url) as storage:
        summarizer = Summarizer(ScriptedChatClient(default="The user is a teapot."), max_messages=4, keep_messages=2)
        async with ScriptedChatClient(default="ok").create_agent(storage=storage, summarizer=summarizer) as agent:
            for number in range(6):
                await agent.run(f"fact {number}", thread="t")
                await summarizer.close()
        client = ScriptedChatClient(default="ok")
        await client.create_agent(storage=storage).run("And now?", thread="t")
        (request,) = client.requests
        assert texts(request.messages)[::2] == [*(f"fact {number}" for number in range(6)), "And now?"]
        assert request.instructions is None


# Interrupted turns ----------------------------------------------------------------------------------------------------


def down(request: ChatRequest) -> Any:
    raise ChatClientError("down", status=503)


def bookings() -> tuple[list[str], FunctionTool]:
    """Return what was booked, and a tool that books."""
    booked: list[str] = []

    def book(what: str) -> str:
        """Book something."""
        booked.append(what)
        return f"{what} is booked"

    return booked, FunctionTool.of(book)


async def test_nothing_of_a_turn_that_broke_off_is_paid_for_or_done_twice(url: str) -> None:
    booked, book = bookings()
    calls = [call("book", {"what": str(number)}, call_id=f"c{number}") for number in range(20)]
    async with ScriptedChatClient([calls[0], down]).create_agent(storage=url, tools=book, durability="steps") as agent:
        with pytest.raises(ChatClientError):
            await agent.run("Book all.", thread="t")
    for answer in calls[1:]:  # each time as another process would: one more answer, and the model is down again
        client = ScriptedChatClient([answer, down])
        async with client.create_agent(storage=url, tools=book) as agent:
            with pytest.raises(ChatClientError):
                await agent.resume("t")
        assert len(client.requests) == 2
    client = ScriptedChatClient(["All is booked."])
    async with client.create_agent(storage=url, tools=book) as agent:
        reply = await agent.resume("t")
        messages = await agent.get_thread("t").list_messages()
    assert (reply.text, len(client.requests)) == ("All is booked.", 1)
    assert booked == [str(number) for number in range(20)]
    assert [message.role for message in messages] == ["user", *["assistant", "tool"] * 20, "assistant"]


async def test_a_broken_off_turn_is_no_part_of_what_others_read(url: str) -> None:
    booked, book = bookings()
    client = ScriptedChatClient([call("book", {"what": "a"}), down])
    async with client.create_agent(storage=url, tools=book, durability="steps") as agent:
        with pytest.raises(ChatClientError):
            await agent.run("Book it.", thread="t")
        assert booked == ["a"]
        assert await agent.get_thread("t").list_messages() == []
        assert await agent.discard_turn("t")
        await ScriptedChatClient(["Hello."]).create_agent(storage=agent.storage).run("Hi.", thread="t")
        messages = await agent.get_thread("t").list_messages()
    assert texts(messages) == ["Hi.", "Hello."]
    assert not any(isinstance(part, FunctionCallContent) for message in messages for part in message.contents)
