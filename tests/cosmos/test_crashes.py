"""A process that ends between any two requests, or before it hears an answer, leaves all of a write or nothing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AsyncHttpResponse, HttpRequest

from recuerda.cosmos import CosmosStorage
from recuerda.cosmos.items import thread_partition
from recuerda.errors import StorageError
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.ram import MemoryStorage
from tests.cosmos.threads import APPENDS, WRITES, Write, a_turn, check_goes_on, check_listed, check_whole, prepare, seen
from tests.cosmos.wire import Died, Wire, wired
from tests.servers.cosmos_server import cosmos_url

every_write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())


def die_at(wire: Wire, number: int) -> None:
    """Let the process end when the request of a number has been carried out, before its answer comes.

    To the server that is the same as an end before the next request.
    """

    async def die(_: HttpRequest) -> AsyncHttpResponse | None:
        if len(wire.requests) >= number:
            raise Died
        return None

    async def stay_dead(_: HttpRequest) -> AsyncHttpResponse | None:
        if len(wire.requests) > number:
            raise Died
        return None

    wire.before, wire.after = stay_dead, die


async def survives(storage: CosmosStorage, write: Write, thread: str) -> bool:
    """Do a write, and say whether the process lived to see its end."""
    try:
        await write.do(storage, thread)
    except Died:
        return False
    return True


async def states(write: Write) -> list[object]:
    """Return the valid states of the thread: before the write, between its appends, and after it."""
    oracle, middle = MemoryStorage(), MemoryStorage()
    await prepare(oracle, write, "a")
    await prepare(middle, write, "a")
    await middle.append("a", a_turn("new"))
    before = seen(await oracle.read("a"))
    await write.do(oracle, "a")
    after = seen(await oracle.read("a"))
    return [before, seen(await middle.read("a")), after] if write is APPENDS["append of many"] else [before, after]


@every_write
async def test_a_crash_at_any_request_leaves_a_whole_thread_that_goes_on(write: Write, tmp_path: Path) -> None:
    possible = await states(write)
    happened: list[object] = []
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        found: dict[str, ThreadSlice] = {}
        settled: set[str] = set()
        while not settled:
            thread = f"{len(found) + 1}"
            await prepare(another, write, thread)
            wire.clear()
            die_at(wire, int(thread))
            if await survives(storage, write, thread):
                settled.add(thread)
            found[thread] = await check_whole(another, thread)
            state = seen(found[thread])
            assert state in (possible[-1:] if settled else possible), f"request {thread}"
            happened.append(state)
            if state != possible[0]:
                assert await another.load_draft(thread) is None  # the append, or the delete, has ended it
        await check_listed(another, found, settled=settled)
        for thread in found:
            await check_goes_on(another, thread)
    assert len(found) > 2
    if possible[0] != possible[-1]:
        assert all(state in happened for state in possible)


@pytest.mark.parametrize("write", APPENDS.values(), ids=APPENDS.keys())
async def test_doing_it_again_after_a_crash_completes_an_append_once(write: Write, tmp_path: Path) -> None:
    after = (await states(write))[-1]
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        found: dict[str, ThreadSlice] = {}
        is_over = False
        while not is_over:
            thread = f"{len(found) + 1}"
            await prepare(another, write, thread)
            wire.clear()
            die_at(wire, int(thread))
            is_over = await survives(storage, write, thread)
            await write.do(another, thread)
            found[thread] = await check_whole(another, thread)
            assert seen(found[thread]) == after, f"request {thread}"
        await check_listed(another, found, settled=found.keys())


async def test_blobs_of_a_killed_append_are_gone_after_the_next_turn(tmp_path: Path) -> None:
    write = APPENDS["append with files"]
    async with wired(tmp_path) as (storage, wire), CosmosStorage(cosmos_url(tmp_path)) as another:
        threads: list[str] = []
        is_over = False
        while not is_over:
            threads.append(f"{len(threads) + 1}")
            await prepare(another, write, threads[-1])
            wire.clear()
            die_at(wire, len(threads))
            is_over = await survives(storage, write, threads[-1])
        for thread in threads:
            await another.append(thread, a_turn("next"))
            found = await another.read(thread)
            named = {digest for record in found.records for digest in record.blobs}
            assert await _number_of_uploads(another, thread) == len(named), thread


async def _number_of_uploads(storage: CosmosStorage, thread: str) -> int:
    async with storage._containers.use() as container:  # pyright: ignore[reportPrivateUsage]  # the items themselves
        return len(await container.query_all(thread_partition(thread), "c.kind = 'blob'"))


@every_write
async def test_a_write_whose_answer_is_lost_leaves_a_storage_that_goes_on(write: Write, tmp_path: Path) -> None:
    possible = await states(write)
    async with wired(tmp_path) as (storage, wire):
        found: dict[str, ThreadSlice] = {}
        settled: set[str] = set()
        while not settled:
            thread = f"{len(found) + 1}"
            await prepare(storage, write, thread)
            wire.clear()
            written = 0

            async def lose(_: HttpRequest, at: int = int(thread)) -> AsyncHttpResponse | None:
                nonlocal written
                if wire.requests[-1] != "QUERY":
                    written += 1
                    if written == at:
                        raise AzureError("no such luck")
                return None

            wire.after = lose
            with suppress(StorageError):
                await write.do(storage, thread)
            wire.clear()
            if written < int(thread):
                settled.add(thread)
            found[thread] = await check_whole(storage, thread)
            assert seen(found[thread]) in possible, f"write {thread}"
        await check_listed(storage, found, settled=settled)
        for thread in found:
            await check_goes_on(storage, thread)
