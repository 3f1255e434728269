"""`recuerda import`: read threads from an export of recuerda, or from the files of another program."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from recuerda.cli.options import JsonOption, StorageOption, opened
from recuerda.cli.output import clean_line, console, counted, print_json, warn
from recuerda.errors import InvalidInput
from recuerda.formats.arriving import Arrival, import_threads
from recuerda.formats.losses import described
from recuerda.formats.moved import added_up
from recuerda.formats.registry import READABLE
from recuerda.formats.source import Given

EXAMPLES = (
    "recuerda import backup.jsonl",
    "recuerda export default | recuerda import - --thread copy",
    "recuerda import --from chatgpt chatgpt-export.zip --user ana --dry-run",
    "recuerda import --from openai-agents sessions.db",
    "recuerda import --from langgraph postgresql://localhost/agents",
)


def import_(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A file, a folder, the URL of a database, or - for standard input.")
    ],
    *,
    format: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FORMAT",
            help=f"The format of the file. By default, it is guessed. One of {', '.join(READABLE)}.",
        ),
    ] = None,
    thread_id: Annotated[
        str | None,
        typer.Option("--thread", metavar="ID", help="Give the thread another id. The file must hold one thread."),
    ] = None,
    user_id: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="The user to whom the new threads belong.")
    ] = None,
    is_dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, and write nothing.")] = False,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the threads of an export to the storage. Repeating an import adds nothing.

    The export can come from recuerda or from another program. Each branch of a conversation becomes a thread. The
    command lists what the format holds and recuerda cannot keep.

    All of the file, and the owners of the threads, are checked before the first turn is written. If the storage fails
    later, the same import adds the rest.

    A file that recuerda has exported in the format of another program brings the times, ids, turns, tags and metadata
    of its threads back.

    With --json, the output is {"threads": [{"id", "turns", "added", "differing", "parent", "losses"}]}.

    The exit code is 0 if everything was imported, 1 if the file is damaged or the storage failed, and 2 if the options
    are wrong. An error names the file, the line or the entry, and the reason.
    """
    arrivals = asyncio.run(
        _import(storage, _given(file), format, thread_id=thread_id, user_id=user_id, is_dry_run=is_dry_run)
    )
    if as_json:
        print_json({"threads": [_as_json(one) for one in arrivals]})
        return
    for one in arrivals:
        typer.echo(f"{clean_line(one.thread_id)}: {_told(one, is_dry_run=is_dry_run)}")
    turns = sum(one.turns if is_dry_run else one.added for one in arrivals)
    typer.echo(f"{counted(len(arrivals), 'thread')}, {counted(turns, 'turn')} {'to import' if is_dry_run else 'added'}")
    if losses := added_up(one.losses for one in arrivals):
        warn(f"recuerda cannot show {described(losses)} of this format")
    if differing := sum(one.differing for one in arrivals):
        warn(f"{counted(differing, 'turn')} in the storage have other messages than the file, and stay unchanged")


def _told(one: Arrival, *, is_dry_run: bool) -> str:
    """Return the sentence about a thread."""
    told = counted(one.turns, "turn") if is_dry_run else f"{one.added} of {counted(one.turns, 'turn')} added"
    if one.parent is not None:
        told += f", a branch of {clean_line(one.parent)}"
    return told + (f"; without {described(one.losses)}" if one.losses else "")


def _as_json(one: Arrival) -> dict[str, object]:
    return {
        "id": one.thread_id,
        "turns": one.turns,
        "added": one.added,
        "differing": one.differing,
        "parent": one.parent,
        "losses": one.losses,
    }


async def _import(
    storage: str | None,
    given: Given,
    format: str | None,
    *,
    thread_id: str | None,
    user_id: str | None,
    is_dry_run: bool,
) -> list[Arrival]:
    async with opened(storage) as opened_storage:
        with _progress() as on_thread:
            return await import_threads(
                opened_storage,
                given,
                format,
                thread_id=thread_id,
                user_id=user_id,
                is_dry_run=is_dry_run,
                on_thread=on_thread,
            )


def _given(file: str) -> Given:
    if file != "-":
        return file if "://" in file else Path(file)
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise InvalidInput(f"standard input cannot be read: {error.strerror}") from None


@contextmanager
def _progress() -> Generator[Callable[[Arrival], None]]:
    """Show how many threads were written, on a terminal."""
    page = console(sys.stderr)
    columns = (SpinnerColumn(), TextColumn("importing {task.completed:,} threads"), TimeElapsedColumn())
    with Progress(*columns, console=page, transient=True, disable=not page.is_terminal) as progress:
        task = progress.add_task("importing", total=None)
        yield lambda _: progress.advance(task)
