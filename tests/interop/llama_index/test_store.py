"""`RecuerdaChatStore` keeps the contract of LlamaIndex's chat stores, and what their own store does not promise."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus
from llama_index.core.storage.chat_store.sql import SQLAlchemyChatStore
from sqlalchemy.ext.asyncio import create_async_engine

from recuerda import ChatMessageStore, MemoryStorage, Storage, ThreadConflict, ThreadOwnershipError
from recuerda.interop.llama_index import RecuerdaChatStore
from recuerda.interop.openai_agents import RecuerdaSession
from recuerda.interop.warm_threads import warm_threads
from recuerda.testing import ScriptedChatClient
from tests.conversation import LOCAL
from tests.storage.matrix import STORAGES

ACTIVE, ARCHIVED = MessageStatus.ACTIVE, MessageStatus.ARCHIVED


def said(text: str) -> ChatMessage:
    return ChatMessage(role="user", content=text)


def answered(text: str) -> ChatMessage:
    return ChatMessage(role="assistant", content=text)


CALL = ChatMessage(
    role="assistant",
    blocks=[ToolCallBlock(tool_call_id="call_1", tool_name="weather", tool_kwargs={"city": "Lisbon"})],
)
RESULT = ChatMessage(role="tool", content="sunny", additional_kwargs={"tool_call_id": "call_1"})
RUN = [said("What is the weather in Lisbon?"), CALL, RESULT, answered("It is sunny.")]


@pytest.fixture(params=["theirs", *LOCAL])
async def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[AsyncDBChatStore]:
    if request.param == "theirs":
        engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/theirs.db")
        yield SQLAlchemyChatStore("messages", async_engine=engine)
        await engine.dispose()
        return
    async with STORAGES[request.param](tmp_path) as storage:
        yield RecuerdaChatStore(storage)


async def texts(store: AsyncDBChatStore, status: MessageStatus | None = ACTIVE, key: str = "t") -> list[str | None]:
    return [message.content for message in await store.get_messages(key, status)]


# -- the contract, on their store and on ours --------------------------------------------------------------------------


async def test_messages_come_back_in_order_and_keys_are_apart(any_store: AsyncDBChatStore) -> None:
    assert await any_store.get_messages("t") == []
    assert await any_store.count_messages("t") == 0
    for message in RUN:
        await any_store.add_message("t", message)
    await any_store.add_messages("u", [said("Other."), answered("Yes.")])
    assert await any_store.get_messages("t") == RUN
    assert await any_store.get_messages("t", limit=2) == RUN[:2]
    assert await any_store.get_messages("t", limit=2, offset=1) == RUN[1:3]
    assert await any_store.get_messages("t", limit=9, offset=3) == RUN[3:]
    assert await any_store.count_messages("t") == 4
    assert await texts(any_store, key="u") == ["Other.", "Yes."]
    assert sorted(await any_store.get_keys()) == ["t", "u"]


async def test_the_oldest_messages_are_archived(any_store: AsyncDBChatStore) -> None:
    await any_store.add_messages("t", [*RUN, said("And now?"), answered("Still sunny.")])
    assert await any_store.archive_oldest_messages("t", 0) == []
    assert await any_store.archive_oldest_messages("t", 3) == RUN[:3]
    assert await any_store.get_messages("t") == [RUN[3], said("And now?"), answered("Still sunny.")]
    assert await any_store.get_messages("t", ARCHIVED) == RUN[:3]
    await any_store.add_message("t", said("Thanks."))
    assert await any_store.archive_oldest_messages("t", 3) == [RUN[3], said("And now?"), answered("Still sunny.")]
    assert await texts(any_store) == ["Thanks."]
    assert await any_store.archive_oldest_messages("t", 9) == [said("Thanks.")]
    assert await any_store.archive_oldest_messages("t", 1) == []
    assert [await any_store.count_messages("t", one) for one in (ACTIVE, ARCHIVED, None)] == [0, 7, 7]
    assert (await any_store.get_messages("t", None))[:4] == RUN


async def test_a_message_can_be_archived_from_the_start(any_store: AsyncDBChatStore) -> None:
    await any_store.add_messages("t", [said("one"), answered("two")])
    await any_store.add_messages("t", [said("three"), answered("four")], ARCHIVED)
    await any_store.add_message("t", said("five"))
    assert await texts(any_store) == ["one", "two", "five"]
    assert await texts(any_store, ARCHIVED) == ["three", "four"]
    assert await any_store.archive_oldest_messages("t", 1) == [said("one")]
    assert await texts(any_store) == ["two", "five"]
    assert await texts(any_store, None) == ["one", "two", "three", "four", "five"]


async def test_the_oldest_messages_are_deleted(any_store: AsyncDBChatStore) -> None:
    await any_store.add_messages("t", [*RUN, said("And now?"), answered("Still sunny.")])
    await any_store.archive_oldest_messages("t", 1)
    assert await any_store.delete_oldest_messages("t", 2) == RUN[1:3]
    assert await texts(any_store) == ["It is sunny.", "And now?", "Still sunny."]
    assert await any_store.get_messages("t", ARCHIVED) == RUN[:1]
    assert len(await any_store.delete_oldest_messages("t", 9)) == 3
    assert await any_store.delete_oldest_messages("t", 1) == []
    assert await any_store.get_messages("t", None) == RUN[:1]


async def test_messages_of_a_status_are_deleted(any_store: AsyncDBChatStore) -> None:
    await any_store.add_messages("t", RUN)
    await any_store.add_messages("u", RUN)
    await any_store.archive_oldest_messages("t", 2)
    await any_store.delete_messages("t", ARCHIVED)
    assert await any_store.get_messages("t", None) == RUN[2:]
    await any_store.delete_messages("t", ACTIVE)
    assert await any_store.get_messages("t", None) == []
    await any_store.delete_messages("u")
    await any_store.delete_messages("u")
    assert await any_store.get_keys() == []
    await any_store.add_messages("u", RUN)
    assert await any_store.get_messages("u") == RUN


async def test_all_messages_are_replaced(any_store: AsyncDBChatStore) -> None:
    await any_store.set_messages("t", RUN[:2])
    assert await any_store.get_messages("t") == RUN[:2]
    await any_store.archive_oldest_messages("t", 1)
    await any_store.set_messages("t", RUN)
    assert await any_store.get_messages("t", None) == await any_store.get_messages("t") == RUN
    await any_store.add_message("t", said("And now?"))
    assert (await any_store.get_messages("t"))[4:] == [said("And now?")]
    await any_store.set_messages("t", RUN[:1], ARCHIVED)
    assert [await texts(any_store), await any_store.get_messages("t", ARCHIVED)] == [[], RUN[:1]]
    await any_store.set_messages("t", [])
    assert await any_store.get_messages("t", None) == []


async def test_a_message_is_deleted(any_store: AsyncDBChatStore) -> None:
    await any_store.add_messages("t", RUN)
    # Their index is the number of a row, from 1; ours is the position.
    first = 1 if isinstance(any_store, SQLAlchemyChatStore) else 0
    assert await any_store.delete_message("t", first + 9) is None
    assert await any_store.delete_message("t", first + 1) == CALL
    assert await any_store.get_messages("t") == [RUN[0], *RUN[2:]]


BLOCKS: list[Callable[[str], Any]] = [
    lambda text: TextBlock(text=text),
    lambda text: ThinkingBlock(content=text, num_tokens=len(text), additional_information={"signature": text}),
    lambda text: ToolCallBlock(tool_call_id=text or None, tool_name="weather", tool_kwargs={"city": text, "at": 1.0}),
    lambda text: ToolCallBlock(tool_name="weather", tool_kwargs=text),
    lambda text: ImageBlock(url=f"https://a.example/{len(text)}.png", detail=text),
    lambda text: ImageBlock(image=b"\x89PNG\r\n\x1a\n" + text.encode()),
    lambda text: AudioBlock(audio=text.encode() or b"a", format="wav"),
    lambda text: VideoBlock(url=f"https://a.example/{len(text)}.mp4", fps=2),
    lambda text: DocumentBlock(
        data=b"%PDF-1.4" + text.encode(), title=text or "t", document_mimetype="application/pdf"
    ),
    lambda text: CachePoint(cache_control=CacheControl(type=text)),
    lambda text: CitableBlock(title=text, source="s", content=[TextBlock(text=text)]),
    lambda text: CitationBlock(
        cited_content=TextBlock(text=text), source="s", title="t", additional_location_info={"page": 1}
    ),
]
TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
NAMES = st.sampled_from(["tool_call_id", "name", "tool_calls", "more"])


@st.composite
def drawn_messages(draw: st.DrawFn) -> ChatMessage:
    makers, texts = draw(st.lists(st.sampled_from(BLOCKS), max_size=3)), draw(st.lists(TEXT, min_size=3, max_size=3))
    return ChatMessage(
        role=draw(st.sampled_from(list(MessageRole))),
        blocks=[make(text) for make, text in zip(makers, texts, strict=False)],
        additional_kwargs=draw(st.dictionaries(NAMES, TEXT | st.integers(-9, 9))),
    )


@given(st.lists(drawn_messages() | st.sampled_from(RUN), min_size=1, max_size=5), st.booleans())
async def test_any_message_comes_back_the_same(messages: list[ChatMessage], is_set: bool) -> None:
    store = RecuerdaChatStore(MemoryStorage())
    await (store.set_messages if is_set else store.add_messages)("t", messages)
    # Python says that 1, 1.0 and True are equal; the texts tell them apart.
    found, written = (
        msgspec.json.encode([one.model_dump(mode="json") for one in some], order="sorted")
        for some in (await store.get_messages("t"), messages)
    )
    assert found == written


# -- what only our store promises --------------------------------------------------------------------------------------


async def test_bytes_are_kept_once_beside_their_turns(storage: Storage) -> None:
    store = RecuerdaChatStore(storage)
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
    shown = ChatMessage(role="user", blocks=[TextBlock(text="See:"), ImageBlock(image=picture, detail="low")])
    said = [
        shown,
        ChatMessage(role="assistant", content="A map."),
        shown,
        ChatMessage(role="assistant", content="Yes."),
    ]
    await store.add_messages("t", said[:2])
    await store.add_messages("t", said[2:])
    for _ in range(2):
        found = await storage.read("t", blobs=None)
        assert ([len(record.blobs) for record in found.records], list(found.blobs.values())) == ([1, 1], [picture])
        assert sum(len(record.body) for record in found.records) < 5000
        assert [one.model_dump() for one in await store.get_messages("t")] == [one.model_dump() for one in said]
        await store.set_messages("t", said)


async def test_a_run_is_one_turn_that_other_readers_see(storage: Storage) -> None:
    store = RecuerdaChatStore(storage)
    await store.add_message("t", RUN[0])
    await store.add_messages("t", RUN[1:])
    found = await storage.read("t")
    assert [record.message_count for record in found.records] == [4]
    assert not found.has_draft
    items = await RecuerdaSession("t", storage).get_items()
    assert [item.get("type", item.get("role")) for item in items] == [
        "user",
        "function_call",
        "function_call_output",
        "assistant",
    ]
    assert b"llama" not in found.records[0].body  # our messages alone give everything back


async def test_an_unfinished_run_is_seen_by_the_next_process_and_not_by_a_window(
    storage: Storage, another: Storage
) -> None:
    await RecuerdaChatStore(storage).add_message("t", RUN[0])
    await RecuerdaChatStore(another).add_messages("t", RUN[1:3])
    assert await ChatMessageStore(storage=another, thread_id="t").list_messages() == []
    later = RecuerdaChatStore(another)
    assert await later.get_messages("t") == RUN[:3]
    await later.add_message("t", RUN[3])
    assert await RecuerdaChatStore(storage).get_messages("t") == RUN
    assert len((await another.read("t")).records) == 1


async def test_messages_of_an_unfinished_run_can_be_archived(storage: Storage) -> None:
    store = RecuerdaChatStore(storage)
    await store.add_messages("t", [said("Hello."), answered("Hi."), *RUN[:3]])
    assert await store.archive_oldest_messages("t", 4) == [said("Hello."), answered("Hi."), *RUN[:2]]
    await store.add_message("t", RUN[3])
    assert await store.get_messages("t") == RUN[2:]
    assert await RecuerdaChatStore(storage).get_messages("t", ARCHIVED) == [said("Hello."), answered("Hi."), *RUN[:2]]


async def test_two_stores_that_answer_the_same_conflict(storage: Storage, another: Storage) -> None:
    slow, quick = RecuerdaChatStore(storage), RecuerdaChatStore(another)
    await slow.add_message("t", said("From Ana."))
    await quick.add_message("t", said("From Bo."))
    with pytest.raises(ThreadConflict):
        await slow.add_message("t", answered("Hello, Ana."))
    await quick.add_message("t", answered("Hello, Bo."))
    assert await texts(quick) == ["From Ana.", "From Bo.", "Hello, Bo."]
    await slow.add_messages("t", [said("Again."), answered("Hello, Ana.")])
    assert (await texts(quick))[3:] == ["Again.", "Hello, Ana."]


async def test_writers_of_whole_runs_lose_nothing(storage: Storage) -> None:
    async def write(name: int) -> None:
        for number in range(4):
            store = RecuerdaChatStore(storage)
            await store.add_messages("t", [said(f"{name}.{number}"), answered("ok")])
            await store.archive_oldest_messages("t", 1)

    await asyncio.gather(*map(write, range(4)))
    store = RecuerdaChatStore(storage)
    assert [await store.count_messages("t", one) for one in (ACTIVE, ARCHIVED)] == [16, 16]
    kept = [text for text in await texts(store, None) if text != "ok"]
    assert sorted(map(str, kept)) == sorted(f"{name}.{number}" for name in range(4) for number in range(4))


async def test_a_retry_with_the_same_turn_id_sees_the_same_history_and_is_stored_once(storage: Storage) -> None:
    await RecuerdaChatStore(storage).add_messages("t", [said("Hello."), answered("Hi.")])
    killed = RecuerdaChatStore(storage, turn_id="request-7")
    await killed.add_messages("t", RUN[:3])
    for _ in range(3):
        retried = RecuerdaChatStore(storage, turn_id="request-7")
        assert await texts(retried) == ["Hello.", "Hi."]
        await retried.add_message("t", RUN[0])
        assert await texts(retried) == ["Hello.", "Hi.", RUN[0].content]
        await retried.add_messages("t", RUN[1:])
        assert (await retried.get_messages("t"))[2:] == RUN
    assert (await RecuerdaChatStore(storage).get_messages("t"))[2:] == RUN
    assert len((await storage.read("t")).records) == 2


async def test_threads_of_another_user_are_refused(storage: Storage) -> None:
    await RecuerdaChatStore(storage, user_id="ana").add_messages("t", RUN)
    stranger = RecuerdaChatStore(storage, user_id="bo")
    for refused in (
        stranger.get_messages("t"),
        stranger.add_message("t", RUN[0]),
        stranger.set_messages("t", RUN),
        stranger.archive_oldest_messages("t", 1),
        stranger.delete_oldest_messages("t", 1),
        stranger.delete_messages("t"),
    ):
        with pytest.raises(ThreadOwnershipError):
            await refused
    assert await stranger.get_keys() == []
    assert await RecuerdaChatStore(storage, user_id="ana").get_messages("t") == RUN


async def test_a_thread_of_recuerdas_agent_can_be_read_archived_and_cut(storage: Storage) -> None:
    agent = ScriptedChatClient(["Hello, Ana.", "Yes."]).create_agent(storage=storage)
    await agent.run("I am Ana.", thread="t")
    await agent.run("Are you sure?", thread="t")
    store = RecuerdaChatStore(storage)
    assert await store.archive_oldest_messages("t", 1) == [said("I am Ana.")]
    assert await store.delete_oldest_messages("t", 1) == [answered("Hello, Ana.")]
    assert await texts(store, None) == ["I am Ana.", "Are you sure?", "Yes."]
    messages = await ChatMessageStore(storage=storage, thread_id="t").list_messages()
    assert [message.text for message in messages] == ["I am Ana.", "Are you sure?", "Yes."]
    assert len((await storage.read("t")).records) == 2  # each turn stays a turn


async def test_a_deleted_message_is_gone_from_the_thread(storage: Storage) -> None:
    store = RecuerdaChatStore(storage)
    await store.add_messages("t", [*RUN, said("My secret is 4711."), answered("Noted.")])
    await store.delete_message("t", 4)
    assert await texts(store) == [*(message.content for message in RUN), "Noted."]
    assert b"4711" not in b"".join(record.body for record in (await storage.read("t")).records)


async def test_a_batch_that_was_cut_off_changes_nothing(storage: Storage) -> None:
    store = RecuerdaChatStore(storage)
    await store.add_messages("t", [said("Hello."), answered("Hi.")])
    other = RecuerdaChatStore(MemoryStorage())
    await other.set_messages("t", [*RUN, said("And now?"), answered("Still sunny.")])
    half, whole = (record.as_new_turn() for record in (await other._storage.read("t")).records)  # pyright: ignore[reportPrivateUsage] - a crash in between
    await storage.append("t", half)
    assert await texts(store) == ["Hello.", "Hi."]
    await store.add_messages("t", [said("Still here?"), answered("Yes.")])
    assert await texts(store) == ["Hello.", "Hi.", "Still here?", "Yes."]
    await storage.append("t", whole)
    assert (await store.get_messages("t"))[:4] == RUN
    await store.set_messages("t", RUN)
    assert await store.get_messages("t") == RUN
    assert (await storage.head("t")).turns == 1  # pyright: ignore[reportOptionalMemberAccess]


async def test_an_undone_turn_leaves_the_archive_as_it_was(storage: Storage) -> None:
    store = RecuerdaChatStore(storage)
    for number in range(4):
        await store.add_messages("t", [said(f"q{number}"), answered(f"a{number}")])
    await store.archive_oldest_messages("t", 5)
    await storage.undo("t", number=3)
    assert await texts(store, ARCHIVED) == ["q0", "a0", "q1", "a1"]
    assert await texts(store) == ["q3", "a3"]


async def test_the_active_messages_cost_the_same_in_a_long_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    storage = MemoryStorage()
    read = storage.read

    async def counted(*args: Any, **kwargs: Any) -> Any:
        found = await read(*args, **kwargs)
        reads.append(sum(record.message_count for record in found.records))
        return found

    store = RecuerdaChatStore(storage)
    for number in range(600):
        await store.add_messages("t", [said(f"q{number}"), answered(f"a{number}")])
    await store.archive_oldest_messages("t", 1180)
    warm_threads(storage).histories.clear()  # as in another process
    monkeypatch.setattr(storage, "read", counted)
    assert await store.count_messages("t") == 20
    assert reads == [256]
    assert await store.count_messages("t") == 20
    assert reads == [256, 0]
    await store.add_message("t", said("And now?"))
    assert reads == [256, 0, 0]
    await store.archive_oldest_messages("t", 2)
    await store.add_message("t", answered("Now."))
    assert reads[3:] == [0]
