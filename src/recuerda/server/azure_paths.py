"""The paths of Azure OpenAI: a client of Azure is served like a client of OpenAI.

`/openai/v1/…` and `/openai/…?api-version=…` lead to the same routes as `/v1/…`. In `/openai/deployments/{name}/…`, the
name of the deployment is the model for requests that name none. The version of the interface is ignored.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile("/{2,}")
DEPLOYMENT = "deployment"
"""The key in a request's state for the name of its deployment."""


class AzurePaths:
    """An ASGI application that leads Azure's paths to OpenAI's, around another application.

    Args:
        app: the application that knows OpenAI's paths.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request under OpenAI's path."""
        if scope["type"] == "http" and "//" in scope["path"]:
            # Some clients join a base URL that ends with a slash and a path that begins with one.
            path = _SLASHES.sub("/", scope["path"])
            scope = {**scope, "path": path, "raw_path": path.encode()}
        if scope["type"] == "http" and scope["path"].startswith("/openai/"):
            path, deployment = _openai_path(scope["path"])
            scope = {**scope, "path": path, "raw_path": path.encode()}
            if deployment is not None:
                scope["state"] = {**scope.get("state", {}), DEPLOYMENT: deployment}
        await self._app(scope, receive, send)


def _openai_path(path: str) -> tuple[str, str | None]:
    """Return OpenAI's path for a path of Azure, and the deployment that it names, if any."""
    rest = path.removeprefix("/openai")
    if rest.startswith("/deployments/"):
        deployment, _, rest = rest.removeprefix("/deployments/").partition("/")
        return f"/v1/{rest}", unquote(deployment)
    return (rest if rest.startswith("/v1/") else f"/v1{rest}"), None
