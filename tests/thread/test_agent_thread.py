"""An `AgentThread` is kept by a store or by a service, and never by both."""

from typing import assert_type

import pytest

from recuerda import (
    AgentThread,
    ChatClientError,
    ChatMessage,
    ChatMessageStore,
    ConfigurationError,
    InvalidInput,
    MemoryStorage,
    StoredTurn,
    ThreadOwnershipError,
)
from recuerda.messages.message import Turn
from recuerda.testing.scripted import ScriptedChatClient
from tests.conversation import exchange, texts
from tests.thread.own_store import OwnStore


def test_a_new_thread_has_an_id_and_is_not_initialized() -> None:
    one, two = AgentThread(), AgentThread()
    assert one.id
    assert one.id != two.id
    assert not one.is_initialized
    assert (one.message_store, one.service_thread_id) == (None, None)


def test_a_store_or_a_service_initializes_it() -> None:
    assert AgentThread(message_store=ChatMessageStore()).is_initialized
    assert AgentThread(service_thread_id="svc").is_initialized


def test_its_id_is_its_stores() -> None:
    assert AgentThread(message_store=ChatMessageStore(thread_id="t")).id == "t"
    assert AgentThread("t", message_store=ChatMessageStore(thread_id="t")).id == "t"
    with pytest.raises(ConfigurationError, match="holds thread 't', not 'u'"):
        AgentThread("u", message_store=ChatMessageStore(thread_id="t"))


@pytest.mark.parametrize("bad", ["", "a\x00", 5])
def test_an_id_that_no_storage_could_keep_is_refused(bad: str) -> None:
    with pytest.raises(InvalidInput):
        AgentThread(bad)


def test_two_owners_are_refused_whichever_comes_first() -> None:
    with pytest.raises(ThreadOwnershipError):
        AgentThread(message_store=ChatMessageStore(), service_thread_id="svc")
    kept = AgentThread(message_store=ChatMessageStore())
    with pytest.raises(ThreadOwnershipError):
        kept.service_thread_id = "svc"
    with pytest.raises(ThreadOwnershipError):
        kept.message_store = ChatMessageStore()
    service = AgentThread(service_thread_id="svc")
    with pytest.raises(ThreadOwnershipError):
        service.message_store = ChatMessageStore()
    assert (kept.service_thread_id, service.message_store) == (None, None)


async def test_a_services_thread_is_refused_before_the_model_is_called() -> None:
    client = ScriptedChatClient(["never"])
    with pytest.raises(ThreadOwnershipError, match="kept by a service"):
        await client.create_agent().run("hi", thread=AgentThread(service_thread_id="svc"))
    assert client.requests == []


async def test_new_messages_are_one_turn() -> None:
    thread = AgentThread()
    await thread.on_new_messages(ChatMessage("user", "alone"))
    await thread.on_new_messages(exchange("one"))
    await thread.on_new_messages([])
    assert texts(await thread.list_messages()) == ["alone", "one", "one!"]
    assert texts(await thread.list_messages(limit=2)) == ["one", "one!"]


async def test_new_messages_of_a_services_thread_are_the_services_business() -> None:
    thread = AgentThread(service_thread_id="svc")
    await thread.on_new_messages(ChatMessage("user", "hi"))
    assert not thread.message_store
    with pytest.raises(ThreadOwnershipError):
        await thread.list_messages()


async def test_undo_and_fork_are_those_of_the_store() -> None:
    thread = AgentThread()
    for name in ("one", "two"):
        await thread.on_new_messages(exchange(name))
    fork = await thread.fork(through=1, thread_id="copy")
    undone = await thread.undo()
    assert undone is not None
    assert texts(undone.messages) == ["two", "two!"]
    assert (fork.id, texts(await fork.list_messages())) == ("copy", ["one", "one!"])


