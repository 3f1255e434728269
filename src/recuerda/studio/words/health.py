"""The texts of the pages in `health`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {}
