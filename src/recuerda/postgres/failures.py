"""What the server's errors mean to a caller.

By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html. An error without one comes from the
connection itself.
"""

from __future__ import annotations

import re

import psycopg

from recuerda.errors import (
    RecuerdaError,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageReadOnly,
    StorageUnavailable,
)

_BUSY = {"40001", "40P01", "53200", "53300", "53400", "55P03", "57014"}
"""Serialization, deadlock, no memory, no connection left, a limit, a lock or a statement that waited too long."""

_CONTENTION = {"40001", "40P01", "23505"}
"""Rolled back because of somebody else: 23505 is a record that another connection wrote under the same id meanwhile."""

_NO_SLOT = re.compile("too many (clients|connections)|connection slots")
"""While connecting there is no SQLSTATE to tell."""

_READ_ONLY = {"25006", "42501"}
_GONE = {"3D000", "3F000", "42P01", "42883"}
_UNREACHABLE = ("08", "28", "57P")


def is_contention(error: psycopg.Error) -> bool:
    """Say whether the transaction was rolled back only because of another one: trying again is safe and of use."""
    return error.sqlstate in _CONTENTION


def is_cut_off(error: psycopg.Error) -> bool:
    """Say whether the connection ended, so that nobody knows whether the statement was committed."""
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


def translate(error: Exception, start: str, place: str) -> RecuerdaError:
    """Return the error to raise. `start` says what could not be done, `place` where."""
    state = getattr(error, "sqlstate", None) or ""
    if state in _BUSY or _NO_SLOT.search(str(error)):
        return StorageBusy(f"{start}: {place} is busy ({_reason(error)}); try again")
    if state == "53100":
        return StorageFull(f"{start}: {place} cannot grow, the disk is full; free some space and try again")
    if state in _READ_ONLY:
        return StorageReadOnly(
            f"{start}: {place} may not be written to ({_reason(error)}); connect to the primary, with a role that may "
            "use the schema"
        )
    if state in _GONE:
        return StorageUnavailable(f"{start}: {place} does not have what this storage made ({_reason(error)})")
    if state.startswith(_UNREACHABLE) or (not state and isinstance(error, psycopg.OperationalError)):
        return StorageUnavailable(f"{start}: {place} cannot be reached ({_reason(error)})")
    return StorageError(f"{start}: {place}: {_reason(error)}")


def _reason(error: Exception) -> str:
    # The detail of a server's error may quote rows; its first line does not, and never has the password.
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return primary or str(error).partition("\n")[0] or type(error).__name__
