"""The contract of ADK's session services, on the services of ADK and on `RecuerdaSessionService`."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from google.adk.errors import StaleSessionError
from google.adk.errors.already_exists_error import AlreadyExistsError
from google.adk.errors.session_not_found_error import SessionNotFoundError
from google.adk.events.event import Event
from google.adk.events.event_actions import EventActions
from google.adk.sessions import DatabaseSessionService, InMemorySessionService
from google.adk.sessions.base_session_service import BaseSessionService
from google.adk.sessions.session import Session
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.adk.tools.tool_confirmation import ToolConfirmation
from google.genai import types

from recuerda.interop.google_adk import RecuerdaSessionService
from tests.interop.google_adk.events import RIKER, SHIP, answered, asked, changing, got, texts


@asynccontextmanager
async def opened(name: str) -> AsyncGenerator[BaseSessionService]:
    """Open one of ADK's own services, or ours."""
    match name:
        case "their RAM":
            yield InMemorySessionService()
        case "their SQLite":
            service = SqliteSessionService(":memory:")
            yield service
            await service.close()
        case "their SQL":
            async with DatabaseSessionService("sqlite+aiosqlite:///:memory:") as service:
                yield service
        case _:
            async with RecuerdaSessionService("memory:") as service:
                yield service


@pytest.fixture(params=["their RAM", "their SQLite", "their SQL", "ours"])
async def any_service(request: pytest.FixtureRequest) -> AsyncIterator[BaseSessionService]:
    """Run a test on ADK's own services too: what the test says is the contract."""
    async with opened(request.param) as service:
        yield service


async def test_a_new_session_has_its_names_its_state_and_no_events(any_service: BaseSessionService) -> None:
    session = await any_service.create_session(**RIKER, state={"a": 1, "app:b": 2, "user:c": 3, "temp:d": 4})
    assert (session.app_name, session.user_id, session.id, session.events) == ("ship", "ana", "riker", [])
    for known in (session, await got(any_service)):
        assert known.state == {"a": 1, "app:b": 2, "user:c": 3}
        assert known.last_update_time > 0


async def test_a_session_without_an_id_gets_one(any_service: BaseSessionService) -> None:
    one, other = [(await any_service.create_session(**SHIP)).id for _ in range(2)]
    assert len({one, other, ""}) == 3


async def test_a_session_that_exists_is_not_created_again(any_service: BaseSessionService) -> None:
    session = await any_service.create_session(**RIKER, state={"a": 1})
    await any_service.append_event(session, asked("Hello."))
    with pytest.raises(AlreadyExistsError):
        await any_service.create_session(**RIKER, state={"a": 2})
    assert texts((await got(any_service)).events) == ["Hello."]
    assert (await got(any_service)).state == {"a": 1}


async def test_a_session_that_does_not_exist_is_none(any_service: BaseSessionService) -> None:
    assert await any_service.get_session(**RIKER) is None
    await any_service.create_session(**RIKER)
    assert await any_service.get_session(app_name="other", user_id="ana", session_id="riker") is None
    assert await any_service.get_session(app_name="ship", user_id="bob", session_id="riker") is None


async def test_sessions_are_listed_for_an_app_and_for_a_user_without_events(any_service: BaseSessionService) -> None:
    for app, user, session_id in (
        ("ship", "ana", "1"),
        ("ship", "bob", "2"),
        ("ship", "ana", "3"),
        ("dock", "ana", "4"),
    ):
        state = {"app:a": app, "user:u": user, "own": session_id}
        made = await any_service.create_session(app_name=app, user_id=user, session_id=session_id, state=state)
        await any_service.append_event(made, asked("Hello."))
    of_ana = (await any_service.list_sessions(app_name="ship", user_id="ana")).sessions
    assert [(one.id, one.user_id, one.events) for one in of_ana] == [("1", "ana", []), ("3", "ana", [])]
    of_all = (await any_service.list_sessions(app_name="ship")).sessions
    assert [one.id for one in of_all] == ["1", "2", "3"]
    assert [one.state for one in of_all] == [
        {"app:a": "ship", "user:u": user, "own": own} for user, own in (("ana", "1"), ("bob", "2"), ("ana", "3"))
    ]
    assert (await any_service.list_sessions(app_name="nothing")).sessions == []


