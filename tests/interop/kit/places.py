"""Where the stores of the tests are."""

from pathlib import Path

from recuerda.sqlite import SQLiteStorage
from recuerda.storage import Storage


def open_at(place: Path) -> Storage:
    return SQLiteStorage(place / "threads.db")
