"""Conversion of the database's rows into records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from recuerda._drivers.postgres.database import Row
from recuerda.storage.records import Appended, NewRecord, RecordKind, ThreadInfo, ThreadSlice, TurnRecord


class _ThreadRow(msgspec.Struct):
    key: int
    id: str
    revision: int
    first: int
    turns: int
    messages: int
    user_id: str | None
    title: str | None
    metadata: dict[str, Any]
    created_us: int
    updated_us: int


_decoder = msgspec.json.Decoder(_ThreadRow)


def to_info(text: str) -> ThreadInfo:
    """Return the information about a thread, from its row as JSON."""
    row = _decoder.decode(text)
    return ThreadInfo(
        id=row.id,
        revision=row.revision,
        incarnation=str(row.key),
        first=row.first,
        turns=row.turns,
        messages=row.messages,
        user_id=row.user_id,
        title=row.title,
        metadata=row.metadata,
        created_us=row.created_us,
        updated_us=row.updated_us,
    )


def to_record(columns: Sequence[Any]) -> TurnRecord:
    """Return a record from its number, id, time, message count, kind, target and body."""
    number, record_id, created_us, message_count, kind, target, body = columns
    kind_name: RecordKind = kind or "turn"
    return TurnRecord(
        number=number,
        id=record_id,
        created_us=created_us,
        message_count=message_count,
        body=body,
        kind=kind_name,
        target=target,
    )


def to_appended(row: Row, record: NewRecord) -> Appended:
    """Return the outcome of an append that did not conflict."""
    outcome, number = row[:2]
    if outcome == "replayed":
        return Appended(revision=number, replayed=True, record=to_record(row[1:]))
    return Appended(revision=number, replayed=False, record=record.numbered(number), created=outcome == "created")


def to_slice(rows: Sequence[Row]) -> ThreadSlice:
    """Return the rows of `read_thread` as a slice."""
    info: ThreadInfo | None = None
    found: TurnRecord | None = None
    summary: TurnRecord | None = None
    records: list[TurnRecord] = []
    start = 1
    has_draft = False
    for row in rows:
        part = row[0]
        if part == "record":
            records.append(to_record(row[1:8]))
        elif part == "info":
            info = to_info(row[8])
        elif part == "found":
            found = to_record(row[1:8])
        elif part == "summary":
            summary = to_record(row[1:8])
        elif part == "draft":
            has_draft = True
        else:
            start = row[1]
    records.reverse()
    return ThreadSlice(
        info=info, records=tuple(records), start=start, found=found, summary=summary, has_draft=has_draft
    )
