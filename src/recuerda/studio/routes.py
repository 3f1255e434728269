"""The table of all routes of the studio."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from recuerda.studio import changes, chat, health, inbox, memory, seen, threads
from recuerda.studio.rendering import STATIC

_YEAR_S = 31_536_000


class _Files(StaticFiles):
    """The files that come with the studio. Their addresses change with them, so a browser may keep them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = f"public, max-age={_YEAR_S}, immutable"
        return response


async def _home(_: Request) -> Response:
    return RedirectResponse("/threads", 303)


def all_routes() -> Sequence[BaseRoute]:
    """Return the routes of every room."""
    return (
        Route("/", _home, methods=["GET"]),
        Mount("/static", _Files(directory=STATIC, follow_symlink=False)),
        *threads.ROUTES,
        *seen.ROUTES,
        *memory.ROUTES,
        *health.ROUTES,
        *inbox.ROUTES,
        *changes.ROUTES,
        *chat.ROUTES,
    )
