"""Facts that hold here and were seen not to hold elsewhere: one test each, named as the fact.

Those of memories, summaries and interrupted turns are in `test_peers_memory.py`.
"""

import asyncio
import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recuerda import (
    AgentThread,
    ChatMessage,
    ChatMessageStore,
    ChatRequest,
    ChatResponse,
    ContextProvider,
    ContextWindow,
    CorruptTurn,
    DecryptionError,
    FunctionCallContent,
    FunctionResultContent,
    InvalidInput,
    NewTurn,
    Storage,
    ThreadConflict,
    Turn,
    open_storage,
)
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.file import FileStorage
from recuerda.sqlite import SQLiteStorage
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.conversation import Counts, exchange, texts


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/threads.db"


def store_on(storage: Storage, thread_id: str = "t", *, max_messages: int | None = None) -> ChatMessageStore:
    return ChatMessageStore(storage=storage, thread_id=thread_id, max_messages=max_messages)


def tool_turn(number: int) -> list[ChatMessage]:
    return [
        ChatMessage("user", f"question {number}"),
        ChatMessage("assistant", [FunctionCallContent(f"c{number}", "f")]),
        ChatMessage("tool", [FunctionResultContent(f"c{number}", number)]),
        ChatMessage("assistant", f"answer {number}"),
    ]


# State and messages ---------------------------------------------------------------------------------------------------


async def test_a_thread_on_a_storage_that_is_serialized_and_restored_is_the_same_thread(url: str) -> None:
    async with ScriptedChatClient(["Hello"]).create_agent(storage=url) as agent:
        thread = agent.get_new_thread()
        await agent.run("hi", thread=thread)
        state = json.dumps(await thread.serialize())
    async with ScriptedChatClient().create_agent(storage=url) as agent:
        restored = await agent.deserialize_thread(json.loads(state))
        assert (restored.id, texts(await restored.list_messages())) == (thread.id, ["hi", "Hello"])


def test_a_messages_content_is_its_text_however_it_is_given() -> None:
    messages = [
        ChatMessage("user", "hi"),
        ChatMessage(role="user", content="hi"),
        ChatMessage(role="user", text="hi"),
        ChatMessage(role="user", contents=["hi"]),
    ]
    assert texts(messages) == ["hi"] * 4
    with pytest.raises(TypeError):
        ChatMessage(role="user", contnet="hi")  # pyright: ignore[reportCallIssue] - a slip is not swallowed


async def test_restoring_into_a_factorys_persistent_store_adds_nothing_again(url: str) -> None:
    source = AgentThread()
    await source.on_new_messages(exchange("one"))
    state = await source.serialize()
    async with open_storage(url) as storage:
        agent = ScriptedChatClient().create_agent(
            chat_message_store_factory=lambda: ChatMessageStore(storage=storage, max_messages=50)
        )
        counts = [len(await (await agent.deserialize_thread(state)).list_messages()) for _ in range(3)]
    assert counts == [2, 2, 2]


async def test_a_limit_never_parts_a_tools_result_from_its_call(url: str) -> None:
    async with open_storage(url) as storage:
        store = store_on(storage, max_messages=6)
        for number in range(3):
            await store.add_messages(tool_turn(number))
        assert await store.list_messages() == tool_turn(2)
        with pytest.raises(InvalidInput):
            store_on(storage, max_messages=0)


async def test_a_password_is_never_in_a_state_or_an_error(url: str) -> None:
    secret = "hunter2"
    async with EncryptedStorage(open_storage(url), KeyRing({"k": secret.encode().ljust(32)}, current="k")) as storage:
        thread = AgentThread(message_store=store_on(storage))
        await thread.on_new_messages(exchange("one"))
        assert secret not in json.dumps(await thread.serialize()) + repr(thread)
    with pytest.raises(Exception, match="scheme") as caught:
        open_storage(f"nosuch://user:{secret}@host/db")
    assert secret not in str(caught.value)


async def test_one_corrupt_entry_leaves_the_others_readable_and_a_listing_is_a_copy(url: str) -> None:
    async with open_storage(url) as storage:
        store = store_on(storage)
        await store.add_messages(exchange("one"))
        (await store.list_messages()).clear()
        await storage.append("t", NewTurn(body=b"{", message_count=1))
        await store.add_messages(exchange("three"))
        with pytest.raises(CorruptTurn, match="turn 2"):
            await store.list_messages()
        assert texts(await store.list_messages(skip_corrupt=True)) == ["one", "one!", "three", "three!"]


async def test_a_hundred_messages_of_200_characters_are_little_more_than_their_text() -> None:
    thread = AgentThread()
    for i in range(50):
        await thread.on_new_messages([ChatMessage(role, f"{i:<200}") for role in ("user", "assistant")])
    assert len(json.dumps(await thread.serialize())) < 30_000


