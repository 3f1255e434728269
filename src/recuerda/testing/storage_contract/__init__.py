"""The tests that every storage must pass, as a pytest class to inherit.

    class TestMyStorage(StorageContract):
        @pytest_asyncio.fixture
        async def storage(self, tmp_path):
            async with MyStorage(tmp_path) as storage:
                yield storage

Each test gets an empty storage from the `storage` fixture, and uses it only through `recuerda.Storage`. For a storage
that several processes can open, also define `another`, a second handle on the same data:

        @pytest_asyncio.fixture
        async def another(self, storage, tmp_path):
            async with MyStorage(tmp_path) as another:
                yield another

Without this fixture, both handles are the same object. Four abilities are optional. For a storage that can list its
drafts, also inherit `DraftListContract`; for one that keeps blobs, `BlobContract`; for one that has leases,
`LeaseContract`; for one that can replace bodies, `RewriteContract`. The tests need `pip install "recuerda[testing]"`.
"""

import pytest

pytest.register_assert_rewrite(
    "recuerda.testing.storage_contract.append",
    "recuerda.testing.storage_contract.branches",
    "recuerda.testing.storage_contract.blobs",
    "recuerda.testing.storage_contract.cuts",
    "recuerda.testing.storage_contract.drafts",
    "recuerda.testing.storage_contract.finding",
    "recuerda.testing.storage_contract.ids",
    "recuerda.testing.storage_contract.life",
    "recuerda.testing.storage_contract.model",
    "recuerda.testing.storage_contract.owners",
    "recuerda.testing.storage_contract.read",
    "recuerda.testing.storage_contract.replacing",
    "recuerda.testing.storage_contract.summaries",
    "recuerda.testing.storage_contract.threads",
    "recuerda.testing.storage_contract.versions",
)

from recuerda.testing.storage_contract.append import AppendContract  # noqa: E402 - asserts are rewritten at import
from recuerda.testing.storage_contract.blobs import BlobContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.branches import BranchContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.cuts import CutContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.drafts import DraftContract, DraftListContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.finding import FindContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.ids import IdContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.life import LifeContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.model import ModelContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.owners import LeaseContract, OwnerContract, RewriteContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.read import ReadContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.replacing import ReplaceContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.summaries import SummaryContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.threads import ThreadContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.versions import VersionContract  # noqa: E402 - as above

__all__ = ["BlobContract", "DraftListContract", "LeaseContract", "RewriteContract", "StorageContract"]


class StorageContract(
    AppendContract,
    ReadContract,
    CutContract,
    ReplaceContract,
    SummaryContract,
    ThreadContract,
    FindContract,
    DraftContract,
    IdContract,
    LifeContract,
    ModelContract,
    VersionContract,
    OwnerContract,
    BranchContract,
):
    """Tests for every promise of `Storage`. A subclass defines the fixture `storage` and, if possible, `another`.

    See `recuerda.testing.storage_contract` for an example.
    """
