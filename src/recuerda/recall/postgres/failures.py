"""Errors of the server that have another meaning for memories, or from which memories recover."""

from __future__ import annotations

import psycopg

from recuerda._drivers.postgres import failures
from recuerda.errors import InvalidInput, RecuerdaError

_OTHER_SHAPE = "RC001"
"""Raised by `recall_apply` when the tables of memories were created again in another shape."""


def is_gone(error: psycopg.Error) -> bool:
    """Return whether tables were dropped or created again, so that the state of the database is unknown."""
    return failures.is_missing(error) or error.sqlstate == _OTHER_SHAPE


def translate(error: Exception, place: str) -> RecuerdaError:
    """Return the error to raise; `place` names the database of the index."""
    if isinstance(error, psycopg.DataError) and not error.sqlstate:
        return InvalidInput(f"the index of memories in {place} cannot keep a text with a NUL character; remove it")
    return failures.translate(error, f"the index of memories in {place}")
