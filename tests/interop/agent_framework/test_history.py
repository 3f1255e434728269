"""`RecuerdaHistoryProvider` under Agent Framework's own agents."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from agent_framework import (
    Agent,
    AgentSession,
    Content,
    ContextProvider,
    FileSessionStore,
    InMemoryHistoryProvider,
    Message,
    SessionContext,
    SessionStore,
    register_state_type,
    tool,
)
from hypothesis import given
from hypothesis import strategies as st

from recuerda import (
    ChatMessageStore,
    EncodeError,
    InvalidInput,
    MemoryStorage,
    Storage,
    ThreadConflict,
    ThreadOwnershipError,
)
from recuerda.interop.agent_framework import RecuerdaContextProvider, RecuerdaHistoryProvider, RecuerdaSessionStore
from recuerda.recall import RecallProvider
from recuerda.testing import ScriptedChatClient
from tests.conversation import LOCAL
from tests.interop.agent_framework.scripted import ScriptedClient, said
from tests.storage.matrix import STORAGES


@tool(approval_mode="never_require")
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool(approval_mode="always_require")
def pay(amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount}"


def call(name: str, call_id: str, **arguments: Any) -> Content:
    return Content.from_function_call(call_id, name, arguments=arguments)


async def roles_of(storage: Storage, thread_id: str = "t") -> list[list[str]]:
    turns = await ChatMessageStore(storage=storage, thread_id=thread_id).list_turns()
    return [[message.role for message in stored.messages] for stored in turns]


class Notes(ContextProvider):
    """A provider that adds a note to every run."""

    async def before_run(self, *, context: SessionContext, **_: Any) -> None:
        context.extend_messages(self, [Message("system", ["A note."])])


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("is_stored_often", [False, True], ids=["once", "often"])
async def test_a_run_with_parallel_tools_is_one_turn(
    storage: Storage, is_streamed: bool, is_stored_often: bool
) -> None:
    client = ScriptedClient([call("add", "c1", a=1, b=2), call("add", "c2", a=3, b=4)], "3 and 7.", "Yes.")
    history = RecuerdaHistoryProvider(storage)
    agent = Agent(
        client,
        tools=[add],
        context_providers=[history],
        require_per_service_call_history_persistence=is_stored_often,
    )
    for question in ("Add 1 2 and 3 4.", "Sure?"):
        session = agent.create_session(session_id="t")
        if is_streamed:
            async for _ in agent.run(question, session=session, stream=True):
                pass
        else:
            await agent.run(question, session=session)
    turns = await roles_of(storage)
    assert [turn[0] for turn in turns] == ["user", "user"]
    assert "tool" in turns[0]
    assert turns[1] == ["user", "assistant"]
    assert not (await storage.read("t")).has_draft
    assert said(client.sent[-1])[0] == "Add 1 2 and 3 4."
    assert said(client.sent[-1])[-2:] == ["3 and 7.", "Sure?"]


async def test_equal_turns_stay(storage: Storage) -> None:
    agent = Agent(ScriptedClient(default="ok"), context_providers=[RecuerdaHistoryProvider(storage)])
    for _ in range(3):
        await agent.run("continue", session=agent.create_session(session_id="t"))
    assert await roles_of(storage) == [["user", "assistant"]] * 3


async def test_five_turns_with_a_restart_in_between(storage: Storage, another: Storage) -> None:
    client = ScriptedClient("Hello, Ana.", "Nice.", "Ana.", "A doctor.", "Bye, Ana.")
    for number, text in enumerate(("I am Ana.", "I am a doctor.", "Who am I?", "What am I?", "Bye.")):
        history = RecuerdaHistoryProvider(storage if number < 3 else another)
        agent = Agent(client, instructions="Be short.", context_providers=[history])
        await agent.run(text, session=agent.create_session(session_id="t"))
    texts = [text for text in said(client.sent[-1]) if text != "Be short."]
    assert texts == ["I am Ana.", "Hello, Ana.", "I am a doctor.", "Nice.", "Who am I?", "Ana.", "What am I?",
                     "A doctor.", "Bye."]  # fmt: skip


async def test_an_approval_given_in_another_process_continues_the_turn(storage: Storage, another: Storage) -> None:
    first = Agent(
        ScriptedClient([call("pay", "c1", amount=7)]), tools=[pay], context_providers=[RecuerdaHistoryProvider(storage)]
    )
    session = first.create_session(session_id="t")
    asked = await first.run("Pay 7.", session=session)
    (request,) = asked.user_input_requests
    await RecuerdaSessionStore(storage).set("t", session)
    assert await roles_of(storage) == []
    history = RecuerdaHistoryProvider(another)
    second = Agent(ScriptedClient("Paid."), tools=[pay], context_providers=[history])
    found = await RecuerdaSessionStore(another).get("t")
    decision = Message("user", [request.to_function_approval_response(approved=True)])
    done = await second.run(decision, session=found)
    assert done.text == "Paid."
    (turn,) = await roles_of(another)
    assert turn[0] == "user"
    assert turn[-1] == "assistant"
    messages = await history.get_messages("t")
    assert "paid 7" in str([message.to_dict() for message in messages])


async def test_two_runs_at_once_never_mix(storage: Storage, another: Storage) -> None:
    agents = [Agent(ScriptedClient(), context_providers=[RecuerdaHistoryProvider(one)]) for one in (storage, another)]
    runs = [agent.run(f"{n}", session=agent.create_session(session_id="t")) for n, agent in enumerate(agents)]
    outcomes = await asyncio.gather(*runs, return_exceptions=True)
    lost = [one for one in outcomes if isinstance(one, BaseException)]
    assert all(isinstance(one, ThreadConflict) for one in lost)
    assert await roles_of(storage) == [["user", "assistant"]] * (2 - len(lost))


async def test_a_limit_gives_the_newest_messages_from_few_records(storage: Storage, another: Storage) -> None:
    client = ScriptedClient()
    agent = Agent(client, context_providers=[RecuerdaHistoryProvider(storage, limit=3)])
    for number in range(30):
        await agent.run(f"q{number}", session=agent.create_session(session_id="t"))
    assert said(client.sent[-1]) == ["OK.", "q28", "OK.", "q29"]
    fresh = RecuerdaHistoryProvider(another, limit=3)
    await fresh.get_messages("t")
    (log,) = fresh.logs.values()
    assert another is storage or len(log.store.turns) <= 6


async def test_the_history_of_another_user_is_refused(storage: Storage) -> None:
    def user_of(session: AgentSession) -> str | None:
        return session.state.get("user")

    client = ScriptedClient()
    agent = Agent(client, context_providers=[RecuerdaHistoryProvider(storage, user_id=user_of)])
    for user in ("ana", "bo"):
        session = agent.create_session(session_id="t")
        session.state["user"] = user
        if user == "bo":
            with pytest.raises(ThreadOwnershipError):
                await agent.run("Hi.", session=session)
        else:
            await agent.run("Hi.", session=session)
    assert len(client.sent) == 1


async def test_recuerdas_agent_and_the_framework_share_a_thread(storage: Storage) -> None:
    doctor = ScriptedChatClient(["Hello, Ana."]).create_agent(storage=storage)
    await doctor.run("I am Ana.", thread="t")
    client = ScriptedClient("Ana.")
    agent = Agent(client, context_providers=[RecuerdaHistoryProvider(storage)])
    await agent.run("Who am I?", session=agent.create_session(session_id="t"))
    assert said(client.sent[-1]) == ["I am Ana.", "Hello, Ana.", "Who am I?"]


async def test_a_memory_is_quoted_and_not_stored(storage: Storage, tmp_path: Any) -> None:
    client = ScriptedClient()
    async with RecallProvider(tmp_path / "index.db", storage=storage) as recall:
        history = RecuerdaHistoryProvider(storage, user_id="ana")
        memory = RecuerdaContextProvider(recall, history)
        agent = Agent(client, context_providers=[memory, history])
        await agent.run("I am allergic to hazelnuts.", session=agent.create_session(session_id="one"))
        await recall.flush()
        await agent.run("What am I allergic to?", session=agent.create_session(session_id="two"))
        quotes = [text for text in said(client.sent[-1]) if "hazelnuts" in text]
        assert len(quotes) == 1
        assert await roles_of(storage, "two") == [["user", "assistant"]]


@pytest.mark.parametrize("limit", [2, 4, 7, 8, None])
async def test_each_earlier_turn_is_sent_or_recalled(storage: Storage, tmp_path: Any, limit: int | None) -> None:
    client = ScriptedClient()
    async with RecallProvider(tmp_path / "index.db", storage=storage, limit=100, min_relevance=0) as recall:
        history = RecuerdaHistoryProvider(storage, user_id="ana", limit=limit)
        agent = Agent(client, context_providers=[history, RecuerdaContextProvider(recall, history)])
        for number in range(1, 13):
            await agent.run(f"The orchestra has trombone{number}x.", session=agent.create_session(session_id="one"))
            shown = " ".join(said(client.sent[-1]))
            assert [shown.count(f"trombone{one}x") for one in range(1, number + 1)] == [1] * number


TEXT = st.text(st.characters(codec="utf-8"), max_size=9)
VALUES = st.none() | st.integers(-9, 9) | TEXT | st.lists(TEXT, max_size=2)
CONTENTS = st.one_of(
    st.builds(Content.from_text, TEXT),
    st.builds(Content.from_text_reasoning, text=TEXT, protected_data=st.none() | TEXT),
    st.builds(Content.from_data, st.binary(max_size=9), st.sampled_from(["image/png", "text/plain"])),
    st.builds(Content.from_uri, st.just("https://example.com/a.png"), media_type=st.just("image/png")),
    st.builds(Content.from_function_call, TEXT, TEXT, arguments=TEXT | st.dictionaries(TEXT, VALUES, max_size=2)),
    st.builds(Content.from_function_result, TEXT, result=VALUES),
    st.builds(Content.from_error, message=TEXT),
)
MESSAGES = st.builds(
    Message,
    st.sampled_from(["user", "assistant", "tool", "system"]),
    st.lists(CONTENTS, max_size=3),
    author_name=st.none() | TEXT,
    message_id=st.none() | TEXT,
    additional_properties=st.dictionaries(TEXT, VALUES, max_size=2),
)


@given(st.lists(MESSAGES, min_size=1, max_size=4))
async def test_any_message_comes_back_the_same(messages: list[Message]) -> None:
    history = RecuerdaHistoryProvider(MemoryStorage())
    await history.save_messages("t", messages)
    found = await history.get_messages("t")
    assert [message.to_dict() for message in found] == [message.to_dict() for message in messages]


@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        ({"store_inputs": False}, ["Hello."]),
        ({"store_outputs": False}, ["Hi."]),
        ({"store_context_messages": True}, ["A note.", "Hi.", "Hello."]),
        ({"store_context_messages": True, "store_context_from": {"other"}}, ["Hi.", "Hello."]),
        ({"load_messages": False}, ["Hi.", "Hello."]),
    ],
)
async def test_the_flags_say_what_is_stored(storage: Storage, flags: dict[str, Any], kept: list[str]) -> None:
    history = RecuerdaHistoryProvider(storage, **flags)
    client = ScriptedClient(default="Hello.")
    agent = Agent(client, context_providers=[Notes("notes"), history])
    for _ in range(2):
        await agent.run("Hi.", session=agent.create_session(session_id="t"))
    assert [message.text for message in await history.get_messages("t")] == kept * 2
    assert len(said(client.sent[-1])) == (2 if "load_messages" in flags else 2 + len(kept))


# -- sessions ----------------------------------------------------------------------------------------------------------


async def test_a_session_comes_back_with_its_state(storage: Storage, another: Storage) -> None:
    store = RecuerdaSessionStore(storage)
    session = AgentSession(session_id="inner", service_session_id="svc")
    session.state["mine"] = {"count": 3}
    agent = Agent(ScriptedClient(), context_providers=[InMemoryHistoryProvider()])
    await agent.run("Hi.", session=session)
    await store.set("one", session)
    found = await RecuerdaSessionStore(another).get("one")
    assert found is not None
    assert found.to_dict() == session.to_dict()
    assert await store.get("two") is None
    await store.delete("one")
    assert await store.get("one") is None
    for wrong in ("", 7):
        with pytest.raises(ValueError, match="session_id"):
            await store.get(wrong)  # pyright: ignore[reportArgumentType] - what a caller without a checker does


async def test_a_session_that_was_set_meanwhile_conflicts(storage: Storage, another: Storage) -> None:
    stores = [RecuerdaSessionStore(storage), RecuerdaSessionStore(another)]
    await stores[0].set("one", AgentSession(session_id="inner"))
    first, second = await stores[0].get("one"), await stores[1].get("one")
    assert first is not None
    assert second is not None
    for number in range(3):
        first.state["count"] = number
        await stores[0].set("one", first)
    with pytest.raises(ThreadConflict):
        await stores[1].set("one", second)
    assert (await storage.read("agent-framework.session/one")).info.messages == 1  # pyright: ignore[reportOptionalMemberAccess]


async def test_a_state_that_is_not_json_is_refused(storage: Storage) -> None:
    session = AgentSession()
    session.state["socket"] = object()
    with pytest.raises(EncodeError), pytest.warns(RuntimeWarning, match="socket"):
        await RecuerdaSessionStore(storage).set("one", session)
    assert await RecuerdaSessionStore(storage).get("one") is None


# -- the contract, on their stores and on ours -------------------------------------------------------------------------


@pytest.fixture(params=["their RAM", "their files", *LOCAL])
async def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SessionStore]:
    if request.param == "their RAM":
        yield SessionStore()
    elif request.param == "their files":
        yield FileSessionStore(tmp_path)
    else:
        async with STORAGES[request.param](tmp_path) as storage:
            yield RecuerdaSessionStore(storage)


class Mood:
    """A class of the application in a session's state."""

    def __init__(self, name: str) -> None:
        self.name = name

    def to_dict(self) -> dict[str, str]:
        return {"name": self.name}

    @classmethod
    def from_dict(cls, data: Any) -> "Mood":
        return cls(data["name"])


