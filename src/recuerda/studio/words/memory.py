"""The texts of the pages in `memory`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {}