async def test_a_deleted_session_is_gone_and_leaves_the_shared_state(any_service: BaseSessionService) -> None:
    session = await any_service.create_session(**RIKER, state={"user:c": 3, "own": 1})
    await any_service.delete_session(**RIKER)
    await any_service.delete_session(**RIKER)
    assert await any_service.get_session(**RIKER) is None
    assert (await any_service.list_sessions(app_name="ship")).sessions == []
    with pytest.raises(SessionNotFoundError):
        await any_service.append_event(session, asked("Hello."))
    assert (await any_service.create_session(**RIKER)).state == {"user:c": 3}


async def test_the_state_of_a_user_can_be_read_without_a_session(any_service: BaseSessionService) -> None:
    assert await any_service.get_user_state(**SHIP) == {}
    await any_service.create_session(**SHIP, state={"user:c": {"deep": [1, None]}, "own": 1})
    assert await any_service.get_user_state(**SHIP) == {"c": {"deep": [1, None]}}
    assert await any_service.get_user_state(app_name="ship", user_id="bob") == {}


async def test_values_of_the_state_reach_the_sessions_that_share_them(any_service: BaseSessionService) -> None:
    first = await any_service.create_session(**RIKER)
    await any_service.create_session(**SHIP, session_id="second")
    await any_service.create_session(app_name="ship", user_id="bob", session_id="third")
    await any_service.append_event(first, changing({"own": 1, "app:a": 2, "user:u": 3, "temp:t": 4}))
    assert first.state == {"own": 1, "app:a": 2, "user:u": 3, "temp:t": 4}
    assert (await got(any_service)).state == {"own": 1, "app:a": 2, "user:u": 3}
    second = await any_service.get_session(**SHIP, session_id="second")
    third = await any_service.get_session(app_name="ship", user_id="bob", session_id="third")
    assert second is not None
    assert third is not None
    assert (second.state, third.state) == ({"app:a": 2, "user:u": 3}, {"app:a": 2})


async def test_a_value_that_is_not_json_comes_back_as_json(checked_service: BaseSessionService) -> None:
    moment = datetime(2026, 5, 8, tzinfo=UTC)
    session = await checked_service.create_session(**RIKER, state={"at": moment, "app:at": {"deep": moment}})
    await checked_service.append_event(session, changing({"user:at": moment}))
    text = "2026-05-08T00:00:00Z"
    assert (await got(checked_service)).state == {"at": text, "app:at": {"deep": text}, "user:at": text}


async def test_a_value_of_none_is_a_value(any_service: BaseSessionService) -> None:
    session = await any_service.create_session(**RIKER, state={"own": 1, "app:a": 1, "user:u": 1})
    await any_service.append_event(session, changing({"own": None, "app:a": None, "user:u": None}))
    assert (await got(any_service)).state == {"own": None, "app:a": None, "user:u": None}


async def test_a_temporary_value_is_not_in_the_stored_event(any_service: BaseSessionService) -> None:
    session = await any_service.create_session(**RIKER)
    event = await any_service.append_event(session, changing({"own": 1, "temp:t": 4}))
    assert event.actions.state_delta == {"own": 1}
    assert (await got(any_service)).events[0].actions.state_delta == {"own": 1}


async def test_a_partial_event_is_not_stored(any_service: BaseSessionService) -> None:
    session = await any_service.create_session(**RIKER)
    await any_service.append_event(session, answered("Hel", partial=True))
    assert session.events == []
    assert (await got(any_service)).events == []


async def test_events_come_back_equal_and_in_order(any_service: BaseSessionService) -> None:
    session = await any_service.create_session(**RIKER)
    events = [asked("1"), answered("2"), asked("3", "i2"), changing({"x": 1}, "i2", "doctor"), answered("4", "i2")]
    for event in events:
        assert await any_service.append_event(session, event) is event
        assert session.last_update_time == pytest.approx(event.timestamp, abs=1e-5)  # their SQL rounds it
    assert session.events == events
    assert (await got(any_service)).events == events


async def test_the_newest_events_are_chosen_by_number_and_by_time(any_service: BaseSessionService) -> None:
    session = await any_service.create_session(**RIKER)
    begun = session.last_update_time
    for number in range(1, 6):
        event = asked if number % 2 else answered
        await any_service.append_event(session, event(str(number), timestamp=begun + number))
    times = [event.timestamp for event in session.events]
    for config, wanted in (
        ({"num_recent_events": 0}, []),
        ({"num_recent_events": 2}, ["4", "5"]),
        ({"num_recent_events": 9}, ["1", "2", "3", "4", "5"]),
        ({"after_timestamp": times[2]}, ["3", "4", "5"]),
        ({"after_timestamp": times[-1] + 1}, []),
        ({"after_timestamp": times[1], "num_recent_events": 2}, ["4", "5"]),
    ):
        assert texts((await got(any_service, **config)).events) == wanted, config


