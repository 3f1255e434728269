"""The records of a thread: appending and reading them, and replacing their bodies.

No statement reads a thread in order to write it, and the cost of a read depends only on the records that it returns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from msgspec import json
from msgspec.structs import replace

from recuerda.errors import TurnDropped, TurnGone
from recuerda.sqlite import blobs, drafts
from recuerda.sqlite.schema import HAS_BLOBS, HAS_DRAFT, HAS_REMOVED, NUMBER_BITS, NUMBER_MASK, make_part, mark
from recuerda.sqlite.snapshots import Snapshot
from recuerda.sqlite.threads import Head, Thread, find, id_at, look, make
from recuerda.storage.operations import Appended, Guard, NewBodies, NewRecord, ReadQuery, ThreadSlice
from recuerda.storage.records import MAX_MESSAGE_COUNT, NO_BLOBS, REMEMBERED, Blob, RecordKind, TurnRecord
from recuerda.storage.rules import edits_after, is_same_history, title_after, updated_after, wanted_blobs
from recuerda.storage.thread_info import ThreadInfo

# The texts of the usual statements are made once, because Python's driver looks a statement up by its text.
# A column that Python's driver fetches costs more than SQLite's arithmetic, so two numbers of a turn come as one. A
# turn with a time of its own, and a turn that replaced another one, comes with three numbers in one JSON text.
_TURN = (
    "SELECT (position & 4294967295) << 31 | message_count, id,"
    " CASE WHEN target IS NOT NULL OR committed_us IS NOT NULL"
    " THEN json_array(created_us, committed_us, target) ELSE created_us END, body FROM turns"
)
_COUNT_BITS = MAX_MESSAGE_COUNT.bit_length()
_RECORD = "SELECT position, id, created_us, committed_us, message_count, body, kind, target FROM turns"
_TURNS_BACKWARDS = f"{_TURN} WHERE position BETWEEN ? AND ? AND kind IS NULL ORDER BY position DESC"
_RECORDS_BACKWARDS = f"{_RECORD} WHERE position BETWEEN ? AND ? ORDER BY position DESC"
_RECORD_BY_ID = f"{_RECORD} WHERE position >> 32 = ? AND id = ?"
_SUMMARIES = "turns INDEXED BY summaries WHERE kind = 'summary' AND position BETWEEN ? AND ?"
_NEWEST_SUMMARY = f"{_RECORD.removesuffix('turns')} {_SUMMARIES} ORDER BY position DESC LIMIT 1"
_INSERT_TURN = "INSERT INTO turns (position, id, created_us, message_count, body) VALUES (?, ?, ?, ?, ?)"
_INSERT_RECORD = (
    "INSERT INTO turns (position, id, created_us, message_count, body, kind, target, committed_us)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
# The usual turn finds its thread in the state that its writer knows. So the check is a part of the update, and no
# statement reads the thread's row first. An update that finds no such row has changed nothing.
_ADVANCE_KNOWN = f"""
    UPDATE threads
    SET revision = revision + 1, record_id = ?, turns = turns + 1, messages = messages + ?, updated_us = ?
    WHERE id = ? AND revision = ? AND record_id = ? AND incarnation = ? AND ifnull(user_id = ?, 1)
        AND title_turn IS NOT 0 AND marks & {HAS_DRAFT} = 0
