"""A checkpoint is stored as what it changed, and costs the same in a long thread as in a short one."""

from pathlib import Path
from typing import Any

import msgspec
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage
from langgraph.graph import MessagesState

from recuerda import ChatMessage, ChatMessageStore, MemoryStorage, Storage
from recuerda.interop.langgraph import RecuerdaSaver
from recuerda.interop.langgraph.records import CheckpointRecord, decode_body
from tests.cli.processes import CommandLine
from tests.interop.langgraph.graphs import RIKER, CountedStorage, chat, echo, said, texts

LETTERS = 300


def long_answer(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("a" * LETTERS)]}


async def trips(storage: CountedStorage, saver: RecuerdaSaver) -> tuple[int, int, int, int]:
    """Return what one more turn costs: appends, reads, records that were read, and bytes that were written."""
    storage.forget()
    await chat(saver, long_answer).ainvoke(said("q" * LETTERS), RIKER)
    return storage.appends, storage.reads, storage.records_read, storage.bytes_written


async def test_a_turn_costs_the_same_at_four_messages_and_at_a_hundred() -> None:
    storage = CountedStorage()
    saver = RecuerdaSaver(storage)
    await trips(storage, saver)
    early = await trips(storage, saver)
    for _ in range(47):
        await chat(saver, long_answer).ainvoke(said("q" * LETTERS), RIKER)
    late = await trips(storage, saver)
    assert early[:3] == late[:3] == (5, 1, 0)  # three checkpoints and two tasks' writes; the read finds nothing new
    assert late[3] <= early[3] + 100  # numbers have more digits
    # 500 messages of 300 characters take at most a fiftieth of the 90 MB that LangGraph's saver for SQLite takes.
    assert late[3] * 250 <= 1_800_000


async def test_a_saver_that_does_not_hold_the_thread_reads_it_once_and_writes_as_little() -> None:
    storage = CountedStorage()
    last = (0, 0, 0, 0)
    for _ in range(20):
        last = await trips(storage, RecuerdaSaver(storage))
    assert last[:3] == (5, 1, 19 * 5)
    assert last[3] * 250 <= 1_800_000


async def test_each_message_is_stored_once_in_the_checkpoints() -> None:
    storage = MemoryStorage()
    for number in range(10):
        await chat(RecuerdaSaver(storage)).ainvoke(said(f"number {number}"), RIKER)
    stored: list[str] = []
    for record in (await storage.read("riker")).records:
        body = decode_body(record, "riker")
        if isinstance(body.kept, CheckpointRecord) and (entry := body.kept.entries.get("messages")):
            stored += [msgspec.json.encode(item).decode() for item in entry.added or ()]
    assert len(stored) == 20
    assert set(stored) == {'{"$m":0}'}


async def test_the_thread_shows_the_conversation_to_every_reader() -> None:
    storage = MemoryStorage()
    saver = RecuerdaSaver(storage)
    for text in ("one", "two"):
        await chat(saver).ainvoke(said(text), RIKER)
    store = ChatMessageStore(storage=storage, thread_id="riker")
    shown = [(message.role, message.text) for message in await store.list_messages()]
    assert shown == [("user", "one"), ("assistant", "You said: one"), ("user", "two"), ("assistant", "You said: two")]
    info = await storage.head("riker")
    assert info is not None
    assert info.title == "one"


async def test_a_rewritten_list_is_stored_anew_and_shows_no_message_twice() -> None:
    storage = MemoryStorage()

    def summarize(state: MessagesState) -> dict[str, Any]:
        old = [RemoveMessage(message.id or "") for message in state["messages"][:-1]]
        return {"messages": [*old, HumanMessage("a summary")]}

    for _ in range(3):
        await chat(RecuerdaSaver(storage), echo).ainvoke(said("hello"), RIKER)
    answer = await chat(RecuerdaSaver(storage), summarize).ainvoke(said("last"), RIKER)
    assert texts(answer["messages"]) == ["last", "a summary"]
    for saver in (RecuerdaSaver(storage), RecuerdaSaver(storage, messages_channel=None)):
        values = (await chat(saver).aget_state(RIKER)).values
        assert values["messages"] == answer["messages"]
    store = ChatMessageStore(storage=storage, thread_id="riker")
    assert [one.text for one in await store.list_messages()] == [
        *["hello", "You said: hello"] * 3,
        "last",
        "a summary",
    ]


