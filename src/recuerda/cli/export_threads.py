"""`recuerda export`: write threads as JSON Lines, to keep them or to move them, or in the format of another program."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.progress import track

from recuerda._drivers.private_files import keep_mode, open_private
from recuerda.cli.options import JsonOption, StorageOption, opened_to_read
from recuerda.cli.output import clean, console, counted, fail, inert_json, print_json, warn
from recuerda.errors import CorruptTurn, InvalidInput, ThreadNotFound
from recuerda.formats.format import Writer, Written
from recuerda.formats.leaving import thread_of_records, writer_of
from recuerda.formats.losses import described
from recuerda.formats.registry import WRITABLE
from recuerda.storage.contract import Storage
from recuerda.storage.records import ThreadInfo, ThreadSlice, Version
from recuerda.threads.transfer import lines_of

MANY = 20
"""The smallest number of threads for which a terminal shows a progress bar."""

_OWN = Writer(thread=lambda thread: Written(thread.id))
"""Stands for recuerda's own format, which copies the stored turns."""

EXAMPLES = (
    "recuerda export default > default.jsonl",
    "recuerda export --all --output backup.jsonl",
    "recuerda export default --as markdown --output default.md",
    "recuerda export --all | recuerda import - --storage file:///srv/threads",
)


def export(
    thread_ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="The threads' ids.")] = None,
    *,
    is_all: Annotated[bool, typer.Option("--all", help="Export every thread.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The file to write. The default is standard output."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="FORMAT",
            help=f"The format to write. The default is recuerda's own. One of {', '.join(WRITABLE)}.",
        ),
    ] = None,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write threads as JSON Lines, or in the format of another program.

    In recuerda's own format, a thread is one line about itself, and then one line for each of its turns. If another
    format has no place for a part of a thread, the command says so.

    Other programs may use the storage at the same time. A file holds nothing that they delete before the export ends;
    standard output cannot be corrected. A thread with an unreadable turn is left out, and the exit code is 1.

    If the export breaks off, the threads that were written stay. The command says where they are: an existing file is
    replaced only by a whole export.

    With --json and --output, the output is {"threads": [{"id", "losses"}]}.
    """
    if bool(thread_ids) == is_all:
        raise typer.BadParameter("give the ids of the threads to export, or --all")
    if as_json and output is None:
        raise typer.BadParameter("--json needs --output, because the threads go to standard output")
    writer = _OWN if format is None else writer_of(format)
    with _destination(output, writer) as out:
        left_out = asyncio.run(_export(storage, thread_ids, out))
    if as_json:
        print_json({"threads": [{"id": one.thread_id, "losses": one.losses} for one in out.written]})
    _tell_losses(out)
    for problem in left_out:
        fail(problem)
    if left_out:
        raise typer.Exit(1)


def _tell_losses(out: _Output) -> None:
    if out.writer.lacks:
        warn(f"this format has no place for {' and '.join(out.writer.lacks)}")
    for one in out.written:
        if one.losses:
            warn(f"thread {one.thread_id!r} was written without {described(one.losses)}")


@dataclass(frozen=True)
class _Part:
    """A thread in the file."""

    thread_id: str
    version: Version
    start: int
    size: int
    losses: dict[str, int]


class _Output:
    """Writes whole threads to a file, and knows where each of them is."""

    def __init__(self, file: BinaryIO, writer: Writer, *, can_cut: bool) -> None:
        self.file = file
        self.writer = writer
        self.can_cut = can_cut
        self.written: list[_Part] = []
        self._head = self._put(writer.start)

    @property
    def size(self) -> int:
        """The number of bytes of the whole threads, with the text before them."""
        return self._head + sum(one.size for one in self.written)

    def write(self, info: ThreadInfo, thread: Written) -> None:
        """Write a thread's text."""
        start = self.size
        self.written.append(_Part(info.id, info.version, start, self._put(thread.text), thread.losses))

    def end(self) -> None:
        """Write the text after the threads."""
        self._put(self.writer.end)

    def _put(self, text: str) -> int:
        if self.file.isatty():
            text = inert_json(text) if self.writer.is_json else clean(text)
        data = text.encode()
        self.file.write(data)
        self.file.flush()
        return len(data)

    def cut(self, thread_ids: set[str]) -> None:
        """Remove threads from the file."""
        kept, self.written = self.written, []
        position = self._head
        for one in kept:
            if one.thread_id in thread_ids:
                continue
            self.file.seek(one.start)
            data = self.file.read(one.size)
            self.file.seek(position)
            self.file.write(data)
            self.written.append(replace(one, start=position))
            position += one.size
        self.file.truncate(position)


