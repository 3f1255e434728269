"""The base64 text of files, which is made once while a file is in use.

A run may ask its model several times, and a handle sends the files of the newest turns again with the next run. The
text is remembered for the object that holds the file, and goes with it: a handle that lets go of a file takes its text
along. So no text outlives the thread that its file belongs to.
"""

from __future__ import annotations

from base64 import b64encode
from weakref import ref

from recuerda.messages.message import DataContent

MOST_CHARACTERS = 64_000_000
"""The largest number of characters that are remembered in a process. The texts that were made first go first."""

_SHORTEST = 2048

_texts: dict[int, tuple[ref[DataContent], str]] = {}


def base64_text(part: DataContent) -> str:
    """Return the bytes of a file as base64."""
    known = _texts.get(id(part))
    if known is not None and known[0]() is part:
        return known[1]
    text = b64encode(part.data).decode("ascii")
    if len(text) > _SHORTEST and type(part.data) is bytes:  # a bytearray may change
        _remember(part, text)
    return text


def _remember(part: DataContent, text: str) -> None:
    key = id(part)
    _texts[key] = ref(part, lambda _: _texts.pop(key, None)), text
    while sum([len(one) for _, one in list(_texts.values())]) > MOST_CHARACTERS:
        _texts.pop(next(iter(_texts)), None)
