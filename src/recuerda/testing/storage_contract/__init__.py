"""What every storage has to do, as a pytest class to inherit.

    class TestMyStorage(StorageContract):
        @pytest_asyncio.fixture
        async def storage(self, tmp_path):
            async with MyStorage(tmp_path) as storage:
                yield storage

Each test gets an empty storage from the `storage` fixture, and knows nothing of it but `recuerda.Storage`. A storage
that several processes can open also gives `another`, a second handle on the same place:

        @pytest_asyncio.fixture
        async def another(self, storage, tmp_path):
            async with MyStorage(tmp_path) as another:
                yield another

Without it the two are the same object. A storage that can list its drafts, which is optional, inherits
`DraftListContract` as well. Needs `pip install "recuerda[testing]"`.
"""

import pytest

pytest.register_assert_rewrite(
    "recuerda.testing.storage_contract.append",
    "recuerda.testing.storage_contract.cuts",
    "recuerda.testing.storage_contract.drafts",
    "recuerda.testing.storage_contract.ids",
    "recuerda.testing.storage_contract.life",
    "recuerda.testing.storage_contract.model",
    "recuerda.testing.storage_contract.read",
    "recuerda.testing.storage_contract.summaries",
    "recuerda.testing.storage_contract.threads",
)

from recuerda.testing.storage_contract.append import AppendContract  # noqa: E402 - asserts are rewritten at import
from recuerda.testing.storage_contract.cuts import CutContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.drafts import DraftContract, DraftListContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.ids import IdContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.life import LifeContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.model import ModelContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.read import ReadContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.summaries import SummaryContract  # noqa: E402 - as above
from recuerda.testing.storage_contract.threads import ThreadContract  # noqa: E402 - as above

__all__ = ["DraftListContract", "StorageContract"]


class StorageContract(
    AppendContract,
    ReadContract,
    CutContract,
    SummaryContract,
    ThreadContract,
    DraftContract,
    IdContract,
    LifeContract,
    ModelContract,
):
    """Check every promise of `Storage`; see the module for what a subclass provides."""
