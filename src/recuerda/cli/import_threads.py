"""`recuerda import`: read threads from JSON Lines."""

from __future__ import annotations

import asyncio
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from recuerda.cli.options import JsonOption, StorageOption, opened
from recuerda.cli.output import clean_line, counted, print_json
from recuerda.errors import InvalidInput
from recuerda.threads.transfer import Imported, import_lines

EXAMPLES = (
    "recuerda import backup.jsonl",
    "recuerda export default | recuerda import - --thread copy",
)


def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file that `recuerda export` wrote, or - for standard input.")
    ],
    thread_id: Annotated[
        str | None,
        typer.Option("--thread", metavar="ID", help="Give the thread another id. The file must hold one thread."),
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the threads of an export to the storage. Repeating an import adds nothing.

    All lines, and the owners of the threads, are checked before the first turn is written. If the storage fails later,
    the same import adds the rest.

    With --json, the output is {"threads": [{"id", "added", "turns"}]}.
    """
    imported = asyncio.run(_import(storage, _lines(file), thread_id))
    if as_json:
        print_json({"threads": [{"id": one.thread_id, "added": one.added, "turns": one.turns} for one in imported]})
        return
    for one in imported:
        typer.echo(f"{clean_line(one.thread_id)}: {one.added} of {counted(one.turns, 'turn')} added")
    typer.echo(f"{counted(len(imported), 'thread')}, {counted(sum(one.added for one in imported), 'turn')} added")


async def _import(storage: str | None, lines: list[str], thread_id: str | None) -> list[Imported]:
    async with opened(storage) as opened_storage:
        return await import_lines(opened_storage, lines, thread_id=thread_id)


def _lines(file: str) -> list[str]:
    """Read all lines. Only a newline ends a line, because a message may hold other separators."""
    try:
        if file == "-":
            return list(TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="\n"))
        with Path(file).open(encoding="utf-8-sig", newline="\n") as opened_file:
            return list(opened_file)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is not an export: it is not UTF-8 text ({error.reason})") from None
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}") from None
