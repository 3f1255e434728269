"""Redis Sentinel: a URL that names the Sentinels, and a client whose connections lead to the primary that they name.

The Sentinels watch a primary and its replicas. If the primary fails, they make a replica the primary. Each new
connection asks a Sentinel for the primary. An old primary that is still alive accepts writes for about ten more seconds
and then drops them, so a client in use asks the Sentinels again every second. redis-py has the client; it has no URL
for Sentinels. The form of the URL is the one that most libraries of the field use.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, cast
from urllib.parse import parse_qsl, unquote, urlencode

from redis.asyncio.connection import Connection, SSLConnection, parse_url
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel, SentinelConnectionPool, SentinelManagedConnection

from recuerda.errors import ConfigurationError
from recuerda.redis.renewal import Renewal
from recuerda.redis.trips import RedisClient

DEFAULT_PORT = 26379
RECHECK_S = 1.0
"""The seconds after which the Sentinels are asked again for the primary, before the next command."""

UNANSWERED_RECHECK_S = 30.0
"""The same number if no Sentinel has answered. Until then, the connections to the primary stay in use."""

_FORM = re.compile(
    r"redis(?P<tls>s?)\+sentinel://(?:(?P<user>[^/?#]*)@)?(?P<members>[^@/?#]+)/(?P<service>[^/?#]+)"
    r"(?:/(?P<database>\d*))?(?:\?(?P<query>[^#]*))?",
    re.IGNORECASE,
)
_MEMBER = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:\s]+)(?::(?P<port>\d{1,5}))?")


def is_sentinel_url(url: str) -> bool:
    """Return True if the URL names Sentinels."""
    return url.partition(":")[0].lower() in ("redis+sentinel", "rediss+sentinel")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelUrl:
    """A URL that names Sentinels, read.

    Attributes:
        members: host and port of each Sentinel.
        service: the name under which the Sentinels know the primary.
        is_tls: True uses TLS for the servers and for the Sentinels.
        server_url: a URL in redis-py's form, with the servers' user, password, database and settings. Its host has no
            meaning.
        sentinel_user: user name and password for the Sentinels themselves.
    """

    members: tuple[tuple[str, int], ...]
    service: str
    is_tls: bool
    server_url: str = field(repr=False)
    sentinel_user: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL.

        Raises:
            ConfigurationError: it has another form. The error does not show the URL.
        """
        found = _FORM.fullmatch(url)
        members = [_MEMBER.fullmatch(member) for member in found["members"].split(",")] if found else []
        if found is None or not all(members):
            raise ConfigurationError(
                "the URL of Redis Sentinels must be "
                "redis+sentinel://[user:password@]host[:port][,host[:port]…]/service[/database]"
            )
        settings = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
        user = {name: settings.pop(f"sentinel_{name}", "") for name in ("username", "password")}
        return cls(
            members=tuple(_host_and_port(member) for member in members if member),
            service=unquote(found["service"]),
            is_tls=bool(found["tls"]),
            server_url=f"redis{found['tls'].lower()}://{_before_at(found['user'])}localhost/{found['database'] or 0}"
            f"?{urlencode(settings)}",
            sentinel_user={name: value for name, value in user.items() if value},
        )

    @property
    def name(self) -> str:
        """The service and the Sentinels without credentials, for error messages."""
        return f"{self.service} (Sentinels {','.join(f'{host}:{port}' for host, port in self.members)})"

    def connect(self, *, max_connections: int, options: Mapping[str, Any]) -> RedisClient:
        """Return a client of the primary, which connects when it is first used.

        Args:
            max_connections: the largest number of connections.
            options: settings of redis-py for connections to the servers. Those that are not about credentials are also
                used for the Sentinels.

        Raises:
            ValueError: redis-py does not accept a setting of the URL. Its text may show values of the URL.
        """
        # The type is Any because redis-py leaves the keywords untyped.
        settings = cast("dict[str, Any]", parse_url(self.server_url))
        for name in ("host", "port", "connection_class"):
            settings.pop(name, None)
        shared = {name: value for name, value in options.items() if name != "credential_provider"}
        if self.is_tls:
            shared |= {"ssl": True} | {name: value for name, value in settings.items() if name.startswith("ssl_")}
        manager = Sentinel(self.members, sentinel_kwargs={**shared, **self.sentinel_user})
        client = cast("Any", manager).master_for(
            self.service,
            connection_pool_class=_PrimaryPool,
            connection_class=_SecureConnection if self.is_tls else _Connection,
            max_connections=max_connections,
            **{**options, **settings},
        )
        return cast("RedisClient", client)


class _Connection(SentinelManagedConnection):
    """A connection to the primary. `Trips` handles a refusal of a server that was demoted, as it does everywhere."""

    # The base class would report a broken connection, and nobody would know that nothing was written.
    read_response = cast("Any", Connection).read_response


class _SecureConnection(_Connection, SSLConnection):
    pass


class _PrimaryPool(SentinelConnectionPool):
    """Connections to the primary that the Sentinels name, and the clients of the Sentinels, which are closed here."""

    sentinel_manager: Sentinel
    service_name: str
    master_address: object
    _recheck_at: float = 0.0

    def __init__(self, *words: Any, **options: Any) -> None:
        super().__init__(*words, **options)  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
        self._renewal = Renewal(self)

    async def get_connection(self, *words: Any, **options: Any) -> Any:
        """Return a connection to the primary."""
        if self.master_address is not None and time.monotonic() >= self._recheck_at:
            try:
                await self.get_master_address()
            except MasterNotFoundError:
                self._recheck_at = time.monotonic() + UNANSWERED_RECHECK_S
        await self._renewal.finish()
        return await super().get_connection(*words, **options)

    async def get_master_address(self) -> object:
        """Return the primary's address. If it has changed, close the connections to the old primary."""
        self._recheck_at = time.monotonic() + RECHECK_S
        address = await self._asked()
        if address is None:
            raise MasterNotFoundError(f"no Sentinel names a primary for {self.service_name!r}")
        before, self.master_address = self.master_address, address
        if before not in (None, address):
            await self._renewal.start()
        return address

    async def _asked(self) -> object:
        try:
            return await cast("Any", self.sentinel_manager).discover_master(self.service_name)
        except MasterNotFoundError:
            return None  # not chained, because the error of redis-py 6 shows the Sentinels' password

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Close the connections, and with the last also the clients of the Sentinels."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            await asyncio.gather(*(one.aclose() for one in cast("list[Any]", self.sentinel_manager.sentinels)))


def _host_and_port(member: re.Match[str]) -> tuple[str, int]:
    return member["host"].strip("[]"), int(member["port"] or DEFAULT_PORT)


def _before_at(user: str | None) -> str:
    return f"{user}@" if user else ""
