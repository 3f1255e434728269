"""The texts of the pages in `changes`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {}
