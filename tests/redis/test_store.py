"""The store for one thread: arguments, state, forks, and the lists that it takes the place of."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.credentials import CredentialProvider

from recuerda import ChatMessage, ChatMessageStore, MemoryStorage, NewTurn
from recuerda.errors import ConfigurationError, StateError
from recuerda.offline import OfflineChatClient
from recuerda.redis import RedisChatMessageStore, RedisStorage, import_legacy_list
from tests.redis.clients import connect
from tests.servers.redis_server import RedisServer, redis_url

LEGACY = sorted((Path(__file__).parents[1] / "data" / "legacy").glob("*_redis_list.json"))


@pytest.fixture
async def storage(prefix: str) -> AsyncIterator[RedisStorage]:
    async with RedisStorage(redis_url(), key_prefix=prefix) as storage:
        yield storage


def texts(messages: list[ChatMessage]) -> list[str]:
    return [message.text for message in messages]


async def test_a_store_takes_the_arguments_that_the_betas_took(prefix: str) -> None:
    store = RedisChatMessageStore(
        redis_url=redis_url(), thread_id="a", key_prefix=prefix, max_messages=4, messages=[ChatMessage("user", "start")]
    )
    assert texts(await store.list_messages()) == ["start"]
    for i in range(3):
        await store.add_messages([ChatMessage("user", f"{i}"), ChatMessage("assistant", "ok")])
    assert texts(await store.list_messages()) == ["1", "ok", "2", "ok"]
    await store.close()


async def test_what_a_thread_starts_with_is_for_a_new_thread_only(storage: RedisStorage) -> None:
    start = [ChatMessage("user", "start"), ChatMessage("assistant", "hello")]
    for _ in range(3):
        opened = RedisChatMessageStore(storage=storage, thread_id="a", messages=start)
        assert texts(await opened.list_messages()) == ["start", "hello"]
    store = RedisChatMessageStore(storage=storage, thread_id="a")
    await store.add_messages([ChatMessage("user", "more")])
    again = RedisChatMessageStore(storage=storage, thread_id="a", messages=start)
    assert texts(await again.list_messages()) == ["start", "hello", "more"]


async def test_a_factory_of_stores_serves_an_agent_and_its_restart(prefix: str) -> None:
    def agent() -> Any:
        return OfflineChatClient().create_agent(
            chat_message_store_factory=lambda: RedisChatMessageStore(redis_url=redis_url(), key_prefix=prefix)
        )

    first = agent()
    thread = first.get_new_thread()
    await first.run("My name is Riker.", thread=thread)
    state = json.dumps(await thread.serialize())
    second = agent()
    for _ in range(2):
        restored = await second.deserialize_thread(json.loads(state))
        messages = await restored.message_store.list_messages()
        assert messages[0].text == "My name is Riker."
        assert len(messages) == 2
    assert "Riker" not in state
    assert "redis://" not in state


async def test_a_state_is_a_locator_with_the_prefix(storage: RedisStorage, prefix: str) -> None:
    store = RedisChatMessageStore(storage=storage, thread_id="a", max_messages=8)
    await store.add_messages([ChatMessage("user", "hi")])
    state = json.loads(json.dumps(await store.serialize()))
    assert state == {"kind": "redis", "thread_id": "a", "max_messages": 8, "key_prefix": prefix}
    other = RedisChatMessageStore(redis_url=redis_url())
    await other.update_from_state(state)
    assert (other.thread_id, other.max_messages) == ("a", 8)
    assert texts(await other.list_messages()) == ["hi"]
    third = await RedisChatMessageStore.deserialize(state, redis_url=redis_url())
    assert texts(await third.list_messages()) == ["hi"]
    await other.close()
    await third.close()


async def test_a_state_of_another_kind_is_refused(storage: RedisStorage) -> None:
    store = RedisChatMessageStore(storage=storage, thread_id="a")
    with pytest.raises(StateError):
        await store.update_from_state({"kind": "sqlite", "thread_id": "b"})
    with pytest.raises(StateError):
        await store.update_from_state({"kind": "redis", "thread_id": "b", "key_prefix": "{"})
    assert store.thread_id == "a"


async def test_forks_and_other_threads_are_stores_on_the_same_server(storage: RedisStorage) -> None:
    store = RedisChatMessageStore(storage=storage, thread_id="a", max_messages=6)
    await store.add_messages([ChatMessage("user", "hi")])
    fork = await store.fork()
    assert isinstance(fork, RedisChatMessageStore)
    assert texts(await fork.list_messages()) == ["hi"]
    assert store.for_thread("b").storage is storage


async def test_credentials_that_change_are_asked_for(prefix: str) -> None:
    class Provider(CredentialProvider):
        asked = 0

        def get_credentials(self) -> tuple[str, str]:
            self.asked += 1
            return "default", "pass"

    server = RedisServer("--requirepass", "pass")
    provider = Provider()
    store = RedisChatMessageStore(
        credential_provider=provider, host="127.0.0.1", port=server.port, ssl=False, thread_id="a", key_prefix=prefix
    )
    await store.add_messages([ChatMessage("user", "hi")])
    assert provider.asked
    await store.close()
    server.stop()


async def test_arguments_that_contradict_are_refused(storage: RedisStorage) -> None:
    contradictions: list[dict[str, Any]] = [
        {"redis_url": redis_url(), "host": "localhost"},
        {"redis_url": redis_url(), "storage": storage},
        {"host": "localhost", "storage": storage},
        {"redis_url": redis_url(), "redis_client": Redis()},
    ]
    for arguments in contradictions:
        with pytest.raises(ConfigurationError):
            RedisChatMessageStore(**arguments)


@pytest.fixture(params=LEGACY, ids=[path.stem for path in LEGACY])
def entries(request: pytest.FixtureRequest) -> list[str]:
    return cast("list[str]", json.loads(request.param.read_text())["entries"])


async def test_a_list_that_a_beta_left_is_imported_once(entries: list[str], storage: RedisStorage, prefix: str) -> None:
    client = connect(redis_url())
    await client.rpush(f"{prefix}-legacy:user-1", *entries)
    imported = await import_legacy_list(storage, "user-1", list_prefix=f"{prefix}-legacy", user_id="ana")
    assert imported.added == imported.turns > 1
    store = RedisChatMessageStore(storage=storage, thread_id="user-1")
    messages = await store.list_messages()
    assert len(messages) == len(entries)
    assert [message.role for message in messages] == [_role(entry) for entry in entries]
    assert "Hello, Ana!" in texts(messages)
    await store.add_messages([ChatMessage("user", "and on")])
    again = await import_legacy_list(storage, "user-1", list_prefix=f"{prefix}-legacy")
    assert (again.added, again.turns) == (0, imported.turns)
    assert len(await store.list_messages()) == len(entries) + 1
    info = await store.info()
    assert info is not None
    assert info.user_id == "ana"
    elsewhere = MemoryStorage()
    await import_legacy_list(
        storage, "user-1", list_prefix=f"{prefix}-legacy", into=elsewhere, new_thread_id="moved", user_id="ana"
    )
    assert len(await ChatMessageStore(storage=elsewhere, thread_id="moved").list_messages()) == len(entries)
    await client.aclose()


async def test_a_list_that_cannot_be_imported_leaves_the_thread_alone(storage: RedisStorage, prefix: str) -> None:
    client = connect(redis_url())
    key = f"{prefix}-legacy:a"
    message = '{"type":"chat_message","role":{"type":"role","value":"user"},"contents":[{"type":"text","text":"hi"}]}'

    async def refused(match: str) -> None:
        before = await storage.read("a")
        with pytest.raises(StateError, match=match):
            await import_legacy_list(storage, "a", list_prefix=f"{prefix}-legacy")
        assert await storage.read("a") == before

    await refused("no list of messages")
    await client.rpush(key, message, "not json")
    await refused(r"entry 1 .* is not a message")
    await client.rpop(key)
    await storage.append("a", NewTurn(body=b"own", message_count=1))
    await refused("already has other turns")
    await storage.delete("a")
    await import_legacy_list(storage, "a", list_prefix=f"{prefix}-legacy")
    await client.rpush(key, message)
    await refused("has changed since")
    await client.aclose()


def _role(entry: str) -> str:
    role: Any = json.loads(entry)["role"]
    return str(cast("dict[str, Any]", role)["value"] if isinstance(role, dict) else role)
