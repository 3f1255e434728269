"""Opening a SQLite file while another connection holds it, and deleting a file."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from recuerda._drivers.sqlite import COMPANIONS, delete_files, switch_to_wal
from recuerda.recall.sqlite.schema import connect


def _held(path: Path) -> sqlite3.Connection:
    """A connection that reads a file without a write-ahead log, and so keeps others from switching it."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("CREATE TABLE IF NOT EXISTS one (two)")
    connection.execute("BEGIN")
    connection.execute("SELECT * FROM one").fetchall()
    return connection


def test_a_switch_waits_until_the_other_connection_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "one.db"
    with closing(_held(path)) as holder, closing(sqlite3.connect(path, timeout=0)) as connection:
        timer = threading.Timer(0.05, holder.rollback)
        timer.start()
        switch_to_wal(connection, busy_timeout_s=30)
        timer.join()
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_switch_gives_up_at_the_end_of_its_time(tmp_path: Path) -> None:
    path = tmp_path / "one.db"
    with (
        closing(_held(path)),
        closing(sqlite3.connect(path, timeout=0)) as connection,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        switch_to_wal(connection, busy_timeout_s=0.01)


def test_many_connections_make_one_index_at_once(tmp_path: Path) -> None:
    for number in range(20):
        start = threading.Barrier(4)
        with ThreadPoolExecutor(4) as executor:
            opened = [executor.submit(_open_at, start, tmp_path / f"{number}.db") for _ in range(4)]
        assert [one.exception() for one in opened] == [None] * 4


def _open_at(start: threading.Barrier, path: Path) -> None:
    start.wait()
    connect(str(path), busy_timeout_s=30).close()


def test_a_file_is_deleted_with_all_files_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    for suffix in ("", *COMPANIONS, "-other"):
        Path(f"{path}{suffix}").touch()
    delete_files(path)
    delete_files(path)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.db-other"]
