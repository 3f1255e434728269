"""A thread belongs to one user: a store with another `user_id` gets at nothing."""

from collections.abc import Awaitable, Callable

import pytest

from recuerda import ChatMessageStore, NewTurn, Storage, ThreadOwnershipError
from tests.conversation import exchange, texts


def store_of(storage: Storage, user_id: str | None) -> ChatMessageStore:
    return ChatMessageStore(storage=storage, thread_id="t", user_id=user_id)


FORBIDDEN: dict[str, Callable[[ChatMessageStore], Awaitable[object]]] = {
    "list_messages": lambda store: store.list_messages(),
    "list_last": lambda store: store.list_messages(limit=1),
    "list_skipping_corrupt": lambda store: store.list_messages(skip_corrupt=True),
    "add_messages": lambda store: store.add_messages(exchange("mine")),
    "undo": lambda store: store.undo(),
    "trim": lambda store: store.trim(keep_turns=1),
    "fork": lambda store: store.fork(thread_id="copy"),
    "info": lambda store: store.info(),
    "export_jsonl": lambda store: store.export_jsonl(),
    "clear": lambda store: store.clear(),
}


@pytest.mark.parametrize("action", FORBIDDEN)
async def test_another_users_thread_can_neither_be_read_nor_changed(storage: Storage, action: str) -> None:
    await store_of(storage, "ana").add_messages(exchange("secret"))
    await store_of(storage, "ana").add_messages(exchange("secret 2"))
    with pytest.raises(ThreadOwnershipError) as caught:
        await FORBIDDEN[action](store_of(storage, "bob"))
    assert "ana" not in str(caught.value)
    assert texts(await store_of(storage, "ana").list_messages()) == ["secret", "secret!", "secret 2", "secret 2!"]
    assert await storage.head("copy") is None


async def test_an_import_into_another_users_thread_is_refused(storage: Storage) -> None:
    await store_of(storage, "ana").add_messages(exchange("secret"))
    export = await store_of(storage, "ana").export_jsonl()
    with pytest.raises(ThreadOwnershipError):
        await store_of(storage, "bob").import_jsonl(export)


async def test_what_a_user_imports_into_a_new_thread_is_theirs(storage: Storage) -> None:
    await store_of(storage, "ana").add_messages(exchange("shared"))
    mine = ChatMessageStore(storage=storage, thread_id="copy", user_id="bob")
    await mine.import_jsonl(await store_of(storage, "ana").export_jsonl())
    assert texts(await mine.list_messages()) == ["shared", "shared!"]


async def test_a_store_without_a_user_may_read_all_threads(storage: Storage) -> None:
    await store_of(storage, "ana").add_messages(exchange("secret"))
    assert texts(await store_of(storage, None).list_messages()) == ["secret", "secret!"]


async def test_a_thread_of_nobody_may_be_used_by_anybody(storage: Storage) -> None:
    await store_of(storage, None).add_messages(exchange("one"))
    assert texts(await store_of(storage, "bob").list_messages()) == ["one", "one!"]


async def test_the_first_turn_says_whose_thread_it_is(storage: Storage) -> None:
    await store_of(storage, "ana").add_messages(exchange("one"))
    assert [info.id async for info in storage.threads(user_id="ana")] == ["t"]
    assert [info.id async for info in storage.threads(user_id="bob")] == []


async def test_a_fork_keeps_its_owner(storage: Storage) -> None:
    store = store_of(storage, "ana")
    await store.add_messages(exchange("one"))
    await store.fork(thread_id="copy")
    with pytest.raises(ThreadOwnershipError):
        await ChatMessageStore(storage=storage, thread_id="copy", user_id="bob").list_messages()


async def test_a_warm_handle_notices_that_the_thread_became_another_users(storage: Storage) -> None:
    store = store_of(storage, "ana")
    await store.add_messages(exchange("one"))
    await store.list_messages()
    await storage.delete("t")
    await storage.append("t", NewTurn(body=b"?", message_count=1), user_id="bob")
    with pytest.raises(ThreadOwnershipError):
        await store.list_messages()
