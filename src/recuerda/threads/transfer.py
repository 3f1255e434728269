"""Threads as JSON Lines: exports and imports.

An export starts each thread with a line that describes it. A line for each turn follows; see `turn_line.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec

from recuerda.errors import CorruptTurn, InvalidInput, StateError, ThreadNotFound
from recuerda.ids import check_id
from recuerda.storage.contract import Storage
from recuerda.storage.records import NewTurn, ThreadInfo
from recuerda.threads.turn_line import decode_turn_line, encode_turn_line

FORMAT = "recuerda-thread"
VERSION = 1


class _ThreadLine(msgspec.Struct, omit_defaults=True, tag_field="format", tag=FORMAT):
    version: int
    id: str
    user_id: str | None = None
    title: str | None = None
    metadata: dict[str, Any] = {}


class _AnyLine(msgspec.Struct):
    format: str | None = None


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an import for one thread.

    Attributes:
        thread_id: the thread's id.
        added: the number of new turns; the thread already had the other turns.
        turns: the number of turns that the import had for the thread.
    """

    thread_id: str
    added: int
    turns: int


async def export_lines(storage: Storage, thread_id: str, *, skip_corrupt: bool = False) -> AsyncIterator[str]:
    """Yield a thread's export line by line. Each line ends with a newline.

    Args:
        storage: the storage of the thread.
        thread_id: the thread's id.
        skip_corrupt: True leaves out turns that cannot be read.

    Raises:
        ThreadNotFound: the thread does not exist.
        CorruptTurn: a turn cannot be read.
    """
    found = await storage.read(thread_id)
    if found.info is None:
        raise ThreadNotFound(thread_id)
    yield _thread_line(found.info)
    for record in found.records:
        try:
            line = encode_turn_line(record, thread_id)
        except CorruptTurn:
            if not skip_corrupt:
                raise
            continue
        yield line.decode() + "\n"


async def import_lines(
    storage: Storage, lines: Iterable[str], *, thread_id: str | None = None, user_id: str | None = None
) -> list[Imported]:
    """Add exported threads to a storage. Everything is checked before the first turn is written.

    Args:
        storage: the storage to which the threads are added.
        lines: the lines of one or several exports; empty lines are skipped.
        thread_id: the thread to import into, for an export of one thread; None uses the ids in the export.
        user_id: the user to whom new threads belong; None uses the users in the export.

    Raises:
        StateError: a line is not a line of an export; the error names the line.
    """
    threads = _parse(lines)
    if thread_id is not None and len(threads) != 1:
        raise StateError(f"the export holds {len(threads)} threads; only a single thread can get another id")
    return [await _import_one(storage, thread_id or line.id, line, turns, user_id) for line, turns in threads]


def _thread_line(info: ThreadInfo) -> str:
    line = _ThreadLine(VERSION, info.id, info.user_id, info.title, info.metadata)
    return msgspec.json.encode(line).decode() + "\n"


def _parse(lines: Iterable[str]) -> list[tuple[_ThreadLine, list[NewTurn]]]:
    threads: list[tuple[_ThreadLine, list[NewTurn]]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if _has_format(line, number):
            threads.append((_parse_thread(line, number), []))
        elif not threads:
            raise StateError(f'line {number}: an export starts with a line of "format": "{FORMAT}"')
        else:
            threads[-1][1].append(decode_turn_line(line, f"line {number}"))
    return threads


def _has_format(line: str, number: int) -> bool:
    try:
        return msgspec.json.decode(line, type=_AnyLine).format is not None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise StateError(f"line {number} is not a line of an export: {error}") from None


def _parse_thread(line: str, number: int) -> _ThreadLine:
    try:
        parsed = msgspec.json.decode(line, type=_ThreadLine)
        check_id(parsed.id, "thread id")
    except (msgspec.DecodeError, UnicodeEncodeError, InvalidInput) as error:
        raise StateError(f"line {number} does not describe a thread: {error}") from None
    if parsed.version != VERSION:
        raise StateError(f"line {number}: an export of version {parsed.version}; this recuerda reads version {VERSION}")
    return parsed


async def _import_one(
    storage: Storage, thread_id: str, line: _ThreadLine, turns: list[NewTurn], user_id: str | None
) -> Imported:
    owner = user_id or line.user_id
    appended = await storage.append_all(thread_id, turns, user_id=owner, title=line.title)
    info = await storage.head(thread_id)
    if info is None:
        await storage.update_thread(thread_id, user_id=owner, title=line.title, metadata=line.metadata)
    elif line.metadata and not info.metadata:
        await storage.update_thread(thread_id, metadata=line.metadata)
    added = sum(not item.replayed for item in appended)
    return Imported(thread_id=thread_id, added=added, turns=len(turns))
