"""`storage` runs a test on five storages; `another` is a second handle on the same place."""

import pytest

from tests.local_storages import another, storage

__all__ = ["another", "scheme", "storage"]


EVERYWHERE = ("memory", "sqlite", "file", "redis", "postgresql")


@pytest.fixture(params=EVERYWHERE)
def scheme(request: pytest.FixtureRequest) -> str:
    return request.param
