"""Runs on new handles continue from the turns that the agent's earlier runs have read."""

from __future__ import annotations

import pytest

from recuerda import Agent, ChatMessageStore, ContextWindow, InvalidInput, Storage, ThreadOwnershipError
from recuerda.testing import ScriptedChatClient
from tests.conversation import Counts, exchange, texts


def an_agent(storage: Storage, warm_bytes: int = 1_000_000) -> Agent:
    return ScriptedChatClient(default="yes").create_agent(
        storage=storage, window=ContextWindow(max_messages=6), warm_bytes=warm_bytes
    )


async def test_a_run_on_a_new_handle_reads_only_new_turns(
    storage: Storage, another: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = an_agent(storage)
    for text in "abcd":
        await agent.run(text, thread="t")
    counts = Counts(storage, monkeypatch)
    await agent.run("e", thread="t")
    assert counts.taken() == ([0], 1)
    await ChatMessageStore(storage=another, thread_id="t").add_messages(exchange("from elsewhere"))
    counts.taken()
    answer = await agent.run("f", thread=agent.get_thread("t"))
    assert counts.taken() == ([1], 1)
    assert answer.text == "yes"
    read = await agent.get_thread("t").list_messages()
    assert texts(read)[-4:] == ["from elsewhere", "from elsewhere!", "f", "yes"]


async def test_a_thread_that_was_deleted_and_made_anew_is_read_anew(storage: Storage, another: Storage) -> None:
    client = ScriptedChatClient(default="yes")
    agent = client.create_agent(storage=storage)
    for text in "ab":
        await agent.run(text, thread="t")
    assert await another.delete("t")
    await ChatMessageStore(storage=another, thread_id="t").add_messages(exchange("new"))
    await agent.run("c", thread="t")
    assert texts(client.requests[-1].messages) == ["new", "new!", "c"]


async def test_another_user_gets_nothing_from_memory(storage: Storage) -> None:
    agent = an_agent(storage)
    await agent.run("my secret", thread=agent.get_thread("t", user_id="ana"))
    stranger = agent.get_thread("t", user_id="bob")
    with pytest.raises(ThreadOwnershipError):
        await agent.run("hello", thread=stranger)
    assert stranger.turn_store is not None
    assert not stranger.turn_store.history.turns


async def test_without_memory_each_new_handle_reads_its_window(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = an_agent(storage, warm_bytes=0)
    for text in "ab":
        await agent.run(text, thread="t")
    counts = Counts(storage, monkeypatch)
    await agent.run("c", thread="t")
    assert counts.taken() == ([2], 1)
    with pytest.raises(InvalidInput, match="warm_bytes"):
        an_agent(storage, warm_bytes=-1)


async def test_an_agent_that_is_closed_keeps_nothing(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = an_agent(storage)
    await agent.run("a", thread="t")
    await agent.close()
    counts = Counts(storage, monkeypatch)
    await agent.run("b", thread="t")
    assert counts.taken() == ([1], 1)