# Runs at the same time ------------------------------------------------------------------------------------------------


class SlowClient(ScriptedChatClient):
    async def respond(self, request: ChatRequest) -> ChatResponse:
        for _ in range(10):
            await asyncio.sleep(0)
        return await super().respond(request)


async def test_concurrent_runs_on_a_thread_see_each_other_and_none_is_lost(url: str) -> None:
    client = SlowClient(default=lambda request: f"saw {len(request.messages)}")
    async with client.create_agent(storage=url) as agent:
        await asyncio.gather(*(agent.run(f"run {i}", thread="t") for i in range(10)))
        said = texts(await agent.get_thread("t").list_messages())
    assert said == [text for i in range(10) for text in (f"run {i}", f"saw {2 * i + 1}")]


async def test_two_processes_on_a_thread_conflict_instead_of_losing_a_turn(url: str) -> None:
    async with open_storage(url) as ours, open_storage(url) as theirs:
        rival = ScriptedChatClient(["theirs"]).create_agent(storage=theirs)

        async def meanwhile() -> None:
            await rival.run("rival", thread="t")

        agent = ScriptedChatClient([call("meanwhile"), "ours"]).create_agent(storage=ours, tools=meanwhile)
        with pytest.raises(ThreadConflict):
            await agent.run("mine", thread="t")
        assert texts(await agent.get_thread("t").list_messages()) == ["rival", "theirs"]


async def test_two_writers_of_one_place_never_overwrite_each_other(url: str) -> None:
    async with open_storage(url) as one, open_storage(url) as two:
        turn = NewTurn(body=b"{}", message_count=1)
        outcomes = await asyncio.gather(
            *(storage.append("t", turn, expected=0) for storage in (one, two)), return_exceptions=True
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Appended", "ThreadConflict"]


async def test_turns_of_two_writers_do_not_interleave(url: str) -> None:
    async with open_storage(url) as one, open_storage(url) as two:

        async def write(storage: Storage, name: str) -> None:
            for i in range(10):
                await store_on(storage).add_messages([ChatMessage("user", f"{name}{i}")] * 3)

        await asyncio.gather(write(one, "a"), write(two, "b"))
        said = texts(await store_on(one).list_messages())
    assert [said[i] for i in range(0, 60, 3)] == [said[i + 2] for i in range(0, 60, 3)]


async def test_two_hundred_threads_share_their_storages_connections(url: str) -> None:
    before = set(threading.enumerate())
    async with ScriptedChatClient(default="ok").create_agent(storage=url) as agent:
        await asyncio.gather(*(agent.run("hi", thread=f"t{i}") for i in range(200)))
        assert len(set(threading.enumerate()) - before) <= 2  # one that writes and one that reads
        assert len([info async for info in agent.storage.threads()]) == 200


# Identity, retries, order ---------------------------------------------------------------------------------------------


async def test_identical_turns_are_as_many_as_were_run(url: str) -> None:
    async with ScriptedChatClient(default="Done.").create_agent(storage=url) as agent:
        for _ in range(4):
            await agent.run("continue", thread="t")
        assert texts(await agent.get_thread("t").list_messages()) == ["continue", "Done."] * 4


async def test_a_retried_add_is_stored_once(url: str) -> None:
    async with open_storage(url) as storage:
        turn = Turn(messages=tuple(exchange("one")))
        outcomes = [await store_on(storage).append(turn, turn_id="r1") for _ in range(3)]
        assert [outcome.replayed for outcome in outcomes] == [False, True, True]
        assert len(await store_on(storage).list_messages()) == 2


async def test_the_last_messages_never_start_with_a_result_without_its_call(url: str) -> None:
    async with open_storage(url) as storage:
        for number in range(3):
            await store_on(storage).add_messages(tool_turn(number))
        for last in range(1, 13):
            found = await store_on(storage).list_messages(limit=last)
            assert found[0].role == "user"


async def test_order_does_not_come_from_a_clock(tmp_path: Path) -> None:
    times = iter([5_000_000, 4_000_000, 4_000_000, 1, 1, 1, 1, 1, 1])
    async with SQLiteStorage(tmp_path / "t.db", clock=lambda: next(times)) as storage:
        for name in ("one", "two", "three"):
            await store_on(storage).add_messages([ChatMessage("user", name)])
        assert texts(await store_on(storage).list_messages()) == ["one", "two", "three"]
        found = await storage.read("t")
        assert [record.number for record in found.records] == [1, 2, 3]


async def test_a_clock_that_goes_back_makes_no_conflict(tmp_path: Path) -> None:
    times = iter(range(10**15, 0, -(10**12)))
    async with SQLiteStorage(tmp_path / "t.db", clock=lambda: next(times)) as storage:
        agent = ScriptedChatClient(default="ok").create_agent(storage=storage)
        for _ in range(5):
            await agent.run("hi", thread="t")
        assert len(await agent.get_thread("t").list_messages()) == 10


# Failures -------------------------------------------------------------------------------------------------------------


async def test_a_tools_result_never_loses_its_turn_for_its_form(url: str) -> None:
    def when() -> object:
        return {"at": datetime(2025, 1, 2, tzinfo=UTC)}

    def broken() -> object:
        return {"at": object()}

    client = ScriptedChatClient([call("when"), "ok", call("broken"), "well"])
    async with client.create_agent(storage=url, tools=[when, broken]) as agent:
        await agent.run("one", thread="t")
        await agent.run("two", thread="t")
        messages = await agent.get_thread("t").list_messages()
    assert len(messages) == 8
    assert messages[2].contents == (FunctionResultContent("call_1", {"at": "2025-01-02T00:00:00Z"}),)
    (kept,) = messages[6].contents
    assert isinstance(kept, FunctionResultContent)
    assert "<object>" in str(kept.result)


async def test_a_provider_that_fails_after_a_run_does_not_lose_the_turn(url: str) -> None:
    class Failing(ContextProvider):
        async def invoked(self, *args: object, **options: object) -> None:
            raise LookupError("memory is down")

    agent = ScriptedChatClient(["ok"]).create_agent(storage=url, context_providers=Failing())
    async with agent:
        reply = await agent.run("hi", thread="t")
        assert reply.warnings
        assert texts(await agent.get_thread("t").list_messages()) == ["hi", "ok"]


def tear(folder: Path) -> None:
    (path,) = folder.glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b'{"number":2,"count":2,"id":"x","crea')


