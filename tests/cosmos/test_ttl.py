"""Turns that expire. In the emulator nothing expires, so these tests delete the items that the service would delete."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from azure.core.pipeline.transport import AsyncHttpResponse, HttpRequest

from recuerda.cosmos import CosmosStorage
from recuerda.cosmos.container import Container
from recuerda.cosmos.items import RecordItem, thread_partition
from recuerda.storage.contract import system_clock
from tests.cosmos.threads import a_step, a_turn
from tests.cosmos.wire import wired
from tests.servers.cosmos_server import cosmos_url

DAY_S = 86_400


async def expire(storage: CosmosStorage, *, up_to: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete the records up to a number, as the service does when their time has come.

    The newest record was written together with the thread's head, so they expire together.
    """
    containers: list[Container] = []
    query = Container.query_all

    async def spy(container: Container, *args: Any, **options: Any) -> Any:
        containers.append(container)
        return await query(container, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Container, "query_all", spy)
        await storage.read("a", turn_id="any")
    container = containers[0]
    items = await container.query_all(thread_partition("a"), "c.number >= 0")
    revision = max(item.number for item in items if isinstance(item, RecordItem))
    for item in items:
        if (item.number if isinstance(item, RecordItem) else revision) <= up_to:
            await container.delete(item.partition, item.id)


def written_items(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the items that a request writes, alone or in a batch."""
    written: Any = json.loads(str(request.data))
    operations = cast("list[dict[str, Any]]", written if isinstance(written, list) else [{"resourceBody": written}])
    return [operation["resourceBody"] for operation in operations if "resourceBody" in operation]


async def test_a_thread_lives_as_long_as_its_newest_turn_and_its_entry_longer(tmp_path: Path) -> None:
    lives: dict[str, set[object]] = {}

    async with wired(tmp_path, ttl=timedelta(days=1)) as (storage, wire):

        async def note(request: HttpRequest) -> AsyncHttpResponse | None:
            if wire.requests[-1] in ("POST", "PUT"):
                for item in written_items(request):
                    lives.setdefault(item["kind"], set()).add(item.get("ttl"))
            return None

        wire.before = note
        for i in range(3):
            await storage.save_draft("a", a_step(1, revision=i))
            await storage.append("a", a_turn(f"t{i}"))
    assert lives == {"turn": {DAY_S}, "draft": {DAY_S}, "thread": {DAY_S}, "directory": {3 * DAY_S}}


async def test_without_a_ttl_nothing_expires(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire):

        async def check(request: HttpRequest) -> AsyncHttpResponse | None:
            assert '"ttl"' not in str(request.data)
            return None

        wire.before = check
        await storage.append("a", a_turn())


async def test_expired_turns_are_gone_and_the_thread_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with CosmosStorage(cosmos_url(tmp_path), ttl=timedelta(days=1)) as storage:
        for i in range(1, 5):
            await storage.append("a", a_turn(f"t{i}"), title="Title")
        await expire(storage, up_to=2, monkeypatch=monkeypatch)
        found = await storage.read("a")
        assert [record.id for record in found.records] == ["t3", "t4"]
        assert found.info is not None
        assert (found.info.revision, found.info.title) == (4, "Title")
        assert not (await storage.append("a", a_turn("t1"), expected=4)).replayed
        assert (await storage.append("a", a_turn("t4"), expected=9)).replayed


async def test_a_thread_whose_turns_have_all_expired_is_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_us = system_clock()
    async with CosmosStorage(cosmos_url(tmp_path), ttl=timedelta(days=1), clock=lambda: now_us) as storage:
        for i in range(1, 5):
            await storage.append("a", a_turn(f"t{i}"), user_id="ana")
        before = await storage.head("a")
        await expire(storage, up_to=4, monkeypatch=monkeypatch)
        now_us += 2 * DAY_S * 1_000_000
        assert await storage.head("a") is None
        assert (await storage.list_threads()).threads == ()
        again = await storage.append("a", a_turn("t1"), expected=0, user_id="bob")
        after = await storage.head("a")
        assert before is not None
        assert after is not None
        assert (again.created, again.replayed, after.user_id) == (True, False, "bob")
        assert after.incarnation != before.incarnation


async def test_a_turn_keeps_its_thread_alive_at_no_further_request(tmp_path: Path) -> None:
    now_us = system_clock()
    async with wired(tmp_path, ttl=timedelta(days=1), clock=lambda: now_us) as (storage, wire):
        await storage.append("a", a_turn("t1"))
        now_us += (DAY_S + 60) * 1_000_000
        written: list[str] = []

        async def note(request: HttpRequest) -> AsyncHttpResponse | None:
            if wire.requests[-1] == "POST":
                written.extend(item["kind"] for item in written_items(request))
            return None

        wire.clear()
        wire.before = note
        await storage.append("a", a_turn("t2"))
        assert wire.requests == ["QUERY", "POST", "PUT"]
        assert written == ["thread", "turn"]
