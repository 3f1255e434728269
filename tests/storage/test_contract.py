"""The conformance suite, on every storage that a URL can name."""

from pathlib import Path

import pytest

from recuerda.cosmos import cutting as cosmos_cutting
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
    def walk_page(self, small_page: int) -> int:
        return small_page

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
