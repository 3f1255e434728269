"""`recuerda export`: write threads as JSON Lines, to keep them or to move them, or in the format of another program."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from recuerda.cli.export_output import Output, Part, destination
from recuerda.cli.export_places import save
from recuerda.cli.options import JsonOption, StorageOption, opened_to_read
from recuerda.cli.output import console, counted, fail, print_json, warn
from recuerda.errors import CorruptTurn, ThreadNotFound
from recuerda.formats.format import Departure, Family, FileWriter, Writer, Written
from recuerda.formats.leaving import grouped_ids, thread_of_records, writer_of
from recuerda.formats.losses import described
from recuerda.formats.moved import MovedThread, added_up
from recuerda.formats.registry import WRITABLE
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.thread_info import ThreadInfo, Version
from recuerda.threads.transfer import lines_of

MANY = 20
"""The smallest number of threads for which a terminal shows a progress bar."""

_PAGE = 1000


def _copied(_: Family) -> Written:
    raise AssertionError("recuerda's own format copies the stored turns")


_OWN = Writer(write=_copied)
"""Stands for recuerda's own format, which copies the stored turns."""

EXAMPLES = (
    "recuerda export default > default.jsonl",
    "recuerda export --all --output backup.jsonl",
    "recuerda export default --as markdown --output default.md",
    "recuerda export --all --as openai-agents --output sessions.db --json",
    "recuerda export --all | recuerda import - --storage file:///srv/threads",
)

_Read = tuple[ThreadInfo, ThreadSlice]


