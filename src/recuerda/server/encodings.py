"""Bodies that a client has compressed with gzip or deflate.

A small body can grow a thousandfold, so it is unpacked in small steps, and each step counts for the limits of the body.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from recuerda.server.faults import ApiFault, bad_request

_STEP_BYTES = 64 * 1024
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_PLAIN = ("", "identity")
_KNOWN = ("gzip", "x-gzip", "deflate")


class Unpacking:
    """Unpack a body that arrives in pieces.

    Args:
        encoding: the value of the header `Content-Encoding`.

    Raises:
        ApiFault: the encoding is not supported.
    """

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in _PLAIN and name not in _KNOWN:
            message = f"The content encoding '{name[:40]}' is not supported. Send the body plain, or with gzip."
            raise ApiFault(415, message, code="unsupported_encoding", param="content-encoding")
        self._inflate = None if name in _PLAIN else zlib.decompressobj(_GZIP_OR_ZLIB)

    def add(self, piece: bytes) -> Iterator[bytes]:
        """Yield the unpacked piece in steps of up to 64 KB, or the piece itself if the body is not compressed.

        Raises:
            ApiFault: the piece is damaged.
        """
        if self._inflate is None:
            yield piece
            return
        while piece:
            try:
                step = self._inflate.decompress(piece, _STEP_BYTES)
            except zlib.error:
                raise _damaged() from None
            if step:
                yield step
            piece = self._inflate.unconsumed_tail

    def finish(self) -> None:
        """Check that the body is whole.

        Raises:
            ApiFault: the end of the body is missing.
        """
        if self._inflate is not None and not self._inflate.eof:
            raise _damaged()


def _damaged() -> ApiFault:
    return bad_request("The compressed body is damaged or incomplete.", param="content-encoding")
