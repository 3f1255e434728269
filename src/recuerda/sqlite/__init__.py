"""Threads in one SQLite file: the embedded default, safe for several processes.

The package exports `SQLiteStorage`. `schema.py` has the tables, and the `messages` view for people who like SQL.
`worker.py` has the thread in which SQLite runs; it turns commits that wait together into one.
"""

from recuerda.sqlite.storage import SQLiteStorage

__all__ = ["SQLiteStorage"]
