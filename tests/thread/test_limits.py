"""`max_messages` keeps a thread short, in whole turns."""

import pytest

from recuerda import ChatMessage, ChatMessageStore, FunctionCallContent, FunctionResultContent, InvalidInput, Storage
from tests.conversation import exchange, texts


def limited(storage: Storage, max_messages: int | None) -> ChatMessageStore:
    return ChatMessageStore(storage=storage, thread_id="t", max_messages=max_messages)


async def test_the_oldest_turns_go(storage: Storage) -> None:
    store = limited(storage, 4)
    for name in ("one", "two", "three"):
        await store.list_messages()
        await store.add_messages(exchange(name))
    assert texts(await store.list_messages()) == ["two", "two!", "three", "three!"]
    assert texts(await limited(storage, None).list_messages()) == ["two", "two!", "three", "three!"]


async def test_no_turn_is_cut(storage: Storage) -> None:
    store = limited(storage, 5)
    for number in range(3):
        call, result = FunctionCallContent(f"c{number}", "f"), FunctionResultContent(f"c{number}", number)
        await store.add_messages(
            [ChatMessage("user", "?"), ChatMessage("assistant", [call]), ChatMessage("tool", [result])]
        )
        messages = await store.list_messages()
        assert [message.role for message in messages] == ["user", "assistant", "tool"]
        assert messages[2].contents == (result,)


async def test_the_newest_turn_stays_however_long_it_is(storage: Storage) -> None:
    store = limited(storage, 1)
    await store.add_messages(exchange("one"))
    await store.add_messages([*exchange("two"), *exchange("three")])
    assert texts(await store.list_messages()) == ["two", "two!", "three", "three!"]


@pytest.mark.parametrize("limit", [0, -1, True, 2.5, "3"])
def test_a_limit_that_keeps_nothing_is_refused(limit: int) -> None:
    with pytest.raises(InvalidInput, match="max_messages must be a positive integer, or None for no limit"):
        ChatMessageStore(max_messages=limit)


async def test_a_limit_is_part_of_the_state(storage: Storage) -> None:
    state = await limited(storage, 7).serialize()
    restored = await ChatMessageStore.deserialize(state, storage=storage)
    assert restored.max_messages == 7


async def test_trimming_by_hand_keeps_whole_turns(storage: Storage) -> None:
    store = limited(storage, None)
    for name in ("one", "two", "three"):
        await store.add_messages(exchange(name))
    assert await store.trim(keep_messages=3) == 2
    assert await store.trim(keep_turns=5) == 0
    assert texts(await store.list_messages()) == ["three", "three!"]
