"""Archives as services give them to their users: a zip file with `conversations.json`, and the files beside it."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path

from recuerda.formats.format import Departure, Family, FileWriter, Writer

_CONVERSATIONS = "conversations.json"
_IN_MEMORY = 10_000_000


def zip_writer(writer: Writer) -> FileWriter:
    """Return the function that writes the text of a format into an archive, with the files of its conversations."""

    async def save(families: AsyncIterable[Family], path: Path) -> AsyncIterator[Departure]:
        written: set[str] = set()
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            tempfile.SpooledTemporaryFile(_IN_MEMORY) as text,
        ):
            text.write(writer.start.encode())
            is_first = True
            async for family in families:
                one = writer.write(family)
                text.write(("" if is_first else writer.between).encode() + one.text.encode())
                is_first = False
                for name, data in one.files.items():
                    if name not in written:
                        archive.writestr(name, data)
                        written.add(name)
                for departure in one.departures:
                    yield departure
            text.write(writer.end.encode())
            text.seek(0)
            with archive.open(_CONVERSATIONS, "w", force_zip64=True) as member:
                while block := text.read(1 << 20):
                    member.write(block)

    return FileWriter(save=save, has_trees=writer.has_trees)
