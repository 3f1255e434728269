"""`recuerda doctor`: find damaged data and leftovers in a storage, explain them, and repair them on request."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer
from rich.progress import Progress
from rich.text import Text

from recuerda.cli.copies import Backup
from recuerda.cli.options import JsonOption, opened_to_read, public_url, storage_url
from recuerda.cli.output import clean_line, console, counted, print_json, print_line
from recuerda.cli.treatment import Drops, kinds_to_repair, repair
from recuerda.errors import ConfigurationError, ThreadNotFound
from recuerda.examination import Finding, examine, shown_age
from recuerda.json_value import JsonObject
from recuerda.storage.contract import Storage
from recuerda.storage.leases import LeaseInfo

EXAMPLES = (
    "recuerda doctor",
    "recuerda doctor sqlite:///memory.db --json",
    "recuerda doctor --repair --backup copies/",
    "recuerda doctor --repair --drop-drafts --older-than 7",
)

LEASES = 100
"""The largest number of leases that are listed."""


@dataclass
class _Report:
    threads: int = 0
    turns: int = 0
    sealed: int = 0
    found: list[Finding] = field(default_factory=list[Finding])
    left: list[Finding] = field(default_factory=list[Finding])
    backup: Path | None = None
    leases: list[LeaseInfo] | None = None
    """The leases that are held now; None if the storage cannot list them."""

    @property
    def damage(self) -> int:
        """The number of findings that are left and are damage."""
        return sum(finding.is_damage for finding in self.left)

    @property
    def repaired(self) -> int:
        return sum(self.is_repaired(finding) for finding in self.found)

    def is_repaired(self, finding: Finding) -> bool:
        return finding.key not in {one.key for one in self.left}


def doctor(
    url: Annotated[
        str | None,
        typer.Argument(metavar="URL", help="The storage to examine. The default is the storage of the other commands."),
    ] = None,
    *,
    thread_ids: Annotated[
        list[str] | None,
        typer.Option("--thread", metavar="ID", help="Examine only this thread. The option may be repeated."),
    ] = None,
    is_repair: Annotated[
        bool, typer.Option("--repair", help="Copy each damaged thread, then repair it where possible.")
    ] = False,
    drop_drafts: Annotated[
        bool, typer.Option("--drop-drafts", help="With --repair, also delete interrupted turns.")
    ] = False,
    older_than: Annotated[
        float,
        typer.Option(
            "--older-than",
            min=0,
            metavar="DAYS",
            help="With --drop-drafts, delete only interrupted turns that are at least this old.",
        ),
    ] = 0,
    backup: Annotated[
        Path | None,
        typer.Option(
            "--backup", metavar="DIR", help="The folder for the copies. The default is a new folder beside the storage."
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option("--storage", metavar="URL", envvar="RECUERDA_STORAGE", help="The same as the argument."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find damage in a storage, and repair it.

    Damage is an unreadable turn, an interrupted turn, a call without a result, or counters that disagree with the log.
    Without --repair, nothing is changed. With --repair, each thread is exported to a folder before it is changed.
    Interrupted turns stay, unless --drop-drafts is given. A turn that waits for a person's approval is no damage, and
    --drop-drafts deletes it only in a thread that --thread names. Other programs may use the storage at the same time:
    a thread that they change during each try is left alone. If a repair is interrupted, `recuerda import` brings a
    thread back from its copy.

    The threads whose lease a process holds now are listed as well: a run is at work on them. A lease is no damage.

    The exit code is 0 if there is no damage, or with --repair none is left. It is 1 if there is damage, or if the
    storage cannot be read, and 2 for wrong arguments.

    With --json, the output is {"threads", "turns", "sealed", "findings": [{"thread_id", "kind", "number",
    "explanation", "next_step", "facts", "is_repaired"}], "leases": [{"thread_id", "left_s"}], "backup"}. The facts are
    the counts and names in the explanation. The leases are those that processes hold now, at most 100; null if the
    storage cannot list them.
    """
    if (drop_drafts or backup is not None) and not is_repair:
        raise typer.BadParameter("--drop-drafts and --backup need --repair")
    place = storage_url(url or storage)
    copies = Backup(backup or _folder_beside(place)) if is_repair else None
    drops = Drops(is_wanted=drop_drafts, older_than=timedelta(days=older_than), names=frozenset(thread_ids or ()))
    report = asyncio.run(_examine_all(url or storage, thread_ids, copies, drops))
    if as_json:
        print_json(_as_json(report))
    else:
        _print(report, place)
    if report.damage:
        raise typer.Exit(1)


