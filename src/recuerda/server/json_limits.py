"""The size of a JSON text, measured before it is parsed.

Parsing makes an object for each value, and a parser that meets deep nesting recurses. Both cost far more than the bytes
of the text. So a request's text is measured first: how deeply it is nested, and how many values it holds. Python's own
operations on bytes do this without a loop over the characters. A text that is not JSON may be measured wrongly behind
its first error, where no parser reads on.
"""

from __future__ import annotations

from collections.abc import Iterator

from recuerda.server.faults import ApiFault, bad_request

_SLICE_BYTES = 256 * 1024
"""The text is measured in slices, so that other threads run in between."""

_SCALAR_BYTES = 64
"""More bytes than a number, `true`, `false` or `null` needs."""

_BRACKETS = bytes.maketrans(b"{}", b"[]")
_STRUCTURE = b"[]{},"
_ALL_BUT_STRUCTURE = bytes(set(range(256)) - set(_STRUCTURE))
_ALL_BUT_SCALARS = _STRUCTURE + b": \t\r\n"


def check_json(body: bytes, *, max_depth: int, max_values: int) -> None:
    """Check the size of a JSON text.

    Args:
        body: the text.
        max_depth: the deepest nesting of arrays and objects.
        max_values: the largest number of values. The keys of objects do not count.

    Raises:
        ApiFault: the text is nested too deeply, holds too many values, or holds a number that is too long.
    """
    kept: list[bytes] = []
    values = 1
    quotes = scalars = 0
    for part, quoted in _outside_of_strings(body):
        structure = part.translate(_BRACKETS, _ALL_BUT_STRUCTURE)
        kept.append(structure.replace(b",", b""))
        values += structure.count(b",") + structure.count(b"[")
        quotes += quoted
        scalars += len(part.translate(None, _ALL_BUT_SCALARS))
        # A value has at most one string and one key, and each of them two quotes.
        if values > max_values or quotes > 4 * max_values:
            raise ApiFault(
                413,
                f"The request's JSON holds more than {max_values:,} values. Send less in one request.",
                code="request_too_large",
            )
        if scalars > _SCALAR_BYTES * values + _SLICE_BYTES:
            raise bad_request("The request's JSON holds a number that is too long.", code="number_too_long")
    if _is_deeper(b"".join(kept), max_depth):
        raise bad_request(f"The request's JSON is nested deeper than {max_depth} levels.", code="json_too_deep")


def _outside_of_strings(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield the text outside of strings, slice by slice, and the number of quotes in each slice."""
    start, is_inside = 0, False
    while start < len(body):
        end = start + _SLICE_BYTES
        while end < len(body) and body[end - 1 : end] == b"\\":  # an escape must not be cut in two
            end += 1
        plain = body[start:end].replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = plain.split(b'"')
        yield b"".join(parts[is_inside::2]), len(parts) - 1
        is_inside ^= len(parts) % 2 == 0
        start = end


def _is_deeper(brackets: bytes, levels: int) -> bool:
    """Return whether square brackets are nested deeper than a number of levels. A round removes the innermost level."""
    for _ in range(levels):
        inner = brackets.replace(b"[]", b"")
        if len(inner) == len(brackets):
            return False  # Nothing is left, or the brackets do not match. Then this is no JSON, and the parser says so.
        brackets = inner
    return bool(brackets)
