"""How long turns are kept: a policy that is applied to a whole storage, again and again.

It cuts between turns only, and checks each cut against the thread's revision, so it can run beside everything else.
Breaking off leaves whole threads; the next time goes on. A thread of which no turn is left stays with its id and
settings: deleting it could take a turn along that came in this moment.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from recuerda.errors import InvalidInput, ThreadConflict, ThreadNotFound
from recuerda.ids import check_limit
from recuerda.storage.contract import Storage
from recuerda.storage.records import ThreadInfo, from_microseconds


class Retained(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt for what a policy deleted.

    Attributes:
        threads: how many threads were looked at.
        trimmed: how many of them lost turns.
        turns: how many turns went.
        postponed: how many threads were changed by others in this moment, and wait for the next time.
    """

    threads: int
    trimmed: int
    turns: int
    postponed: int


class RetentionPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Say how long turns are kept.

    Attributes:
        keep_days: delete turns that are older; None for no limit.
        keep_turns: keep at most so many of a thread's newest turns; None for no limit.
    """

    keep_days: float | None = None
    keep_turns: int | None = None

    def __post_init__(self) -> None:
        if self.keep_days is None and self.keep_turns is None:
            raise InvalidInput("a retention policy needs keep_days, keep_turns, or both")
        if self.keep_days is not None and not self.keep_days > 0:
            raise InvalidInput(f"keep_days must be more than 0, or None for no limit; not {self.keep_days!r}")
        if self.keep_turns is not None:
            check_limit(self.keep_turns, "keep_turns")

    async def apply(self, storage: Storage, *, user_id: str | None = None) -> Retained:
        """Delete what is no longer to be kept, thread by thread.

        Args:
            storage: whose threads.
            user_id: only this user's.
        """
        threads = trimmed = turns = postponed = 0
        async for info in storage.threads(user_id=user_id):
            threads += 1
            try:
                gone = await self._trim(storage, info)
            except ThreadConflict:
                postponed += 1
                continue
            except ThreadNotFound:
                continue
            trimmed += gone > 0
            turns += gone
        return Retained(threads=threads, trimmed=trimmed, turns=turns, postponed=postponed)

    async def _trim(self, storage: Storage, info: ThreadInfo) -> int:
        gone = 0
        if self.keep_days is not None and info.turns:
            oldest = from_microseconds(storage.clock()) - timedelta(days=self.keep_days)
            gone += await storage.trim(info.id, before=oldest)
        if self.keep_turns is not None and info.turns - gone > self.keep_turns:
            gone += await storage.trim(info.id, keep_turns=self.keep_turns)
        return gone