"""  # noqa: S608 - constants only
_INSERT_NEXT = (
    "INSERT INTO turns (position, id, created_us, message_count, body)"
    " SELECT key << 32 | revision, ?, ?, ?, ? FROM threads WHERE id = ?"
)
_DELETE = "DELETE FROM"
_ALL = 1 << 63
_REMEMBER = "INSERT INTO removed (position, id, is_dropped_turn) SELECT position, id, ? AND kind IS NULL FROM"


class _Cut(NamedTuple):
    """The records that a new record removes: the numbers from `low` to `high`, and the turns and messages in them."""

    first: int
    low: int
    high: int
    turns: int
    messages: int


# -- appending ---------------------------------------------------------------------------------------------------------


def append(thread_id: str, record: NewRecord, guard: Guard, db: sqlite3.Connection) -> Appended:
    """Do `Storage._append`."""
    cursor = db.cursor()  # one for the usual statements, because each cursor has its cost
    if guard.revision and (appended := _append_known(thread_id, record, guard, cursor)):
        return appended
    head = find(thread_id, guard, cursor)
    if head.key and not record.is_new_id and (found := _held(thread_id, record.id, head, db)):
        if head.has_draft:
            drafts.end(head.key, record.id, db)
        return Appended(revision=found.number, replayed=True, record=found)
    head.check(thread_id, guard)
    if guard.last_step is not None:
        drafts.check_last_step(thread_id, head, guard, record.id, db)
    if record.replaced is not None:
        head = _replace(thread_id, record.replaced, record, head, db)
    key = head.key or make(thread_id, None, record.created_us, db)
    committed = record.numbered(head.revision + 1)
    _insert(cursor, key, committed)
    if record.blobs:
        blobs.write(cursor, key, committed.number, record.blobs, is_first=not head.has_blobs)
    cut = _cut(db, key << NUMBER_BITS, record, head)
    _advance(cursor, key, head, cut, committed)
    if cut or not head.revision or (head.title_turn == 0 and record.title is not None):
        _name(db, key, head, cut, title=record.title, user_id=head.new_user(guard))
    if head.has_draft and record.kind == "turn":
        drafts.remove(key, db)
    return Appended(revision=committed.number, replayed=False, record=committed, created=head.revision == 0)


def _append_known(thread_id: str, record: NewRecord, guard: Guard, db: sqlite3.Cursor) -> Appended | None:
    """Append a usual turn to a thread whose version the guard names. Return None if the turn needs a closer look."""
    revision = guard.revision or 0
    is_usual = record.is_new_id and record.kind == "turn" and record.created_us == record.committed_us
    if not is_usual or record.target is not None or record.keep_messages is not None or record.blobs:
        return None
    if guard.record_id is None or guard.edits is not None or guard.last_step:
        return None
    state = (thread_id, revision, guard.record_id, guard.incarnation, guard.user_id)
    db.execute(_ADVANCE_KNOWN, (record.id, record.message_count, record.created_us, *state))
    if not db.rowcount:
        return None
    db.execute(_INSERT_NEXT, (record.id, record.created_us, record.message_count, bytearray(record.body), thread_id))
    return Appended(revision=revision + 1, replayed=False, record=record.numbered(revision + 1))


def append_all(thread_id: str, records: Sequence[NewRecord], guard: Guard, db: sqlite3.Connection) -> list[Appended]:
    """Append records in order, in this one transaction."""
    appended: list[Appended] = []
    for record in records:
        appended.append(append(thread_id, record, guard, db))
        guard = Guard(user_id=guard.user_id)
    return appended


def _held(thread_id: str, record_id: str, head: Head, db: sqlite3.Connection) -> TurnRecord | None:
    """Return the record with an id, if the thread holds it. Refuse the id of a dropped turn."""
    found = _by_id(db, head.key, record_id)
    if found is None and (number := _dropped(db, head.key, head.first, record_id)):
        raise TurnDropped(thread_id, turn_id=record_id, number=number)
    return blobs.named(db, head.key << NUMBER_BITS, [found])[0] if found and head.has_blobs else found


def _replace(thread_id: str, number: int, record: NewRecord, head: Head, db: sqlite3.Connection) -> Head:
    """Undo the turn that a new turn replaces, and return the thread's head after the undo."""
    base = head.key << NUMBER_BITS
    if not db.execute("SELECT 1 FROM turns WHERE position = ? AND kind IS NULL", (base + number,)).fetchone():
        raise TurnGone(thread_id, turn=number, revision=head.revision)
    undo = record.undo(head.revision + 1)
    _insert(db.cursor(), head.key, undo)
    cut = _undo(db, base, number, head)
    _name(db, head.key, head, cut, title=None, user_id=head.user_id)
    title, title_turn = (None, 0) if head.title_turn == number else (head.title, head.title_turn)
    return replace(
        head,
        revision=undo.number,
        record_id=undo.id,
        turns=head.turns - cut.turns,
        messages=head.messages - cut.messages,
        title=title,
        title_turn=title_turn,
    )


def _insert(db: sqlite3.Cursor, key: int, record: TurnRecord) -> None:
    # Python's driver looks for an adapter of each None and each bytes, which costs as much as a column. So most turns
    # are inserted without the columns that they do not use, and a body is given as a bytearray.
    body = bytearray(record.body)
    values = key << NUMBER_BITS | record.number, record.id, record.created_us, record.message_count, body
    if record.kind == "turn" and record.committed_us == record.created_us and record.target is None:
        db.execute(_INSERT_TURN, values)
    else:
        kind = None if record.kind == "turn" else record.kind
        committed_us = None if record.committed_us == record.created_us else record.committed_us
        db.execute(_INSERT_RECORD, (*values, kind, record.target, committed_us))


