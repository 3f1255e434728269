"""What holds for memories in SQLite holds for those in PostgreSQL: the same cases, on the other index.

Taken over is every case that talks of memories and not of the files that SQLite keeps them in.
"""

import inspect
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recuerda import Storage
from recuerda.recall.postgres import PostgresRecallIndex
from tests.recall import (
    test_chats,
    test_following,
    test_forgetting,
    test_meaning,
    test_provider,
    test_scopes,
    test_search,
)
from tests.servers.postgres_server import postgres_url, schema_of

FILES = {"path", "index_path", "tmp_path"}
"""Who asks for one of these looks at files."""


@pytest.fixture(autouse=True)
def memories_are_in_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, schema, numbers = postgres_url(), schema_of(tmp_path), count()

    def index_beside(storage: Storage) -> PostgresRecallIndex:
        # As in RAM, each index of threads in RAM is another one.
        name = f"{schema}_{next(numbers)}" if storage.kind == "memory" else schema
        return PostgresRecallIndex(url, schema=name)

    monkeypatch.setattr("recuerda.recall.provider.index_beside", index_beside)


def cases(module: ModuleType) -> dict[str, Any]:
    """Return the tests of a module, except those about files, and its own fixtures."""
    return {name: value for name, value in vars(module).items() if is_case(name, value) or is_fixture(value)}


def is_case(name: str, value: object) -> bool:
    return name.startswith("test_") and callable(value) and FILES.isdisjoint(inspect.signature(value).parameters)


def is_fixture(value: object) -> bool:
    return type(value).__name__ == "FixtureFunctionDefinition"


for _module in (test_chats, test_following, test_forgetting, test_meaning, test_provider, test_scopes, test_search):
    globals().update(cases(_module))
