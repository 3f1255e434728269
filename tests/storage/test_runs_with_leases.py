"""Regenerate, edit, fork and files under leases: runs in two processes queue, and none is refused or lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from recuerda import Agent, ChatMessage, ChatMessageStore, DataContent, Storage
from recuerda.agent.chat import ChatRequest, ChatResponse
from recuerda.agent.client import ChatClient
from recuerda.testing.scripted import ScriptedChatClient
from tests.conversation import texts

LEASE = timedelta(seconds=30)
PICTURES = [bytes([number]) * 5000 for number in range(4)]


class Counting(ChatClient):
    """Answers with the number of its call, and remembers how many calls ran together at most."""

    def __init__(self) -> None:
        self.calls = self.running = self.most = 0
        self.requests: list[ChatRequest] = []

    async def respond(self, request: ChatRequest) -> ChatResponse:
        self.calls += 1
        number = self.calls
        self.requests.append(request)
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0.01)
        self.running -= 1
        return ChatResponse(message=ChatMessage("assistant", str(number)))


class Held(ChatClient):
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.was_asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def respond(self, request: ChatRequest) -> ChatResponse:
        self.was_asked.set()
        await self.may_answer.wait()
        return ChatResponse(message=ChatMessage("assistant", "late"))


def agents_on(*storages: Storage, client: ChatClient) -> list[Agent]:
    return [client.create_agent(storage=storage, lease=LEASE) for storage in storages]


async def said(storage: Storage, thread_id: str = "t") -> list[str]:
    return texts(await ChatMessageStore(storage=storage, thread_id=thread_id).list_messages())


def pictures_in(messages: list[ChatMessage]) -> list[bytes]:
    return [part.data for message in messages for part in message.contents if isinstance(part, DataContent)]


def shown(text: str, *pictures: bytes) -> ChatMessage:
    return ChatMessage("user", [text, *[DataContent(one, "image/png", f"{text}.png") for one in pictures]])


async def test_answers_that_two_processes_give_again_queue(storage: Storage, another: Storage) -> None:
    client = Counting()
    one, two = agents_on(storage, another, client=client)
    await one.run("first", thread="t")
    replies = await asyncio.gather(
        one.regenerate("t"),
        two.regenerate("t"),
        two.regenerate_stream("t").drained(),
        one.run("second", thread="t", replaces=1),
        return_exceptions=True,
    )
    # Each answer takes the place of the newest turn. The run names the first turn, so it may come too late.
    refused = [type(reply).__name__ for reply in replies if isinstance(reply, BaseException)]
    assert refused in ([], ["TurnGone"])
    assert client.most == 1
    question, answer = await said(storage)
    assert question in ("first", "second")
    assert answer == max((reply.text for reply in replies if not isinstance(reply, BaseException)), key=int)
    info = await storage.head("t")
    assert info is not None
    assert (info.turns, info.messages) == (1, 2)


async def test_an_answer_given_again_waits_for_a_run_of_another_process_and_follows_it(
    storage: Storage, another: Storage
) -> None:
    await ScriptedChatClient(["1"]).create_agent(storage=storage).run("one", thread="t")
    held, client = Held(), Counting()
    (slow,), (agent,) = agents_on(storage, client=held), agents_on(another, client=client)
    running = asyncio.create_task(slow.run("two", thread="t"))
    await held.was_asked.wait()
    again = asyncio.create_task(agent.regenerate("t"))
    await asyncio.sleep(0.05)
    assert client.calls == 0
    held.may_answer.set()
    await asyncio.gather(running, again)
    assert await said(another) == ["one", "1", "two", "1"]
    assert [message.text for message in client.requests[0].messages] == ["one", "1", "two"]


async def test_an_edit_and_a_fork_do_not_wait_for_a_run_of_the_thread(storage: Storage, another: Storage) -> None:
    teller = ScriptedChatClient(["1", "2"]).create_agent(storage=storage)
    await teller.run("one", thread="t")
    await teller.run(shown("two", PICTURES[0]), thread="t")
    held = Held()
    (slow,), (agent,) = agents_on(storage, client=held), agents_on(another, client=Counting())
    running = asyncio.create_task(slow.run("three", thread="t"))
    await held.was_asked.wait()
    async with asyncio.timeout(10):
        edited, repeated = await asyncio.gather(
            agent.edit("t", 2, "zwei", turn_id="e"), agent.edit("t", 2, "zwei", turn_id="e")
        )
        fork = await agent.get_thread("t").fork()
        await agent.run(shown("drei", PICTURES[0]), thread=fork)
    assert edited.thread_id == repeated.thread_id
    assert await said(another, edited.thread_id) == ["one", "1", "zwei", edited.text]
    assert pictures_in(await fork.list_messages()) == [PICTURES[0]] * 2
    held.may_answer.set()
    await running
    assert (await said(another))[-2:] == ["three", "late"]
    assert {info.id for info in await agent.get_thread("t").list_branches()} == {edited.thread_id, fork.id}


async def test_files_of_two_processes_are_all_there_and_each_is_kept_once(storage: Storage, another: Storage) -> None:
    client = Counting()
    agents = agents_on(storage, another, client=client)
    runs = [agents[i % 2].run(shown(f"q{i}", PICTURES[i % 3], PICTURES[3]), thread="t") for i in range(6)]
    await asyncio.gather(*runs)
    assert client.most == 1
    # Each run has seen the files of all turns before it.
    assert [len(pictures_in(list(request.messages))) for request in client.requests] == [2, 4, 6, 8, 10, 12]
    found = await another.read("t", blobs=None)
    assert sorted(found.blobs.values()) == PICTURES
    assert [len(record.blobs) for record in found.records] == [2] * 6
    await agents[1].regenerate("t")
    assert len(pictures_in(list(client.requests[-1].messages))) == 12
    assert sorted((await storage.read("t", blobs=None)).blobs.values()) == PICTURES


async def test_a_cancelled_answer_gives_the_lease_back_and_leaves_the_turn_and_its_files(
    storage: Storage, another: Storage
) -> None:
    await ScriptedChatClient(["1"]).create_agent(storage=storage).run(shown("one", PICTURES[0]), thread="t")
    held = Held()
    (slow,), (agent,) = agents_on(storage, client=held), agents_on(another, client=Counting())
    for running in (slow.regenerate("t"), slow.run(shown("uno", PICTURES[1]), thread="t", replaces=1)):
        task = asyncio.create_task(running)
        await held.was_asked.wait()
        held.was_asked.clear()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert list((await another.read("t", blobs=None)).blobs.values()) == [PICTURES[0]]
    async with asyncio.timeout(10):
        await agent.run(shown("uno", PICTURES[1]), thread="t", replaces=1)
    assert await said(storage) == ["uno", "1"]
    assert list((await storage.read("t", blobs=None)).blobs.values()) == [PICTURES[1]]
