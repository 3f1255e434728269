"""`recuerda export`: write threads as JSON Lines, to keep them or to move them to another storage."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.progress import track

from recuerda.cli.options import StorageOption, opened
from recuerda.cli.output import console, fail, inert_json
from recuerda.errors import CorruptTurn, InvalidInput
from recuerda.storage.contract import Storage
from recuerda.threads.transfer import export_lines

MANY = 20
"""The smallest number of threads for which a terminal shows a progress bar."""

EXAMPLES = (
    "recuerda export default > default.jsonl",
    "recuerda export --all --output backup.jsonl",
    "recuerda export --all | recuerda import - --storage file:///srv/threads",
)


def export(
    thread_ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="The threads' ids.")] = None,
    is_all: Annotated[bool, typer.Option("--all", help="Export every thread.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The file to write. The default is standard output."),
    ] = None,
    storage: StorageOption = None,
) -> None:
    """Write threads as JSON Lines.

    A thread is one line about itself, and then one line for each of its turns. The file is written whole or not at all.
    A thread with an unreadable turn is left out, and the exit code is 1.
    """
    if bool(thread_ids) == is_all:
        raise typer.BadParameter("give the ids of the threads to export, or --all")
    with _destination(output) as file:
        left_out = asyncio.run(_export(storage, thread_ids, file))
    for error in left_out:
        fail(f"thread {error.thread_id!r} was left out: its turn {error.number} cannot be read ({error.reason})")
    if left_out:
        raise typer.Exit(1)


async def _export(storage: str | None, thread_ids: list[str] | None, file: BinaryIO) -> list[CorruptTurn]:
    left_out: list[CorruptTurn] = []
    async with opened(storage) as opened_storage:
        ids = thread_ids or [info.id async for info in opened_storage.threads()]
        for thread_id in _progress(ids):
            try:
                text = await _exported(opened_storage, thread_id)
            except CorruptTurn as error:
                left_out.append(error)
                continue
            file.write((inert_json(text) if file.isatty() else text).encode())
    file.flush()
    return left_out


async def _exported(storage: Storage, thread_id: str) -> str:
    return "".join([line async for line in export_lines(storage, thread_id)])


@contextmanager
def _destination(output: Path | None) -> Generator[BinaryIO]:
    """Open the file to write. It replaces a file of the same name only once everything is written."""
    if output is None:
        yield sys.stdout.buffer
        return
    partial = output.with_name(f"{output.name}.{os.getpid()}.part")
    try:
        with _opened(partial, output) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


def _opened(partial: Path, output: Path) -> BinaryIO:
    try:
        return partial.open("xb")
    except OSError as error:
        raise InvalidInput(f"{output} cannot be written: {error.strerror}") from None


def _progress(ids: list[str]) -> Iterable[str]:
    page = console(sys.stderr)
    return track(ids, "exporting", console=page, transient=True) if page.is_terminal and len(ids) >= MANY else ids
