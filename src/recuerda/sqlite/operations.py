"""The storage's hooks as functions of a connection, which run inside a worker's transaction.

Checks come before the first write, so a refusal leaves nothing to roll back. Every statement finds its rows by a key or
a short range of keys. No statement reads a thread in order to write it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from recuerda.errors import ThreadConflict
from recuerda.sqlite.schema import NUMBER_BITS
from recuerda.storage.hooks import is_new_step
from recuerda.storage.records import (
    Appended,
    DraftStep,
    NewRecord,
    ReadQuery,
    RecordKind,
    ThreadChanges,
    ThreadInfo,
    ThreadSlice,
    TurnRecord,
)

_NUMBER_MASK = (1 << NUMBER_BITS) - 1
_THREAD = (
    "SELECT key, id, revision, first, turns, messages, user_id, title, metadata, created_us, updated_us FROM threads"
)
_LOOK = _THREAD.replace(" FROM", ", EXISTS (SELECT 1 FROM drafts WHERE thread_id = threads.id) FROM")
_TURN = "SELECT position, id, created_us, message_count, body FROM turns"
_HEAD = """
    SELECT key, revision, first, turns, messages, EXISTS (SELECT 1 FROM drafts WHERE thread_id = threads.id)
    FROM threads
"""
_RECORD = "SELECT position, id, created_us, message_count, body, kind, target FROM turns"
_STEP = "SELECT turn_id, revision, number, body, created_us FROM drafts"


def append(thread_id: str, record: NewRecord, expected: int | None, db: sqlite3.Connection) -> Appended:
    """Do `Storage._append`."""
    row = db.execute(f"{_HEAD} WHERE id = ?", (thread_id,)).fetchone()
    key, revision, first, turns, messages, has_draft = row or (None, 0, 1, 0, 0, True)
    if key is not None and not record.is_new_id and (found := _by_id(db, key, record.id)):
        if has_draft:
            db.execute(
                "DELETE FROM drafts WHERE thread_id = :thread"
                " AND EXISTS (SELECT 1 FROM drafts WHERE thread_id = :thread AND number = 1 AND turn_id = :turn)",
                {"thread": thread_id, "turn": record.id},
            )
        return Appended(revision=found.number, replayed=True, record=found)
    if expected is not None and expected != revision:
        raise ThreadConflict(thread_id, expected=expected, actual=revision)
    if key is None:
        key = _create(db, thread_id, record.created_us, user_id=record.user_id, title=record.title)
    elif revision == 0:
        _name(db, key, record)
    committed = record.numbered(revision + 1)
    _insert(db, key, committed)
    turns += committed.kind == "turn"
    messages += committed.message_count
    if (cut := _cut(db, key, record, first, messages)) is not None:
        first, gone_turns, gone_messages = cut
        turns -= gone_turns
        messages -= gone_messages
    db.execute(
        "UPDATE threads SET revision = ?, first = ?, turns = ?, messages = ?, updated_us = ? WHERE key = ?",
        (committed.number, first, turns, messages, committed.created_us, key),
    )
    if has_draft and record.kind == "turn":
        db.execute("DELETE FROM drafts WHERE thread_id = ?", (thread_id,))
    return Appended(revision=committed.number, replayed=False, record=committed, created=revision == 0)


def append_all(
    thread_id: str, records: Sequence[NewRecord], expected: int | None, db: sqlite3.Connection
) -> list[Appended]:
    """Append records in order, in this one transaction."""
    first = [append(thread_id, record, expected, db) for record in records[:1]]
    return first + [append(thread_id, record, None, db) for record in records[1:]]


def _create(
    db: sqlite3.Connection, thread_id: str, now_us: int, *, user_id: str | None = None, title: str | None = None
) -> int:
    cursor = db.execute(
        "INSERT INTO threads (id, revision, first, turns, messages, created_us, updated_us, user_id, title)"
        " VALUES (?, 0, 1, 0, 0, ?, ?, ?, ?)",
        (thread_id, now_us, now_us, user_id, title),
    )
    return cursor.lastrowid or 0


def _name(db: sqlite3.Connection, key: int, record: NewRecord) -> None:
    """Give a thread without a record the user and title of its first record, unless its settings have them."""
    db.execute(
        "UPDATE threads SET user_id = coalesce(user_id, ?), title = coalesce(title, ?) WHERE key = ?",
        (record.user_id, record.title, key),
    )


def _insert(db: sqlite3.Connection, key: int, record: TurnRecord) -> None:
    kind = None if record.kind == "turn" else record.kind
    db.execute(
        "INSERT INTO turns (position, id, kind, target, created_us, message_count, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            key << NUMBER_BITS | record.number,
            record.id,
            kind,
            record.target,
            record.created_us,
            record.message_count,
            record.body,
        ),
    )


def _cut(db: sqlite3.Connection, key: int, record: NewRecord, first: int, messages: int) -> tuple[int, int, int] | None:
    """Delete the turns that the record removes; return the new first number and the deleted turns and messages."""
    base = key << NUMBER_BITS
    if record.kind == "undo" and record.target is not None:
        # A summary is newer than the turns that it covers.
        db.execute(
            "DELETE FROM turns INDEXED BY summaries"
            " WHERE kind = 'summary' AND position BETWEEN ? AND ? AND target >= ?",
            (base + record.target, base + _NUMBER_MASK, record.target),
        )
        return first, *_delete_range(db, base + record.target, base + record.target)
    if record.kind == "trim" and record.target is not None:
        return record.target, *_delete_range(db, base + first, base + record.target - 1)
    if record.keep_messages is None or messages <= record.keep_messages:
        return None
    enough = max(record.keep_messages, record.message_count)
    end = base + first
    rows = db.execute(
        "SELECT position, message_count FROM turns WHERE position >= ? ORDER BY position", (base + first,)
    )
    for position, count in rows:
        end = position
        if messages <= enough:
            break
        messages -= count
    rows.close()
    return end - base, *_delete_range(db, base + first, end - 1)


def _delete_range(db: sqlite3.Connection, low: int, high: int) -> tuple[int, int]:
    turns, messages = db.execute(
        "SELECT count(*), coalesce(sum(message_count), 0) FROM turns WHERE position BETWEEN ? AND ? AND kind IS NULL",
        (low, high),
    ).fetchone()
    db.execute("DELETE FROM turns WHERE position BETWEEN ? AND ?", (low, high))
    return turns, messages


def _by_id(db: sqlite3.Connection, key: int, record_id: str) -> TurnRecord | None:
    row = db.execute(f"{_RECORD} WHERE position >> 32 = ? AND id = ?", (key, record_id)).fetchone()
    return None if row is None else _record(row)


def read(thread_id: str, query: ReadQuery, db: sqlite3.Connection) -> ThreadSlice:
    """Do `Storage._read`."""
    row = db.execute(f"{_LOOK} WHERE id = ?", (thread_id,)).fetchone()
    if row is None:
        return ThreadSlice(info=None, has_draft=bool(load_draft(thread_id, db)))
    key, info, has_draft = row[0], _info(row[:-1]), bool(row[-1])
    after = query.after if query.incarnation in (None, info.incarnation) else 0
    found = _by_id(db, key, query.turn_id) if query.turn_id else None
    base = key << NUMBER_BITS
    summary = _newest_summary(db, base) if query.with_summary and not after else None
    if after >= info.revision or query.last_turns == 0:
        start = max(after, info.revision) + 1
        return ThreadSlice(info=info, start=start, found=found, summary=summary, has_draft=has_draft)
    lowest = max(after + 1, info.first, (summary.target or 0) + 1 if summary else 1)
    records, start = _newest(db, base, after, (lowest, info.revision), query)
    return ThreadSlice(
        info=info,
        records=tuple(reversed(records)),
        start=start,
        found=found,
        summary=summary,
        has_draft=has_draft,
    )


def _newest_summary(db: sqlite3.Connection, base: int) -> TurnRecord | None:
    row = db.execute(
        f"{_RECORD} INDEXED BY summaries WHERE kind = 'summary' AND position BETWEEN ? AND ? "
        "ORDER BY position DESC LIMIT 1",
        (base, base + _NUMBER_MASK),
    ).fetchone()
    return None if row is None else _record(row)


def _newest(
    db: sqlite3.Connection, base: int, after: int, numbers: tuple[int, int], query: ReadQuery
) -> tuple[list[TurnRecord], int]:
    """Walk back from the newest record until the window is full. The cost depends on the window, not on the thread."""
    lowest, highest = numbers
    records: list[TurnRecord] = []
    turns = messages = 0
    # A fresh read gives turns only. A long read spends its time on columns, so it omits the two columns that turns do
    # not use.
    columns, only_turns, make = (_RECORD, "", _record) if after else (_TURN, "AND kind IS NULL", _turn)
    rows = db.execute(
        f"{columns} WHERE position BETWEEN ? AND ? {only_turns} ORDER BY position DESC",
        (base + lowest, base + highest),
    )
    if query.last_turns is None and query.last_messages is None:
        return [make(row) for row in rows], lowest
    for row in rows:
        turns += not after or row[5] is None
        messages += row[3]
        is_enough = query.last_turns is not None and turns > query.last_turns
        is_too_much = query.last_messages is not None and messages > query.last_messages and turns > 1
        if is_enough or is_too_much:
            rows.close()
            return records, (row[0] & _NUMBER_MASK) + 1
        records.append(make(row))
    return records, lowest


def list_threads(
    user_id: str | None, limit: int, position: tuple[int, str] | None, db: sqlite3.Connection
) -> list[ThreadInfo]:
    """Do `Storage._list`."""
    conditions: list[str] = []
    values: list[Any] = []
    if user_id is not None:
        conditions.append("user_id = ?")
        values.append(user_id)
    if position is not None:
        conditions.append("(updated_us, id) < (?, ?)")
        values.extend(position)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    rows = db.execute(f"{_THREAD} {where} ORDER BY updated_us DESC, id DESC LIMIT ?", (*values, limit))
    return [_info(row) for row in rows]


def update_thread(thread_id: str, changes: ThreadChanges, now_us: int, db: sqlite3.Connection) -> ThreadInfo:
    """Do `Storage._update`."""
    if db.execute("SELECT 1 FROM threads WHERE id = ?", (thread_id,)).fetchone() is None:
        _create(db, thread_id, now_us)
    db.execute("UPDATE threads SET updated_us = ? WHERE id = ?", (now_us, thread_id))
    if changes.user_id is not msgspec.UNSET:
        db.execute("UPDATE threads SET user_id = ? WHERE id = ?", (changes.user_id, thread_id))
    if changes.title is not msgspec.UNSET:
        db.execute("UPDATE threads SET title = ? WHERE id = ?", (changes.title, thread_id))
    if changes.metadata is not msgspec.UNSET:
        text = msgspec.json.encode(changes.metadata).decode()
        db.execute("UPDATE threads SET metadata = ? WHERE id = ?", (text, thread_id))
    return _info(db.execute(f"{_THREAD} WHERE id = ?", (thread_id,)).fetchone())


def delete_thread(thread_id: str, db: sqlite3.Connection) -> bool:
    """Do `Storage._delete`."""
    db.execute("DELETE FROM drafts WHERE thread_id = ?", (thread_id,))
    row = db.execute("SELECT key FROM threads WHERE id = ?", (thread_id,)).fetchone()
    if row is None:
        return False
    base = row[0] << NUMBER_BITS
    db.execute("DELETE FROM turns WHERE position BETWEEN ? AND ?", (base, base + _NUMBER_MASK))
    db.execute("DELETE FROM threads WHERE key = ?", (row[0],))
    return True


def save_draft(thread_id: str, step: DraftStep, db: sqlite3.Connection) -> None:
    """Do `Storage._save_draft`."""
    newest = db.execute("SELECT max(number) FROM drafts WHERE thread_id = ?", (thread_id,)).fetchone()[0] or 0
    revision = 0
    if step.number == 1 and (
        thread := db.execute("SELECT revision FROM threads WHERE id = ?", (thread_id,)).fetchone()
    ):
        revision = thread[0]
    # Only the two steps that are needed are read, and no earlier step.
    numbers = sorted({1, step.number}) if newest else ()
    there = {number: found for number in numbers if (found := _draft_step(thread_id, number, db))}
    is_new = is_new_step(
        thread_id, step, first=there.get(1), same=there.get(step.number), newest=newest, revision=revision
    )
    if not is_new:
        return
    if newest and step.number == 1:
        drop_draft(thread_id, db)
    db.execute(
        "INSERT INTO drafts (thread_id, number, turn_id, revision, body, created_us) VALUES (?, ?, ?, ?, ?, ?)",
        (thread_id, step.number, step.turn_id, step.revision, step.body, step.created_us),
    )


def load_draft(thread_id: str, db: sqlite3.Connection) -> list[DraftStep]:
    """Do `Storage._load_draft`."""
    return [_step(row) for row in db.execute(f"{_STEP} WHERE thread_id = ? ORDER BY number", (thread_id,))]


def list_drafts(limit: int, db: sqlite3.Connection) -> list[str]:
    """Do `Storage._list_drafts`."""
    rows = db.execute("SELECT DISTINCT thread_id FROM drafts ORDER BY thread_id LIMIT ?", (limit,))
    return [thread_id for (thread_id,) in rows]


def _draft_step(thread_id: str, number: int, db: sqlite3.Connection) -> DraftStep | None:
    row = db.execute(f"{_STEP} WHERE thread_id = ? AND number = ?", (thread_id, number)).fetchone()
    return None if row is None else _step(row)


def _step(row: tuple[Any, ...]) -> DraftStep:
    turn_id, revision, number, body, created_us = row
    return DraftStep(turn_id=turn_id, revision=revision, number=number, body=body, created_us=created_us)


def drop_draft(thread_id: str, db: sqlite3.Connection) -> bool:
    """Do `Storage._drop_draft`."""
    return db.execute("DELETE FROM drafts WHERE thread_id = ?", (thread_id,)).rowcount > 0


def rewrite(thread_id: str, bodies: Mapping[int, bytes], db: sqlite3.Connection) -> None:
    """Replace the bodies of turns and summaries by number."""
    row = db.execute("SELECT key FROM threads WHERE id = ?", (thread_id,)).fetchone()
    if row is not None:
        base = row[0] << NUMBER_BITS
        db.executemany(
            "UPDATE turns SET body = ? WHERE position = ?", [(body, base + number) for number, body in bodies.items()]
        )


def lease(thread_id: str, holder: str, now_us: int, ttl_us: int, db: sqlite3.Connection) -> bool:
    """Take a lease that is free or has ended, or extend the holder's own lease; return whether the holder has it."""
    done = db.execute(
        "INSERT INTO leases (thread_id, holder, until_us) VALUES (?, ?, ?) ON CONFLICT (thread_id) DO UPDATE "
        "SET holder = excluded.holder, until_us = excluded.until_us WHERE holder = excluded.holder OR until_us <= ?",
        (thread_id, holder, now_us + ttl_us, now_us),
    )
    return done.rowcount > 0


