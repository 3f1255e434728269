"""Options that several commands share, and the storage that they name."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

import typer

from recuerda.cli.environment import default_storage_url
from recuerda.storage.contract import Storage
from recuerda.storage.registry import open_storage

StorageOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        envvar="RECUERDA_STORAGE",
        help="Where threads live, such as sqlite:///memory.db or file:///folder. By default a SQLite file in your data "
        "folder.",
    ),
]
UserOption: TypeAlias = Annotated[str | None, typer.Option("--user", metavar="ID", help="Whose thread it is.")]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def storage_url(given: str | None) -> str:
    """Return the URL that was given, or that of the user's own file."""
    return given or default_storage_url()


def opened(given: str | None) -> Storage:
    """Open the storage of an option; use it in `async with`.

    Raises:
        ConfigurationError: the URL names no storage.
    """
    return open_storage(storage_url(given))


def public_url(given: str | None) -> str:
    """Return the storage's URL for people: without user, password and query."""
    url = storage_url(given)
    parts = urlsplit(url)
    return url if "@" not in parts.netloc and not parts.query else f"{parts.scheme}://{parts.hostname}{parts.path}"
