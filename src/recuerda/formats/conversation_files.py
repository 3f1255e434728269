"""The conversations in the archives that services give to their users: a zip file, a folder, or the JSON file alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import cast

from recuerda.errors import StateError
from recuerda.formats.archived_files import ArchivedFiles
from recuerda.formats.documents import Document, documents, located
from recuerda.formats.source import Source

_FILES = re.compile(r"(?:^|/)conversations(?:-\d+)?\.json$")


def is_conversations(name: str) -> bool:
    """Return whether a file of an archive has conversations."""
    return _FILES.search(name) is not None


def conversations(source: Source) -> Iterator[tuple[Document, ArchivedFiles]]:
    """Yield the conversations of a source, with the files of its archive if it is one.

    Raises:
        StateError: the archive has no conversations.
    """
    if not source.is_archive:
        for document in documents(source.text()):
            yield document, ArchivedFiles(None)
        return
    with source.archive() as archive:
        names = [name for name in archive.names() if is_conversations(name)]
        if not names:
            raise StateError("the archive has no file conversations.json")
        files = ArchivedFiles(archive)
        for name in sorted(names):
            with located(name):
                found = documents(archive.read(name))
                yield from ((Document(one.raw, f"{name}, {one.where}"), files) for one in found)


def first_object(values: Sequence[object], has: Callable[[dict[str, object]], bool]) -> bool:
    """Return whether the first value of a file is an object for which a condition holds."""
    first = values[0] if values else None
    return isinstance(first, dict) and has(cast("dict[str, object]", first))