def export(
    thread_ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="The threads' ids.")] = None,
    *,
    is_all: Annotated[bool, typer.Option("--all", help="Export every thread.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The file or folder to write. The default is standard output, for formats that are text.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="FORMAT",
            help=f"The format to write. The default is recuerda's own. One of {', '.join(WRITABLE)}.",
        ),
    ] = None,
    with_branches: Annotated[
        bool, typer.Option("--branches/--no-branches", help="Export the branches of the given threads too.")
    ] = True,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write threads as JSON Lines, or in the format of another program. The branches of a thread come with it.

    In recuerda's own format, a thread is one line about itself, and then one line for each of its turns. It holds
    everything. If another format has no place for a part or a fact of a thread, the command says so.

    Other programs may use the storage at the same time. A file holds nothing that they delete before the export ends;
    standard output cannot be corrected. A thread with an unreadable turn is left out, and the exit code is 1.

    If the export of a text breaks off, the threads that were written stay. The command says where they are: an existing
    file is replaced only by a whole export.

    With --json and --output, the output is {"threads": [{"id", "losses", "supplement"}]}. The losses are the numbers of
    parts and facts that were left out. The supplement counts the facts that only recuerda reads.

    The exit code is 0 if every thread was written, 1 if a thread was left out or the export failed, and 2 if the
    options are wrong.
    """
    if bool(thread_ids) == is_all:
        raise typer.BadParameter("give the ids of the threads to export, or --all")
    if as_json and output is None:
        raise typer.BadParameter("--json needs --output, because the threads go to standard output")
    writer = _OWN if format is None else writer_of(format)
    if isinstance(writer, FileWriter) and output is None:
        raise typer.BadParameter(f"--as {format} needs --output, because the format is no text")
    export = _Export(writer, thread_ids or (), with_branches=with_branches)
    departures = asyncio.run(_run(storage, export, output))
    if as_json:
        print_json({"threads": [_as_json(one) for one in departures]})
    _tell(departures)
    for problem in export.left_out.values():
        fail(problem)
    if export.left_out:
        raise typer.Exit(1)


def _as_json(one: Departure) -> dict[str, object]:
    return {"id": one.thread_id, "losses": one.losses, "supplement": one.supplement}


def _tell(departures: Sequence[Departure]) -> None:
    for one in departures:
        if one.losses:
            warn(f"thread {one.thread_id!r} was written without {described(one.losses)}")
    if supplement := added_up(one.supplement for one in departures):
        warn(f"{described(supplement)} stand beside the format's own data, where only recuerda reads them")


@dataclass
class _Export:
    """An export that runs.

    Attributes:
        writer: the format.
        thread_ids: the ids that were given; none for all threads.
        with_branches: True exports the branches of the given threads too.
        left_out: a sentence for each thread that was left out but was asked for, by the thread's id.
        gone: the threads that were deleted meanwhile.
    """

    writer: Writer | FileWriter
    thread_ids: Sequence[str]
    with_branches: bool = field(kw_only=True)
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    gone: set[str] = field(default_factory=set[str])

    async def conversations(self, storage: Storage) -> list[list[str]]:
        """Return the ids of the threads that are written together.

        Raises:
            ThreadNotFound: there is no thread with one of the given ids.
        """
        infos = await self._infos(storage)
        if not self.writer.has_trees:
            return [[one] for one in infos]
        return grouped_ids({one: info.parent for one, info in infos.items()})

    async def _infos(self, storage: Storage) -> dict[str, ThreadInfo]:
        if not self.thread_ids:
            return {info.id: info async for info in storage.threads()}
        found: dict[str, ThreadInfo] = {}
        for thread_id in self.thread_ids:
            info = await storage.head(thread_id)
            if info is None:
                raise ThreadNotFound(thread_id)
            found[thread_id] = info
        for info in list(found.values()) if self.with_branches else ():
            async for branch in _branches(storage, info):
                found.setdefault(branch.id, branch)
        return found

    async def write_text(self, storage: Storage, out: Output) -> None:
        """Write the conversations as text."""
        for ids in _progress(await self.conversations(storage)):
            await self._write(storage, ids, out)
        if out.can_cut and (outdated := await self._outdated(storage, out.written)):
            out.cut(outdated)
            for part in outdated:
                await self._write(storage, list(part.versions), out)
        out.end()

    async def families(self, storage: Storage, versions: dict[str, Version]) -> AsyncIterator[Family]:
        """Yield the conversations, and note the versions that were read."""
        versions.clear()
        for ids in _progress(await self.conversations(storage)):
            read = await self._read(storage, ids)
            versions.update(_versions(read))
            if family := self._family(read):
                yield family

    async def has_lost(self, storage: Storage, versions: Mapping[str, Version]) -> bool:
        """Return whether a thread has lost something since these versions."""
        part = Part(versions, 0, 0, ())
        return bool(await self._outdated(storage, [part]))

    async def _write(self, storage: Storage, ids: Sequence[str], out: Output) -> None:
        read = await self._read(storage, ids)
        if (written := self._written(out.writer, read)) is not None:
            out.write(_versions(read), written)

    async def _read(self, storage: Storage, ids: Sequence[str]) -> list[_Read]:
        """Return the threads of a conversation that are still there."""
        found: list[_Read] = []
        for thread_id in ids:
            one = await storage.read(thread_id, blobs=None)
            if one.info is None:
                self.gone.add(thread_id)
            else:
                found.append((one.info, one))
        return found

    def _written(self, writer: Writer, read: Sequence[_Read]) -> Written | None:
        if writer is not _OWN:
            family = self._family(read)
            return writer.write(family) if family else None
        for info, found in read:
            try:
                text = "".join(lines_of(info, found.records, blobs=found.blobs))
            except CorruptTurn as error:
                self._leave_out(info.id, error)
            else:
                return Written(text=text, departures=(Departure(thread_id=info.id),))
        return None

    def _family(self, read: Sequence[_Read]) -> Family:
        family: list[MovedThread] = []
        for info, found in read:
            try:
                family.append(thread_of_records(info, found.records, found.blobs))
            except CorruptTurn as error:
                self._leave_out(info.id, error)
        return family

    def _leave_out(self, thread_id: str, error: CorruptTurn) -> None:
        self.left_out[thread_id] = (
            f"thread {thread_id!r} was left out: its turn {error.number} cannot be read ({error.reason})"
        )

    async def _outdated(self, storage: Storage, parts: Sequence[Part]) -> list[Part]:
        """Return the conversations that lost something since they were written: a turn, a body, or a thread."""
        now = {info.id: info.version async for info in storage.threads()}
        outdated: list[Part] = []
        for part in parts:
            changed = [(one, version) for one, version in part.versions.items() if now.get(one) != version]
            if not all([await _has_only_grown(storage, *one) for one in changed]):
                outdated.append(part)
        return outdated


async def _run(storage: str | None, export: _Export, output: Path | None) -> Sequence[Departure]:
    """Write the threads, and return the result for each of them."""
    async with opened_to_read(storage) as opened_storage:
        if isinstance(export.writer, FileWriter) and output is not None:
            departures = await _save(opened_storage, export, export.writer, output)
        elif isinstance(export.writer, Writer):
            with destination(output, export.writer) as out:
                await export.write_text(opened_storage, out)
            departures = out.departures
        else:
            departures = []
    for thread_id in sorted(export.gone) if export.thread_ids else ():
        export.left_out[thread_id] = f"thread {thread_id!r} was left out: it was deleted meanwhile"
    if export.gone and not export.thread_ids:
        warn(f"{counted(len(export.gone), 'thread')} left out, because another program deleted them meanwhile")
    return departures


async def _save(storage: Storage, export: _Export, writer: FileWriter, output: Path) -> Sequence[Departure]:
    versions: dict[str, Version] = {}

    def read() -> AsyncIterator[Family]:
        return export.families(storage, versions)

    async def is_outdated() -> bool:
        return await export.has_lost(storage, versions)

    return await save(output, writer, read, is_outdated)


async def _branches(storage: Storage, info: ThreadInfo) -> AsyncIterator[ThreadInfo]:
    """Yield the branches of a thread, and their branches, that belong to the same user."""
    waiting, seen = [info], {info.id}
    while waiting:
        parent, cursor = waiting.pop(), None
        while True:
            page = await storage.list_threads(
                user_id=info.user_id, parent=parent.id, archived=None, limit=_PAGE, cursor=cursor
            )
            for one in page.threads:
                if one.id not in seen and one.user_id == info.user_id and one.parent and one.parent.is_life_of(parent):
                    seen.add(one.id)
                    waiting.append(one)
                    yield one
            if (cursor := page.cursor) is None:
                break


def _versions(read: Sequence[_Read]) -> dict[str, Version]:
    return {info.id: info.version for info, _ in read}


async def _has_only_grown(storage: Storage, thread_id: str, version: Version) -> bool:
    found = await storage.read(thread_id, after=version)
    return found.is_continued and all(record.kind in ("turn", "summary") for record in found.records)


def _progress(conversations: list[list[str]]) -> Iterable[list[str]]:
    page = console(sys.stderr)
    if not page.is_terminal or len(conversations) < MANY:
        return conversations
    return track(conversations, "exporting", console=page, transient=True)
