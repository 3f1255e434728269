"""What the server's errors mean to a caller.

By SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html. An error without one comes from the
connection itself.
"""

from __future__ import annotations

import re

import psycopg

from recuerda.errors import (
    InvalidInput,
    RecuerdaError,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageReadOnly,
    StorageUnavailable,
)

_BUSY = {"40001", "40P01", "53200", "53300", "53400", "55P03", "57014"}
"""Serialization, deadlock, no memory, no connection left, a limit, a lock or a statement that waited too long."""

_CONTENTION = {"40001", "40P01", "23503", "23505"}
"""Rolled back because of somebody else, who took away or wrote meanwhile what this wanted to refer to or to write."""

_NO_SLOT = re.compile("too many (clients|connections)|connection slots")
"""While connecting there is no SQLSTATE to tell."""

_READ_ONLY = {"25006", "42501"}
_GONE = {"3F000", "42P01", "42704", "42883", "RC001"}
"""No such schema, table, type or function: of the index, or of pgvector. The last is that of `recall_apply`, when the
memories have become those of another version."""

_UNREACHABLE = ("08", "28", "57P", "3D")


def is_contention(error: psycopg.Error) -> bool:
    """Say whether the transaction was rolled back only because of another one: trying again is safe and of use."""
    return error.sqlstate in _CONTENTION


def is_cut_off(error: psycopg.Error) -> bool:
    """Say whether the connection ended, so that nobody knows whether the statement was committed."""
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


def is_gone(error: psycopg.Error) -> bool:
    """Say whether somebody dropped or emptied tables, or dropped pgvector: it has to be looked at anew."""
    return error.sqlstate in _GONE


def translate(error: psycopg.Error, place: str) -> RecuerdaError:
    """Return the error to raise; `place` is where the index is."""
    state, reason = error.sqlstate or "", _reason(error)
    if state in _BUSY or _NO_SLOT.search(str(error)):
        return StorageBusy(f"the index of memories in {place} is busy ({reason}); try again")
    if state == "53100":
        return StorageFull(
            f"the index of memories in {place} cannot grow, the disk is full; free some space and try again"
        )
    if state in _READ_ONLY:
        return StorageReadOnly(
            f"the index of memories in {place} may not be written to ({reason}); connect to the primary, with a role "
            "that may create and use the schema"
        )
    if state in _GONE:
        return StorageUnavailable(f"the index of memories in {place} does not have what was made there ({reason})")
    if state.startswith(_UNREACHABLE) or (not state and isinstance(error, psycopg.OperationalError)):
        return StorageUnavailable(f"the index of memories in {place} cannot be reached ({reason})")
    if not state and isinstance(error, psycopg.DataError):
        return InvalidInput(f"the index of memories in {place} cannot keep a text with a NUL character")
    return StorageError(f"the index of memories in {place} failed: {reason}")


def _reason(error: psycopg.Error) -> str:
    # The detail of a server's error may quote rows; its first line does not, and never has the password.
    return error.diag.message_primary or str(error).partition("\n")[0] or type(error).__name__
