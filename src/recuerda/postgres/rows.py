"""Conversion of the database's rows into records, and of settings into JSON."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from recuerda._drivers.postgres.database import Row
from recuerda.storage.operations import Appended, NewRecord, ThreadSlice
from recuerda.storage.records import RecordKind, TurnRecord
from recuerda.storage.thread_info import ThreadInfo, ThreadParent


class _Numbers(msgspec.Struct, array_like=True, frozen=True, gc=False):
    revision: int
    edits: int
    rewritten: int
    first: int
    turns: int
    messages: int
    created_us: int
    updated_us: int
    title_turn: int | None
    archived: int


class _Info(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The values of the function `info`, in its order."""

    numbers: _Numbers
    id: str
    incarnation: str
    record_id: str
    user_id: str | None
    title: str | None
    metadata: dict[str, Any]
    parent: ThreadParent | None
    tags: tuple[str, ...]


_decoder = msgspec.json.Decoder(_Info)

# PostgreSQL cannot change a JSON object that contains \u0000 anywhere. So in metadata this escape sequence is stored as
# two characters, and so is the first of them.
_ESCAPE = re.compile(r"\\(?:u000([01])|.)")
_STORED = re.compile(r"\\(?:u0001([01])|.)")


def to_info(text: str) -> ThreadInfo:
    """Return the information about a thread, from the JSON of the function `info`."""
    found = _decoder.decode(text)
    numbers = found.numbers
    return ThreadInfo(
        id=found.id,
        revision=numbers.revision,
        incarnation=found.incarnation,
        record_id=found.record_id,
        edits=numbers.edits,
        rewritten=numbers.rewritten,
        first=numbers.first,
        turns=numbers.turns,
        messages=numbers.messages,
        user_id=found.user_id,
        title=found.title,
        title_turn=numbers.title_turn,
        metadata=_given_metadata(found.metadata) if r"\u0001" in text else found.metadata,
        created_us=numbers.created_us,
        updated_us=numbers.updated_us,
        parent=found.parent,
        archived=numbers.archived > 0,
        tags=found.tags,
    )


def _given_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return metadata as the application gave it, from metadata as it is stored."""
    stored = msgspec.json.encode(metadata).decode()
    plain = _STORED.sub(lambda found: rf"\u000{found[1]}" if found[1] else found[0], stored)
    return msgspec.json.decode(plain, type=dict[str, Any])


def to_metadata_json(metadata: dict[str, Any]) -> str:
    """Return metadata as JSON that PostgreSQL can change key by key."""
    plain = msgspec.json.encode(metadata).decode()
    return _ESCAPE.sub(lambda found: rf"\u0001{found[1]}" if found[1] else found[0], plain)


def to_record(columns: Sequence[Any]) -> TurnRecord:
    """Return a record from its number, id, two times, message count, kind, target and body."""
    number, record_id, created_us, committed_us, message_count, kind, target, body = columns
    kind_name: RecordKind = kind or "turn"
    return TurnRecord(
        number=number,
        id=record_id,
        created_us=created_us,
        committed_us=created_us if committed_us is None else committed_us,
        message_count=message_count,
        body=body,
        kind=kind_name,
        target=target,
    )


def to_appended(row: Row, record: NewRecord, names: Sequence[Row] = ()) -> Appended:
    """Return the outcome of an append that was not refused. `names` are the rows 'name' of the append's turns."""
    outcome, number = row[:2]
    if outcome == "replayed":
        return Appended(revision=number, replayed=True, record=_named(to_record(row[1:]), _to_names(names)))
    return Appended(revision=number, replayed=False, record=record.numbered(number), created=outcome == "created")


def _to_names(rows: Iterable[Row]) -> Mapping[int, Mapping[int, str]]:
    """Return the digests of the blobs that turns name: by the turn's number, and by the place in the turn."""
    names: dict[int, dict[int, str]] = {}
    for _, number, digest, _, _, place, *_ in rows:
        names.setdefault(number, {})[place] = digest
    return names


def _named(record: TurnRecord, names: Mapping[int, Mapping[int, str]]) -> TurnRecord:
    """Return a record with the digests of the blobs that it names."""
    if record.number not in names:
        return record
    return msgspec.structs.replace(record, blobs=tuple(digest for _, digest in sorted(names[record.number].items())))


def to_slice(rows: Sequence[Row]) -> ThreadSlice:
    """Return the rows of `read_thread` as a slice."""
    records: list[TurnRecord] = []
    others: dict[str, TurnRecord] = {}
    thread: Row | None = None
    named: list[Row] = []
    blobs: dict[str, bytes] = {}
    dropped = start = None
    for row in rows:
        part = row[0]
        if part == "record":
            records.append(to_record(row[1:]))
        elif part == "thread":
            thread, start = row, None
            records.clear()  # After a second row of this kind, the read starts anew.
        elif part == "dropped":
            dropped = row[1]
        elif part == "start":
            start = row[1]
        elif part == "name":
            named.append(row)
        elif part == "blob":
            blobs[row[2]] = row[8]
        else:
            others[part] = to_record(row[1:])
    if thread is None:
        return ThreadSlice(info=None)
    records.reverse()
    if named:
        names = _to_names(named)
        records = [_named(record, names) for record in records]
        others = {part: _named(record, names) for part, record in others.items()}
    return ThreadSlice(
        info=to_info(thread[2]),
        records=tuple(records),
        start=start or thread[1],
        is_continued=thread[7] > 0,
        found=others.get("found"),
        dropped=dropped,
        summary=others.get("summary"),
        has_draft=thread[5] > 0,
        blobs=blobs,
    )
