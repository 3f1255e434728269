"""File names for any thread id, on any operating system.

A name is a readable slug and a hash that makes it unique. It holds only lower-case ASCII letters, digits, `-` and `_`.
So it is the same on a case-insensitive file system, is never a reserved device name of Windows, and is far shorter than
every limit. No name is read back into an id: the id is inside the file.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

SLUG_LENGTH = 40
LOG_SUFFIX = ".jsonl"
DRAFT_SUFFIX = ".draft"
LEASE_SUFFIX = ".lease"
BLOBS_SUFFIX = ".blobs"
NEW_SUFFIX = ".new"
STRIPES = 256
"""The number of lock files. Threads share them by their hash, so the folder of locks never grows."""

KEPT = 1024
"""The number of threads whose names of files are kept in memory, because each of them costs as much as a read."""

_UNSAFE = re.compile(r"[^a-z0-9_]+")
_LOG_NAME = re.compile(r"[a-z0-9_-]+-[0-9a-f]{32}\.jsonl")


@dataclass(frozen=True)
class ThreadFiles:
    """The files of one thread, and the stripe of its lock."""

    folder: Path
    stem: str
    stripe: int

    @cached_property
    def log_name(self) -> str:
        """The name of `log`, with its folder. A `Path` costs more than the call of the system that takes it."""
        return f"{self.folder}{os.sep}{self.stem}{LOG_SUFFIX}"

    @cached_property
    def draft_name(self) -> str:
        """The name of `draft`, with its folder."""
        return f"{self.folder}{os.sep}{self.stem}{DRAFT_SUFFIX}"

    @cached_property
    def log(self) -> Path:
        """The file of the thread's settings and records."""
        return self.folder / f"{self.stem}{LOG_SUFFIX}"

    @cached_property
    def new_log(self) -> Path:
        """The next version of `log`, while it is being written."""
        return self.folder / f"{self.stem}{LOG_SUFFIX}.new"

    @cached_property
    def draft(self) -> Path:
        """The file of the thread's draft."""
        return self.folder / f"{self.stem}{DRAFT_SUFFIX}"

    @cached_property
    def new_draft(self) -> Path:
        """The file of the next draft, while its first step is being written."""
        return self.folder / f"{self.stem}{DRAFT_SUFFIX}.new"

    @cached_property
    def lease(self) -> Path:
        """The file of the thread's lease."""
        return self.folder / f"{self.stem}{LEASE_SUFFIX}"

    @cached_property
    def blobs(self) -> Path:
        """The folder of the files that the thread's turns name."""
        return self.folder / f"{self.stem}{BLOBS_SUFFIX}"

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """All five files, `log` as the last."""
        return self.new_log, self.draft, self.new_draft, self.lease, self.log


def file_stem(thread_id: str) -> str:
    """Return the name of a thread's files without a suffix. It has at most 73 characters."""
    digest = hashlib.sha256(thread_id.encode()).hexdigest()[:32]
    slug = _UNSAFE.sub("-", thread_id.lower())[:SLUG_LENGTH].strip("-_")
    return f"{slug or 'thread'}-{digest}"


@lru_cache(KEPT)
def files_of(folder: Path, thread_id: str) -> ThreadFiles:
    """Return the paths of a thread's files and the stripe of its lock."""
    stem = file_stem(thread_id)
    return ThreadFiles(folder, stem, stripe_of(stem))


@lru_cache(KEPT)
def lock_file(folder: Path, stripe: int) -> str:
    """Return the path of a stripe's lock file in a folder of locks."""
    return f"{folder}{os.sep}{stripe:02x}"


def stripe_of(name: str) -> int:
    """Return the stripe of the lock of a thread's file, by the file's name with or without a suffix."""
    return int(name.partition(".")[0][-2:], 16) % STRIPES


def is_log_name(name: str) -> bool:
    """Return whether a file's name has the form of a thread's log."""
    return _LOG_NAME.fullmatch(name) is not None
