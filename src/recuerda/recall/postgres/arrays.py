"""Arrays as the server writes them. The driver takes several times as long for a list."""

from __future__ import annotations

from collections.abc import Iterable


def number_array(values: Iterable[float]) -> str:
    """Return numbers as an array."""
    return f"{{{','.join(map(str, values))}}}"


def text_array(values: Iterable[str]) -> str:
    """Return texts as an array."""
    quoted = [value.replace("\\", r"\\").replace('"', r"\"") for value in values]
    return '{"' + '","'.join(quoted) + '"}' if quoted else "{}"
