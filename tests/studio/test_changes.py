"""Changes of threads: each behind a page that says what will happen, checked against what the person has seen."""

from __future__ import annotations

import io
import json
import logging
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from recuerda import ChatMessage, ChatMessageStore, MemoryStorage, Storage
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.formats import READABLE
from recuerda.sqlite import SQLiteStorage
from tests.studio.client import settings_of, studio_client

TRIED = ("recuerda", "openai-chat", "markdown", "html", "chatgpt", "openai-agents", "agent-framework-files")
"""One format of each kind: text of recuerda, JSON, text for people, a page, a zip file, a database, and a folder."""

CHANGES = ("undo", "fork", "settings", "delete")


@pytest.fixture
async def changing(storage: Storage) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a studio that allows changes, with its token."""
    async with studio_client(settings_of(storage, allow_changes=True, acting_as="eva")) as client:
        yield client


def sent(page: dict[str, Any]) -> dict[str, str]:
    """Return the fields of a page's form, as a person sends them back without a change."""
    shown = {one["name"]: one["value"] for one in page.get("inputs", ())}
    return shown | {one["name"]: one["held_id"] for one in page["hidden"]}


async def confirmed(client: httpx2.AsyncClient, path: str, **others: str) -> httpx2.Response:
    """Open the page in front of a change, and confirm it."""
    page = await client.get(f"/api{path}")
    assert page.status_code == 200, page.text
    return await client.post(f"/api{path.partition('?')[0]}", json=sent(page.json()) | others)


async def texts(storage: Storage, thread_id: str) -> list[str]:
    return [one.text for one in await ChatMessageStore(storage=storage, thread_id=thread_id).list_messages()]


async def add(storage: Storage, thread_id: str, *said: str) -> None:
    store = ChatMessageStore(storage=storage, thread_id=thread_id)
    for text in said:
        await store.add_messages([ChatMessage("user", text), ChatMessage("assistant", f"{text} indeed")])


async def test_a_read_only_studio_shows_no_change_and_makes_none(client: httpx2.AsyncClient, storage: Storage) -> None:
    before = await storage.head("bill")
    for name in CHANGES:
        assert (await client.get(f"/threads/bill/{name}")).status_code == 403, name
        answer = await client.post(f"/threads/bill/{name}", data={"version": "1.0.a.b", "turn": "1"})
        assert answer.status_code == 403, name
    for path in ("/users/ben/erase", "/users/ben/forget", "/import"):
        assert (await client.get(path)).status_code == 403, path
        assert (await client.post(path)).status_code == 403, path
    assert await storage.head("bill") == before


async def test_an_undo_removes_the_turn_that_its_page_shows(changing: httpx2.AsyncClient, storage: Storage) -> None:
    await add(storage, "bill", "second", "third")
    page = await changing.get("/threads/bill/undo?turn=2")
    assert page.status_code == 200
    assert "second indeed" in page.text
    assert "third" not in page.text
    assert (await confirmed(changing, "/threads/bill/undo?turn=2")).json()["done"] == "undone"
    assert await texts(storage, "bill") == ["Pay the bill, please.", "It is paid.", "third", "third indeed"]
    assert (await confirmed(changing, "/threads/bill/undo")).status_code == 200
    assert await texts(storage, "bill") == ["Pay the bill, please.", "It is paid."]
    assert (await changing.get("/api/threads/bill/undo?turn=2")).status_code == 404


async def test_a_page_that_is_out_of_date_changes_nothing(changing: httpx2.AsyncClient, storage: Storage) -> None:
    pages = {name: (await changing.get(f"/api/threads/bill/{name}")).json() for name in ("undo", "settings", "delete")}
    await add(storage, "bill", "new")
    before = await storage.head("bill")
    for name, page in pages.items():
        answer = await changing.post(f"/api/threads/bill/{name}", json=sent(page) | {"title": "other"})
        assert (answer.status_code, answer.json()["error"]["kind"]) == (409, "conflict"), name
    assert await storage.head("bill") == before


