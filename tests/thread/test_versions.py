"""Handles and runs on a storage that goes back, on threads that begin anew, and on turns that were dropped."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from recuerda import (
    Agent,
    ChatMessageStore,
    InvalidInput,
    Storage,
    ThreadConflict,
    ThreadNotFound,
    TurnDropped,
    tool,
)
from recuerda.sqlite import SQLiteStorage
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.conversation import exchange, texts


def copied(source: Path, target: Path) -> None:
    """Copy a database into another one, page by page, while both are in use."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def agent_on(storage: Storage, *answers: object, **settings: object) -> tuple[Agent, ScriptedChatClient]:
    client = ScriptedChatClient(answers, default="ok")  # pyright: ignore[reportArgumentType] - answers of all kinds
    return client.create_agent(storage=storage, **settings), client  # pyright: ignore[reportArgumentType] - as above


def questions(client: ScriptedChatClient) -> list[str]:
    """What the users said, as the last request to the model has it."""
    return [message.text for message in client.requests[-1].messages if message.role == "user"]


async def test_a_warm_handle_notices_that_its_storage_was_restored(tmp_path: Path) -> None:
    path, backup = tmp_path / "m.db", tmp_path / "backup.db"
    async with SQLiteStorage(path) as mine, SQLiteStorage(path) as theirs:
        agent, client = agent_on(mine)
        other, _ = agent_on(theirs)
        thread = agent.get_thread("t")
        await agent.run("one", thread=thread)
        copied(path, backup)
        await agent.run("two, lost", thread=thread)
        copied(backup, path)
        await other.run("two, of another worker", thread="t")
        await agent.run("three", thread=thread)
        assert questions(client) == ["one", "two, of another worker", "three"]
        assert texts(await thread.list_messages())[::2] == ["one", "two, of another worker", "three"]


async def test_a_run_conflicts_when_its_storage_is_restored_during_it(tmp_path: Path) -> None:
    path, backup = tmp_path / "m.db", tmp_path / "backup.db"
    async with SQLiteStorage(path) as mine, SQLiteStorage(path) as theirs:
        other, _ = agent_on(theirs)
        await other.run("one", thread="t")
        copied(path, backup)
        await other.run("two, lost", thread="t")

        async def restore() -> str:
            """Restore."""
            copied(backup, path)
            await other.run("two, anew", thread="t")
            return "restored"

        agent, _ = agent_on(mine, call("restore", {}, call_id="c"), tools=restore)
        with pytest.raises(ThreadConflict):
            await agent.run("three", thread="t")
        assert texts(await other.get_thread("t").list_messages())[::2] == ["one", "two, anew"]


@pytest.mark.parametrize("user_id", [None, "bo"])
async def test_a_run_conflicts_when_its_thread_was_begun_anew(storage: Storage, user_id: str | None) -> None:
    first, _ = agent_on(storage)
    await first.run("ana's secret", thread=first.get_thread("room", user_id="ana"))

    async def begin_anew() -> str:
        """Begin anew."""
        await storage.erase_user("ana")
        await ChatMessageStore(storage=storage, thread_id="room", user_id=user_id).add_messages(exchange("new"))
        return "done"

    agent, _ = agent_on(storage, call("begin_anew", {}, call_id="c"), tools=begin_anew)
    with pytest.raises(ThreadConflict):
        await agent.run("What did I say?", thread=agent.get_thread("room", user_id="ana"))
    assert texts(await ChatMessageStore(storage=storage, thread_id="room").list_messages()) == ["new", "new!"]


async def test_a_retry_of_a_dropped_turn_runs_no_tool(storage: Storage) -> None:
    booked: list[str] = []

    @tool
    def book(city: str) -> str:
        """Book."""
        booked.append(city)
        return "booked"

    agent, client = agent_on(storage, call("book", {"city": "Lima"}, call_id="c"), "Booked.", tools=book)
    await agent.run("Book Lima.", thread="t", turn_id="order 1")
    for number in range(3):
        await agent.run(f"And {number}?", thread="t")
    await storage.trim("t", keep_turns=1)
    asked = len(client.requests)
    with pytest.raises(TurnDropped) as error:
        await agent.run("Book Lima.", thread="t", turn_id="order 1")
    assert (error.value.turn_id, error.value.number) == ("order 1", 1)
    assert (booked, len(client.requests)) == (["Lima"], asked)


async def test_a_title_is_made_again_of_the_next_turn(storage: Storage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t", max_messages=2)
    for text in ("My password is X.", "Hello.", "Again."):
        await store.add_messages(exchange(text))
        info = await store.info()
        assert info is not None
        assert info.title == text
    await store.undo()
    info = await store.info()
    assert info is not None
    assert info.title is None


async def test_a_fork_ends_before_any_turn(storage: Storage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t", user_id="ana")
    for text in ("one", "two"):
        await store.add_messages(exchange(text))
    await store.undo()
    await store.add_messages(exchange("three"))
    await storage.update_thread("t", metadata={"folder": "work"})
    for number, held in ((1, []), (4, ["one", "one!"])):
        fork = await store.fork(before=number)
        info = await fork.info()
        assert info is not None
        assert texts(await fork.list_messages()) == held
        assert (info.user_id, info.metadata) == ("ana", {"folder": "work"})
    for through, before in ((None, 2), (1, 1)):
        with pytest.raises(InvalidInput):
            await store.fork(through=through, before=before)
    with pytest.raises(ThreadNotFound):
        await ChatMessageStore(storage=storage, thread_id="nowhere").fork()


async def test_a_forks_title_goes_with_its_turn(storage: Storage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t")
    await store.add_messages(exchange("My password is X."))
    fork = await store.fork()
    await fork.undo()
    info = await fork.info()
    assert info is not None
    assert info.title is None
    await storage.update_thread("t", title="Set")
    kept = await (await store.fork()).info()
    assert kept is not None
    assert kept.title == "Set"


async def test_a_fork_has_no_title_of_a_turn_that_it_lacks(storage: Storage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t")
    for text in ("One.", "Two."):
        await store.add_messages(exchange(text))
    await store.trim(keep_turns=1)
    await store.add_messages(exchange("My password is X."))
    info = await store.info()
    assert info is not None
    assert info.title == "My password is X."
    whole = await store.fork()
    await whole.undo()
    for fork in (await store.fork(before=info.title_turn), whole):
        forked = await fork.info()
        assert forked is not None
        assert forked.title is None
