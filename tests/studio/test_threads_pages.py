"""The pages of a thread: turns, files, forks, comparisons, long threads and sealed ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    FunctionCallContent,
    FunctionResultContent,
    MemoryStorage,
    NewTurn,
    Storage,
    Turn,
)
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.file import FileStorage
from recuerda.messages import TurnRuns
from recuerda.sqlite import SQLiteStorage
from recuerda.storage import ReadQuery, ThreadSlice
from recuerda.studio.redaction import Redaction
from tests.studio.client import every_page, settings_of, studio_client
from tests.studio.seeded import PNG, SVG, seed


@pytest.fixture
async def rich() -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a studio with one of everything."""
    storage = MemoryStorage()
    await seed(storage)
    async with studio_client(settings_of(storage)) as client:
        yield client


async def data(client: httpx2.AsyncClient, path: str) -> Any:
    answer = await client.get(f"/api{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_thread_shows_its_turns_with_calls_beside_their_results(rich: httpx2.AsyncClient) -> None:
    page = await data(rich, "/threads/rich")
    assert [(entry["kind"], entry["state"]) for entry in page["entries"]] == [
        ("turn", ""),
        ("turn", ""),
        ("turn", "failed"),
        ("summary", ""),
        ("turn", "damaged"),
        ("undo", ""),
    ]
    first = page["entries"][0]
    assert [message["role"] for message in first["messages"]] == ["user", "assistant", "assistant"]
    reasoning, done, failed = first["messages"][1]["parts"]
    assert reasoning == {"kind": "reasoning", "text": "The tracker knows."}
    assert (done["arguments"], done["result"], done["state"]) == ({"parcel": 7}, {"place": "Fez"}, "done")
    assert (failed["result"], failed["state"]) == ("no such parcel", "error")
    assert first["usage"]["total_tokens"] == 15
    assert page["summary"]["text"] == "A parcel is in Fez."
    assert page["summary"]["target"] == 2
    assert [fork["id"] for fork in page["forks"]] == ["rich-2"]


async def test_an_unfinished_turn_shows_its_steps_and_the_calls_that_wait(rich: httpx2.AsyncClient) -> None:
    draft = (await data(rich, "/threads/rich"))["draft"]
    assert draft["state"] == "waiting"
    assert [step["kinds"] for step in draft["steps"]] == [["input"], ["answer"]]
    assert [(call["name"], call["waits_for"]) for call in draft["calls"]] == [("pay", "approval")]
    assert draft["messages"][1]["parts"][0]["state"] == "waiting"
    listed = await data(rich, "/threads?state=waiting")
    assert [thread["id"] for thread in listed["threads"]] == ["rich"]
    damaged = await data(rich, "/threads?state=damaged")
    assert [(thread["id"], thread["damaged"]) for thread in damaged["threads"]] == [("rich", 1)]


async def test_each_page_of_a_thread_is_shown_in_both_languages(rich: httpx2.AsyncClient) -> None:
    for path in (
        "/threads",
        "/threads/rich",
        "/threads/rich?before=3",
        "/threads/rich?part=turns",
        "/threads/rich/turns/1",
        "/threads/rich/turns/1?whole=1",
        "/threads/rich/turns/5",
        "/threads/rich/branches",
        "/threads/rich/compare/rich-2",
        "/threads/rich/compare/rich",
    ):
        for language in ("en", "es"):
            answer = await rich.get(path, params={"lang": language, **httpx2.QueryParams(path.partition("?")[2])})
            assert answer.status_code == 200, (path, language)
            assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_a_picture_is_shown_and_every_other_file_is_a_download(rich: httpx2.AsyncClient) -> None:
    picture = await rich.get("/threads/rich/turns/1/files/0")
    assert (picture.headers["content-type"], picture.content) == ("image/png", PNG * 50)
    assert "sandbox" in picture.headers["content-security-policy"]
    svg = await rich.get("/threads/rich/turns/3/files/0")
    assert (svg.headers["content-type"], svg.content) == ("application/octet-stream", SVG)
    assert svg.headers["content-disposition"] == "attachment; filename=\"logo.svg\"; filename*=UTF-8''logo.svg"
    assert "sandbox" in svg.headers["content-security-policy"]
    for missing in ("/threads/rich/turns/1/files/1", "/threads/rich/turns/2/files/0", "/threads/rich/turns/9/files/0"):
        assert (await rich.get(missing)).status_code == 404


async def test_a_comparison_begins_behind_the_turns_that_both_threads_have(rich: httpx2.AsyncClient) -> None:
    for path, sides in (("rich/compare/rich-2", ("left", "right")), ("rich-2/compare/rich", ("right", "left"))):
        page = await data(rich, f"/threads/{path}")
        assert page["shared"] == 2
        assert page["last_shared"]["number"] == 2
        assert not page["is_cut"]
        numbers = {side: [pair[side] and pair[side]["number"] for pair in page["pairs"]] for side in sides}
        assert numbers[sides[0]] == [3, 5]
        assert numbers[sides[1]] == [3, None]
    same = await data(rich, "/threads/rich/compare/rich")
    assert (same["shared"], same["pairs"]) == (4, [])


async def test_the_tree_of_forks_is_the_same_from_each_of_its_threads(rich: httpx2.AsyncClient) -> None:
    for thread_id in ("rich", "rich-2"):
        page = await data(rich, f"/threads/{thread_id}/branches")
        shown = [(one["thread"]["id"], one["depth"], one["at_turn"], one["is_this"]) for one in page["branches"]]
        assert shown == [("rich", 0, 0, thread_id == "rich"), ("rich-2", 1, 2, thread_id == "rich-2")]


async def test_a_turn_or_thread_that_is_not_there_is_said_to_be_missing(rich: httpx2.AsyncClient) -> None:
    for path in ("/threads/none", "/threads/rich/turns/99", "/threads/rich/turns/6", "/threads/rich/compare/none"):
        answer = await rich.get(f"/api{path}")
        assert answer.status_code == 404, path
        assert answer.json()["error"]["kind"] == "not_found"
    assert (await rich.get("/api/threads/rich?before=x")).status_code == 400


async def test_a_long_thread_is_read_page_by_page_at_the_same_number_of_reads() -> None:
    class Counting(MemoryStorage):
        reads = 0

        async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
            Counting.reads += 1
            return await super()._read(thread_id, query)

    storage = Counting()
    body = b'{"messages":[{"role":"user","content":"hi"}]}'
    await storage.append_all("long", [NewTurn(body=body, message_count=1) for _ in range(300)])
    async with studio_client(settings_of(storage)) as client:
        numbers: list[int] = []
        href: str | None = "/threads/long"
        while href is not None:
            Counting.reads = 0
            page = await data(client, href)
            assert Counting.reads == 1
            numbers = [entry["number"] for entry in page["entries"]] + numbers
            href = page["before_href"]
        assert numbers == list(range(1, 301))
        await ChatMessageStore(storage=storage, thread_id="long").fork(through=100, thread_id="fork")
        compared = await data(client, "/threads/long/compare/fork")
        assert (compared["shared"], len(compared["pairs"]), compared["is_cut"]) == (100, 59, True)
        first = await client.get("/threads/long?before=31")
        assert first.text.count('class="turn"') == 30
        assert '<a data-more="before">' in first.text  # it leads nowhere


async def test_a_long_thread_is_read_forwards_from_any_of_its_turns() -> None:
    storage = MemoryStorage()
    body = b'{"messages":[{"role":"user","content":"hi"}]}'
    await storage.append_all("long", [NewTurn(body=body, message_count=1) for _ in range(200)])
    store = ChatMessageStore(storage=storage, thread_id="long")
    await store.trim(keep_turns=180)  # record 201; the thread begins with turn 21
    for _ in range(70):
        await store.undo()  # records 202 to 271; the turns 131 to 200 are gone
    await storage.append("long", NewTurn(body=body, message_count=1))
    async with studio_client(settings_of(storage)) as client:
        numbers: list[int] = []
        href: str | None = "/threads/long?from=1"
        while href is not None:
            page = await data(client, href)
            assert len(page["entries"]) <= 30
            numbers += [entry["number"] for entry in page["entries"]]
            href = page["after_href"]
        assert numbers == [*range(21, 131), *range(201, 273)]
        for path, first in (("from=5", 21), ("from=22", 22), ("from=140", 201), ("from=273", 102), ("from=9999", 102)):
            page = await data(client, f"/threads/long?{path}")
            assert (path, page["entries"][0]["number"]) == (path, first)
            assert (page["before_href"] is None) == (first == 21)
        place = (await data(client, "/threads/long/turns/50"))["place_href"]
        assert place == "/threads/long?from=50#turn-50"
        assert 'id="turn-50"' in (await client.get(place)).text
        assert (await client.get("/api/threads/none?from=3")).status_code == 404


async def test_a_long_thread_that_is_sealed_is_read_forwards_too(tmp_path: Path) -> None:
    body = b'{"messages":[{"role":"user","content":"hi"}]}'
    path = tmp_path / "sealed.db"
    async with EncryptedStorage(SQLiteStorage(path), KeyRing({"one": bytes(32)}, current="one")) as storage:
        await storage.append_all("long", [NewTurn(body=body, message_count=1) for _ in range(70)])
    other = KeyRing({"two": bytes(range(32))}, current="two")
    async with EncryptedStorage(SQLiteStorage(path), other) as storage, studio_client(settings_of(storage)) as client:
        page = await data(client, "/threads/long?from=11")
        assert [(entry["number"], entry["state"]) for entry in page["entries"]] == [
            (n, "sealed") for n in range(11, 41)
        ]
        assert (page["before_href"], page["after_href"]) == ("/threads/long?before=11", "/threads/long?from=41")


async def test_encrypted_threads_are_shown_with_the_key_and_are_sealed_without(tmp_path: Path) -> None:
    key, other = bytes(range(32)), bytes(32)
    for make in (lambda: SQLiteStorage(tmp_path / "sealed.db"), lambda: FileStorage(tmp_path / "sealed")):
        async with EncryptedStorage(make(), KeyRing({"one": key}, current="one")) as storage:
            await seed(storage)
            async with studio_client(settings_of(storage)) as client:
                assert "It is in Fez." in (await client.get("/threads/rich")).text
        async with EncryptedStorage(make(), KeyRing({"two": other}, current="two")) as storage:
            await check_sealed(storage)
        async with make() as storage:
            await check_sealed(storage)


async def check_sealed(storage: Storage) -> None:
    async with studio_client(settings_of(storage)) as client:
        for path in ("/threads", "/threads/rich", "/threads/rich/turns/1", "/threads/rich-2/branches"):
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert "Fez" not in answer.text
        page = await data(client, "/threads/rich")
        assert {entry["state"] for entry in page["entries"] if entry["kind"] == "turn"} == {"sealed"}
        turn = await data(client, "/threads/rich/turns/1")
        assert turn["entry"]["state"] == "sealed"


async def test_a_text_of_5_mb_is_cut_until_it_is_asked_for() -> None:
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="long")
    await store.append(Turn(messages=(ChatMessage("user", "a " * 20_000 + "the end"),)))
    await store.append(Turn(messages=(ChatMessage("user", "a " * 2_500_000 + "the end"),)))
    async with studio_client(settings_of(storage)) as client:
        page = await client.get("/threads/long")
        assert len(page.content) < 80_000
        assert "whole=1" in (await client.get("/threads/long/turns/1")).text
        assert "the end" not in page.text
        assert 'href="/threads/long/turns/1?whole=1"' in page.text
        assert "the end" in (await client.get("/threads/long/turns/1?whole=1")).text


