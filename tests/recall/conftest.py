from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import clock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def index_path(tmp_path: Path) -> Path:
    return tmp_path / "memory.recall.db"


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[SQLiteStorage]:
    async with SQLiteStorage(path) as storage:
        yield storage


@pytest.fixture
async def elsewhere(storage: SQLiteStorage, path: Path) -> AsyncIterator[SQLiteStorage]:
    """Another process's view of the same threads: it knows nothing of the index."""
    async with SQLiteStorage(path) as elsewhere:
        yield elsewhere


@pytest.fixture
async def recall(storage: SQLiteStorage) -> AsyncIterator[RecallProvider]:
    recall = RecallProvider(storage=storage, user_id="ana", clock=clock)
    yield recall
    await recall.close()
