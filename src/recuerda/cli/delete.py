"""`recuerda delete`: delete threads for good."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from recuerda.cli.options import JsonOption, StorageOption, opened
from recuerda.cli.output import clean_line, fail, print_json, warn
from recuerda.errors import ThreadNotFound

EXAMPLES = (
    "recuerda delete default",
    "recuerda delete old-1 old-2 --yes",
)


def delete(
    thread_ids: Annotated[list[str], typer.Argument(metavar="ID", help="The threads' ids.")],
    is_sure: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete threads with everything that they hold. This cannot be undone.

    The command asks before it deletes. Without a terminal it cannot ask, so it needs --yes. If one of the threads does
    not exist, none is deleted.

    With --json, the output is {"deleted": [ids]}.
    """
    if not is_sure and not sys.stdin.isatty():
        fail("there is no terminal to ask on, so nothing was deleted: add --yes if you are sure")
        raise typer.Exit(1)
    names = ", ".join(clean_line(thread_id) for thread_id in thread_ids)
    if not is_sure and not typer.confirm(f"Delete {names} for good?", err=True):
        warn("nothing was deleted")
        raise typer.Exit(1)
    asyncio.run(_delete(storage, thread_ids))
    if as_json:
        print_json({"deleted": list(thread_ids)})
    else:
        typer.echo(f"deleted {names}")


async def _delete(storage: str | None, thread_ids: list[str]) -> None:
    """Delete the threads, or none of them if one does not exist."""
    async with opened(storage) as opened_storage:
        for thread_id in thread_ids:
            if await opened_storage.head(thread_id) is None:
                raise ThreadNotFound(thread_id)
        for thread_id in thread_ids:
            await opened_storage.delete(thread_id)
