"""`recuerda copy`: copy threads from one storage to another, and verify the copy."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer
from rich.progress import Progress

from recuerda.cli.options import JsonOption, opened_to_read, public_url
from recuerda.cli.output import clean_line, console, counted, fail, print_json
from recuerda.copying import Copied, copy_threads
from recuerda.errors import ConfigurationError, RecuerdaError
from recuerda.storage.registry import open_storage

EXAMPLES = (
    "recuerda copy sqlite:///memory.db file:///srv/threads --all",
    "recuerda copy sqlite:///memory.db sqlite:///other.db --thread riker",
    "recuerda copy sqlite:///memory.db sqlite:///anas.db --user ana --json",
)


def copy(  # noqa: PLR0917 - in typer, a positional parameter is an argument of the command
    source: Annotated[str, typer.Argument(metavar="FROM_URL", help="The storage to copy from.")],
    target: Annotated[str, typer.Argument(metavar="TO_URL", help="The storage to copy to.")],
    thread_ids: Annotated[
        list[str] | None, typer.Option("--thread", metavar="ID", help="Copy this thread. The option may be repeated.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="Copy all threads of this user.")] = None,
    is_all: Annotated[bool, typer.Option("--all", help="Copy every thread.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy threads to another storage, and compare both sides.

    The same command again adds only new turns, so it also continues an interrupted copy. If a thread has other turns or
    another user in the target, it is not copied, and the exit code is 1. Other programs may use both storages at the
    same time.

    With --json, the output is {"threads": [{"id", "turns", "added", "digest", "problem"}]}.
    """
    if (bool(thread_ids), user is not None, is_all).count(True) != 1:
        raise typer.BadParameter("give one of --thread, --user and --all")
    if source == target:
        raise ConfigurationError("both URLs name the same storage")
    copied = asyncio.run(_copy(source, target, thread_ids=thread_ids, user=user))
    if as_json:
        print_json({"threads": [_as_json(one) for one in copied]})
    else:
        for one in copied:
            told = one.problem or f"{one.added} of {counted(one.turns, 'turn')} added, sha256 {(one.digest or '')[:12]}"
            typer.echo(f"{clean_line(one.thread_id)}: {clean_line(told)}")
        added = counted(sum(one.added for one in copied), "turn")
        typer.echo(f"{counted(len(copied), 'thread')}, {added} added, to {clean_line(public_url(target))}")
    if problems := sum(one.problem is not None for one in copied):
        fail(f"{counted(problems, 'thread')} could not be copied")
        raise typer.Exit(1)


async def _copy(source: str, target: str, *, thread_ids: list[str] | None, user: str | None) -> list[Copied]:
    page = console(sys.stderr)
    copied: list[Copied] = []
    async with opened_to_read(source) as source_storage, open_storage(target) as target_storage:
        with Progress(console=page, transient=True, disable=not page.is_terminal) as progress:
            task = progress.add_task("copying", total=None if thread_ids is None else len(thread_ids))
            try:
                async for one in copy_threads(source_storage, target_storage, thread_ids=thread_ids, user_id=user):
                    copied.append(one)
                    progress.update(task, advance=1, description=f"copying, {counted(len(copied), 'thread')}")
            except RecuerdaError as error:
                if copied:
                    error.add_note(
                        f"{counted(len(copied), 'thread')} came before this; the same command continues the copy"
                    )
                raise
    return copied


def _as_json(one: Copied) -> dict[str, object]:
    return {
        "id": one.thread_id,
        "turns": one.turns,
        "added": one.added,
        "digest": one.digest,
        "problem": one.problem,
    }
