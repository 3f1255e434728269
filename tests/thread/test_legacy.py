"""Threads that betas of Agent Framework saved are read whole; see `tests/data/legacy/README.md` for the files."""

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
    HostedFileContent,
    MemoryStorage,
    StateError,
    Storage,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
    Usage,
    UsageContent,
)
from recuerda.messages.legacy import read_legacy_message
from tests.conversation import texts

FOLDER = Path(__file__).parents[1] / "data" / "legacy"


def names(pattern: str) -> list[str]:
    found = sorted(path.stem for path in FOLDER.glob(f"{pattern}.json"))
    assert found, pattern
    return found


def state_of(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


async def messages_of(name: str) -> list[ChatMessage]:
    return await (await AgentThread.deserialize(state_of(name))).list_messages()


def is_after_content_was_refused(name: str) -> bool:
    return name.startswith("b260210")


@pytest.mark.parametrize("name", [*names("*_ram_plain_thread"), *names("*_ram_store_state")])
async def test_every_text_is_there_also_the_one_that_was_lost(name: str) -> None:
    messages = await messages_of(name)
    roles = [message.role for message in messages]
    if is_after_content_was_refused(name):
        assert (texts(messages), roles) == (["hi", "Hello, Ana!", "Hello!"], ["user", "assistant", "assistant"])
    else:
        assert (texts(messages), roles) == (["hi", "my name is Ana", "Hello!"], ["user", "user", "assistant"])
    assert all("content" not in (message.additional_properties or {}) for message in messages)


@pytest.mark.parametrize("name", names("*_ram_thread"))
async def test_every_kind_of_content_is_read(name: str) -> None:
    messages = await messages_of(name)
    said = texts(messages)
    assert said[:2] == ["You are kind.", "hi"]
    if not is_after_content_was_refused(name):
        assert said[2] == "my name is Ana"
        assert list(messages[3].contents) == [TextContent("part one"), TextContent("part two")]
    hello = next(message for message in messages if message.text == "Hello, Ana!")
    assert (hello.author_name, hello.message_id) == ("Helper", "msg_1")
    assert hello.additional_properties is not None
    assert hello.additional_properties["nested"] == {"a": [1, None]}

    parts = [part for message in messages for part in message.contents]
    for expected in (
        TextReasoningContent("I think", "b3BhcXVl"),
        FunctionCallContent("call_1", "get_weather", '{"city": "Quito"}'),
        FunctionCallContent("call_2", "get_weather", {"city": "Lima", "days": [1, 2]}),
        FunctionResultContent("call_1", "sunny"),
        FunctionResultContent("call_2", {"t": 21.5, "ok": True, "n": None}),
        DataContent(b"\x89PNG\r\n\x1a\n", "image/png"),
        DataContent(b"hi", "text/plain"),
        UriContent("https://example.com/a.png", "image/png"),
        HostedFileContent("file_1"),
        UsageContent(usage=Usage(5, 7, 12, reasoning_tokens=3)),
    ):
        assert expected in parts
    (note,) = [part for part in parts if isinstance(part, TextContent) and part.text == "With a note"]
    assert note.additional_properties is not None
    assert note.additional_properties["k"] == "v"
    assert note.additional_properties["annotations"][0]["url"] == "https://example.com/guide"
    unknown = {part.data["type"]: part.data for part in parts if isinstance(part, UnknownContent)}
    assert unknown["hosted_vector_store"]["vector_store_id"] == "vs_1"
    assert unknown["error"]["message"] == "Too fast"
    assert unknown["function_approval_request"]["function_call"]["name"] == "pay"
    assert unknown["function_approval_response"]["approved"] is True


@pytest.mark.parametrize("name", ["b260130_ram_thread", "b260210_ram_thread"])
async def test_a_failed_call_is_an_error_result(name: str) -> None:
    parts = [part for message in await messages_of(name) for part in message.contents]
    assert FunctionResultContent("call_3", "tool broke", is_error=True) in parts


@pytest.mark.parametrize("name", names("*_ram_thread"))
async def test_no_part_keeps_the_nulls_that_it_came_with(name: str) -> None:
    for message in await messages_of(name):
        for part in message.contents:
            own = part.data if isinstance(part, UnknownContent) else part.additional_properties or {}
            assert None not in own.values()


@pytest.mark.parametrize("name", [*names("*_ram_thread"), *names("*_ram_plain_thread"), *names("*_session")])
async def test_a_legacy_thread_lives_on_in_a_storage_and_in_its_own_state(storage: Storage, name: str) -> None:
    thread = await AgentThread.deserialize(state_of(name), storage=storage)
    messages = await thread.list_messages()
    assert messages
    again = await AgentThread.deserialize(json.loads(json.dumps(await thread.serialize())), storage=storage)
    assert await again.list_messages() == messages
    assert len([info async for info in storage.threads()]) == 1


@pytest.mark.parametrize("name", names("*_service_thread"))
async def test_a_services_thread_stays_one(name: str) -> None:
    thread = await AgentThread.deserialize(state_of(name))
    assert thread.service_thread_id == state_of(name)["service_thread_id"]
    assert thread.message_store is None


@pytest.mark.parametrize("name", [*names("*_empty_thread"), *names("*_empty_store_thread"), *names("*_redis_thread")])
async def test_an_empty_thread_is_empty(name: str) -> None:
    assert await messages_of(name) == []


@pytest.mark.parametrize("name", [*names("*_empty_store_thread"), *names("*_ram_plain_thread")])
async def test_two_threads_that_say_the_same_stay_two(name: str) -> None:
    storage = MemoryStorage()
    one, two = [await AgentThread.deserialize(state_of(name), storage=storage) for _ in range(2)]
    await one.on_new_messages(ChatMessage("user", "a secret"))
    assert "a secret" not in texts(await two.list_messages())


@pytest.mark.parametrize("name", names("*_redis_store_state"))
async def test_the_address_of_a_redis_list_is_refused_without_its_password(name: str) -> None:
    with pytest.raises(StateError) as caught:
        await AgentThread.deserialize(state_of(name))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", names("*_redis_list"))
def test_the_entries_of_a_redis_list_can_be_read(name: str) -> None:
    messages = [read_legacy_message(json.loads(entry)) for entry in state_of(name)["entries"]]
    assert messages
    assert all(message.contents for message in messages if message.text)


async def test_a_session_keeps_its_id_and_can_be_restored_twice() -> None:
    storage = MemoryStorage()
    for _ in range(2):
        thread = await AgentThread.deserialize(state_of("b260212_session"), storage=storage)
        assert (thread.id, texts(await thread.list_messages())) == ("user-1", ["hi", "Hello!"])


async def test_a_restored_thread_is_dated_now(storage: Storage) -> None:
    await AgentThread.deserialize(state_of("b260130_ram_plain_thread"), storage=storage)
    assert [info.created_at.year >= 2025 async for info in storage.threads()] == [True]


@pytest.mark.parametrize("name", names("*_ram_store_state"))
async def test_a_store_reads_the_state_of_a_store(storage: Storage, name: str) -> None:
    store = await ChatMessageStore.deserialize(state_of(name), storage=storage, thread_id="kept")
    again = await ChatMessageStore.deserialize(state_of(name), storage=storage, thread_id="kept")
    assert store.thread_id == "kept"
    expected = (
        ["hi", "Hello, Ana!", "Hello!"] if is_after_content_was_refused(name) else ["hi", "my name is Ana", "Hello!"]
    )
    assert texts(await store.list_messages()) == texts(await again.list_messages()) == expected


@pytest.mark.parametrize("name", names("*_ram_thread"))
async def test_a_store_refuses_the_state_of_a_thread(name: str) -> None:
    with pytest.raises(StateError, match="deserialize_thread"):
        await ChatMessageStore.deserialize(state_of(name))


@pytest.mark.parametrize("name", names("*_redis_store_state"))
async def test_a_store_refuses_the_address_of_a_redis_list(name: str) -> None:
    with pytest.raises(StateError) as caught:
        await ChatMessageStore.deserialize(state_of(name))
    assert "secret" not in str(caught.value)
