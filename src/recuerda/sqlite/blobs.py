"""The bytes of files that turns name, such as pictures.

`turn_blobs` says which turns name which blob, and `blobs` has the bytes. They are apart so that a read of turns never
passes the bytes, and a deletion finds the last use of a blob in an index. The row of a thread says whether it has any
blobs. For a thread without blobs, only `write` may be called, because a file without blobs does not have the tables. A
fork shares the bytes of its parent, if both threads have the same user.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from recuerda.sqlite.schema import HAS_BLOBS, NUMBER_BITS, make_part, mark
from recuerda.storage.records import Blob, TurnRecord

_HELD = "SELECT blob_key FROM turn_blobs WHERE position >> 32 = ? AND digest = ? LIMIT 1"
_HELD_BY_PARENT = (
    "SELECT blob_key FROM threads AS fork JOIN threads AS parent"
    " ON parent.id = fork.parent ->> 'thread_id' AND parent.user_id IS fork.user_id"
    " AND parent.incarnation = fork.parent ->> 'incarnation'"
    " JOIN turn_blobs ON position >> 32 = parent.key AND digest = ? WHERE fork.key = ? LIMIT 1"
)
_USES = "SELECT position & 4294967295, digest FROM turn_blobs WHERE position BETWEEN ? AND ? ORDER BY position, place"
_UNUSED = (
    "DELETE FROM blobs WHERE key IN (SELECT blob_key FROM turn_blobs WHERE position BETWEEN :low AND :high)"
    " AND NOT EXISTS (SELECT 1 FROM turn_blobs WHERE blob_key = key AND position NOT BETWEEN :low AND :high)"
)
_KEYS = "SELECT DISTINCT blob_key FROM turn_blobs WHERE position >> 32 = :key AND digest IN (:old, :new)"
_DOUBLE = (
    "DELETE FROM turn_blobs AS one WHERE position >> 32 = :key AND digest = :old AND :old <> :new"
    " AND EXISTS (SELECT 1 FROM turn_blobs AS other WHERE other.position = one.position AND other.digest = :new)"
)
_REPLACE = (
    "UPDATE turn_blobs SET digest = :new, blob_key = :blob WHERE position >> 32 = :key AND digest IN (:old, :new)"
)
_RELEASE = "DELETE FROM turn_blobs WHERE position = ? AND digest = ? RETURNING blob_key"
_DELETE_UNUSED = "DELETE FROM blobs WHERE key = ? AND NOT EXISTS (SELECT 1 FROM turn_blobs WHERE blob_key = key)"


def write(db: sqlite3.Cursor, key: int, number: int, blobs: Sequence[Blob], *, is_first: bool) -> None:
    """Note that a turn names these blobs, and write the bytes that the thread does not hold yet.

    Args:
        db: the connection's cursor.
        key: the thread's key.
        number: the number of the turn.
        blobs: the blobs.
        is_first: True if no turn of the thread has named a blob before.
    """
    if is_first:
        make_part(db, "blobs")
        mark(db, key, HAS_BLOBS)
    for place, blob in enumerate(blobs):
        held: tuple[int] | None = (
            db.execute(_HELD, (key, blob.digest)).fetchone()
            or db.execute(_HELD_BY_PARENT, (blob.digest, key)).fetchone()
        )
        blob_key = held[0] if held else db.execute("INSERT INTO blobs (data) VALUES (?)", (blob.data,)).lastrowid
        db.execute(
            "INSERT INTO turn_blobs (position, place, digest, blob_key) VALUES (?, ?, ?, ?)",
            (key << NUMBER_BITS | number, place, blob.digest, blob_key),
        )


def remove(db: sqlite3.Connection, low: int, high: int) -> None:
    """Forget which blobs the turns in a range of positions name, and delete the blobs that no other turn names."""
    db.execute(_UNUSED, {"low": low, "high": high})
    db.execute("DELETE FROM turn_blobs WHERE position BETWEEN ? AND ?", (low, high))


def release(db: sqlite3.Connection, position: int, digests: Iterable[str]) -> None:
    """Forget that a turn names some blobs, and delete the blobs that no other turn names."""
    for digest in digests:
        row = db.execute(_RELEASE, (position, digest)).fetchone()
        if row is not None:
            db.execute(_DELETE_UNUSED, row)


def named(db: sqlite3.Connection, base: int, records: Sequence[TurnRecord]) -> list[TurnRecord]:
    """Return records of a thread with the digests of the blobs that they name."""
    numbers = [record.number for record in records]
    digests: dict[int, tuple[str, ...]] = {}
    for number, digest in db.execute(_USES, (base + min(numbers, default=1), base + max(numbers, default=0))):
        digests[number] = (*digests.get(number, ()), digest)
    change = msgspec.structs.replace
    return [change(record, blobs=digests[record.number]) if record.number in digests else record for record in records]


def read(db: sqlite3.Connection, key: int, digests: Iterable[str]) -> Mapping[str, bytes]:
    """Return the bytes of a thread's blobs by their digests. A digest that the thread does not hold is left out."""
    found: dict[str, bytes] = {}
    for digest in digests:
        row = db.execute(_HELD, (key, digest)).fetchone()
        if row is not None:
            # A value in a row of a result would be copied once more, and the copy costs as much as the reading.
            with db.blobopen("blobs", "data", row[0], readonly=True) as file:
                found[digest] = file.read()
    return found


def replace(db: sqlite3.Connection, key: int, digest: str, blob: Blob) -> bool:
    """Put a blob in the place of a thread's blob with a digest. Return False if the thread does not hold the digest."""
    if db.execute(_HELD, (key, digest)).fetchone() is None:
        return False
    values: dict[str, str | int] = {"key": key, "old": digest, "new": blob.digest}
    values["blob"] = db.execute("INSERT INTO blobs (data) VALUES (?)", (blob.data,)).lastrowid or 0
    replaced = db.execute(_KEYS, values).fetchall()
    db.execute(_DOUBLE, values)
    db.execute(_REPLACE, values)
    db.executemany(_DELETE_UNUSED, replaced)
    return True
