"""The page of what the model saw: what is sent, what is not and why, with an agent and without one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from recuerda import (
    Agent,
    ChatMessage,
    Context,
    ContextWindow,
    FunctionResultContent,
    MemoryStorage,
    NewTurn,
    Storage,
)
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.file import FileStorage
from recuerda.studio.seen.seeing import MOST_MESSAGES
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.agent.recording import Recorder
from tests.studio.client import settings_of, studio_client
from tests.studio.seeded import seed


def look_up(page: int) -> str:
    """Look up a page."""
    return f"page {page} " + "text " * 200


@pytest.fixture
async def model() -> ScriptedChatClient:
    return ScriptedChatClient(default="ok")


@pytest.fixture
async def agent(model: ScriptedChatClient) -> Agent:
    """An agent whose thread `long` has 41 turns; the last one calls a tool twice."""
    agent = model.create_agent(
        "Guide",
        "Be kind.",
        storage=MemoryStorage(),
        window=ContextWindow(max_messages=8),
        tools=look_up,
        context_providers=Recorder(context=Context(messages=[ChatMessage("user", "memory of tea")])),
    )
    for number in range(40):
        await agent.run(f"question {number}", thread="long")
    model.answers.extend([call("look_up", {"page": 1}), call("look_up", {"page": 2}), "done"])
    await agent.run("look twice", thread="long")
    return agent


@pytest.fixture
async def client(agent: Agent) -> AsyncIterator[httpx2.AsyncClient]:
    async with studio_client(settings_of(agent.storage, agent=agent)) as client:
        yield client


async def data(client: httpx2.AsyncClient, path: str, **query: str) -> Any:
    answer = await client.get(f"/api{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_page_shows_the_request_of_the_agent_and_asks_no_model(
    client: httpx2.AsyncClient, model: ScriptedChatClient, agent: Agent
) -> None:
    asked = len(model.requests)
    page = await data(client, "/threads/long/seen", q="and now?")
    assert len(model.requests) == asked
    await agent.run("and now?", thread="long")
    request = model.requests[-1]
    sent = [message for turn in page["turns"] if turn["left_out"] is None for message in turn["messages"]]
    added = [message for provider in page["providers"] for message in provider["messages"]]
    shown = [*sent, *added, *page["input"]]
    assert [message["role"] for message in shown] == [message.role for message in request.messages]
    assert page["chosen"]["messages"] == len(sent)
    assert (page["instructions"], page["tools"], page["has_agent"]) == ("Be kind.", ["look_up"], True)
    assert {part["part"]: part["tokens"] for part in page["parts"]}["tools"] > 0


async def test_each_turn_that_is_not_sent_has_a_reason(client: httpx2.AsyncClient) -> None:
    page = await data(client, "/threads/long/seen")
    reasons = {turn["left_out"] for turn in page["turns"]}
    assert reasons == {None, "step", "message_limit"}
    html = (await client.get("/threads/long/seen")).text
    assert "too many messages" in html
    assert "demasiados mensajes" in (await client.get("/threads/long/seen?lang=es")).text


async def test_a_past_turn_shows_each_of_its_requests(client: httpx2.AsyncClient) -> None:
    for request, roles in ((1, ["user"]), (3, ["user", "assistant", "tool", "assistant", "tool"])):
        page = await data(client, "/threads/long/turns/41/seen", request=str(request))
        assert (page["number"], page["requests"]) == (41, 3)
        assert [message["role"] for message in page["input"]] == roles
    assert not page["providers"][0]["is_known"]
    html = (await client.get("/threads/long/turns/41/seen?request=2")).text
    assert "cannot tell what it added" in html
    answer = await client.get("/api/threads/long/turns/41/seen?request=4")
    assert answer.status_code == 400
    assert "has the requests 1 to 3" in answer.json()["error"]["message"]


async def test_another_window_shows_the_difference(client: httpx2.AsyncClient) -> None:
    page = await data(client, "/threads/long/seen", max_messages="16", keep_results="1", keep_files="all")
    assert page["chosen"]["messages"] > page["other"]["messages"]
    assert "more" in {turn["difference"] for turn in page["turns"]}
    smaller = await data(client, "/threads/long/turns/41/seen", max_messages="2")
    assert "less" in {turn["difference"] for turn in smaller["turns"]}
    html = await client.get("/threads/long/seen?max_tokens=200")
    assert (html.status_code, "Without this window" in html.text) == (200, True)
    changed = {change for turn in smaller["turns"] for one in turn["messages"] for change in one["changes"]}
    assert changed == set()
    for wrong in ("max_messages=x", "max_tokens=0", "reserve_tokens=5"):
        assert (await client.get(f"/api/threads/long/seen?{wrong}")).status_code == 400, wrong


async def test_a_shortened_result_is_shown_beside_the_whole_one(client: httpx2.AsyncClient) -> None:
    page = await data(client, "/threads/long/seen", max_tokens="300")
    shortened = [one for turn in page["turns"] for one in turn["messages"] if one["changes"]]
    assert {change for one in shortened for change in one["changes"]} == {"result_shortened"}
    assert all(one["sent_text"] != one["text"] for one in shortened)


async def test_without_an_agent_a_window_alone_is_explained(agent: Agent) -> None:
    async with studio_client(settings_of(agent.storage)) as client:
        page = await data(client, "/threads/long/seen", max_messages="4")
        assert (page["has_agent"], page["instructions"], page["providers"]) == (False, None, [])
        assert page["chosen"]["messages"] <= page["other"]["messages"]
        (earlier,) = page["earlier"]
        assert (earlier["first"], earlier["left_out"]) == (1, "message_limit")
        assert earlier["last"] + 1 == page["turns"][0]["number"]
        assert "The studio has no agent" in (await client.get("/threads/long/turns/3/seen")).text


async def test_a_window_that_sends_thousands_of_messages_is_not_planned() -> None:
    storage = MemoryStorage()
    body = b'{"messages":[{"role":"user","content":"hi"}]}'
    await storage.append_all("long", [NewTurn(body=body, message_count=1) for _ in range(MOST_MESSAGES + 1)])
    async with studio_client(settings_of(storage)) as client:
        for path, problem in (
            ("/threads/long/seen", "too_long"),
            ("/threads/long/seen?max_messages=50", None),
            ("/threads/long/turns/30/seen", None),
            (f"/threads/long/turns/{MOST_MESSAGES + 1}/seen?max_tokens=9999999", "too_long"),
        ):
            assert (await client.get(f"/api{path}")).json()["problem"] == problem, path
        assert "Choose a smaller one" in (await client.get("/threads/long/seen")).text
        assert "max_tokens" in (await client.get("/threads/long/seen")).text


async def test_hostile_words_are_shown_and_never_run() -> None:
    storage = MemoryStorage()
    evil = "<script>alert(1)</script>\u202e{{7*7}}\x1b[31m"
    agent = ScriptedChatClient(default=evil).create_agent(evil, storage=storage)
    await agent.run(ChatMessage("user", evil, author_name=evil), thread="t")
    recalling = ScriptedChatClient().create_agent(
        storage=storage,
        instructions=evil,
        context_providers=Recorder(name=evil, context=Context(instructions=evil, messages=[ChatMessage("user", evil)])),
    )
    async with studio_client(settings_of(storage, agent=recalling)) as client:
        for path in ("/threads/t/seen", "/threads/t/turns/1/seen"):
            html = (await client.get(path, params={"q": evil[:25]} if path.endswith("t/seen") else {})).text
            assert "<script>alert" not in html
            assert "\u202e" not in html
            assert "\x1b" not in html


async def test_sealed_and_damaged_turns_are_said_to_be_so(tmp_path: Path) -> None:
    ring = KeyRing({"one": bytes(range(32))}, current="one")
    async with EncryptedStorage(FileStorage(tmp_path / "sealed"), ring) as storage:
        await seed(storage)
        assert (await seen(storage, "rich-2"))["problem"] is None
        assert "cannot be read" in (await seen(storage, "rich"))["problem"]
    async with EncryptedStorage(
        FileStorage(tmp_path / "sealed"), KeyRing({"two": bytes(32)}, current="two")
    ) as storage:
        assert (await seen(storage, "rich-2"))["problem"] == "sealed"
    async with FileStorage(tmp_path / "sealed") as storage:
        assert (await seen(storage, "rich-2"))["problem"] == "sealed"


async def seen(storage: Storage, thread_id: str) -> Any:
    async with studio_client(settings_of(storage)) as client:
        assert (await client.get(f"/threads/{thread_id}/seen")).status_code == 200
        return await data(client, f"/threads/{thread_id}/seen")


async def test_files_and_calls_are_told_in_a_line() -> None:
    storage = MemoryStorage()
    await seed(storage)
    page = await seen(storage, "rich-2")
    told = [message["text"] for turn in page["turns"] for message in turn["messages"]]
    assert any("image label.png" in text for text in told)
    assert any('track({"parcel":7})' in text for text in told)
    assert any(text.startswith("→ ") for text in told)
    assert FunctionResultContent.__name__ not in str(told)


async def test_a_thread_or_turn_that_is_not_there_is_said_to_be_missing(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/threads/none/seen")).status_code == 404
    assert (await client.get("/threads/long/turns/99/seen")).status_code in (400, 404)
