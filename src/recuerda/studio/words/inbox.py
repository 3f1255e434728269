"""The texts of the pages in `inbox`."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str]] = {}
