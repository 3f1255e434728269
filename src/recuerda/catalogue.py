"""What a storage knows of its threads: listing and settings, deletion, erasure and retention.

All of it is derived from three hooks. Whatever deletes goes thread by thread or cuts between turns, so that breaking
off in the middle leaves whole threads of whole turns, and doing it again finishes the work.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import msgspec

from recuerda.errors import InvalidInput
from recuerda.hooks import StorageHooks
from recuerda.ids import check_id
from recuerda.json_value import check_text, to_json_object
from recuerda.records import ThreadChanges, ThreadInfo, ThreadPage, parse_cursor


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