def release(thread_id: str, holder: str, db: sqlite3.Connection) -> None:
    """Give a lease back."""
    db.execute("DELETE FROM leases WHERE thread_id = ? AND holder = ?", (thread_id, holder))


def _turn(row: tuple[Any, ...]) -> TurnRecord:
    position, record_id, created_us, message_count, body = row
    return TurnRecord(
        number=position & _NUMBER_MASK,
        id=record_id,
        created_us=created_us,
        message_count=message_count,
        body=body,
    )


def _record(row: tuple[Any, ...]) -> TurnRecord:
    position, record_id, created_us, message_count, body, kind, target = row
    kind_name: RecordKind = kind or "turn"
    return TurnRecord(
        number=position & _NUMBER_MASK,
        id=record_id,
        created_us=created_us,
        message_count=message_count,
        body=body,
        kind=kind_name,
        target=target,
    )


def _info(row: tuple[Any, ...]) -> ThreadInfo:
    key, thread_id, revision, first, turns, messages, user_id, title, metadata, created_us, updated_us = row
    return ThreadInfo(
        id=thread_id,
        revision=revision,
        incarnation=str(key),
        first=first,
        turns=turns,
        messages=messages,
        user_id=user_id,
        title=title,
        metadata=msgspec.json.decode(metadata),
        created_us=created_us,
        updated_us=updated_us,
    )
