"""The stored form of a message's text: compressed if that makes it shorter.

SQLite keeps the type of each value. So a compressed text is a BLOB, and any other text is a TEXT.
"""

from __future__ import annotations

import zlib

_LEVEL = 6
_RAW = -15
"""Deflate without a header and a checksum, which would take six bytes."""


def stored_text(text: str) -> str | bytes:
    """Return the stored form of a text."""
    plain = text.encode()
    work = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    packed = work.compress(plain) + work.flush()
    return packed if len(packed) < len(plain) else text


def original_text(stored: str | bytes) -> str:
    """Return the text of a stored form."""
    return stored if isinstance(stored, str) else zlib.decompress(stored, _RAW).decode()
