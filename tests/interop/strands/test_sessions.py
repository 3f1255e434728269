"""Sessions of Strands: its repository contract on its own files and on our storages, and agents that run on ours."""

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strands import Agent, tool  # pyright: ignore[reportUnknownVariableType] - it takes a dict of anything
from strands.models import Model
from strands.session import FileSessionManager, SessionRepository
from strands.types.exceptions import SessionException
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from recuerda import ChatMessageStore, MemoryStorage, Storage, ThreadConflict, ThreadOwnershipError
from recuerda.interop.openai_agents import RecuerdaSession
from recuerda.interop.strands import RecuerdaSessionManager, RecuerdaSessionRepository
from recuerda.testing import ScriptedChatClient
from tests.conversation import LOCAL
from tests.storage.matrix import STORAGES

CALL: Any = {"toolUse": {"toolUseId": "call_1", "name": "weather", "input": {"city": "Lisbon"}}}
RESULT: Any = {"toolResult": {"toolUseId": "call_1", "status": "success", "content": [{"text": "sunny"}]}}
CONTENTS: list[tuple[Any, list[Any]]] = [
    ("user", [{"text": "What is the weather in Lisbon?"}]),
    ("assistant", [CALL]),
    ("user", [RESULT]),
    ("assistant", [{"text": "It is sunny."}]),
]


def message_of(number: int, role: Any, content: list[Any]) -> SessionMessage:
    return SessionMessage.from_message({"role": role, "content": content}, number)


def run() -> list[SessionMessage]:
    return [message_of(number, *one) for number, one in enumerate(CONTENTS)]


# -- the contract, on their repository and on ours ---------------------------------------------------------------------


