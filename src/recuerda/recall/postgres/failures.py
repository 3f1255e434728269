"""The errors of the server that mean something else for memories, or that memories recover from."""

from __future__ import annotations

import psycopg

from recuerda._drivers.postgres import failures
from recuerda.errors import InvalidInput, RecuerdaError

_OTHER_SHAPE = "RC001"
"""Raised by `recall_apply` when the memories were made anew in another shape."""


def is_gone(error: psycopg.Error) -> bool:
    """Say whether tables or pgvector were dropped, or tables made anew: the state of the database is unknown."""
    return failures.is_missing(error) or error.sqlstate == _OTHER_SHAPE


def translate(error: psycopg.Error, place: str) -> RecuerdaError:
    """Return the error to raise; `place` is where the index is."""
    if not error.sqlstate and isinstance(error, psycopg.DataError):
        return InvalidInput(f"the index of memories in {place} cannot keep a text with a NUL character; remove it")
    return failures.translate(error, f"the index of memories in {place}")
