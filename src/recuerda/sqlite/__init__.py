"""Threads in one SQLite file, the default storage on disk, which several processes can use safely.

The package exports `SQLiteStorage`. `schema.py` has the tables, and the view `messages` for people who use SQL.
`worker.py` has the thread in which SQLite runs; it joins waiting commits into one.
"""

from recuerda.sqlite.storage import SQLiteStorage

__all__ = ["SQLiteStorage"]
