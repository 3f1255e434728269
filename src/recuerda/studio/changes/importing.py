"""Imports: a person sends a file, sees what is in it and what will be lost, and then adds its threads.

The file is checked first, and nothing is written. It waits in a private folder until the person confirms
(`uploads.py`). A file comes from a browser only: the studio opens no path and no URL that somebody types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
from starlette.requests import Request

from recuerda.errors import InvalidInput, StateError, ThreadNotFound
from recuerda.formats.arriving import Arrival, import_threads
from recuerda.formats.moved import added_up
from recuerda.formats.registry import READABLE
from recuerda.studio.changes.audit import audited
from recuerda.studio.changes.confirming import Hidden, check_changes
from recuerda.studio.faults import Fault
from recuerda.studio.page import Fields
from recuerda.studio.paths import link
from recuerda.studio.studio import Studio

SHOWN = 100
"""The number of threads of an import that its page lists."""


class ImportPage(msgspec.Struct, frozen=True, kw_only=True):
    """The form of an import.

    Attributes:
        formats: the formats to choose from; the format can also be guessed.
    """

    formats: Sequence[str]


class ArrivedThread(msgspec.Struct, frozen=True, kw_only=True):
    """A thread of an import.

    Attributes:
        thread_id: the thread's id.
        href: the address of its page, once it is there.
        turns: the number of its turns in the file.
        added: the number of turns that were added.
        differing: the number of turns that the thread has with other messages. They stay.
        losses: the number of parts that could not be read, by kind.
    """

    thread_id: str
    href: str
    turns: int
    added: int
    differing: int
    losses: Mapping[str, int]


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """The threads of a file: to be confirmed, or imported.

    Attributes:
        is_dry_run: whether nothing has been written yet.
        threads: the first threads.
        thread_count: the number of all threads.
        turns: the number of all turns in the file.
        added: the number of turns that were added.
        differing: the number of turns that differ, of all threads.
        losses: the number of parts that could not be read, of all threads.
        hidden: the fields of the form that confirms.
    """

    is_dry_run: bool
    threads: Sequence[ArrivedThread]
    thread_count: int
    turns: int
    added: int
    differing: int
    losses: Mapping[str, int]
    hidden: tuple[Hidden, ...] = ()


async def show_import(studio: Studio, _: Request) -> ImportPage:
    """Return the form of an import."""
    check_changes(studio)
    return ImportPage(formats=READABLE)


async def check_import(studio: Studio, _: Request, fields: Fields) -> ImportReport:
    """Check a file that somebody sends, and keep it until its import is confirmed."""
    file = fields.file("file")
    if file is None or not file.size:
        raise InvalidInput("choose a file that is not empty, and send the form again")
    upload_id, path = await studio.uploads.keep(file.filename or "", file.file)
    wanted = [(name, fields.text(name)) for name in ("format", "thread", "user")]
    try:
        arrivals = await _import(studio, path, fields, is_dry_run=True)
    except BaseException:
        studio.uploads.drop(upload_id)
        raise
    kept = tuple(Hidden(name=name, held_id=value) for name, value in wanted if value)
    return _report(arrivals, is_dry_run=True, hidden=(Hidden(name="upload", held_id=upload_id), *kept))


async def make_import(studio: Studio, _: Request, fields: Fields) -> ImportReport:
    """Import a file that was checked."""
    upload_id = fields.needed("upload")
    path = studio.uploads.path(upload_id)
    if path is None:
        raise Fault(409, "conflict", "fault.no-upload")
    async with audited(studio, "import", user_id=fields.text("user") or studio.user_id):
        arrivals = await _import(studio, path, fields, is_dry_run=False)
    studio.uploads.drop(upload_id)
    return _report(arrivals, is_dry_run=False)


async def _import(studio: Studio, path: Path, fields: Fields, *, is_dry_run: bool) -> list[Arrival]:
    user_id = fields.text("user")
    if studio.user_id is not None and user_id not in (None, studio.user_id):
        raise Fault(404, "not_found", "fault.no-user")
    wanted = partial(
        import_threads,
        studio.storage,
        path,
        fields.text("format"),
        thread_id=fields.text("thread"),
        user_id=studio.user_id or user_id,
    )
    try:
        if studio.user_id is not None:
            await _check_owner(studio, await wanted(is_dry_run=True))
        return await wanted(is_dry_run=is_dry_run)
    except (InvalidInput, StateError) as error:
        # The error names the file by its path here, which says nothing to the person.
        raise type(error)(str(error).replace(str(path), path.name)) from None


async def _check_owner(studio: Studio, arrivals: Sequence[Arrival]) -> None:
    """Check that a studio of one user adds nothing to a thread that it does not show. A thread may have no user.

    Raises:
        ThreadNotFound: it would add turns to such a thread.
    """
    for one in arrivals:
        info = await studio.settings.storage.head(one.thread_id)
        if info is not None and info.user_id != studio.user_id:
            raise ThreadNotFound(one.thread_id)


def _report(arrivals: Sequence[Arrival], *, is_dry_run: bool, hidden: tuple[Hidden, ...] = ()) -> ImportReport:
    return ImportReport(
        is_dry_run=is_dry_run,
        threads=[
            ArrivedThread(
                thread_id=one.thread_id,
                href=link("threads", one.thread_id),
                turns=one.turns,
                added=one.added,
                differing=one.differing,
                losses=one.losses,
            )
            for one in arrivals[:SHOWN]
        ],
        thread_count=len(arrivals),
        turns=sum(one.turns for one in arrivals),
        added=sum(one.added for one in arrivals),
        differing=sum(one.differing for one in arrivals),
        losses=added_up(one.losses for one in arrivals),
        hidden=hidden,
    )
