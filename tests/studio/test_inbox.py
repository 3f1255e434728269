"""The inbox: what waits for a person, and decisions that are made once, under a name."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from recuerda import Agent, ChatMessage, FunctionResultContent, FunctionTool, MemoryStorage
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.studio.client import settings_of, studio_client

PAID: list[int] = []


def pay(euros: int) -> str:
    """Pay."""
    PAID.append(euros)
    return f"{euros} paid"


class Hanging:
    """A tool that starts and never ends."""

    def __init__(self) -> None:
        self.is_running = asyncio.Event()

    async def hang(self, what: str) -> str:
        """Never end."""
        self.is_running.set()
        await asyncio.Event().wait()
        return what


@pytest.fixture(autouse=True)
def nothing_paid() -> None:
    PAID.clear()


@pytest.fixture
def desk() -> MemoryStorage:
    return MemoryStorage()


def cashier(storage: Any, *answers: Any) -> Agent:
    pays = FunctionTool.of(pay, needs_approval=True)
    return ScriptedChatClient(list(answers)).create_agent(storage=storage, tools=pays, durability="steps")


async def ask(storage: Any, thread: str, *calls: str, user: str | None = None) -> None:
    parts = [part for name in calls for part in call("pay", {"euros": 9}, call_id=name).contents]
    agent = cashier(storage, ChatMessage("assistant", ["I will pay.", *parts]))
    await agent.run("Pay the bill.", thread=agent.get_thread(thread, user_id=user))


@pytest.fixture
async def clerk(desk: MemoryStorage) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a studio in which eva decides."""
    async with studio_client(settings_of(desk, allow_changes=True, acting_as="eva")) as client:
        yield client


async def decided(client: httpx2.AsyncClient, thread: str, **fields: str) -> httpx2.Response:
    return await client.post(f"/api/threads/{thread}/decide", json=fields)


async def results(storage: MemoryStorage, thread: str) -> list[Any]:
    """Let the program with the tools resume a thread, and return the results of its calls."""
    reply = await cashier(storage, "done").resume(thread)
    parts = [part for message in reply.messages for part in message.contents]
    return [part.result for part in parts if isinstance(part, FunctionResultContent)]


async def test_the_inbox_shows_each_waiting_call_with_its_turn(desk: MemoryStorage, clerk: httpx2.AsyncClient) -> None:
    await ask(desk, "trip", "c1", "c2", user="ana")
    await ask(desk, "car", "c3")
    page = (await clerk.get("/api/inbox")).json()
    assert [(one["thread_id"], one["user_id"]) for one in page["turns"]] == [("trip", "ana"), ("car", None)]
    (first, second) = page["turns"][0]["calls"]
    assert (first["name"], first["arguments"], first["waits_for"]) == ("pay", {"euros": 9}, "approval")
    assert second["call_id"] == "c2"
    assert [one["thread_id"] for one in (await clerk.get("/api/inbox?user=ana")).json()["turns"]] == ["trip"]
    shown = (await clerk.get("/inbox")).text
    for text in ("Pay the bill.", "I will pay.", "You decide as eva.", "Waits for approval"):
        assert text in shown, text


async def test_a_call_is_allowed_edited_or_refused_with_a_reason(
    desk: MemoryStorage, clerk: httpx2.AsyncClient
) -> None:
    await ask(desk, "trip", "c1", "c2", "c3")
    assert (await decided(clerk, "trip", call_id="c1", action="approve")).json()["done"] == "decided"
    assert (await decided(clerk, "trip", call_id="c2", action="edit", arguments='{"euros": 5}')).status_code == 200
    assert (await decided(clerk, "trip", call_id="c3", action="refuse", reason="too much")).status_code == 200
    (turn,) = (await clerk.get("/api/inbox")).json()["turns"]
    assert turn["is_decided"] is True
    assert [(one["decision"], one["decided_by"], one["reason"]) for one in turn["calls"]] == [
        ("approved", "eva", None),
        ("edited", "eva", None),
        ("refused", "eva", "too much"),
    ]
    assert turn["calls"][1]["new_arguments"] == {"euros": 5}
    assert "Everything is decided" in (await clerk.get("/inbox")).text
    assert PAID == []
    assert await results(desk, "trip") == ["9 paid", "5 paid", "Error: the user did not allow this call: too much"]
    assert (await clerk.get("/api/inbox")).json()["turns"] == []
    assert "Nothing waits for you" in (await clerk.get("/inbox")).text


