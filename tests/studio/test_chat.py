"""The chat pane: the agent's answers, its calls and its failures, as they happen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from recuerda import Agent, ChatMessage, ChatMessageStore, ChatRequest, FunctionTool, MemoryStorage
from recuerda.agent import ChatUpdate
from recuerda.errors import ChatClientError, ConfigurationError
from recuerda.studio import create_studio
from recuerda.studio.agents import load_agent
from recuerda.studio.chat.telling import GrowingText
from recuerda.studio.redaction import Redaction
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.studio.client import TOKEN, settings_of, signed_in, studio_client


def look(what: str) -> str:
    """Look."""
    return f"saw {what}"


def pay(euros: int) -> str:
    """Pay."""
    return f"{euros} paid"


def clerk(storage: MemoryStorage, *answers: Any) -> Agent:
    tools = [FunctionTool.of(look), FunctionTool.of(pay, needs_approval=True)]
    return ScriptedChatClient(list(answers)).create_agent("Clerk", storage=storage, tools=tools)


@pytest.fixture
def desk() -> MemoryStorage:
    return MemoryStorage()


def events(answer: httpx2.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


async def texts(storage: MemoryStorage, thread_id: str) -> list[str]:
    return [one.text for one in await ChatMessageStore(storage=storage, thread_id=thread_id).list_messages()]


async def test_an_answer_comes_as_it_is_made_with_its_calls_and_leads_to_the_messages_of_the_model(
    desk: MemoryStorage,
) -> None:
    agent = clerk(desk, call("look", {"what": "sea"}), "I saw the sea.")
    async with studio_client(settings_of(desk, agent=agent)) as client:
        told = events(await client.post("/api/chat/studio-1/stream", json={"message": "Look!"}))
        assert [one["kind"] for one in told] == ["call", "result", "text", "text", "text", "text", "committed"]
        assert told[0] | {"kind": "call"} == {
            "kind": "call",
            "call_id": "call_1",
            "name": "look",
            "arguments": {"what": "sea"},
        }
        assert told[1]["result"] == "saw sea"
        assert "".join(one["text"] for one in told if one["kind"] == "text") == "I saw the sea."
        assert (told[-1]["href"], told[-1]["seen_href"]) == (
            "/threads/studio-1/turns/1",
            "/threads/studio-1/turns/1/seen",
        )
        page = await client.get("/chat/studio-1")
        assert "I saw the sea." in page.text
        assert 'href="/threads/studio-1/turns/1/seen"' in page.text
        assert "studio-1" in (await client.get("/chat")).text


async def test_a_chat_works_without_a_script(desk: MemoryStorage) -> None:
    async with studio_client(settings_of(desk, agent=clerk(desk, "Hello!")), has_token=False) as client:
        csrf = await signed_in(client)
        href = (await client.get("/api/chat")).json()["new_href"]
        assert href.startswith("/chat/studio-")
        page = await client.get(href)
        assert (page.status_code, "Say something to Clerk." in page.text) == (200, True)
        assert (await client.post(f"{href}/send", data={"message": "Hi"})).status_code == 403
        answer = await client.post(f"{href}/send", data={"message": "Hi", "csrf": csrf})
        assert (answer.status_code, answer.headers["location"]) == (303, href)
        assert "Hello!" in (await client.get(href)).text


async def test_a_call_that_waits_is_allowed_or_refused_in_the_chat(desk: MemoryStorage) -> None:
    agent = clerk(desk, call("pay", {"euros": 9}), "Paid.", call("pay", {"euros": 7}), "Not paid.")
    async with studio_client(settings_of(desk, agent=agent, acting_as="eva")) as client:
        told = events(await client.post("/api/chat/studio-1/stream", json={"message": "Pay."}))
        assert [one["kind"] for one in told] == ["call", "approval"]
        page = await client.get("/chat/studio-1")
        assert 'action="/chat/studio-1/decide"' in page.text
        blocked = events(await client.post("/api/chat/studio-1/stream", json={"message": "And?"}))
        assert [one["kind"] for one in blocked] == ["failed"]
        fields = {"call_id": "call_1", "action": "approve"}
        told = events(await client.post("/api/chat/studio-1/decide-stream", json=fields))
        assert [one["kind"] for one in told] == ["result", "text", "committed"]
        assert told[0]["result"] == "9 paid"
        await client.post("/api/chat/studio-2/send", json={"message": "Pay."})
        fields = {"call_id": "call_1", "action": "refuse", "reason": "no money"}
        assert (await client.post("/api/chat/studio-2/decide", json=fields)).json()["done"] == "decided"
        assert (await texts(desk, "studio-2"))[-1] == "Not paid."
        messages = await ChatMessageStore(storage=desk, thread_id="studio-2").list_messages()
        note = (messages[1].function_calls[0].additional_properties or {})["approval"]
        assert (note["by"], note["reason"]) == ("eva", "no money")


async def test_a_decision_about_one_of_two_calls_does_not_go_on(desk: MemoryStorage) -> None:
    two = [part for name in ("c1", "c2") for part in call("pay", {"euros": 9}, call_id=name).contents]
    agent = clerk(desk, ChatMessage("assistant", two), "Both.")
    async with studio_client(settings_of(desk, agent=agent)) as client:
        await client.post("/api/chat/studio-1/send", json={"message": "Pay."})
        for name, kinds in (("c1", ["decided"]), ("c2", ["result", "result", "text", "committed"])):
            fields = {"call_id": name, "action": "approve"}
            told = events(await client.post("/api/chat/studio-1/decide-stream", json=fields))
            assert [one["kind"] for one in told] == kinds


async def test_a_run_that_fails_says_why_without_a_secret(desk: MemoryStorage) -> None:
    known, unknown = ChatClientError("the key password=Quixotrope9 was refused"), RuntimeError("Quixotrope")
    agent = clerk(desk, known, unknown)
    async with studio_client(settings_of(desk, agent=agent)) as client:
        for words in ("was refused", "RuntimeError"):
            (told,) = events(await client.post("/api/chat/studio-1/stream", json={"message": "Hi"}))
            assert told["kind"] == "failed"
            assert words in told["text"]
            assert "Quixotrope" not in told["text"]
    assert await desk.head("studio-1") is None


async def test_the_answer_so_far_stays_when_the_reader_stops(desk: MemoryStorage) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedChatClient):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
            async for update in super().stream(request):
                yield update
                begun.set()
                await ended.wait()

    agent = Slow(["One two three."]).create_agent("Clerk", storage=desk)
    app = create_studio(settings_of(desk, agent=agent))
    body = json.dumps({"message": "Count."}).encode()
    sent: list[Any] = []

    async def receive() -> Any:
        if not sent:
            sent.append(None)
            return {"type": "http.request", "body": body, "more_body": False}
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/chat/studio-1/stream",
        "raw_path": b"/api/chat/studio-1/stream",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8788"), (b"authorization", f"Bearer {TOKEN}".encode())],
        "server": ("127.0.0.1", 8788),
        "client": ("127.0.0.1", 1),
    }
    async with app.router.lifespan_context(app):
        await app(scope, receive, send)
    (turn,) = await ChatMessageStore(storage=desk, thread_id="studio-1").list_turns()
    assert turn.turn.is_interrupted
    assert [message.text for message in turn.messages] == ["Count.", "One"]


async def test_a_read_only_studio_talks_only_in_threads_that_were_begun_in_a_studio(desk: MemoryStorage) -> None:
    await ChatMessageStore(storage=desk, thread_id="bill").add_messages([ChatMessage("user", "mine")])
    agent = clerk(desk, "Hello!", "Hello again!")
    async with studio_client(settings_of(desk, agent=agent)) as client:
        for path in ("/api/chat/bill/send", "/api/chat/bill/stream", "/api/chat/bill/decide", "/api/chat/odd/send"):
            assert (await client.post(path, json={"message": "Hi"})).status_code == 403, path
        assert (await client.get("/chat/bill")).status_code == 403
        named = await client.post("/api/chat/studio-1/send", json={"message": "Hi", "user": "ana"})
        assert named.status_code == 403
        assert (await client.get("/api/chat")).json()["chats"] == []
    assert await texts(desk, "bill") == ["mine"]
    async with studio_client(settings_of(desk, agent=agent, allow_changes=True)) as client:
        assert (await client.post("/api/chat/bill/send", json={"message": "Hi"})).status_code == 200
        assert (await client.post("/api/chat/new/send", json={"message": "Hi", "user": "ana"})).status_code == 200
        assert [one["id"] for one in (await client.get("/api/chat")).json()["chats"]] == ["new", "bill"]
    head = await desk.head("new")
    assert head is not None
    assert head.user_id == "ana"


async def test_a_read_only_studio_says_nothing_in_a_users_chat(desk: MemoryStorage) -> None:
    agent = clerk(desk, "Hello!", call("pay", {"euros": 5}))
    async with studio_client(settings_of(desk, agent=agent, allow_changes=True)) as client:
        for _ in range(2):
            assert (await client.post("/api/chat/studio-1/send", json={"message": "Hi", "user": "ana"})).is_success
    before = await desk.head("studio-1"), await desk.load_draft("studio-1")
    async with studio_client(settings_of(desk, agent=agent)) as client:
        for path in ("send", "stream", "decide", "decide-stream"):
            decision = {"message": "Hi", "action": "approve", "call_id": "call_1"}
            assert (await client.post(f"/api/chat/studio-1/{path}", json=decision)).status_code == 403, path
    assert (await desk.head("studio-1"), await desk.load_draft("studio-1")) == before


async def test_a_studio_of_one_user_talks_as_this_user(desk: MemoryStorage) -> None:
    await ChatMessageStore(storage=desk, thread_id="studio-b", user_id="ben").add_messages([ChatMessage("user", "b")])
    agent = clerk(desk, "Hello!")
    async with studio_client(settings_of(desk, agent=agent, user_id="ana", allow_changes=True)) as client:
        assert (await client.post("/api/chat/studio-b/send", json={"message": "Hi"})).status_code == 404
        assert (await client.post("/api/chat/studio-1/send", json={"message": "Hi", "user": "ben"})).status_code == 404
        assert (await client.post("/api/chat/studio-1/send", json={"message": "Hi"})).status_code == 200
    head = await desk.head("studio-1")
    assert head is not None
    assert head.user_id == "ana"


async def test_a_studio_without_an_agent_has_no_chat(desk: MemoryStorage) -> None:
    async with studio_client(settings_of(desk, allow_changes=True)) as client:
        assert (await client.get("/chat")).status_code == 404
        assert (await client.post("/api/chat/studio-1/send", json={"message": "Hi"})).status_code == 404
        assert 'href="/chat"' not in (await client.get("/threads")).text


def test_a_secret_in_fragments_is_hidden_in_every_state_of_the_text() -> None:
    secret = "sk-" + "a1B2" * 8
    text = f"The key {secret} and Bearer {secret} are mine. " * 40
    for size in (3, 64):
        growing, shown = GrowingText(Redaction()), ""
        states: list[str] = []
        for start in range(0, len(text), size):
            new, is_whole = growing.add(text[start : start + size])
            shown = new if is_whole else shown + new
            states.append(shown)
        new, is_whole = growing.end()
        shown = new if is_whole else shown + new
        assert shown == Redaction().text(text), size
        assert not any(secret[:12] in state for state in states), size


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "chat_tests_app.py").write_text(
        "from recuerda.testing import ScriptedChatClient\n"
        "clerk = ScriptedChatClient([]).create_agent('Clerk')\n"
        "class agents:\n    made = staticmethod(lambda: clerk)\n"
        "async def slow(): return clerk\n"
        "def broken(): raise RuntimeError('no key')\n"
        "def number(): return 7\n"
        "text = 'no agent'\n"
    )
    (tmp_path / "chat_tests_needs.py").write_text("import chat_tests_missing\n")
    (tmp_path / "chat_tests_odd.py").write_text("raise ValueError('no settings')\n")
    yield tmp_path
    for name in ("chat_tests_app", "chat_tests_needs", "chat_tests_odd"):
        __import__("sys").modules.pop(name, None)


def test_an_agent_is_found_by_its_import_path_and_each_mistake_is_told(folder: Path) -> None:
    for path in ("chat_tests_app:clerk", "chat_tests_app:agents.made"):
        assert load_agent(path, folder=folder).name == "Clerk"
    for path, told in (
        ("app", "write the module and the name in it"),
        ("chat_tests_nowhere:agent", "there is no module 'chat_tests_nowhere'"),
        ("chat_tests_needs:agent", "needs the module 'chat_tests_missing'"),
        ("chat_tests_odd:agent", "it failed with ValueError: no settings"),
        ("chat_tests_app:agent", "has no 'agent': its agents are clerk"),
        ("chat_tests_app:agents.other", "has no 'agents.other'"),
        ("chat_tests_app:text", "is an object of type str"),
        ("chat_tests_app:slow", "is asynchronous"),
        ("chat_tests_app:broken", "it failed with RuntimeError: no key"),
        ("chat_tests_app:number", "returned an object of type int"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            load_agent(path, folder=folder)