async def test_a_secret_is_hidden_in_the_page_and_in_its_json() -> None:
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="secrets", user_id="ana")
    secrets = (
        "sk-proj-abcdefghijklmnop1234",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "hunter2hunter2",
        "4111 1111 1111 1111",
        "MIIEvQIBADANBg",
        "order-77-88",
    )
    text = (
        f"key {secrets[0]} {secrets[1]} token {secrets[2]} postgresql://me:{secrets[3]}@db/app card {secrets[4]} "
        f"-----BEGIN PRIVATE KEY-----\n{secrets[5]}\n-----END PRIVATE KEY----- {secrets[6]} password={secrets[3]} bye"
    )
    await store.append(
        Turn(messages=(ChatMessage("user", text), ChatMessage("assistant", text)), metadata={"api_key": "x"})
    )
    await storage.update_thread("secrets", metadata={"password": "plain", "note": text})
    settings = settings_of(storage, redactions=(r"order-\d+-\d+",), recall_index=":memory:")
    values = {"thread_id": "secrets", "other_id": "secrets", "user_id": "ana", "number": "1", "file": "0"}
    words = ("/threads?q=bye&user=ana", "/memory?user=ana&q=bye", "/api/memory?user=ana&q=bye")
    async with studio_client(settings) as client:
        for path in ("/threads/secrets/turns/1?whole=1", *words, *every_page(settings, values)):
            shown = (await client.get(path)).text
            assert [secret for secret in (*secrets, '"plain"', "&#34;plain") if secret in shown] == [], path
        assert "bye" in (await client.get("/threads/secrets")).text


