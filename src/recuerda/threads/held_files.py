"""The bytes of files that a handle on a thread holds, so that its next run need not read them again.

A storage keeps the larger files of a turn beside the turn. A run sends only the files of the newest turns, so a handle
holds only these, and not more than a limit. A file that is needed and not held is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeGuard

from recuerda.messages.files import files_in, restored, shown, turn_with_files
from recuerda.messages.message import (
    AnyFile,
    ChatMessage,
    DataContent,
    ResultPart,
    StoredFile,
    TextContent,
    Turn,
    UriContent,
    file_mark,
)

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
        self._made: dict[str, tuple[StoredFile, DataContent | UriContent]] = {}
        self.keep: int | None = 0

    @property
    def size_bytes(self) -> int:
        """The number of bytes of the held files."""
        return sum(map(len, self._bytes.values()))

    def __bool__(self) -> bool:
        return bool(self._bytes)

    def add(self, found: Mapping[str, bytes]) -> None:
        """Hold more files."""
        self._bytes |= found

    def learn(self, given: Sequence[ChatMessage], stored: Sequence[ChatMessage]) -> None:
        """Take over the files of a turn that the handle has just appended, so that they are not made again.

        Args:
            given: the messages as they were given.
            stored: the same messages in their stored form.
        """
        for one, other in zip(files_in(given), files_in(stored), strict=True):
            if isinstance(other, StoredFile) and _reads_back(one):
                self._made[other.digest] = other, one

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
        self._made = {digest: made for digest, made in self._made.items() if digest in kept}

    def of(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        """Return those of some files that are held."""
        return {digest: self._bytes[digest] for digest in digests if digest in self._bytes}

    def put_into(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """Return messages with the held files, and with the names of the files that are not held."""
        return shown(messages, self._shown)

    def _shown(self, part: StoredFile) -> ResultPart:
        data = self._bytes.get(part.digest)
        if data is None:
            return TextContent(file_mark(part))
        source, made = self._made.get(part.digest, (None, None))
        if made is None or source != part:
            made = restored(part, data)
            self._made[part.digest] = part, made
        return made

    def put_into_turn(self, turn: Turn) -> Turn:
        """Return a turn with the held files."""
        return turn_with_files(turn, self._bytes)


def _reads_back(part: AnyFile) -> TypeGuard[DataContent | UriContent]:
    """Return whether a file that is stored and read again is the same as before."""
    is_fixed = isinstance(part, UriContent) or (isinstance(part, DataContent) and type(part.data) is bytes)
    return is_fixed and part.additional_properties is None


def _digests(turns: Sequence[TurnWithFiles], keep: int | None) -> Iterable[str]:
    """Return the digests of the files of the newest `keep` turns, the newest turn first."""
    newest = reversed(turns if keep is None else turns[max(0, len(turns) - keep) :])
    return dict.fromkeys(digest for turn in newest for digest in turn.blobs)
