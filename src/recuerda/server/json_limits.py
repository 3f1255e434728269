"""The size of a JSON text, measured before it is parsed.

Parsing makes an object for each value, and a parser that meets deep nesting recurses. Both cost far more than the bytes
of the text. So a request's text is measured while it arrives: how deeply it is nested, and how many values it holds. A
text with too many values is refused before the rest has arrived. Python's own operations on bytes do this without a
loop over the characters. A text that is not JSON may be measured wrongly behind its first error, where no parser reads
on.
"""

from __future__ import annotations

from recuerda.server.faults import ApiFault, bad_request

_SLICE_BYTES = 32 * 1024
"""The text is measured in slices, so that other threads run in between: Python runs no other thread within a step."""

_SCALAR_BYTES = 64
"""More bytes than a number, `true`, `false` or `null` needs."""

_BRACKETS = bytes.maketrans(b"{}", b"[]")
_STRUCTURE = b"[]{},"
_ALL_BUT_STRUCTURE = bytes(set(range(256)) - set(_STRUCTURE))
_ALL_BUT_SCALARS = _STRUCTURE + b": \t\r\n"


class JsonMeter:
    """Measure a JSON text that arrives piece by piece.

    Args:
        max_depth: the deepest nesting of arrays and objects.
        max_values: the largest number of values. The keys of objects do not count.
    """

    def __init__(self, *, max_depth: int, max_values: int) -> None:
        self._max_depth = max_depth
        self._max_values = max_values
        self._brackets: list[bytes] = []
        self._values = 1
        self._bracket_count = self._quotes = self._scalars = 0
        self._is_in_string = False
        self._held = b""  # backslashes at the end of a piece, because an escape must not be cut in two

    def add(self, piece: bytes) -> None:
        """Measure the next piece of the text.

        Raises:
            ApiFault: the text holds too many values, or a number that is too long.
        """
        for start in range(0, len(piece), _SLICE_BYTES):
            self._add(self._held + piece[start : start + _SLICE_BYTES])

    def finish(self) -> None:
        """Check the whole text.

        Raises:
            ApiFault: the text is nested too deeply.
        """
        if _is_deeper(b"".join(self._brackets), self._max_depth):
            message = f"The request's JSON is nested deeper than {self._max_depth} levels."
            raise bad_request(message, code="json_too_deep")

    def _add(self, text: bytes) -> None:
        whole = text.rstrip(b"\\") if text.endswith(b"\\") else text
        self._held = text[len(whole) :]
        part = self._outside_of_strings(whole)
        structure = part.translate(_BRACKETS, _ALL_BUT_STRUCTURE)
        brackets = structure.replace(b",", b"")
        self._brackets.append(brackets)
        self._bracket_count += len(brackets)
        self._values += structure.count(b",") + structure.count(b"[")
        self._scalars += len(part.translate(None, _ALL_BUT_SCALARS))
        self._check()

    def _outside_of_strings(self, text: bytes) -> bytes:
        """Return the part of a text that is outside of strings, and count the quotes."""
        # Python finds one byte a hundred times faster than it replaces two bytes or splits, and most slices of a long
        # string hold neither.
        if b"\\" in text:
            text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
        if b'"' not in text:
            return b"" if self._is_in_string else text
        parts = text.split(b'"')
        outside = b"".join(parts[self._is_in_string :: 2])
        self._quotes += len(parts) - 1
        self._is_in_string ^= len(parts) % 2 == 0
        return outside

    def _check(self) -> None:
        # A value has at most two brackets, or one string; and one key. A string and a key have two quotes each.
        most = self._max_values
        if self._values > most or self._bracket_count > 2 * most or self._quotes > 4 * most:
            raise ApiFault(
                413,
                f"The request's JSON holds more than {self._max_values:,} values. Send less in one request.",
                code="request_too_large",
            )
        if self._scalars > _SCALAR_BYTES * self._values + _SLICE_BYTES:
            raise bad_request("The request's JSON holds a number that is too long.", code="number_too_long")


def _is_deeper(brackets: bytes, levels: int) -> bool:
    """Return whether square brackets are nested deeper than a number of levels. A round removes the innermost level."""
    for _ in range(levels):
        inner = brackets.replace(b"[]", b"")
        if len(inner) == len(brackets):
            return False  # Nothing is left, or the brackets do not match. Then this is no JSON, and the parser says so.
        brackets = inner
    return bool(brackets)
