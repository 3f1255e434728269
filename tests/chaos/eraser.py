"""A process that erases a user, trims a thread and undoes turns, and may be killed at any moment.

Run as `python -m tests.chaos.eraser SCHEME ADDRESS INDEX`. Its work can be repeated until it finishes.
"""

from __future__ import annotations

import asyncio
import sys

from recuerda import Storage
from recuerda.recall.provider import RecallProvider
from tests.chaos.places import open_address

ERASED_USER = "ana"
TRIMMED, UNDONE = "trimmed", "undone"
LEFT = 2
"""The number of turns that the trimmed thread and the undone thread have at the end."""


async def erase(storage: Storage, index: str) -> None:
    """Do all of the work. The index of memories follows the storage."""
    provider = RecallProvider(index, storage=storage)
    await provider.stats()
    await storage.erase_user(ERASED_USER)
    await storage.trim(TRIMMED, keep_turns=LEFT)
    while (info := await storage.head(UNDONE)) is not None and info.turns > LEFT:
        await storage.undo(UNDONE)
    await provider.catch_up()
    await provider.close()


async def _main(scheme: str, address: str, index: str) -> None:
    async with open_address(scheme, address) as storage:
        await erase(storage, index)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
