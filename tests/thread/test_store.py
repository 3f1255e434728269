"""A store holds one thread's messages."""

import asyncio

import pytest

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    ChatMessageStoreProtocol,
    CorruptTurn,
    EncodeError,
    FunctionResultContent,
    InvalidInput,
    MemoryStorage,
    NewTurn,
    Storage,
    StorageUnavailable,
    Turn,
)
from tests.conversation import Counts, exchange, texts


def opened(storage: Storage, thread_id: str = "t") -> ChatMessageStore:
    return ChatMessageStore(storage=storage, thread_id=thread_id)


async def test_messages_come_back_as_they_were_added(storage: Storage) -> None:
    store = opened(storage)
    messages = [ChatMessage("user", "hi", author_name="Ana", message_id="m1"), ChatMessage("assistant", "hello")]
    appended = await store.add_messages(messages)
    assert appended is not None
    assert appended.revision == 1
    assert await store.list_messages() == messages
    assert await opened(storage).list_messages() == messages


async def test_what_is_added_in_one_call_is_one_turn(storage: Storage) -> None:
    store = opened(storage)
    await store.add_messages(exchange("one"))
    await store.add_messages(exchange("two"))
    assert [turn.number for turn in await store.list_turns()] == [1, 2]


async def test_the_input_of_a_turn_is_what_comes_before_its_answer(storage: Storage) -> None:
    store = opened(storage)
    await store.add_messages(
        [ChatMessage("system", "Be kind."), ChatMessage("user", "hi"), ChatMessage("assistant", "yo")]
    )
    (turn,) = await store.list_turns()
    assert texts(turn.turn.answer) == ["yo"]


async def test_adding_nothing_writes_nothing(storage: Storage) -> None:
    assert await opened(storage).add_messages([]) is None
    assert await storage.head("t") is None


async def test_a_text_is_refused_where_a_message_belongs(storage: Storage) -> None:
    with pytest.raises(InvalidInput, match="not str"):
        await opened(storage).add_messages(["hi"])  # pyright: ignore[reportArgumentType] - what is refused
    assert await storage.head("t") is None


async def test_a_value_without_a_json_form_writes_nothing(storage: Storage) -> None:
    bad = ChatMessage("tool", [FunctionResultContent("c1", {"rows": [1, {2: object()}]})])
    with pytest.raises(EncodeError) as caught:
        await opened(storage).add_messages([ChatMessage("user", "hi"), bad])
    assert caught.value.path == "messages[1].contents[0].result.rows[1].2"
    assert await storage.head("t") is None


async def test_a_listing_is_a_copy(storage: Storage) -> None:
    store = opened(storage)
    await store.add_messages(exchange("one"))
    (await store.list_messages()).clear()
    (await store.list_messages(limit=2)).clear()
    (await store.list_turns()).clear()
    store.history.messages().clear()
    assert texts(await store.list_messages()) == ["one", "one!"]


async def test_a_listing_from_before_stays_as_it_was(storage: Storage) -> None:
    store = opened(storage)
    await store.add_messages(exchange("one"))
    before = await store.list_messages()
    await store.add_messages(exchange("two"))
    await store.list_messages()
    assert texts(before) == ["one", "one!"]


async def test_the_last_messages_are_whole_turns(storage: Storage) -> None:
    store = opened(storage)
    for text in ("one", "two", "three"):
        await store.add_messages(exchange(text))
    assert texts(await store.list_messages(limit=5)) == ["two", "two!", "three", "three!"]
    assert texts(await store.list_messages(limit=4)) == ["two", "two!", "three", "three!"]
    assert texts(await store.list_messages(limit=3)) == ["three", "three!"]


async def test_the_newest_turn_is_listed_however_long_it_is(storage: Storage) -> None:
    store = opened(storage)
    await store.add_messages(exchange("one"))
    await store.add_messages([*exchange("two"), *exchange("three")])
    assert texts(await store.list_messages(limit=1)) == ["two", "two!", "three", "three!"]


