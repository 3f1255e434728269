"""Exports: one thread, with or without its branches, as a file in any format.

An export is a read, so a read-only studio has it too. Before the file is fetched, the page says which parts the format
has no place for. A read-only studio hides secrets in the file, as on its pages. A studio that may change threads gives
the thread as it is, so that it can be imported again.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response

from recuerda.errors import CorruptTurn, InvalidInput, ThreadNotFound
from recuerda.formats.format import Departure
from recuerda.formats.leaving import thread_of_records, write
from recuerda.formats.registry import WRITABLE
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.thread_info import ThreadInfo
from recuerda.studio.faults import Fault
from recuerda.studio.paths import link
from recuerda.studio.redaction import Redaction
from recuerda.studio.studio import Studio
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.transfer import lines_of

OWN = "recuerda"
"""The name of recuerda's own format, which keeps everything."""

EXPORTED: Sequence[str] = (OWN, *WRITABLE)
"""The names of the formats of an export."""

_ENDINGS: Mapping[str, str] = {OWN: "jsonl", "html": "html", "markdown": "md"}
_STARTS: Mapping[bytes, str] = {b"PK": "zip", b"SQLite format 3": "db"}


class ThreadLosses(msgspec.Struct, frozen=True, kw_only=True):
    """The parts and facts of a thread that a format has no place for.

    Attributes:
        thread_id: the thread.
        losses: the number of parts and facts that are left out, by kind.
        supplement: the number of facts that only recuerda's import reads, by kind.
    """

    thread_id: str
    losses: Mapping[str, int] = {}
    supplement: Mapping[str, int] = {}


class ExportPage(msgspec.Struct, frozen=True, kw_only=True):
    """The export of a thread.

    Attributes:
        thread_id: the thread.
        title: the thread's title.
        thread_href: the address of the thread's page.
        format: the chosen format.
        formats: the formats to choose from.
        with_branches: whether the branches of the thread are exported too.
        threads: the threads of the export, each with its losses.
        download_href: the address of the file.
        hides_secrets: whether secrets are hidden in the file.
    """

    thread_id: str
    title: str | None
    thread_href: str
    format: str
    formats: Sequence[str]
    with_branches: bool
    threads: Sequence[ThreadLosses]
    download_href: str
    hides_secrets: bool


_Read = list[tuple[ThreadInfo, ThreadSlice]]


async def show_export(studio: Studio, request: Request) -> ExportPage:
    """Return the page of an export: the formats, and the losses in the chosen one."""
    thread_id, format, with_branches = _asked(request)
    read = await _read(studio.storage, thread_id, with_branches=with_branches)
    info = read[0][0]
    _, departures = await _written(studio, read, format)
    return ExportPage(
        thread_id=thread_id,
        title=info.title,
        thread_href=link("threads", thread_id),
        format=format,
        formats=EXPORTED,
        with_branches=with_branches,
        threads=[
            ThreadLosses(thread_id=one.thread_id, losses=one.losses, supplement=one.supplement) for one in departures
        ],
        download_href=link("threads", thread_id, "download", format=format, branches=int(with_branches)),
        hides_secrets=not studio.allow_changes,
    )


async def download(studio: Studio, request: Request) -> Response:
    """Return the file of an export."""
    thread_id, format, with_branches = _asked(request)
    read = await _read(studio.storage, thread_id, with_branches=with_branches)
    body, _ = await _written(studio, read, format)
    return Response(
        body,
        media_type="application/octet-stream",
        headers={"content-disposition": f'attachment; filename="thread.{format}.{_ending(body, format)}"'},
    )


def _ending(body: bytes, format: str) -> str:
    by_content = next((ending for start, ending in _STARTS.items() if body.startswith(start)), None)
    return by_content or _ENDINGS.get(format, "json")


def _asked(request: Request) -> tuple[str, str, bool]:
    format = request.query_params.get("format") or OWN
    if format not in EXPORTED:
        raise InvalidInput(f"there is no format {format[:40]!r} to export to: give one of {', '.join(EXPORTED)}")
    return request.path_params["thread_id"], format, request.query_params.get("branches") not in (None, "", "0")


async def _read(storage: Storage, thread_id: str, *, with_branches: bool) -> _Read:
    """Return a thread and, if they are wanted, its branches, each after its parent."""
    found: _Read = []
    waiting = [thread_id]
    seen = {thread_id}
    while waiting:
        one = await storage.read(waiting.pop(0), blobs=None)
        if one.info is None:
            continue
        found.append((one.info, one))
        if with_branches:
            store = ChatMessageStore(storage=storage, thread_id=one.info.id)
            branches = [info.id for info in await store.list_branches() if info.id not in seen]
            seen.update(branches)
            waiting += branches
    if not found or found[0][0].id != thread_id:
        raise ThreadNotFound(thread_id)
    return found


async def _written(studio: Studio, read: _Read, format: str) -> tuple[bytes, Sequence[Departure]]:
    """Return the file of an export, and the losses of each thread."""
    if not studio.allow_changes:
        read = [_hidden(studio.redaction, info, one) for info, one in read]
    if format == OWN:
        try:
            lines = [line for info, one in read for line in lines_of(info, one.records, blobs=one.blobs)]
        except CorruptTurn as error:
            raise _unreadable(error) from None
        return "".join(lines).encode(), [Departure(thread_id=info.id) for info, _ in read]
    try:
        threads = [thread_of_records(info, one.records, one.blobs) for info, one in read]
    except CorruptTurn as error:
        raise _unreadable(error) from None
    with TemporaryDirectory(prefix="recuerda-export-") as folder:
        target = Path(folder) / "thread"
        departures = await write(threads, format, target)
        return await asyncio.to_thread(_content, target), departures


def _unreadable(error: CorruptTurn) -> Fault:
    return Fault(409, "damaged", "fault.no-export", detail=str(error))


def _hidden(redaction: Redaction, info: ThreadInfo, read: ThreadSlice) -> tuple[ThreadInfo, ThreadSlice]:
    """Return a thread without secrets."""
    records = [structs.replace(one, body=_without_secrets(redaction, one.body)) for one in read.records]
    return redaction.value(info), structs.replace(read, records=tuple(records))


def _without_secrets(redaction: Redaction, body: bytes) -> bytes:
    """Return the body of a turn without secrets. A body that is no JSON cannot be read, and an export says so."""
    try:
        return msgspec.json.encode(redaction.value(msgspec.json.decode(body)))
    except (msgspec.DecodeError, RecursionError):
        return body


def _content(target: Path) -> bytes:
    """Return the content of a file, or of a folder as a zip file."""
    if target.is_file():
        return target.read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(target.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(target).as_posix())
    return packed.getvalue()