async def test_a_torn_last_line_is_passed_over_and_written_over(tmp_path: Path) -> None:
    async with FileStorage(tmp_path) as storage:
        await store_on(storage).add_messages(exchange("one"))
    tear(tmp_path)
    async with FileStorage(tmp_path) as storage:
        store = store_on(storage)
        assert texts(await store.list_messages()) == ["one", "one!"]
        await store.add_messages(exchange("two"))
    async with FileStorage(tmp_path) as storage:
        assert texts(await store_on(storage).list_messages()) == ["one", "one!", "two", "two!"]


async def test_a_wrong_key_is_an_error_and_not_an_empty_thread(url: str) -> None:
    async with EncryptedStorage(open_storage(url), KeyRing({"k": b"1" * 32}, current="k")) as storage:
        await store_on(storage).add_messages(exchange("one"))
    async with EncryptedStorage(open_storage(url), KeyRing({"k": b"2" * 32}, current="k")) as storage:
        with pytest.raises(DecryptionError):
            await store_on(storage).list_messages()


# Cost -----------------------------------------------------------------------------------------------------------------


async def fill(storage: Storage, turns: int) -> None:
    body = b'{"v":1,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}'
    await storage.append_all("t", [NewTurn(body=body, message_count=2) for _ in range(turns)])


@pytest.mark.parametrize("turns", [5, 2000])
async def test_a_turn_costs_the_same_however_long_the_thread_is(
    url: str, monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    async with open_storage(url) as storage:
        await fill(storage, turns)
        counts = Counts(storage, monkeypatch)
        agent = ScriptedChatClient(default="ok").create_agent(storage=storage, window=ContextWindow(max_messages=8))
        thread = agent.get_thread("t")
        for expected in (4, 0, 0):
            await agent.run("hi", thread=thread)
            assert counts.taken() == ([expected], 1)


async def test_a_turn_adds_one_record_of_its_own_size_and_no_copy_of_the_thread(url: str) -> None:
    client = ScriptedChatClient(default="ok")
    async with client.create_agent(storage=url) as agent:
        for _ in range(30):
            await agent.run("hello", thread="t")
        found = await agent.storage.read("t")
    assert len(found.records) == 30
    sizes = [len(record.body) for record in found.records]
    digits = 4  # a body holds how long its run took, which has more digits on a slow disk
    assert max(sizes) - min(sizes) <= digits


async def test_a_listing_comes_in_pages_and_is_complete(url: str) -> None:
    async with open_storage(url) as storage:
        for i in range(120):
            await storage.update_thread(f"t{i}", title=str(i))
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = await storage.list_threads(limit=25, cursor=cursor)
            assert len(page.threads) <= 25
            seen.extend(info.id for info in page.threads)
            if (cursor := page.cursor) is None:
                break
    assert sorted(seen) == sorted(f"t{i}" for i in range(120))
