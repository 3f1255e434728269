"""`storage` runs a test on every storage that needs no server; `another` is a second one on the same place."""

from tests.local_storages import another, scheme, storage

__all__ = ["another", "scheme", "storage"]
