"""The server process: it listens, says where, and stops as it should.

SIGTERM and SIGINT end it gracefully: no new requests, the running ones get so many seconds to finish, then they are
cancelled and leave nothing. A second signal ends it at once.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec
import uvicorn

from recuerda.server.app import Application
from recuerda.server.keys import TenantKeys
from recuerda.server.settings import ServerSettings, check_host
from recuerda.server.upstream import Upstream
from recuerda.storage.contract import Storage


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to listen.

    Attributes:
        host: a name or address; others than loopback need keys.
        port: 0 for a free one.
        stop_s: how many seconds running requests get to finish when the server is stopped.
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
    """Serve until a signal says stop; False when the address could not be listened on.

    Args:
        storage: where conversations live; closed by the caller.
        upstream: the model's server; closed by the caller.
        settings: how to answer.
        keys: whose requests to answer; None for everybody's on this machine.
        listening: where to listen.
        when_ready: called with the address once requests are taken.

    Raises:
        ConfigurationError: without keys, the host has to be loopback.
    """
    check_host(listening.host, has_keys=keys is not None)
    application = Application(storage, upstream, settings, keys=keys)
    config = uvicorn.Config(
        application.asgi,
        host=listening.host,
        port=listening.port,
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        # Longer than clients keep an idle connection, so that none is closed while a request is on its way.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, round(listening.stop_s)),
    )
    server = _Server(config, application.stop_admitting, when_ready)
    try:
        await server.serve()
    except SystemExit:  # how uvicorn says that it could not listen
        return False
    return server.started


class _Server(uvicorn.Server):
    """uvicorn, except that it says when it listens, and that a signal it has obeyed is done with."""

    def __init__(
        self, config: uvicorn.Config, when_stopping: Callable[[], None], when_ready: Callable[[str], None] | None
    ) -> None:
        super().__init__(config)
        self._when_stopping = when_stopping
        self._when_ready = when_ready

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.started and self._when_ready is not None:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            self._when_ready(f"http://{shown}:{port}")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True
        self._when_stopping()