async def test_a_thread_lists_its_turns() -> None:
    thread = AgentThread()
    for name in ("one", "two"):
        await thread.on_new_messages(exchange(name))
    turns = await thread.list_turns()
    assert_type(turns, list[StoredTurn])
    assert [(turn.number, texts(turn.messages)) for turn in turns] == [(1, ["one", "one!"]), (2, ["two", "two!"])]
    assert [turn.number for turn in await thread.list_turns(limit=1)] == [2]
    assert [turn.number for turn in await thread.list_turns(limit=5, before=2)] == [1]
    assert texts(await thread.list_messages(before=2)) == texts(await thread.list_messages(limit=1, before=2))
    assert texts(await thread.list_messages(before=2)) == ["one", "one!"]
    assert await thread.list_turns(before=1) == await thread.list_messages(before=1) == []


def test_only_a_thread_of_a_chat_message_store_has_a_turn_store() -> None:
    store = ChatMessageStore(user_id="ana")
    assert AgentThread(message_store=store).turn_store is store
    assert AgentThread(message_store=OwnStore()).turn_store is None
    assert AgentThread(service_thread_id="svc").turn_store is None


def test_a_thread_knows_the_user_that_it_was_opened_for() -> None:
    mirrored = AgentThread(service_thread_id="svc")
    mirrored.leave_to_service(ChatMessageStore(user_id="eva"))
    assert AgentThread(message_store=ChatMessageStore(user_id="ana")).user_id == "ana"
    assert mirrored.user_id == "eva"
    assert AgentThread(message_store=OwnStore()).user_id is None


async def test_a_services_thread_has_no_turns_here() -> None:
    with pytest.raises(ThreadOwnershipError, match="kept by a service"):
        await AgentThread(service_thread_id="svc").list_turns()


async def test_a_thread_that_is_left_to_a_service_is_never_kept_here() -> None:
    thread = AgentThread()
    thread.leave_to_service()
    with pytest.raises(ThreadOwnershipError, match="kept by a service"):
        await thread.list_messages()
    assert (thread.is_kept_by_service, thread.is_initialized, thread.message_store) == (True, False, None)


def test_a_thread_that_no_service_has_yet_may_still_get_a_store() -> None:
    thread = AgentThread("t")
    thread.leave_to_service()
    thread.message_store = store = ChatMessageStore(thread_id="t")
    assert (thread.is_kept_by_service, thread.turn_store) == (False, store)


async def test_a_service_that_does_not_name_its_thread_is_an_error() -> None:
    thread = AgentThread()
    thread.leave_to_service()
    with pytest.raises(ChatClientError, match="did not name its thread"):
        await thread.commit(Turn(messages=(ChatMessage("user", "hi"),)), turn_id=None, expected=None)


async def test_a_thread_becomes_what_a_state_describes() -> None:
    source = AgentThread()
    await source.on_new_messages(exchange("one"))
    for thread in (AgentThread(), AgentThread(message_store=ChatMessageStore(storage=MemoryStorage()))):
        for _ in range(2):
            await thread.update_from_thread_state(await source.serialize())
        assert (thread.id, texts(await thread.list_messages())) == (source.id, ["one", "one!"])
    service = AgentThread()
    await service.update_from_thread_state(await AgentThread(service_thread_id="svc").serialize())
    assert (service.service_thread_id, service.message_store) == ("svc", None)


async def test_a_bare_thread_gets_the_agents_store_with_its_first_run() -> None:
    storage = MemoryStorage()
    agent = ScriptedChatClient(["a"]).create_agent(storage=storage)
    thread = AgentThread("mine")
    await agent.run("hi", thread=thread)
    assert [info.id async for info in storage.threads()] == ["mine"]


async def test_a_thread_shows_who_keeps_it() -> None:
    assert repr(AgentThread("t", service_thread_id="svc")) == "AgentThread(id='t', service_thread_id='svc')"
    assert "ChatMessageStore(thread_id='t'" in repr(AgentThread(message_store=ChatMessageStore(thread_id="t")))


def test_two_handles_on_one_thread_are_the_same() -> None:
    storage = MemoryStorage()
    one, two = [AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="t")) for _ in range(2)]
    assert one.identity == two.identity
    assert one.identity != AgentThread(message_store=ChatMessageStore(thread_id="t")).identity
    assert AgentThread("t").identity != AgentThread("t").identity