async def _export(storage: str | None, thread_ids: list[str] | None, out: _Output) -> list[str]:
    """Write the threads, and return a sentence for each thread that was left out but was asked for."""
    left_out: list[str] = []
    gone: set[str] = set()
    async with opened_to_read(storage) as opened_storage:
        for thread_id in _progress(await _ids(opened_storage, thread_ids)):
            await _write(opened_storage, thread_id, out, left_out, gone)
        if out.can_cut and (outdated := await _outdated(opened_storage, out.written)):
            out.cut(outdated)
            for thread_id in sorted(outdated):
                await _write(opened_storage, thread_id, out, left_out, gone)
    out.end()
    if thread_ids:
        left_out += [f"thread {thread_id!r} was left out: it was deleted meanwhile" for thread_id in sorted(gone)]
    elif gone:
        warn(f"{counted(len(gone), 'thread')} left out, because another program deleted them meanwhile")
    return left_out


async def _write(storage: Storage, thread_id: str, out: _Output, left_out: list[str], gone: set[str]) -> None:
    found = await storage.read(thread_id, blobs=None)
    if found.info is None:
        gone.add(thread_id)
        return
    try:
        written = _written(out.writer, found.info, found)
    except CorruptTurn as error:
        left_out.append(f"thread {thread_id!r} was left out: its turn {error.number} cannot be read ({error.reason})")
        return
    out.write(found.info, written)


def _written(writer: Writer, info: ThreadInfo, found: ThreadSlice) -> Written:
    if writer is _OWN:
        return Written("".join(lines_of(info, found.records, blobs=found.blobs)))
    return writer.thread(thread_of_records(info, found.records, found.blobs))


async def _outdated(storage: Storage, written: Sequence[_Part]) -> set[str]:
    """Return the threads that lost something since they were written: a turn, a body, or everything."""
    now = {info.id: info.version async for info in storage.threads()}
    changed = [one for one in written if now.get(one.thread_id) != one.version]
    return {one.thread_id for one in changed if not await _has_only_grown(storage, one)}


async def _has_only_grown(storage: Storage, one: _Part) -> bool:
    found = await storage.read(one.thread_id, after=one.version)
    return found.is_continued and all(record.kind in ("turn", "summary") for record in found.records)


async def _ids(storage: Storage, thread_ids: list[str] | None) -> list[str]:
    """Return the ids of the threads to export.

    Raises:
        ThreadNotFound: there is no thread with one of the given ids.
    """
    if not thread_ids:
        return [info.id async for info in storage.threads()]
    for thread_id in thread_ids:
        if await storage.head(thread_id) is None:
            raise ThreadNotFound(thread_id)
    return thread_ids


@contextmanager
def _destination(output: Path | None, writer: Writer) -> Generator[_Output]:
    """Open the file to write. It replaces a file of the same name only once everything is written.

    Raises:
        InvalidInput: the name is a folder's, or no file can be made there.
    """
    if output is None:
        yield _Output(sys.stdout.buffer, writer, can_cut=False)
        return
    if output.exists() and not (output.is_file() or output.is_dir()):  # a device or a pipe, which cannot be replaced
        with output.open("wb") as stream:
            yield _Output(stream, writer, can_cut=False)
        return
    output = output.resolve()  # A link stays, and the file behind it is replaced.
    partial = output.with_name(f"{output.name}.{os.getpid()}.part")
    file = _opened(partial, output)
    out = _Output(file, writer, can_cut=True)
    try:
        yield out
        file.flush()
        os.fsync(file.fileno())
        file.close()
        keep_mode(output, partial)
        partial.replace(output)
    except BaseException:
        with suppress(OSError):  # a full disk refuses the rest once more
            file.close()
        _keep_whole_threads(partial, output, out)
        raise


def _keep_whole_threads(partial: Path, output: Path, out: _Output) -> None:
    """Keep the whole threads of an export that broke off, and say where they are."""
    if not out.written:
        partial.unlink(missing_ok=True)
        return
    os.truncate(partial, out.size)
    kept = partial if output.exists() else output
    partial.replace(kept)
    use = " and can be imported" if out.writer.is_json else ""
    warn(f"the export broke off; {kept} holds the {counted(len(out.written), 'thread')} before that{use}")


def _opened(partial: Path, output: Path) -> BinaryIO:
    if output.is_dir():
        raise InvalidInput(f"{output} is a folder: name a file")
    try:
        return open(partial, "x+b", opener=open_private)
    except OSError as error:
        raise InvalidInput(f"{output} cannot be written: {error.strerror}") from None


def _progress(ids: list[str]) -> Iterable[str]:
    page = console(sys.stderr)
    return track(ids, "exporting", console=page, transient=True) if page.is_terminal and len(ids) >= MANY else ids
