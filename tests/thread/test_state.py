"""A thread's state is plain JSON: the messages of a thread in RAM, the address of any other."""

import json
from pathlib import Path
from typing import Any

import pytest

from recuerda import (
    AgentThread,
    ChatMessage,
    ChatMessageStore,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    MemoryStorage,
    StateError,
    Storage,
    TextReasoningContent,
    UnknownContent,
    Usage,
    UsageContent,
)
from recuerda.sqlite import SQLiteStorage
from tests.conversation import exchange, texts


def thread_on(storage: Storage, thread_id: str = "t") -> AgentThread:
    return AgentThread(message_store=ChatMessageStore(storage=storage, thread_id=thread_id))


async def said(thread: AgentThread) -> list[str]:
    return texts(await thread.list_messages())


async def through_json(thread: AgentThread) -> Any:
    return json.loads(json.dumps(await thread.serialize()))


async def test_a_thread_in_ram_comes_back_with_its_messages() -> None:
    thread = AgentThread()
    messages = [
        ChatMessage(
            "user", [DataContent(b"\x89PNG", "image/png"), UnknownContent({"type": "new", "x": [None, 10**30]})]
        ),
        ChatMessage("assistant", [TextReasoningContent("hm", "opaque"), FunctionCallContent("c", "f", {"a": 1.5})]),
        ChatMessage("tool", [FunctionResultContent("c", {"rows": [1, None, True, "ñ"]})]),
        ChatMessage("assistant", [UsageContent(usage=Usage(1, 2, 3))], additional_properties={"k": "v"}),
    ]
    await thread.on_new_messages(messages)
    restored = await AgentThread.deserialize(await through_json(thread))
    assert restored.id == thread.id
    assert await restored.list_messages() == messages


async def test_a_thread_on_a_storage_comes_back_on_it(storage: Storage) -> None:
    thread = thread_on(storage)
    await thread.on_new_messages(exchange("one"))
    restored = await AgentThread.deserialize(await through_json(thread), storage=storage)
    assert (restored.id, await said(restored)) == ("t", ["one", "one!"])
    await restored.on_new_messages(exchange("two"))
    assert await said(thread) == ["one", "one!", "two", "two!"]


async def test_the_state_of_a_thread_on_a_storage_is_an_address_and_nothing_else(tmp_path: Path) -> None:
    async with SQLiteStorage(tmp_path / "secret-place.db") as storage:
        store = ChatMessageStore(storage=storage, thread_id="t", max_messages=9, user_id="ana")
        thread = AgentThread(message_store=store)
        await thread.on_new_messages(exchange("my secret"))
        assert await thread.serialize() == {
            "version": 1,
            "kind": "thread",
            "id": "t",
            "service_thread_id": None,
            "store": {"kind": "sqlite", "thread_id": "t", "max_messages": 9},
        }


async def test_an_address_is_the_same_size_however_long_the_thread_is(tmp_path: Path) -> None:
    async with SQLiteStorage(tmp_path / "t.db") as storage:
        thread = thread_on(storage)
        sizes: set[int] = set()
        for i in range(30):
            await thread.on_new_messages(exchange(f"{i} " * 100))
            sizes.add(len(json.dumps(await thread.serialize())))
    assert len(sizes) == 1


async def test_restoring_twice_adds_nothing_twice(storage: Storage) -> None:
    thread = AgentThread()
    for name in ("one", "two"):
        await thread.on_new_messages(exchange(name))
    state = await through_json(thread)
    for _ in range(3):
        restored = await AgentThread.deserialize(state, storage=storage)
        assert await said(restored) == ["one", "one!", "two", "two!"]
    assert [(info.id, info.turns) async for info in storage.threads()] == [(thread.id, 2)]


async def test_restoring_over_a_thread_that_went_on_keeps_what_it_has(storage: Storage) -> None:
    thread = AgentThread()
    await thread.on_new_messages(exchange("one"))
    state = await through_json(thread)
    restored = await AgentThread.deserialize(state, storage=storage)
    await restored.on_new_messages(exchange("two"))
    assert await said(await AgentThread.deserialize(state, storage=storage)) == ["one", "one!", "two", "two!"]


