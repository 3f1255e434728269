"""Files in threads: kept once beside the turns, sent with the newest turns, and whole for every reader."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from recuerda import (
    Agent,
    ChatMessage,
    ChatMessageStore,
    ContextWindow,
    DataContent,
    FunctionResultContent,
    MemoryStorage,
    Storage,
    TextContent,
    ThreadSlice,
    Turn,
    UriContent,
    open_storage,
)
from recuerda.messages import decode_turn
from recuerda.messages.message import AnyContent, StoredFile
from recuerda.storage import Blob
from recuerda.testing.scripted import ScriptedChatClient
from recuerda.threads.new_turn import new_turn

PICTURE = bytes(range(256)) * 100
OTHER = PICTURE[::-1]


def picture(data: bytes = PICTURE, name: str = "photo.png") -> DataContent:
    return DataContent(data, "image/png", name, "low")


def shown(*parts: str | AnyContent) -> ChatMessage:
    return ChatMessage("user", parts)


class CountedStorage(MemoryStorage):
    """A storage in RAM that counts the trips and the bytes of files that it returns."""

    def __init__(self) -> None:
        super().__init__()
        self.trips = 0
        self.bytes_read = 0

    async def read(self, *args: Any, **query: Any) -> ThreadSlice:
        self.trips += 1
        found = await super().read(*args, **query)
        self.bytes_read += sum(map(len, found.blobs.values()))
        return found

    async def read_blobs(self, *args: Any, **query: Any) -> Mapping[str, bytes]:
        self.trips += 1
        found = await super().read_blobs(*args, **query)
        self.bytes_read += sum(map(len, found.values()))
        return found


def agent_on(storage: Storage, answers: int, window: ContextWindow | None = None) -> tuple[Agent, ScriptedChatClient]:
    client = ScriptedChatClient(["ok"] * answers)
    return client.create_agent(storage=storage, window=window), client


def pictures_in(messages: Sequence[ChatMessage]) -> list[bytes]:
    return [part.data for message in messages for part in message.contents if isinstance(part, DataContent)]


async def test_a_large_file_is_kept_once_beside_the_turns_and_a_small_one_in_its_turn(storage: Storage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t")
    uri = f"data:image/png;base64,{b64encode(OTHER).decode()}"
    result = FunctionResultContent("c", parts=(TextContent("Look"), picture()))
    said = [
        [shown("one", picture()), ChatMessage("assistant", "A")],
        [shown("two", picture(), UriContent(uri, "image/png", "b.png")), ChatMessage("tool", [result])],
        [shown(DataContent(b"tiny", "image/png"))],
    ]
    for messages in said:
        await store.add_messages(messages)
    found = await storage.read("t", blobs=None)
    assert sorted(found.blobs.values()) == sorted([PICTURE, OTHER])
    assert max(len(record.body) for record in found.records) < 1000
    assert [len(record.blobs) for record in found.records] == [1, 2, 0]
    expected = [message for messages in said for message in messages]
    for reader in (store, ChatMessageStore(storage=storage, thread_id="t")):
        assert await reader.list_messages() == expected
        assert [message for turn in await reader.list_turns() for message in turn.messages] == expected
        assert await reader.list_messages(skip_corrupt=True) == expected
        assert await reader.list_messages(limit=1) == expected[-1:]


async def test_a_window_sends_the_newest_files_and_names_the_older_ones_in_one_trip() -> None:
    storage = CountedStorage()
    store = ChatMessageStore(storage=storage, thread_id="t")
    for number in range(6):
        data = bytes([number]) * 5000
        await store.append(Turn(messages=(shown(f"q{number}", picture(data, f"{number}.png")),)))
    agent, client = agent_on(storage, 3, ContextWindow(keep_files=2))
    storage.trips = storage.bytes_read = 0
    await agent.run("Which?", thread="t")
    assert (storage.trips, storage.bytes_read) == (1, 10_000)
    sent = client.requests[0].messages
    assert pictures_in(sent) == [bytes([4]) * 5000, bytes([5]) * 5000]
    assert sent[0] == shown("q0\n[image 0.png, image/png, 5 kB, from turn 1]")
    await agent.run("And?", thread="t")
    assert pictures_in(client.requests[1].messages) == [bytes([5]) * 5000]
    assert client.requests[1].messages[:5] == [*sent[:4], shown(f"q4\n{_mark(4)}")]


def _mark(number: int) -> str:
    return f"[image {number}.png, image/png, 5 kB, from turn {number + 1}]"


async def test_a_warm_handle_reads_no_file_twice() -> None:
    storage = CountedStorage()
    agent, client = agent_on(storage, 4, ContextWindow(keep_files=3))
    thread = agent.get_thread("t")
    for number in range(4):
        await agent.run(shown(f"q{number}", picture(bytes([number]) * 5000)), thread=thread)
    assert (storage.trips, storage.bytes_read) == (4, 5000)  # a new thread's first turn is read once
    assert [len(pictures_in(request.messages)) for request in client.requests] == [1, 2, 3, 4]
    fresh, _ = agent_on(storage, 2, ContextWindow(keep_files=3))
    thread = fresh.get_thread("t")
    await fresh.run("a", thread=thread)
    await fresh.run("b", thread=thread)
    assert (storage.trips, storage.bytes_read) == (6, 20_000)


async def test_without_a_window_all_files_are_sent_and_a_new_window_reads_what_it_lacks() -> None:
    storage = MemoryStorage()
    agent, client = agent_on(storage, 3)
    await agent.run(shown("one", picture()), thread="t")
    await agent.run(shown("two", picture(OTHER)), thread="t")
    await agent_on(storage, 1)[0].run("three", thread="t")
    assert pictures_in(client.requests[-1].messages) == [PICTURE, OTHER]
    store = ChatMessageStore(storage=storage, thread_id="t")
    await store.refresh()
    assert all(isinstance(turn.messages[0].contents[1], StoredFile) for turn in store.turns[:2])
    await store.refresh(keep_files=None)
    assert pictures_in([message for turn in store.turns for message in turn.messages]) == [PICTURE, OTHER]


async def test_files_survive_undo_forks_exports_states_and_retries() -> None:
    storage = MemoryStorage()
    agent, _ = agent_on(storage, 9)
    await agent.run(shown("one", picture()), thread="t", turn_id="first")
    first = shown("one", picture())
    store = ChatMessageStore(storage=storage, thread_id="t")
    assert (await store.list_messages())[0] == first
    fork = await store.fork(thread_id="fork")
    assert (await fork.list_messages())[0] == first
    exported = await store.export_jsonl()
    copied = ChatMessageStore(storage=MemoryStorage(), thread_id="copied")
    await copied.import_jsonl(exported)
    assert (await copied.list_messages())[0] == first
    assert [len(record.blobs) for record in (await copied.storage.read("copied")).records] == [1]
    restored = await ChatMessageStore.deserialize(await store.serialize())
    assert (await restored.list_messages())[0] == first
    undone = await store.undo()
    assert undone is not None
    assert undone.messages[0] == first
    assert not (await storage.read("t", blobs=None)).blobs


async def test_an_answer_made_again_sees_the_picture_of_its_question() -> None:
    storage = MemoryStorage()
    agent, client = agent_on(storage, 9, ContextWindow(keep_files=0))
    await agent.run(shown("one", picture()), thread="t")
    await agent.regenerate("t")
    assert client.requests[1].messages == [shown("one", picture())]
    fresh, client = agent_on(storage, 9, ContextWindow(keep_files=0))
    await fresh.regenerate("t")
    assert client.requests[0].messages == [shown("one", picture())]


async def test_an_export_is_imported_where_no_bytes_can_be_kept_beside_the_turns() -> None:
    class Plain(MemoryStorage):
        max_blob_bytes = 0

    store = ChatMessageStore(storage=MemoryStorage(), thread_id="t")
    await store.add_messages([shown("one", picture())])
    plain = ChatMessageStore(storage=Plain(), thread_id="t")
    await plain.import_jsonl(await store.export_jsonl())
    (record,) = (await plain.storage.read("t")).records
    assert decode_turn(record.body, thread_id="t", number=1).messages == (shown("one", picture()),)
    await store.clear()
    await store.import_jsonl(await plain.export_jsonl())
    assert [len(record.blobs) for record in (await store.storage.read("t")).records] == [1]


async def test_files_take_at_most_half_of_the_tokens_and_results_lose_only_their_files() -> None:
    window = ContextWindow(max_tokens=6000, keep_files=10)
    result = FunctionResultContent("c", parts=(TextContent("Look"), picture()))
    turns = [
        Turn(messages=(shown(f"q{number}", UriContent(f"https://e.com/{number}.png", "image/png")),))
        for number in range(9)
    ]
    sent = window.select(turns)
    linked = [part.uri for message in sent for part in message.contents if isinstance(part, UriContent)]
    assert linked == ["https://e.com/6.png", "https://e.com/7.png", "https://e.com/8.png"]
    assert len(sent) == 9
    told = ContextWindow(keep_files=0).select([Turn(messages=(shown("q"), ChatMessage("tool", [result])))])
    assert told[1].contents == (FunctionResultContent("c", "Look\n[image photo.png, image/png, 26 kB, from turn 1]"),)


@pytest.mark.parametrize("url", ["memory:", "sqlite:///{folder}/t.db"])
async def test_a_file_of_20_mb_comes_back(url: str, tmp_path: Any) -> None:
    async with open_storage(url.format(folder=tmp_path)) as storage:
        store = ChatMessageStore(storage=storage, thread_id="t")
        large = DataContent(bytes(20_000_000), "video/mp4", "film.mp4")
        await store.add_messages([shown(large)])
        assert await ChatMessageStore(storage=storage, thread_id="t").list_messages() == [shown(large)]


async def test_a_turn_of_a_thread_with_200_pictures_reads_two_of_them_at_most() -> None:
    storage = CountedStorage()
    data = [number.to_bytes(2, "big") * 15_000 for number in range(200)]
    said = [Turn(messages=(shown(f"q{number}", picture(one)),)) for number, one in enumerate(data)]
    await storage.append_all("t", [new_turn(turn, storage) for turn in said])
    agent, client = agent_on(storage, 3, ContextWindow(max_messages=40))
    thread = agent.get_thread("t")
    for number, held in enumerate((data[-2:], data[-1:], [])):
        await agent.run("What has changed?", thread=thread)
        assert (storage.trips, storage.bytes_read) == (number + 1, 60_000)
        assert pictures_in(client.requests[-1].messages) == held
    store = ChatMessageStore(storage=storage, thread_id="t")
    assert pictures_in(await store.list_messages()) == data
    await store.add_messages([shown("again", *map(picture, data))])
    assert (await storage.read("t", blobs=None)).blobs == {Blob.of(one).digest: one for one in data}


async def test_an_undo_reads_the_files_of_its_turn_with_the_turn() -> None:
    storage = CountedStorage()
    store = ChatMessageStore(storage=storage, thread_id="t")
    await store.add_messages([shown("one", picture())])
    await store.add_messages([shown("two", picture(OTHER))])
    storage.trips = storage.bytes_read = 0
    undone = await store.undo()
    assert undone is not None
    assert undone.messages == (shown("two", picture(OTHER)),)
    assert (storage.trips, storage.bytes_read) == (1, len(OTHER))


async def test_a_warm_handle_sends_the_same_object_again_so_that_a_client_encodes_it_once() -> None:
    storage = MemoryStorage()
    window = ContextWindow(keep_files=9)
    agent, client = agent_on(storage, 9, window)
    thread = agent.get_thread("t")
    uri = UriContent(f"data:image/png;base64,{b64encode(OTHER).decode()}", "image/png")
    given = (picture(), uri, DataContent(PICTURE[1:], "image/png", additional_properties={"of": ("a", "tuple")}))
    for words in ("zero", shown("one", *given), "two", "three"):
        await agent.run(words, thread=thread)
    first, second = [request.messages[2].contents[1:] for request in client.requests[2:]]
    assert first[:2] == given[:2]
    assert first[2].additional_properties == {"of": ["a", "tuple"]}
    assert [one is other for one, other in zip(first, given, strict=True)] == [True, True, False]
    assert [one is other for one, other in zip(first, second, strict=True)] == [True, True, True]
    fresh, client = agent_on(storage, 9, window)
    thread = fresh.get_thread("t")
    for words in ("four", "five"):
        await fresh.run(words, thread=thread)
    third, fourth = [request.messages[2].contents[1:] for request in client.requests]
    assert third == first
    assert [one is other for one, other in zip(third, fourth, strict=True)] == [True, True, True]
