"""What a storage knows of its threads besides their turns: listing and settings, drafts, deletion and erasure.

All of it is derived from the hooks. Whatever deletes goes thread by thread or cuts between turns, so that breaking
off in the middle leaves whole threads of whole turns, and doing it again finishes the work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import msgspec

from recuerda.errors import EncodeError, InvalidInput
from recuerda.ids import check_id, check_limit
from recuerda.json_value import check_text, to_json_object
from recuerda.storage.hooks import StorageHooks
from recuerda.storage.records import Draft, DraftStep, ThreadChanges, ThreadInfo, ThreadPage, parse_cursor

_MOST = 2**63 - 1
"""The largest limit that every backend takes; there are never as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """A receipt for what was erased, or with `is_dry_run` what would be.

    Attributes:
        user_id: whose threads.
        threads: how many threads.
        turns: how many turns they held.
        messages: how many messages those held.
        is_dry_run: True when nothing was deleted.
    """

    user_id: str
    threads: int
    turns: int
    messages: int
    is_dry_run: bool


class ThreadCatalogue(StorageHooks):
    """The part of `Storage` that is about threads as wholes."""

    # -- listing and settings ------------------------------------------------------------------------------------------

    async def list_threads(
        self, *, user_id: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> ThreadPage:
        """Return a page of threads, the most recently updated first.

        Args:
            user_id: only this user's threads; None for everybody's.
            limit: 1 to 1,000 threads a page.
            cursor: `ThreadPage.cursor` of the page before.

        Raises:
            InvalidInput: for a limit out of range, or a cursor that is none.
        """
        if not 1 <= limit <= 1000:
            raise InvalidInput(f"limit must be from 1 to 1000, not {limit}")
        if user_id is not None:
            check_id(user_id, "user id")
        position = None if cursor is None else parse_cursor(cursor)
        with self._translated("list", None):
            found = await self._list(user_id, limit + 1, position)
        return ThreadPage.cut(found, limit)

    async def threads(self, *, user_id: str | None = None) -> AsyncIterator[ThreadInfo]:
        """Go through all threads (of a user), page by page, the most recently updated first."""
        cursor: str | None = None
        while True:
            page = await self.list_threads(user_id=user_id, limit=200, cursor=cursor)
            for info in page.threads:
                yield info
            if (cursor := page.cursor) is None:
                return

    async def update_thread(
        self,
        thread_id: str,
        *,
        user_id: str | msgspec.UnsetType | None = msgspec.UNSET,
        title: str | msgspec.UnsetType | None = msgspec.UNSET,
        metadata: Mapping[str, object] | msgspec.UnsetType = msgspec.UNSET,
    ) -> ThreadInfo:
        """Change a thread's settings, and make the thread if it does not exist. The conversation stays at its revision.

        Args:
            thread_id: which thread.
            user_id: whose thread it is; None for nobody's.
            title: for people.
            metadata: the application's own JSON object; replaces the one there was.

        Raises:
            EncodeError: when `metadata` is not JSON.
        """
        check_id(thread_id, "thread id")
        if isinstance(user_id, str):
            check_id(user_id, "user id")
        if isinstance(title, str):
            check_text(title, "title")
        changes = ThreadChanges(
            user_id=user_id,
            title=title,
            metadata=msgspec.UNSET if metadata is msgspec.UNSET else to_json_object(metadata, "metadata"),
        )
        with self._translated("update", thread_id):
            return await self._update(thread_id, changes, self.clock())

    # -- drafts --------------------------------------------------------------------------------------------------------

    async def save_draft(self, thread_id: str, step: DraftStep) -> None:
        """Save one step of a running turn, outside of the thread, in one atomic step and one trip.

        A thread has one draft, of one turn. Step 1 begins it, on the thread's revision; a later step has to be the next
        one. Of several that save the same step exactly one succeeds, so whoever saves a step has the turn to itself. A
        step that is saved already with the same body may be saved again, which changes nothing.

        Another turn's draft that was begun on the thread's present revision stays: nobody can begin a turn beside it
        until it is committed or dropped. One of another revision is over, and is replaced.

        The append of any turn to the thread removes its draft in the same atomic step, and so does the replay of the
        turn that the draft is of. An undo, a trim and a summary leave it: then its `revision` is no longer the
        thread's.

        Raises:
            DraftConflict: the step is not the next of the thread's draft: that has the step with another body or
                revision, lacks the one before it, is of another turn (for step 1: on the same revision), or is gone.
            ThreadConflict: step 1 would begin a draft on another revision than the thread's (0 without a thread).
            InvalidInput: an id or the number cannot be used.
            EncodeError: the body is longer than the storage's `max_body_bytes`.
        """
        check_id(thread_id, "thread id")
        check_id(step.turn_id, "turn id")
        check_limit(step.number, "a draft step's number")
        self._check_body(step.body)
        if not step.created_us:
            step = msgspec.structs.replace(step, created_us=self.clock())
        with self._translated("save a draft of", thread_id):
            await self._save_draft(thread_id, step)

    async def load_draft(self, thread_id: str) -> Draft | None:
        """Return the thread's draft, or None, in one trip."""
        check_id(thread_id, "thread id")
        with self._translated("load the draft of", thread_id):
            steps = await self._load_draft(thread_id)
        if not steps:
            return None
        return Draft(turn_id=steps[0].turn_id, revision=steps[0].revision, steps=tuple(steps))

    async def list_drafts(self, limit: int = 100) -> list[str]:
        """Return the ids of threads that have a draft, also of those that have no turn yet.

        This looks at all drafts, and on Redis at all keys: it is for upkeep.

        Args:
            limit: at most so many, at least 1. Asking again gives the same ones in the same order.

        Raises:
            ConfigurationError: the storage cannot list them.
            InvalidInput: the limit is below 1.
        """
        check_limit(limit, "limit")
        with self._translated("list the drafts of", None):
            return await self._list_drafts(min(limit, _MOST))

    async def drop_draft(self, thread_id: str) -> bool:
        """Delete the thread's draft; False when there is none."""
        check_id(thread_id, "thread id")
        with self._translated("drop the draft of", thread_id):
            return await self._drop_draft(thread_id)

    # -- deletion ------------------------------------------------------------------------------------------------------

    async def delete(self, thread_id: str) -> bool:
        """Delete a thread with everything that it holds; False when there is none."""
        check_id(thread_id, "thread id")
        with self._translated("delete", thread_id):
            return await self._delete(thread_id)

    async def erase_user(self, user_id: str, *, dry_run: bool = False) -> Erasure:
        """Delete all of a user's threads, with everything that they hold.

        Breaking off leaves whole threads; doing it again erases the rest.

        Args:
            user_id: whose threads.
            dry_run: only count.
        """
        check_id(user_id, "user id")
        threads = turns = messages = 0
        async for info in self.threads(user_id=user_id):
            if dry_run or await self.delete(info.id):
                threads += 1
                turns += info.turns
                messages += info.messages
        return Erasure(user_id=user_id, threads=threads, turns=turns, messages=messages, is_dry_run=dry_run)

    def _check_body(self, body: bytes) -> None:
        limit = self.max_body_bytes
        if limit is not None and len(body) > limit:
            raise EncodeError("the turn", f"it has {len(body):,} bytes, and this storage keeps at most {limit:,}")
