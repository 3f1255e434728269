"""Erasure of memories: the storage of the threads tells which threads are deleted and which user is erased."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from recuerda.errors import ProviderError, StorageUnavailable
from recuerda.providers.deferred import Deferred
from recuerda.redis import faults
from recuerda.redis.search.engine import Engine
from recuerda.redis.search.maintenance import delete_matching
from recuerda.redis.search.schema import Shape
from recuerda.redis.search.scope import MemoryScope, tag, tag_filter

THREADS_AT_ONCE = 100


class MemoryFollower:
    """Deletes the memories of deleted threads and of erased users from an index, whoever the provider's user is.

    So one provider in use is enough: a user whose own provider is not in use is forgotten too. Memories of other
    applications and agents than the provider's stay.

    Args:
        name: the provider's name, for receipts.
        engine: the engine that has the index.
        shape: the index.
        scope: the provider's scope.
        learning: the turns that are still being learned.
    """

    def __init__(self, *, name: str, engine: Engine, shape: Shape, scope: MemoryScope, learning: Deferred) -> None:
        self.name = name
        self._engine = engine
        self._shape = shape
        self._scope = msgspec.structs.replace(scope, user=None, partition=None)
        self._learning = learning

    async def forget(self, thread_ids: Sequence[str], *, user_id: str | None) -> int:
        """Delete the memories of these threads and of the user, and return their number.

        Raises:
            StorageUnavailable: the server cannot be reached, or the provider has been closed.
            ProviderError: the server refused.
        """
        if self._engine.is_closed:
            raise StorageUnavailable(
                f"{self.name} has been closed; make a new provider and call its forget(thread=…) or forget(user=…)"
            )
        await self._learning.finish()
        try:
            queries = self._queries(thread_ids, user_id)
            return sum([await delete_matching(self._engine, self._shape, query) for query in queries])
        except ProviderError as error:
            if isinstance(error.__cause__, Exception) and faults.is_unreachable(error.__cause__):
                raise StorageUnavailable(str(error)) from error
            raise

    def _queries(self, thread_ids: Sequence[str], user_id: str | None) -> Iterator[str]:
        for start in range(0, len(thread_ids), THREADS_AT_ONCE):
            tags = "|".join(map(tag, thread_ids[start : start + THREADS_AT_ONCE]))
            yield f"{self._scope.filter} @thread:{{{tags}}}".strip()
        if user_id is not None:
            yield f"{self._scope.filter} {tag_filter('user', user_id)}".strip()
