"""The server process: it listens, reports its address, and stops when a signal asks it to.

SIGTERM stops the server without any loss. First it drains for `drain_s` seconds: `/readyz` says that the server stops,
and the server still serves each request, so that a proxy that has not noticed loses nothing. The answers close their
connections. Then the server listens no more, and running requests get `stop_s` seconds to finish. Those that are not
finished end as failed, and no part of them is kept. SIGINT, which is Ctrl-C, does the same without the first step,
because a person waits. A second signal stops the server at once.
"""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, cast

import msgspec
import uvicorn
from starlette.applications import Starlette

from recuerda.server.app import Application
from recuerda.server.connections import Connections, GuardedConnection
from recuerda.server.keys import TenantKeys
from recuerda.server.settings import ServerSettings, check_host
from recuerda.server.upstream import Upstream
from recuerda.storage.contract import Storage

_ACCEPTED_AT_ONCE = 32
_FAREWELL_S = 1.0
"""The seconds for which a kept connection without a request stays open when the server listens no more."""

_LAST_WORDS_S = 3.0
"""The seconds in which the requests that were ended can tell it to their clients and to the storage."""


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """The address to listen on, and how the server stops.

    Attributes:
        host: a host name or an address. Any address but loopback needs keys.
        port: the port; 0 for any free port.
        drain_s: the seconds after SIGTERM in which the server still serves new requests. A proxy must notice in this
            time that the server is not ready.
        stop_s: the seconds that running requests get to finish after that.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    drain_s: float = 5.0
    stop_s: float = 30.0


async def serve(
    storage: Storage,
    upstream: Upstream,
    settings: ServerSettings,
    *,
    keys: TenantKeys | None = None,
    listening: Listening = Listening(),  # noqa: B008 - it is frozen
    when_ready: Callable[[str], None] | None = None,
) -> bool:
    """Serve until a signal stops the server. Return False if the server could not listen on its address.

    Args:
        storage: the storage of the conversations; the caller closes it.
        upstream: the model's server; the caller closes it.
        settings: how to answer.
        keys: the keys that clients must send. If None, every program on this machine is answered, and no other.
        listening: the address to listen on.
        when_ready: called with the server's URL as soon as it accepts requests.

    Raises:
        ConfigurationError: the server has no keys, and other machines can reach the host.
    """
    check_host(listening.host, has_keys=keys is not None)
    application = Application(storage, upstream, settings, keys=keys)
    connections = Connections(settings.limits)

    def drain(seconds: float) -> None:
        application.drain()
        connections.end(farewell_s=min(seconds, _FAREWELL_S))

    config = config_of(application.asgi, connections, listening=listening)
    server = _Server(config, listening, when_draining=drain, when_late=application.end_calls, when_ready=when_ready)
    try:
        await server.serve()
    except SystemExit:  # uvicorn raises it when it cannot listen
        return False
    finally:
        await application.close(grace_s=server.left_s)
    return server.started


def config_of(app: Starlette, connections: Connections, *, listening: Listening) -> uvicorn.Config:
    """Return uvicorn's settings for the application and its connections."""
    return uvicorn.Config(
        app,
        host=listening.host,
        port=listening.port,
        http=cast("type[asyncio.Protocol]", partial(GuardedConnection, connections)),
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        log_level="error",  # A warning for each invalid request would let any client fill the log.
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=connections.limits.idle_s,
        timeout_graceful_shutdown=math.ceil(listening.stop_s + _LAST_WORDS_S),
    )


class _Server(uvicorn.Server):
    """A uvicorn server that reports its address and, after a signal has stopped it, does not raise the signal again."""

    def __init__(
        self,
        config: uvicorn.Config,
        listening: Listening,
        *,
        when_draining: Callable[[float], None],
        when_late: Callable[[], None],
        when_ready: Callable[[str], None] | None,
    ) -> None:
        super().__init__(config)
        self._listening = listening
        self._when_draining = when_draining
        self._when_late = when_late
        self._when_ready = when_ready
        self._drains_until: float | None = None
        self._late: asyncio.TimerHandle | None = None

    @property
    def left_s(self) -> float:
        """The seconds that are left for running work."""
        if self.force_exit or self._late is None:
            return 0.0
        return max(0.0, self._late.when() - asyncio.get_running_loop().time()) + _LAST_WORDS_S

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started and sys.platform != "win32":
            await self._accept_faster()
        if self.started and self._when_ready is not None:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            self._when_ready(f"http://{shown}:{port}")

    async def _accept_faster(self) -> None:
        """Listen several times on each socket.

        uvloop accepts one connection in each round of its loop. Otherwise a client would wait for a round for each of
        the hundreds of clients that connected right before it.
        """
        loop = asyncio.get_running_loop()
        protocol: Any = self.config.http_protocol_class
        made = partial(
            protocol, config=self.config, server_state=self.server_state, app_state=self.lifespan.state, _loop=loop
        )
        for listening in list(self.servers[0].sockets) * (_ACCEPTED_AT_ONCE - 1):
            copy = socket.fromfd(listening.fileno(), listening.family, listening.type)
            self.servers.append(await loop.create_server(made, sock=copy, backlog=self.config.backlog))

    async def on_tick(self, counter: int) -> bool:
        if self._drains_until is not None and time.monotonic() >= self._drains_until:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: Any = None) -> None:
        self._late = asyncio.get_running_loop().call_later(self._listening.stop_s, self._when_late)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit or self._drains_until is not None:
            self.should_exit = self.force_exit = True
        drain_s = 0.0 if sig == signal.SIGINT else self._listening.drain_s
        self._drains_until = time.monotonic() + drain_s
        self._when_draining(drain_s)
