"""The row of a thread: its state, its settings, and the lists of threads.

The functions here, and those of `turns.py`, `drafts.py` and `leases.py`, are the storage's hooks as functions of a
connection. They run inside a worker's transaction. Checks come before the first write, so a refusal leaves nothing to
roll back. Every statement finds its rows by a key or a short range of keys.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import msgspec

from recuerda.ids import new_id
from recuerda.sqlite import blobs
from recuerda.sqlite.schema import HAS_BLOBS, HAS_DRAFT, HAS_REMOVED, NUMBER_BITS, NUMBER_MASK
from recuerda.storage.hooks import WALK_PAGE
from recuerda.storage.operations import NO_GUARD, Guard, ThreadChanges
from recuerda.storage.rules import (
    changed_after,
    check_state,
    check_user,
    edits_after,
    metadata_after,
    owner_after,
    parent_after,
)
from recuerda.storage.thread_filter import LOOKED_AT, ListedThreads, ThreadFilter, matching
from recuerda.storage.thread_info import ThreadInfo, ThreadParent

# Python's driver describes each column each time, which costs more than the rest of the row. So the values of a thread
# come as one JSON text, in the form of a `ThreadInfo`. SQLite makes the text of a number faster with `printf` than with
# a function for JSON.
_FORM = (
    '[%d,%d,{"revision":%d,"edits":%d,"rewritten":%d,"first":%d,"turns":%d,"messages":%d,"created_us":%d,'
    '"updated_us":%d,"archived":%s,"metadata":%s,"parent":%s,"tags":%s,%s]'
)
THREAD: str = f"""
    SELECT printf(
        '{_FORM}',
        key, marks,
        revision, edits, rewritten, first, turns, messages, created_us,
        updated_us, iif(archived, 'true', 'false'), metadata, ifnull(parent, 'null'), tags,
        substr(json_object('id', id, 'incarnation', incarnation, 'record_id', record_id, 'user_id', user_id,
            'title', title, 'title_turn', title_turn), 2)
    ) FROM threads
"""  # noqa: S608 - constants only
"""Selects a thread for `to_thread`."""
_LOOK = f"{THREAD} WHERE id = ?"
_LOOK_AT_SEVERAL = f"{THREAD} WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608 - constants only
_HEAD = """
    SELECT json_array(
        key, user_id, incarnation, revision, record_id, edits, first, turns, messages, title, title_turn, updated_us,
        marks
    ) FROM threads WHERE id = ?
"""


class Thread(msgspec.Struct, array_like=True, frozen=True):
    """A thread's row: its key, its marks, and its information."""

    key: int
    marks: int
    info: ThreadInfo


