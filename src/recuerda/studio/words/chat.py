"""The texts of the pages in `chat`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {}