async def test_no_page_cuts_a_text_inside_of_a_secret() -> None:
    storage = MemoryStorage()
    secret = "postgresql://me:hunter2@db"  # the rule knows it by the last characters
    arguments: Any = {"note": '"'.join([secret] * 100)}
    for limit in (300, 600, 2_000):
        text = f"{'x ' * limit}"[: limit - secret.index("@")] + secret + " bye"
        store = ChatMessageStore(storage=storage, thread_id=f"cut at {limit}", user_id="ana")
        asked = ChatMessage("assistant", [FunctionCallContent("call", "note", arguments)])
        told = ChatMessage("tool", [FunctionResultContent("call", secret * 3_000)])
        await store.add_messages([ChatMessage("user", text), asked, told, ChatMessage("assistant", text)])
    settings = settings_of(storage, recall_index=":memory:", allow_changes=True)
    values = {"user_id": "ana", "number": "1", "file": "0"}
    async with studio_client(settings) as client:
        for limit in (300, 600, 2_000):
            ids = dict.fromkeys(("thread_id", "other_id"), f"cut%20at%20{limit}")
            for path in (*every_page(settings, values | ids), "/memory?user=ana", "/memory?user=ana&q=bye"):
                if not path.endswith("/download"):  # a studio that may change threads exports them as they are
                    assert "hunter" not in (await client.get(path)).text, path


