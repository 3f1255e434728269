"""The conformance suite, on every storage that a URL can name."""

from pathlib import Path

import pytest

from recuerda.cosmos import cutting as cosmos_cutting
from recuerda.cosmos import directory as cosmos_directory
from recuerda.file import listing as file_listing
from recuerda.postgres import storage as postgres_storage
from recuerda.redis import listing as redis_listing
from recuerda.sqlite import threads as sqlite_threads
from recuerda.storage import hooks
from recuerda.storage.contract import Storage
from recuerda.storage.records import REMEMBERED
from recuerda.storage.registry import URL_SCHEMES
from recuerda.testing.storage_contract import DraftListContract, LeaseContract, RewriteContract, StorageContract
from tests.storage.matrix import STORAGES


class TestStorage(StorageContract, DraftListContract, LeaseContract, RewriteContract):
    @pytest.fixture
    def another(self, another: Storage) -> Storage:
        return another  # conftest's second handle, instead of the same object

    @pytest.fixture
    def walk_page(self, monkeypatch: pytest.MonkeyPatch) -> int:
        """Let walks read 20 threads at once instead of 200 or 2,000, so that 45 threads are enough for three pages."""
        for module in (hooks, postgres_storage, redis_listing, sqlite_threads):
            monkeypatch.setattr(module, "WALK_PAGE", 20)
        monkeypatch.setattr(file_listing, "NAMES_PER_PAGE", 20)
        # Cosmos DB's directory has partitions, and a page has threads of one of them.
        monkeypatch.setattr(cosmos_directory, "WALK_PAGE", 2)
        return 20

    @pytest.fixture
    def remembered(self, scheme: str, monkeypatch: pytest.MonkeyPatch) -> int:
        """Let Cosmos DB, which writes turn by turn, remember 100 records instead of 1,000."""
        if scheme != "cosmos":
            return REMEMBERED
        monkeypatch.setattr(cosmos_cutting, "REMEMBERED", 100)
        return 100


def test_every_storage_that_a_url_can_name_is_tested() -> None:
    # By class: a second scheme of the same storage, such as one for TLS, needs no second run.
    assert {URL_SCHEMES[scheme] for scheme in STORAGES} == set(URL_SCHEMES.values())


def test_a_storage_names_its_url_scheme(scheme: str, tmp_path: Path) -> None:
    assert STORAGES[scheme](tmp_path).kind == scheme
