"""The driver for PostgreSQL that the storage and the index of memories share.

`Database` is the way in: it runs work on a connection of the running event loop, and again after a restart of the
server. `schema.py` creates the tables, `failures.py` translates the server's errors. Needs `psycopg`.
"""
