"""The storage on the oldest Redis, on a cluster, and with threads that expire: each runs other commands or scripts.

The rules that do not depend on the commands are tested on Redis 8, in `tests/storage/test_contract.py`.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recuerda.redis import RedisStorage
from recuerda.storage.contract import Storage
from recuerda.testing.storage_contract import LeaseContract, RewriteContract
from tests.redis.clients import connect_cluster
from tests.servers.redis_server import old_redis, prefix_of, redis_cluster, redis_url
from tests.variant_contract import VariantContract


class TestRedis62(VariantContract, LeaseContract, RewriteContract):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        async with RedisStorage(old_redis().url, key_prefix=prefix_of(tmp_path)) as storage:
            yield storage

    @pytest.fixture
    async def another(self, storage: Storage, tmp_path: Path) -> AsyncIterator[Storage]:
        async with RedisStorage(old_redis().url, key_prefix=prefix_of(tmp_path)) as another:
            yield another


class TestExpiringThreads(VariantContract, LeaseContract, RewriteContract):
    """With a time to live, every script does more."""

    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        url = f"{redis_url()}?key_prefix={prefix_of(tmp_path)}&ttl_s=600"
        async with RedisStorage.from_url(url) as storage:
            yield storage


class TestCluster(VariantContract, LeaseContract, RewriteContract):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        async with RedisStorage(redis_cluster().url, cluster=True, key_prefix=prefix_of(tmp_path)) as storage:
            yield storage

    @pytest.fixture
    async def another(self, storage: Storage, tmp_path: Path) -> AsyncIterator[Storage]:
        client = connect_cluster(redis_cluster().url)
        async with RedisStorage(redis_client=client, key_prefix=prefix_of(tmp_path)) as another:
            yield another
        await client.aclose()
