"""The fixture `storage` runs a test on every storage of the matrix; `another` is a second handle on the same place."""

import pytest

from recuerda.cosmos import directory as cosmos_directory
from recuerda.file import listing as file_listing
from recuerda.postgres import storage as postgres_storage
from recuerda.redis import listing as redis_listing
from recuerda.sqlite import threads as sqlite_threads
from recuerda.storage import hooks
from tests.local_storages import another, storage
from tests.storage.matrix import STORAGES

__all__ = ["another", "scheme", "storage"]


@pytest.fixture(params=STORAGES)
def scheme(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def small_page(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let walks read 20 threads at once instead of 200 or 2,000, so that 45 threads are enough for three pages."""
    for module in (hooks, postgres_storage, redis_listing, sqlite_threads):
        monkeypatch.setattr(module, "WALK_PAGE", 20)
    monkeypatch.setattr(file_listing, "NAMES_PER_PAGE", 20)
    # Cosmos DB's directory has partitions, and a page has threads of one of them.
    monkeypatch.setattr(cosmos_directory, "WALK_PAGE", 2)
    return 20