async def _examine_all(given: str | None, thread_ids: list[str] | None, copies: Backup | None, drops: Drops) -> _Report:
    page = console(sys.stderr)
    report = _Report()
    async with opened_to_read(given) as storage:
        with Progress(console=page, transient=True, disable=not page.is_terminal) as progress:
            task = progress.add_task("examining", total=None if thread_ids is None else len(thread_ids))
            async for thread_id in _ids(storage, thread_ids):
                await _examine_one(storage, thread_id, report, copies, drops)
                progress.update(task, advance=1, description=f"examining, {counted(report.threads, 'thread')}")
        if copies is not None:
            await storage.clean_up()
        report.leases = await _leases(storage, thread_ids)
    return report


async def _leases(storage: Storage, thread_ids: list[str] | None) -> list[LeaseInfo] | None:
    """Return the leases that are held now, of these threads or of all; None if the storage cannot list them."""
    try:
        found = await storage.list_leases(LEASES)
    except ConfigurationError:
        return None
    return [lease for lease in found if thread_ids is None or lease.thread_id in thread_ids]


async def _ids(storage: Storage, thread_ids: list[str] | None) -> AsyncIterator[str]:
    if thread_ids is None:
        async for info in storage.threads():
            yield info.id
    else:
        for thread_id in thread_ids:
            if await storage.head(thread_id) is None:
                raise ThreadNotFound(thread_id)
            yield thread_id


async def _examine_one(storage: Storage, thread_id: str, report: _Report, copies: Backup | None, drops: Drops) -> None:
    thread = await examine(storage, thread_id)
    if thread.info is None and not thread.findings:
        return  # it was deleted meanwhile
    report.threads += 1
    report.turns += len(thread.records)
    report.sealed += thread.sealed
    before = thread.findings
    if copies is not None and kinds_to_repair(thread, drops):
        report.backup = copies.folder
        thread = await repair(storage, thread, drops, copies)
    left = {finding.key: finding for finding in thread.findings}
    gone = [finding for finding in before if finding.key not in left]
    report.found += [*gone, *left.values()]
    report.left += left.values()


def _folder_beside(url: str) -> Path:
    """Return a new folder beside the storage's file or folder. For a server, it is in the current folder."""
    name = f"recuerda-copies-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.scheme == "sqlite":
        path = path.removeprefix("/")  # sqlite:///memory.db is relative, sqlite:////srv/memory.db is not
    is_local = parts.scheme in ("sqlite", "file") and path
    place = Path(path).expanduser().parent if is_local else Path()
    names = (name, *(f"{name}-{number}" for number in range(2, 100)))  # several repairs in one second
    return next((place / each for each in names if not (place / each).exists()), place / name)


def _print(report: _Report, place: str) -> None:
    page = console()
    last = None
    for finding in report.found:
        if finding.thread_id != last:
            page.print(Text(clean_line(finding.thread_id), style="bold cyan"))
            last = finding.thread_id
        is_repaired = report.is_repaired(finding)
        print_line(page, Text(f"  {'repaired: ' if is_repaired else ''}{clean_line(finding.explanation)}"))
        if not is_repaired:
            print_line(page, Text(f"    {clean_line(finding.next_step)}", style="dim"))
    looked = f"{counted(report.threads, 'thread')}, {counted(report.turns, 'turn')} in {clean_line(public_url(place))}"
    result = counted(report.damage, "finding") if report.damage else "nothing to repair"
    if report.repaired:
        result = f"{report.repaired} of {counted(report.damage + report.repaired, 'finding')} repaired"
    if waiting := len(report.left) - report.damage:
        result += f", {counted(waiting, 'turn')} waiting for approval"
    print_line(page, Text(f"{looked}: {result}", style="bold"))
    if report.sealed:
        print_line(page, Text(f"{report.sealed:,} encrypted values could not be examined.", style="dim"))
    for lease in report.leases or ():
        print_line(page, Text(f"{clean_line(lease.thread_id)}: {_told_lease(lease)}", style="dim"))
    if report.backup is not None:
        print_line(page, Text(f"The copies are in {clean_line(str(report.backup))}", style="dim"))


def _told_lease(lease: LeaseInfo) -> str:
    left = shown_age(timedelta(microseconds=lease.left_us))
    return f"a process holds the lease. If it does not renew the lease, the lease ends in {left}."


def _as_json(report: _Report) -> JsonObject:
    return {
        "threads": report.threads,
        "turns": report.turns,
        "sealed": report.sealed,
        "findings": [
            {
                "thread_id": finding.thread_id,
                "kind": finding.kind,
                "number": finding.number,
                "explanation": finding.explanation,
                "next_step": finding.next_step,
                "facts": dict(finding.facts),
                "is_repaired": report.is_repaired(finding),
            }
            for finding in report.found
        ],
        "leases": None
        if report.leases is None
        else [{"thread_id": lease.thread_id, "left_s": lease.left_us / 1_000_000} for lease in report.leases],
        "backup": None if report.backup is None else str(report.backup),
    }
