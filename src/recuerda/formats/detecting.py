"""The format of a source whose format nobody named."""

from __future__ import annotations

from itertools import islice

from recuerda.errors import InvalidInput
from recuerda.formats.conversation_files import is_conversations
from recuerda.formats.documents import documents
from recuerda.formats.format import Format
from recuerda.formats.registry import READABLE, format_of, format_of_tables, formats_of_files
from recuerda.formats.source import Source
from recuerda.formats.tables import table_names

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
        found = format_of_tables(table_names(source.file()))
    elif source.is_archive:
        with source.archive() as archive:
            name = next(filter(is_conversations, archive.names()), None)
            found = None if name is None else _of_text(archive.read(name))
    else:
        found = _of_text(source.text())
    if found is None:
        if source.is_folder:
            raise InvalidInput(f"{source.path} cannot be read: it is a folder of an unknown format; name it")
        choices = ", ".join(READABLE)
        raise InvalidInput(
            f"the format is not known: choose it (on the command line with --from); it is one of {choices}"
        )
    return found


def _of_text(text: bytes) -> Format | None:
    if not text.strip():
        return format_of("recuerda", READABLE)  # an export of no threads
    values = [document.as_type(object) for document in islice(documents(text), _LOOKED_AT)]
    return next((one for one in formats_of_files() if one.is_like is not None and one.is_like(values)), None)