async def test_a_session_is_the_callers_own_copy(any_service: BaseSessionService) -> None:
    session = await any_service.create_session(**RIKER, state={"a": {"b": 1}})
    session.state["a"]["b"] = 2
    session.events.append(asked("not appended"))
    again = await got(any_service)
    assert (again.state, again.events) == ({"a": {"b": 1}}, [])


async def test_a_change_of_state_alone_is_an_event(any_service: BaseSessionService) -> None:
    session = await any_service.create_session(**RIKER)
    event = Event(
        author="user", invocation_id="i1", actions=EventActions(state_delta={"x": 1}, artifact_delta={"f": 2})
    )
    await any_service.append_event(session, event)
    assert (await got(any_service)).events == [event]


@pytest.fixture(params=["their SQLite", "ours"])
async def checked_service(request: pytest.FixtureRequest) -> AsyncIterator[BaseSessionService]:
    """Services that notice a stale session; ADK's service in RAM does not."""
    async with opened(request.param) as service:
        yield service


async def test_a_stale_session_is_refused_and_nothing_is_lost(checked_service: BaseSessionService) -> None:
    await checked_service.create_session(**RIKER)
    one, other = await got(checked_service), await got(checked_service)
    await checked_service.append_event(one, asked("Mine."))
    with pytest.raises(StaleSessionError):
        await checked_service.append_event(other, asked("Too late.", "i2"))
    await checked_service.append_event(one, answered("Yours."))
    with pytest.raises(StaleSessionError):
        await checked_service.append_event(other, asked("Too late.", "i2"))
    fresh = await got(checked_service)
    await checked_service.append_event(fresh, asked("Now.", "i2"))
    assert texts((await got(checked_service)).events) == ["Mine.", "Yours.", "Now."]


async def test_an_event_for_a_session_that_never_was_is_refused(any_service: BaseSessionService) -> None:
    with pytest.raises(SessionNotFoundError):
        await any_service.append_event(Session(id="riker", app_name="ship", user_id="ana"), asked("Hello."))


# -- what each value, id and time must survive -------------------------------------------------------------------------


async def test_a_value_of_the_state_is_replaced_as_a_whole(any_service: BaseSessionService) -> None:
    first = {"name": "ana", "role": "doctor"}
    state = {"own": first, "app:cfg": first, "user:cfg": first, "flag": False}
    session = await any_service.create_session(**RIKER, state=state)
    second = {"name": "bo"}
    await any_service.append_event(session, changing({"own": second, "app:cfg": second, "user:cfg": second}))
    for known in (session, await got(any_service), await any_service.create_session(**SHIP, session_id="other")):
        assert known.state.get("own", second) == known.state["app:cfg"] == known.state["user:cfg"] == second
    assert (await got(any_service)).state["flag"] is False


async def test_a_users_state_and_sessions_stay_within_their_application(any_service: BaseSessionService) -> None:
    for app, user in (("ship", "ana"), ("dock", "ana"), ("ship", "bob")):
        made = await any_service.create_session(app_name=app, user_id=user, session_id="same")
        await any_service.append_event(made, changing({"user:who": f"{app}-{user}", "app:last": app}))
    await any_service.delete_session(app_name="ship", user_id="bob", session_id="same")
    for gone in ({"app_name": "ship", "user_id": "eve", "session_id": "same"}, {**SHIP, "session_id": "never"}):
        await any_service.delete_session(**gone)
    for app in ("ship", "dock"):
        assert await any_service.get_user_state(app_name=app, user_id="ana") == {"who": f"{app}-ana"}
        found = await any_service.get_session(app_name=app, user_id="ana", session_id="same")
        assert found is not None
        assert found.state == {"user:who": f"{app}-ana", "app:last": app}
    assert await any_service.get_session(app_name="ship", user_id="bob", session_id="same") is None