async def test_a_thread_shows_a_decision_on_its_own_call_alone(desk: MemoryStorage, clerk: httpx2.AsyncClient) -> None:
    script = [call("bill", call_id="a"), call("pay", {"euros": 9}, call_id="a"), "Paid."]  # two calls with one id
    tools = [FunctionTool.of(lambda: 9, name="bill"), FunctionTool.of(pay, needs_approval=True)]
    agent = ScriptedChatClient(script).create_agent(storage=desk, tools=tools)
    await agent.run("Pay the bill.", thread="bill")
    await agent.resume("bill", approvals={"a": True}, decided_by="eva")
    (turn,) = (await clerk.get("/api/threads/bill")).json()["entries"]
    calls = [part for message in turn["messages"] for part in message["parts"] if part["kind"] == "call"]
    assert [(one["name"], one.get("decision", "")) for one in calls] == [("bill", ""), ("pay", "approved · eva")]


async def test_a_second_decision_is_refused_and_says_who_decided(
    desk: MemoryStorage, clerk: httpx2.AsyncClient
) -> None:
    await ask(desk, "trip", "c1")
    await decided(clerk, "trip", call_id="c1", action="approve")
    for action in ("refuse", "approve"):
        again = await decided(clerk, "trip", call_id="c1", action=action)
        assert again.status_code == 409
        assert "already approved by eva" in again.json()["error"]["message"]
    form = await clerk.post("/threads/trip/decide", data={"call_id": "c1", "action": "refuse"})
    assert (form.status_code, "already approved by eva" in form.text) == (409, True)
    assert await results(desk, "trip") == ["9 paid"]


async def test_a_decision_that_cannot_be_used_decides_nothing(desk: MemoryStorage, clerk: httpx2.AsyncClient) -> None:
    await ask(desk, "trip", "c1")
    for fields in (
        {"call_id": "c1"},
        {"call_id": "c1", "action": "odd"},
        {"call_id": "c9", "action": "approve"},
        {"call_id": "c1", "action": "edit"},
        {"call_id": "c1", "action": "edit", "arguments": "no json"},
        {"call_id": "c1", "action": "edit", "arguments": "[1]"},
        {"call_id": "c1", "action": "outcome", "outcome": "done"},
    ):
        assert (await decided(clerk, "trip", **fields)).status_code == 400, fields
    assert (await decided(clerk, "nowhere", call_id="c1", action="approve")).status_code == 400
    (turn,) = (await clerk.get("/api/inbox")).json()["turns"]
    assert turn["calls"][0]["waits_for"] == "approval"


async def test_hidden_secrets_in_arguments_come_back_unchanged_or_not_at_all(
    desk: MemoryStorage, clerk: httpx2.AsyncClient
) -> None:
    agent = cashier(desk, call("pay", {"euros": 9, "note": "password=Quixotrope9"}))
    await agent.run("Pay.", thread="trip")
    (turn,) = (await clerk.get("/api/inbox")).json()["turns"]
    shown = turn["calls"][0]["arguments"]
    assert "Quixotrope9" not in str(shown)
    other = '{"euros": 5, "note": "' + shown["note"] + '"}'
    assert (await decided(clerk, "trip", call_id="call_1", action="edit", arguments=other)).status_code == 400
    same = '{"euros": 9, "note": "' + shown["note"] + '"}'
    assert (await decided(clerk, "trip", call_id="call_1", action="edit", arguments=same)).status_code == 200
    pending = await agent.pending_turn("trip")
    assert pending is not None
    decision = pending.calls[0].decision
    assert decision is not None
    assert decision.kind == "approved"


async def test_the_outcome_of_a_lost_tool_is_given_by_a_person(desk: MemoryStorage, clerk: httpx2.AsyncClient) -> None:
    hanging = Hanging()
    client = ScriptedChatClient([call("hang", {"what": "x"})])
    agent = client.create_agent(storage=desk, tools=hanging.hang, durability="steps")
    run = asyncio.create_task(agent.run("Go.", thread="trip"))
    await hanging.is_running.wait()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    (turn,) = (await clerk.get("/api/inbox")).json()["turns"]
    assert turn["calls"][0]["waits_for"] == "outcome"
    assert "outcome not known" in (await clerk.get("/inbox")).text
    answer = await decided(clerk, "trip", call_id="call_1", action="outcome", outcome='{"rows": 3}')
    assert answer.status_code == 200
    assert await results(desk, "trip") == [{"rows": 3}]


