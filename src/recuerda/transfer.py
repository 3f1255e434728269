"""Threads as JSON Lines, and as the state of a store in RAM: the forms in which turns travel.

An export starts each thread with a line that describes it, followed by a line per turn, which holds the turn exactly as
it was stored: parts unknown to this version travel unharmed. Turns keep their ids, so importing twice adds nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from recuerda.codec import decode_turn
from recuerda.errors import CorruptTurn, InvalidInput, StateError, ThreadNotFound
from recuerda.ids import check_id
from recuerda.json_value import Json
from recuerda.records import NewTurn, ThreadInfo, TurnRecord
from recuerda.storage import Storage

FORMAT = "recuerda-thread"
VERSION = 1


class _ThreadLine(msgspec.Struct, omit_defaults=True, tag_field="format", tag=FORMAT):
    version: int
    id: str
    user_id: str | None = None
    title: str | None = None
    metadata: dict[str, Any] = {}


class _TurnLine(msgspec.Struct):
    id: str
    created_us: int
    turn: msgspec.Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of one thread of an import.

    Attributes:
        thread_id: of the thread.
        added: how many turns were new; the others were there already.
        turns: how many turns the import had for it.
    """

    thread_id: str
    added: int
    turns: int


async def export_lines(storage: Storage, thread_id: str) -> AsyncIterator[str]:
    """Give the thread's export line by line, newlines included.

    Raises:
        ThreadNotFound: there is no such thread.
        CorruptTurn: a turn cannot be read.
    """
    found = await storage.read(thread_id)
    if found.info is None:
        raise ThreadNotFound(thread_id)
    yield _thread_line(found.info)
    for record in found.records:
        yield _turn_line(record, thread_id).decode() + "\n"


async def import_lines(storage: Storage, lines: Iterable[str], *, thread_id: str | None = None) -> list[Imported]:
    """Add exported threads to a storage. Everything is checked before the first turn is written.

    Args:
        storage: where to.
        lines: of one or several exports; empty lines are passed over.
        thread_id: the thread to import into, for an export of one thread; None for the ids in the export.

    Raises:
        StateError: a line is not one of an export; it says which.
    """
    threads = _parse(lines)
    if thread_id is not None and len(threads) != 1:
        raise StateError(f"the export holds {len(threads)} threads; only a single one can get another id")
    return [await _import_one(storage, thread_id or line.id, line, turns) for line, turns in threads]


async def write_state_turns(storage: Storage, thread_id: str) -> list[Json]:
    """Return a thread's turns as JSON data for a state."""
    found = await storage.read(thread_id)
    return [msgspec.json.decode(_turn_line(record, thread_id)) for record in found.records]


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
        except (TypeError, ValueError, RecursionError) as error:
            raise StateError(f"turns[{i}] of the state is not JSON: {error}") from None
        parsed.append(_parse_turn(encoded, f"turns[{i}] of the state"))
    return parsed


def _thread_line(info: ThreadInfo) -> str:
    line = _ThreadLine(VERSION, info.id, info.user_id, info.title, info.metadata)
    return msgspec.json.encode(line).decode() + "\n"


def _turn_line(record: TurnRecord, thread_id: str) -> bytes:
    decode_turn(record.body, thread_id=thread_id, number=record.number)
    return msgspec.json.encode(_TurnLine(record.id, record.created_us, msgspec.Raw(record.body)))


def _parse(lines: Iterable[str]) -> list[tuple[_ThreadLine, list[NewTurn]]]:
    threads: list[tuple[_ThreadLine, list[NewTurn]]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if f'"{FORMAT}"' in line[:40]:
            threads.append((_parse_thread(line, number), []))
        elif not threads:
            raise StateError(f'line {number}: an export starts with a line of "format": "{FORMAT}"')
        else:
            threads[-1][1].append(_parse_turn(line, f"line {number}"))
    return threads


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
    except (msgspec.DecodeError, UnicodeEncodeError, InvalidInput) as error:
        raise StateError(f"{where} is not a turn: {error}") from None
    except CorruptTurn as error:
        raise StateError(f"{where} is not a turn: {error.reason}") from None
    if not turn.messages:
        raise StateError(f"{where} is a turn without messages")
    return NewTurn(body=body, message_count=len(turn.messages), id=parsed.id, created_us=parsed.created_us)


async def _import_one(storage: Storage, thread_id: str, line: _ThreadLine, turns: list[NewTurn]) -> Imported:
    appended = await storage.append_all(thread_id, turns, user_id=line.user_id, title=line.title)
    info = await storage.head(thread_id)
    if info is None or (line.metadata and not info.metadata):
        await storage.update_thread(thread_id, user_id=line.user_id, title=line.title, metadata=line.metadata)
    added = sum(not item.replayed for item in appended)
    return Imported(thread_id=thread_id, added=added, turns=len(turns))
