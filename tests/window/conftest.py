"""The storages of the tests about threads."""

from tests.thread.conftest import another, scheme, storage

__all__ = ["another", "scheme", "storage"]
