"""The pictures and files of a turn, each at an address of its own.

A file comes from a conversation, so its bytes are hostile. A picture is shown only if its bytes are those of a picture
that a browser draws without running anything. Every other file, an SVG and a web page among them, is a download that a
browser neither opens nor runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from recuerda.messages.files import bytes_of_url, files_in
from recuerda.messages.message import AnyFile, DataContent, StoredFile, UriContent
from recuerda.storage.contract import Storage
from recuerda.studio.faults import Fault
from recuerda.studio.page import whole
from recuerda.studio.studio import Studio
from recuerda.threads.history import stored_turn

_SIGNATURES: Mapping[str, tuple[bytes, bytes]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n", b""),
    "image/jpeg": (b"\xff\xd8\xff", b""),
    "image/gif": (b"GIF8", b""),
    "image/webp": (b"RIFF", b"WEBP"),
}
"""The first bytes of the pictures that are shown, and the bytes from the ninth on."""

_SANDBOX = "default-src 'none'; sandbox; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
_LONGEST_NAME = 150


async def send_file(studio: Studio, request: Request) -> Response:
    """Return a file of a turn: a picture to show, or a download."""
    thread_id = str(request.path_params["thread_id"])
    number = whole(request.path_params["number"], "the number of the turn") or 0
    place = whole(request.path_params["file"], "the number of the file") or 0
    part = await _part(studio.storage, thread_id, number, place)
    data = None if part is None else await _bytes(studio.storage, thread_id, part)
    if part is None or data is None:
        raise Fault(404, "not_found", "fault.no-file", thread=repr(thread_id), number=number, place=place)
    kind = picture_type(data)
    headers = {"content-security-policy": _SANDBOX, "cache-control": "no-store"}
    if kind is None:
        headers["content-disposition"] = disposition(part.name or f"file-{place}")
    return Response(data, headers=headers, media_type=kind or "application/octet-stream")


def picture_type(data: bytes) -> str | None:
    """Return the media type of a picture that may be shown, by its bytes; None for any other file."""
    return next(
        (kind for kind, (start, ninth) in _SIGNATURES.items() if data.startswith(start) and data[8:].startswith(ninth)),
        None,
    )


def disposition(name: str) -> str:
    """Return the header that makes a browser save a file under a name, whatever characters the name has."""
    shown = "".join(one for one in name if one.isprintable() and one not in '/\\:*?"<>|').strip(". ")[:_LONGEST_NAME]
    plain = shown.encode("ascii", "replace").decode().replace("?", "_")
    return f"attachment; filename=\"{plain or 'file'}\"; filename*=UTF-8''{quote(shown or 'file', safe='')}"


async def _part(storage: Storage, thread_id: str, number: int, place: int) -> AnyFile | None:
    found = await storage.read(thread_id, before=number + 1, last_turns=1)
    records = [record for record in found.records if record.number == number]
    files: Iterator[AnyFile] = files_in(stored_turn(records[0], thread_id).messages) if records else iter(())
    return next((part for at, part in enumerate(files) if at == place), None)


async def _bytes(storage: Storage, thread_id: str, part: AnyFile) -> bytes | None:
    match part:
        case DataContent():
            return bytes(part.data)
        case StoredFile():
            return (await storage.read_blobs(thread_id, [part.digest])).get(part.digest)
        case UriContent():
            return bytes_of_url(part.uri)
        case _:
            return None