def test_a_long_word_with_many_beginnings_of_tokens_is_read_once() -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln-bmF0"
    redaction = Redaction()
    for word in ("eyJ-", "eyJ-eyJ."):
        # A rule that reads the word again at each of these places needs more than an hour for this text.
        assert redaction.text(word * 100_000) == word * 100_000
    assert redaction.text(f"eyJ, session-{token}, {token}.") == "eyJ, session-[redacted: token], [redacted: token]."


async def test_a_comparison_says_that_a_thread_has_no_more_turns() -> None:
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="long")
    for text in ("first", "second"):
        await store.add_messages([ChatMessage("user", text)])
    await store.fork(through=1, thread_id="short")
    async with studio_client(settings_of(storage)) as client:
        page = (await client.get("/threads/long/compare/short")).text
    assert page.count("This thread has no more turns.") == 1


def test_a_secret_is_known_by_a_name_with_something_in_front_and_by_the_kind_of_its_header() -> None:
    redaction = Redaction()
    for text, shown in (
        ("DB_PASSWORD=hunter2", "DB_PASSWORD=[redacted: secret]"),
        ("export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7", "export AWS_SECRET_ACCESS_KEY=[redacted: secret]"),
        ('{"x-api-key": "abcd-1234"}', '{"x-api-key": "[redacted: secret]"}'),
        ("Authorization: Basic aHVudGVyMg==", "Authorization: Basic [redacted: password]"),
        ("AUTHORIZATION: BEARER abcdefghijkl", "AUTHORIZATION: BEARER [redacted: bearer token]"),
        ("a basic understanding, and keyword: none", "a basic understanding, and keyword: none"),
    ):
        assert redaction.text(text) == shown
    hidden = "[redacted: secret]"
    held = {"pin": 1, "password": 12345678, "DB_PASSWORD": ["hunter2"], "api_key": {"now": "hunter2"}, "pwd": None}
    assert redaction.value(held) == held | {"password": hidden, "DB_PASSWORD": hidden, "api_key": hidden}


async def test_a_turn_says_how_long_it_took_and_how_many_runs_it_needed() -> None:
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="t")
    runs = TurnRuns(took_ms=65_000, count=2, began_us=1_750_000_000_000_000)
    await store.append(Turn(messages=(ChatMessage("user", "hi"), ChatMessage("assistant", "hello")), runs=runs))
    await store.add_messages([ChatMessage("user", "hi")])
    async with studio_client(settings_of(storage)) as client:
        entry = (await data(client, "/threads/t/turns/1"))["entry"]
        assert (entry["started_us"], entry["duration_us"], entry["runs"]) == (1_750_000_000_000_000, 65_000_000, 2)
        turn = (await client.get("/threads/t/turns/1")).text
        assert [word for word in ("15 June 2025, 15:06:40 UTC", "1 min 5 s", "2 runs") if word not in turn] == []
        assert "2 ejecuciones" in (await client.get("/threads/t/turns/1", params={"lang": "es"})).text
        assert "1 min 5 s" in (await client.get("/threads/t")).text
        added = (await data(client, "/threads/t/turns/2"))["entry"]
        assert (added.get("started_us"), added.get("duration_us"), added.get("runs", 0)) == (None, None, 0)
        assert "Took" not in (await client.get("/threads/t/turns/2")).text