def _advance(db: sqlite3.Cursor, key: int, head: Head, cut: _Cut | None, record: TurnRecord) -> None:
    """Bring the thread's row up to a new record."""
    first, gone_turns, gone_messages = (cut.first, cut.turns, cut.messages) if cut else (head.first, 0, 0)
    db.execute(
        "UPDATE threads SET revision = ?, record_id = ?, first = ?, turns = ?, messages = ?, updated_us = ?"
        " WHERE key = ?",
        (
            record.number,
            record.id,
            first,
            head.turns - gone_turns + (record.kind == "turn"),
            head.messages - gone_messages + record.message_count,
            updated_after(record, updated_us=head.updated_us),
            key,
        ),
    )


def _name(
    db: sqlite3.Connection, key: int, head: Head, cut: _Cut | None, *, title: str | None, user_id: str | None
) -> None:
    """Set a thread's user, and the title that a new record made, if the thread's own title is missing or removed."""
    is_removed = cut is not None and cut.low <= (head.title_turn or 0) <= cut.high
    old, old_turn = (None, 0) if is_removed else (head.title, head.title_turn)
    named = title_after(title, title=old, title_turn=old_turn, revision=head.revision)
    if (*named, user_id) != (head.title, head.title_turn, head.user_id):
        db.execute("UPDATE threads SET title = ?, title_turn = ?, user_id = ? WHERE key = ?", (*named, user_id, key))


def _cut(db: sqlite3.Connection, base: int, record: NewRecord, head: Head) -> _Cut | None:
    """Delete the records that a new record removes."""
    number = head.revision + 1
    if record.kind == "undo" and record.target is not None:
        return _undo(db, base, record.target, head)
    if record.kind == "trim" and record.target is not None:
        return _drop_before(db, base, record.target, head)
    messages = head.messages + record.message_count
    if record.keep_messages is None or messages <= record.keep_messages:
        return None
    enough = max(record.keep_messages, record.message_count)
    end = base + head.first
    rows = db.execute("SELECT position, message_count FROM turns WHERE position BETWEEN ? AND ?", (end, base + number))
    for position, count in rows:
        end = position
        if messages <= enough:
            break
        messages -= count
    rows.close()
    return _drop_before(db, base, end - base, head)


def _undo(db: sqlite3.Connection, base: int, number: int, head: Head) -> _Cut:
    _begin_removal(db, base, head)
    # A summary is newer than the turns that it covers.
    summaries = (base + number, base + NUMBER_MASK, number)
    db.execute(f"{_REMEMBER} {_SUMMARIES} AND target >= ?", (False, *summaries))
    db.execute(f"{_DELETE} {_SUMMARIES} AND target >= ?", summaries)
    turns, messages = _delete_range(db, base, number, number, head, is_drop=False)
    return _Cut(head.first, number, number, turns, messages)


def _drop_before(db: sqlite3.Connection, base: int, first: int, head: Head) -> _Cut:
    _begin_removal(db, base, head)
    turns, messages = _delete_range(db, base, head.first, first - 1, head, is_drop=True)
    return _Cut(max(first, head.first), head.first, first - 1, turns, messages)


def _begin_removal(db: sqlite3.Connection, base: int, head: Head) -> None:
    """Make room for the ids of a thread's removed records."""
    if not head.has_removed:
        make_part(db, "removed")
        mark(db, base >> NUMBER_BITS, HAS_REMOVED)


def _delete_range(
    db: sqlite3.Connection, base: int, low: int, high: int, head: Head, *, is_drop: bool
) -> tuple[int, int]:
    """Delete records by number, and return the number of their turns and messages. Remember the ids of new ones."""
    turns, messages = db.execute(
        "SELECT count(*), coalesce(sum(message_count), 0) FROM turns WHERE position BETWEEN ? AND ? AND kind IS NULL",
        (base + low, base + high),
    ).fetchone()
    too_old = head.revision + 1 - REMEMBERED
    new = (base + max(low, too_old + 1), base + high)
    db.execute(f"{_REMEMBER} turns WHERE position BETWEEN ? AND ?", (is_drop, *new))
    if too_old > 0:
        db.execute("DELETE FROM removed WHERE position BETWEEN ? AND ?", (base, base + too_old))
    if head.has_blobs:
        blobs.remove(db, base + low, base + high)
    db.execute("DELETE FROM turns WHERE position BETWEEN ? AND ?", (base + low, base + high))
    return turns, messages


