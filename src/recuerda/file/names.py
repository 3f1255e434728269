"""File names for any thread id, on any operating system.

A name is a slug for people and a hash for uniqueness. It has lower-case ASCII letters, digits, `-` and `_` only, so
it means the same on case-insensitive file systems, is no reserved device name of Windows, and stays far below every
limit of length. Nothing in a name is ever read back: the id is inside the file.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

SLUG_LENGTH = 40
LOG_SUFFIX = ".jsonl"
DRAFT_SUFFIX = ".draft"
STRIPES = 256
"""How many lock files there are: threads share them by hash, so the folder of locks never grows."""

_UNSAFE = re.compile(r"[^a-z0-9_]+")
_LOG_NAME = re.compile(r"[a-z0-9_-]+-[0-9a-f]{32}\.jsonl")


class ThreadFiles(NamedTuple):
    """The files of one thread, and the stripe of its lock."""

    folder: Path
    stem: str
    stripe: int

    @property
    def log(self) -> Path:
        """The thread itself."""
        return self.folder / f"{self.stem}{LOG_SUFFIX}"

    @property
    def new_log(self) -> Path:
        """Its next version, while that is being written."""
        return self.folder / f"{self.stem}{LOG_SUFFIX}.new"

    @property
    def draft(self) -> Path:
        """The thread's draft."""
        return self.folder / f"{self.stem}{DRAFT_SUFFIX}"

    @property
    def new_draft(self) -> Path:
        """The next draft, while its first step is being written."""
        return self.folder / f"{self.stem}{DRAFT_SUFFIX}.new"

    @property
    def paths(self) -> tuple[Path, ...]:
        """All of them."""
        return self.log, self.new_log, self.draft, self.new_draft


def file_stem(thread_id: str) -> str:
    """Return the name of a thread's files, without suffix: at most 73 characters."""
    digest = hashlib.sha256(thread_id.encode()).hexdigest()[:32]
    slug = _UNSAFE.sub("-", thread_id.lower())[:SLUG_LENGTH].strip("-_")
    return f"{slug or 'thread'}-{digest}"


def files_of(folder: Path, thread_id: str) -> ThreadFiles:
    """Return the paths of a thread's files, and the stripe of its lock."""
    stem = file_stem(thread_id)
    return ThreadFiles(folder, stem, int(stem[-2:], 16) % STRIPES)


def is_log_name(name: str) -> bool:
    """Tell whether a file may be a thread's log by its name."""
    return _LOG_NAME.fullmatch(name) is not None
