"""The page of a storage's health: damage, leftovers, sizes and growth, on storages of each kind."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2

from recuerda import ChatMessage, ChatMessageStore, MemoryStorage, NewTurn, Storage
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.file import FileStorage
from recuerda.recall import RecallProvider, SQLiteRecallIndex
from recuerda.sqlite import SQLiteStorage
from recuerda.studio.health.checking import LEASES, LONG_TURNS
from tests.studio.client import settings_of, studio_client
from tests.studio.seeded import seed


async def health(storage: Storage, path: str = "/health", **settings: Any) -> Any:
    async with studio_client(settings_of(storage, **settings)) as client:
        assert (await client.get(f"{path}")).status_code == 200
        assert (await client.get(path, params={"lang": "es"})).status_code == 200
        answer = await client.get(f"/api{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_damage_and_unfinished_turns_are_explained_with_the_next_step() -> None:
    storage = MemoryStorage()
    await seed(storage)
    page = await health(storage)
    kinds = {finding["kind"]: finding for finding in page["findings"]}
    assert kinds.keys() == {"corrupt_turn", "waiting_draft"}
    corrupt = kinds["corrupt_turn"]
    assert (corrupt["href"], corrupt["is_damage"]) == ("/threads/rich/turns/5", True)
    assert "cannot be read" in corrupt["explanation"]
    assert "--repair" in corrupt["next_step"]
    assert not kinds["waiting_draft"]["is_damage"]
    (left,) = page["leftovers"]
    assert (left["thread_id"], left["state"], left["steps"]) == ("rich", "waiting", 2)
    assert (page["threads"], page["has_more"], page["more_href"]) == (2, False, None)
    assert sum(day["turns"] for day in page["days"]) == page["turns"]


async def test_threads_in_ram_are_warned_of_and_a_file_has_a_size(tmp_path: Path) -> None:
    assert (await health(MemoryStorage()))["place"]["lasting"] == "process"
    async with SQLiteStorage(tmp_path / "memory.db") as storage:
        await seed(storage)
        page = await health(storage, storage_name="memory.db")
        assert (page["place"]["kind"], page["place"]["lasting"], page["place"]["name"]) == (
            "sqlite",
            "kept",
            "memory.db",
        )
        assert page["place"]["size_bytes"] > 4_000
        assert page["index"] is None


async def test_a_server_that_keeps_nothing_is_warned_of() -> None:
    class Forgetful(MemoryStorage):
        kind = "redis"
        persistence = "none"

    page = await health(Forgetful())
    assert (page["place"]["lasting"], page["place"]["persistence"]) == ("nothing", "none")


async def test_only_the_newest_threads_are_examined_and_the_page_says_so() -> None:
    storage = MemoryStorage()
    for number in range(23):
        await ChatMessageStore(storage=storage, thread_id=f"t{number}").add_messages([ChatMessage("user", "hi")])
    page = await health(storage)
    assert (page["threads"], page["has_more"]) == (20, True)
    more = await health(storage, page["more_href"])
    assert (more["threads"], more["has_more"], more["more_href"]) == (23, False, None)


async def test_a_very_long_thread_is_left_to_the_doctor() -> None:
    storage = MemoryStorage()
    body = b'{"messages":[{"role":"user","content":"hi"}]}'
    await storage.append_all("long", [NewTurn(body=body, message_count=1) for _ in range(LONG_TURNS + 1)])
    page = await health(storage)
    assert (page["skipped"], page["threads"]) == (["long"], 0)


async def test_encrypted_values_are_counted_and_are_no_damage(tmp_path: Path) -> None:
    async with EncryptedStorage(FileStorage(tmp_path), KeyRing({"one": bytes(range(32))}, current="one")) as storage:
        store = ChatMessageStore(storage=storage, thread_id="t")
        await store.add_messages([ChatMessage("user", "a secret")])
    async with FileStorage(tmp_path) as storage:
        page = await health(storage)
        assert (page["sealed"], page["findings"]) == (1, [])


async def test_the_index_of_memories_has_its_numbers() -> None:
    storage = MemoryStorage()
    store = ChatMessageStore(storage=storage, thread_id="t", user_id="ana")
    await store.add_messages([ChatMessage("user", "I like tea."), ChatMessage("assistant", "Fine.")])
    async with SQLiteRecallIndex(":memory:") as index:
        recall = RecallProvider(index, storage=storage)
        await recall.catch_up()
        await recall.close()
        page = await health(storage, recall_index=index)
        assert (page["index"]["documents"], page["index"]["threads"]) == (2, 1)
        assert (await health(storage, recall_index=index, user_id="ana"))["index"] is None


async def test_a_studio_of_one_user_examines_no_other_thread() -> None:
    storage = MemoryStorage()
    await seed(storage)
    await ChatMessageStore(storage=storage, thread_id="of eva", user_id="eva").add_messages([ChatMessage("user", "hi")])
    page = await health(storage, user_id="eva")
    assert (page["threads"], page["findings"], page["leftovers"]) == (1, [], [])


async def test_hostile_ids_are_shown_and_never_run() -> None:
    storage = MemoryStorage()
    evil = "<script>alert(1)</script>\u202e"
    await storage.append(evil, NewTurn(body=b"no turn", message_count=1))
    async with studio_client(settings_of(storage)) as client:
        html = (await client.get("/health")).text
        assert "<script>alert" not in html
        assert "\u202e" not in html
        assert httpx2.URL((await client.get("/api/health")).json()["findings"][0]["href"]).path.startswith("/threads/")


async def test_leases_that_run_now_are_listed_with_the_time_that_is_left() -> None:
    storage = MemoryStorage()
    await seed(storage)
    assert (await health(storage))["leases"] == []
    assert await storage.take_lease("rich", "its holder", timedelta(minutes=1))
    page = await health(storage)
    (lease,) = page["leases"]
    assert (lease["thread_id"], lease["href"], page["has_more_leases"]) == ("rich", "/threads/rich", False)
    assert 0 < lease["left_us"] <= 60_000_000
    assert "its holder" not in str(page)
    for number in range(LEASES):
        assert await storage.take_lease(f"more {number}", "its holder", timedelta(minutes=1))
    page = await health(storage)
    assert (len(page["leases"]), page["has_more_leases"]) == (LEASES, True)


async def test_a_studio_of_one_user_lists_no_lease_of_another_user() -> None:
    storage = MemoryStorage()
    for user_id in ("ana", "bo"):
        await storage.append(f"of {user_id}", NewTurn(body=b"x", message_count=1), user_id=user_id)
        assert await storage.take_lease(f"of {user_id}", "its holder", timedelta(minutes=1))
    page = await health(storage, user_id="ana")
    assert [lease["thread_id"] for lease in page["leases"]] == ["of ana"]
