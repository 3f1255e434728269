"""A text that is removed leaves no trace, even if its writer stalls or is interrupted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.pipeline.transport import AsyncHttpResponse, HttpRequest
from azure.cosmos.aio import CosmosClient

from recuerda.cosmos import CosmosStorage, cutting
from recuerda.errors import ThreadConflict, TurnDropped
from tests.cosmos.threads import a_step, a_turn
from tests.cosmos.wire import Died, is_create, wired
from tests.servers.cosmos_server import KEY, cosmos_account, cosmos_url


async def kept(folder: Path) -> list[dict[str, Any]]:
    """Return every item of a folder's container, as the service keeps it."""
    account = cosmos_account().partition("@")[2].partition("?")[0]
    name = cosmos_url(folder).partition("recuerda-tests/")[2].partition("?")[0]
    async with CosmosClient(f"https://{account}", KEY, connection_verify=False) as client:
        container = client.get_database_client("recuerda-tests").get_container_client(name)
        found = container.query_items("SELECT * FROM c WHERE c.partition != ''", partition_key="any")
        return [item async for item in found]


def texts(items: list[dict[str, Any]]) -> set[str]:
    return {item["text"] for item in items if "text" in item}


async def test_what_is_cut_leaves_an_empty_item(tmp_path: Path) -> None:
    async with CosmosStorage(cosmos_url(tmp_path)) as storage:
        for i in range(1, 8):
            await storage.append("a", a_turn(f"t{i}"))
        await storage.undo("a")
        await storage.trim("a", keep_turns=4)
        await storage.append("a", a_turn("t10"), keep_messages=3)
        items = await kept(tmp_path)
    assert texts(items) == {"body of t5", "body of t6", "body of t10", ""}
    gone = [item for item in items if item["kind"] == "gone"]
    assert sorted(item["number"] for item in gone) == [1, 2, 3, 4, 7]
    assert not any(item.get(key) for item in gone for key in ("text", "data", "call", "title", "user_id"))
    assert {item["number"]: item["record_id"] for item in gone if "record_id" in item} == {
        number: f"t{number}" for number in (1, 2, 3, 4)
    }


async def test_a_summary_that_an_undo_takes_leaves_an_empty_item(tmp_path: Path) -> None:
    async with CosmosStorage(cosmos_url(tmp_path)) as storage:
        for i in (1, 2):
            await storage.append("a", a_turn(f"t{i}"))
        for through in (2, 1, 2):
            await storage.summarize("a", f"through {through}".encode(), through=through)
        await storage.undo("a")
        items = await kept(tmp_path)
    assert texts(items) == {"body of t1", "through 1", ""}
    assert sorted(item["number"] for item in items if item["kind"] == "gone") == [2, 3, 5]


async def test_a_draft_that_is_replaced_or_dropped_leaves_nothing(tmp_path: Path) -> None:
    async with CosmosStorage(cosmos_url(tmp_path)) as storage:
        for i in range(2):
            await storage.append("a", a_turn(f"t{i}"))
        for turn_id, revision in (("one", 2), ("other", 3)):
            for number in (1, 2, 3):
                await storage.save_draft("a", a_step(number, turn_id=turn_id, revision=revision))
            await storage.undo("a")
        drafts = [item for item in await kept(tmp_path) if item["kind"] == "draft"]
        assert sorted((item["turn_id"], item["step"]) for item in drafts) == [("other", n) for n in (1, 2, 3)]
        await storage.drop_draft("a")
        assert not [item for item in await kept(tmp_path) if item["kind"] == "draft"]


async def test_a_deleted_thread_leaves_nothing(tmp_path: Path) -> None:
    async with CosmosStorage(cosmos_url(tmp_path)) as storage:
        for i in range(3):
            await storage.append("a", a_turn(f"t{i}"), user_id="ana", title="Title")
        await storage.undo("a")
        await storage.save_draft("a", a_step(1, revision=4))
        await storage.save_draft("a", a_step(2, revision=4))
        await storage.summarize("a", b"so far", through=1)
        assert await storage.take_lease("a", "a holder", timedelta(minutes=1))
        await storage.delete("a")
        assert await kept(tmp_path) == []


async def test_a_draft_leaves_nothing_once_its_turn_is_there(tmp_path: Path) -> None:
    async with CosmosStorage(cosmos_url(tmp_path)) as storage:
        for number in (1, 2, 3):
            await storage.save_draft("a", a_step(number))
        await storage.append("a", a_turn("t1"))
        assert texts(await kept(tmp_path)) == {"body of t1"}


