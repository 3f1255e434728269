"""The index of memories in a PostgreSQL database, for when one file is outgrown.

`PostgresRecallIndex` is what there is to use. The tables, and the functions that write and search them in one trip
each, are in `migrations/`. Needs `pip install "recuerda[postgres]"`; with the extension pgvector, the server compares
vectors.
"""

from recuerda.errors import MissingExtraError

try:
    from recuerda.recall.postgres.index import PostgresRecallIndex
except ModuleNotFoundError as error:
    if error.name != "psycopg":
        raise
    raise MissingExtraError(module="recuerda.recall.postgres", extra="postgres") from error

__all__ = ["PostgresRecallIndex"]
