"""Closes all older connections of a redis-py pool, including the connections that are in use."""

from __future__ import annotations

from typing import Any


class Renewal:
    """Closes the connections of a pool that were opened before the latest `start`. A new connection is left alone.

    The pool's own `disconnect` waits for each connection to end. Another command may take the connection meanwhile, and
    `disconnect` would then break it (redis-py 8.1). With `nowait`, no other task runs in between. redis-py 8 can also
    mark a connection that is in use, but older versions cannot.

    Args:
        pool: the pool. An object that is no pool has no connections.
    """

    def __init__(self, pool: object) -> None:
        self._pool = pool
        self._in_use: set[object] = set()
        """The old connections that were in use. Each is closed when it has been returned, by `finish`."""

    async def start(self) -> None:
        """Close the idle connections, and note the others."""
        self._in_use = set(_connections(self._pool, "_in_use_connections"))
        for connection in _connections(self._pool, "_available_connections"):
            await connection.disconnect(nowait=True)

    async def finish(self) -> None:
        """Close the old connections that have been returned since."""
        if not self._in_use:
            return
        for connection in _connections(self._pool, "_available_connections"):
            if connection in self._in_use:
                self._in_use.discard(connection)
                await connection.disconnect(nowait=True)


def _connections(pool: object, name: str) -> tuple[Any, ...]:
    return tuple(getattr(pool, name, ()))
