"""The server process: it listens, reports its address, and stops when a signal asks it to.

SIGTERM and SIGINT stop the server gracefully. It refuses new requests and gives running requests `stop_s` seconds to
finish. After that it cancels them, and keeps no part of them. A second signal stops the server at once.
"""

from __future__ import annotations

import asyncio
import socket
import sys
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
from recuerda.server.settings import Limits, ServerSettings, check_host
from recuerda.server.upstream import Upstream
from recuerda.storage.contract import Storage

_ACCEPTED_AT_ONCE = 32


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """The address to listen on, and how the server stops.

    Attributes:
        host: a host name or an address. Any address but loopback needs keys.
        port: the port; 0 for any free port.
        stop_s: the seconds that running requests get to finish when the server is stopped.
    """

    host: str = "127.0.0.1"
    port: int = 8000
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
    config = config_of(application.asgi, settings.limits, listening=listening)
    server = _Server(config, application.stop_admitting, when_ready)
    try:
        await server.serve()
    except SystemExit:  # uvicorn raises it when it cannot listen
        return False
    finally:
        await application.close(grace_s=0 if server.force_exit else listening.stop_s)
    return server.started


def config_of(app: Starlette, limits: Limits, *, listening: Listening) -> uvicorn.Config:
    """Return uvicorn's settings for the application, with the limits of its connections."""
    return uvicorn.Config(
        app,
        host=listening.host,
        port=listening.port,
        http=cast("type[asyncio.Protocol]", partial(GuardedConnection, Connections(limits))),
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        log_level="error",  # A warning for each invalid request would let any client fill the log.
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.idle_s,
        timeout_graceful_shutdown=max(1, round(listening.stop_s)),
    )


class _Server(uvicorn.Server):
    """A uvicorn server that reports its address and, after a signal has stopped it, does not raise the signal again."""

    def __init__(
        self, config: uvicorn.Config, when_stopping: Callable[[], None], when_ready: Callable[[str], None] | None
    ) -> None:
        super().__init__(config)
        self._when_stopping = when_stopping
        self._when_ready = when_ready

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

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True
        self._when_stopping()
