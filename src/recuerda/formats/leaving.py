"""Exports: threads of a storage in the text of another format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import IO

from recuerda.errors import InvalidInput, ThreadNotFound
from recuerda.formats.format import Writer
from recuerda.formats.moved import MovedThread, MovedTurn
from recuerda.formats.registry import WRITABLE, format_of
from recuerda.storage.contract import Storage
from recuerda.storage.records import NO_BLOBS, ThreadInfo, TurnRecord
from recuerda.threads.history import stored_turn


def writer_of(format: str) -> Writer:
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


def write(threads: Iterable[MovedThread], format: str, file: IO[str]) -> Mapping[str, Mapping[str, int]]:
    """Write threads as text, and return the number of parts that the format cannot say: by thread, and by kind.

    Args:
        threads: the threads, from `read` or `stored_thread`.
        format: the name of the format, one of `WRITABLE`.
        file: a file that is open for text.

    Raises:
        InvalidInput: there is no such format.
        MissingExtraError: the format needs a package that is not installed.
    """
    writer = writer_of(format)
    file.write(writer.start)
    losses: dict[str, Mapping[str, int]] = {}
    for thread in threads:
        written = writer.thread(thread)
        file.write(written.text)
        if written.losses:
            losses[thread.id] = written.losses
    file.write(writer.end)
    return losses