def _by_id(db: sqlite3.Connection, key: int, record_id: str) -> TurnRecord | None:
    row = db.execute(_RECORD_BY_ID, (key, record_id)).fetchone()
    return None if row is None else _record(row)


def _dropped(db: sqlite3.Connection, key: int, first: int, turn_id: str) -> int | None:
    """Return the number of a dropped turn whose id is remembered, or None."""
    if first == 1:  # Nothing was ever dropped.
        return None
    row = db.execute(
        "SELECT position FROM removed WHERE position >> 32 = ? AND id = ? AND is_dropped_turn", (key, turn_id)
    ).fetchone()
    return None if row is None else row[0] & NUMBER_MASK


# -- reading -----------------------------------------------------------------------------------------------------------


def read(thread_id: str, query: ReadQuery, db: sqlite3.Connection) -> ThreadSlice:
    """Do `Storage._read`."""
    return read_row(thread_id, query, db) or _read_records(thread_id, query, db)


def read_row(thread_id: str, query: ReadQuery, db: sqlite3.Connection) -> ThreadSlice | None:
    """Return the slice if the thread's row has all of it. Then one statement does, without a transaction around it.

    This is usual: a handle that has read the thread before finds nothing new.
    """
    if query.turn_id or query.digests or not (query.after or (query.last_turns == 0 and not query.with_summary)):
        return None
    thread = look(thread_id, db)
    if thread is None:
        return ThreadSlice(info=None)
    info = thread.info
    if query.after and not (query.after == info.revision and _is_at(info, query)):
        return None
    return ThreadSlice(
        info=info, start=info.revision + 1, is_continued=query.after > 0, has_draft=thread.marks & HAS_DRAFT > 0
    )


def _read_records(thread_id: str, query: ReadQuery, db: sqlite3.Connection) -> ThreadSlice:
    with Snapshot(db) as cursor:
        thread = look(thread_id, cursor)
        if thread is None:
            return ThreadSlice(info=None)
        key, info, marks = thread.key, thread.info, thread.marks
        base = key << NUMBER_BITS
        after = query.after if query.after and _continues(db, base, thread, query) else 0
        found = dropped = None
        if query.turn_id:
            found = _by_id(db, key, query.turn_id)
            dropped = None if found else _dropped(db, key, info.first, query.turn_id)
        summary = _newest_summary(db, base) if query.with_summary and not after else None
        if after >= info.revision or query.last_turns == 0:
            records, start = [], max(after, info.revision) + 1
        else:
            lowest = max(after + 1, info.first, (summary.target or 0) + 1 if summary else 1)
            records, start = _newest(cursor, base, after, (lowest, query.highest(info.revision)), query)
        data = NO_BLOBS
        if marks & HAS_BLOBS:
            records = blobs.named(db, base, records)
            found = found and blobs.named(db, base, [found])[0]
            data = blobs.read(db, key, wanted_blobs(query, records))
    return ThreadSlice(
        info=info,
        records=tuple(reversed(records)),
        start=start,
        is_continued=after > 0,
        found=found,
        dropped=dropped,
        summary=summary,
        has_draft=marks & HAS_DRAFT > 0,
        blobs=data,
    )


def _is_at(info: ThreadInfo, query: ReadQuery) -> bool:
    """Return True if the thread is in the state that a query's reader knows."""
    return query.record_id in (None, info.record_id) and is_same_history(
        query, incarnation=info.incarnation, edits=info.edits, rewritten=info.rewritten
    )


def _continues(db: sqlite3.Connection, base: int, thread: Thread, query: ReadQuery) -> bool:
    """Return True if the records after the query's position continue the history that its reader knows."""
    info = thread.info
    if query.record_id is None or query.after == info.revision:
        return _is_at(info, query)
    if not is_same_history(query, incarnation=info.incarnation, edits=info.edits, rewritten=info.rewritten):
        return False
    return query.record_id == id_at(db, base + query.after, thread.marks)


