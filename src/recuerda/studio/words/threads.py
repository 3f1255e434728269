"""The texts of the pages in `threads`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {}
