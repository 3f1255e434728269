"""A service's thread with a local copy: listed, opened by name, continued without the service, and never merged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recuerda import (
    Agent,
    ChatMessage,
    ConfigurationError,
    InvalidInput,
    ServiceThreadNotFound,
    Storage,
    StorageUnavailable,
    ThreadConflict,
    ThreadDiverged,
    ThreadOwnershipError,
    Titler,
)
from recuerda.openai import OpenAIResponsesClient
from recuerda.testing.openai_server import ScriptedOpenAIServer
from recuerda.testing.scripted import ScriptedChatClient
from tests.conversation import texts
from tests.storage.matrix import STORAGES


@pytest.fixture(params=["conversation", "response"])
async def client(request: pytest.FixtureRequest, server: ScriptedOpenAIServer) -> AsyncIterator[OpenAIResponsesClient]:
    async with OpenAIResponsesClient(
        model_id="gpt-scripted",
        api_key="sk-test",
        base_url=server.base_url,
        threads=request.param,
        timeout_s=10,
        max_retries=0,
    ) as client:
        yield client


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with STORAGES["sqlite"](tmp_path) as storage:
        yield storage


@pytest.fixture
def agent(client: OpenAIResponsesClient, storage: Storage) -> Agent:
    return client.create_agent(mirror=storage)


async def service_says(client: OpenAIResponsesClient, reference: str | None) -> list[str]:
    assert reference is not None
    return texts(await client.read_thread(reference))


async def test_each_turn_is_at_the_service_and_in_the_mirror(
    agent: Agent, client: OpenAIResponsesClient, server: ScriptedOpenAIServer, storage: Storage
) -> None:
    server.script.extend(["one!", "two!"])
    thread = agent.get_thread("riker")
    reply = await agent.run("one", thread=thread)
    await agent.run("two", thread=thread)
    said = ["one", "one!", "two", "two!"]
    assert await service_says(client, thread.service_thread_id) == said
    assert thread.mirror is not None
    assert texts(await thread.mirror.list_messages()) == said
    assert [info.id for info in (await storage.list_threads()).threads] == ["riker"]
    assert reply.turn_id is not None
    assert await thread.verify_mirror(client) == 0


async def test_a_model_titles_the_mirror_of_a_thread(
    client: OpenAIResponsesClient, server: ScriptedOpenAIServer, storage: Storage
) -> None:
    server.script.append("one!")
    agent = client.create_agent(mirror=storage, titler=Titler(ScriptedChatClient(["The first"])))
    await agent.run("one", thread="riker")
    await agent.close()
    assert [(info.title, info.title_turn) for info in (await storage.list_threads()).threads] == [("The first", 1)]


async def test_a_thread_is_opened_by_its_name_in_another_process(
    client: OpenAIResponsesClient, server: ScriptedOpenAIServer, storage: Storage
) -> None:
    server.script.extend(["one!", "two!"])
    await client.create_agent(mirror=storage).run("one", thread="riker")
    thread = client.create_agent(mirror=storage).get_thread("riker")
    await client.create_agent(mirror=storage).run("two", thread=thread)
    assert await service_says(client, thread.service_thread_id) == ["one", "one!", "two", "two!"]
    await thread.verify_mirror(client)


async def test_a_saved_state_that_is_older_than_the_mirror_goes_on_where_the_mirror_is(
    agent: Agent, client: OpenAIResponsesClient, server: ScriptedOpenAIServer, storage: Storage
) -> None:
    server.script.extend(["one!", "two!", "three!"])
    thread = agent.get_new_thread()
    await agent.run("one", thread=thread)
    saved = await thread.serialize()
    await agent.run("two", thread=thread)
    restored = await client.create_agent(mirror=storage).deserialize_thread(saved)
    await agent.run("three", thread=restored)
    assert (await service_says(client, restored.service_thread_id))[-2:] == ["three", "three!"]
    assert len(await service_says(client, restored.service_thread_id)) == 6


async def test_a_retry_by_turn_id_is_not_paid_twice(agent: Agent, server: ScriptedOpenAIServer) -> None:
    server.script.extend(["one!"])
    first = await agent.run("one", thread="t", turn_id="visit-1")
    again = await agent.run("one", thread="t", turn_id="visit-1")
    assert (again.text, again.is_replay) == (first.text, True)
    assert len([1 for request in server.requests if request.path.endswith("/responses")]) == 1


async def test_two_writers_on_a_chain_conflict_and_one_goes_on(
    server: ScriptedOpenAIServer, chains: OpenAIResponsesClient, storage: Storage, tmp_path: Path
) -> None:
    server.script.extend(["one!", "two!", "three!", "four!"])
    agent = chains.create_agent(mirror=storage)
    await agent.run("one", thread="t")
    stream = agent.run_stream("two", thread=agent.get_thread("t"))
    await anext(stream)
    async with STORAGES["sqlite"](tmp_path) as elsewhere:  # the lock of a thread is its storage's
        await chains.create_agent(mirror=elsewhere).run("three", thread="t")
    with pytest.raises(ThreadConflict):
        async for _ in stream:
            pass
    thread = agent.get_thread("t")
    await agent.run("four", thread=thread)
    assert (await service_says(chains, thread.service_thread_id))[::2] == ["one", "three", "four"]
    await thread.verify_mirror(chains)


async def test_two_writers_on_a_conversation_do_not_mix(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, storage: Storage, tmp_path: Path
) -> None:
    server.script.extend(["one!", "two!", "three!"])
    agent = responses.create_agent(mirror=storage)
    await agent.run("one", thread="t")
    async with STORAGES["sqlite"](tmp_path) as elsewhere:
        other = responses.create_agent(mirror=elsewhere)
        async with agent.run_stream("two", thread=agent.get_thread("t")) as stream:
            await anext(stream)
            # The service has the turn already, and the mirror does not yet.
            with pytest.raises(ThreadDiverged):
                await other.run("three", thread="t")
            async for _ in stream:
                pass
        thread = other.get_thread("t")
        await other.run("three", thread=thread)
        assert (await service_says(responses, thread.service_thread_id))[::2] == ["one", "two", "three"]
        await thread.verify_mirror(responses)


async def test_what_the_service_forgot_goes_on_locally(
    agent: Agent, client: OpenAIResponsesClient, server: ScriptedOpenAIServer
) -> None:
    server.script.extend(["one!", "two!"])
    thread = agent.get_new_thread()
    await agent.run("one", thread=thread)
    assert thread.service_thread_id is not None
    await client.delete_thread(thread.service_thread_id)
    with pytest.raises(ServiceThreadNotFound, match="detach"):
        await agent.run("two", thread=thread)
    await thread.detach()
    reply = await agent.run("two", thread=thread)
    assert reply.text == "two!"
    assert thread.service_thread_id is None
    assert texts(await thread.list_messages()) == ["one", "one!", "two", "two!"]
    local = ScriptedChatClient(["three!"]).create_agent(storage=agent.storage)
    assert (await local.run("three", thread=thread.id)).text == "three!"


async def test_a_detached_thread_is_not_opened_at_the_service_again(agent: Agent, server: ScriptedOpenAIServer) -> None:
    server.script.extend(["one!"])
    thread = agent.get_thread("t")
    await agent.run("one", thread=thread)
    await thread.detach()
    with pytest.raises(ThreadOwnershipError, match="detached"):
        await agent.run("two", thread="t")


async def test_a_local_thread_is_handed_to_a_service(
    agent: Agent, client: OpenAIResponsesClient, server: ScriptedOpenAIServer, storage: Storage
) -> None:
    local = ScriptedChatClient(["one!"]).create_agent(storage=storage)
    thread = local.get_thread("t")
    await local.run("one", thread=thread)
    reference = await thread.attach(client)
    assert await service_says(client, reference) == ["one", "one!"]
    with pytest.raises(ThreadOwnershipError, match="kept by a service"):
        await local.run("two", thread=thread)
    server.script.extend(["two!", "three!"])
    await agent.run("two", thread=thread)
    again = agent.get_thread("t")
    await agent.run("three", thread=again)
    assert await service_says(client, again.service_thread_id) == ["one", "one!", "two", "two!", "three", "three!"]
    with pytest.raises(ThreadOwnershipError):
        await thread.attach(client)


async def test_what_somebody_else_said_at_the_service_is_told_before_anything_is_paid_for(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, storage: Storage
) -> None:
    server.script.extend(["one!", "other!", "two!"])
    agent = responses.create_agent(mirror=storage)
    thread = agent.get_thread("t")
    await agent.run("one", thread=thread)
    stranger = responses.create_agent()
    await stranger.run("other", thread=stranger.get_new_thread(service_thread_id=thread.service_thread_id))

    fresh = responses.create_agent(mirror=storage).get_thread("t")
    asked = len(server.requests)
    with pytest.raises(ThreadDiverged, match="newest message"):
        await agent.run("two", thread=fresh)
    assert all(request.method == "GET" for request in server.requests[asked:])
    assert await fresh.update_mirror(responses) == 2
    await agent.run("two", thread=fresh)
    assert fresh.mirror is not None
    assert texts(await fresh.mirror.list_messages()) == ["one", "one!", "other", "other!", "two", "two!"]


async def test_a_copy_that_says_something_else_is_never_merged(
    agent: Agent, client: OpenAIResponsesClient, server: ScriptedOpenAIServer
) -> None:
    server.script.extend(["one!"])
    thread = agent.get_thread("t")
    await agent.run("one", thread=thread)
    assert thread.mirror is not None
    await thread.mirror.add_messages([ChatMessage("user", "only here")])
    for compare in (thread.verify_mirror, thread.update_mirror):
        with pytest.raises(ThreadDiverged, match="the service lacks 1"):
            await compare(client)


async def test_a_mirror_that_fails_fails_the_turn(
    agent: Agent, client: OpenAIResponsesClient, server: ScriptedOpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script.extend(["one!", "two!", "three!"])
    thread = agent.get_thread("t")
    await agent.run("one", thread=thread)

    async def fail(*args: object, **options: object) -> None:
        raise StorageUnavailable("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(agent.storage, "append", fail)
        with pytest.raises(StorageUnavailable):
            await agent.run("two", thread=thread)
    assert await service_says(client, thread.service_thread_id) == ["one", "one!"]
    await agent.run("three", thread=thread)
    await thread.verify_mirror(client)


async def test_places_that_contradict_the_client_are_refused(client: OpenAIResponsesClient, storage: Storage) -> None:
    with pytest.raises(ConfigurationError, match="mirror="):
        client.create_agent(storage=storage)
    with pytest.raises(ConfigurationError, match="storage="):
        ScriptedChatClient().create_agent(mirror=storage)
    with pytest.raises(ConfigurationError, match="opened by name"):
        client.create_agent().get_thread("t")
    thread = client.create_agent().get_new_thread(service_thread_id="conv_x")
    for use in (thread.detach(), thread.verify_mirror(client)):
        with pytest.raises(InvalidInput, match="no mirror"):
            await use


async def test_a_user_gets_at_no_other_users_mirrored_thread(
    agent: Agent, client: OpenAIResponsesClient, server: ScriptedOpenAIServer, storage: Storage
) -> None:
    server.script.extend(["one!"])
    await agent.run("one", thread=agent.get_thread("t", user_id="ana"))
    with pytest.raises(ThreadOwnershipError, match="another user"):
        await agent.run("two", thread=agent.get_thread("t", user_id="bob"))


async def test_runs_on_one_mirrored_thread_queue(agent: Agent, server: ScriptedOpenAIServer) -> None:
    server.script.extend(["1", "2", "3"])
    await asyncio.gather(*(agent.run(word, thread="t") for word in ("a", "b", "c")))
    thread = agent.get_thread("t")
    await agent.deserialize_thread(await thread.serialize())
    info = await agent.storage.head("t")
    assert info is not None
    assert (info.turns, info.messages) == (3, 6)
