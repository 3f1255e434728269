"""Threads in one SQLite file, the default storage on disk, which several processes can use safely.

The package exports `SQLiteStorage`. `schema.py` has the tables, and the view `messages` for people who use SQL.
`threads.py`, `turns.py`, `drafts.py` and `leases.py` have the statements. `worker.py` has the OS thread in which SQLite
runs; it joins waiting commits into one.
"""

from recuerda.sqlite.storage import SQLiteStorage

__all__ = ["SQLiteStorage"]
