"""Three nodes on one storage behind a proxy, restarted and killed under load.

The short form takes one storage for each test. The long form takes PostgreSQL and Redis for both, with 100 requests a
second for a minute: `make chaos-tests ARGS="-k many_nodes"`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest

from recuerda import open_storage
from recuerda.server import Limits, ServerSettings, rates
from recuerda.testing import ScriptedOpenAIServer
from tests.server.many_nodes import Cluster, Load, cluster, remembering
from tests.server.serving import MODEL, running, url_of
from tests.servers.redis_server import redis_url

KINDS = ("postgresql", "redis")
CLIENTS, CLIENTS_AT_LENGTH = 10, 40
DRAIN_S = 1.0
"""The time must be longer than the clients' pauses: a kept connection that is used in this time is closed in order."""


def shared_url(kind: str, folder: Path) -> str:
    """Return the URL of a fresh storage that several processes can share."""
    return f"{redis_url()}?key_prefix={folder.name}:" if kind == "redis" else url_of(kind, folder)


@asynccontextmanager
async def loaded(nodes: Cluster, *, is_long: bool, may_repeat: bool) -> AsyncGenerator[Load]:
    """Let clients send requests at a rate while the block runs, and wait for their last answers."""
    load = Load(nodes.proxy.url)
    clients, per_second = (CLIENTS_AT_LENGTH, 100) if is_long else (CLIENTS, 40)
    asking = [asyncio.create_task(load.client(clients / per_second, may_repeat=may_repeat)) for _ in range(clients)]
    # To make the clients takes a second, in which the proxy could not learn that a node stops.
    while len(load.told) < clients:  # noqa: ASYNC110 - they begin once
        await asyncio.sleep(0.01)
    try:
        yield load
    finally:
        load.is_over.set()
        await asyncio.gather(*asking)


async def _again(change: Callable[[], Awaitable[None]], *, is_long: bool) -> None:
    """Make a change three times, and in the long form for a minute."""
    end = time.monotonic() + 60 * is_long
    for number in count():
        if number >= 3 and time.monotonic() >= end:
            return
        await change()


@pytest.mark.chaos
async def test_a_rolling_restart_under_load_fails_loses_and_doubles_nothing(
    tmp_path: Path, model: ScriptedOpenAIServer, *, is_long: bool
) -> None:
    model.default = remembering
    for kind in KINDS if is_long else ["redis"]:
        model.requests.clear()
        async with cluster(shared_url(kind, tmp_path), model.base_url, drain_s=DRAIN_S) as nodes:

            async def restart(nodes: Cluster = nodes) -> None:
                await nodes.stop_oldest()
                await nodes.add()

            async with loaded(nodes, is_long=is_long, may_repeat=False) as load:
                await _again(restart, is_long=is_long)
            assert dict(load.refused) == {}
            assert await load.problems() == []
        assert len(model.requests) == load.answered
        assert load.answered > CLIENTS


@pytest.mark.chaos
async def test_nodes_that_are_killed_and_added_under_load_lose_and_double_nothing(
    tmp_path: Path, model: ScriptedOpenAIServer, *, is_long: bool
) -> None:
    model.default = remembering
    for kind in KINDS if is_long else ["postgresql"]:
        async with cluster(shared_url(kind, tmp_path), model.base_url) as nodes:

            async def replace(nodes: Cluster = nodes) -> None:
                await nodes.kill_oldest()
                await nodes.add()

            async with loaded(nodes, is_long=is_long, may_repeat=True) as load:
                await _again(replace, is_long=is_long)
            assert await load.problems() == []
        assert load.answered > CLIENTS


async def test_nodes_share_the_rate_limit_of_a_tenant(
    tmp_path: Path, model: ScriptedOpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "SHARE_S", 0.02)
    url, settings = url_of("sqlite", tmp_path), ServerSettings(model=MODEL, limits=Limits(requests_per_minute=30))
    async with (
        open_storage(url) as first,
        open_storage(url) as second,
        running(first, model.base_url, settings=settings) as one,
        running(second, model.base_url, settings=settings) as other,
        httpx.AsyncClient() as http,
    ):

        async def admitted(node: str, most: int) -> int:
            for number in range(most):
                if (await http.get(f"{node}/v1/conversations/conv_{'0' * 24}")).status_code == 429:
                    return number
            return most

        assert [await admitted(node, 5) for node in (one, other)] == [5, 5]
        storage_has_both = 0
        while storage_has_both < 2:
            info = await first.head(rates.RATES)
            storage_has_both = len(info.metadata) if info is not None else 0
            await asyncio.sleep(0.02)
        assert [await admitted(one, 15), await admitted(other, 1)] == [15, 1]
        while await admitted(other, 1):  # noqa: ASYNC110 - the nodes exchange their numbers now and then
            await asyncio.sleep(0.02)
        assert await admitted(one, 30) < 15
