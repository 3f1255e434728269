"""One user's view of a storage: every operation is checked against the user, so that no caller can forget it."""

from __future__ import annotations

from collections.abc import Sequence
from types import CoroutineType
from typing import Any
from weakref import WeakSet

import msgspec
from msgspec import structs

from recuerda.errors import RecuerdaError, ThreadOwnershipError
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftInfo, DraftStep
from recuerda.storage.erasure import Follower
from recuerda.storage.hooks import StorageHooks
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.operations import (
    NO_GUARD,
    Appended,
    Guard,
    NewBodies,
    NewRecord,
    ReadQuery,
    ThreadChanges,
    ThreadSlice,
)
from recuerda.storage.records import Blob
from recuerda.storage.rules import check_user
from recuerda.storage.run_lock import RunLock
from recuerda.storage.thread_filter import ListedThreads, ThreadFilter
from recuerda.storage.thread_info import ThreadInfo

MOST_LEASES = 1_000
"""The number of the storage's leases among which those of the user's threads are looked for."""


class UserStorage(Storage):
    """Show one user's threads of another storage; see `Storage.for_user`.

    Args:
        storage: the storage with the threads of all users. Closing the view leaves it open.
        user_id: the user.
    """

    def __init__(self, storage: Storage, user_id: str) -> None:
        # Each handle of a user makes a view, so a view shares the storage's locks and followers.
        StorageHooks.__init__(self, clock=storage.clock)
        self._locks = storage._locks
        self.kind: str = storage.kind  # pyright: ignore[reportIncompatibleVariableOverride]  # varies by instance
        self.driver_errors: tuple[type[Exception], ...] = storage.driver_errors  # pyright: ignore[reportIncompatibleVariableOverride]  # as above
        self.max_body_bytes: int | None = storage.max_body_bytes  # pyright: ignore[reportIncompatibleVariableOverride]  # as above
        self.max_blob_bytes: int | None = storage.max_blob_bytes  # pyright: ignore[reportIncompatibleVariableOverride]  # as above
        self.write_patience_s: float | None = storage.write_patience_s
        self.followers: WeakSet[Follower] = storage.followers
        self.user_id: str = user_id
        self.storage: Storage = storage
        self._only_mine = Guard(user_id=user_id)

    def __repr__(self) -> str:
        return f"{self.storage!r}.for_user({self.user_id!r})"

    def for_user(self, user_id: str) -> Storage:
        """Return this view, if it is the same user's.

        Raises:
            ThreadOwnershipError: the view is another user's.
        """
        if user_id != self.user_id:
            raise ThreadOwnershipError("this is another user's view of the storage; make a view of the storage itself")
        return self

    def run_lock(self, thread_id: str) -> RunLock:
        """Return the storage's own lock, so that runs through different views queue too."""
        return self.storage.run_lock(thread_id)

    def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> CoroutineType[Any, Any, Appended]:
        # Another coroutine would cost as much as the check.
        return self.storage._append(thread_id, record, self._mine(thread_id, guard))

    async def _append_all(self, thread_id: str, records: Sequence[NewRecord], guard: Guard) -> list[Appended]:
        return await self.storage._append_all(thread_id, records, self._mine(thread_id, guard))

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        found = await self.storage._read(thread_id, query)
        check_user(thread_id, self._only_mine, found.info.user_id if found.info else None)
        return found

    async def _heads(self, thread_ids: Sequence[str]) -> dict[str, ThreadInfo]:
        found = await self.storage._heads(thread_ids)
        for thread_id, info in found.items():
            check_user(thread_id, self._only_mine, info.user_id)
        return found

    async def _list(self, wanted: ThreadFilter, limit: int, position: tuple[int, str] | None) -> ListedThreads:
        mine = structs.replace(wanted, user_id=self._listed(wanted.user_id))
        return await self.storage._list(mine, limit, position)

    async def _walk(self, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
        return await self.storage._walk(self._listed(user_id), position)

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        if changes.user_id not in (msgspec.UNSET, self.user_id):
            raise ThreadOwnershipError(
                f"thread {thread_id!r} cannot be given to another user through a user's view; use the storage itself"
            )
        return await self.storage._update(thread_id, changes, now_us, self._mine(thread_id, guard))

    async def _delete(self, thread_id: str, guard: Guard) -> bool:
        return await self.storage._delete(thread_id, self._mine(thread_id, guard))

    async def _save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
        return await self.storage._save_draft(thread_id, step, self._mine(thread_id, guard))

    async def _load_draft(self, thread_id: str, guard: Guard) -> list[DraftStep]:
        return await self.storage._load_draft(thread_id, self._mine(thread_id, guard))

    async def _drop_draft(self, thread_id: str, turn_id: str | None, guard: Guard) -> bool:
        return await self.storage._drop_draft(thread_id, turn_id, self._mine(thread_id, guard))

    async def _list_drafts(self, limit: int, user_id: str | None, position: tuple[int, str] | None) -> list[DraftInfo]:
        return await self.storage._list_drafts(limit, self._listed(user_id), position)

    async def _rewrite(self, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
        return await self.storage._rewrite(thread_id, change, now_us, self._mine(thread_id, guard))

    async def _replace_blob(self, thread_id: str, digest: str, blob: Blob, guard: Guard) -> bool:
        return await self.storage._replace_blob(thread_id, digest, blob, self._mine(thread_id, guard))

    async def _lease(self, thread_id: str, holder: str, ttl_us: int, guard: Guard) -> bool:
        return await self.storage._lease(thread_id, holder, ttl_us, self._mine(thread_id, guard))

    async def _release(self, thread_id: str, holder: str) -> None:
        # Only a holder can release a lease, and its id is a secret of its own.
        await self.storage._release(thread_id, holder)

    async def _list_leases(self, limit: int) -> list[LeaseInfo]:
        found = await self.storage._list_leases(MOST_LEASES)
        infos = await self.storage._heads([lease.thread_id for lease in found])
        mine = {thread_id for thread_id, info in infos.items() if info.user_id == self.user_id}
        return [lease for lease in found if lease.thread_id in mine][:limit]

    async def _clean_up(self) -> None:
        await self.storage._clean_up()

    async def _close(self) -> None:
        """Close nothing, because the storage belongs to others."""

    def _translate(self, error: Exception, action: str) -> RecuerdaError:
        return self.storage._translate(error, action)

    def _mine(self, thread_id: str, guard: Guard) -> Guard:
        if guard is NO_GUARD:
            return self._only_mine
        check_user(thread_id, guard, self.user_id)
        return structs.replace(guard, user_id=self.user_id)

    def _listed(self, user_id: str | None) -> str:
        if user_id not in (None, self.user_id):
            raise ThreadOwnershipError("the threads of another user cannot be listed through a user's view")
        return self.user_id
