"""Where an agent's threads live."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recuerda import (
    AgentThread,
    ChatMessage,
    ChatMessageStore,
    ConfigurationError,
    InvalidInput,
    MemoryStorage,
    StateError,
    Storage,
    open_storage,
)
from recuerda.testing.scripted import ScriptedChatClient
from tests.conversation import texts


def test_a_store_factory_and_a_storage_are_refused_together() -> None:
    with pytest.raises(ConfigurationError, match="chat_message_store_factory or storage"):
        ScriptedChatClient().create_agent(chat_message_store_factory=ChatMessageStore, storage=MemoryStorage())


async def test_a_storage_is_named_by_its_url(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/memory.db"
    async with ScriptedChatClient(["Hello"]).create_agent(storage=url) as agent:
        await agent.run("I am Riker.", thread="riker")
    client = ScriptedChatClient(["Riker"])
    async with client.create_agent(storage=url) as agent:
        await agent.run("Who am I?", thread="riker")
    assert texts(client.requests[0].messages) == ["I am Riker.", "Hello", "Who am I?"]


@pytest.mark.parametrize("url", ["", "nowhere", "ftp://x", "memory:x"])
def test_a_url_of_nothing_known_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        open_storage(url)


async def test_the_factory_is_asked_for_each_new_thread(storage: Storage) -> None:
    made: list[ChatMessageStore] = []

    def factory() -> ChatMessageStore:
        made.append(ChatMessageStore(storage=storage, max_messages=4))
        return made[-1]

    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(chat_message_store_factory=factory)
    one, two = agent.get_new_thread(), agent.get_new_thread()
    assert [one.message_store, two.message_store] == made
    assert one.id != two.id
    for _ in range(4):
        await agent.run("hi", thread=one)
    assert len(await one.list_messages()) == 4
    assert len(await agent.get_thread(one.id).list_messages()) == 4


async def test_a_factorys_thread_comes_back_from_its_state(storage: Storage) -> None:
    agent = ScriptedChatClient(default="ok").create_agent(
        chat_message_store_factory=lambda: ChatMessageStore(storage=storage, max_messages=4)
    )
    thread = agent.get_new_thread()
    await agent.run("hi", thread=thread)
    state = json.loads(json.dumps(await thread.serialize()))
    for _ in range(2):
        restored = await agent.deserialize_thread(state)
        assert (restored.id, texts(await restored.list_messages())) == (thread.id, ["hi", "ok"])
        assert isinstance(restored.message_store, ChatMessageStore)
        assert restored.message_store.max_messages == 4


async def test_a_named_thread_of_a_ram_factory_remembers() -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent(chat_message_store_factory=ChatMessageStore)
    await agent.run("one", thread="t")
    await agent.run("two", thread="t")
    assert texts(client.requests[1].messages) == ["one", "ok", "two"]


async def test_a_factory_may_give_a_thread_its_first_messages() -> None:
    client = ScriptedChatClient(default="ok")
    greeting = ChatMessage("assistant", "Welcome.")
    agent = client.create_agent(chat_message_store_factory=lambda: ChatMessageStore([greeting]))
    thread = agent.get_new_thread()
    await agent.run("hi", thread=thread)
    assert texts(client.requests[0].messages) == ["Welcome.", "hi"]


async def test_opening_a_thread_reads_and_writes_nothing(storage: Storage) -> None:
    agent = ScriptedChatClient().create_agent(storage=storage)
    agent.get_thread("t")
    agent.get_new_thread()
    assert [info async for info in storage.threads()] == []
    with pytest.raises(InvalidInput):
        agent.get_thread("")


async def test_an_empty_user_is_refused_and_is_not_everybody(storage: Storage) -> None:
    agent = ScriptedChatClient(["ok"]).create_agent(storage=storage)
    await agent.run("my secret", thread=agent.get_thread("t", user_id="ana"))
    with pytest.raises(InvalidInput, match="user id"):
        agent.get_thread("t", user_id="")
    with pytest.raises(InvalidInput, match="user id"):
        agent.get_new_thread(user_id="")
    with pytest.raises(InvalidInput, match="user id"):
        ChatMessageStore(storage=storage, thread_id="t", user_id="")


async def test_the_state_of_a_ram_thread_moves_it_onto_an_agents_storage(storage: Storage) -> None:
    old = ScriptedChatClient(["Hello"]).create_agent()
    thread = old.get_new_thread()
    await old.run("hi", thread=thread)
    client = ScriptedChatClient(["again"])
    agent = client.create_agent(storage=storage)
    await agent.run("and?", thread=await agent.deserialize_thread(await thread.serialize()))
    assert texts(client.requests[0].messages) == ["hi", "Hello", "and?"]
    assert [info.id async for info in storage.threads()] == [thread.id]


async def test_a_state_of_another_kind_of_storage_is_refused(tmp_path: Path) -> None:
    async with ScriptedChatClient(["ok"]).create_agent(storage=f"sqlite:///{tmp_path}/t.db") as agent:
        thread = agent.get_thread("t")
        await agent.run("hi", thread=thread)
        state = await thread.serialize()
    with pytest.raises(StateError, match="sqlite"):
        await ScriptedChatClient().create_agent().deserialize_thread(state)


async def test_a_thread_of_another_agent_stays_where_it_is(storage: Storage) -> None:
    elsewhere = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="t"))
    await ScriptedChatClient(["ok"]).create_agent().run("hi", thread=elsewhere)
    assert [info.id async for info in storage.threads()] == ["t"]


def test_opening_a_thread_makes_one_store_and_no_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = ScriptedChatClient().create_agent(storage=f"sqlite:///{tmp_path}/memory.db")
    made: list[object] = []
    for kind in (ChatMessageStore, MemoryStorage):
        make = kind.__init__

        def counted(self: object, *args: Any, make: Callable[..., None] = make, **options: Any) -> None:
            made.append(self)
            make(self, *args, **options)

        monkeypatch.setattr(kind, "__init__", counted)
    thread = agent.get_thread("t", user_id="ana")
    assert made == [thread.message_store]
