"""A run that is repeated with its `turn_id` gives the first answer, and asks no model."""

import pytest

from recuerda import InvalidInput, Storage, ThreadConflict, Usage
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.agent.recording import Recorder
from tests.conversation import answered, texts


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_repeated_turn_is_replayed(storage: Storage, *, is_streamed: bool) -> None:
    client, provider = ScriptedChatClient([call("f"), "first"], usage=Usage(1, 2, 3)), Recorder()

    def f() -> int:
        return 1

    agent = client.create_agent(storage=storage, tools=f, context_providers=provider)
    first = await answered(agent, "hi", is_streamed=is_streamed, thread="t", turn_id="r1")
    events = list(provider.events)
    again = await answered(agent, "hi", is_streamed=is_streamed, thread="t", turn_id="r1")
    assert (again.is_replay, first.is_replay) == (True, False)
    assert (again.messages, again.usage, again.turn_id, again.text) == (first.messages, first.usage, "r1", "first")
    assert len(client.requests) == 2
    assert provider.events == events
    assert len(await agent.get_thread("t").list_messages()) == 4


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_repeated_turn_is_replayed_after_a_restart(
    storage: Storage, another: Storage, *, is_streamed: bool
) -> None:
    first = ScriptedChatClient(default="first").create_agent(storage=storage)
    await answered(first, "hi", is_streamed=is_streamed, thread="t", turn_id="r1")
    await answered(first, "more", is_streamed=is_streamed, thread="t")
    restarted = ScriptedChatClient([]).create_agent(storage=another)
    assert (await answered(restarted, "hi", is_streamed=is_streamed, thread="t", turn_id="r1")).text == "first"


async def test_an_id_belongs_to_its_thread(storage: Storage) -> None:
    agent = ScriptedChatClient(["a", "b"]).create_agent(storage=storage)
    replies = [await agent.run("hi", thread=thread, turn_id="r1") for thread in ("t", "u")]
    assert [reply.text for reply in replies] == ["a", "b"]


async def test_an_undone_turn_can_be_run_again(storage: Storage) -> None:
    agent = ScriptedChatClient(["a", "b"]).create_agent(storage=storage)
    thread = agent.get_thread("t")
    await agent.run("hi", thread=thread, turn_id="r1")
    await thread.undo()
    reply = await agent.run("hi", thread=thread, turn_id="r1")
    assert (reply.text, reply.is_replay) == ("b", False)
    assert texts(await thread.list_messages()) == ["hi", "b"]


async def test_a_failed_turn_can_be_run_again(storage: Storage) -> None:
    agent = ScriptedChatClient([LookupError("down"), "b"]).create_agent(storage=storage)
    with pytest.raises(LookupError):
        await agent.run("hi", thread="t", turn_id="r1")
    assert (await agent.run("hi", thread="t", turn_id="r1")).text == "b"


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize("scheme", ["sqlite", "file"])
async def test_when_another_process_commits_the_same_turn_first_its_answer_stands(
    storage: Storage, another: Storage, *, is_streamed: bool
) -> None:
    rival = ScriptedChatClient(["theirs"]).create_agent(storage=another)

    async def meanwhile() -> None:
        await rival.run("hi", thread="t", turn_id="r1")

    provider = Recorder()
    client = ScriptedChatClient([call("meanwhile"), "ours"])
    agent = client.create_agent(storage=storage, tools=meanwhile, context_providers=provider)
    reply = await answered(agent, "hi", is_streamed=is_streamed, thread="t", turn_id="r1")
    assert (reply.text, reply.is_replay) == ("theirs", True)
    assert texts(await agent.get_thread("t").list_messages()) == ["hi", "theirs"]
    assert provider.learnt == [(["hi"], ["theirs"])]


@pytest.mark.parametrize("scheme", ["sqlite", "file"])
async def test_two_processes_on_one_thread_conflict_and_nothing_is_written(storage: Storage, another: Storage) -> None:
    rival = ScriptedChatClient(["theirs"]).create_agent(storage=another)

    async def meanwhile() -> None:
        await rival.run("rival", thread="t")

    provider = Recorder()
    client = ScriptedChatClient([call("meanwhile"), "ours", "again"])
    agent = client.create_agent(storage=storage, tools=meanwhile, context_providers=provider)
    with pytest.raises(ThreadConflict) as caught:
        await agent.run("mine", thread="t")
    assert (caught.value.thread_id, caught.value.expected, caught.value.actual) == ("t", 0, 1)
    assert provider.events[-1] == "p.invoked:ThreadConflict"
    await agent.run("mine", thread="t")
    assert texts(client.requests[-1].messages) == ["rival", "theirs", "mine"]
    assert texts(await agent.get_thread("t").list_messages()) == ["rival", "theirs", "mine", "again"]


@pytest.mark.parametrize("turn_id", ["", "a\x00", "x" * 513])
async def test_a_turn_id_that_no_storage_could_keep_is_refused(turn_id: str) -> None:
    client = ScriptedChatClient(["never"])
    with pytest.raises(InvalidInput):
        await client.create_agent().run("hi", thread="t", turn_id=turn_id)
    assert client.requests == []
