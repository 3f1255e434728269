"""The files of a tenant that were uploaded: the turns of one thread, in the order of their uploads.

Each file is a turn with one message, and the storage keeps its bytes beside the turn. So an upload is one append, a
list is a page of turns without their bytes, and a file is found by the id of its turn, on every storage. The erasure of
the tenant erases the thread. A file that is uploaded twice has its bytes once.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec

from recuerda.messages.message import ChatMessage, DataContent, StoredFile, Turn
from recuerda.server.faults import ApiFault, bad_request, not_found
from recuerda.server.items import REQUEST, Uploaded, uploaded_parts
from recuerda.server.names import Tenancy
from recuerda.server.requests import Item
from recuerda.server.threads import Threads, View
from recuerda.threads.conflicts import repeated
from recuerda.threads.history import StoredTurn

FILES = "uploaded_files"
"""The name of the thread with the files of a tenant."""

_FILE = "file"
_ID = re.compile(r"file-[0-9a-f]{24}")
_STARTS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"%PDF-": "application/pdf",
}
_UNKNOWN_TYPE = "application/octet-stream"


class FileObject(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file, as clients see it, and the time after which it is deleted in seconds since 1970."""

    id: str
    bytes: int
    created_at: int
    filename: str
    purpose: str
    expires_at: int | None = None

    @property
    def shown(self) -> dict[str, Any]:
        """The JSON object."""
        return {"object": "file", "status": "processed", "expires_at": None, **msgspec.to_builtins(self)}


class Upload(msgspec.Struct, frozen=True):
    """A file of a tenant, with its turn."""

    about: FileObject
    stored: StoredTurn

    @property
    def part(self) -> DataContent | StoredFile:
        """The file itself, or its name in the storage."""
        return cast("DataContent | StoredFile", self.stored.messages[0].contents[0])


class Uploads:
    """The uploaded files of all tenants.

    Args:
        threads: the threads of the service.
    """

    def __init__(self, threads: Threads) -> None:
        self._threads = threads

    @property
    def now(self) -> int:
        """The time in seconds since 1970."""
        return self._threads.storage.clock() // 1_000_000

    async def add(
        self, tenancy: Tenancy, about: FileObject, data: bytes, media_type: str, fingerprint: str | None
    ) -> Upload:
        """Keep a file. Return the file that is kept under this id."""
        part = DataContent(data, media_type, about.filename)
        marks = {_FILE: msgspec.to_builtins(about), **({REQUEST: fingerprint} if fingerprint else {})}
        message = ChatMessage("user", [part], message_id=about.id, additional_properties=marks)
        turn = Turn(messages=(message,))
        stored, _ = await self._threads.note(tenancy, FILES, turn, turn_id=about.id, keep=None)
        return Upload(_about(stored), stored)

    async def find(self, tenancy: Tenancy, id: str) -> Upload | None:
        """Return a file without its bytes; None if the tenant has no such file, or it has expired."""
        if not _ID.fullmatch(id):
            return None
        stored = (await self._view(tenancy, id)).found
        if stored is None:
            return None
        upload = Upload(_about(stored), stored)
        if not self.is_over(upload):
            return upload
        await self.remove(tenancy, id)
        return None

    def is_over(self, upload: Upload) -> bool:
        """Return whether a file has expired."""
        ends = upload.about.expires_at
        return ends is not None and ends <= self.now

    async def data(self, tenancy: Tenancy, uploads: Sequence[Upload]) -> Mapping[str, DataContent]:
        """Return files with their bytes, by their ids. The files that are gone meanwhile are left out."""
        digests = [one.part.digest for one in uploads if isinstance(one.part, StoredFile)]
        storage = self._threads.storage_of(tenancy)
        blobs = await storage.read_blobs(tenancy.thread_id(FILES), digests)
        found: dict[str, DataContent] = {}
        for one in uploads:
            part = one.part
            if isinstance(part, DataContent):
                found[one.about.id] = part
            elif part.digest in blobs:
                found[one.about.id] = DataContent(blobs[part.digest], part.media_type, part.name)
        return found

    async def named_in(self, tenancy: Tenancy, items: Sequence[Item], *, at: str) -> Uploaded:
        """Return the files that items name by their ids.

        Raises:
            ApiFault: the tenant has no such file, or a file that is given as an image is none.
        """
        parts = list(uploaded_parts(items))
        found = {id: await self.find(tenancy, id) for id in dict.fromkeys(part["file_id"] for part in parts)}
        files = await self.data(tenancy, [upload for upload in found.values() if upload is not None])
        for part in parts:
            _check(part, files.get(part["file_id"]), at=at)
        return files

    async def page(
        self, tenancy: Tenancy, *, before: StoredTurn | None, after: StoredTurn | None, count: int, order: str
    ) -> Sequence[Upload]:
        """Return the next files of a list, without their bytes; none at its end."""
        if order == "asc":
            view = await self._threads.ahead(tenancy, FILES, items=count, first=after, with_files=False)
            turns = [turn for turn in view.turns if after is None or turn.number > after.number]
        else:
            number = before and before.number
            view = await self._threads.tail(tenancy, FILES, items=count, before=number, with_files=False)
            turns = list(reversed(view.turns))
        return [Upload(_about(turn), turn) for turn in turns]

    async def remove(self, tenancy: Tenancy, id: str) -> None:
        """Delete a file with its bytes, unless another file has the same bytes."""

        async def step() -> None:
            view = await self._view(tenancy, id)
            if view.found is not None and view.info is not None:
                storage = self._threads.storage_of(tenancy)
                await storage.undo(view.info.id, number=view.found.number, expected=view.info.version)

        await repeated(step)

    async def _view(self, tenancy: Tenancy, id: str) -> View:
        return await self._threads.turn(tenancy, FILES, id, with_files=False)


def media_type_of(name: str, given: str | None, data: bytes) -> str:
    """Return the media type of a file: the given one, or else a guess by its bytes and its name."""
    if given and given.partition(";")[0].strip() != _UNKNOWN_TYPE:
        return given
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    known = next((kind for start, kind in _STARTS.items() if data.startswith(start)), None)
    return known or mimetypes.guess_type(name)[0] or _UNKNOWN_TYPE


def _about(stored: StoredTurn) -> FileObject:
    return msgspec.convert((stored.messages[0].additional_properties or {})[_FILE], FileObject)


def _check(part: Item, file: DataContent | None, *, at: str) -> None:
    id: str = part["file_id"]
    if file is None:
        raise ApiFault(404, not_found("File", id).message, param=at)
    if part["type"] == "input_image" and not file.media_type.startswith("image/"):
        message = f"The file '{id}' is not an image but {file.media_type[:60]}: give it as an 'input_file'."
        raise bad_request(message, param=at)