async def test_a_fork_before_or_after_a_turn_is_made_once(changing: httpx2.AsyncClient, storage: Storage) -> None:
    await add(storage, "bill", "second")
    for query, kept in (("", 4), ("?before=2", 2), ("?through=1", 2), ("?before=1", 0)):
        page = (await changing.get(f"/api/threads/bill/fork{query}")).json()
        first = await changing.post("/api/threads/bill/fork", json=sent(page))
        again = await changing.post("/api/threads/bill/fork", json=sent(page))
        assert first.json() == again.json(), query
        into = sent(page)["into"]
        assert first.json()["href"] == f"/threads/{into}"
        assert len(await texts(storage, into)) == kept, query
    assert len(await ChatMessageStore(storage=storage, thread_id="bill").list_branches()) == 4


async def test_the_page_of_a_fork_names_the_turn_that_it_shows(changing: httpx2.AsyncClient) -> None:
    headings = {"before": "The first turn that is not copied", "through": "The last turn that is copied"}
    for query, heading in headings.items():
        page = (await changing.get(f"/threads/bill/fork?{query}=1")).text
        assert f"<h2>{heading}</h2>" in page, query


async def test_settings_change_only_what_the_form_changes(changing: httpx2.AsyncClient, storage: Storage) -> None:
    made = await storage.head("trip/1")
    assert made is not None
    assert made.title_turn == 1
    await confirmed(changing, "/threads/trip%2F1/settings", archived="1")
    info = await storage.head("trip/1")
    assert info is not None
    assert (info.title, info.title_turn, info.tags, info.archived) == (made.title, 1, ("travel",), True)
    await confirmed(changing, "/threads/trip%2F1/settings", title="Ferry", tags="sea\n\n boats ", archived="0")
    info = await storage.head("trip/1")
    assert info is not None
    assert (info.title, info.title_turn, info.tags, info.archived) == ("Ferry", None, ("boats", "sea"), False)
    version = sent((await changing.get("/api/threads/trip%2F1/settings")).json())["version"]
    only = {"version": version, "archived": True}
    assert (await changing.post("/api/threads/trip%2F1/settings", json=only)).status_code == 200
    info = await storage.head("trip/1")
    assert info is not None
    assert (info.title, info.tags, info.archived) == ("Ferry", ("boats", "sea"), True)
    await confirmed(changing, "/threads/trip%2F1/settings", title="", tags="", archived="0")
    info = await storage.head("trip/1")
    assert info is not None
    assert (info.title, info.tags) == (None, ())


async def test_a_secret_in_a_title_is_hidden_in_the_form_and_not_lost(
    changing: httpx2.AsyncClient, storage: Storage
) -> None:
    title = "The password=Quixotrope9 is new"
    await storage.update_thread("bill", title=title)
    assert "Quixotrope9" not in (await changing.get("/threads/bill/settings")).text
    await confirmed(changing, "/threads/bill/settings", tags="paid")
    info = await storage.head("bill")
    assert info is not None
    assert (info.title, info.tags) == (title, ("paid",))


async def test_a_deletion_deletes_the_thread(changing: httpx2.AsyncClient, storage: Storage) -> None:
    assert (await confirmed(changing, "/threads/~../delete")).json() == {"href": "/threads", "done": "deleted"}
    assert await storage.head("..") is None
    assert (await changing.get("/api/threads/~../delete")).status_code == 404


async def test_each_change_is_one_line_of_the_audit_without_content(
    storage: Storage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "recuerda.studio.audit")
    path = tmp_path / "audit.jsonl"
    settings = settings_of(storage, allow_changes=True, acting_as="eva", audit_file=path)
    async with studio_client(settings) as client:
        await confirmed(client, "/threads/bill/settings", title="Quixotrope")
        await confirmed(client, "/threads/bill/undo")
        await client.post("/api/threads/bill/undo", json={"version": "1.0.a.b", "turn": 9})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(one["who"], one["action"], one["thread_id"], one["result"]) for one in lines] == [
        ("eva", "settings", "bill", "done"),
        ("eva", "undo", "bill", "done"),
        ("eva", "undo", "bill", "Fault"),
    ]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [json.loads(record.message) for record in caplog.records if record.name == "recuerda.studio.audit"] == lines
    assert "Quixotrope" not in path.read_text()


