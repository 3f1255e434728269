"""`recuerda backup`: make a whole and checked copy of a SQLite file or a folder of JSON Lines files."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from recuerda._drivers.identity import identity
from recuerda._drivers.private_files import keep_mode
from recuerda._drivers.sqlite import COMPANIONS, delete_files
from recuerda.cli.options import JsonOption, StorageOption, opened_to_read, public_url, storage_url
from recuerda.cli.output import clean_line, console, counted, fail, print_json
from recuerda.errors import ConfigurationError, InvalidInput, StorageUnavailable
from recuerda.examination import DRAFTS, Finding, examine
from recuerda.file import FileStorage
from recuerda.file import backup as folders
from recuerda.json_value import JsonObject
from recuerda.sqlite import SQLiteStorage
from recuerda.sqlite import backup as databases
from recuerda.storage.contract import Storage
from recuerda.storage.registry import scheme_of

EXAMPLES = (
    "recuerda backup backup.db",
    "recuerda backup /backups/monday.db --storage sqlite:///memory.db --force",
    "recuerda backup /backups/threads --storage file:///srv/threads --json",
)

TOOLS = {
    **dict.fromkeys(
        ("redis", "rediss", "redis+sentinel", "rediss+sentinel"),
        "use `redis-cli --rdb FILE`, or copy the file that BGSAVE writes",
    ),
    **dict.fromkeys(("postgresql", "postgres"), "use `pg_dump`, or `pg_basebackup` for the whole server"),
    "cosmos": "use the continuous backup of the account",
    "memory": "threads in RAM end with their process",
}
"""The advice for storages of which this command makes no copy, by the schemes of their URLs."""

Report = Callable[[int, int], None]


@dataclass
class _Copy:
    threads: int = 0
    turns: int = 0
    sealed: int = 0
    damage: list[Finding] = field(default_factory=list[Finding])


def backup(
    target: Annotated[
        Path,
        typer.Argument(
            metavar="TARGET", help="The file to write. For a folder of JSON Lines files, the folder to make."
        ),
    ],
    *,
    is_forced: Annotated[bool, typer.Option("--force", help="Replace an older backup.")] = False,
    storage: StorageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a storage to a file, while other programs use it, and check the copy.

    A SQLite file is copied with SQLite's online backup: the copy is the state of one moment, and writers go on. Do not
    copy the file with `cp` while it is in use. In a copy of a folder of JSON Lines files, each thread is the state of
    one moment. For the other storages, the command names their own tools.

    SQLite checks the copy for damage, and each thread is examined as by `recuerda doctor`. Only then does the copy get
    its name. Interrupted turns and encrypted threads are copied as they are. If a thread in the storage is damaged, the
    exit code is 1, and the copy does not replace an older backup: it stays beside it.

    To restore a backup, stop all programs that use the storage, delete the old file with its -wal and -shm, and put the
    copy in its place.

    With --json, the output is {"target", "threads", "turns", "sealed", "bytes", "damage": [{"thread_id", "kind",
    "number", "explanation"}]}.
    """
    source = _source(storage)
    is_folder = isinstance(source, FileStorage)
    _check_target(source.path.resolve(), target.resolve(), is_folder=is_folder, is_forced=is_forced)
    target = target.resolve() if target.is_symlink() else target  # the link stays
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    copy = _made(source.path, part, is_folder=is_folder)
    kept = target
    if copy.damage and target.exists():
        kept = part
    else:
        _put_in_place(part, target)
    _tell(copy, kept, public_url(storage), as_json=as_json)
    if copy.damage:
        left = f"; {target} was not replaced, and the copy is {kept}" if kept != target else ""
        fail(f"{counted(len(copy.damage), 'finding')} in the copy, as in the storage: see `recuerda doctor`{left}")
        raise typer.Exit(1)


def _source(given: str | None) -> SQLiteStorage | FileStorage:
    scheme = scheme_of(storage_url(given))
    if scheme in TOOLS:
        raise ConfigurationError(
            f"there is no file to copy for {public_url(given)}: {TOOLS[scheme]}; `recuerda export --all --output FILE` "
            "writes all threads of any storage as text"
        )
    source = opened_to_read(given)
    if not isinstance(source, SQLiteStorage | FileStorage):
        raise ConfigurationError(f"a storage of kind {source.kind!r} cannot be copied; use `recuerda export --all`")
    return source


