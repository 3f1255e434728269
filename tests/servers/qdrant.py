"""Qdrant in a folder, as the open-source Mem0 uses it: no server, and one fault."""

from __future__ import annotations

import sqlite3

THREADS_MAY_SHARE = 3
"""The level of `sqlite3.threadsafety` at which threads may share a connection."""


def open_no_stray_connection() -> None:
    """Tell Qdrant's client what it would ask SQLite in a connection that it never closes.

    Python 3.13 warns of such a connection when the garbage collector finds it, in whatever test runs then.
    """
    from qdrant_client.local.persistence import CollectionPersistence

    CollectionPersistence.CHECK_SAME_THREAD = sqlite3.threadsafety != THREADS_MAY_SHARE
