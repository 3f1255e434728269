"""A policy for how long turns are kept. An application applies it to a whole storage at regular intervals.

The policy deletes only whole turns and checks each deletion against the thread's revision, so it can run while the
storage is in use. After an interruption, the next call continues the work. A thread without any turn left keeps its id
and settings, because deleting it could also delete a turn that arrives at that moment.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from recuerda.errors import DraftConflict, InvalidInput, ThreadConflict, ThreadNotFound
from recuerda.ids import check_limit
from recuerda.storage.contract import Storage
from recuerda.storage.records import from_microseconds
from recuerda.storage.thread_info import ThreadInfo

__all__ = ["Retained", "RetentionPolicy"]


class Retained(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt for the turns that a policy deleted.

    Attributes:
        threads: the number of threads that the policy examined.
        trimmed: the number of threads that lost turns.
        turns: the number of deleted turns.
        drafts: the number of deleted drafts, which are interrupted turns.
        postponed: the number of threads that another writer changed at the same moment. They are left for the next
            call.
    """

    threads: int
    trimmed: int
    turns: int
    drafts: int
    postponed: int


class RetentionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A rule for how long turns are kept. `apply` deletes the turns that it does not keep.

    Attributes:
        keep_days: delete turns that are older than this number of days, and interrupted turns whose last step is
            older; None for no limit.
        keep_turns: keep at most this number of a thread's newest turns; None for no limit.

    Raises:
        InvalidInput: both limits are None, or a limit is not above 0.
    """

    keep_days: float | None = None
    keep_turns: int | None = None

    def __post_init__(self) -> None:
        if self.keep_days is None and self.keep_turns is None:
            raise InvalidInput("a retention policy needs a limit: give keep_days, keep_turns or both")
        if self.keep_days is not None and not self.keep_days > 0:
            raise InvalidInput(f"keep_days must be above 0, or None for no limit; it is {self.keep_days!r}")
        if self.keep_turns is not None:
            check_limit(self.keep_turns, "keep_turns")

    async def apply(self, storage: Storage, *, user_id: str | None = None) -> Retained:
        """Delete the turns that the policy does not keep, thread by thread, and return a receipt.

        Args:
            storage: the storage that holds the threads.
            user_id: only this user's threads are examined; None for all threads.
        """
        threads = trimmed = turns = drafts = postponed = 0
        async for info in storage.threads(user_id=user_id):
            threads += 1
            try:
                gone = await self._trim(storage, info)
                drafts += await self._drop_draft(storage, info.id)
            except ThreadConflict:
                postponed += 1
                continue
            except ThreadNotFound:
                continue
            trimmed += gone > 0
            turns += gone
        return Retained(threads=threads, trimmed=trimmed, turns=turns, drafts=drafts, postponed=postponed)

    async def _trim(self, storage: Storage, info: ThreadInfo) -> int:
        gone = 0
        if self.keep_days is not None and info.turns:
            gone += await storage.trim(info.id, before=self._oldest(storage, self.keep_days))
        if self.keep_turns is not None and info.turns - gone > self.keep_turns:
            gone += await storage.trim(info.id, keep_turns=self.keep_turns)
        return gone

    async def _drop_draft(self, storage: Storage, thread_id: str) -> bool:
        """Drop the interrupted turn of a thread if its last step is too old. It may hold the words of years ago."""
        if self.keep_days is None or (draft := await storage.load_draft(thread_id)) is None:
            return False
        if from_microseconds(draft.steps[-1].created_us) >= self._oldest(storage, self.keep_days):
            return False
        with suppress(DraftConflict):  # a process goes on with the turn now
            return await storage.drop_draft(thread_id, turn_id=draft.turn_id, last_step=draft.steps[-1].id)
        return False

    @staticmethod
    def _oldest(storage: Storage, keep_days: float) -> datetime:
        return from_microseconds(storage.clock()) - timedelta(days=keep_days)
