"""What one read of a thread tells Pydantic AI: the conversation's record, and its newest entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec
from pydantic_ai.conversation_store import ConversationRecord

from recuerda.interop.pydantic_ai.entries import Chain, Line, followed, lines_of, record_of
from recuerda.interop.warm_threads import KnownTurns, warm_threads
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import Expected, ThreadInfo
from recuerda.threads.history import StoredTurn
from recuerda.threads.store import ChatMessageStore
from recuerda.window.window import ContextWindow

_SPARE = 8
"""The number of messages that a limited read reads more, because an entry may be several messages."""


class ThreadRead(msgspec.Struct, frozen=True):
    """What one read of a thread has found.

    Attributes:
        thread_id: the thread's id.
        info: the thread; None if it does not exist.
        turns: its newest turns, the oldest first.
        is_whole: True if these are all turns of the thread.
        known: the entries of the turns.
    """

    thread_id: str
    info: ThreadInfo | None
    turns: Sequence[StoredTurn]
    is_whole: bool
    known: KnownTurns[tuple[Line, ...]]

    @property
    def version(self) -> Expected:
        """The version of the thread; 0 if it does not exist."""
        return 0 if self.info is None else self.info.version

    def record(self) -> ConversationRecord | None:
        """Return the conversation's record; None if the thread has no turn."""
        return None if self.info is None or not self.turns else record_of(self.turns[-1], self.info)

    def chain(self, head_id: str, limit: int | None = None) -> Chain | None:
        """Return the newest entries up to one of them; None if the turns do not hold all of them."""
        return followed(self._newest_first(), head_id, limit, is_whole=self.is_whole)

    def _newest_first(self) -> Iterator[Line]:
        for stored in reversed(self.turns):
            yield from reversed(self.known.of(stored))


async def read_record(storage: Storage, thread_id: str) -> ThreadRead:
    """Read the newest turn of a thread."""
    return await _read(storage, thread_id, 1, is_record=True)


async def read_entries(storage: Storage, thread_id: str, limit: int | None) -> ThreadRead:
    """Read turns that hold the newest entries of a thread, if the entries are the newest messages.

    Args:
        storage: the storage of the thread.
        thread_id: the thread's id.
        limit: the number of entries; None for all.
    """
    return await _read(storage, thread_id, None if limit is None else limit + _SPARE)


async def read_chain(
    storage: Storage, thread_id: str, head_id: str, limit: int | None, *, is_near_end: bool = True
) -> Chain | None:
    """Return the newest entries up to one of them; None if the thread does not have them.

    A branch may begin far before the end of the thread, so a limited read takes more and more turns.

    Args:
        storage: the storage of the thread.
        thread_id: the thread's id.
        head_id: the id of the last entry.
        limit: the largest number of entries; None for all.
        is_near_end: False if the newest turns are known not to hold the entries, so that more turns are read at once.
    """
    wider = () if limit is None else (4 * limit + 64,)
    for wanted in (*((limit,) if is_near_end else ()), *wider, None):
        found = await read_entries(storage, thread_id, wanted)
        chain = found.chain(head_id, limit)
        if chain is not None or found.is_whole:
            return chain
    return None


async def _read(storage: Storage, thread_id: str, messages: int | None, *, is_record: bool = False) -> ThreadRead:
    warm = warm_threads(storage)
    store = ChatMessageStore(storage=storage, thread_id=thread_id)
    window = None if messages is None else _window(messages)
    await store.refresh(window, keep_files=1 if is_record else None, warm=warm.histories)
    # Another reader may read on through the same history, so what it holds is taken before the next `await`.
    history = store.history
    turns = [*history.turns_with_files(last=1 if is_record else None)]
    if not is_record:
        history.files.release(history.turns)
    known = warm.known(history, "pydantic-ai.entries", lines_of)
    return ThreadRead(thread_id, history.info, turns, history.start <= history.first, known)


@lru_cache(maxsize=32)
def _window(messages: int) -> ContextWindow:
    return ContextWindow(max_messages=messages)
