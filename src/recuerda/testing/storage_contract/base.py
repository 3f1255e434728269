"""What the parts of the contract share: the two handles, and short ways to write and read turns."""

from __future__ import annotations

import pytest

from recuerda.storage.contract import Storage
from recuerda.storage.records import Appended, NewTurn, ThreadSlice


@pytest.mark.asyncio
class ContractBase:
    """Take `storage` from a subclass, and `another` if it has one."""

    @pytest.fixture
    def another(self, storage: Storage) -> Storage:
        """Give a second handle on the same place; by default the first one itself."""
        return storage


def a_turn(
    body: bytes | str = b"hi", *, id: str | None = None, messages: int = 1, created_us: int | None = None
) -> NewTurn:
    """Return a turn of so many messages; to a storage, its body is any bytes."""
    return NewTurn(
        body=body.encode() if isinstance(body, str) else body, message_count=messages, id=id, created_us=created_us
    )


async def fill(storage: Storage, thread_id: str, *message_counts: int) -> list[Appended]:
    """Append a turn for each count, with the bodies b"1", b"2", … and the ids "t1", "t2", …."""
    return [
        await storage.append(thread_id, a_turn(str(i), id=f"t{i}", messages=count))
        for i, count in enumerate(message_counts, start=1)
    ]


def numbers(found: ThreadSlice) -> list[int]:
    """Return the records' numbers."""
    return [record.number for record in found.records]


async def bodies(storage: Storage, thread_id: str) -> list[bytes]:
    """Return the bodies of all turns of a thread."""
    return [record.body for record in (await storage.read(thread_id)).records]
