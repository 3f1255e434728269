"""The index of memories in one SQLite file, the embedded default."""

from recuerda.recall.sqlite.index import SQLiteRecallIndex

__all__ = ["SQLiteRecallIndex"]
