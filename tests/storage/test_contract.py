"""The conformance suite, on every storage that a URL can name."""

from pathlib import Path

import pytest

from recuerda.storage.contract import Storage
from recuerda.storage.registry import URL_SCHEMES
from recuerda.testing.storage_contract import DraftListContract, LeaseContract, RewriteContract, StorageContract
from tests.storage.matrix import STORAGES


class TestStorage(StorageContract, DraftListContract, LeaseContract, RewriteContract):
    @pytest.fixture
    def another(self, another: Storage) -> Storage:
        return another  # conftest's second handle, instead of the same object


def test_every_storage_that_a_url_can_name_is_tested() -> None:
    # By class: a second scheme of the same storage, such as one for TLS, needs no second run.
    assert {URL_SCHEMES[scheme] for scheme in STORAGES} == set(URL_SCHEMES.values())


def test_a_storage_names_its_url_scheme(scheme: str, tmp_path: Path) -> None:
    assert STORAGES[scheme](tmp_path).kind == scheme
