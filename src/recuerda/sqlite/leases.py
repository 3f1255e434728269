"""Leases, with times from the machine's monotonic clock.

All processes of a machine share this clock, it never goes back while the machine runs, and a change of the wall clock
does not move it. It starts anew when the machine starts. Therefore a lease that was taken later than now is older than
the machine's last start, and void.
"""

from __future__ import annotations

import sqlite3
import time

from recuerda.sqlite.schema import has_part, make_part
from recuerda.sqlite.threads import find
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.operations import Guard


def take(thread_id: str, holder: str, ttl_us: int, guard: Guard, db: sqlite3.Connection) -> bool:
    """Do `Storage._lease`: take a lease that is free, has ended or is void, or extend the holder's own lease."""
    find(thread_id, guard, db)
    make_part(db, "leases")
    now_us = time.monotonic_ns() // 1000
    done = db.execute(
        "INSERT INTO leases (thread_id, holder, taken_us, until_us) VALUES (:thread, :holder, :now, :until)"
        " ON CONFLICT (thread_id) DO UPDATE SET holder = :holder, taken_us = :now, until_us = :until"
        " WHERE holder = :holder OR until_us <= :now OR taken_us > :now",
        {"thread": thread_id, "holder": holder, "now": now_us, "until": now_us + ttl_us},
    )
    return done.rowcount > 0


def release(thread_id: str, holder: str, db: sqlite3.Connection) -> None:
    """Do `Storage._release`."""
    if has_part(db, "leases"):
        db.execute("DELETE FROM leases WHERE thread_id = ? AND holder = ?", (thread_id, holder))


def list_held(limit: int, db: sqlite3.Connection) -> list[LeaseInfo]:
    """Do `Storage._list_leases`."""
    if not has_part(db, "leases"):
        return []
    now_us = time.monotonic_ns() // 1000
    rows = db.execute(
        "SELECT thread_id, until_us - :now FROM leases WHERE until_us > :now AND taken_us <= :now LIMIT :limit",
        {"now": now_us, "limit": limit},
    )
    return [LeaseInfo(thread_id=thread_id, left_us=left_us) for thread_id, left_us in rows]
