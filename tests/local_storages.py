"""`storage` runs a test on every storage that needs no server; `another` is a second handle on the same place.

A folder of tests that names other schemes overrides `scheme`, as `tests/storage` does.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recuerda import Storage
from tests.conversation import LOCAL
from tests.storage.matrix import IN_ONE_PROCESS, STORAGES


@pytest.fixture(params=LOCAL)
def scheme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def storage(scheme: str, tmp_path: Path) -> AsyncIterator[Storage]:
    async with STORAGES[scheme](tmp_path) as storage:
        yield storage


@pytest.fixture
async def another(scheme: str, storage: Storage, tmp_path: Path) -> AsyncIterator[Storage]:
    if scheme in IN_ONE_PROCESS:
        yield storage
        return
    async with STORAGES[scheme](tmp_path) as another:
        yield another
