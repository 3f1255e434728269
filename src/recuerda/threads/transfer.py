"""Threads as JSON Lines: exports and imports.

An export starts each thread with a line that describes it. A line for each turn follows; see `turn_line.py`. An import
checks every line, and the owner of every thread at its place, before it writes anything. If the storage refuses a later
thread nevertheless, the error says how far the import came, and the same import continues from there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

import msgspec

from recuerda.errors import CorruptTurn, EncodeError, InvalidInput, RecuerdaError, StateError, ThreadNotFound
from recuerda.ids import check_id, check_time
from recuerda.json_value import MAX_DEPTH, JsonObject, check_text, to_json_object
from recuerda.messages.codec import decode_turn, encode_turn
from recuerda.storage.contract import Storage
from recuerda.storage.records import NO_BLOBS, NewTurn, TurnRecord
from recuerda.storage.thread_filter import to_tags
from recuerda.storage.thread_info import ThreadInfo, ThreadParent
from recuerda.threads.new_turn import fitted_to
from recuerda.threads.turn_line import decode_turn_line, encode_turn_line

FORMAT = "recuerda-thread"
VERSION = 1


class ThreadLine(msgspec.Struct, omit_defaults=True, tag_field="format", tag=FORMAT):
    """The line that describes a thread, before the lines of its turns."""

    version: int
    id: str
    user_id: str | None = None
    title: str | None = None
    title_turn: str | None = None  # the id of the turn from which the title was made
    metadata: dict[str, Any] = {}
    parent: ThreadParent | None = None  # of a fork, without its incarnation
    archived: bool = False
    tags: tuple[str, ...] = ()
    updated_us: int = 0


class _AnyLine(msgspec.Struct):
    format: str | None = None


class _Import(msgspec.Struct, frozen=True, kw_only=True):
    """A thread of an export, and where it goes."""

    line: ThreadLine
    turns: list[NewTurn]
    thread_id: str
    user_id: str | None


class _Changes(TypedDict, total=False):
    title: str
    metadata: JsonObject
    parent: ThreadParent
    archived: bool
    tags: tuple[str, ...]


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an import for one thread.

    Attributes:
        thread_id: the thread's id.
        added: the number of new turns; the thread already had the other turns.
        turns: the number of turns that the import had for the thread.
        differing: the number of turns that the thread already had with other messages. They stay unchanged.
    """

    thread_id: str
    added: int
    turns: int
    differing: int = 0


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
    found = await storage.read(thread_id, blobs=None)
    if found.info is None:
        raise ThreadNotFound(thread_id)
    for line in lines_of(found.info, found.records, blobs=found.blobs, skip_corrupt=skip_corrupt):
        yield line


def lines_of(
    info: ThreadInfo,
    records: Sequence[TurnRecord],
    *,
    blobs: Mapping[str, bytes] = NO_BLOBS,
    skip_corrupt: bool = False,
) -> Iterator[str]:
    """Yield the export of a thread that was read, line by line; see `export_lines`.

    Args:
        info: the information about the thread.
        records: all turns of the thread.
        blobs: the bytes of the files of the turns, by digest.
        skip_corrupt: True leaves out turns that cannot be read.

    Raises:
        CorruptTurn: a turn cannot be read.
    """
    yield _thread_line(info, records)
    for record in records:
        try:
            line = encode_turn_line(record, info.id, blobs)
        except CorruptTurn:
            if not skip_corrupt:
                raise
            continue
        yield line.decode() + "\n"


async def import_lines(
    storage: Storage, lines: Iterable[str], *, thread_id: str | None = None, user_id: str | None = None
) -> list[Imported]:
    """Add exported threads to a storage. Everything is checked before the first turn is written.

    Repeating an import adds nothing. A turn that the thread had and that a trim or a limit has deleted is not added
    again.

    Args:
        storage: the storage to which the threads are added.
        lines: the lines of one or several exports; empty lines are skipped.
        thread_id: the thread to import into, for an export of one thread; None uses the ids in the export.
        user_id: the user to whom new threads belong; None uses the users in the export.

    Raises:
        StateError: a line is not a line of an export; the error names the line, and nothing was written.
        ThreadOwnershipError: a thread belongs to another user in this storage; nothing was written.
        StorageError: the storage failed. A note of the error says how many threads were imported before. The same
            import again adds the rest.
    """
    threads = parse_lines(lines, storage)
    if thread_id is not None and len(threads) != 1:
        raise StateError(f"the export holds {len(threads)} threads; only a single thread can get another id")
    imports = [
        _Import(line=line, turns=turns, thread_id=thread_id or line.id, user_id=user_id or line.user_id)
        for line, turns in threads
    ]
    for one in imports:
        await storage.head(one.thread_id, user_id=one.user_id)  # this refuses the thread of another user
    done: list[Imported] = []
    for one in imports:
        try:
            done.append(await _import_one(storage, one))
        except RecuerdaError as error:
            error.add_note(
                f"{len(done)} of {len(imports)} threads were imported before this, and thread {one.thread_id!r} may "
                "hold a part of its turns. Import again to add the rest; no turn is added twice."
            )
            raise
    return done


def _thread_line(info: ThreadInfo, records: Sequence[TurnRecord]) -> str:
    made_of = next((record.id for record in records if record.number == info.title_turn), None)
    parent = info.parent and info.parent.in_any_life()
    line = ThreadLine(
        version=VERSION,
        id=info.id,
        user_id=info.user_id,
        title=info.title,
        title_turn=made_of,
        metadata=info.metadata,
        parent=parent,
        archived=info.archived,
        tags=info.tags,
        updated_us=info.updated_us,
    )
    return msgspec.json.encode(line).decode() + "\n"


