"""The texts of the pages in `seen`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {}
