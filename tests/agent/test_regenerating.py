"""Answers given again: the new turn takes the place of the old one in one step, or nothing changes."""

from __future__ import annotations

import asyncio

import pytest

from recuerda import (
    Agent,
    AgentThread,
    ChatClientError,
    ChatMessage,
    ChatMessageStore,
    ConfigurationError,
    ContextWindow,
    InvalidInput,
    Storage,
    Summarizer,
    ThreadConflict,
    Turn,
    TurnGone,
    TurnPending,
)
from recuerda.agent.steps import INTERRUPTED
from recuerda.testing.scripted import ScriptedChatClient, call
from recuerda.window.summary import Summary, encode_summary
from tests.conversation import Counts, texts
from tests.thread.own_store import OwnStore

DOWN = ChatClientError("model 'm' at http://here: the service failed (status 503)", status=503)


def a_client(*answers: str | ChatMessage | BaseException) -> ScriptedChatClient:
    return ScriptedChatClient(answers)


async def said(storage: Storage, thread: str = "t") -> list[str]:
    return texts(await ChatMessageStore(storage=storage, thread_id=thread).list_messages())


def sent(client: ScriptedChatClient) -> list[str]:
    return [message.text for message in client.requests[-1].messages]


async def test_the_last_question_is_answered_again_in_two_trips(
    storage: Storage, another: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = a_client("one!", "two!", "two, again!")
    agent = client.create_agent(storage=storage)
    await agent.run("one", thread="t")
    await agent.run("two", thread="t")
    counts = Counts(storage, monkeypatch)
    reply = await agent.regenerate("t", turn_id="again")
    assert counts.taken() == ([0], 1)
    assert (reply.text, reply.turn_id, reply.is_replay) == ("two, again!", "again", False)
    assert sent(client) == ["one", "one!", "two"]
    assert await said(another) == ["one", "one!", "two", "two, again!"]
    repeated = await agent.regenerate("t", turn_id="again")
    assert (repeated.text, repeated.is_replay, len(client.requests)) == ("two, again!", True, 3)
    # A handle that stays open reads only what is new.
    thread = agent.get_thread("t")
    await thread.list_messages()
    client.answers.extend(["a", "b"])
    counts.taken()
    await agent.regenerate(thread)
    await agent.regenerate(thread)
    assert counts.taken() == ([0, 0], 2)
    assert await said(another) == ["one", "one!", "two", "b"]


async def test_a_stream_replaces_the_turn_at_its_end(storage: Storage) -> None:
    client = a_client("one!", "new answer", "not this one")
    agent = client.create_agent(storage=storage)
    await agent.run("one", thread="t")
    stream = agent.regenerate_stream("t")
    words = [update.text async for update in stream]
    assert ("".join(words), stream.response.text) == ("new answer", "new answer")
    async with agent.regenerate_stream("t") as left:
        async for _ in left:
            assert await said(storage) == ["one", "new answer"]
            break
    assert await said(storage) == ["one", "new answer"]


async def test_a_failing_model_leaves_the_old_turn(storage: Storage) -> None:
    client = a_client("one!")
    agent = client.create_agent(storage=storage)
    await agent.run("one", thread="t")
    before = await storage.read("t")
    for failing in (
        lambda: agent.regenerate("t", keep_failed=True),
        lambda: agent.regenerate_stream("t", keep_failed=True).drained(),
        lambda: agent.run("uno", thread="t", replaces=1, keep_failed=True),
        lambda: agent.run_stream("uno", thread="t", replaces=1, keep_failed=True).drained(),
    ):
        client.answers.append(DOWN)
        with pytest.raises(ChatClientError):
            await failing()
        assert await storage.read("t") == before


async def test_a_cancelled_answer_leaves_the_old_turn(storage: Storage) -> None:
    started = asyncio.Event()

    async def wait() -> str:
        """Wait."""
        started.set()
        await asyncio.Event().wait()
        return ""

    agent = a_client("one!", call("wait")).create_agent(storage=storage, tools=wait)
    await agent.run("one", thread="t")
    before = await storage.read("t")
    run = asyncio.ensure_future(agent.regenerate("t", keep_partial=True, keep_failed=True))
    await started.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await storage.read("t") == before


async def test_a_question_is_asked_in_other_words(storage: Storage) -> None:
    client = a_client("1!", "2!", "3!", "4!", "5!")
    agent = client.create_agent(storage=storage)
    await agent.run("one", thread="t", turn_id="first")
    await agent.run("two", thread="t", turn_id="second")
    await agent.run("deux", thread="t", replaces="second", turn_id="third")
    assert sent(client) == ["one", "1!", "deux"]
    (_, newest) = await agent.get_thread("t").list_turns()
    await agent.run("dos", thread="t", replaces=newest, turn_id="fourth")
    (_, newest) = await agent.get_thread("t").list_turns()
    await agent.run("zwei", thread="t", replaces=newest.number, turn_id="fifth")
    assert await said(storage) == ["one", "1!", "zwei", "5!"]
    replay = await agent.run("zwei", thread="t", replaces=newest.number, turn_id="fifth")
    assert (replay.is_replay, replay.text) == (True, "5!")


async def test_the_title_of_a_replaced_first_turn_is_the_new_one(storage: Storage) -> None:
    agent = a_client("1!", "2!").create_agent(storage=storage)
    await agent.run("one", thread="t")
    await agent.run("uno", thread="t", replaces=1)
    info = await storage.head("t")
    assert info is not None
    assert (info.title, info.turns) == ("uno", 1)


async def test_only_the_newest_turn_can_be_replaced(storage: Storage) -> None:
    agent = a_client("1!", "2!").create_agent(storage=storage)
    for again in (agent.regenerate("t"), agent.run("hi", thread="t", replaces=1)):
        with pytest.raises(InvalidInput, match="'t' has no turn"):
            await again
    await agent.run("one", thread="t", turn_id="first")
    await agent.run("two", thread="t", turn_id="second")
    for older in ("first", 1):
        with pytest.raises(InvalidInput, match=r"only the newest turn can be replaced.*edit\(\)"):
            await agent.run("uno", thread="t", replaces=older)
    for gone in ("third", 3):
        with pytest.raises(TurnGone) as error:
            await agent.run("uno", thread="t", replaces=gone)
        assert error.value.turn == gone
    with pytest.raises(InvalidInput, match="this run has none"):
        await agent.run("uno", replaces=1)
    store = ChatMessageStore(storage=storage, thread_id="told")
    await store.append(Turn(messages=(ChatMessage("assistant", "Welcome!"),), input_count=0))
    with pytest.raises(InvalidInput, match="holds no message of the user"):
        await agent.regenerate("told")
    assert await said(storage) == ["one", "1!", "two", "2!"]


async def test_a_store_without_turns_cannot_replace_one(storage: Storage) -> None:
    agent = a_client("1!").create_agent(storage=storage)
    thread = AgentThread(message_store=OwnStore())
    with pytest.raises(ConfigurationError, match="is kept by OwnStore, which cannot replace a turn"):
        await agent.regenerate(thread)


async def test_another_writer_is_a_conflict(storage: Storage, another: Storage) -> None:
    async def interfere() -> str:
        """Interfere."""
        turn = Turn(messages=(ChatMessage("user", "elsewhere"),))
        await ChatMessageStore(storage=another, thread_id="t").append(turn, replaces=1)
        return ""

    agent = a_client("1!", call("interfere"), "done").create_agent(storage=storage, tools=interfere)
    await agent.run("one", thread="t")
    with pytest.raises(ThreadConflict):
        await agent.regenerate("t", keep_failed=True)
    assert await said(storage) == ["elsewhere"]


async def test_the_window_is_filled_from_the_turns_before(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    client = ScriptedChatClient(default="!")
    agent = client.create_agent(storage=storage, window=ContextWindow(max_messages=4))
    for i in range(30):
        await agent.run(f"{i}", thread="t")
    await agent.run("29", thread="t")
    ordinary = sent(client)
    counts = Counts(storage, monkeypatch)
    await agent.regenerate("t")
    assert (sent(client), len(counts.taken()[0])) == (ordinary, 1)
    # A turn that is longer than what is read in its place costs a second read.
    long = [ChatMessage("user", f"word {i}") for i in range(60)]
    await agent.run(long, thread="t")
    ordinary = sent(client)
    counts.taken()
    await agent.regenerate("t")
    assert (sent(client), len(counts.taken()[0])) == (ordinary, 2)


async def test_pinned_messages_stay_and_those_of_the_replaced_turn_go(storage: Storage) -> None:
    def pin(text: str) -> ChatMessage:
        return ChatMessage("user", text, additional_properties={"pinned": True})

    client = ScriptedChatClient(default="!")
    agent = client.create_agent(storage=storage, window=ContextWindow(max_messages=4))
    await agent.run(pin("No nuts."), thread="t")
    for i in range(10):
        await agent.run(f"{i}", thread="t")
    await agent.run(pin("No milk."), thread="t")
    await agent.run(pin("No nuts."), thread="t", replaces=12)
    assert "No milk." not in sent(client)
    await agent.run("Lunch.", thread="t", replaces=14)
    assert (sent(client)[0], "No milk." in sent(client)) == ("No nuts.", False)
    for i in range(10):
        await agent.run(f"{i}", thread="t")
    assert (sent(client)[0], "No milk." in sent(client)) == ("No nuts.", False)


async def test_a_summary_of_the_replaced_turn_is_not_sent(storage: Storage) -> None:
    client = ScriptedChatClient(default="!")
    agent = client.create_agent(storage=storage, summarizer=Summarizer(client), window=ContextWindow(max_messages=8))
    store = ChatMessageStore(storage=storage, thread_id="t")
    await agent.run("one", thread="t")
    await agent.run("two", thread="t")
    await store.summarize(encode_summary(Summary(text="They said two.")), through=2)
    await agent.run("dos", thread="t", replaces=2)
    assert "They said" not in (client.requests[-1].instructions or "")
    assert sent(client) == ["one", "!", "dos"]
    assert await said(storage) == ["one", "!", "dos", "!"]


async def test_a_run_that_replaces_a_summarized_turn_sends_the_summary_before(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recuerda.agent.earlier_summary.FIRST_STEP", 2)  # so that the search takes two steps
    client = ScriptedChatClient(default="!")
    store = ChatMessageStore(storage=storage, thread_id="t")
    plain = client.create_agent(storage=storage)
    for i in range(1, 8):
        await plain.run(f"{i}", thread="t")
    await store.summarize(encode_summary(Summary(text="They said 1 to 3.")), through=3)
    await plain.run("8", thread="t")
    agent = client.create_agent(storage=storage, summarizer=Summarizer(client), window=ContextWindow(max_messages=20))
    newer = encode_summary(Summary(text="They said 1 to 8."))
    for _ in range(2):
        await store.summarize(newer, through=9)
    for warm in (agent.get_thread("t"), "t"):
        reply = await agent.regenerate(warm)
        assert "They said 1 to 3." in (client.requests[-1].instructions or "")
        assert sent(client) == ["4", "!", "5", "!", "6", "!", "7", "!", "8"]
        await store.summarize(newer, through=(await store.list_turns())[-1].number)
    assert reply.turn_id == (await store.list_turns())[-1].id
    assert await said(storage) == [text for i in range(1, 9) for text in (f"{i}", "!")]


async def test_a_client_that_sends_everything_replaces_the_last_answer(storage: Storage) -> None:
    client = a_client("1!", "2!", "again!", "other!")
    agent = client.create_agent(storage=storage)
    shown = [ChatMessage("user", "one", message_id="a"), ChatMessage("assistant", "1!", message_id="b")]
    await agent.run(shown[:1], thread="t")
    asked = ChatMessage("user", "two", message_id="c")
    await agent.run([*shown, asked], thread="t")
    await agent.run([*shown, asked], thread="t", replaces=2)
    assert await said(storage) == ["one", "1!", "two", "again!"]
    await agent.regenerate("t")
    assert await said(storage) == ["one", "1!", "two", "other!"]


async def test_a_durable_answer_is_resumed_in_place_of_the_old_turn(storage: Storage, another: Storage) -> None:
    died = asyncio.Event()

    async def work() -> str:
        """Work."""
        died.set()
        await asyncio.Event().wait()
        return ""

    async def work_again() -> str:
        """Work."""
        return "done"

    def an_agent(client: ScriptedChatClient, place: Storage) -> Agent:
        return client.create_agent(storage=place, durability="steps")

    client = a_client("1!", "2!", call("work"))
    agent = client.create_agent(storage=storage, durability="steps", tools=work)
    await agent.run("one", thread="t")
    await agent.run("two", thread="t")
    run = asyncio.ensure_future(agent.regenerate("t"))
    await died.wait()
    run.cancel()
    await asyncio.wait([run])
    assert await said(another) == ["one", "1!", "two", "2!"]
    with pytest.raises(TurnPending):
        await an_agent(a_client(), another).regenerate("t")
    later = a_client("worked!")
    resumed = later.create_agent(storage=another, tools=work_again)
    await resumed.resume("t", outcomes={"call_1": "it is done"})
    assert sent(later) == ["one", "1!", "two", "", ""]
    assert await said(storage) == ["one", "1!", "two", "", "", "worked!"]
    assert not (await storage.read("t")).has_draft


async def test_a_failed_question_is_kept_and_answered_again(storage: Storage, another: Storage) -> None:
    client = a_client("1!", DOWN, "3!", "2!")
    agent = client.create_agent(storage=storage)
    await agent.run("one", thread="t")
    with pytest.raises(ChatClientError):
        await agent.run("two", thread="t", keep_failed=True, turn_id="mine")
    turn = (await ChatMessageStore(storage=another, thread_id="t").list_turns())[-1]
    assert (turn.id, turn.turn.is_interrupted, texts(turn.messages)) == ("mine", True, ["two", INTERRUPTED])
    assert turn.turn.error == f"ChatClientError: {DOWN}"
    replay = await agent.run("two", thread="t", keep_failed=True, turn_id="mine")
    assert (replay.is_replay, replay.is_interrupted) == (True, True)
    await agent.run("three", thread="t")
    assert sent(client) == ["one", "1!", "two", INTERRUPTED, "three"]
    await agent.get_thread("t").undo()
    reply = await agent.regenerate("t")
    assert (reply.text, sent(client)) == ("2!", ["one", "1!", "two"])
    assert await said(another) == ["one", "1!", "two", "2!"]
    assert (await agent.get_thread("t").list_turns())[-1].turn.error is None


async def test_a_failed_question_is_replaced_by_the_next_failure(storage: Storage) -> None:
    agent = a_client(DOWN, ValueError("my secret key"), DOWN).create_agent(storage=storage)
    with pytest.raises(ChatClientError):
        await agent.run("one", thread="t", keep_failed=True)
    with pytest.raises(ValueError, match="secret"):
        await agent.regenerate("t", keep_failed=True)
    with pytest.raises(ChatClientError):
        await agent.regenerate("t")
    (turn,) = await agent.get_thread("t").list_turns()
    assert (turn.number, turn.turn.error, texts(turn.messages)) == (3, "ValueError", ["one", INTERRUPTED])
    info = await storage.head("t")
    assert info is not None
    assert info.title == "one"


async def test_the_part_of_a_failed_answer_is_kept(storage: Storage) -> None:
    async def act() -> str:
        """Act."""
        return "acted"

    agent = a_client(call("act"), DOWN).create_agent(storage=storage, tools=act, durability="steps")
    with pytest.raises(ChatClientError):
        async for _ in agent.run_stream("one", thread="t", keep_failed=True):
            pass
    (turn,) = await agent.get_thread("t").list_turns()
    assert [message.role for message in turn.messages] == ["user", "assistant", "tool", "assistant"]
    assert not (await storage.read("t")).has_draft
    # A run that is cancelled is kept, as with keep_partial.
    agent = a_client(call("act")).create_agent(storage=storage, tools=act)
    stream = agent.run_stream("two", thread="s", keep_failed=True)
    async for _ in stream:
        break
    await stream.aclose()
    (turn,) = await agent.get_thread("s").list_turns()
    assert (turn.turn.is_interrupted, turn.turn.error) == (True, None)
