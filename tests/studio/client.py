"""The studio in this process, and an HTTP client that shows its token."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from starlette.routing import Route

from recuerda import MemoryStorage, Storage
from recuerda.studio import StudioSettings, create_studio

TOKEN = "token-of-the-tests-1234"
ORIGIN = "http://127.0.0.1:8788"


def settings_of(storage: Storage, **others: Any) -> StudioSettings:
    """Return settings with the tests' token."""
    return StudioSettings(storage=storage, token=TOKEN, **others)


@asynccontextmanager
async def studio_client(settings: StudioSettings, *, has_token: bool = True) -> AsyncGenerator[httpx2.AsyncClient]:
    """Run a studio, and give a client that follows no redirect and keeps cookies."""
    app = create_studio(settings)
    headers = {"authorization": f"Bearer {TOKEN}"} if has_token else {}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ORIGIN, headers=headers) as client,
    ):
        yield client


async def signed_in(client: httpx2.AsyncClient) -> str:
    """Open the studio with the printed link, as a browser does, and return the token of its forms."""
    answer = await client.get("/", params={"token": TOKEN})
    assert answer.status_code == 303, answer.text
    return settings_of(MemoryStorage()).derived("form")


def every_page(settings: StudioSettings, values: dict[str, str]) -> list[str]:
    """Return the addresses of all pages and of their JSON, with values for the parameters. Streams are left out."""
    paths = [
        route.path
        for route in create_studio(settings).routes
        if isinstance(route, Route) and "GET" in (route.methods or ())
    ]
    return [
        re.sub(r"\{(\w+)(:\w+)?\}", lambda found: values.get(found[1], "1"), path)
        for path in paths
        if not path.endswith("/live")
    ]
