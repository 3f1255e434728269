"""How the events of ADK lie in threads: turns, retries, crashes, other readers, cost."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.events.event import Event
from google.adk.sessions.session import Session
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    DataContent,
    EncodeError,
    FunctionResultContent,
    InvalidInput,
    MemoryStorage,
    Storage,
    StorageUnavailable,
    TextContent,
)
from recuerda.interop.google_adk import RecuerdaSessionService, form
from recuerda.interop.google_adk.form import dump, events_of, keep
from recuerda.interop.google_adk.places import namespace_of, session_thread
from recuerda.interop.openai_agents import RecuerdaSession
from recuerda.interop.pydantic_ai import RecuerdaConversationStore
from recuerda.interop.warm_threads import warm_threads
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.operations import Appended, Guard, NewRecord, ReadQuery, ThreadChanges, ThreadSlice
from recuerda.storage.thread_filter import ListedThreads, ThreadFilter
from recuerda.storage.thread_info import ThreadInfo
from recuerda.testing import ScriptedChatClient
from tests.interop.google_adk.events import (
    RIKER,
    SHIP,
    answered,
    asked,
    calling,
    changing,
    got,
    resulting,
    texts,
)

THREAD = RecuerdaSessionService.thread_id("ship", "ana", "riker")


@pytest.fixture
def service(storage: Storage) -> RecuerdaSessionService:
    return RecuerdaSessionService(storage)


async def turns_of(storage: Storage) -> list[list[str]]:
    turns = await ChatMessageStore(storage=storage, thread_id=THREAD).list_turns()
    return [[message.role for message in stored.messages] for stored in turns]


async def append(service: RecuerdaSessionService, session: Session, *events: Event) -> None:
    for event in events:
        await service.append_event(session, event)


async def test_the_events_of_an_invocation_are_one_turn(service: RecuerdaSessionService, storage: Storage) -> None:
    session = await service.create_session(**RIKER)
    events = [
        asked("Scan."),
        changing({"x": 1}, author="doctor"),
        calling("scan"),
        resulting("scan"),
        answered("Done."),
    ]
    for event in events[:-1]:
        await append(service, session, event)
        assert await turns_of(storage) == []
    assert (await got(service)).events == events[:-1]
    assert (await got(service)).state == {"x": 1}
    await append(service, session, events[-1], asked("Thanks.", "i2"), answered("Welcome.", "i2"))
    assert await turns_of(storage) == [["user", "assistant", "assistant", "tool", "assistant"], ["user", "assistant"]]
    assert (await got(service)).events[:5] == events
    assert (await got(service)).state == {"x": 1}


async def test_another_handle_continues_a_turn_that_is_under_way(
    service: RecuerdaSessionService, storage: Storage, another: Storage
) -> None:
    session = await service.create_session(**RIKER)
    await append(service, session, asked("Scan."), calling("scan"))
    other = RecuerdaSessionService(another)
    resumed = await got(other, num_recent_events=1)
    assert len(resumed.events) == 1
    await append(other, resumed, resulting("scan"), answered("Done."))
    assert await turns_of(storage) == [["user", "assistant", "tool", "assistant"]]
    with pytest.raises(StaleSessionError):
        await append(service, session, resulting("scan"))


async def test_a_new_invocation_leaves_the_unfinished_one_as_a_turn(
    service: RecuerdaSessionService, storage: Storage
) -> None:
    session = await service.create_session(**RIKER)
    await append(service, session, asked("Scan."), calling("scan"), changing({"x": 1}, author="doctor"))
    fresh = await got(service)
    await append(service, fresh, asked("Hello?", "i2"), answered("Yes.", "i2"))
    turns = await ChatMessageStore(storage=storage, thread_id=THREAD).list_turns()
    assert [stored.turn.is_interrupted for stored in turns] == [True, False]
    assert len((await got(service)).events) == 5
    assert (await got(service)).state == {"x": 1}


async def test_a_long_running_call_keeps_its_turn_open_until_its_result(
    service: RecuerdaSessionService, storage: Storage
) -> None:
    session = await service.create_session(**RIKER)
    await append(service, session, asked("Pay."), calling("pay", long_running_tool_ids={"id-pay"}))
    assert await turns_of(storage) == []
    fresh = await got(service)
    await append(service, fresh, resulting("pay", "i2", author="user"), answered("Paid.", "i2"))
    assert await turns_of(storage) == [["user", "assistant", "tool", "assistant"]]


@pytest.mark.parametrize("is_known", [True, False], ids=["the same session", "a session without events"])
async def test_a_repeated_event_is_stored_once(
    service: RecuerdaSessionService, storage: Storage, another: Storage, is_known: bool
) -> None:
    session = await service.create_session(**RIKER)
    events = [asked("Scan."), calling("scan"), resulting("scan"), answered("Done."), changing({"user:x": 1})]
    for event in events:
        await append(service, session, event)
        repeated = event.model_copy(deep=True)
        if is_known:
            await append(service, session, repeated)
        else:
            other = RecuerdaSessionService(another)
            await append(other, await got(other, num_recent_events=0), repeated)
    assert (await got(service)).events == events
    assert await turns_of(storage) == [["user", "assistant", "tool", "assistant"], ["assistant"]]


async def test_a_repeated_event_does_not_set_a_shared_value_again(service: RecuerdaSessionService) -> None:
    session = await service.create_session(**RIKER)
    event = changing({"user:x": 1, "app:y": 1})
    await append(service, session, event)
    await append(service, session, changing({"user:x": 2, "app:y": 2}, "i2"))
    await append(service, session, event.model_copy(deep=True))
    assert (await got(service)).state == {"user:x": 2, "app:y": 2}


class LosesAnswers(MemoryStorage):
    """A storage that writes and then says that it failed, as if the answer was lost."""

    is_losing = False

    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        appended = await super()._append(thread_id, record, guard)
        self._lose()
        return appended

    async def _save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
        incarnation = await super()._save_draft(thread_id, step, guard)
        self._lose()
        return incarnation

    def _lose(self) -> None:
        if self.is_losing:
            self.is_losing = False
            raise StorageUnavailable("the answer was lost")


async def test_an_event_whose_answer_was_lost_is_appended_again_with_the_same_session() -> None:
    storage = LosesAnswers()
    service = RecuerdaSessionService(storage)
    session = await service.create_session(**RIKER)
    events = [asked("Scan."), calling("scan"), resulting("scan"), answered("Done."), changing({"x": 1, "user:y": 2})]
    for event in events:
        storage.is_losing = True
        with pytest.raises(StorageUnavailable):
            await append(service, session, event)
        await append(service, session, event)
    assert session.events == events
    assert (await got(service)).events == events
    assert (await got(service)).state == {"x": 1, "user:y": 2}


class LosesSettings(MemoryStorage):
    """A storage whose process dies before it sets the settings of a thread."""

    is_losing = False

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        if self.is_losing:
            raise StorageUnavailable("the process is gone")
        return await super()._update(thread_id, changes, now_us, guard)


async def test_the_state_of_a_session_is_right_after_a_crash_behind_its_event() -> None:
    storage = LosesSettings()
    service = RecuerdaSessionService(storage)
    session = await service.create_session(**RIKER, state={"x": 0, "y": 0})
    await append(service, session, asked("Set."), changing({"x": 1}))
    storage.is_losing = True
    with pytest.raises(StorageUnavailable):
        await append(service, session, answered("Done."))
    storage.is_losing = False
    for config in ({}, {"num_recent_events": 0}):
        assert (await got(service, **config)).state == {"x": 1, "y": 0}
    assert (await service.list_sessions(app_name="ship")).sessions[0].state == {"x": 1, "y": 0}
    for number in range(20):
        name = f"i{number + 2}"
        await append(
            service, await got(service), asked("Set.", name), changing({"y": number}, name), answered(".", name)
        )
    assert (await got(service, num_recent_events=0)).state == {"x": 1, "y": 19}
    info = await storage.head(THREAD)
    assert info is not None
    assert info.metadata["google-adk.through"] == 21


async def test_two_writers_at_once_lose_nothing_without_an_error(
    service: RecuerdaSessionService, another: Storage
) -> None:
    await service.create_session(**RIKER)
    other = RecuerdaSessionService(another)

    async def run(number: int) -> list[str | None]:
        handle = (service, other)[number % 2]
        session = await got(handle)
        done: list[str | None] = []
        for event in (asked(f"{number}", f"i{number}"), answered(f"{number}!", f"i{number}")):
            try:
                await append(handle, session, event)
            except StaleSessionError:
                break
            done += texts([event])
        return done

    done = [text for texts_ in await asyncio.gather(*map(run, range(8))) for text in texts_]
    assert sorted(map(str, done)) == sorted(map(str, texts((await got(service)).events)))
    assert done


async def test_branches_that_share_a_session_object_append_at_once(service: RecuerdaSessionService) -> None:
    session = await service.create_session(**RIKER)
    await append(service, session, asked("All of you."))
    events = [calling(f"tool{number}") for number in range(5)]
    await asyncio.gather(*(service.append_event(session, event) for event in events))
    assert len((await got(service)).events) == 6


async def test_sessions_that_set_shared_values_at_once_lose_none(
    service: RecuerdaSessionService, another: Storage
) -> None:
    other = RecuerdaSessionService(another)
    sessions = [await service.create_session(**SHIP, session_id=str(number)) for number in range(6)]
    await asyncio.gather(
        *(
            (service, other)[number % 2].append_event(session, changing({f"app:{number}": number, "user:x": number}))
            for number, session in enumerate(sessions)
        )
    )
    state = (await service.create_session(**SHIP)).state
    assert {key: value for key, value in state.items() if key != "user:x"} == {f"app:{n}": n for n in range(6)}
    assert state["user:x"] in range(6)


async def test_only_one_of_many_creates_a_session(service: RecuerdaSessionService, another: Storage) -> None:
    other = RecuerdaSessionService(another)
    made = await asyncio.gather(
        *((service, other)[number % 2].create_session(**RIKER, state={"n": number}) for number in range(6)),
        return_exceptions=True,
    )
    (session,) = [one for one in made if isinstance(one, Session)]
    assert [type(one) for one in made if one is not session] == [AlreadyExistsError] * 5
    assert (await got(service)).state == session.state


async def test_a_session_that_was_read_from_json_can_go_on(service: RecuerdaSessionService) -> None:
    session = await service.create_session(**RIKER)
    await append(service, session, asked("Hello."), answered("Hi."))
    copied = Session.model_validate_json(session.model_dump_json())
    await append(service, copied, asked("Again.", "i2"))
    old = Session.model_validate_json(session.model_dump_json())
    with pytest.raises(StaleSessionError):
        await append(service, old, asked("Late.", "i3"))


async def test_an_event_that_is_not_json_is_refused_and_nothing_is_written(service: RecuerdaSessionService) -> None:
    session = await service.create_session(**RIKER)
    bad = "\ud800"
    with pytest.raises(EncodeError):
        await append(service, session, changing({"x": bad, "app:x": bad}))
    for state in ({"x": bad}, {"app:x": bad}):
        with pytest.raises(EncodeError):
            await service.create_session(**SHIP, session_id="other", state=state)
    assert (session.events, (await got(service)).events, (await got(service)).state) == ([], [], {})
    await append(service, session, asked("Hello."), changing({"x": 2**70, "app:x": 0.1 + 0.2}))
    assert (await got(service)).state == {"x": 2**70, "app:x": 0.1 + 0.2}
    assert await service.get_session(**SHIP, session_id="other") is None


# -- other readers and writers -----------------------------------------------------------------------------------------


async def test_other_frameworks_see_the_session_and_can_continue_it(
    service: RecuerdaSessionService, storage: Storage
) -> None:
    session = await service.create_session(**RIKER, state={"own": 1})
    await append(service, session, asked("Scan."), calling("scan"), resulting("scan"), answered("Done."))
    items = await RecuerdaSession(THREAD, storage).get_items()
    assert [item.get("type", item.get("role")) for item in items] == [
        "user",
        "function_call",
        "function_call_output",
        "assistant",
    ]
    conversation = await RecuerdaConversationStore(storage).load(THREAD)
    assert conversation is not None
    assert len(conversation.messages) == 4
    agent = ScriptedChatClient(["I am fine."]).create_agent(storage=storage)
    await agent.run("How are you?", thread=THREAD)
    found = await got(service)
    assert texts(found.events) == ["Scan.", None, None, "Done.", "How are you?", "I am fine."]
    assert [event.author for event in found.events[-2:]] == ["user", "assistant"]
    assert (await got(service, num_recent_events=1)).events == found.events[-1:]
    await append(service, found, asked("Fine.", "i2"), changing({"own": 2}, "i2"), answered("Good.", "i2"))
    assert len((await got(service)).events) == 9
    assert (await got(service, num_recent_events=0)).state == {"own": 2}
    assert (await service.list_sessions(app_name="ship")).sessions[0].state == {"own": 2}


async def test_a_thread_of_another_writer_is_a_session(service: RecuerdaSessionService, storage: Storage) -> None:
    log = RecuerdaSession(THREAD, storage, user_id="ana")
    call: Any = {"type": "function_call", "call_id": "c", "name": "scan", "arguments": '{"a":1}'}
    result: Any = {"type": "function_call_output", "call_id": "c", "output": "clear"}
    items: Any = [{"role": "user", "content": "Scan."}, call, result, {"role": "assistant", "content": "Clear."}]
    await log.add_items(items)
    session = await got(service)
    parts = [event.content.parts[0] for event in session.events if event.content and event.content.parts]
    assert parts[1].function_call == types.FunctionCall(id="c", name="scan", args={"a": 1})
    assert parts[2].function_response == types.FunctionResponse(id="c", name="scan", response={"result": "clear"})
    assert session.events == (await got(service)).events
    await append(service, session, asked("Again."), answered("Clear."))
    assert len(await RecuerdaSession(THREAD, storage).get_items()) == 6


async def test_the_users_sessions_and_state_are_erased_with_the_user(
    service: RecuerdaSessionService, storage: Storage
) -> None:
    session = await service.create_session(**RIKER, state={"user:x": 1, "app:y": 2})
    await append(service, session, asked("Hello."))
    await storage.erase_user("ana")
    assert await service.get_session(**RIKER) is None
    assert await service.get_user_state(**SHIP) == {}
    assert (await service.create_session(**RIKER)).state == {"app:y": 2}


# -- ids ---------------------------------------------------------------------------------------------------------------

NAMES = st.text(st.sampled_from('ab/%#:" \x00ñ'), max_size=5) | st.sampled_from(["x" * 600, "x" * 601, "%2F", "#"])


@settings(max_examples=50)
@given(st.tuples(NAMES, NAMES, NAMES), st.tuples(NAMES, NAMES, NAMES))
def test_two_sessions_never_share_a_thread(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    is_same = (*one[:2], one[2].strip()) == (*other[:2], other[2].strip())  # ADK ignores blanks around a session's id
    assert (session_thread(*one) == session_thread(*other)) == is_same
    assert (namespace_of(one[0]) == namespace_of(other[0])) == (one[0] == other[0])


async def test_a_blank_id_is_no_id(service: RecuerdaSessionService) -> None:
    ids = {(await service.create_session(**SHIP, session_id=given)).id for given in ("", "  ")}
    assert len(ids) == 2
    assert all(one.strip() for one in ids)


async def test_names_may_hold_any_character(service: RecuerdaSessionService) -> None:
    names = [("a/b", "c", "d"), ("a", "b/c", "d"), ("a", "b", "c/d"), ("a%2Fb", "c", "d"), ("a\x00", "c", "é" * 700)]
    for app, user, session_id in names:
        made = await service.create_session(app_name=app, user_id=user, session_id=session_id)
        await append(service, made, asked(f"{app}-{user}-{session_id}"))
    for app, user, session_id in names:
        listed = (await service.list_sessions(app_name=app, user_id=user)).sessions
        assert [one.id for one in listed] == [session_id]
        found = await service.get_session(app_name=app, user_id=user, session_id=session_id)
        assert found is not None
        assert texts(found.events) == [f"{app}-{user}-{session_id}"]
    with pytest.raises(InvalidInput):
        await service.create_session(app_name="ship", user_id="")


# -- the form ----------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)
OBJECTS = st.dictionaries(st.sampled_from(["result", "error", "=", "a", "id"]), JSON, max_size=2)
MAYBE = st.none() | st.text(max_size=5)
SEALS = st.none() | st.binary(max_size=9)
FLAGS = st.none() | st.booleans()
WORDS = st.text(max_size=5)
CALLS = st.builds(types.FunctionCall, id=MAYBE, name=MAYBE, args=st.none() | OBJECTS)
SHOWN = st.builds(
    types.FunctionResponsePart,
    inline_data=st.none()
    | st.builds(types.FunctionResponseBlob, data=st.binary(max_size=9), mime_type=MAYBE, display_name=MAYBE),
)
RESPONSES = st.builds(
    types.FunctionResponse,
    id=MAYBE,
    name=MAYBE,
    response=st.none() | OBJECTS,
    will_continue=FLAGS,
    parts=st.none() | st.lists(SHOWN, max_size=2),
)
BLOBS = st.builds(types.Blob, data=st.binary(max_size=20), mime_type=MAYBE, display_name=MAYBE)
PARTS = st.one_of(
    st.builds(types.Part, text=st.text(max_size=40), thought=FLAGS, thought_signature=SEALS),
    st.builds(types.Part, function_call=CALLS, thought_signature=SEALS),
    st.builds(types.Part, function_response=RESPONSES),
    st.builds(types.Part, inline_data=BLOBS),
    st.builds(types.Part, file_data=st.builds(types.FileData, file_uri=MAYBE, mime_type=MAYBE)),
    st.builds(types.Part, executable_code=st.builds(types.ExecutableCode, code=WORDS, language=st.just("PYTHON"))),
    st.builds(types.Part, code_execution_result=st.builds(types.CodeExecutionResult, output=WORDS)),
)
ROLES = st.sampled_from([None, "user", "model", "x"])
CONTENTS = st.builds(types.Content, role=ROLES, parts=st.none() | st.lists(PARTS, max_size=4))
EVENTS = st.builds(
    Event,
    author=st.sampled_from(["user", "doctor", ""]),
    invocation_id=st.text(max_size=5),
    content=st.none() | CONTENTS,
    branch=MAYBE,
    error_code=MAYBE,
    turn_complete=st.none() | st.booleans(),
    custom_metadata=st.none() | OBJECTS,
    long_running_tool_ids=st.none() | st.sets(st.text(max_size=3), max_size=2),
    output=JSON,
    timestamp=st.floats(0, 1e10),
    actions=st.fixed_dictionaries(
        {"state_delta": OBJECTS, "agent_state": st.none() | OBJECTS, "escalate": st.none() | st.booleans()}
    ),
)


@settings(max_examples=40)
@given(st.lists(EVENTS, max_size=3))
def test_any_events_come_back_bit_for_bit(events: list[Event]) -> None:
    messages = [message for event in events for message in keep(dump(event))]
    found = list(events_of(messages, "turn", 0))
    assert [one.model_dump_json() for one in found] == [one.model_dump_json() for one in events]


def test_a_part_is_not_kept_twice() -> None:
    long = "long " * 1000
    blob = types.Blob(data=long.encode(), mime_type="image/png")
    response = types.FunctionResponse(id="c", name="scan", response={"report": [long]})
    call = types.FunctionCall(id="c", name="scan", args={"a": long})
    parts = [
        types.Part(text=long, thought_signature=b"seal"),
        types.Part(function_call=call, thought_signature=b"seal"),
        types.Part(function_response=response),
        types.Part(inline_data=blob),
    ]
    event = Event(author="doctor", content=types.Content(role="model", parts=parts))
    kept = keep(dump(event))
    assert [message.role for message in kept] == ["assistant", "tool", "assistant"]
    assert "long" not in str([message.additional_properties for message in kept])


async def test_bytes_are_kept_once_beside_their_turn(service: RecuerdaSessionService, storage: Storage) -> None:
    picture = bytes(range(256)) * 40
    blob = types.Blob(data=picture, mime_type="image/png", display_name="map")
    shown = types.FunctionResponsePart(inline_data=types.FunctionResponseBlob(data=picture, mime_type="image/png"))
    response = types.FunctionResponse(id="id-scan", name="scan", response={"result": "clear"}, parts=[shown])
    session = await service.create_session(**RIKER)
    given = [
        Event(
            author="user", invocation_id="i1", content=types.Content(role="user", parts=[types.Part(inline_data=blob)])
        ),
        calling("scan"),
        Event(
            author="doctor",
            invocation_id="i1",
            content=types.Content(role="user", parts=[types.Part(function_response=response)]),
        ),
        answered("A map."),
    ]
    for event in given:
        await service.append_event(session, event)
    (record,) = (await storage.read(THREAD)).records
    assert (len(record.blobs), len(record.body) < 5000) == (1, True)
    assert [one.model_dump() for one in (await got(service)).events] == [one.model_dump() for one in given]
    (_, _, result, _) = await ChatMessageStore(storage=storage, thread_id=THREAD).list_messages()
    assert result.contents == (
        FunctionResultContent("id-scan", "clear", parts=(TextContent("clear"), DataContent(picture, "image/png"))),
    )


async def test_a_system_message_of_another_writer_is_left_out(
    service: RecuerdaSessionService, storage: Storage
) -> None:
    store = ChatMessageStore(storage=storage, thread_id=THREAD)
    await store.add_messages([ChatMessage("system", "Be brief."), ChatMessage("user", "Hello.")])
    assert texts((await got(service)).events) == ["Hello."]


# -- cost and crashes --------------------------------------------------------------------------------------------------


class Counting(MemoryStorage):
    """A storage that counts its reads and writes, and the records that it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    def count(self, name: str, number: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + number

    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        self.count("append")
        return await super()._append(thread_id, record, guard)

    async def _save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
        self.count("draft")
        self.count("bytes", len(step.body))
        return await super()._save_draft(thread_id, step, guard)

    async def _load_draft(self, thread_id: str, guard: Guard) -> list[DraftStep]:
        self.count("load")
        return await super()._load_draft(thread_id, guard)

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        found = await super()._read(thread_id, query)
        self.count("read")
        self.count("records", len(found.records))
        return found

    async def _list(self, wanted: ThreadFilter, limit: int, position: tuple[int, str] | None) -> ListedThreads:
        self.count("list")
        return await super()._list(wanted, limit, position)

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> Any:
        self.count("update")
        return await super()._update(thread_id, changes, now_us, guard)


async def test_an_invocation_costs_the_same_in_a_session_of_any_length() -> None:
    storage = Counting()
    service = RecuerdaSessionService(storage)
    session = await service.create_session(**RIKER)
    costs: list[dict[str, int]] = []
    for number in range(40):
        storage.counts = {}
        name = f"i{number:04}"
        fresh = await got(service, num_recent_events=4)
        events = [asked("Scan.", name), calling("scan", name), resulting("scan", name), answered("Done.", name)]
        await append(service, fresh, *events)
        costs.append(storage.counts)
    assert {name: count for name, count in costs[-1].items() if name not in {"bytes", "records"}} == {
        "read": 3,
        "draft": 3,
        "append": 1,
        "update": 1,
    }
    assert costs[-1]["records"] == costs[20]["records"] <= 6
    assert abs(costs[-1]["bytes"] - costs[20]["bytes"]) < 20
    assert session.events == []


async def test_only_the_events_that_are_returned_are_made(
    service: RecuerdaSessionService, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def noted(item: dict[str, Any]) -> Event:
        made.append(item["id"])
        return Event.model_validate(item)

    session = await service.create_session(**RIKER)
    for number in range(40):
        await append(service, session, asked("Hello.", f"i{number}"), answered("Hi.", f"i{number}"))
    monkeypatch.setattr(form, "load", noted)
    warm_threads(storage).histories.clear()  # as in another process
    newest = (await got(service, num_recent_events=20)).events
    assert [event.id for event in newest] == [event.id for event in session.events[-20:]]
    assert sorted(made) == sorted(event.id for event in newest)
    made.clear()
    assert (await got(service, num_recent_events=20)).events == newest
    assert made == []


async def test_a_changed_event_of_a_session_does_not_change_the_next_session(service: RecuerdaSessionService) -> None:
    session = await service.create_session(**RIKER)
    await append(service, session, asked("Hello."), changing({"x": [1]}), answered("Hi."))
    for _ in range(2):
        found = await got(service)
        assert found.events == session.events
        content = found.events[0].content
        assert content is not None
        assert content.parts is not None
        content.parts.clear()
        found.events[1].actions.state_delta["x"].append(2)
        found.events[2].author = "nobody"


async def test_a_first_read_that_holds_too_few_events_is_followed_by_a_longer_one() -> None:
    storage = Counting()
    service = RecuerdaSessionService(storage)
    session = await service.create_session(**RIKER)
    for number in range(60):
        name = f"{number}"
        response = types.FunctionResponse(id="c", name="scan", response={"result": "done"})
        parts = [types.Part(text="I scan."), types.Part(function_response=response)] * 4  # each is a message
        many = Event(author="doctor", invocation_id=name, content=types.Content(role="model", parts=parts))
        await append(service, session, asked("Hello.", name), many, answered("Hi.", name))
    warm_threads(storage).histories.clear()  # as in another process
    storage.counts = {}
    newest = (await got(service, num_recent_events=30)).events
    assert newest == session.events[-30:]
    assert storage.counts["read"] == 4  # two of the session, and two of the shared states


async def test_sessions_are_listed_in_pages_without_a_look_at_their_events() -> None:
    storage = Counting()
    service = RecuerdaSessionService(storage)
    first = await service.create_session(**SHIP, session_id="first", state={"app:a": 1, "user:u": 2})
    await append(service, first, asked("Hello."), changing({"x": 1}), answered("Hi."))
    for number in range(1_100):
        await service.create_session(**SHIP, session_id=None if number else "zero")
    storage.counts = {}
    listed = (await service.list_sessions(app_name="ship", user_id="ana")).sessions
    assert len(listed) == 1_101
    assert {one.id: one.state for one in listed}["first"] == {"app:a": 1, "user:u": 2, "x": 1}
    assert storage.counts == {"read": 1, "records": 0, "list": 2}


PROGRAM = """
import asyncio, os, signal, sys
from recuerda.interop.google_adk import RecuerdaSessionService
from tests.interop.google_adk.events import RIKER, answered, asked, calling, changing, resulting

async def main():
    service = RecuerdaSessionService(sys.argv[1])
    session = await service.create_session(**RIKER)
    for number in range(100):
        name = f"i{number}"
        for event in (asked("Scan.", name), changing({"n": number}, name, "doctor"), calling("scan", name),
                      resulting("scan", name), answered("Done.", name)):
            await service.append_event(session, event)
            print(event.id, flush=True)

asyncio.run(main())
"""


async def test_a_killed_process_loses_no_event_and_leaves_no_half_turn(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/threads.db"
    with subprocess.Popen([sys.executable, "-c", PROGRAM, url], stdout=subprocess.PIPE, text=True) as child:  # noqa: ASYNC220 - alone here
        assert child.stdout is not None
        told = [child.stdout.readline().strip() for _ in range(13)]
        child.kill()
        told += child.stdout.read().split()
    async with SQLiteStorage(tmp_path / "threads.db") as storage:
        session = await got(RecuerdaSessionService(storage))
        ids = [event.id for event in session.events]
        assert ids[: len(told)] == told
        assert len(ids) <= len(told) + 1
        assert session.state["n"] >= 2
        assert {len(turn) for turn in await turns_of(storage)} == {5}
