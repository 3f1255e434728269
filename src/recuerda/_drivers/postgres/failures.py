"""Translation of the server's errors into errors that tell a caller the next step.

Errors are distinguished by their SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html. An error
without a SQLSTATE comes from the connection itself.
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

DRIVER_ERRORS: tuple[type[Exception], ...] = (
    psycopg.Error,
    OSError,
    UnicodeError,  # a host name that cannot be asked for, or a text with a lone surrogate
)

_BUSY = {"40001", "40P01", "53200", "53300", "53400", "55P03", "57014"}
"""A serialization failure, a deadlock, no memory, no free connection, a limit, or a lock or statement that took too
long."""

_CONTENTION = {"40001", "40P01", "23503", "23505"}
"""Rolled back because of another transaction. It deleted a row that this one refers to (23503), or wrote the same key
(23505)."""

_NO_SLOT = re.compile("too many (clients|connections)|connection slots")
"""An error while connecting has no SQLSTATE, only this text."""

_READ_ONLY = "25006"
"""The server is a standby, or the session's transactions are read-only. PostgreSQL refuses the statement unexecuted."""

_NOT_PERMITTED = "42501"
_MISSING = {"3F000", "42P01", "42704", "42883"}
"""No such schema, table, type or function."""

_WITHOUT_STATE = (psycopg.OperationalError, OSError, UnicodeError)
_UNREACHABLE = ("08", "28", "3D", "57P")


def is_contention(error: psycopg.Error) -> bool:
    """Return whether the transaction was rolled back only because of another one. Then a retry is safe and useful."""
    return error.sqlstate in _CONTENTION


def is_cut_off(error: psycopg.Error) -> bool:
    """Return whether the connection ended, so that nobody knows whether the statement was committed."""
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))


def is_read_only(error: BaseException) -> bool:
    """Return whether this connection cannot write. A new connection may lead to a server that can."""
    return isinstance(error, psycopg.Error) and error.sqlstate == _READ_ONLY


def is_missing(error: psycopg.Error) -> bool:
    """Return whether a schema, table, type or function is missing, because somebody dropped it."""
    return error.sqlstate in _MISSING


def translate(error: Exception, subject: str) -> RecuerdaError:
    """Return the error to raise. `subject` begins its text: the action that failed and the place."""
    state = getattr(error, "sqlstate", None) or ""
    reason = _reason(error)
    if state in _BUSY or _NO_SLOT.search(str(error)):
        return StorageBusy(f"{subject} is busy ({reason}); try again")
    if state == "53100":
        return StorageFull(f"{subject} cannot grow because the disk is full; free some space and try again")
    if state == _READ_ONLY:
        return StorageReadOnly(
            f"{subject} is read-only, also over a new connection ({reason}): the server is a standby, or "
            "default_transaction_read_only is on. Give the address of the primary, or several hosts with "
            "target_session_attrs=read-write"
        )
    if state == _NOT_PERMITTED:
        return StorageReadOnly(
            f"{subject} may not be written to ({reason}); connect with a role that may create and use the schema"
        )
    if state in _MISSING:
        return StorageUnavailable(
            f"{subject} no longer has the tables and functions that recuerda created there ({reason}); create a "
            "new object"
        )
    if state.startswith(_UNREACHABLE) or (not state and isinstance(error, _WITHOUT_STATE)):
        return StorageUnavailable(f"{subject} cannot be reached ({reason})")
    return StorageError(f"{subject} failed: {reason}")


def _reason(error: Exception) -> str:
    # The detail of a server's error may quote rows. Its first line quotes none, and never has the password.
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return primary or str(error).partition("\n")[0] or type(error).__name__
