"""The storages under test: how each is opened, kept in a snapshot, put back, and searched for bytes."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import closing, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar, cast

import psycopg
from psycopg import sql
from redis import Redis

from recuerda import Storage
from recuerda.cosmos import CosmosStorage
from recuerda.file import FileStorage
from recuerda.file.names import BLOBS_SUFFIX
from recuerda.postgres import PostgresStorage
from recuerda.redis import RedisStorage
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.contract import Clock, system_clock
from recuerda.storage.ram import MemoryStorage
from tests.servers.cosmos_server import cosmos_url
from tests.servers.postgres_server import postgres_url, schema_of
from tests.servers.redis_server import RedisServer


class Place(ABC):
    """A storage that can be opened several times, in a folder of its own.

    Args:
        folder: an empty folder for everything that the round writes.
    """

    scheme: ClassVar[str]
    """The storage's name in `PLACES`."""

    can_go_back: ClassVar[bool] = True
    """True if snapshots can be taken and put back."""

    goes_back_at_once: ClassVar[bool] = True
    """True if `put_back` is one step for everybody, so that operations may be under way."""

    can_be_searched: ClassVar[bool] = True
    """True if `find` and `matches` work."""

    can_be_counted: ClassVar[bool] = True
    """True if `count_blobs` works."""

    is_shared: ClassVar[bool] = True
    """True if another process can open the same threads."""

    can_be_served: ClassVar[bool] = False
    """True if several processes of `recuerda serve` may share the storage, and `url` works."""

    has_outages: ClassVar[bool] = False
    """True if the storage cannot be reached for a moment while it is put back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def open(self, clock: Clock = system_clock) -> Storage:
        """Return a new handle on the threads."""

    def address(self) -> str:
        """Return an argument from which another process can open the same threads with `open_address`."""
        return str(self.folder)

    def url(self) -> str:
        """Return the URL with which a command opens the same threads."""
        raise NotImplementedError

    def keep(self) -> None:
        """Take a snapshot, which replaces the snapshot before."""
        raise NotImplementedError

    def put_back(self) -> None:
        """Put the storage back to the snapshot, under the open handles."""
        raise NotImplementedError

    def find(self, words: bytes) -> list[str]:
        """Return the places in which these bytes are stored."""
        raise NotImplementedError

    def matches(self, pattern: bytes) -> set[bytes]:
        """Return all stored bytes that match an extended regular expression."""
        raise NotImplementedError

    def count_blobs(self) -> int:
        """Return the number of stored blobs: each blob of each thread, and blobs that no thread has."""
        raise NotImplementedError

    def cut(self) -> bool:
        """Cut the connections of all handles. Return False if the storage has no connections."""
        return False

    def close(self) -> None:
        """Remove everything that is not in the folder, such as a server."""
        return


class _SharedMemory(MemoryStorage):
    """Stay open when one of several users closes it."""

    async def _close(self) -> None: ...


class MemoryPlace(Place):
    """Threads in this process."""

    scheme = "memory"
    can_be_searched = False
    is_shared = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._storage: MemoryStorage = _SharedMemory()
        self._kept = deepcopy(self._storage._logs)  # pyright: ignore[reportPrivateUsage]  # no other way to go back

    def open(self, clock: Clock = system_clock) -> Storage:
        self._storage.clock = clock
        return self._storage

    def keep(self) -> None:
        self._kept = deepcopy(self._storage._logs)  # pyright: ignore[reportPrivateUsage]  # as above

    def put_back(self) -> None:
        self._storage._logs = deepcopy(self._kept)  # pyright: ignore[reportPrivateUsage]  # as above

    def count_blobs(self) -> int:
        return sum(len(log.blobs) for log in self._storage._logs.values())  # pyright: ignore[reportPrivateUsage]  # as above


class SQLitePlace(Place):
    """One file; SQLite's own backup takes the snapshot and puts it back into the file that is in use."""

    scheme = "sqlite"
    can_be_served = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._path = folder / "threads.db"

    def open(self, clock: Clock = system_clock) -> Storage:
        return SQLiteStorage(self._path, clock=clock)

    def url(self) -> str:
        return f"sqlite:///{self._path}"

    def keep(self) -> None:
        _copy_database(self._path, self.folder / "kept.db")

    def put_back(self) -> None:
        _copy_database(self.folder / "kept.db", self._path)

    def find(self, words: bytes) -> list[str]:
        return files_with(words, self.folder.glob("threads*"))

    def matches(self, pattern: bytes) -> set[bytes]:
        return matches_in(pattern, self.folder.glob("threads*"))

    def count_blobs(self) -> int:
        held = "(SELECT count(*) FROM (SELECT DISTINCT position >> 32, digest FROM turn_blobs))"
        lost = "(SELECT count(*) FROM blobs WHERE key NOT IN (SELECT blob_key FROM turn_blobs))"
        with closing(sqlite3.connect(self._path, timeout=20)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'blobs'").fetchone():
                return 0  # no turn has named a blob
            return db.execute(f"SELECT {held} + {lost}").fetchone()[0]


class FilePlace(Place):
    """A folder; a snapshot is a copy, and each file is put back by a rename.

    Whoever puts files back does not take the locks of their writers. A writer that is about to replace a file would put
    its own copy over it, so no operation may be under way.
    """

    scheme = "file"
    can_be_served = True
    goes_back_at_once = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._path = folder / "threads"

    def open(self, clock: Clock = system_clock) -> Storage:
        return FileStorage(self._path, clock=clock)

    def url(self) -> str:
        return f"file://{self._path}"

    def keep(self) -> None:
        shutil.rmtree(self.folder / "kept", ignore_errors=True)
        for path in _files(self._path):
            copy = self.folder / "kept" / path.relative_to(self._path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # A file that a writer is about to rename.
                shutil.copy2(path, copy)

    def put_back(self) -> None:
        kept = self.folder / "kept"
        for path in _files(self._path):
            if not (kept / path.relative_to(self._path)).exists():
                path.unlink(missing_ok=True)
        for path in _files(kept):
            there = self._path / path.relative_to(kept)
            there.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.folder / "fresh"
            shutil.copy2(path, fresh)
            fresh.replace(there)

    def find(self, words: bytes) -> list[str]:
        return files_with(words, _files(self._path))

    def matches(self, pattern: bytes) -> set[bytes]:
        return matches_in(pattern, _files(self._path))

    def count_blobs(self) -> int:
        return sum(path.parent.name.endswith(BLOBS_SUFFIX) for path in _files(self._path))


class RedisPlace(Place):
    """A server of its own: it saves its data, is killed, and starts again from them."""

    scheme = "redis"
    can_be_served = True
    has_outages = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        # Without compression, words can be searched for in the dumps.
        self._server = RedisServer("--rdbcompression", "no", "--save", "3600 1")

    def open(self, clock: Clock = system_clock) -> Storage:
        return RedisStorage(self._server.url, clock=clock)

    def url(self) -> str:
        return self._server.url

    def address(self) -> str:
        return self._server.url

    def keep(self) -> None:
        self._server.command("SAVE")

    def put_back(self) -> None:
        self._server.kill()
        self._server.start()

    def find(self, words: bytes) -> list[str]:
        with closing(cast("Any", Redis).from_url(self._server.url)) as client:
            found = [key for key in client.scan_iter() if words in key or words in (client.dump(key) or b"")]
        self._server.command("SAVE")
        return [f"the key {key!r}" for key in found] + files_with(words, [self._dump])

    def matches(self, pattern: bytes) -> set[bytes]:
        with closing(cast("Any", Redis).from_url(self._server.url)) as client:
            values = b"".join(key + (client.dump(key) or b"") for key in client.scan_iter())
        self._server.command("SAVE")
        return {*re.findall(pattern, values), *matches_in(pattern, [self._dump])}

    def count_blobs(self) -> int:
        with closing(cast("Any", Redis).from_url(self._server.url)) as client:
            hashes = list(client.scan_iter(_type="hash"))
            return sum(name.startswith(b"b:") for key in hashes for name in client.hkeys(key))

    def cut(self) -> bool:
        self._server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        return True

    @property
    def _dump(self) -> Path:
        return self._server.folder / "dump.rdb"

    def close(self) -> None:
        self._server.stop()


class PostgresPlace(Place):
    """A schema; a snapshot is a copy of its tables in another schema."""

    scheme = "postgresql"
    can_be_served = True

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._url = postgres_url()
        self._schema = schema_of(folder)
        self._kept = f"{self._schema}_kept"

    def open(self, clock: Clock = system_clock) -> Storage:
        named = f"{self._url}{'&' if '?' in self._url else '?'}application_name={self._schema}"
        return PostgresStorage(named, schema=self._schema, clock=clock)

    def url(self) -> str:
        return f"{self._url}{'&' if '?' in self._url else '?'}schema={self._schema}"

    def keep(self) -> None:
        with psycopg.connect(self._url) as db:
            db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            db.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(self._kept)))
            db.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._kept)))
            for name, live in self._tables(db):
                db.execute(sql.SQL("CREATE TABLE {} AS TABLE {}").format(sql.Identifier(self._kept, name), live))

    def put_back(self) -> None:
        with psycopg.connect(self._url) as db:
            db.execute("SET session_replication_role = replica")
            tables = self._tables(db)
            db.execute(sql.SQL("LOCK TABLE {}").format(sql.SQL(", ").join(live for _, live in tables)))
            for name, live in tables:
                kept = sql.Identifier(self._kept, name)
                db.execute(sql.SQL("DELETE FROM {}").format(live))
                db.execute(sql.SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE TABLE {}").format(live, kept))

    def find(self, words: bytes) -> list[str]:
        with psycopg.connect(self._url) as db:
            return [f"the table {name}" for name, live in self._tables(db) if words in _copied_out(db, live)]

    def matches(self, pattern: bytes) -> set[bytes]:
        with psycopg.connect(self._url) as db:
            return {found for _, live in self._tables(db) for found in re.findall(pattern, _copied_out(db, live))}

    def count_blobs(self) -> int:
        with psycopg.connect(self._url) as db:
            rows = db.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(self._schema, "blobs")))
            return rows.fetchall()[0][0]

    def cut(self) -> bool:
        query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        with psycopg.connect(self._url) as db:
            db.execute(query, [self._schema])
        return True

    def close(self) -> None:
        with psycopg.connect(self._url) as db:
            for schema in (self._schema, self._kept):
                db.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))

    def _tables(self, db: psycopg.Connection) -> list[tuple[str, sql.Identifier]]:
        """Return the names of the tables, the one of the threads first, because writers lock it first."""
        query = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename <> 'threads', tablename"
        names = [name for (name,) in db.execute(query, [self._schema])]
        return [(name, sql.Identifier(self._schema, name)) for name in names]


