"""Threads as JSON Lines, and as the state of a store in RAM: the forms in which turns travel.

An export starts each thread with a line that describes it, followed by a line per turn, which holds the turn exactly as
it was stored: parts unknown to this version travel unharmed. Turns keep their ids, so importing twice adds nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

import msgspec

from recuerda.errors import CorruptTurn, InvalidInput, StateError, ThreadConflict, ThreadNotFound
from recuerda.ids import check_id, check_limit
from recuerda.json_value import Json
from recuerda.messages.codec import decode_turn
from recuerda.storage.contract import Storage
from recuerda.storage.records import NewTurn, ThreadInfo, TurnRecord
from recuerda.threads.history import title_of

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


class _TurnLine(msgspec.Struct, omit_defaults=True):
    id: str
    turn: msgspec.Raw
    created_us: int | None = None


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one thread of an import.

    Attributes:
        thread_id: of the thread.
        added: how many turns were new; the others were there already.
        turns: how many turns the import had for it.
    """

    thread_id: str
    added: int
    turns: int


async def export_lines(storage: Storage, thread_id: str, *, skip_corrupt: bool = False) -> AsyncIterator[str]:
    """Give the thread's export line by line, newlines included.

    Args:
        storage: where from.
        thread_id: of the thread.
        skip_corrupt: leave out turns that cannot be read.

    Raises:
        ThreadNotFound: there is no such thread.
        CorruptTurn: a turn cannot be read.
    """
    found = await storage.read(thread_id)
    if found.info is None:
        raise ThreadNotFound(thread_id)
    yield _thread_line(found.info)
    for record in found.records:
        try:
            line = _turn_line(record, thread_id)
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
        storage: where to.
        lines: of one or several exports; empty lines are passed over.
        thread_id: the thread to import into, for an export of one thread; None for the ids in the export.
        user_id: whose the threads are that are new here; None for the users in the export.

    Raises:
        StateError: a line is not one of an export; it says which.
    """
    threads = _parse(lines)
    if thread_id is not None and len(threads) != 1:
        raise StateError(f"the export holds {len(threads)} threads; only a single one can get another id")
    return [await _import_one(storage, thread_id or line.id, line, turns, user_id) for line, turns in threads]


async def write_state_turns(storage: Storage, thread_id: str) -> list[Json]:
    """Return a thread's turns as JSON data for a state."""
    found = await storage.read(thread_id)
    return [msgspec.json.decode(_turn_line(record, thread_id)) for record in found.records]


def read_store_state(state: object) -> dict[str, Any]:
    """Return the state of a store, checked but for its turns.

    Raises:
        StateError: it is none.
    """
    if not isinstance(state, dict):
        raise StateError(f"a store's state is a JSON object, not {type(state).__name__}")
    checked = cast("dict[str, Any]", state)
    if not isinstance(checked.get("kind"), str):
        raise StateError('a store\'s state has a "kind", such as "memory" or "sqlite"; this one has none')
    try:
        check_id(checked.get("thread_id"), "thread id")
        if checked.get("max_messages") is not None:
            check_limit(checked["max_messages"], "max_messages")
    except InvalidInput as error:
        raise StateError(f"the store's state cannot be used: {error}") from None
    return checked


async def add_missing(storage: Storage, thread_id: str, turns: list[NewTurn], user_id: str | None) -> None:
    """Add a state's turns to its thread, but for those that the thread has, or has had before its oldest.

    Raises:
        StateError: the thread has other turns than the state's, so that the two cannot be one conversation.
    """
    found = await storage.read(thread_id)
    held = {record.id: record.number for record in found.records}
    common = [place for place, turn in enumerate(turns) if turn.id in held]
    missing = turns[common[-1] + 1 :] if common else turns
    is_trimmed = found.info is not None and found.info.first > 1
    if not missing or (is_trimmed and held and not common):
        return
    if held and (not common or turns[common[-1]].id != found.records[-1].id):
        raise StateError(
            f"thread {thread_id!r} is in this storage already, with other turns than the state's; nothing was restored"
        )
    revision = 0 if found.info is None else found.info.revision
    try:
        await storage.append_all(thread_id, missing, expected=revision, user_id=user_id, title=_title(missing))
    except ThreadConflict as error:
        raise StateError(f"thread {thread_id!r} was changed meanwhile by somebody else; restore again") from error


def read_state_turns(turns: object) -> list[NewTurn]:
    """Return the turns that `write_state_turns` gave.

    Raises:
        StateError: they are not turns.
    """
    if not isinstance(turns, list):
        raise StateError(f"a state's turns are a list, not {type(turns).__name__}")
    items = cast("list[Any]", turns)
    parsed: list[NewTurn] = []
    for i, item in enumerate(items):
        try:
            encoded = msgspec.json.encode(item)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise StateError(f"turns[{i}] of the state is not JSON: {error}") from None
        parsed.append(_parse_turn(encoded, f"turns[{i}] of the state"))
    return parsed


def _thread_line(info: ThreadInfo) -> str:
    line = _ThreadLine(VERSION, info.id, info.user_id, info.title, info.metadata)
    return msgspec.json.encode(line).decode() + "\n"


def _turn_line(record: TurnRecord, thread_id: str) -> bytes:
    decode_turn(record.body, thread_id=thread_id, number=record.number)
    return msgspec.json.encode(_TurnLine(record.id, msgspec.Raw(record.body), record.created_us))


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
            threads[-1][1].append(_parse_turn(line, f"line {number}"))
    return threads


def _has_format(line: str, number: int) -> bool:
    try:
        return msgspec.json.decode(line, type=_AnyLine).format is not None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise StateError(f"line {number} is not one of an export: {error}") from None


def _parse_thread(line: str, number: int) -> _ThreadLine:
    try:
        parsed = msgspec.json.decode(line, type=_ThreadLine)
        check_id(parsed.id, "thread id")
    except (msgspec.DecodeError, UnicodeEncodeError, InvalidInput) as error:
        raise StateError(f"line {number} does not describe a thread: {error}") from None
    if parsed.version != VERSION:
        raise StateError(f"line {number}: an export of version {parsed.version}; this recuerda reads version {VERSION}")
    return parsed


def _parse_turn(line: str | bytes, where: str) -> NewTurn:
    try:
        parsed = msgspec.json.decode(line, type=_TurnLine)
        check_id(parsed.id, "turn id")
        body = bytes(parsed.turn)
        turn = decode_turn(body, thread_id="", number=0)
        return NewTurn(body=body, message_count=len(turn.messages), id=parsed.id, created_us=parsed.created_us)
    except (msgspec.DecodeError, UnicodeEncodeError, InvalidInput) as error:
        raise StateError(f"{where} is not a turn: {error}") from None
    except CorruptTurn as error:
        raise StateError(f"{where} is not a turn: {error.reason}") from None


def _title(turns: list[NewTurn]) -> str | None:
    return title_of(decode_turn(turns[0].body, thread_id="", number=0))


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