async def test_restoring_a_later_state_adds_what_is_new(storage: Storage) -> None:
    thread = AgentThread()
    await thread.on_new_messages(exchange("one"))
    await AgentThread.deserialize(await through_json(thread), storage=storage)
    await thread.on_new_messages(exchange("two"))
    later = await AgentThread.deserialize(await through_json(thread), storage=storage)
    assert await said(later) == ["one", "one!", "two", "two!"]


async def test_restoring_a_state_whose_turns_were_trimmed_away_adds_nothing(storage: Storage) -> None:
    thread = AgentThread()
    for name in ("one", "two"):
        await thread.on_new_messages(exchange(name))
    state = await through_json(thread)
    restored = await AgentThread.deserialize(state, storage=storage)
    for name in ("three", "four"):
        await restored.on_new_messages(exchange(name))
    for kept in (["three", "three!", "four", "four!"], ["four", "four!"]):
        await storage.trim(thread.id, keep_messages=len(kept))
        assert await said(await AgentThread.deserialize(state, storage=storage)) == kept


async def test_a_state_of_another_conversation_is_not_mixed_into_a_thread(storage: Storage) -> None:
    thread, other = AgentThread("t"), thread_on(storage)
    await thread.on_new_messages(exchange("one"))
    await other.on_new_messages(exchange("mine"))
    with pytest.raises(StateError, match="other turns"):
        await AgentThread.deserialize(await through_json(thread), storage=storage)
    assert await said(other) == ["mine", "mine!"]


async def test_two_conversations_that_parted_are_not_mixed(storage: Storage) -> None:
    thread = AgentThread()
    await thread.on_new_messages(exchange("one"))
    restored = await AgentThread.deserialize(await through_json(thread), storage=storage)
    await thread.on_new_messages(exchange("here"))
    await restored.on_new_messages(exchange("there"))
    with pytest.raises(StateError, match="other turns"):
        await AgentThread.deserialize(await through_json(thread), storage=storage)
    assert await said(restored) == ["one", "one!", "there", "there!"]


async def test_a_restored_thread_has_a_title(storage: Storage) -> None:
    thread = AgentThread()
    await thread.on_new_messages(exchange("Where is my hat?"))
    await AgentThread.deserialize(await through_json(thread), storage=storage)
    assert [info.title async for info in storage.threads()] == ["Where is my hat?"]


async def test_a_thread_without_messages_comes_back_with_its_id() -> None:
    thread = AgentThread("mine")
    state = await through_json(thread)
    restored = await AgentThread.deserialize(state)
    assert (restored.id, restored.is_initialized, await said(restored)) == ("mine", False, [])


async def test_a_services_thread_comes_back_as_one() -> None:
    state = await through_json(AgentThread("mine", service_thread_id="svc-1"))
    restored = await AgentThread.deserialize(state)
    assert (restored.id, restored.service_thread_id, restored.message_store) == ("mine", "svc-1", None)


STORE: dict[str, Any] = {"kind": "memory", "thread_id": "t", "turns": []}
GOOD: dict[str, Any] = {"version": 1, "kind": "thread", "id": "t", "service_thread_id": None, "store": STORE}
TURN: dict[str, Any] = {"id": "r1", "created_us": 5, "turn": {"v": 1, "messages": [{"role": "user", "content": "hi"}]}}

