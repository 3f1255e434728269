"""Cases about memories in SQLite, to be run on memories in PostgreSQL."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from recuerda import Storage
from recuerda.recall.postgres import PostgresRecallIndex
from tests.servers.postgres_server import postgres_url, schema_of

FILES = {"path", "index_path", "tmp_path"}
"""Who asks for one of these looks at files."""


@pytest.fixture(autouse=True)
def memories_are_in_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a provider that is given no index have one in PostgreSQL."""
    url, schema, numbers = postgres_url(), schema_of(tmp_path), count()

    def index_beside(storage: Storage) -> PostgresRecallIndex:
        # As in RAM, each index of threads in RAM is another one.
        name = f"{schema}_{next(numbers)}" if storage.kind == "memory" else schema
        return PostgresRecallIndex(url, schema=name)

    monkeypatch.setattr("recuerda.recall.provider.index_beside", index_beside)


def cases(modules: Iterable[ModuleType]) -> dict[str, Any]:
    """Return the tests of modules, except those about files, and the modules' own fixtures.

    Raises:
        ValueError: two modules have one of the same name, of which only one would be run.
    """
    found: dict[str, Any] = {"memories_are_in_postgresql": memories_are_in_postgresql}
    for module in modules:
        own = {name: value for name, value in vars(module).items() if _is_case(name, value) or _is_fixture(value)}
        if twice := found.keys() & own.keys():
            raise ValueError(f"{module.__name__} has what another one has: {sorted(twice)}")
        found.update(own)
    return found


def _is_case(name: str, value: object) -> bool:
    return name.startswith("test_") and callable(value) and FILES.isdisjoint(inspect.signature(value).parameters)


def _is_fixture(value: object) -> bool:
    return type(value).__name__ == "FixtureFunctionDefinition"