async def test_a_user_is_erased_after_a_look_with_a_receipt_to_keep(
    changing: httpx2.AsyncClient, storage: Storage
) -> None:
    page = (await changing.get("/api/users/ana/erase")).json()
    assert {one["label"]: one["value"] for one in page["facts"]} == {
        "change.user": "ana",
        "change.threads": 2,
        "change.turns": 2,
        "change.messages": 4,
    }
    await add(storage, "trip/1", "new")
    assert (await changing.post("/api/users/ana/erase", json=sent(page))).status_code == 409
    receipt = await confirmed(changing, "/users/ana/erase")
    assert receipt.json()["erasure"]["messages"] == 6
    assert await storage.head("trip/1") is None
    assert await storage.head("bill") is not None
    href = receipt.json()["download_href"]
    kept = await changing.get(href)
    assert kept.json() == receipt.json()["erasure"]
    assert kept.headers["content-disposition"] == 'attachment; filename="receipt.json"'
    forged = re.sub("mark=.", "mark=x", href)
    assert (await changing.get(forged)).status_code == 400


async def test_memories_are_forgotten_after_a_look_and_the_thread_stays(tmp_path: Path) -> None:
    async with SQLiteStorage(tmp_path / "memory.db") as storage:
        for said in ("I collect amber.", "I collect red basalt.", "My dog is Koko."):
            store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
            await store.add_messages([ChatMessage("user", said), ChatMessage("assistant", "Noted.")])
        settings = settings_of(storage, allow_changes=True, recall_index=tmp_path / "index.db")
        async with studio_client(settings) as client:
            page = await client.get("/users/ana/forget?query=collect+amber")
            assert "I collect amber." in page.text
            assert "basalt" not in page.text
            held = (await client.get("/api/users/ana/forget?query=collect+amber")).json()
            assert (await client.post("/api/users/ana/forget", json=sent(held) | {"count": 9})).status_code == 409
            assert (await confirmed(client, "/users/ana/forget?query=collect+amber")).json()["done"] == "forgotten"
            assert (await client.get("/api/users/ana/forget?query=amber")).json()["is_possible"] is False
            assert (await confirmed(client, "/threads/one/forget?turn=2")).status_code == 200
            assert [one["text"] for one in (await client.get("/api/threads/one/forget")).json()["said"]] == [
                "My dog is Koko.",
                "Noted.",
            ]
        assert len(await texts(storage, "one")) == 6
        async with studio_client(settings_of(storage, allow_changes=True, recall_index=None)) as client:
            answer = await client.get("/threads/one/forget")
            assert answer.status_code == 409
            assert "no index" in answer.text
            assert "The thread has changed" not in answer.text
            assert "start the studio again" in answer.text


async def test_a_thread_goes_through_an_export_and_an_import_in_each_format(changing: httpx2.AsyncClient) -> None:
    for name in TRIED:
        page = await changing.get(f"/api/threads/bill/export?format={name}")
        assert page.status_code == 200, page.text
        file = await changing.get(page.json()["download_href"])
        assert file.status_code == 200, name
        assert file.headers["content-disposition"].startswith(f'attachment; filename="thread.{name}.'), name
        if name not in READABLE:
            assert "It is paid." in file.text or zipfile.is_zipfile(io.BytesIO(file.content)), name
            continue
        target = MemoryStorage()
        async with studio_client(settings_of(target, allow_changes=True)) as other:
            report = await other.post(
                "/import", files={"file": ("../../bill", file.content)}, data={"format": name, "thread": "copy"}
            )
            assert report.status_code == 200, report.text
            assert [one async for one in target.threads()] == []
            fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', report.text))
            done = await other.post("/import/confirm", data=fields)
            assert done.status_code == 200, done.text
            assert await texts(target, "copy") == ["Pay the bill, please.", "It is paid."], name
            assert (await other.post("/import/confirm", data=fields)).status_code == 409


async def test_a_read_only_studio_exports_without_secrets(storage: Storage, client: httpx2.AsyncClient) -> None:
    await add(storage, "bill", "My password=Quixotrope9 is new.")
    for name in TRIED:
        file = await client.get(f"/threads/bill/download?format={name}")
        assert file.status_code == 200, name
        content = file.content
        if zipfile.is_zipfile(io.BytesIO(content)):
            archive = zipfile.ZipFile(io.BytesIO(content))
            content = b"".join(map(archive.read, archive.namelist()))
        assert b"bill" in content, name
        assert b"uixotrope" not in content, name
    async with studio_client(settings_of(storage, allow_changes=True)) as changing:
        assert "Quixotrope9" in (await changing.get("/threads/bill/download")).text