@pytest.fixture(params=["theirs", *LOCAL])
async def repository(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "theirs":
        yield FileSessionManager("other", str(tmp_path))
        return
    async with STORAGES[request.param](tmp_path) as storage:
        yield RecuerdaSessionRepository(storage)


def begin(repository: SessionRepository, session_id: str = "s", agent_id: str = "default") -> None:
    repository.create_session(Session(session_id, SessionType.AGENT))
    repository.create_agent(session_id, SessionAgent(agent_id, {"mood": "good"}, {"removed_message_count": 0}))


def test_sessions_and_agents_come_back(repository: Any) -> None:
    assert repository.read_session("s") is None
    session = Session("s", SessionType.AGENT)
    repository.create_session(session)
    assert repository.read_session("s") == session
    with pytest.raises(SessionException):
        repository.create_session(session)
    assert repository.read_agent("s", "a") is None
    agent = SessionAgent("a", {"mood": "good"}, {"removed_message_count": 0}, {"interrupt_state": {}})
    with pytest.raises(SessionException):
        repository.update_agent("s", agent)
    repository.create_agent("s", agent)
    assert repository.read_agent("s", "a") == agent
    repository.update_agent("s", SessionAgent("a", {"mood": "bad"}, {}, created_at="now"))
    found = repository.read_agent("s", "a")
    assert (found.state, found.created_at) == ({"mood": "bad"}, agent.created_at)


def test_messages_come_back_in_pages_and_agents_are_apart(repository: Any) -> None:
    begin(repository)
    repository.create_agent("s", SessionAgent("b", {}, {}))
    assert repository.list_messages("s", "default") == []
    for message in run():
        repository.create_message("s", "default", message)
    other = message_of(0, "user", [{"text": "Other."}])
    repository.create_message("s", "b", other)
    stored = repository.list_messages("s", "default")
    assert [(one.message["role"], one.message["content"]) for one in stored] == CONTENTS
    assert repository.list_messages("s", "default", limit=2, offset=1) == stored[1:3]
    assert repository.list_messages("s", "default", offset=3) == stored[3:]
    assert repository.read_message("s", "default", 2) == stored[2]
    assert repository.read_message("s", "default", 9) is None
    assert repository.list_messages("s", "b") == [other]


def test_a_message_is_replaced_by_its_redaction(repository: Any) -> None:
    begin(repository)
    messages = run()
    with pytest.raises(SessionException):
        repository.update_message("s", "default", messages[0])
    for number, message in enumerate(messages):
        repository.create_message("s", "default", message)
        message.redact_message = {"role": message.message["role"], "content": [{"text": f"[redacted {number}]"}]}
        repository.update_message("s", "default", message)
    assert repository.list_messages("s", "default") == messages
    messages[1].redact_message = None
    repository.update_message("s", "default", messages[1])  # in a turn that is whole, if the storage has turns
    assert repository.list_messages("s", "default") == messages


def test_a_session_is_deleted_with_its_agents(repository: Any) -> None:
    begin(repository)
    repository.create_agent("s", SessionAgent("b", {}, {}))
    repository.create_message("s", "default", run()[0])
    repository.create_message("s", "b", run()[0])
    repository.delete_session("s")
    assert repository.read_session("s") is None
    with pytest.raises(SessionException):
        repository.delete_session("s")
    begin(repository)
    repository.create_agent("s", SessionAgent("b", {}, {}))
    assert repository.list_messages("s", "default") == repository.list_messages("s", "b") == []


class Group:
    """The part of a group of agents that a repository uses."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.state: dict[str, Any] = {"status": "pending"}

    def serialize_state(self) -> dict[str, Any]:
        return {"id": self.id, **self.state}


def test_the_state_of_a_group_of_agents_is_kept_beside_the_agents(repository: Any) -> None:
    begin(repository)
    group = Group("swarm")
    assert repository.read_multi_agent("s", "swarm") is None
    with pytest.raises(SessionException):
        repository.update_multi_agent("s", group)
    repository.create_multi_agent("s", group)
    group.state = {"status": "interrupted", "order": ["a", None]}
    assert repository.read_multi_agent("s", "swarm") == {"id": "swarm", "status": "pending"}
    repository.update_multi_agent("s", group)
    assert repository.read_multi_agent("s", "swarm") == {"id": "swarm", "status": "interrupted", "order": ["a", None]}
    assert repository.read_agent("s", "default").state == {"mood": "good"}
    repository.delete_session("s")
    begin(repository)
    assert repository.read_multi_agent("s", "swarm") is None


def test_an_id_with_a_slash_is_refused(repository: Any) -> None:
    for refused in (lambda: repository.read_session("a/b"), lambda: repository.read_agent("a", "b/c")):
        with pytest.raises(ValueError, match="separators"):
            refused()


TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
KINDS = 8


def block_of(kind: int, text: str, given: Any) -> Any:
    return [
        {"text": text},
        {"toolUse": {"toolUseId": text, "name": "weather", "input": {text: given}}},
        {"toolResult": {"toolUseId": text, "status": "error", "content": [{"json": given}]}},
        {"image": {"format": "png", "source": {"bytes": text.encode()}}},
        {"reasoningContent": {"reasoningText": {"text": text, "signature": text}}},
        {"cachePoint": {"type": text}},
        CALL,
        RESULT,
    ][kind]


@st.composite
def drawn_messages(draw: st.DrawFn) -> tuple[str, list[Any]]:
    kinds = draw(st.lists(st.integers(0, KINDS - 1), max_size=3))
    blocks = [block_of(kind, draw(TEXT), draw(JSON)) for kind in kinds]
    return draw(st.sampled_from(["user", "assistant"])), blocks


@given(st.lists(drawn_messages(), max_size=4))
def test_any_message_comes_back_the_same(contents: list[tuple[str, list[Any]]]) -> None:
    repository = RecuerdaSessionRepository(MemoryStorage())
    messages = [message_of(number, *one) for number, one in enumerate(contents)]
    for message in messages:
        repository.create_message("s", "default", message)
    found = [one.to_dict() for one in repository.list_messages("s", "default")]
    # Python says that 1, 1.0 and True are equal; the texts tell them apart.
    encoded = (msgspec.json.encode(some, order="sorted") for some in (found, [one.to_dict() for one in messages]))
    assert len(set(encoded)) == 1


# -- agents on our manager ---------------------------------------------------------------------------------------------


@tool
def weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


class ScriptedModel(Model):
    """Call the tool when the user asks for the weather, refuse a bad word, and otherwise count the questions."""

    def __init__(self) -> None:
        self.seen: list[list[Any]] = []
        self.fails = False

    def update_config(self, **model_config: Any) -> None:
        """Have no settings."""

    def get_config(self) -> Any:
        return {}

    def structured_output(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        self.seen.append([dict(block) for message in messages for block in message["content"]])
        if self.fails:
            raise RuntimeError("the model is down")
        last = messages[-1]["content"][-1]
        yield {"messageStart": {"role": "assistant"}}
        if "4711" in str(last):
            yield {"redactContent": {"redactUserContentMessage": "[redacted]"}}
        if "weather" in str(last.get("text")):
            start = {"toolUse": {"toolUseId": f"call_{len(messages)}", "name": "weather"}}
            yield {"contentBlockStart": {"start": start}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": '{"city":"Rome"}'}}}}
            yield {"contentBlockStop": {}}
            yield {"messageStop": {"stopReason": "tool_use"}}
            return
        asked = sum(
            "text" in block for message in messages if message["role"] == "user" for block in message["content"]
        )
        text = "It is sunny." if "toolResult" in last else f"This is question {asked}."
        yield {"contentBlockStart": {"start": {}}}
        for word in text.split(" "):
            yield {"contentBlockDelta": {"delta": {"text": word + " "}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn"}}


def agent_of(storage: Storage, model: ScriptedModel | None = None, **settings: Any) -> Agent:
    manager = RecuerdaSessionManager("t", storage, **settings)
    return Agent(model=model or ScriptedModel(), session_manager=manager, tools=[weather], callback_handler=None)


async def turns_of(storage: Storage) -> list[list[str]]:
    turns = await ChatMessageStore(storage=storage, thread_id="t").list_turns()
    return [[message.role for message in stored.messages] for stored in turns]


async def test_an_agent_with_tools_continues_in_another_process(storage: Storage, another: Storage) -> None:
    first = agent_of(storage)
    first.state.set("mood", "good")
    assert str(await first.invoke_async("How is the weather?")).strip() == "It is sunny."
    second = agent_of(another)
    assert second.messages == first.messages
    assert second.state.get("mood") == "good"
    events = [event async for event in second.stream_async("Which question is this?")]
    assert "".join(event["data"] for event in events if "data" in event).strip() == "This is question 2."
    assert await turns_of(storage) == [["user", "assistant", "tool", "assistant"], ["user", "assistant"]]
    items = cast("list[Any]", await RecuerdaSession("t", storage).get_items())
    assert [item.get("type", item.get("role")) for item in items][:3] == [
        "user",
        "function_call",
        "function_call_output",
    ]


def test_an_agent_runs_without_an_event_loop() -> None:
    storage = MemoryStorage()
    agent_of(storage)("Hello.")
    assert str(agent_of(storage)("Hello again.")).strip() == "This is question 2."


async def test_of_two_agents_on_one_session_one_conflicts(storage: Storage, another: Storage) -> None:
    await agent_of(storage).invoke_async("Hello.")
    slow, quick = agent_of(storage), agent_of(another)
    await quick.invoke_async("From Bo.")
    with pytest.raises(ThreadConflict):
        await slow.invoke_async("From Ana.")
    again = agent_of(storage)
    assert str(await again.invoke_async("From Ana.")).strip() == "This is question 3."
    assert await turns_of(storage) == [["user", "assistant"]] * 3


async def test_a_run_that_fails_is_stored_once_after_its_retries(storage: Storage) -> None:
    await agent_of(storage).invoke_async("Hello.")
    model = ScriptedModel()
    for fails in (True, False, False):
        model.fails = fails
        agent = agent_of(storage, model, turn_id="request-7")
        if fails:
            with pytest.raises(RuntimeError, match="down"):
                await agent.invoke_async("Who am I?")
        else:
            await agent.invoke_async("Who am I?")
        assert [block["text"].strip() for block in model.seen[-1]] == ["Hello.", "This is question 1.", "Who am I?"]
    assert await turns_of(storage) == [["user", "assistant"]] * 2


async def test_a_call_whose_process_died_gets_a_result_before_the_next_question(storage: Storage) -> None:
    agent_of(storage)  # begins the session
    repository = RecuerdaSessionRepository(storage)
    for number, one in enumerate([*CONTENTS[:2], *CONTENTS]):
        repository.create_message("t", "default", message_of(number, *one))
    model = ScriptedModel()
    await agent_of(storage, model).invoke_async("Who am I?")
    results = [block["toolResult"] for block in model.seen[-1] if "toolResult" in block]
    assert [one["status"] for one in results] == ["error", "success"]
    assert repository.list_messages("t", "default")[1].message["content"] == [CALL]


async def test_a_guardrail_redacts_the_latest_message(storage: Storage) -> None:
    await agent_of(storage).invoke_async("My number is 4711.")
    messages = await ChatMessageStore(storage=storage, thread_id="t").list_messages()
    assert [message.text.strip() for message in messages] == ["[redacted]", "This is question 1."]
    assert b"4711" not in b"".join(record.body for record in (await storage.read("t")).records)
    assert agent_of(storage).messages[0]["content"] == [{"text": "[redacted]"}]


async def test_an_agent_continues_a_thread_of_recuerda_and_back(storage: Storage) -> None:
    ours = ScriptedChatClient(["Hello, Ana.", "Ana."]).create_agent(storage=storage)
    await ours.run("I am Ana.", thread="t")
    agent = agent_of(storage)
    assert [message["content"] for message in agent.messages] == [[{"text": "I am Ana."}], [{"text": "Hello, Ana."}]]
    await agent.invoke_async("Who am I?")
    await ours.run("And who am I?", thread="t")
    assert len(agent_of(storage).messages) == 6
    assert await turns_of(storage) == [["user", "assistant"]] * 3


async def test_a_session_of_another_user_is_refused(storage: Storage) -> None:
    await agent_of(storage, user_id="ana").invoke_async("Hello.")
    with pytest.raises(ThreadOwnershipError):
        agent_of(storage, user_id="bo")
    stranger = RecuerdaSessionRepository(storage, user_id="bo")
    for refused in (
        lambda: stranger.create_message("t", "default", run()[0]),
        lambda: stranger.update_agent("t", SessionAgent("default", {}, {})),
        lambda: stranger.delete_session("t"),
    ):
        with pytest.raises(ThreadOwnershipError):
            refused()
    assert len(agent_of(storage, user_id="ana").messages) == 2
