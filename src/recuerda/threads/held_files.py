"""The bytes of files that a handle on a thread holds, so that its next run need not read them again.

A storage keeps the larger files of a turn beside the turn. A run sends only the files of the newest turns, so a handle
holds only these, and not more than a limit. A file that is needed and not held is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from recuerda.messages.files import turn_with_files, with_files
from recuerda.messages.message import ChatMessage, Turn

LARGEST_HELD = 32_000_000
"""The largest number of bytes that a handle holds between two runs."""


class TurnWithFiles(Protocol):
    """A turn with the digests of its files. `StoredTurn` is one."""

    @property
    def blobs(self) -> tuple[str, ...]:
        """The digests of the files that the storage keeps beside the turn."""
        ...


class HeldFiles:
    """The bytes of files by their digests.

    Attributes:
        keep: the number of the newest turns whose files the last read asked for; None for all turns.
    """

    def __init__(self) -> None:
        self._bytes: dict[str, bytes] = {}
        self.keep: int | None = 0

    def __bool__(self) -> bool:
        return bool(self._bytes)

    def add(self, found: Mapping[str, bytes]) -> None:
        """Hold more files."""
        self._bytes |= found

    def missing(self, turns: Sequence[TurnWithFiles]) -> list[str]:
        """Return the digests of the files of the newest turns that are not held."""
        return [digest for digest in _digests(turns, self.keep) if digest not in self._bytes]

    def release(self, turns: Sequence[TurnWithFiles]) -> None:
        """Hold only files of the newest turns, the newest first, up to the limit."""
        if not self._bytes:
            return
        kept: dict[str, bytes] = {}
        size = 0
        for digest in _digests(turns, self.keep):
            data = self._bytes.get(digest, b"")
            size += len(data)
            if data and size <= LARGEST_HELD:
                kept[digest] = data
        self._bytes = kept

    def of(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        """Return those of some files that are held."""
        return {digest: self._bytes[digest] for digest in digests if digest in self._bytes}

    def put_into(self, messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
        """Return messages with the held files."""
        return with_files(messages, self._bytes) if self._bytes else messages

    def put_into_turn(self, turn: Turn) -> Turn:
        """Return a turn with the held files."""
        return turn_with_files(turn, self._bytes)


def _digests(turns: Sequence[TurnWithFiles], keep: int | None) -> Iterable[str]:
    """Return the digests of the files of the newest `keep` turns, the newest turn first."""
    newest = reversed(turns if keep is None else turns[max(0, len(turns) - keep) :])
    return dict.fromkeys(digest for turn in newest for digest in turn.blobs)
