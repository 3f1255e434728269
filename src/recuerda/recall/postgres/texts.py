"""The stored form of a message's text, and its digest, by which the server compares texts.

The server cannot compare the compressed forms, because another version of zlib may compress in another way.
"""

from __future__ import annotations

import zlib
from hashlib import blake2b

_LEVEL = 6
_RAW = -15
"""Deflate without a header and a checksum, which would take six bytes."""


def stored_text(text: str) -> bytes:
    """Return the compressed text."""
    work = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    return work.compress(text.encode()) + work.flush()


def original_text(stored: bytes) -> str:
    """Return the text of a stored form."""
    return zlib.decompress(stored, _RAW).decode()


def digest_of(text: str) -> int:
    """Return a digest of a text, as a signed number of 32 bits. Only texts of the same time or turn are compared."""
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), signed=True)
