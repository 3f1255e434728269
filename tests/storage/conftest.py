"""The fixture `storage` runs a test on every storage of the matrix; `another` is a second handle on the same place."""

import pytest

from tests.local_storages import another, storage
from tests.storage.matrix import STORAGES

__all__ = ["another", "scheme", "storage"]


@pytest.fixture(params=STORAGES)
def scheme(request: pytest.FixtureRequest) -> str:
    return request.param