async def test_branches_are_exported_with_their_thread_on_request(
    changing: httpx2.AsyncClient, storage: Storage
) -> None:
    await ChatMessageStore(storage=storage, thread_id="bill").fork(thread_id="branch")
    for query, expected in (("", ["bill"]), ("?branches=1", ["bill", "branch"])):
        page = (await changing.get(f"/api/threads/bill/export{query}")).json()
        assert [one["thread_id"] for one in page["threads"]] == expected
    assert (await changing.get("/api/threads/bill/export?format=odd")).status_code == 400
    assert (await changing.get("/api/threads/none/export")).status_code == 404


async def test_a_damaged_file_is_refused_and_nothing_is_written(changing: httpx2.AsyncClient, storage: Storage) -> None:
    before = [one async for one in storage.threads()]
    for content in (b"", b"\xff\xfe", b"no json", b'{"format": "recuerda"}'):
        answer = await changing.post("/import", files={"file": ("odd.json", content)})
        assert answer.status_code == 400, content
        assert "recuerda-import-" not in answer.text
    assert (await changing.post("/import")).status_code == 400
    assert [one async for one in storage.threads()] == before


async def test_a_file_with_a_very_long_name_is_imported(
    client: httpx2.AsyncClient, changing: httpx2.AsyncClient
) -> None:
    content = (await changing.get("/threads/bill/download")).content
    for name in ("é" * 300, "😀" * 80, "a" + "😀" * 80 + "b.jsonl", "../" * 100 + "." * 100):
        answer = await changing.post("/import", files={"file": (name, content)}, data={"format": "recuerda"})
        assert answer.status_code == 200, name


async def test_a_studio_of_one_user_changes_nothing_of_another(storage: Storage) -> None:
    async with studio_client(settings_of(storage, allow_changes=True, user_id="ana")) as client:
        for path in ("/threads/bill/undo", "/threads/bill/delete", "/users/ben/erase", "/users/ben/forget"):
            assert (await client.get(path)).status_code == 404, path
            assert (await client.post(path, data={"version": "1.0.a.b", "turn": "1"})).status_code == 404, path
        assert (await client.get("/threads/bill/download")).status_code == 404
        exported = await client.get("/threads/trip%2F1/download")
        content = exported.content.replace(b"trip/1", b"bill").replace(b"ana", b"ben")
        assert (await client.post("/import", files={"file": ("x", content)}, data={"user": "ben"})).status_code == 404
        assert (await client.post("/import", files={"file": ("x", content)})).status_code == 404
        file = ("x", exported.content)
        assert (await client.post("/import", files={"file": file}, data={"thread": ".."})).status_code == 404
    assert await texts(storage, "bill") == ["Pay the bill, please.", "It is paid."]
    assert await texts(storage, "..") == ["Who am I?", "I do not know."]


async def test_each_page_of_a_sealed_thread_answers(storage: Storage) -> None:
    for thread_id in ("sealed", "other"):
        sealing = EncryptedStorage(storage, KeyRing({"k": b"0" * 32}, current="k"))
        await add(sealing, thread_id, "Quixotrope")
    without_key = EncryptedStorage(storage, KeyRing({"x": b"1" * 32}, current="x"))
    for shown in (storage, without_key):
        async with studio_client(settings_of(shown, allow_changes=True)) as client:
            for name in ("undo", "fork", "fork?before=1", "settings", "delete", "export", "download", "drop"):
                answer = await client.get(f"/threads/sealed/{name}")
                assert answer.status_code in (200, 404, 409), (shown, name, answer.text)
                assert "Quixotrope" not in answer.text
    async with studio_client(settings_of(storage, allow_changes=True)) as client:
        assert (await confirmed(client, "/threads/sealed/undo")).status_code == 200
        assert (await confirmed(client, "/threads/other/delete")).status_code == 200


async def test_a_thread_and_a_turn_lead_to_their_changes_only_where_changes_are_allowed(
    client: httpx2.AsyncClient, changing: httpx2.AsyncClient
) -> None:
    for path in ("/threads/trip%2F1", "/threads/trip%2F1/turns/1"):
        shown = (await changing.get(path)).text
        links = re.findall(r'href="(/(?:threads|users)/[^"]*/(?:undo|fork|forget|settings|delete|erase)[^"]*)"', shown)
        assert len(links) >= 4, path
        for href in links:
            page = await changing.get(href.replace("&amp;", "&"))
            assert page.status_code in (200, 409), href  # there is no index of memories here
        hidden = (await client.get(path)).text
        assert not re.search(r"/(undo|fork|forget|settings|delete|erase)\b", hidden), path