register_state_type(Mood, type_id="recuerda.tests.mood")


async def test_a_session_is_stored_as_a_copy(any_store: SessionStore) -> None:
    session = AgentSession(session_id="inner", service_session_id={"response_id": "r"})
    session.state.update({"list": ["one"], "messages": [Message("user", ["Hi."])], "mood": [Mood("good")]})
    await any_store.set("s", session)
    session.state["list"].append("two")
    found = await any_store.get("s")
    assert found is not None
    assert (found.session_id, found.service_session_id) == ("inner", {"response_id": "r"})
    assert found.state["list"] == ["one"]
    assert (found.state["messages"][0].text, found.state["mood"][0].name) == ("Hi.", "good")
    found.state["list"].append("three")
    again = await any_store.get("s")
    assert again is not None
    assert again.state["list"] == ["one"]


async def test_a_session_made_anew_replaces_the_stored_one(any_store: SessionStore) -> None:
    for name in ("first", "second"):
        await any_store.set("s", AgentSession(session_id=name))
    found = await any_store.get("s")
    assert found is not None
    assert found.session_id == "second"
    await any_store.delete("s")
    await any_store.delete("s")
    assert await any_store.get("s") is None


async def test_an_id_may_hold_any_character(any_store: SessionStore) -> None:
    ids = ["two words", "tenant/user", "tenant", "session.id", "café", "../x", "CON", " a", "a"]
    for number, session_id in enumerate(ids):
        await any_store.set(session_id, AgentSession(session_id=str(number)))
    for number, session_id in enumerate(ids):
        found = await any_store.get(session_id)
        assert found is not None
        assert found.session_id == str(number)
        await any_store.delete(session_id)
        assert await any_store.get(session_id) is None


class Sub(AgentSession):
    """A session with more than the framework's."""


async def test_what_would_not_come_back_is_refused(storage: Storage, tmp_path: Path) -> None:
    ours, theirs = RecuerdaSessionStore(storage), FileSessionStore(tmp_path)
    with pytest.raises(InvalidInput, match="Sub"):
        await ours.set("s", Sub())
    with pytest.raises(TypeError):
        await theirs.set("s", Sub())
    for number in (float("nan"), float("inf")):
        session = AgentSession()
        session.state["n"] = number
        for store in (ours, theirs):
            with pytest.raises(ValueError, match="state"):
                await store.set("s", session)
    assert await ours.get("s") is None
