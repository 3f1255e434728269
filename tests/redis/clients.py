"""redis-py's own clients, as Any: their types are unknown in places."""

from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster


def connect(url: str, **options: Any) -> Any:
    """Return a client of a server; the caller closes it."""
    return cast("Any", Redis).from_url(url, **options)


def connect_cluster(url: str) -> Any:
    """Return a client of a cluster; the caller closes it."""
    return cast("Any", RedisCluster).from_url(url)
