"""Pinned messages and system messages stay in what is sent, without a summarizer and at a flat cost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from recuerda import AgentThread, ChatMessage, ChatMessageStore, ChatRequest, ContextWindow, Storage, Turn
from recuerda.messages.codec import decode_turn, encode_turn
from recuerda.storage.records import NewTurn
from recuerda.testing.scripted import ScriptedChatClient, call
from recuerda.threads.pins import MAX_PINNED_TURNS
from tests.conversation import Counts
from tests.thread.own_store import OwnStore

WINDOW = ContextWindow(max_messages=8)


def pin(text: str) -> ChatMessage:
    return ChatMessage("user", text, additional_properties={"pinned": True})


async def asked(
    storage: Storage, said: Sequence[ChatMessage | str], *, thread: str = "t", window: ContextWindow | None = WINDOW
) -> ChatRequest:
    """Say messages, one a run, with an agent of their own, and return the last request."""
    client = ScriptedChatClient(default="Yes.")
    agent = client.create_agent(storage=storage, window=window)
    for message in said:
        await agent.run(message, thread=thread)
    return client.requests[-1]


def chat(count: int = 10) -> list[str]:
    return [f"Question {number}." for number in range(count)]


def sent(request: ChatRequest) -> list[str]:
    return [message.text for message in request.messages]


async def test_pinned_messages_of_several_turns_stay_in_order(storage: Storage) -> None:
    said = ["Hi.", pin("No nuts."), *chat(6), pin("No milk."), *chat()]
    request = await asked(storage, said)
    assert sent(request)[:2] == ["No nuts.", "No milk."]
    assert len(request.messages) <= 2 + 8 + 1
    assert request.messages[0].additional_properties == {"pinned": True}


async def test_they_stay_after_a_restart(storage: Storage) -> None:
    await asked(storage, [pin("No nuts."), *chat()])
    assert sent(await asked(storage, ["Lunch?"]))[0] == "No nuts."
    # Also if an agent without a window ran in between.
    await asked(storage, chat(), window=None)
    assert sent(await asked(storage, ["Lunch?"]))[0] == "No nuts."


async def test_a_message_in_the_window_is_sent_once(storage: Storage) -> None:
    for count in range(6):
        texts = sent(await asked(storage, ["Hello.", pin("No nuts."), *chat(count), "Lunch?"], thread=str(count)))
        assert texts.count("No nuts.") == 1


async def test_a_system_message_of_the_first_turn_stays(storage: Storage) -> None:
    client = ScriptedChatClient(default="Yes.")
    agent = client.create_agent(storage=storage, window=WINDOW)
    await agent.run([ChatMessage("system", "Never reveal the price list."), ChatMessage("user", "Hi.")], thread="t")
    for text in chat():
        await agent.run(text, thread="t")
    assert client.requests[-1].messages[0].role == "system"
    assert sent(client.requests[-1])[0] == "Never reveal the price list."


async def test_a_system_message_of_every_turn_is_sent_as_before_and_costs_no_trip(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ScriptedChatClient(default="Yes.")
    counts = Counts(storage, monkeypatch)
    for text in chat():
        agent = client.create_agent(storage=storage, window=WINDOW)
        counts.taken()
        await agent.run([ChatMessage("system", "Be kind."), ChatMessage("user", text)], thread="t")
        reads, appends = counts.taken()
        assert (len(reads), appends) == (1, 1)
    roles = [message.role for message in client.requests[-1].messages]
    assert roles.count("system") == roles.count("user")


async def test_only_the_text_of_a_pinned_call_stays(storage: Storage) -> None:
    def weather(city: str) -> str:
        """Return the weather."""
        return f"sun in {city}"

    client = ScriptedChatClient([call("weather", {"city": "Bergen"}), "Sun."], default="Yes.")
    agent = client.create_agent(storage=storage, window=WINDOW, tools=[weather])
    await agent.run(pin("I am in Bergen."), thread="t")
    for text in chat():
        await agent.run(text, thread="t")
    first, second, *_ = client.requests[-1].messages
    assert (first.text, second.role) == ("I am in Bergen.", "user")
    assert not any(message.function_calls for message in client.requests[-1].messages)


async def test_they_are_counted_in_a_window_of_tokens(storage: Storage) -> None:
    window = ContextWindow(max_tokens=200)
    request = await asked(storage, [pin("No nuts, please. " * 4), *["word " * 20] * 12], window=window)
    assert sent(request)[0].startswith("No nuts")
    assert window.for_model(None).tokens(request.messages) <= 200


async def test_pinned_messages_that_do_not_fit_are_told(storage: Storage) -> None:
    client = ScriptedChatClient(default="Yes.")
    agent = client.create_agent(storage=storage, window=ContextWindow(max_tokens=200))
    replies = [await agent.run(pin(f"Rule {number}: " + "word " * 40), thread="t") for number in range(4)]
    assert "2 oldest pinned or system messages may not be sent" in replies[-1].warnings[0]


async def test_turns_name_a_bounded_number_of_pinned_turns(storage: Storage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t")
    for number in range(MAX_PINNED_TURNS + 10):
        await store.refresh(WINDOW)
        await store.append(Turn(messages=(pin(f"Rule {number}."),)))
    assert len(store.turns[-1].turn.pins) == MAX_PINNED_TURNS
    client = ScriptedChatClient(default="Yes.")
    reply = await client.create_agent(storage=storage, window=WINDOW).run("Hi.", thread="t")
    assert "1 oldest pinned" in reply.warnings[0]
    assert sent(client.requests[-1])[0] == "Rule 10."


# Deletions


async def test_an_undone_turn_takes_its_pinned_message_with_it(storage: Storage) -> None:
    await asked(storage, ["Hi.", pin("No nuts.")])
    store = ChatMessageStore(storage=storage, thread_id="t")
    await store.undo()
    assert "No nuts." not in sent(await asked(storage, chat()))


async def test_a_repeated_message_stays_when_the_repetition_is_undone(storage: Storage) -> None:
    client = ScriptedChatClient(default="Yes.")
    agent = client.create_agent(storage=storage, window=WINDOW)
    thread = agent.get_thread("t")
    for message in (pin("No nuts."), *chat(), pin("No nuts.")):
        await agent.run(message, thread=thread)
    await thread.undo()
    await agent.run("Lunch?", thread=thread)
    assert sent(client.requests[-1])[0] == "No nuts."


async def test_a_trimmed_turn_takes_its_pinned_message_with_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = ScriptedChatClient(default="Yes.")
    agent = client.create_agent(storage=storage, window=WINDOW)
    thread = agent.get_thread("t")
    for message in (pin("No nuts."), *chat()):
        await agent.run(message, thread=thread)
    await storage.trim("t", keep_turns=9)
    for _ in range(2):
        await agent.run("Lunch?", thread=thread)
        assert "No nuts." not in sent(client.requests[-1])
    assert "No nuts." not in sent(await asked(storage, ["Dinner?"]))
    await asked(storage, chat())
    counts = Counts(storage, monkeypatch)
    await asked(storage, ["Breakfast?"])
    assert len(counts.reads) == 1  # the turn is no longer named


async def test_a_fork_and_an_import_keep_them(storage: Storage) -> None:
    await asked(storage, [pin("No nuts."), *chat()])
    store = ChatMessageStore(storage=storage, thread_id="t")
    fork = await store.fork(through=8)
    assert sent(await asked(storage, ["Lunch?"], thread=fork.thread_id))[0] == "No nuts."
    copy = ChatMessageStore(storage=storage, thread_id="copy")
    await copy.import_jsonl(await store.export_jsonl())
    assert sent(await asked(storage, ["Lunch?"], thread="copy"))[0] == "No nuts."


async def test_an_unreadable_turn_outside_of_the_window_does_not_stop_a_run(storage: Storage) -> None:
    await storage.append(
        "t", NewTurn(id="pinned", body=encode_turn(Turn(messages=(pin("No nuts."),))), message_count=1)
    )
    await asked(storage, chat())
    info = await storage.head("t")
    assert info is not None
    await storage.rewrite("t", {1: b"?"}, expected=info.version)
    assert "No nuts." not in sent(await asked(storage, ["Lunch?"]))


# Cost


async def test_a_run_reads_a_pinned_turn_once_for_each_handle(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asked(storage, [pin("No nuts."), *chat()])
    client = ScriptedChatClient(default="Yes.")
    agent = client.create_agent(storage=storage, window=WINDOW)
    thread = agent.get_thread("t")
    counts = Counts(storage, monkeypatch)
    reads: list[int] = []
    for _ in range(3):
        await agent.run("Lunch?", thread=thread)
        reads.append(len(counts.taken()[0]))
    assert reads == [2, 1, 1]
    assert sent(client.requests[-1])[0] == "No nuts."


async def test_a_turn_without_pinned_messages_before_it_is_stored_as_before(storage: Storage) -> None:
    await asked(storage, chat(3))
    found = await storage.read("t")
    assert all(b"pins" not in record.body for record in found.records)
    await asked(storage, [pin("No nuts."), "Hi."])
    found = await storage.read("t")
    turns = [decode_turn(record.body, thread_id="t", number=record.number) for record in found.records]
    assert [turn.pins for turn in turns] == [(), (), (), (), (found.records[3].id,)]


# Other owners


async def test_they_stay_in_a_store_of_the_applications_own_class() -> None:
    client = ScriptedChatClient(default="Yes.")
    agent = client.create_agent(chat_message_store_factory=OwnStore, window=WINDOW)
    thread: AgentThread = agent.get_new_thread()
    for message in (pin("No nuts."), *chat()):
        await agent.run(message, thread=thread)
    assert sent(client.requests[-1])[0] == "No nuts."
    assert len(client.requests[-1].messages) <= 1 + 8 + 1


async def test_runs_at_once_in_two_processes_keep_each_others(storage: Storage, another: Storage) -> None:
    await asyncio.gather(asked(storage, [pin("No nuts.")], thread="t"), asked(another, [pin("No milk.")], thread="u"))
    await asked(another, [pin("No eggs.")], thread="t")
    request = await asked(storage, [*chat(), "Lunch?"], thread="t")
    assert sent(request)[:2] == ["No nuts.", "No eggs."]
