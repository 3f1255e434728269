"""The parts that the contract's test classes share: the two handles, and short functions to write and read turns."""

from __future__ import annotations

import pytest

from recuerda.storage.contract import Storage
from recuerda.storage.hooks import WALK_PAGE
from recuerda.storage.operations import Appended, ThreadSlice
from recuerda.storage.records import REMEMBERED, NewTurn
from recuerda.storage.thread_info import Version


@pytest.mark.asyncio
class ContractBase:
    """The base of the test classes, which take the fixture `storage` from a subclass."""

    @pytest.fixture
    def another(self, storage: Storage) -> Storage:
        """Return a second handle on the same data; by default the first handle itself."""
        return storage

    @pytest.fixture
    def walk_page(self) -> int:
        """Return the number of threads that a walk reads at once. The tests of walks make more than twice as many."""
        return WALK_PAGE

    @pytest.fixture
    def remembered(self) -> int:
        """Return the number of the newest records whose ids a thread remembers."""
        return REMEMBERED


OTHER_LIFE = Version("of another life", 2, "t2")
"""The version of a thread that is not there."""


def a_turn(
    body: bytes | str = b"hi", *, id: str | None = None, messages: int = 1, created_us: int | None = None
) -> NewTurn:
    """Return a turn that counts as `messages` messages. Its body is arbitrary, because a storage does not read it."""
    return NewTurn(
        body=body.encode() if isinstance(body, str) else body, message_count=messages, id=id, created_us=created_us
    )


async def fill(storage: Storage, thread_id: str, *message_counts: int) -> list[Appended]:
    """Append one turn for each message count, with the bodies b"1", b"2", … and the ids "t1", "t2", …."""
    return [
        await storage.append(thread_id, a_turn(str(i), id=f"t{i}", messages=count))
        for i, count in enumerate(message_counts, start=1)
    ]


def numbers(found: ThreadSlice) -> list[int]:
    """Return the numbers of the records."""
    return [record.number for record in found.records]


async def bodies(storage: Storage, thread_id: str) -> list[bytes]:
    """Return the bodies of all turns of a thread."""
    return [record.body for record in (await storage.read(thread_id)).records]
