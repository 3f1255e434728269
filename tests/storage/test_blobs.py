"""The bytes of files on every storage that keeps them."""

import pytest

from recuerda.storage.contract import Storage
from recuerda.testing.storage_contract import BlobContract

KEEPING = ["memory", "sqlite"]


@pytest.fixture(params=KEEPING)
def scheme(request: pytest.FixtureRequest) -> str:
    return request.param


class TestBlobs(BlobContract):
    @pytest.fixture
    def another(self, another: Storage) -> Storage:
        return another  # conftest's second handle, instead of the same object