def parse_lines(lines: Iterable[str], storage: Storage | None) -> list[tuple[ThreadLine, list[NewTurn]]]:
    """Return the threads of an export, with their turns.

    Args:
        lines: the lines; empty lines are skipped.
        storage: the storage for which the turns are made: their files are where this storage keeps them, and their
            bodies are no longer than it allows. None leaves the turns as they are.

    Raises:
        StateError: a line is not a line of an export; the error names the line.
    """
    threads: list[tuple[ThreadLine, list[NewTurn]]] = []
    bodies: dict[tuple[str, str | None], bytes] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if _has_format(line, number):
            threads.append((_parse_thread(line, number), []))
        elif not threads:
            raise StateError(f'line {number}: an export starts with a line of "format": "{FORMAT}"')
        else:
            turn = _parse_turn(line, number, storage)
            if bodies.setdefault((threads[-1][0].id, turn.id), turn.body) != turn.body:
                raise StateError(f"line {number}: the thread has two different turns with the id {turn.id!r}")
            threads[-1][1].append(turn)
    return threads


def _parse_turn(line: str, number: int, storage: Storage | None) -> NewTurn:
    turn = decode_turn_line(line, f"line {number}")
    turn = turn if storage is None else fitted_to(turn, storage)
    max_body_bytes = None if storage is None else storage.max_body_bytes
    if max_body_bytes is not None and len(turn.body) > max_body_bytes:
        raise StateError(
            f"line {number}: the turn has {len(turn.body):,} bytes, and this storage keeps at most {max_body_bytes:,}"
        )
    if turn.body.count(b"{") + turn.body.count(b"[") > MAX_DEPTH:
        try:
            encode_turn(decode_turn(turn.body, thread_id="", number=0))  # this refuses values that are nested too deep
        except EncodeError as error:
            raise StateError(f"line {number} is not a turn: {error}") from None
    return turn


def _has_format(line: str, number: int) -> bool:
    try:
        return msgspec.json.decode(line, type=_AnyLine).format is not None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise StateError(f"line {number} is not a line of an export: {error}") from None


def _parse_thread(line: str, number: int) -> ThreadLine:
    try:
        parsed = msgspec.json.decode(line, type=ThreadLine)
        check_id(parsed.id, "thread id")
        if parsed.user_id is not None:
            check_id(parsed.user_id, "user id")
        check_text(parsed.title or "", "title")
        to_json_object(parsed.metadata, "metadata")
        to_tags(parsed.tags)
        check_time(parsed.updated_us, "updated_us")
    except (msgspec.DecodeError, UnicodeEncodeError, InvalidInput) as error:
        raise StateError(f"line {number} does not describe a thread: {error}") from None
    if parsed.version != VERSION:
        raise StateError(f"line {number}: an export of version {parsed.version}; this recuerda reads version {VERSION}")
    return parsed


async def _import_one(storage: Storage, one: _Import) -> Imported:
    turns, info = await _without_dropped(storage, one)
    is_new = info is None or not info.revision
    # A made title goes with the turn from which it was made.
    title = one.line.title if is_new and turns and one.line.title_turn == turns[0].id else None
    appended = await storage.append_all(one.thread_id, turns, user_id=one.user_id, title=title)
    await _set_missing(storage, one)
    added = sum(not item.replayed for item in appended)
    differing = sum(item.replayed and item.record.body != turn.body for item, turn in zip(appended, turns, strict=True))
    return Imported(thread_id=one.thread_id, added=added, turns=len(one.turns), differing=differing)


async def _without_dropped(storage: Storage, one: _Import) -> tuple[list[NewTurn], ThreadInfo | None]:
    """Return the turns without the first turns that a trim or a limit has deleted in this storage, and the thread."""
    info: ThreadInfo | None = None
    for start, turn in enumerate(one.turns):
        found = await storage.read(one.thread_id, last_turns=0, turn_id=turn.id)
        info = found.info
        if found.dropped is None:
            return one.turns[start:], info
    return [], info


async def _set_missing(storage: Storage, one: _Import) -> None:
    """Set the exported settings that the thread does not have. Settings that it has stay."""
    info = await storage.head(one.thread_id)
    held = info.metadata if info else {}
    changes = _Changes()
    if metadata := {key: value for key, value in one.line.metadata.items() if key not in held}:
        changes["metadata"] = metadata
    if one.line.title is not None and one.line.title_turn is None and (info is None or info.title is None):
        changes["title"] = one.line.title
    if (
        one.line.parent is not None
        and one.line.user_id in (None, one.user_id)
        and (info is None or info.parent is None)
    ):
        changes["parent"] = one.line.parent
    if one.line.archived and (info is None or not info.edits):
        changes["archived"] = True
    if tags := {*one.line.tags}.difference(info.tags if info else ()):
        changes["tags"] = tuple(sorted(tags.union(info.tags if info else ())))
    updated_us = info.updated_us if info else 0
    if changes or info is None or updated_us < one.line.updated_us:
        await storage.update_thread(
            one.thread_id,
            **changes,
            changed_us=max(updated_us, one.line.updated_us) or None,
            expected=info.version if info else 0,
            expected_user_id=one.user_id,
        )