BAD_STATES: list[tuple[object, str]] = [
    (None, "JSON object that serialize"),
    ("{}", "not str"),
    ([], "not list"),
    ({}, '"kind": "thread", but its kind is missing'),
    (GOOD | {"kind": "banana"}, "'banana'"),
    (GOOD | {"version": 2}, "version 1, but the version of this state is 2"),
    (GOOD | {"version": None}, "version 1"),
    (GOOD | {"version": True}, "version 1"),
    (GOOD | {"version": "1"}, "version 1"),
    (GOOD | {"id": None}, "id cannot be used"),
    (GOOD | {"id": 5}, "id cannot be used"),
    (GOOD | {"id": ""}, "id cannot be used"),
    (GOOD | {"service_thread_id": 5}, "service_thread_id must be a string or null"),
    (GOOD | {"service_thread_id": "svc"}, "one owner"),
    (GOOD | {"store": []}, "store must be an object or null"),
    (GOOD | {"store": {}}, "store of kind None|kind"),
    (GOOD | {"store": {"kind": "mongo", "thread_id": "t"}}, "mongo"),
    (GOOD | {"store": {"kind": "mongo", "thread_id": "t", "turns": [TURN]}}, "mongo"),
    (GOOD | {"store": {"kind": "custom", "state": {}}}, "store factory"),
    (GOOD | {"store": STORE | {"thread_id": ""}}, "store's state cannot be used"),
    (GOOD | {"store": STORE | {"thread_id": 3}}, "store's state cannot be used"),
    (GOOD | {"store": STORE | {"max_messages": 0}}, "max_messages"),
    (GOOD | {"store": STORE | {"turns": None}}, "turns must be a list"),
    (GOOD | {"store": {"kind": "memory", "thread_id": "t"}}, "turns must be a list"),
    (GOOD | {"store": STORE | {"turns": [TURN, 5]}}, r"turns\[1\]"),
    (GOOD | {"store": STORE | {"turns": [TURN, {"id": "r2"}]}}, r"turns\[1\]"),
    (GOOD | {"store": STORE | {"turns": [TURN, TURN | {"turn": {"v": 2, "messages": []}}]}}, r"turns\[1\].*version 2"),
    (GOOD | {"store": STORE | {"turns": [TURN, TURN | {"id": "\ud800"}]}}, r"turns\[1\]"),
    (GOOD | {"store": STORE | {"turns": [TURN, TURN | {"created_us": -3}]}}, r"turns\[1\]"),
    (GOOD | {"store": STORE | {"turns": [TURN, TURN | {"turn": object()}]}}, r"turns\[1\].*not JSON"),
    ({"type": "agent_session_state"}, "agent_session_state"),
    ({"type": "agent_thread_state", "chat_message_store_state": []}, "not an object"),
    ({"type": "agent_thread_state", "chat_message_store_state": {"messages": {"a": 1}}}, "not a list"),
    ({"type": "agent_thread_state", "chat_message_store_state": {"messages": [{"contents": []}]}}, "no role"),
    ({"messages": [{"role": "user", "author_name": 5}]}, r"messages\[0\] cannot be read"),
    ({"messages": [{"role": "user", "additional_properties": {"x": float("nan")}}]}, "cannot be stored"),
    ({"messages": [{"role": "user", "contents": [{"type": "text", "text": "\udc00"}]}]}, "cannot be stored"),
    ({"service_thread_id": 7}, "service_thread_id"),
    ({"type": "session", "session_id": 7}, "session id"),
]


@pytest.mark.parametrize(("state", "problem"), BAD_STATES)
async def test_a_state_that_is_none_is_refused_with_nothing_half_restored(state: object, problem: str) -> None:
    storage = MemoryStorage()
    with pytest.raises(StateError, match=problem):
        await AgentThread.deserialize(state, storage=storage)
    assert [info async for info in storage.threads()] == []

    thread = thread_on(storage, "mine")
    await thread.on_new_messages(exchange("one"))
    with pytest.raises(StateError):
        await thread.update_from_thread_state(state)
    assert (thread.id, await said(thread)) == ("mine", ["one", "one!"])


async def test_the_state_of_another_kind_of_storage_is_refused(tmp_path: Path) -> None:
    async with SQLiteStorage(tmp_path / "t.db") as storage:
        state = await thread_on(storage).serialize()
        with pytest.raises(StateError, match=r"'sqlite'.*'memory'"):
            await AgentThread.deserialize(state)


async def test_a_store_takes_the_state_of_another_thread(storage: Storage) -> None:
    await ChatMessageStore(storage=storage, thread_id="a").add_messages(exchange("a"))
    store = ChatMessageStore(storage=storage, thread_id="b")
    await store.add_messages(exchange("b"))
    await store.list_messages()
    await store.update_from_state(await ChatMessageStore(storage=storage, thread_id="a").serialize())
    assert (store.thread_id, texts(await store.list_messages())) == ("a", ["a", "a!"])


async def test_a_state_is_plain_json_whatever_is_in_the_thread() -> None:
    thread = AgentThread()
    await thread.on_new_messages(
        ChatMessage(
            "tool", [FunctionResultContent("c", {"when": 1, "deep": [[[[]]]], "big": 2**200, "text": "\u2028\x00"})]
        )
    )
    state = await thread.serialize()
    assert json.loads(json.dumps(state)) == state
    assert json.loads(json.dumps(state, allow_nan=False)) == state