async def test_every_older_checkpoint_keeps_its_own_messages(storage: Storage) -> None:
    saver = RecuerdaSaver(storage)
    for number in range(3):
        await chat(saver).ainvoke(said(f"{number}"), RIKER)
    sizes = [len(one.values["messages"]) async for one in chat(saver).aget_state_history(RIKER)]
    assert sizes == [6, 5, 4, 4, 3, 2, 2, 1, 0]
    for one in [one async for one in chat(RecuerdaSaver(storage)).aget_state_history(RIKER)]:
        assert (await chat(saver).aget_state(one.config)).values == one.values


async def test_a_put_that_is_repeated_writes_nothing() -> None:
    storage = CountedStorage()
    saver = RecuerdaSaver(storage)
    await chat(saver).ainvoke(said("one"), RIKER)
    (found, *_) = [one async for one in saver.alist(RIKER)]
    assert found.parent_config is not None
    info = await storage.head("riker")
    for one in (saver, RecuerdaSaver(storage)):
        await one.aput(found.parent_config, found.checkpoint, found.metadata, found.checkpoint["channel_versions"])
        await one.aput_writes(found.config, [("messages", "x")], "task")
    after = await storage.head("riker")
    assert info is not None
    assert after is not None
    assert after.revision == info.revision + 1


async def test_a_trimmed_thread_begins_with_what_is_left_and_goes_on(storage: Storage) -> None:
    saver = RecuerdaSaver(storage)
    for number in range(5):
        await chat(saver).ainvoke(said(f"{number}"), RIKER)
    await storage.trim("riker", keep_turns=10)  # two runs
    left = texts((await chat(saver).aget_state(RIKER)).values["messages"])
    assert left == ["3", "You said: 3", "4", "You said: 4"]
    for one in (saver, RecuerdaSaver(storage)):
        await chat(one).ainvoke(said("more"), RIKER)
        left += ["more", "You said: more"]
        for reader in (saver, RecuerdaSaver(storage)):
            assert texts((await chat(reader).aget_state(RIKER)).values["messages"]) == left
    store = ChatMessageStore(storage=storage, thread_id="riker")
    assert [message.text for message in await store.list_messages()] == left


async def test_a_copy_whose_records_have_other_numbers_has_the_same_checkpoints() -> None:
    storage, other = MemoryStorage(), MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="riker")
    saver = RecuerdaSaver(storage)
    for number in range(3):
        await chat(saver).ainvoke(said(f"{number}"), RIKER)
        await store.add_messages([ChatMessage("user", f"elsewhere {number}")])
        await storage.summarize("riker", b"{}", through=1)
    records = (await storage.read("riker")).records
    await other.append_all("riker", [record.as_new_turn() for record in records])
    copies = (await other.read("riker")).records
    assert copies[-1].number < records[-1].number
    copied = RecuerdaSaver(other)
    for text in ("more", "and more"):
        assert await values(copied) == await values(saver)
        for one in (saver, copied):
            await chat(one).ainvoke(said(text), RIKER)
    history = [texts(one.values["messages"]) async for one in chat(copied).aget_state_history(RIKER)]
    assert history == [texts(one.values["messages"]) async for one in chat(saver).aget_state_history(RIKER)]


async def values(saver: RecuerdaSaver) -> list[str]:
    return texts((await chat(saver).aget_state(RIKER)).values["messages"])


def test_the_command_line_shows_what_was_said_and_no_empty_turn(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/threads.db"
    with RecuerdaSaver(url) as saver:
        for text in ("one", "two"):
            chat(saver).invoke(said(text), RIKER)
    shown = CommandLine(tmp_path).ok("show", "riker", "--storage", url)
    lines = [line for line in shown.splitlines()[2:] if line and not line.startswith("turn ")]
    assert lines == ["user: one", "assistant: You said: one", "user: two", "assistant: You said: two"]
    assert shown.count("\nturn ") == 4