def _check_target(source: Path, target: Path, *, is_folder: bool, is_forced: bool) -> None:
    if identity(target) is not None and identity(target) == identity(source):
        raise ConfigurationError(f"{target} is the storage itself; name another place for its copy")
    own = [source, *(Path(f"{source}{suffix}") for suffix in COMPANIONS)]
    if target in own or (is_folder and source in target.parents):
        raise ConfigurationError(f"{target} belongs to the storage itself; name another place for its copy")
    if target.exists():
        _check_older(target, is_folder=is_folder, is_forced=is_forced)
    for suffix in () if is_folder else COMPANIONS:
        if Path(f"{target}{suffix}").exists():
            raise InvalidInput(f"{target} is in use: there is a {target.name}{suffix} beside it. Name another place")


def _check_older(target: Path, *, is_folder: bool, is_forced: bool) -> None:
    if not is_forced:
        raise InvalidInput(f"{target} exists already: name another place, or add --force to replace an older backup")
    kind = folders if is_folder else databases
    if target.is_dir() != is_folder or not kind.is_replaceable(target):
        raise InvalidInput(
            f"{target} is not a backup of this kind of storage, so it is not replaced: name another place"
        )


def _made(source: Path, part: Path, *, is_folder: bool) -> _Copy:
    """Write and check the copy under a name of its own. After a failure, there is no copy."""
    make, remove = (folders.back_up, shutil.rmtree) if is_folder else (databases.back_up, delete_files)
    with _progress("copying") as report:
        try:
            make(source, part, progress=report)
        except (sqlite3.Error, OSError) as error:
            raise StorageUnavailable(f"{source} could not be copied to {part.parent}: {error}") from error
    try:
        with _progress("checking") as report:
            return asyncio.run(_examined(FileStorage(part) if is_folder else SQLiteStorage(part), report))
    except BaseException:
        remove(part)
        raise


async def _examined(copy: Storage, report: Report) -> _Copy:
    done = _Copy()
    async with copy:
        ids = [info.id async for info in copy.threads()]
        for number, thread_id in enumerate(ids, 1):
            thread = await examine(copy, thread_id)
            done.threads += 1
            done.turns += len(thread.records)
            done.sealed += thread.sealed
            done.damage += [finding for finding in thread.findings if finding.kind not in DRAFTS]
            report(number, len(ids))
    return done


def _put_in_place(part: Path, target: Path) -> None:
    keep_mode(target, part)
    if not target.is_dir():
        part.replace(target)
        return
    # A folder with files in it cannot be replaced in one step.
    old = target.with_name(f"{part.name}.old")
    target.rename(old)
    part.rename(target)
    shutil.rmtree(old)


@contextmanager
def _progress(doing: str) -> Generator[Report]:
    """Show a progress bar on a terminal."""
    page = console(sys.stderr)
    with Progress(console=page, transient=True, disable=not page.is_terminal) as progress:
        task = progress.add_task(doing, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _tell(copy: _Copy, kept: Path, url: str, *, as_json: bool) -> None:
    files = [kept, *kept.rglob("*")]
    size_bytes = sum(file.stat().st_size for file in files if file.is_file())
    if as_json:
        print_json(_as_json(copy, kept, size_bytes))
        return
    size = f"{counted(copy.threads, 'thread')}, {counted(copy.turns, 'turn')}, {counted(size_bytes, 'byte')}"
    typer.echo(f"{size} from {clean_line(url)} in {clean_line(str(kept))}, checked")
    if copy.sealed:
        typer.echo(f"{counted(copy.sealed, 'encrypted value')} could not be examined")


def _as_json(copy: _Copy, kept: Path, size_bytes: int) -> JsonObject:
    return {
        "target": str(kept),
        "threads": copy.threads,
        "turns": copy.turns,
        "sealed": copy.sealed,
        "bytes": size_bytes,
        "damage": [
            {
                "thread_id": finding.thread_id,
                "kind": finding.kind,
                "number": finding.number,
                "explanation": finding.explanation,
            }
            for finding in copy.damage
        ],
    }
