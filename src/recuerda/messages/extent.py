"""The size of a picture, the pages of a document and the duration of sound, read from the first bytes of a file.

Only the few fields by which services count tokens are read. A file that is not understood has no extent; its tokens are
then assumed. Sources: the specifications of PNG, GIF, JPEG (ITU-T T.81), WebP (RFC 9649) and WAV.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from struct import error as struct_error
from struct import unpack_from

from recuerda.messages.message import FileExtent

_PAGE = rb"/Type\s*/Page(?![A-Za-z])"
_SOF = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def extent_of(data: bytes, media_type: str) -> FileExtent:
    """Return the extent of a file, as far as its bytes tell it."""
    read = _reader(data, media_type)
    try:
        return FileExtent() if read is None else read(data)
    except (struct_error, IndexError, ZeroDivisionError):
        return FileExtent()


def _reader(data: bytes, media_type: str) -> Callable[[bytes], FileExtent] | None:
    kinds = {b"\x89PNG": _png, b"GIF8": _gif, b"\xff\xd8\xff": _jpeg, b"%PDF": _pdf}
    for start, read in kinds.items():
        if data.startswith(start):
            return read
    if data.startswith(b"RIFF"):
        return {b"WEBP": _webp, b"WAVE": _wav}.get(data[8:12])
    return _pdf if media_type == "application/pdf" else None


def _png(data: bytes) -> FileExtent:
    return FileExtent(*unpack_from(">II", data, 16))


def _gif(data: bytes) -> FileExtent:
    return FileExtent(*unpack_from("<HH", data, 6))


def _jpeg(data: bytes) -> FileExtent:
    place = 2
    while True:
        marker = data[place + 1]
        if data[place] != 0xFF or marker == 0xFF:
            place += 1
        elif marker in _SOF:
            height, width = unpack_from(">HH", data, place + 5)
            return FileExtent(width, height)
        else:
            place += 2 if marker in _NO_LENGTH else 2 + unpack_from(">H", data, place + 2)[0]


def _webp(data: bytes) -> FileExtent:
    match data[12:16]:
        case b"VP8X":
            return FileExtent(1 + _three_bytes(data, 24), 1 + _three_bytes(data, 27))
        case b"VP8L":
            bits = unpack_from("<I", data, 21)[0]
            return FileExtent(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        case b"VP8 ":
            width, height = unpack_from("<HH", data, 26)
            return FileExtent(width & 0x3FFF, height & 0x3FFF)
        case _:
            return FileExtent()


def _three_bytes(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 3], "little")


def _wav(data: bytes) -> FileExtent:
    place, rate = 12, 0
    while data[place : place + 4] != b"data":
        if data[place : place + 4] == b"fmt ":
            rate = unpack_from("<I", data, place + 16)[0]
        place += 8 + (size := unpack_from("<I", data, place + 4)[0]) + size % 2
    length = min(unpack_from("<I", data, place + 4)[0], len(data) - place - 8)
    return FileExtent(duration_ms=1000 * length // rate)


def _pdf(data: bytes) -> FileExtent:
    return FileExtent(pages=len(re.findall(_PAGE, data)))
