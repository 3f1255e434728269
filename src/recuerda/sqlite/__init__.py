"""Threads in one SQLite file: the embedded default, safe for several processes.

`SQLiteStorage` is what there is to use; `schema.py` has the tables, and the `messages` view for people who like SQL;
`worker.py` the thread in which SQLite runs, where commits that wait together become one.
"""

from recuerda.sqlite.storage import SQLiteStorage

__all__ = ["SQLiteStorage"]
