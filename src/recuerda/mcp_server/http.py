"""The server over HTTP, as an ASGI application and as a process that listens.

The SDK's application checks the tokens, and the `Host` and `Origin` of requests to an address of this machine, so that
no web page can reach the server through a name that it controls.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import uvicorn
from mcp.server.auth.settings import AuthSettings
from starlette.applications import Starlette

from recuerda.mcp_server.server import MemoryServer
from recuerda.mcp_server.tokens import Tokens

PATH = "/mcp"
"""The path of the endpoint."""

_STOP_S = 10


def http_app(server: MemoryServer, *, tokens: Tokens | None, host: str, is_stateless: bool) -> Starlette:
    """Return the application.

    Args:
        server: the server.
        tokens: the tokens that clients must send; None to answer every program on this machine.
        host: the address to listen on.
        is_stateless: True keeps no session between requests, so any process behind a load balancer can answer.
    """
    # The SDK wants the address of a service that issues tokens. A client that has its token asks nobody.
    settings = {"issuer_url": "http://localhost", "resource_server_url": None}
    auth = AuthSettings.model_validate(settings) if tokens is not None else None
    return server.sdk_server().streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=is_stateless,
        host=host,
        auth=auth,
        token_verifier=tokens,
    )


async def serve_http(
    app: Starlette,
    *,
    host: str,
    port: int,
    announce: Callable[[str], None],
    before_end: Callable[[], Awaitable[None]],
) -> bool:
    """Serve until a signal stops the server. Return False if the server could not listen on its address.

    Args:
        app: the application.
        host: the address to listen on.
        port: the port; 0 for a free one.
        announce: called with the endpoint's URL as soon as the server accepts requests.
        before_end: called when the server is asked to stop, before it waits for running requests.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host.strip("[]"), port), family=family, backlog=1024)
    except OSError:
        return False
    name = f"[{host.strip('[]')}]" if ":" in host else host
    url = f"http://{name}:{listener.getsockname()[1]}{PATH}"
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=_STOP_S, ws="none")
    server = _Server(config, lambda: announce(url), before_end)
    with listener:
        await server.serve([listener])
    return True


class _Server(uvicorn.Server):
    """Says when it accepts requests, and when it stops.

    Args:
        config: the configuration.
        when_ready: called once.
        before_end: called once.
    """

    def __init__(
        self, config: uvicorn.Config, when_ready: Callable[[], None], before_end: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(config)
        self._when_ready = when_ready
        self._before_end = before_end

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._before_end()
        await super().shutdown(sockets)
