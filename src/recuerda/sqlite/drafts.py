"""Drafts: the finished steps of turns that are still running."""

from __future__ import annotations

import sqlite3
from typing import Any

from recuerda.ids import new_id
from recuerda.sqlite.schema import HAS_DRAFT, NUMBER_BITS, has_part, make_part, mark, unmark
from recuerda.sqlite.snapshots import Snapshot
from recuerda.sqlite.threads import Head, find, id_at, make
from recuerda.storage import rules
from recuerda.storage.drafts import DraftInfo, DraftStep
from recuerda.storage.operations import NO_GUARD, Guard
from recuerda.storage.rules import check_history, is_new_step

_STEPS = "SELECT turn_id, revision, number, body, created_us, id FROM drafts WHERE thread_key = :key"
# The order of a CROSS JOIN is the order of its loops: the index of drafts comes first, however many threads there are.
LISTED = (
    "SELECT threads.id, threads.user_id, drafts.created_us FROM drafts CROSS JOIN threads "
    "ON threads.key = drafts.thread_key WHERE drafts.number = 1 AND drafts.created_us >= :begun_us "
    "AND (drafts.created_us, threads.id) > (:begun_us, :id) AND (:user_id IS NULL OR threads.user_id = :user_id) "
    "ORDER BY drafts.created_us, threads.id LIMIT :limit"
)
_NEWEST = "(SELECT max(number) FROM drafts WHERE thread_key = :key)"


def save(thread_id: str, step: DraftStep, guard: Guard, db: sqlite3.Connection) -> str:
    """Do `Storage._save_draft`."""
    head = find(thread_id, guard, db)
    if guard is not NO_GUARD:
        _check_history(thread_id, guard, head, db)
    there = _needed(head.key, step.number, db) if head.has_draft else {}
    newest = max(there, default=0)
    is_new = is_new_step(
        thread_id,
        step,
        first=there.get(1),
        same=there.get(step.number),
        newest=newest,
        newest_id=there[newest].id if newest else "",
        revision=head.revision,
    )
    key, incarnation = head.key, head.incarnation
    if not is_new:
        return incarnation or ""
    if step.number == 1:
        head.check(thread_id, guard)
        if incarnation is None:
            incarnation = new_id()
            key = make(thread_id, guard.user_id, step.created_us, db, incarnation=incarnation)
        if head.key and head.new_user(guard) != head.user_id:
            db.execute("UPDATE threads SET user_id = ? WHERE key = ?", (guard.user_id, key))
        if head.has_draft:
            _delete(key, db)
        else:
            make_part(db, "drafts")
            mark(db, key, HAS_DRAFT)
    db.execute(
        "INSERT INTO drafts (thread_key, number, id, turn_id, revision, body, created_us) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (key, step.number, step.id, step.turn_id, step.revision, step.body, step.created_us),
    )
    return incarnation or ""


def _check_history(thread_id: str, guard: Guard, head: Head, db: sqlite3.Connection) -> None:
    record_id: str | None = head.record_id
    if guard.record_id is not None and guard.revision != head.revision:
        record_id = id_at(db, head.key << NUMBER_BITS | guard.revision, head.marks) if guard.revision else ""
    check_history(thread_id, guard, revision=head.revision, incarnation=head.incarnation, record_id=record_id)


def _needed(key: int, number: int, db: sqlite3.Connection) -> dict[int, DraftStep]:
    """Return step 1, step `number` and the newest step of a draft by their numbers, and no other step."""
    rows = db.execute(f"{_STEPS} AND number IN (1, :number, {_NEWEST})", {"key": key, "number": number})
    return {step.number: step for step in map(_step, rows)}


def load(thread_id: str, guard: Guard, db: sqlite3.Connection) -> list[DraftStep]:
    """Do `Storage._load_draft`."""
    with Snapshot(db):
        head = find(thread_id, guard, db)
        if not head.has_draft:
            return []
        return [_step(row) for row in db.execute(f"{_STEPS} ORDER BY number", {"key": head.key})]


def drop(thread_id: str, turn_id: str | None, guard: Guard, db: sqlite3.Connection) -> bool:
    """Do `Storage._drop_draft`."""
    head = find(thread_id, guard, db)
    if not head.has_draft or turn_id not in (None, _turn_of(head.key, db)):
        return False
    head.check(thread_id, guard)
    if guard.last_step is not None:
        check_last_step(thread_id, head, guard, turn_id or "", db)
    remove(head.key, db)
    return True


def check_last_step(thread_id: str, head: Head, guard: Guard, turn_id: str, db: sqlite3.Connection) -> None:
    """Do `rules.check_last_step`."""
    last_step = ""
    if head.has_draft:
        sql = "SELECT id FROM drafts WHERE thread_key = ? ORDER BY number DESC LIMIT 1"
        (last_step,) = db.execute(sql, (head.key,)).fetchone()
    rules.check_last_step(thread_id, guard, turn_id=turn_id, last_step=last_step)


def remove(key: int, db: sqlite3.Connection) -> None:
    """Delete a thread's draft."""
    _delete(key, db)
    unmark(db, key, HAS_DRAFT)


def _delete(key: int, db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM drafts WHERE thread_key = ?", (key,))


def end(key: int, turn_id: str, db: sqlite3.Connection) -> None:
    """Delete a thread's draft if it belongs to this turn."""
    if _turn_of(key, db) == turn_id:
        remove(key, db)


def _turn_of(key: int, db: sqlite3.Connection) -> str:
    """Return the id of the turn to which a thread's draft belongs."""
    (turn_id,) = db.execute("SELECT turn_id FROM drafts WHERE thread_key = ? AND number = 1", (key,)).fetchone()
    return turn_id


def list_infos(
    limit: int, user_id: str | None, position: tuple[int, str] | None, db: sqlite3.Connection
) -> list[DraftInfo]:
    """Do `Storage._list_drafts`."""
    if not has_part(db, "drafts"):
        return []
    begun_us, thread_id = position or (-1, "")
    values = {"limit": limit, "user_id": user_id, "begun_us": begun_us, "id": thread_id}
    return [
        DraftInfo(thread_id=found, user_id=user, begun_us=begun) for found, user, begun in db.execute(LISTED, values)
    ]


def _step(row: tuple[Any, ...]) -> DraftStep:
    turn_id, revision, number, body, created_us, id = row
    return DraftStep(turn_id=turn_id, revision=revision, number=number, body=body, created_us=created_us, id=id)