async def test_an_append_deletes_the_draft_in_the_same_request(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        for thread in ("a", "b"):
            await storage.save_draft(thread, a_step(1))

        async def die(request: HttpRequest) -> AsyncHttpResponse | None:
            if is_create(request):
                raise Died
            return None

        wire.after = die
        with pytest.raises(Died):
            await storage.append("a", a_turn("t1"))
        assert {item["partition"] for item in await kept(tmp_path) if item["kind"] == "draft"} == {"thread:b"}
        assert (await another.list_drafts()).thread_ids == ["b"]


async def test_a_draft_too_long_for_a_batch_is_deleted_by_the_next_change(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        for number in range(1, 101):
            await storage.save_draft("a", a_step(number))

        async def die(request: HttpRequest) -> AsyncHttpResponse | None:
            if request.method == "DELETE":
                raise Died
            return None

        wire.before = die
        with pytest.raises(Died):
            await storage.append("a", a_turn("t1"))
        assert await another.load_draft("a") is None
        assert (await another.list_drafts()).thread_ids == []
        await another.append("a", a_turn("t2"))
        assert texts(await kept(tmp_path)) == {"body of t1", "body of t2"}


async def test_a_trim_too_long_for_a_batch_is_completed_by_the_next_change(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        await another.append_all("a", [a_turn(f"t{i}") for i in range(1, 101)])

        async def die(request: HttpRequest) -> AsyncHttpResponse | None:
            if is_create(request):
                raise Died
            return None

        wire.after = die
        with pytest.raises(Died):
            await storage.trim("a", keep_turns=2)
        assert [record.id for record in (await another.read("a")).records] == ["t99", "t100"]
        with pytest.raises(TurnDropped):
            await another.append("a", a_turn("t1"))
        await another.append("a", a_turn("t102"))
        assert texts(await kept(tmp_path)) == {"body of t99", "body of t100", "body of t102", ""}
        with pytest.raises(TurnDropped):
            await another.append("a", a_turn("t1"))


async def test_an_append_that_was_held_up_while_its_thread_was_deleted_leaves_nothing(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        await storage.append("a", a_turn("t1"))

        async def delete_first(request: HttpRequest) -> AsyncHttpResponse | None:
            if is_create(request):
                wire.before = None
                await another.delete("a")
            return None

        wire.before = delete_first
        with pytest.raises(ThreadConflict):
            await storage.append("a", a_turn("t2"), expected=1)
        assert await kept(tmp_path) == []


@pytest.mark.parametrize("completing", ["delete again", "append"])
async def test_a_delete_that_was_cut_off_is_completed_by_the_next_to_come(completing: str, tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        for i in range(3):
            await another.append("a", a_turn(f"t{i}"))

        async def die(_: HttpRequest) -> AsyncHttpResponse | None:
            if "DELETE" in wire.requests:  # the thread's head is a tombstone by now
                raise Died
            return None

        wire.before = die
        with pytest.raises(Died):
            await storage.delete("a")
        assert len(texts(await kept(tmp_path))) == 3
        if completing == "append":
            assert (await another.append("a", a_turn("new"), expected=0)).created
        else:
            assert await another.delete("a") is False
        assert texts(await kept(tmp_path)) == ({"body of new"} if completing == "append" else set())


async def test_an_undo_that_was_cut_off_has_erased_the_turn_and_its_title(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        await another.append("a", a_turn("t1"), title="Secret")

        async def die(request: HttpRequest) -> AsyncHttpResponse | None:
            if is_create(request):
                wire.before = wire.after
                raise Died
            return None

        wire.after = die
        with pytest.raises(Died):
            await storage.undo("a")
        found = await another.read("a", turn_id="t1")
        assert (found.found, found.records) == (None, ())
        items = await kept(tmp_path)
        assert texts(items) == {""}
        assert "Secret" not in str(items)
        assert [info.title for info in (await another.list_threads()).threads] == [None]
        again = await another.append("a", a_turn("t1"), expected=2)
        assert (again.replayed, again.revision) == (False, 3)


async def test_a_title_and_the_ids_of_an_old_turn_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "REMEMBERED", 100)
    async with CosmosStorage(cosmos_url(tmp_path)) as storage:
        await storage.append("a", a_turn("t1"), title="Secret")
        await storage.append("a", a_turn("t2"))
        await storage.trim("a", keep_turns=1)
        assert "Secret" not in str(await kept(tmp_path))
        await storage.append_all("a", [a_turn() for _ in range(197)])
        assert [item["kind"] for item in await kept(tmp_path) if item.get("number") in (1, 2, 3)] == ["turn", "trim"]


async def test_a_trim_that_was_cut_off_is_completed_by_the_next_cut(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        for i in range(1, 6):
            await another.append("a", a_turn(f"t{i}"))

        async def die(request: HttpRequest) -> AsyncHttpResponse | None:
            if is_create(request):
                raise Died
            return None

        wire.after = die
        with pytest.raises(Died):
            await storage.trim("a", keep_turns=2)
        assert [record.id for record in (await another.read("a")).records] == ["t4", "t5"]
        assert (await another.read("a", turn_id="t1")).found is None
        await another.append("a", a_turn("t7"), keep_messages=2)
        assert texts(await kept(tmp_path)) == {"body of t5", "body of t7", ""}
