"""Options that several commands share, and the storage that they name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from recuerda.cli.environment import default_storage_url
from recuerda.errors import StorageUnavailable
from recuerda.storage.contract import Storage
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.registry import open_storage

StorageOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        envvar="RECUERDA_STORAGE",
        help="The storage that keeps the threads, such as sqlite:///memory.db or file:///folder. By default, this is a "
        "SQLite file in your data folder.",
    ),
]
UserOption: TypeAlias = Annotated[
    str | None, typer.Option("--user", metavar="ID", help="The user who owns the thread.")
]
JsonOption: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def storage_url(given: str | None) -> str:
    """Return the given URL, or the URL of the SQLite file in the user's data folder."""
    return given or default_storage_url()


def opened(given: str | None) -> Storage:
    """Return the storage that an option names. Use it in `async with`.

    Raises:
        ConfigurationError: the URL names no storage.
    """
    return open_storage(storage_url(given))


def opened_to_read(given: str | None, *, may_be_new: bool = False) -> Storage:
    """Return the storage that an option names, for a command that must not begin a storage under a mistyped name.

    With `may_be_new`, the storage in the user's data folder is empty before the first thread begins. Otherwise it has
    to be there too, because the command's success means that it has found something to work on.

    Raises:
        ConfigurationError: the URL names no storage.
        StorageUnavailable: there is no file or folder with this name.
    """
    storage = opened(given)
    path = getattr(storage, "path", None)
    if not isinstance(path, Path) or path.exists():
        return storage
    if given:
        raise StorageUnavailable(f"there is no storage {public_url(given)}: check the name")
    if not may_be_new:
        raise StorageUnavailable(
            f"there is no storage {public_url(given)} yet: `recuerda chat` begins one, and --storage names another"
        )
    return MemoryStorage()


def public_url(given: str | None) -> str:
    """Return the storage's URL without user, password and query, to be shown."""
    url = storage_url(given)
    if "@" not in url and "?" not in url:
        return url
    # A URL may name several hosts, which `urlsplit` cannot take apart.
    scheme, _, rest = url.partition("?")[0].partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
