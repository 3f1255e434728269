"""One server for any number of storages: a limited number of connections per event loop, and how durable its data is.

Storages with the same URL share a server. It opens nothing until it is used. It closes its connections when the last
storage is closed, or when the event loop to which they belong ends, so a storage that nobody closes leaks nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias, cast
from urllib.parse import urlsplit
from weakref import WeakSet, WeakValueDictionary

import redis.asyncio
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import ResponseError

from recuerda._drivers.per_loop import PerLoop
from recuerda._events import fields
from recuerda.errors import ConfigurationError
from recuerda.redis import faults
from recuerda.redis.sentinel import SentinelUrl, is_sentinel_url
from recuerda.redis.trips import RedisCall, RedisClient, Trips

Persistence: TypeAlias = Literal["none", "snapshots", "everysec", "always", "unknown"]

_log = logging.getLogger("recuerda.storage.redis")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The address of a server, and the settings of connections to it.

    Attributes:
        url: the URL, which may contain credentials and is never shown.
        is_cluster: True if the URL names a node of a Redis Cluster.
        max_connections: the largest number of connections per event loop.
        timeout_s: seconds to wait for a connection, and for each answer.
        credential_provider: gives the user name and password instead of the URL; None takes them from the URL.
    """

    url: str = field(repr=False)
    is_cluster: bool
    max_connections: int
    timeout_s: float
    credential_provider: CredentialProvider | None

    def connect(self) -> RedisClient:
        """Return a client, which connects when it is first used."""
        # Retries are off, because the storage knows which commands are safe to repeat, and repeats them itself.
        # With protocol version 3, redis-py 8.1 does not notice that an idle connection broke.
        options: dict[str, Any] = {
            "protocol": 2,
            "socket_timeout": self.timeout_s,
            "socket_connect_timeout": self.timeout_s,
            "retry": Retry(NoBackoff(), 0),
        }
        if self.credential_provider is not None:
            options["credential_provider"] = self.credential_provider
        try:
            return self._connect(options)
        except ValueError:
            # The text of redis-py's error may show values of the URL.
            raise ConfigurationError(
                f"redis-py does not accept a setting in the URL of the Redis server {_name(self.url)}; check its query"
            ) from None

    def _connect(self, options: dict[str, Any]) -> RedisClient:
        if is_sentinel_url(self.url):
            return SentinelUrl.parse(self.url).connect(max_connections=self.max_connections, options=options)
        if self.is_cluster:
            del options["retry"]
            return cast("RedisClient", RedisCluster.from_url(self.url, **options))
        # The blocking pool is not needed: `Trips` queues commands and never asks for more connections than there are.
        # The type is Any because redis-py leaves the keywords untyped.
        make_pool = cast("Any", redis.asyncio.ConnectionPool).from_url
        pool = make_pool(self.url, max_connections=self.max_connections, **options)
        return cast("RedisClient", redis.asyncio.Redis.from_pool(pool))


