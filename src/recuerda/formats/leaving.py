"""Exports: threads of a storage in another format.

A format with trees keeps the branches of a conversation with it, so its threads are read and written as families: a
thread, and the branches that began in it or in one of its branches. Every other format gets one thread after the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from recuerda._drivers.private_files import FOLDER_MODE, make_private_file
from recuerda.errors import InvalidInput, ThreadNotFound
from recuerda.formats.format import Departure, Family, FileWriter, Writer
from recuerda.formats.moved import MovedThread, MovedTurn
from recuerda.formats.registry import WRITABLE, format_of
from recuerda.storage.contract import Storage
from recuerda.storage.records import NO_BLOBS, TurnRecord
from recuerda.storage.thread_info import ThreadInfo, ThreadParent
from recuerda.threads.history import stored_turn


def writer_of(format: str) -> Writer | FileWriter:
    """Return the functions that write a format.

    Raises:
        InvalidInput: there is no such format.
        MissingExtraError: the format needs a package that is not installed.
    """
    writer = format_of(format, WRITABLE).writer
    if writer is None:
        raise InvalidInput(f"the format {format!r} cannot be written")
    return writer


async def stored_thread(storage: Storage, thread_id: str, *, user_id: str | None = None) -> MovedThread:
    """Return a whole thread of a storage, ready to be written.

    Raises:
        ThreadNotFound: there is no such thread.
        ThreadOwnershipError: the thread belongs to another user than `user_id`.
        CorruptTurn: a turn cannot be read.
    """
    found = await storage.read(thread_id, blobs=None, user_id=user_id)
    if found.info is None:
        raise ThreadNotFound(thread_id)
    return thread_of_records(found.info, found.records, found.blobs)


def thread_of_records(
    info: ThreadInfo, records: Sequence[TurnRecord], blobs: Mapping[str, bytes] = NO_BLOBS
) -> MovedThread:
    """Return a thread that was read with its records and the bytes of its files.

    Raises:
        CorruptTurn: a turn cannot be read.
    """
    turns = [
        MovedTurn(id=one.id, turn=stored_turn(one, info.id, blobs).turn, created_us=one.created_us)
        for one in records
        if one.kind == "turn"
    ]
    return MovedThread(
        id=info.id,
        turns=tuple(turns),
        title=info.title,
        user_id=info.user_id,
        metadata=info.metadata,
        parent=info.parent,
        archived=info.archived,
        tags=info.tags,
    )


async def write(
    threads: Iterable[MovedThread] | AsyncIterable[MovedThread], format: str, target: IO[str] | Path
) -> list[Departure]:
    """Write threads in a format, and return the result for each thread: what the format has no place for.

    Args:
        threads: the threads, from `read` or `stored_thread`. A branch follows its parent.
        format: the name of the format, one of `WRITABLE`.
        target: a path, or for a format that is text, a file that is open for text. A file is not replaced, and a folder
            must be new or empty.

    Raises:
        InvalidInput: there is no such format, the format needs a path, or there is such a file.
        MissingExtraError: the format needs a package that is not installed.
    """
    writer = writer_of(format)
    groups = families(_each(threads)) if writer.has_trees else _singles(_each(threads))
    if isinstance(writer, FileWriter):
        return [one async for one in writer.save(groups, _made(target, format, writer))]
    if isinstance(target, Path):
        with _made(target, format, writer).open("w", encoding="utf-8", newline="\n") as file:
            return await _write_text(groups, writer, file)
    return await _write_text(groups, writer, target)


def _made(target: IO[str] | Path, format: str, writer: Writer | FileWriter) -> Path:
    """Return the path of a new file or folder."""
    is_folder = isinstance(writer, FileWriter) and writer.is_folder
    if not isinstance(target, Path):
        raise InvalidInput(f"the format {format!r} is {'a folder' if is_folder else 'a file'} and no text: give a path")
    if target.exists() and not (is_folder and target.is_dir() and not any(target.iterdir())):
        raise InvalidInput(f"{target} cannot be written: it exists; name a new {'folder' if is_folder else 'file'}")
    try:
        if is_folder:
            target.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
        else:
            make_private_file(target)
    except OSError as error:
        raise InvalidInput(f"{target} cannot be written: {error.strerror}") from None
    return target


async def families(threads: AsyncIterable[MovedThread]) -> AsyncIterator[Family]:
    """Yield the threads in families, in the order of the first threads: a branch after its parent."""
    found = [thread async for thread in threads]
    by_id = {thread.id: thread for thread in found}
    parents = {thread.id: thread.parent for thread in found}
    for ids in grouped_ids(parents):
        yield [by_id[one] for one in ids]


def grouped_ids(parents: Mapping[str, ThreadParent | None]) -> list[list[str]]:
    """Return the ids of threads in families. Each branch comes after its parent.

    Args:
        parents: the ids of the threads, each with its parent.
    """
    branches: dict[str, list[str]] = {}
    first: list[str] = []
    for thread_id, parent in parents.items():
        is_branch = parent is not None and parent.thread_id in parents and not _is_circle(thread_id, parents)
        (branches.setdefault(parent.thread_id, []) if is_branch and parent else first).append(thread_id)
    return [_family(one, branches) for one in first]


def _family(first: str, branches: Mapping[str, Sequence[str]]) -> list[str]:
    family: list[str] = []
    waiting = [first]
    while waiting:
        family.append(waiting.pop())
        waiting += reversed(branches.get(family[-1], []))
    return family


def _is_circle(thread_id: str, parents: Mapping[str, ThreadParent | None]) -> bool:
    """Return whether a thread comes from itself. Parents are data, and can say anything."""
    seen: set[str] = set()
    at: str | None = thread_id
    while at is not None and at not in seen:
        seen.add(at)
        parent = parents.get(at)
        at = parent.thread_id if parent else None
    return at is not None


async def _singles(threads: AsyncIterable[MovedThread]) -> AsyncIterator[Family]:
    async for thread in threads:
        yield [thread]


async def _each(threads: Iterable[MovedThread] | AsyncIterable[MovedThread]) -> AsyncIterator[MovedThread]:
    if isinstance(threads, AsyncIterable):
        async for thread in threads:
            yield thread
    else:
        for thread in threads:
            yield thread


async def _write_text(groups: AsyncIterable[Family], writer: Writer, file: IO[str]) -> list[Departure]:
    file.write(writer.start)
    departures: list[Departure] = []
    between = ""
    async for family in groups:
        written = writer.write(family)
        file.write(between + written.text)
        departures += written.departures
        between = writer.between
    file.write(writer.end)
    return departures
