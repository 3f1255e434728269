"""The format of a source whose format nobody named."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import islice
from pathlib import Path

from recuerda.errors import InvalidInput, StateError
from recuerda.formats.conversation_files import is_conversations
from recuerda.formats.documents import documents
from recuerda.formats.format import Format
from recuerda.formats.registry import READABLE, format_of
from recuerda.formats.source import Source

_LOOKED_AT = 30
"""The number of values at the start of a file by which its format is guessed."""


def detected(source: Source) -> Format:
    """Return the format of a source.

    Raises:
        InvalidInput: the format is not known; the error says how to name it.
        StateError: the file is not JSON.
    """
    if source.url is not None:
        raise InvalidInput("the format of a server's data is not guessed: name it, such as --from langgraph")
    if source.is_sqlite:
        found = _of_tables(source.file())
    elif source.is_archive:
        with source.archive() as archive:
            name = next(filter(is_conversations, archive.names()), None)
            found = None if name is None else _of_text(archive.read(name))
    else:
        found = _of_text(source.text())
    if found is None:
        if source.is_folder:
            raise InvalidInput(f"{source.path} cannot be read: it is a folder without the files of a known format")
        raise InvalidInput(f"the format is not known: name it with --from, as one of {', '.join(READABLE)}")
    return found


def _of_text(text: bytes) -> Format | None:
    if not text.strip():
        return format_of("recuerda", READABLE)  # an export of no threads
    values = [document.as_type(object) for document in islice(documents(text), _LOOKED_AT)]
    return next((one for one in _formats() if one.is_like is not None and one.is_like(values)), None)


def _of_tables(path: Path) -> Format | None:
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            tables = {
                str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
    except sqlite3.Error as error:
        raise StateError(f"{path} cannot be read: {error}") from None
    return next((one for one in _formats() if one.tables and one.tables <= tables), None)


def _formats() -> Iterable[Format]:
    return (format_of(name, READABLE) for name in READABLE)
