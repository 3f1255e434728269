"""Exports in formats that are more than one text: a database, an archive, or a folder of files."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterable, Awaitable, Callable
from pathlib import Path

from recuerda._drivers.private_files import FOLDER_MODE, keep_mode, make_private_file
from recuerda.cli.export_output import partial_of
from recuerda.errors import InvalidInput, StorageError
from recuerda.formats.format import Departure, Family, FileWriter

_TRIES = 3


async def save(
    output: Path,
    writer: FileWriter,
    read: Callable[[], AsyncIterable[Family]],
    is_outdated: Callable[[], Awaitable[bool]],
) -> list[Departure]:
    """Write conversations to a file or into a folder, and return the result for each thread.

    The file replaces a file of the same name only once everything is written. A folder must be new or empty.

    Args:
        output: the file or the folder.
        writer: the format.
        read: yields the conversations from the first one on.
        is_outdated: returns whether a thread has lost something since `read` was called.

    Raises:
        InvalidInput: the file or the folder cannot be written.
        StorageError: other programs deleted threads each time.
    """
    output = _checked(output, writer)
    partial = partial_of(output)
    try:
        for _ in range(_TRIES):
            _remove(partial)
            _make(partial, output, writer)
            departures = [one async for one in writer.save(read(), partial)]
            if not await is_outdated():
                _replace(partial, output, writer)
                return departures
    finally:
        _remove(partial)
    raise StorageError("other programs deleted threads while each of the exports was written; try again later")


def _checked(output: Path, writer: FileWriter) -> Path:
    output = output.resolve()  # A link stays, and the file behind it is replaced.
    if not writer.is_folder:
        if output.exists() and not output.is_file():
            raise InvalidInput(f"{output} is not a file: name a file for this format")
    elif output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InvalidInput(f"{output} is not an empty folder: name a new folder for this format")
    return output


def _make(partial: Path, output: Path, writer: FileWriter) -> None:
    try:
        if writer.is_folder:
            partial.mkdir(FOLDER_MODE)
        else:
            make_private_file(partial)
    except OSError as error:
        raise InvalidInput(f"{output} cannot be written: {error.strerror}") from None


def _replace(partial: Path, output: Path, writer: FileWriter) -> None:
    if writer.is_folder:
        if output.exists():
            output.rmdir()
    else:
        keep_mode(output, partial)
    partial.replace(output)


def _remove(partial: Path) -> None:
    if partial.is_dir():
        shutil.rmtree(partial)
    else:
        partial.unlink(missing_ok=True)
