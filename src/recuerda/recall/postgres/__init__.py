"""The index of memories in a PostgreSQL database, for programs that outgrow a single file.

The package exports `PostgresRecallIndex`. `schema.sql` has the tables, and the functions that write and search them in
one trip each. Needs `pip install "recuerda[postgres]"`.
"""

from recuerda.errors import MissingExtraError

try:
    from recuerda.recall.postgres.index import PostgresRecallIndex
except ModuleNotFoundError as _error:
    if _error.name != "psycopg":
        raise
    raise MissingExtraError(module="recuerda.recall.postgres", extra="postgres") from _error

__all__ = ["PostgresRecallIndex"]
