"""`storage` runs a test on every storage that needs no server; `deed` is a tool that counts what it did."""

import pytest

from tests.local_storages import scheme, storage
from tests.resume.conversations import Deed

__all__ = ["deed", "scheme", "storage"]


@pytest.fixture
def deed() -> Deed:
    return Deed()
