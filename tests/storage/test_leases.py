"""Leases: one holder at a time, across handles; a dead holder's lease runs out; safety never depends on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from recuerda import InvalidInput, MemoryStorage, NewTurn, Storage
from tests.storage.matrix import IN_ONE_PROCESS, STORAGES

SHORT = timedelta(milliseconds=150)
RENEWED = timedelta(milliseconds=600)
"""Long enough that a holder on a busy machine renews it in time."""


@pytest.fixture(params=["memory", "sqlite", "file", "redis", "postgresql", "cosmos"])
async def handles(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Storage, Storage]]:
    make = STORAGES[request.param]
    async with make(tmp_path) as one:
        if request.param in IN_ONE_PROCESS:
            yield one, one
            return
        async with make(tmp_path) as two:
            yield one, two


async def test_holders_follow_one_another_and_never_overlap(handles: tuple[Storage, Storage]) -> None:
    inside = 0
    most = 0

    async def hold(storage: Storage) -> None:
        nonlocal inside, most
        async with storage.lease("t"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(hold(handles[i % 2]) for i in range(6)))
    assert most == 1


async def test_leases_of_different_threads_do_not_wait_for_each_other(handles: tuple[Storage, Storage]) -> None:
    async with handles[0].lease("a"), asyncio.timeout(5), handles[1].lease("b"):
        pass


async def test_a_living_holder_keeps_its_lease_longer_than_its_time(handles: tuple[Storage, Storage]) -> None:
    async with handles[0].lease("t", RENEWED):
        await asyncio.sleep(2 * RENEWED.total_seconds())
        assert not await handles[1].take_lease("t", "other", SHORT)


async def test_the_lease_of_a_dead_holder_is_taken_over(handles: tuple[Storage, Storage]) -> None:
    assert await handles[0].take_lease("t", "the dead", SHORT)
    async with asyncio.timeout(5), handles[1].lease("t"):
        pass


async def test_an_error_inside_gives_the_lease_back(handles: tuple[Storage, Storage]) -> None:
    with pytest.raises(LookupError):
        async with handles[0].lease("t"):
            raise LookupError
    assert await handles[1].take_lease("t", "other", SHORT)


async def test_only_the_holder_can_give_a_lease_back(handles: tuple[Storage, Storage]) -> None:
    assert await handles[0].take_lease("t", "one", timedelta(seconds=30))
    await handles[1].release_lease("t", "two")
    assert not await handles[1].take_lease("t", "two", SHORT)


async def test_a_lost_lease_loses_no_turn(handles: tuple[Storage, Storage]) -> None:
    async with handles[0].lease("t"):
        await handles[1].append("t", NewTurn(body=b"x", message_count=1), expected=0)
        assert (await handles[0].head("t")) is not None


def test_a_lease_that_ends_at_once_is_refused() -> None:
    with pytest.raises(InvalidInput):
        MemoryStorage().lease("t", timedelta(0))