async def test_a_page_is_whole_turns_before_a_turn(storage: Storage) -> None:
    store = opened(storage)
    for text in ("one", "two", "three", "four"):
        await store.add_messages(exchange(text))
    await store.undo(number=2)
    newest = await store.list_turns(limit=2)
    older = await store.list_turns(limit=2, before=newest[0].number)
    assert [[turn.number for turn in page] for page in (older, newest)] == [[1], [3, 4]]
    assert texts(await store.list_messages(limit=3, before=4)) == ["three", "three!"]
    assert texts(await store.list_messages(limit=4, before=4)) == ["one", "one!", "three", "three!"]
    assert texts(await store.list_messages(before=4, skip_corrupt=True)) == ["one", "one!", "three", "three!"]


async def test_a_listing_of_nothing_is_refused(storage: Storage) -> None:
    store = opened(storage)
    for number in (0, -1, True, 1.5, "2"):
        for list_page in (store.list_messages, store.list_turns):
            with pytest.raises(InvalidInput, match="limit"):
                await list_page(limit=number)  # pyright: ignore[reportArgumentType] - what is refused
            with pytest.raises(InvalidInput, match="before"):
                await list_page(before=number)  # pyright: ignore[reportArgumentType] - what is refused


async def test_a_store_in_ram_starts_with_the_messages_it_is_given() -> None:
    store = ChatMessageStore(exchange("one"))
    assert texts(await store.list_messages()) == ["one", "one!"]
    assert texts(await store.list_messages()) == ["one", "one!"]


async def test_a_store_in_ram_puts_its_first_messages_into_its_state_before_anybody_read_it() -> None:
    state = await ChatMessageStore(exchange("one")).serialize()
    assert texts(await (await ChatMessageStore.deserialize(state)).list_messages()) == ["one", "one!"]


def test_first_messages_and_a_storage_are_refused_together() -> None:
    with pytest.raises(InvalidInput, match="add_messages"):
        ChatMessageStore(exchange("one"), storage=MemoryStorage())


@pytest.mark.parametrize("thread_id", ["", "a\x00b", "\ud800", "x" * 513])
def test_an_id_that_no_storage_could_keep_is_refused(thread_id: str) -> None:
    with pytest.raises(InvalidInput):
        ChatMessageStore(thread_id=thread_id)


@pytest.mark.parametrize(
    "thread_id",
    ["../../etc/passwd", "a/b\\c:d*?", "'; DROP TABLE turns; --", "%s {0} \n\r\t", "CON", "ñ😀\u202e", " ", "."],
)
async def test_a_hostile_id_is_just_an_id(storage: Storage, another: Storage, thread_id: str) -> None:
    await opened(storage, thread_id).add_messages(exchange("one"))
    await opened(storage, "t").add_messages(exchange("two"))
    assert texts(await opened(another, thread_id).list_messages()) == ["one", "one!"]
    assert {info.id async for info in another.threads()} == {thread_id, "t"}


async def test_the_first_thing_that_the_user_says_is_the_title(storage: Storage) -> None:
    store = opened(storage)
    await store.add_messages([ChatMessage("system", "rules"), ChatMessage("user", "\n Where is\nmy hat?")])
    await store.add_messages(exchange("Another thing"))
    info = await store.info()
    assert info is not None
    assert info.title == "Where is"


async def test_a_long_title_is_cut(storage: Storage) -> None:
    store = opened(storage)
    await store.add_messages([ChatMessage("user", "x" * 100)])
    info = await store.info()
    assert info is not None
    assert info.title == "x" * 59 + "…"


async def test_a_corrupt_turn_is_named_and_the_others_can_be_read(storage: Storage) -> None:
    store = opened(storage)
    await store.add_messages(exchange("one"))
    await storage.append("t", NewTurn(body=b'{"v":1,"messages":[{"role":', message_count=2))
    await store.add_messages(exchange("three"))
    for handle in (store, opened(storage)):
        with pytest.raises(CorruptTurn) as caught:
            await handle.list_messages()
        assert (caught.value.thread_id, caught.value.number) == ("t", 2)
        assert texts(await handle.list_messages(skip_corrupt=True)) == ["one", "one!", "three", "three!"]
        assert texts(await handle.list_messages(limit=2)) == ["three", "three!"]


