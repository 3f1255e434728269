"""An application's own store works wherever a store does."""

import json

import pytest

from recuerda import (
    AgentThread,
    ChatMessageStoreProtocol,
    ConfigurationError,
    ContextWindow,
    EncodeError,
    InvalidInput,
    StateError,
)
from recuerda.testing.scripted import ScriptedChatClient
from tests.conversation import exchange, texts
from tests.thread.own_store import OwnStore


def test_five_methods_are_all_that_it_needs() -> None:
    assert isinstance(OwnStore(), ChatMessageStoreProtocol)


async def test_a_thread_reads_and_writes_through_it() -> None:
    store = OwnStore()
    thread = AgentThread(message_store=store)
    await thread.on_new_messages(exchange("one"))
    await thread.on_new_messages([])
    assert texts(await thread.list_messages()) == ["one", "one!"]
    assert texts(await thread.list_messages(limit=1)) == ["one", "one!"]
    with pytest.raises(InvalidInput, match="knows no turns"):
        await thread.list_messages(before=2)
    assert store.writes == 1


async def test_an_agent_commits_a_whole_turn_to_it_in_one_call() -> None:
    stores: list[OwnStore] = []

    def factory() -> OwnStore:
        stores.append(OwnStore())
        return stores[-1]

    client = ScriptedChatClient(["a", "b"])
    agent = client.create_agent(chat_message_store_factory=factory)
    thread = agent.get_new_thread()
    await agent.run("one", thread=thread)
    reply = await agent.run("two", thread=thread)
    assert (len(stores), stores[0].writes) == (1, 2)
    assert texts(client.requests[1].messages) == ["one", "a", "two"]
    assert (reply.turn_id, reply.thread_id) == (None, thread.id)


async def test_a_thread_that_was_made_without_a_store_gets_one_from_the_factory() -> None:
    agent = ScriptedChatClient(["a"]).create_agent(chat_message_store_factory=OwnStore)
    thread = AgentThread("mine")
    await agent.run("one", thread=thread)
    assert isinstance(thread.message_store, OwnStore)
    assert thread.id == "mine"


async def test_its_state_goes_back_to_it() -> None:
    agent = ScriptedChatClient(["a"]).create_agent(chat_message_store_factory=OwnStore)
    thread = agent.get_new_thread()
    await agent.run("one", thread=thread)
    state = json.loads(json.dumps(await thread.serialize()))
    for _ in range(2):
        restored = await agent.deserialize_thread(state)
        assert isinstance(restored.message_store, OwnStore)
        assert (restored.id, texts(await restored.list_messages())) == (thread.id, ["one", "a"])


async def test_a_state_that_is_no_json_is_refused_with_its_path() -> None:
    class Clumsy(OwnStore):
        async def serialize(self, **kwargs: object) -> dict[str, object]:
            return {"connection": object()}

    with pytest.raises(EncodeError) as caught:
        await AgentThread(message_store=Clumsy()).serialize()
    assert caught.value.path == "the store's state.connection"


async def test_it_does_not_take_the_state_of_another_kind() -> None:
    ours = AgentThread()
    await ours.on_new_messages(exchange("one"))
    state = await ours.serialize()
    store = OwnStore()
    with pytest.raises(StateError, match="'memory', and OwnStore cannot take it over"):
        await AgentThread.deserialize(state, message_store=store)
    assert store.messages == []


async def test_a_window_is_cut_from_it_in_whole_turns() -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(chat_message_store_factory=OwnStore, window=ContextWindow(max_messages=3))
    thread = agent.get_new_thread()
    for text in ("one", "two", "three"):
        await agent.run(text, thread=thread)
    assert texts(client.requests[2].messages) == ["two", "ok", "three"]


async def test_what_needs_turns_says_so() -> None:
    agent = ScriptedChatClient(["a"]).create_agent(chat_message_store_factory=OwnStore)
    thread = agent.get_new_thread()
    with pytest.raises(ConfigurationError, match="turn_id needs a store that knows turns"):
        await agent.run("one", thread=thread, turn_id="r1")
    with pytest.raises(InvalidInput, match="OwnStore knows no turns"):
        await thread.undo()
    with pytest.raises(InvalidInput, match="OwnStore knows no turns"):
        await thread.list_turns()
    with pytest.raises(InvalidInput, match="OwnStore knows no turns"):
        await thread.fork()
    with pytest.raises(ConfigurationError, match="OwnStore, which cannot be opened by id"):
        agent.get_thread("mine")
    with pytest.raises(ConfigurationError, match="OwnStore, which cannot be opened by id"):
        agent.get_new_thread(user_id="ana")
