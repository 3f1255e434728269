"""The index of memories in one SQLite file, which is the default."""

from recuerda.recall.sqlite.index import SQLiteRecallIndex

__all__ = ["SQLiteRecallIndex"]