class Server:
    """Connections to one server.

    Args:
        connect: returns a new client.
        name: host and port without credentials, for error messages.
        lanes: the largest number of connections at the same time, per event loop.
        is_cluster: True if the server is a Redis Cluster.
        is_owned: True if the clients are closed here.
    """

    _shared: ClassVar[WeakValueDictionary[Address | tuple[int, int], Server]] = WeakValueDictionary()
    _mutex: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self, connect: Callable[[], RedisClient], *, name: str, lanes: int, is_cluster: bool, is_owned: bool
    ) -> None:
        self.name = name
        self.is_cluster = is_cluster
        self.has_all_keys: bool = not is_cluster
        """False if one script cannot reach both a thread and the listings, because they are on different nodes."""
        self.persistence: Persistence = "unknown"
        self.users: WeakSet[object] = WeakSet()
        self._is_known = False
        # These functions do not refer to the server, so its connections end when it is collected.
        self._links = PerLoop(
            lambda: _Link.of(connect(), lanes=lanes, is_cluster=is_cluster), _close_owned if is_owned else _finish
        )

    @classmethod
    def shared(cls, address: Address) -> Server:
        """Return the server of an address. Equal addresses give the same server."""
        with cls._mutex:
            server = cls._shared.get(address)
            if server is None:
                server = cls(
                    address.connect,
                    name=_name(address.url),
                    lanes=address.max_connections,
                    is_cluster=address.is_cluster,
                    is_owned=True,
                )
                cls._shared[address] = server
        return server

    @classmethod
    def of_client(cls, client: object, *, max_connections: int) -> Server:
        """Return the server of the application's own client. The application closes the client."""
        if not hasattr(client, "execute_command") or not hasattr(client, "aclose"):
            raise ConfigurationError("redis_client must be a client of redis.asyncio: Redis or RedisCluster")
        ready = cast("RedisClient", client)
        pool: Any = getattr(client, "connection_pool", None)
        lanes = min(max_connections, getattr(pool, "max_connections", max_connections))
        with cls._mutex:
            # The server holds the client, so another object cannot get the client's id.
            server = cls._shared.get((id(client), lanes))
            if server is None:
                is_cluster = isinstance(client, RedisCluster)
                server = cls(lambda: ready, name=_pool_name(pool), lanes=lanes, is_cluster=is_cluster, is_owned=False)
                cls._shared[id(client), lanes] = server
        return server

    async def trips(self) -> Trips:
        """Return the trips of this event loop, by which commands are sent to the server."""
        link = await self._links.get()
        if not self._is_known:
            self._is_known = True
            await self._learn_persistence(link)
        return link.trips

    async def nodes(self) -> Sequence[object]:
        """Return the nodes that together have all keys; a single None for a server that has all keys itself."""
        await (await self.trips()).initialize()
        client = (await self._links.get()).client
        return client.get_primaries() if isinstance(client, RedisCluster) else (None,)

    async def leave(self, user: object) -> None:
        """Note that a storage no longer uses the server. The last storage closes the connections."""
        self.users.discard(user)
        if not self.users:
            await self._links.close()

    async def _learn_persistence(self, link: _Link) -> None:
        settings: dict[str, str] = {}
        node = RedisCluster.RANDOM if self.is_cluster else None
        try:
            for setting in ("save", "appendonly", "appendfsync"):
                settings.update(_texts(await link.trips.run(RedisCall("CONFIG GET", (setting,), node=node))))
        except ResponseError:
            return  # many hosted servers do not allow CONFIG
        except faults.DRIVER_ERRORS:
            self._is_known = False
            return
        self.persistence = _persistence(settings)
        if self.persistence == "none":
            _log.warning(
                "the Redis server %s keeps nothing on disk (persistence: none), so its threads end with its process; "
                "for threads that last, start it with --appendonly yes",
                self.name,
                extra=fields("redis_without_persistence", server=self.name),
            )


@dataclass(frozen=True, slots=True)
class _Link:
    """The connections of one event loop."""

    client: RedisClient
    trips: Trips

    @classmethod
    def of(cls, client: RedisClient, *, lanes: int, is_cluster: bool) -> _Link:
        return cls(client, Trips(client, lanes=lanes, is_grouped=not is_cluster))


async def _close_owned(link: _Link) -> None:
    await link.trips.finish()
    await link.client.aclose()


async def _finish(link: _Link) -> None:
    await link.trips.finish()


def check_url(url: str) -> str:
    """Return `url` if it is the URL of a Redis server, or of Sentinels.

    Raises:
        ConfigurationError: it is another URL. The error does not show the URL.
    """
    if is_sentinel_url(url):
        SentinelUrl.parse(url)
        return url
    try:
        parts = urlsplit(url)
        is_known = parts.scheme in ("redis", "rediss", "unix") and (parts.port is None or parts.port > 0)
    except ValueError:
        is_known = False
    if not is_known:
        raise ConfigurationError(
            "the URL of a Redis server must be redis://[user:password@]host[:port][/database], rediss://…, unix://… or "
            "redis+sentinel://…"
        )
    return url


def _name(url: str) -> str:
    if is_sentinel_url(url):
        return SentinelUrl.parse(url).name
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


def _pool_name(pool: Any) -> str:
    options: dict[str, Any] = getattr(pool, "connection_kwargs", {})
    return f"{options['host']}:{options.get('port', 6379)}" if "host" in options else "of the given client"


def _texts(reply: object) -> dict[str, str]:
    """Return the settings in a reply to CONFIG GET: a dict, or a list of alternating names and values."""
    if isinstance(reply, dict):
        pairs = cast("dict[object, object]", reply).items()
    elif isinstance(reply, list):
        flat = cast("list[object]", reply)
        pairs = zip(flat[::2], flat[1::2], strict=True)
    else:
        return {}
    return {_text(name): _text(value) for name, value in pairs}


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _persistence(settings: dict[str, str]) -> Persistence:
    match settings.get("appendonly"), settings.get("appendfsync"):
        case "yes", ("always" | "everysec") as policy:
            return policy
        case _:
            pass
    if settings.get("appendonly") == "no" and "save" in settings:
        return "snapshots" if settings["save"] else "none"
    return "unknown"