def _newest_summary(db: sqlite3.Connection, base: int) -> TurnRecord | None:
    row = db.execute(_NEWEST_SUMMARY, (base, base + NUMBER_MASK)).fetchone()
    return None if row is None else _record(row)


def _newest(
    db: sqlite3.Cursor, base: int, after: int, numbers: tuple[int, int], query: ReadQuery
) -> tuple[list[TurnRecord], int]:
    """Walk back from the highest number until the window is full. The cost depends on the window, not on the thread."""
    lowest, highest = numbers
    places = (base + lowest, base + highest)
    most_turns = _ALL if query.last_turns is None else query.last_turns
    most_messages = _ALL if query.last_messages is None else query.last_messages
    if after:
        return _newest_records(db.execute(_RECORDS_BACKWARDS, places), lowest, most_turns, most_messages)
    return _newest_turns(db.execute(_TURNS_BACKWARDS, places), lowest, most_turns, most_messages)


def _newest_turns(
    rows: sqlite3.Cursor, lowest: int, most_turns: int, most_messages: int
) -> tuple[list[TurnRecord], int]:
    """Return the newest turns in rows of `_TURN`, and the number from which on they are complete.

    A long read spends its time here. So it omits the columns that most turns do not use, and calls no function for each
    row, which would cost as much as the row.
    """
    records: list[TurnRecord] = []
    messages = 0
    for packed, record_id, times, body in rows:
        message_count = packed & MAX_MESSAGE_COUNT
        messages += message_count
        if (records and messages > most_messages) or len(records) == most_turns:
            return records, (packed >> _COUNT_BITS) + 1
        if type(times) is int:
            records.append(
                TurnRecord(
                    number=packed >> _COUNT_BITS,
                    id=record_id,
                    created_us=times,
                    committed_us=times,
                    message_count=message_count,
                    body=body,
                )
            )
        else:
            records.append(_special(packed, record_id, times, body))
    return records, lowest


def _special(packed: int, record_id: str, times: str, body: bytes) -> TurnRecord:
    created_us, committed_us, target = json.decode(times)
    return TurnRecord(
        number=packed >> _COUNT_BITS,
        id=record_id,
        created_us=created_us,
        committed_us=created_us if committed_us is None else committed_us,
        message_count=packed & MAX_MESSAGE_COUNT,
        body=body,
        target=target,
    )


def _newest_records(
    rows: sqlite3.Cursor, lowest: int, most_turns: int, most_messages: int
) -> tuple[list[TurnRecord], int]:
    """Return the newest records in rows of `_RECORD`, and the number from which on they are complete."""
    records: list[TurnRecord] = []
    turns = messages = 0
    for record in map(_record, rows):
        turns += record.kind == "turn"
        messages += record.message_count
        if turns > most_turns or (messages > most_messages and turns > 1):
            return records, record.number + 1
        records.append(record)
    return records, lowest


def _record(row: tuple[Any, ...]) -> TurnRecord:
    position, record_id, created_us, committed_us, message_count, body, kind, target = row
    kind_name: RecordKind = kind or "turn"
    return TurnRecord(
        number=position & NUMBER_MASK,
        id=record_id,
        created_us=created_us,
        committed_us=created_us if committed_us is None else committed_us,
        message_count=message_count,
        body=body,
        kind=kind_name,
        target=target,
    )


# -- replacing bodies --------------------------------------------------------------------------------------------------


def rewrite(thread_id: str, change: NewBodies, now_us: int, guard: Guard, db: sqlite3.Connection) -> int | None:
    """Do `Storage._rewrite`."""
    head = find(thread_id, guard, db)
    head.check(thread_id, guard)
    if not head.key:
        return None
    base = head.key << NUMBER_BITS
    edits = edits_after(head.edits, now_us)
    db.execute("UPDATE threads SET edits = ?, rewritten = ? WHERE key = ?", (edits, edits, head.key))
    bodies = [(body, base + number) for number, body in change.bodies.items()]
    db.executemany("UPDATE turns SET body = ? WHERE position = ?", bodies)
    for number, digests in change.released.items() if head.has_blobs else ():
        blobs.release(db, base + number, digests)
    return edits


def replace_blob(thread_id: str, digest: str, blob: Blob, guard: Guard, db: sqlite3.Connection) -> bool:
    """Do `Storage._replace_blob`."""
    head = find(thread_id, guard, db)
    head.check(thread_id, guard)
    return head.has_blobs and blobs.replace(db, head.key, digest, blob)