class CosmosPlace(Place):
    """A container of an emulator."""

    scheme = "cosmos"
    can_go_back = False
    can_be_searched = False
    can_be_counted = False

    def open(self, clock: Clock = system_clock) -> Storage:
        storage = CosmosStorage(cosmos_url(self.folder))
        storage.clock = clock
        return storage


PLACES: dict[str, type[Place]] = {
    place.scheme: place for place in (MemoryPlace, SQLitePlace, FilePlace, RedisPlace, PostgresPlace, CosmosPlace)
}


def open_address(scheme: str, address: str) -> Storage:
    """Return a handle on the threads of a place of another process."""
    if scheme == "redis":
        return RedisStorage(address)
    return PLACES[scheme](Path(address)).open()


def _copy_database(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source, timeout=20)) as one, closing(sqlite3.connect(target, timeout=20)) as two:
        one.backup(two)


def _files(folder: Path) -> list[Path]:
    return [Path(where) / name for where, _, names in os.walk(folder) for name in names]


def files_with(words: bytes, paths: Iterable[Path]) -> list[str]:
    """Return the files in which these bytes are.

    Another process looks: when a process closes a file that SQLite has open in it, its locks on that file are gone.
    https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    """
    there = [path for path in paths if path.exists()]
    if not there:
        return []
    found = subprocess.run(["grep", "-laF", "-e", words, "--", *there], check=False, capture_output=True)
    return [f"the file {Path(line).name}" for line in found.stdout.decode().splitlines()]


def matches_in(pattern: bytes, paths: Iterable[Path]) -> set[bytes]:
    """Return all bytes in files that match an extended regular expression. Another process looks, as above."""
    there = [path for path in paths if path.exists()]
    if not there:
        return set()
    found = subprocess.run(["grep", "-aohE", "-e", pattern, "--", *there], check=False, capture_output=True)
    return set(found.stdout.splitlines())


def _copied_out(db: psycopg.Connection, table: sql.Identifier) -> bytes:
    with db.cursor().copy(sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(table)) as rows:
        return b"".join(bytes(chunk) for chunk in rows)
