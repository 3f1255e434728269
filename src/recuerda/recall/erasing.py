"""The part of an index in the erasure of threads and users, for programs that keep an index without a provider."""

from __future__ import annotations

from collections.abc import Sequence

from recuerda.recall.checking import CheckedIndex


class IndexFollower:
    """Tells an index which threads and which users are erased.

    Args:
        name: the name of the index in the receipt of an erasure.
        index: the index and its storage.
    """

    def __init__(self, name: str, index: CheckedIndex) -> None:
        self.name = name
        self._index = index

    async def forget(self, thread_ids: Sequence[str], *, user_id: str | None) -> int:
        """Delete the messages of these threads and of the user; return the number of items."""
        return await self._index.erase(thread_ids, user_id)
