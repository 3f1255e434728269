"""Storm: `served`, while the server of the database is killed as well, and the model's server fails now and then.

The database is durable, so what it has acknowledged must be there when it is back.
"""

from __future__ import annotations

from pathlib import Path

from tests.chaos.places import Place, PostgresPlace, RedisPlace
from tests.chaos.served import served
from tests.chaos.tally import Round
from tests.servers.postgres_server import PostgresServer, schema_of
from tests.servers.redis_server import RedisServer


class _Redis(RedisPlace):
    """A Redis that has each write on its disk before it acknowledges it."""

    def __init__(self, folder: Path) -> None:
        Place.__init__(self, folder)
        self._server = RedisServer("--appendonly", "yes", "--appendfsync", "always")

    def restart(self) -> None:
        """Kill the server and start it again."""
        self._server.kill()
        self._server.start()


class _Postgres(PostgresPlace):
    """A PostgreSQL of its own. A commit survives SIGKILL, because the system still writes it to the disk."""

    def __init__(self, folder: Path) -> None:
        Place.__init__(self, folder)
        self._own = PostgresServer(is_durable=False)
        self._url = self._own.url
        self._schema = schema_of(folder)

    def restart(self) -> None:
        """Kill the server and start it again."""
        self._own.kill()
        self._own.start()

    def close(self) -> None:
        self._own.stop()


async def outages(place: Place, current: Round) -> None:
    """Kill servers, their database and answers of the model."""
    killable = _Redis(place.folder) if place.scheme == "redis" else _Postgres(place.folder)
    try:
        await served(killable, current, restart=killable.restart)
    finally:
        killable.close()
