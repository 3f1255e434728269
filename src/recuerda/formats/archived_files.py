"""Pictures and files that lie in an archive beside its conversations."""

from __future__ import annotations

import re
from collections.abc import Sequence

from recuerda.formats.files import ANY_FILE, media_type_of
from recuerda.formats.source import Archive
from recuerda.messages.message import DataContent

_ID = re.compile(r"^(file[-_][0-9A-Za-z]+)")
_STARTS = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF", "application/pdf"),
    (b"OggS", "audio/ogg"),
)


class ArchivedFiles:
    """Finds the files of an archive by their ids, or by their names.

    Args:
        archive: the archive; None if there is none.
    """

    def __init__(self, archive: Archive | None) -> None:
        self._archive = archive
        self._names: dict[str, str] = {}
        for name in archive.names() if archive else ():
            base = name.rpartition("/")[2]
            self._names.setdefault(base, name)
            if found := _ID.match(base):
                self._names.setdefault(found[1], name)

    def find(self, keys: Sequence[str | None], name: str | None, media_type: str | None) -> DataContent | None:
        """Return a file of the archive; None if the archive does not have it.

        Args:
            keys: the ids and names that the file may have.
            name: the file's name for people.
            media_type: the media type that the source says.
        """
        found = next((self._names[key] for key in keys if key and key in self._names), None)
        if found is None or self._archive is None:
            return None
        data = self._archive.read(found)
        return DataContent(data, media_type or _sniffed(data) or media_type_of(found) or ANY_FILE, name)


def _sniffed(data: bytes) -> str | None:
    if data[:4] == b"RIFF":
        return "image/webp" if data[8:12] == b"WEBP" else "audio/wav"
    return next((media_type for start, media_type in _STARTS if data.startswith(start)), None)
