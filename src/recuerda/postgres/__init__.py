"""Threads in a PostgreSQL database, for many processes on many machines.

The package exports `PostgresStorage`. `schema.sql` has the tables, the functions that write and read them in one
statement each, and the view `messages` for people who use SQL. Needs `pip install "recuerda[postgres]"`.
"""

from recuerda.errors import MissingExtraError

try:
    from recuerda.postgres.storage import PostgresStorage
except ModuleNotFoundError as _error:
    if _error.name != "psycopg":
        raise
    raise MissingExtraError(module="recuerda.postgres", extra="postgres") from _error

__all__ = ["PostgresStorage"]
