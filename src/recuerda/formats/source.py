"""The place from which a format reads: a file, a folder, a zip archive, bytes, or a server's URL.

A source is read more than once, because an import checks everything before it writes anything. So a source can always
be opened again, and it keeps no data of a file.
"""

from __future__ import annotations

import zipfile
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

from recuerda.errors import InvalidInput, StateError

Given: TypeAlias = Path | str | bytes
"""A path, a URL such as `postgresql://…`, or the content of a file."""

MAX_FILE_BYTES = 2**31
"""The size of the largest file that is read from an archive, because a small archive can unpack to an endless file."""

MAX_RATIO = 200
"""How many times its own size a large file of an archive may have unpacked. Texts of people have less than 20."""

_LARGE_BYTES = 10_000_000

_ZIP = b"PK\x03\x04"
_SQLITE = b"SQLite format 3\x00"
_BOM = b"\xef\xbb\xbf"
_START = 65_536


@dataclass(frozen=True)
class Source:
    """A file, a folder, bytes or a URL. Exactly one of the fields is set.

    Attributes:
        path: the file or the folder.
        data: the content of a file that is not on the disk.
        url: the URL of a server.
    """

    path: Path | None = None
    data: bytes | None = None
    url: str | None = None

    @property
    def name(self) -> str:
        """The file's name without its folder and its ending; empty for bytes and URLs."""
        return self.path.stem if self.path else ""

    @property
    def is_folder(self) -> bool:
        """Whether the source is a folder."""
        return self.path is not None and self.path.is_dir()

    @property
    def is_archive(self) -> bool:
        """Whether the source is a folder or a zip file."""
        return self.is_folder or self.start().startswith(_ZIP)

    @property
    def is_sqlite(self) -> bool:
        """Whether the source is the file of a SQLite database."""
        return self.start().startswith(_SQLITE)

    def text(self) -> bytes:
        """Return the content of the file, without a byte order mark.

        Raises:
            InvalidInput: the source is no file, or the file cannot be read.
        """
        if self.data is not None:
            return self.data.removeprefix(_BOM)
        path = self.file()
        try:
            return path.read_bytes().removeprefix(_BOM)
        except OSError as error:
            raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None

    def file(self) -> Path:
        """Return the path of the file.

        Raises:
            InvalidInput: the source is no file on the disk.
        """
        if self.path is None:
            raise InvalidInput("this format is read from a file: give the name of the file")
        if self.path.is_dir():
            raise InvalidInput(f"{self.path} cannot be read: it is a folder")
        return self.path

    def folder(self) -> Path:
        """Return the path of the folder.

        Raises:
            InvalidInput: the source is no folder.
        """
        if self.path is None or not self.path.is_dir():
            raise InvalidInput("this format is read from a folder: give the name of the folder")
        return self.path

    def start(self) -> bytes:
        """Return the first bytes of the file; nothing for a folder or a URL."""
        if self.data is not None:
            return self.data[:_START]
        if self.path is None or self.path.is_dir():
            return b""
        try:
            with self.path.open("rb") as file:
                return file.read(_START)
        except OSError as error:
            raise InvalidInput(f"{self.path} cannot be read: {error.strerror}") from None

    @contextmanager
    def archive(self) -> Generator[Archive]:
        """Open a folder or a zip file.

        Raises:
            StateError: the zip file is damaged.
        """
        if self.path is not None and self.path.is_dir():
            yield _Folder(self.path)
            return
        try:
            with zipfile.ZipFile(self.path or BytesIO(self.data or b"")) as opened:
                yield _Zip(opened)
        except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
            raise StateError(f"the zip file cannot be read: {error}") from None


class Archive(ABC):
    """The files of a folder or of a zip file."""

    @abstractmethod
    def names(self) -> Sequence[str]:
        """Return the names of all files, with `/` between folders."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the content of a file that `names` lists."""


@dataclass(frozen=True)
class _Folder(Archive):
    folder: Path

    def names(self) -> Sequence[str]:
        # A link could lead out of the folder.
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file() and not path.is_symlink())
        return [path.relative_to(self.folder).as_posix() for path in found]

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()


@dataclass(frozen=True)
class _Zip(Archive):
    file: zipfile.ZipFile

    def names(self) -> Sequence[str]:
        return [info.filename for info in self.file.infolist() if not info.is_dir()]

    def read(self, name: str) -> bytes:
        info = self.file.getinfo(name)
        size = info.file_size
        if size > max(_LARGE_BYTES, MAX_RATIO * info.compress_size):
            raise StateError(
                f"{name} in the archive unpacks {info.compress_size:,} bytes to {size:,}, which no conversation does"
            )
        if size > MAX_FILE_BYTES:
            raise StateError(f"{name} in the archive has {size:,} bytes, and at most {MAX_FILE_BYTES:,} are read")
        try:
            return self.file.read(name)
        except RuntimeError as error:  # an encrypted file
            raise StateError(f"{name} in the archive cannot be read: {error}") from None


def source_of(given: Given) -> Source:
    """Return the source that a path, a URL or bytes name.

    Raises:
        InvalidInput: there is no such file.
    """
    if isinstance(given, bytes):
        return Source(data=given)
    if isinstance(given, str) and "://" in given:
        return Source(url=given)
    path = Path(given)
    if not path.exists():
        raise InvalidInput(f"{path} cannot be read: No such file or directory")
    return Source(path=path)
