"""An edit branches off before a turn and answers in the branch."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from recuerda import (
    Agent,
    AgentResponse,
    AgentThread,
    ChatClientError,
    InvalidInput,
    MemoryStorage,
    Storage,
    StorageUnavailable,
    ThreadConflict,
    ThreadNotFound,
)
from recuerda.errors import ThreadOwnershipError
from recuerda.storage.operations import Guard
from recuerda.testing.scripted import ScriptedAnswer, ScriptedChatClient, call
from tests.conversation import texts

TOLD = ["one", "1", "two", "2", "three", "3"]


async def told(storage: Storage, *, user_id: str | None = "ana") -> AgentThread:
    agent = ScriptedChatClient(["1", "2", "3"]).create_agent(storage=storage)
    thread = agent.get_thread("t", user_id=user_id)
    for text in ("one", "two", "three"):
        await agent.run(text, thread=thread)
    return thread


def agent_of(storage: Storage, *answers: ScriptedAnswer, **options: Any) -> tuple[Agent, ScriptedChatClient]:
    client = ScriptedChatClient(answers)
    return client.create_agent(storage=storage, **options), client


async def branches(thread: AgentThread) -> list[str]:
    return [info.id for info in await thread.list_branches()]


async def said(agent: Agent, thread_id: str) -> list[str]:
    return texts(await agent.get_thread(thread_id).list_messages())


async def test_an_edit_answers_in_a_branch_and_leaves_the_thread(storage: Storage) -> None:
    thread = await told(storage)
    for place, turn in enumerate(await thread.list_turns()):
        agent, client = agent_of(storage, "other")
        reply = await agent.edit(thread, turn, "edited")
        assert await said(agent, reply.thread_id) == [*TOLD[: 2 * place], "edited", "other"]
        assert texts(client.requests[0].messages) == [*TOLD[: 2 * place], "edited"]
        info = await storage.head(reply.thread_id)
        assert info is not None
        assert (info.user_id, info.turns) == ("ana", place + 1)
    assert texts(await thread.list_messages()) == TOLD
    assert len(await branches(thread)) == 3


async def test_an_edit_is_streamed_too_and_takes_the_ids_of_thread_and_turn(storage: Storage) -> None:
    thread = await told(storage, user_id=None)
    agent, _ = agent_of(storage, "other")
    second = (await thread.list_turns())[1]
    async with agent.edit_stream("t", second.id, "edited", branch_id="branch") as stream:
        assert "".join([update.text async for update in stream]) == "other"
    assert stream.response.thread_id == "branch"
    assert await said(agent, "branch") == ["one", "1", "edited", "other"]


async def test_a_repeated_edit_gives_the_first_answer_and_no_second_branch(storage: Storage) -> None:
    thread = await told(storage)
    agent, client = agent_of(storage, "other")
    first = await agent.edit(thread, 2, "edited", turn_id="x")
    again = await agent.edit(thread, 2, "edited", turn_id="x")
    assert (again.thread_id, again.text, again.is_replay) == (first.thread_id, "other", True)
    assert (len(client.requests), await branches(thread)) == (1, [first.thread_id])


async def test_a_repeated_edit_needs_neither_the_turn_nor_the_thread_any_more(storage: Storage) -> None:
    thread = await told(storage)
    agent, client = agent_of(storage, "other")
    last = (await thread.list_turns())[-1]
    await agent.edit(thread, last, "edited", turn_id="x")
    await thread.undo()
    assert (await agent.edit(thread, last, "edited", turn_id="x")).text == "other"
    with pytest.raises(InvalidInput, match="no turn"):
        await agent.edit(thread, last, "edited", turn_id="y")
    await storage.delete("t")
    assert (await agent.edit(agent.get_thread("t"), last, "edited", turn_id="x")).text == "other"
    assert len(client.requests) == 1


async def test_edits_that_are_repeated_at_the_same_time_make_one_branch(storage: Storage) -> None:
    thread = await told(storage)
    agent, _ = agent_of(storage, "other", "not this one")
    replies = await asyncio.gather(*(agent.edit(thread, 2, "edited", turn_id="x") for _ in range(2)))
    assert {reply.text for reply in replies} == {"other"}
    assert len(await branches(thread)) == 1


async def test_edits_without_a_name_make_a_branch_each(storage: Storage) -> None:
    thread = await told(storage)
    agent, _ = agent_of(storage, "a", "b")
    replies = [await agent.edit(thread, 2, "edited") for _ in range(2)]
    assert await branches(thread) == [replies[1].thread_id, replies[0].thread_id]


async def test_a_failed_edit_leaves_no_branch(storage: Storage) -> None:
    thread = await told(storage)
    agent, _ = agent_of(storage, ChatClientError("down"), ChatClientError("down"), "other")
    tries: list[Callable[[], Coroutine[Any, Any, AgentResponse]]] = [
        lambda: agent.edit(thread, 2, "edited", turn_id="x"),
        lambda: agent.edit_stream(thread, 2, "edited", turn_id="x").drained(),
    ]
    for attempt in tries:
        with pytest.raises(ChatClientError):
            await attempt()
        assert await branches(thread) == []
    assert (await agent.edit(thread, 2, "edited", turn_id="x")).text == "other"


async def test_a_stream_of_an_edit_that_is_left_early_leaves_no_branch(storage: Storage) -> None:
    thread = await told(storage)
    agent, _ = agent_of(storage, "a long answer")
    async with agent.edit_stream(thread, 2, "edited") as stream:
        async for _ in stream:
            break
    assert await branches(thread) == []


async def test_a_failed_edit_leaves_a_branch_that_was_there_before(storage: Storage) -> None:
    thread = await told(storage)
    fork = await thread.fork(before=2, thread_id="mine")
    agent, _ = agent_of(storage, ChatClientError("down"))
    with pytest.raises(ChatClientError):
        await agent.edit(thread, 2, "edited", branch_id="mine")
    assert texts(await fork.list_messages()) == TOLD[:2]


async def test_an_interrupted_edit_can_be_resumed_in_its_branch(storage: Storage) -> None:
    thread = await told(storage)

    def look() -> str:
        return "seen"

    script = (call("look"), ChatClientError("down"), "other")
    agent, _ = agent_of(storage, *script, durability="steps", tools=look)
    with pytest.raises(ChatClientError):
        await agent.edit(thread, 2, "edited", branch_id="branch")
    assert await branches(thread) == ["branch"]
    reply = await agent.resume("branch")
    assert (reply.text, (await said(agent, "branch"))[:3]) == ("other", ["one", "1", "edited"])


async def test_an_edit_that_cannot_be_is_refused_before_the_model_is_called(storage: Storage) -> None:
    thread = await told(storage)
    await storage.update_thread("taken", title="Mine", parent=None)
    await storage.update_thread("bobs", user_id="bob")
    agent, client = agent_of(storage)
    with pytest.raises(InvalidInput, match="no turn 9"):
        await agent.edit(thread, 9, "edited")
    with pytest.raises(ThreadNotFound):
        await agent.edit("unknown", 1, "edited")
    with pytest.raises(ThreadConflict):
        await agent.edit(thread, 2, "edited", branch_id="t")
    with pytest.raises(ThreadOwnershipError):
        await agent.edit(thread, 2, "edited", branch_id="bobs")
    with pytest.raises(ThreadOwnershipError):
        await agent.edit(agent.get_thread("t", user_id="bob"), 2, "edited")
    assert (client.requests, await branches(thread)) == ([], [])


async def test_a_branch_that_cannot_be_removed_does_not_hide_the_failure() -> None:
    storage = NoDeletion()
    thread = await told(storage)
    agent, _ = agent_of(storage, ChatClientError("down"))
    with pytest.raises(ChatClientError):
        await agent.edit(thread, 2, "edited")


class NoDeletion(MemoryStorage):
    """A storage that is down for deletions."""

    async def _delete(self, thread_id: str, guard: Guard) -> bool:
        raise StorageUnavailable("down")