async def test_the_session_that_was_used_last_is_listed_last(any_service: BaseSessionService) -> None:
    for session_id in "abc":
        await any_service.create_session(**SHIP, session_id=session_id)
    session = await any_service.get_session(**SHIP, session_id="a")
    assert session is not None
    for event in (asked, answered):
        await any_service.append_event(session, event("Hello.", timestamp=session.last_update_time + 1))
    assert [one.id for one in (await any_service.list_sessions(**SHIP)).sessions] == ["b", "c", "a"]


async def test_a_waiting_confirmation_and_bytes_come_back(any_service: BaseSessionService) -> None:
    session = await any_service.create_session(**RIKER)
    waiting = ToolConfirmation(hint="Pay 7?", confirmed=False, payload={"to": "bo"})
    actions = EventActions(requested_tool_confirmations={"call_1": waiting})
    content = types.Content(role="user", parts=[types.Part.from_bytes(data=b"\x00\xff", mime_type="image/png")])
    grounding = types.GroundingMetadata(search_entry_point=types.SearchEntryPoint(sdk_blob=b"\x00\xfe"))
    event = Event(author="user", invocation_id="i1", content=content, actions=actions, grounding_metadata=grounding)
    await any_service.append_event(session, event)
    (found,) = (await got(any_service)).events
    assert found == event
    assert found.actions.requested_tool_confirmations == {"call_1": waiting}


async def test_the_times_of_an_hour_that_comes_twice_stay_apart(
    any_service: BaseSessionService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        session = await any_service.create_session(**RIKER)
        for moment in (1730613600.0, 1730615400.0):
            await any_service.append_event(session, asked("Hello.", timestamp=moment))
        assert [event.timestamp for event in (await got(any_service)).events] == [1730613600.0, 1730615400.0]
    time.tzset()


async def test_of_two_copies_of_a_session_one_is_stale() -> None:
    theirs, ours = DatabaseSessionService("sqlite+aiosqlite:///:memory:"), RecuerdaSessionService("memory:")
    async with theirs, ours:
        for service in (theirs, ours):
            await service.create_session(**RIKER)
            for number in range(4):
                copies = [(await got(service)).model_copy(deep=True) for _ in range(2)]
                appends = (
                    service.append_event(copy, changing({f"{number}-{name}": 1}, f"i{number}{name}"))
                    for copy, name in zip(copies, "ab", strict=True)
                )
                outcomes = await asyncio.gather(*appends, return_exceptions=True)
                assert [type(one) for one in outcomes].count(StaleSessionError) == 1
            last = await got(service)
            assert (len(last.events), len(last.state)) == (4, 4)
            last.last_update_time -= 0.0001  # a time is no version: this session is the newest
            await service.append_event(last, asked("Hello.", "i9"))


@pytest.fixture(params=["their RAM", "their SQLite", "ours"])
async def trimming_service(request: pytest.FixtureRequest) -> AsyncIterator[BaseSessionService]:
    """Services that remove the blanks around a session's id; ADK's service on SQL does not."""
    async with opened(request.param) as service:
        yield service


async def test_blanks_around_an_id_do_not_count(trimming_service: BaseSessionService) -> None:
    made = await trimming_service.create_session(**SHIP, session_id="order-42\n", state={"cart": "book"})
    assert made.id == "order-42"
    with pytest.raises(AlreadyExistsError):
        await trimming_service.create_session(**SHIP, session_id=" order-42 ", state={"cart": "nothing"})
    await trimming_service.append_event(made, asked("Hello."))
    for given in ("order-42", "order-42\n", " order-42"):
        found = await trimming_service.get_session(**SHIP, session_id=given)
        assert found is not None
        assert (found.id, found.state, texts(found.events)) == ("order-42", {"cart": "book"}, ["Hello."])
    assert [one.id for one in (await trimming_service.list_sessions(**SHIP)).sessions] == ["order-42"]
    await trimming_service.delete_session(**SHIP, session_id="\torder-42")
    assert await trimming_service.get_session(**SHIP, session_id="order-42") is None


async def test_other_events_with_a_known_id_are_stored() -> None:
    theirs, ours = InMemorySessionService(), RecuerdaSessionService("memory:")
    async with ours:
        for service in (theirs, ours):
            session = await service.create_session(**RIKER)
            event = changing({"user:n": 1})
            for again in (event, event, event.model_copy(deep=True)):
                await service.append_event(session, again)
            await service.append_event(session, Event(id=event.id, author="doctor", invocation_id="i2"))
            assert [one.author for one in (await got(service)).events] == ["system", "doctor"]
