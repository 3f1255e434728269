"""The studio as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from recuerda.errors import RecuerdaError
from recuerda.studio.changes.audit import check_audit_file
from recuerda.studio.faults import Fault
from recuerda.studio.guard import Guard
from recuerda.studio.refusing import on_error
from recuerda.studio.routes import all_routes
from recuerda.studio.settings import StudioSettings
from recuerda.studio.studio import make_studio


def create_studio(settings: StudioSettings) -> Starlette:
    """Return the studio as an ASGI application, which any ASGI server can run.

    The address `/?token=TOKEN` opens the studio in a browser. A program sends the token as a bearer token.

    Args:
        settings: the storage, and who may see and change it. The caller closes the storage.

    Raises:
        ConfigurationError: the index of memories or the audit file cannot be used, or a redaction is not a regular
            expression.
    """
    if settings.audit_file is not None:
        check_audit_file(settings.audit_file)
    studio = make_studio(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        yield
        await studio.close()

    app = Starlette(
        routes=all_routes(),
        lifespan=lifespan,
        middleware=[Middleware(Guard, settings=settings)],
        exception_handlers={Fault: on_error, RecuerdaError: on_error, HTTPException: on_error},
    )
    app.router.redirect_slashes = False  # a path is an id to its end
    app.state.studio = studio
    return app