class Head(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The part of a thread's row that a writing hook needs. `key` is 0 and `incarnation` is None without a thread."""

    key: int
    user_id: str | None
    incarnation: str | None
    revision: int
    record_id: str
    edits: int
    first: int
    turns: int
    messages: int
    title: str | None
    title_turn: int | None
    updated_us: int
    marks: int

    @property
    def has_draft(self) -> bool:
        """True if the thread has a draft."""
        return self.marks & HAS_DRAFT > 0

    @property
    def has_blobs(self) -> bool:
        """True once a turn of the thread has named a blob."""
        return self.marks & HAS_BLOBS > 0

    @property
    def has_removed(self) -> bool:
        """True once a record of the thread was removed."""
        return self.marks & HAS_REMOVED > 0

    def check(self, thread_id: str, guard: Guard) -> None:
        """Refuse a thread that is not in the guard's state."""
        if guard is not NO_GUARD:
            check_state(
                thread_id,
                guard,
                revision=self.revision,
                incarnation=self.incarnation,
                record_id=self.record_id,
                edits=self.edits,
            )

    def new_user(self, guard: Guard) -> str | None:
        """Return the thread's user after a write."""
        return owner_after(guard.user_id, owner=self.user_id, revision=self.revision)


_to_head = msgspec.json.Decoder(Head).decode
_to_thread = msgspec.json.Decoder(Thread).decode
_NO_THREAD = Head(0, None, None, 0, "", 0, 1, 0, 0, None, None, 0, 0)


def find(thread_id: str, guard: Guard, db: sqlite3.Connection | sqlite3.Cursor) -> Head:
    """Return the head of a thread, which need not exist. Refuse another user's thread."""
    row = db.execute(_HEAD, (thread_id,)).fetchone()
    if row is None:
        return _NO_THREAD
    head = _to_head(row[0])
    check_user(thread_id, guard, head.user_id)
    return head


def look(thread_id: str, db: sqlite3.Connection | sqlite3.Cursor) -> Thread | None:
    """Return the row of a thread, or None if there is no thread."""
    row = db.execute(_LOOK, (thread_id,)).fetchone()
    return None if row is None else to_thread(row)


def heads(thread_ids: Sequence[str], db: sqlite3.Connection) -> dict[str, ThreadInfo]:
    """Return the information about threads by their ids."""
    ids = msgspec.json.encode(thread_ids).decode()
    rows = db.execute(_LOOK_AT_SEVERAL, (ids,)).fetchall()
    infos = [to_thread(row).info for row in rows]
    return {info.id: info for info in infos}


def make(
    thread_id: str, user_id: str | None, now_us: int, db: sqlite3.Connection, *, incarnation: str | None = None
) -> int:
    """Make a thread without records, and return its key."""
    cursor = db.execute(
        "INSERT INTO threads (id, incarnation, user_id, created_us, updated_us) VALUES (?, ?, ?, ?, ?)",
        (thread_id, incarnation or new_id(), user_id, now_us, now_us),
    )
    return cursor.lastrowid or 0


def id_at(db: sqlite3.Connection | sqlite3.Cursor, position: int, marks: int) -> str | None:
    """Return the id of a record that a thread holds or remembers, by its position; None if there is no such id."""
    row = db.execute("SELECT id FROM turns WHERE position = ?", (position,)).fetchone()
    if row is None and marks & HAS_REMOVED:
        row = db.execute("SELECT id FROM removed WHERE position = ?", (position,)).fetchone()
    return row and row[0]


def list_threads(
    wanted: ThreadFilter, limit: int, position: tuple[int, str] | None, db: sqlite3.Connection
) -> ListedThreads:
    """Do `Storage._list`."""
    conditions: list[str] = []
    values: list[Any] = []
    index = ""
    if wanted.parent is not None:
        index = "INDEXED BY threads_by_parent"
        conditions.append("parent IS NOT NULL AND parent ->> 'thread_id' = ?")
        values.append(wanted.parent)
    if wanted.user_id is not None:
        conditions.append("user_id = ?")
        values.append(wanted.user_id)
    if wanted.archived is not None:
        conditions.append("archived = ?")
        values.append(wanted.archived)
    if (start := wanted.start(position)) is not None:
        conditions.append("(updated_us, id) < (?, ?)")
        values.extend(start)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    # SQLite finds the next row when it is taken, so the rows after the last one that is needed cost nothing.
    statement = f"{THREAD} {index} {where} ORDER BY updated_us DESC, id DESC LIMIT {LOOKED_AT}"
    with closing(db.execute(statement, values)) as rows:
        return matching((to_thread(row).info for row in rows), wanted, limit)


def walk(user_id: str | None, position: str | None, db: sqlite3.Connection) -> tuple[list[ThreadInfo], str | None]:
    """Do `Storage._walk`, in the order of keys."""
    chosen, values = ("", ()) if user_id is None else ("user_id = ? AND", (user_id,))
    rows = db.execute(
        f"{THREAD} WHERE {chosen} key > ? ORDER BY key LIMIT ?",
        (*values, int(position or 0), WALK_PAGE),
    )
    found = [to_thread(row) for row in rows]
    return [thread.info for thread in found], str(found[-1].key) if len(found) == WALK_PAGE else None


def update(thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard, db: sqlite3.Connection) -> ThreadInfo:
    """Do `Storage._update`."""
    head = find(thread_id, guard, db)
    head.check(thread_id, guard)
    changed_us = changed_after(changes, now_us, updated_us=head.updated_us)
    key = head.key or make(thread_id, None, changed_us, db)
    user_id = head.new_user(guard) if changes.user_id is msgspec.UNSET else changes.user_id
    edits = edits_after(head.edits, now_us)
    values = (changed_us, edits, user_id, key)
    db.execute("UPDATE threads SET updated_us = ?, edits = ?, user_id = ? WHERE key = ?", values)
    if changes.title is not msgspec.UNSET:
        title = (changes.title, changes.title_turn)
        db.execute("UPDATE threads SET title = ?, title_turn = ? WHERE key = ?", (*title, key))
    if changes.metadata is not msgspec.UNSET:
        _merge(key, changes.metadata, db)
    if changes.archived is not msgspec.UNSET:
        db.execute("UPDATE threads SET archived = ? WHERE key = ?", (changes.archived, key))
    if changes.tags is not msgspec.UNSET:
        db.execute("UPDATE threads SET tags = ? WHERE key = ?", (msgspec.json.encode(changes.tags).decode(), key))
    if changes.parent is not msgspec.UNSET or changes.user_id is not msgspec.UNSET:
        _set_parent(key, changes, head.user_id, db)
    return to_thread(db.execute(f"{THREAD} WHERE key = ?", (key,)).fetchone()).info


def _merge(key: int, changed: dict[str, Any], db: sqlite3.Connection) -> None:
    """Set keys of a thread's metadata, and remove the keys with None."""
    (text,) = db.execute("SELECT metadata FROM threads WHERE key = ?", (key,)).fetchone()
    kept = metadata_after(msgspec.json.decode(text, type=dict[str, Any]), changed)
    db.execute("UPDATE threads SET metadata = ? WHERE key = ?", (msgspec.json.encode(kept).decode(), key))


def _set_parent(key: int, changes: ThreadChanges, owner: str | None, db: sqlite3.Connection) -> None:
    (text,) = db.execute("SELECT parent FROM threads WHERE key = ?", (key,)).fetchone()
    parent = parent_after(text and msgspec.json.decode(text, type=ThreadParent), changes, owner=owner)
    values = (parent and msgspec.json.encode(parent).decode(), key)
    db.execute("UPDATE threads SET parent = ? WHERE key = ?", values)


def delete(thread_id: str, guard: Guard, db: sqlite3.Connection) -> bool:
    """Do `Storage._delete`."""
    head = find(thread_id, guard, db)
    if not head.key:
        return False
    head.check(thread_id, guard)
    records = (head.key << NUMBER_BITS, head.key << NUMBER_BITS | NUMBER_MASK)
    if head.has_blobs:
        blobs.remove(db, *records)
    db.execute("DELETE FROM turns WHERE position BETWEEN ? AND ?", records)
    if head.has_removed:
        db.execute("DELETE FROM removed WHERE position BETWEEN ? AND ?", records)
    if head.has_draft:
        db.execute("DELETE FROM drafts WHERE thread_key = ?", (head.key,))
    db.execute("DELETE FROM threads WHERE key = ?", (head.key,))
    return True


def to_thread(row: tuple[Any, ...]) -> Thread:
    """Return the thread in a row of `THREAD`."""
    return _to_thread(row[0])