async def test_a_corrupt_last_turn_can_be_undone(storage: Storage) -> None:
    store = opened(storage)
    await store.add_messages(exchange("one"))
    await storage.append("t", NewTurn(body=b"?", message_count=2, id="broken"))
    undone = await store.undo()
    assert undone is not None
    assert (undone.id, undone.messages) == ("broken", ())
    assert texts(await store.list_messages()) == ["one", "one!"]


async def test_an_append_of_an_id_that_is_there_returns_the_first_turn(storage: Storage) -> None:
    store = opened(storage)
    first = await store.append(Turn(messages=tuple(exchange("one"))), turn_id="r1")
    again = await store.append(Turn(messages=tuple(exchange("other"))), turn_id="r1", expected=0)
    assert (again.replayed, again.record) == (True, first.record)
    assert texts(await store.list_messages()) == ["one", "one!"]


async def test_a_store_knows_the_turn_that_it_appended_last_as_it_is_read(storage: Storage) -> None:
    store = opened(storage)
    assert store.appended is None
    plain = Turn(messages=tuple(exchange("one")))
    parts = Turn(messages=(ChatMessage("tool", [FunctionResultContent("1", {"two": 2})]),))
    await store.append(plain, turn_id="r1")
    assert store.appended == (await store.list_turns())[-1]
    await store.append(parts, turn_id="r2")
    assert store.appended == (await store.list_turns())[-1]
    await store.append(plain, turn_id="r1")
    assert store.appended is None
    # Without a read, other parts than texts would have to be decoded first.
    blind = opened(storage)
    await blind.append(parts, turn_id="r3")
    assert blind.appended is None


async def test_a_cleared_thread_is_empty_and_can_be_used_again(storage: Storage) -> None:
    store = opened(storage)
    await store.add_messages(exchange("one"))
    await store.list_messages()
    assert await store.clear()
    assert not await store.clear()
    assert await store.list_messages() == []
    await store.add_messages(exchange("two"))
    assert texts(await store.list_messages()) == ["two", "two!"]


async def test_reads_of_one_handle_at_the_same_time_agree(storage: Storage) -> None:
    writer, reader = opened(storage), opened(storage)
    await writer.add_messages(exchange("one"))
    await reader.list_messages()
    await writer.add_messages(exchange("two"))
    expected = ["one", "one!", "two", "two!"]
    found = await asyncio.gather(*(reader.list_messages() for _ in range(5)), reader.list_messages(limit=2))
    assert [texts(one) for one in found] == [expected] * 5 + [expected[2:]]
    assert texts(await reader.list_messages()) == expected


async def test_reads_and_appends_of_one_handle_at_the_same_time_agree(storage: Storage) -> None:
    store = opened(storage)

    async def add(i: int) -> None:
        await store.add_messages(exchange(str(i)))
        assert str(i) in texts(await store.list_messages())
        assert str(i) in texts(await store.list_messages(limit=40))

    await asyncio.gather(*(add(i) for i in range(10)))
    assert texts(await store.list_messages()) == texts(await opened(storage).list_messages())


async def test_closing_a_store_leaves_a_storage_that_it_was_given_open(storage: Storage) -> None:
    store = opened(storage)
    await store.add_messages(exchange("one"))
    await store.close()
    assert texts(await opened(storage).list_messages()) == ["one", "one!"]


async def test_closing_a_store_closes_a_storage_that_it_opened() -> None:
    store = ChatMessageStore(storage="memory:")
    assert store.owns_storage
    await store.close()
    with pytest.raises(StorageUnavailable):
        await store.list_messages()


def test_a_store_is_what_the_protocol_asks_for() -> None:
    assert isinstance(ChatMessageStore(), ChatMessageStoreProtocol)


async def test_a_store_shows_its_thread_and_no_more() -> None:
    store = ChatMessageStore(exchange("secret"), thread_id="t")
    assert repr(store) == "ChatMessageStore(thread_id='t', storage='memory')"


async def test_an_undo_of_an_early_turn_reads_no_other_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    async with MemoryStorage() as storage:
        for number in range(20):
            await storage.append("t", NewTurn(body=f"{number}".encode(), message_count=1))
        counts = Counts(storage, monkeypatch)
        undone = await storage.undo("t", number=3)
        assert counts.taken() == ([1], 1)
        assert undone is not None
        assert undone.record.body == b"2"
        assert await storage.undo("t", number=3) is None
