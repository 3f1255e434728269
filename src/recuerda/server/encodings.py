"""Bodies that a client has compressed with gzip, deflate or zstd.

A small body can grow a thousandfold, so it is unpacked in small steps, and each step counts for the limits of the body.
"""

from __future__ import annotations

import importlib
import sys
import zlib
from collections.abc import Iterator
from typing import Protocol

from recuerda.server.faults import ApiFault, bad_request

_STEP_BYTES = 64 * 1024
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_PLAIN = ("", "identity")
_ZLIB = ("gzip", "x-gzip", "deflate")
_ZSTD = "zstd"
_WINDOW_LOG = 23
"""The largest window of zstd, as a power of two: 8 MB, which RFC 8878 recommends. A decoder needs as much memory."""


def _zstd_module() -> str | None:
    """Return the module that unpacks zstd: the standard library's from Python 3.14 on, or its copy for older ones."""
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    try:
        importlib.import_module(name)
    except ImportError:  # Python was built without it, or the copy is not installed.
        return None
    return name


_ZSTD_MODULE = _zstd_module()
KNOWN = ("gzip", "deflate", *((_ZSTD,) if _ZSTD_MODULE else ()))
"""The encodings that are read."""


class _Decoder(Protocol):
    """Unpacks one body in steps."""

    def steps(self, piece: bytes) -> Iterator[bytes]: ...

    @property
    def is_whole(self) -> bool: ...


class _Zlib:
    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)

    def steps(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            try:
                step = self._inflate.decompress(piece, _STEP_BYTES)
            except zlib.error:
                raise _damaged() from None
            yield step
            piece = self._inflate.unconsumed_tail

    @property
    def is_whole(self) -> bool:
        return self._inflate.eof


class _Zstd:
    def __init__(self, module: str) -> None:
        found = importlib.import_module(module)
        self._decompressor = found.ZstdDecompressor(options={found.DecompressionParameter.window_log_max: _WINDOW_LOG})
        self._error: type[Exception] = found.ZstdError

    def steps(self, piece: bytes) -> Iterator[bytes]:
        while not self._decompressor.eof:
            try:
                yield self._decompressor.decompress(piece, max_length=_STEP_BYTES)
            except self._error:
                raise _damaged() from None
            if self._decompressor.needs_input:
                return
            piece = b""

    @property
    def is_whole(self) -> bool:
        return self._decompressor.eof and not self._decompressor.unused_data


class Unpacking:
    """Unpack a body that arrives in pieces.

    Args:
        encoding: the value of the header `Content-Encoding`.

    Raises:
        ApiFault: the encoding is not supported.
    """

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        self._decoder = None if name in _PLAIN else _decoder_of(name)

    def add(self, piece: bytes) -> Iterator[bytes]:
        """Yield the unpacked piece in steps of up to 64 KB, or the piece itself if the body is not compressed.

        Raises:
            ApiFault: the piece is damaged.
        """
        if self._decoder is None:
            yield piece
            return
        yield from (step for step in self._decoder.steps(piece) if step)

    def finish(self) -> None:
        """Check that the body is whole.

        Raises:
            ApiFault: the end of the body is missing.
        """
        if self._decoder is not None and not self._decoder.is_whole:
            raise _damaged()


def _decoder_of(name: str) -> _Decoder:
    if name in _ZLIB:
        return _Zlib()
    if name == _ZSTD and _ZSTD_MODULE is not None:
        return _Zstd(_ZSTD_MODULE)
    message = f"The content encoding '{name[:40]}' is not supported. Send the body plain, or with {' or '.join(KNOWN)}."
    raise ApiFault(415, message, code="unsupported_encoding", param="content-encoding")


def _damaged() -> ApiFault:
    return bad_request("The compressed body is damaged or incomplete.", param="content-encoding")
