"""Requests on the wire: their number for a turn, waiting as the server asks, and lost answers."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from aiohttp import ServerDisconnectedError
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline.transport import AsyncHttpResponse, HttpRequest
from msgspec.structs import replace

from recuerda.cosmos import CosmosStorage, container
from recuerda.errors import StorageBusy
from recuerda.storage.records import Blob
from tests.cosmos.threads import a_step, a_turn, check_listed, check_whole
from tests.cosmos.wire import Answer, is_create, wired
from tests.servers.cosmos_server import cosmos_url

TURN = ["QUERY", "POST", "PUT"]  # read the head, write the head and the record, bring the directory up to date


async def test_a_file_costs_a_mark_and_a_request_for_each_part(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire):
        await storage.append("a", a_turn())
        large = Blob.of(bytes(3_000_000))
        wire.clear()
        await storage.append("a", replace(a_turn(), blobs=(large,)))
        # The head, the uploads that it names, the mark, three parts, the turn, the directory.
        assert wire.requests == ["QUERY", "QUERY", "PUT", "POST", "POST", "POST", "POST", "PUT"]
        wire.clear()
        await storage.append("a", replace(a_turn(), blobs=(large,)))
        assert wire.requests == ["QUERY", "QUERY", "POST", "PUT"]
        wire.clear()
        found = await storage.read("a", last_turns=1, blobs=1)
        assert found.blobs == {large.digest: large.data}
        assert wire.requests == ["QUERY", "QUERY"]


@pytest.mark.parametrize("length", [1, 150])
async def test_a_turn_costs_three_requests_however_long_the_thread(length: int, tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire):
        await storage.append_all("a", [a_turn() for _ in range(length)])
        for turn, expected in ((a_turn("t1"), length), (a_turn("t2"), None), (a_turn(), None), (a_turn(), length + 3)):
            wire.clear()
            await storage.append("a", turn, expected=expected)
            assert wire.requests == TURN


async def test_what_each_operation_costs(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as cold:
        await storage.append("a", a_turn("t1"), expected=0)
        # The thread's head and its directory entry are made before the record.
        assert wire.requests == ["QUERY", "POST", "POST", "POST", "PUT"]
        wire.clear()
        await storage.append("a", a_turn("t2"), expected=1)
        assert wire.requests == TURN
        wire.clear()
        await storage.append_all("a", [a_turn() for _ in range(10)])
        assert wire.requests == [*["QUERY", "POST"] * 10, "PUT"]
        for read in (
            storage.head("a"),
            storage.read("a", last_messages=20),
            storage.read("a", after=12),
            storage.read("a", after=5),
            storage.read("a", before=5, last_turns=2),
            storage.read("a"),
            storage.read("nothing"),
        ):
            wire.clear()
            await read
            assert wire.requests == ["QUERY"]
        wire.clear()
        await storage.append("a", a_turn("t2"), expected=1)
        assert wire.requests[0:2] == ["QUERY", "QUERY"]
        assert set(wire.requests) == {"QUERY"}
        wire.clear()
        await storage.append("a", a_turn("t3"), replaces=2)
        # A query finds the old turn and its summaries.
        assert wire.requests == ["QUERY", "QUERY", "POST", "PUT"]
        await cold.append("a", a_turn())


@pytest.mark.parametrize("steps", [2, 60])
async def test_a_step_is_one_write_however_many_there_are(steps: int, tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire):
        for number in range(1, steps):
            await storage.save_draft("a", a_step(number))
        wire.clear()
        await storage.save_draft("a", a_step(steps))
        assert wire.requests == ["QUERY", "POST"]
        wire.clear()
        assert await storage.load_draft("a")
        assert wire.requests == ["QUERY"]


@pytest.mark.parametrize(("length", "summaries"), [(10, 0), (120, 0), (10, 1), (120, 1), (120, 20)])
async def test_a_window_with_the_summary_costs_as_much_as_without(length: int, summaries: int, tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire):
        await storage.append_all("a", [a_turn(messages=2) for _ in range(length)])
        for _ in range(summaries):
            await storage.summarize("a", b"so far", through=length - 5)
        await storage.append_all("a", [a_turn(messages=2) for _ in range(3)])
        if summaries > 1:
            await storage.summarize("a", b"so far", through=length + summaries + 1)
        wire.clear()
        found = await storage.read("a", with_summary=True, last_messages=20)
        assert (found.summary is None) == (summaries == 0)
        assert wire.requests == ["QUERY"]


@pytest.mark.parametrize("length", [10, 120])
async def test_a_window_costs_one_request_of_its_own_size(length: int, tmp_path: Path) -> None:
    sizes: list[int] = []
    async with wired(tmp_path) as (storage, wire):
        await storage.append_all("a", [a_turn(messages=2) for _ in range(length)])
        wire.clear()

        async def note(request: HttpRequest) -> AsyncHttpResponse | None:
            sizes.append(int(request.headers["x-ms-max-item-count"]))
            return None

        wire.before = note
        found = await storage.read("a", last_messages=12)
        assert len(found.records) == 6
        assert sizes == [10]
        found = await storage.read("a", before=8, last_turns=6)
        assert [record.number for record in found.records] == [2, 3, 4, 5, 6, 7]
        assert sizes == [10, 9]


async def test_the_server_says_how_long_to_wait_and_the_turn_is_there_once(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire):
        await storage.append("a", a_turn("t1"))
        wire.clear()
        refused: list[str] = []

        async def throttle(request: HttpRequest) -> AsyncHttpResponse | None:
            if len(refused) < 12:  # more often than azure-cosmos tries by default
                refused.append(request.method)
                return Answer(request, 429, {"x-ms-retry-after-ms": "40"})
            return None

        wire.before = throttle
        begun = time.monotonic()
        await storage.append("a", a_turn("t2"), expected=1)
        assert time.monotonic() - begun >= 12 * 0.04
        wire.clear()
        found = await check_whole(storage, "a")
        await check_listed(storage, {"a": found}, settled={"a"})
        assert [record.id for record in found.records] == ["t1", "t2"]


async def test_a_server_that_stays_busy_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "_ANSWER_S", 0.5)
    async with wired(tmp_path, busy_timeout_s=1) as (storage, wire):

        async def throttle(request: HttpRequest) -> AsyncHttpResponse | None:
            return Answer(request, 429, {"x-ms-retry-after-ms": "300"})

        wire.before = throttle
        begun = time.monotonic()
        with pytest.raises(StorageBusy, match="request units"):
            await storage.append("a", a_turn("t1"))
        assert time.monotonic() - begun < 40
        wire.clear()
        assert (await storage.append("a", a_turn("t1"), expected=0)).created


@pytest.mark.parametrize("id", ["t2", None], ids=["an id", "no id"])
async def test_a_commit_whose_answer_is_lost_and_which_is_sent_again_is_one_turn(
    id: str | None, tmp_path: Path
) -> None:
    # azure-cosmos sends a create again when the connection breaks; the second one finds the first one's item.
    async with wired(tmp_path) as (storage, wire):
        await storage.append("a", a_turn("t1"))
        wire.clear()

        async def lose(request: HttpRequest) -> AsyncHttpResponse | None:
            if is_create(request):
                wire.after = None
                raise ServiceResponseError("lost", error=ServerDisconnectedError())
            return None

        wire.after = lose
        appended = await storage.append("a", a_turn(id), expected=1)
        assert (appended.revision, appended.replayed) == (2, False)
        assert wire.requests.count("POST") == 2
        wire.clear()
        found = await storage.read("a")
        assert [record.number for record in found.records] == [1, 2]
        assert await storage.head("a") == (await storage.list_threads()).threads[0]


async def test_appends_of_one_process_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    async with wired(tmp_path) as (storage, wire):
        await storage.append("a", a_turn())
        wire.clear()
        await asyncio.gather(*(storage.append("a", a_turn()) for _ in range(20)))
        assert len(wire.requests) == 20 * len(TURN)