async def test_the_agent_of_the_studio_goes_on_when_everything_is_decided(desk: MemoryStorage) -> None:
    await ask(desk, "trip", "c1", "c2")
    settings = settings_of(desk, allow_changes=True, acting_as="eva", agent=cashier(desk, "It is paid."))
    async with studio_client(settings) as client:
        assert (await decided(client, "trip", call_id="c1", action="approve")).json()["done"] == "decided"
        wrong = await decided(client, "trip", call_id="c2", action="edit", arguments='{"euros": "many"}')
        assert wrong.status_code == 400
        assert (await decided(client, "trip", call_id="c2", action="refuse")).json() == {
            "href": "/threads/trip",
            "done": "resumed",
        }
        assert PAID == [9]
        head = await desk.head("trip")
        assert head is not None
        assert head.turns == 1


async def test_an_unfinished_turn_is_dropped_or_resumed_from_its_page(desk: MemoryStorage) -> None:
    await ask(desk, "trip", "c1")
    await ask(desk, "car", "c2")
    agent = cashier(desk, "It is paid.")
    async with studio_client(settings_of(desk, allow_changes=True, agent=agent)) as client:
        page = (await client.get("/api/threads/trip/drop")).json()
        held = {one["name"]: one["held_id"] for one in page["hidden"]}
        assert (await client.post("/api/threads/trip/drop", json=held)).json()["done"] == "dropped"
        assert (await client.post("/api/threads/trip/drop", json=held)).status_code == 409
        await agent.decide("car", {"c2": True})
        page = (await client.get("/api/threads/car/resume")).json()
        assert page["said"] == [{"role": "user", "text": "Pay the bill.", "href": None}]
        held = {one["name"]: one["held_id"] for one in page["hidden"]}
        assert (await client.post("/api/threads/car/resume", json=held | {"turn_id": "other"})).status_code == 409
        assert (await client.post("/api/threads/car/resume", json=held)).json()["done"] == "resumed"
        assert (await client.get("/api/threads/car/resume")).status_code == 409
    assert PAID == [9]


async def test_a_read_only_studio_shows_the_inbox_and_decides_nothing(desk: MemoryStorage) -> None:
    await ask(desk, "trip", "c1")
    async with studio_client(settings_of(desk)) as client:
        page = await client.get("/inbox")
        assert "--allow-changes" in page.text
        assert "<textarea" not in page.text
        assert (await decided(client, "trip", call_id="c1", action="approve")).status_code == 403
        (turn,) = (await client.get("/api/inbox")).json()["turns"]
        assert turn["calls"][0]["decision"] is None


async def test_a_studio_of_one_user_decides_only_about_calls_of_this_user(desk: MemoryStorage) -> None:
    await ask(desk, "trip", "c1", user="ana")
    await ask(desk, "car", "c2", user="ben")
    async with studio_client(settings_of(desk, allow_changes=True, user_id="ana")) as client:
        assert [one["thread_id"] for one in (await client.get("/api/inbox")).json()["turns"]] == ["trip"]
        assert (await client.get("/api/inbox?user=ben")).status_code == 404
        assert (await decided(client, "car", call_id="c2", action="approve")).status_code == 404
        assert (await decided(client, "trip", call_id="c1", action="approve")).status_code == 200


async def test_sealed_turns_are_counted(desk: MemoryStorage, clerk: httpx2.AsyncClient) -> None:
    await ask(EncryptedStorage(desk, KeyRing({"k": b"0" * 32}, current="k")), "trip", "c1")
    page = (await clerk.get("/api/inbox")).json()
    assert (page["turns"], page["sealed"]) == ([], 1)
    assert "1 unfinished turn is encrypted" in (await clerk.get("/inbox")).text
    assert (await decided(clerk, "trip", call_id="c1", action="approve")).status_code == 400


async def test_hidden_characters_in_arguments_are_seen_and_come_back(
    desk: MemoryStorage, clerk: httpx2.AsyncClient
) -> None:
    arguments: dict[str, object] = {"euros": 9, "to": "a\u202eb\x1b\U000e0041\u200b"}
    await cashier(desk, call("pay", arguments)).run("Pay.", thread="trip")
    page = (await clerk.get("/inbox")).text
    (shown,) = re.findall(r'<textarea name="arguments"[^>]*>([^<]*)</textarea>', page)
    assert shown.isascii()
    assert "\x1b" not in shown
    written = html.unescape(shown).replace("9", "5", 1)
    assert (await decided(clerk, "trip", call_id="call_1", action="edit", arguments=written)).status_code == 200
    (turn,) = (await clerk.get("/api/inbox")).json()["turns"]
    assert turn["calls"][0]["new_arguments"] == arguments | {"euros": 5}
