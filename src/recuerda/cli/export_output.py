"""The file of an export: whole conversations, one after the other, which can be removed again until the end."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from recuerda._drivers.private_files import keep_mode, open_private
from recuerda.cli.output import clean, counted, inert_json, warn
from recuerda.errors import InvalidInput
from recuerda.formats.format import Departure, Writer, Written
from recuerda.storage.thread_info import Version


@dataclass(frozen=True)
class Part:
    """A conversation in the file: a thread, or a thread with its branches."""

    versions: Mapping[str, Version]
    start: int
    size: int
    departures: Sequence[Departure]


class Output:
    """Writes whole conversations to a file, and knows where each of them is."""

    def __init__(self, file: BinaryIO, writer: Writer, *, can_cut: bool) -> None:
        self.file = file
        self.writer = writer
        self.can_cut = can_cut
        self.written: list[Part] = []
        self.size: int = self._put(writer.start)
        self._head: int = self.size

    @property
    def departures(self) -> list[Departure]:
        """The results for the threads in the file."""
        return [departure for part in self.written for departure in part.departures]

    def write(self, versions: Mapping[str, Version], text: Written) -> None:
        """Write the text of a conversation, of which these versions were read."""
        start = self.size + self._put_between()
        size = self._put(text.text)
        self.written.append(Part(versions, start, size, text.departures))
        self.size = start + size

    def end(self) -> None:
        """Write the text after the conversations."""
        self._put(self.writer.end)

    def cut(self, parts: Sequence[Part]) -> None:
        """Remove conversations from the file."""
        kept = [one for one in self.written if one not in parts]
        self.written, self.size = [], self._head
        for one in kept:
            self.file.seek(one.start)
            data = self.file.read(one.size)
            self.file.seek(self.size)
            start = self.size + self._put_between()
            self.file.write(data)
            self.written.append(replace(one, start=start))
            self.size = start + one.size
        self.file.truncate(self.size)
        self.file.seek(self.size)

    def _put_between(self) -> int:
        return self._put(self.writer.between) if self.written else 0

    def _put(self, text: str) -> int:
        if self.file.isatty():
            text = inert_json(text) if self.writer.is_json else clean(text)
        data = text.encode()
        self.file.write(data)
        self.file.flush()
        return len(data)


@contextmanager
def destination(output: Path | None, writer: Writer) -> Generator[Output]:
    """Open the file to write. It replaces a file of the same name only once everything is written.

    Raises:
        InvalidInput: the name is a folder's, or no file can be made there.
    """
    if output is None:
        yield Output(sys.stdout.buffer, writer, can_cut=False)
        return
    if output.exists() and not (output.is_file() or output.is_dir()):  # a device or a pipe, which cannot be replaced
        with output.open("wb") as stream:
            yield Output(stream, writer, can_cut=False)
        return
    output = output.resolve()  # A link stays, and the file behind it is replaced.
    partial = partial_of(output)
    file = _opened(partial, output)
    out = Output(file, writer, can_cut=True)
    try:
        yield out
        file.flush()
        os.fsync(file.fileno())
        file.close()
        keep_mode(output, partial)
        partial.replace(output)
    except BaseException:
        with suppress(OSError):  # a full disk refuses the rest once more
            file.close()
        _keep_whole_threads(partial, output, out)
        raise


def partial_of(output: Path) -> Path:
    """Return the path at which an export is written before it takes the place of another file."""
    return output.with_name(f"{output.name}.{os.getpid()}.part")


def _keep_whole_threads(partial: Path, output: Path, out: Output) -> None:
    """Keep the whole threads of an export that broke off, and say where they are."""
    if not out.written:
        partial.unlink(missing_ok=True)
        return
    os.truncate(partial, out.size)
    with suppress(OSError), partial.open("ab") as file:
        file.write(out.writer.end.encode())
    kept = partial if output.exists() else output
    partial.replace(kept)
    use = " and can be imported" if out.writer.is_json else ""
    warn(f"the export broke off; {kept} holds the {counted(len(out.departures), 'thread')} before that{use}")


def _opened(partial: Path, output: Path) -> BinaryIO:
    if output.is_dir():
        raise InvalidInput(f"{output} is a folder: name a file")
    try:
        return open(partial, "x+b", opener=open_private)
    except OSError as error:
        raise InvalidInput(f"{output} cannot be written: {error.strerror}") from None
