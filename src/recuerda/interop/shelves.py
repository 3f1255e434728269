"""Shelves on a storage: what is new is read, items are put and deleted, and outdated records go."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager

from recuerda.errors import ThreadConflict
from recuerda.interop.shelf import Contents, Shelf, encode_contents
from recuerda.storage.contract import Storage
from recuerda.storage.operations import Appended
from recuerda.storage.records import NewTurn

_MAX_TRIES = 16


class Shelves:
    """Read and change shelves.

    Args:
        storage: the storage of their threads.
        user_id: the user to whom they belong; None for no user.
    """

    def __init__(self, storage: Storage, *, user_id: str | None = None) -> None:
        self._storage = storage
        self._user_id = user_id

    async def read(self, shelf: Shelf) -> Shelf:
        """Return a shelf after a read of its new records."""
        async with self._lock(shelf):
            await self._refresh(shelf)
            return shelf

    async def append(self, shelf: Shelf, contents: Contents, *, title: str) -> None:
        """Put contents into a shelf, in one atomic step.

        Args:
            shelf: the shelf.
            contents: what is new.
            title: the title of the thread if this makes it.
        """
        turn = NewTurn(body=encode_contents(contents), message_count=1)
        async with self._lock(shelf):
            appended = await self._append(shelf, turn, title=title)
            if appended.created or not shelf.put(appended, contents):
                await self._refresh(shelf)
            if shelf.is_outdated():
                await self._renew(shelf)

    async def delete(self, shelf: Shelf, wanted: Callable[[Shelf], Collection[str]]) -> int:
        """Delete items so that nothing of them is left, and return their number. An empty shelf is deleted.

        Args:
            shelf: the shelf.
            wanted: returns the keys of the items, from the shelf as it is now. It is asked again if another writer was
                faster.

        Raises:
            ThreadConflict: other writers were faster many times.
        """
        for tries_left in reversed(range(_MAX_TRIES)):
            await self.read(shelf)
            keys = {key for key in wanted(shelf) if key in shelf.items}
            bodies = shelf.without(keys)
            try:
                if shelf.info is not None and shelf.is_empty_without(keys):
                    await self._storage.delete(shelf.thread_id, expected=shelf.version, user_id=self._user_id)
                elif bodies:
                    await self._storage.rewrite(shelf.thread_id, bodies, expected=shelf.version, user_id=self._user_id)
            except ThreadConflict:
                if not tries_left:
                    raise
            else:
                return len(keys)
        return 0

    async def _append(self, shelf: Shelf, turn: NewTurn, *, title: str | None, is_checked: bool = False) -> Appended:
        expected = shelf.version if is_checked else None
        return await self._storage.append(shelf.thread_id, turn, expected=expected, user_id=self._user_id, title=title)

    async def _renew(self, shelf: Shelf) -> None:
        """Write what counts anew, and trim the rest. If another writer is faster, both versions stay."""
        parts = shelf.renewed(self._storage.clock())
        try:
            for part in parts:
                turn = NewTurn(body=encode_contents(part), message_count=1)
                if not shelf.put(await self._append(shelf, turn, title=None, is_checked=True), part):
                    return
            await self._storage.trim(
                shelf.thread_id, keep_turns=len(parts), expected=shelf.version, user_id=self._user_id
            )
        except ThreadConflict:
            return

    async def _refresh(self, shelf: Shelf) -> None:
        shelf.take(await self._storage.read(shelf.thread_id, after=shelf.version, user_id=self._user_id))

    def _lock(self, shelf: Shelf) -> AbstractAsyncContextManager[object]:
        return self._storage.run_lock(f"shelf:{shelf.thread_id}")
