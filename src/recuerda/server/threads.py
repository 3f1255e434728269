"""The service's access to the threads of a storage: a request sees its own tenant's threads and reads only new turns.

The newest turns of recently used threads stay in memory (`History`), so that a request in a long conversation reads
only the turns that were added since. Deleting an item rewrites its turn without a new revision. So every change except
a new turn gives the thread a new stamp, and a thread with a changed stamp is read again from the start.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import msgspec

from recuerda.errors import ConfigurationError, ThreadNotFound
from recuerda.ids import new_id
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import Turn
from recuerda.server.faults import locked
from recuerda.server.names import Tenancy
from recuerda.storage.contract import Storage
from recuerda.storage.records import NewTurn, ThreadInfo, ThreadSlice
from recuerda.threads.history import History, StoredTurn, stored_turn, title_of
from recuerda.threads.warm import read_on

METADATA = "conversation"
"""The key in a thread's metadata under which the client's own metadata is kept."""

STAMP = "stamp"
"""The key in a thread's metadata that gets a new value with every change except a new turn."""

_WHOLE_THREADS = 16


class View(msgspec.Struct, frozen=True):
    """A thread as one request sees it.

    Attributes:
        info: the thread's data; None when the thread does not exist or belongs to another tenant.
        turns: all turns, or the newest turns that are enough for the window.
        found: the turn that was asked for by its id; None when the thread does not have it.
    """

    info: ThreadInfo | None
    turns: Sequence[StoredTurn] = ()
    found: StoredTurn | None = None

    @property
    def revision(self) -> int:
        """The thread's revision, which an append has to expect."""
        return 0 if self.info is None else self.info.revision


class Threads:
    """The threads of one storage.

    Args:
        storage: the storage of the threads.
        last_messages: the number of a thread's newest messages that the window may need; None for all.
        max_warm: the number of threads whose newest messages are kept in memory.
        queue_s: the seconds to wait for a thread that another request is using.
    """

    def __init__(self, storage: Storage, *, last_messages: int | None, max_warm: int, queue_s: float) -> None:
        self.storage = storage
        self._last_messages = last_messages
        self._queue_s = queue_s
        self._newest: _Warm = _Warm(max_warm)
        self._whole: _Warm = _Warm(_WHOLE_THREADS)

    # -- reading -------------------------------------------------------------------------------------------------------

    async def newest(self, tenancy: Tenancy, name: str, *, turn_id: str | None = None) -> View:
        """Return a thread's newest turns, and the turn of a given id, in one trip to the storage."""
        return await self._read(self._newest, tenancy, name, self._last_messages, turn_id)

    async def whole(self, tenancy: Tenancy, name: str) -> View:
        """Return a thread with all its turns."""
        return await self._read(self._whole, tenancy, name, None, None)

    async def tail(self, tenancy: Tenancy, name: str, *, items: int) -> View:
        """Return a thread's newest turns: enough turns to hold `items` items, or all turns if they hold fewer items."""
        wanted = items
        while True:
            view = await self._look(tenancy, name, last_messages=wanted)
            held = sum(len(turn.messages) for turn in view.turns)
            if view.info is None or held >= items or len(view.turns) >= view.info.turns:
                return view
            wanted *= 4

    async def turn(self, tenancy: Tenancy, name: str, turn_id: str) -> View:
        """Return a thread with the turn of a given id and no other turn."""
        return await self._look(tenancy, name, last_turns=0, turn_id=turn_id)

    async def head(self, tenancy: Tenancy, name: str) -> ThreadInfo | None:
        """Return a thread's data; None when the thread does not exist or belongs to another tenant."""
        return (await self._look(tenancy, name, last_turns=0)).info

    async def _look(self, tenancy: Tenancy, name: str, **query: Any) -> View:
        thread_id = tenancy.thread_id(name)
        return _view(tenancy, await self.storage.read(thread_id, **query), thread_id)

    async def _read(self, warm: _Warm, tenancy: Tenancy, name: str, limit: int | None, turn_id: str | None) -> View:
        thread_id = tenancy.thread_id(name)

        def check(info: ThreadInfo | None) -> None:
            if info is None or info.user_id != tenancy.tenant:
                raise ThreadNotFound(thread_id)

        try:
            history, found = await read_on(
                self.storage,
                lambda: warm.get(thread_id),
                last_messages=limit,
                turn_id=turn_id,
                check=check,
                is_current=lambda held, found: _stamp(held) == _stamp(found),
            )
        except ThreadNotFound:
            warm.forget(thread_id)
            return View(None)
        warm.keep(thread_id, history)
        committed = None if found.found is None else stored_turn(found.found, thread_id)
        return View(found.info, tuple(history.turns), committed)

    # -- writing -------------------------------------------------------------------------------------------------------

    async def set_metadata(
        self, tenancy: Tenancy, name: str, metadata: dict[str, str], *, known: ThreadInfo | None = None
    ) -> ThreadInfo:
        """Set the client's metadata of a thread. A thread that does not exist is created."""
        kept = {**(known.metadata if known else {}), METADATA: metadata, STAMP: new_id()}
        info = await self.storage.update_thread(tenancy.thread_id(name), user_id=tenancy.tenant, metadata=kept)
        self.forget(tenancy, name)
        return info

    async def append(
        self, tenancy: Tenancy, name: str, turn: Turn, *, turn_id: str, expected: int | None
    ) -> tuple[StoredTurn, bool]:
        """Append a turn in one atomic step. Return the stored turn, and whether the thread had it before.

        Raises:
            ThreadConflict: the thread's revision is not `expected`.
        """
        thread_id = tenancy.thread_id(name)
        new = NewTurn(body=encode_turn(turn), message_count=max(1, len(turn.messages)), id=turn_id)
        appended = await self.storage.append(
            thread_id, new, expected=expected, user_id=tenancy.tenant, title=None if expected else title_of(turn)
        )
        if not appended.replayed:
            for warm in (self._newest, self._whole):
                warm.get(thread_id).committed(appended.record, turn)
        return stored_turn(appended.record, thread_id), appended.replayed

    async def fork(self, tenancy: Tenancy, name: str, *, through: int, into: str, turn: Turn, turn_id: str) -> None:
        """Create a new thread from another thread's turns up to the number `through`, followed by one new turn.

        The other thread stays unchanged. A repeated call completes an interrupted copy and adds no turn twice.
        """
        found = await self.storage.read(tenancy.thread_id(name))
        copied = [record.as_new_turn() for record in found.records if record.number <= through]
        new = NewTurn(body=encode_turn(turn), message_count=max(1, len(turn.messages)), id=turn_id)
        await self.storage.append_all(
            tenancy.thread_id(into),
            [*copied, new],
            user_id=tenancy.tenant,
            title=found.info.title if found.info else None,
        )

    async def rewrite(self, tenancy: Tenancy, name: str, turn_id: str, change: Callable[[Turn], Turn | None]) -> bool:
        """Replace a turn by the turn that `change` returns for it.

        Return False, and change nothing, if the thread does not have the turn or `change` returns None.
        """
        thread_id = tenancy.thread_id(name)
        async with self._editing(thread_id):
            view = await self.turn(tenancy, name, turn_id)
            changed = None if view.found is None else change(view.found.turn)
            if view.found is None or view.info is None or changed is None:
                return False
            await self.storage.rewrite(thread_id, {view.found.number: encode_turn(changed)})
            # The title is the start of a message, and must not outlive it.
            is_titled = view.info.title is not None and title_of(view.found.turn) == view.info.title
            title = title_of(changed) if is_titled else msgspec.UNSET
            await self.storage.update_thread(thread_id, title=title, metadata={**view.info.metadata, STAMP: new_id()})
        self.forget(tenancy, name)
        return True

    async def delete(self, tenancy: Tenancy, name: str) -> None:
        """Delete a thread with all its turns."""
        await self.storage.delete(tenancy.thread_id(name))
        self.forget(tenancy, name)

    async def undo(self, tenancy: Tenancy, name: str, *, expected: int) -> None:
        """Remove the last turn for good."""
        await self.storage.undo(tenancy.thread_id(name), expected=expected)

    def forget(self, tenancy: Tenancy, name: str) -> None:
        """Drop the turns of a thread that are kept in memory."""
        for warm in (self._newest, self._whole):
            warm.forget(tenancy.thread_id(name))

    # -- queues --------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def alone(self, tenancy: Tenancy, name: str) -> AsyncGenerator[None]:
        """Keep other requests of this process away from a thread while the block runs.

        Raises:
            ApiFault: another request used the thread for longer than `queue_s` seconds.
        """
        lock = self.storage.run_lock(tenancy.thread_id(name))
        try:
            async with asyncio.timeout(self._queue_s):
                await lock.acquire()
        except TimeoutError:
            raise locked() from None
        try:
            yield
        finally:
            lock.release()

    def is_busy(self, tenancy: Tenancy, name: str) -> bool:
        """Return whether a request of this process is using a thread."""
        return self.storage.run_lock(tenancy.thread_id(name)).locked()

    @asynccontextmanager
    async def _editing(self, thread_id: str) -> AsyncGenerator[None]:
        """Let only one process at a time rewrite turns of a thread, if the storage has leases."""
        lock = self.storage.run_lock(f"{thread_id}/editing")
        async with lock:
            lease = self.storage.lease(thread_id)
            try:
                await lease.__aenter__()
            except ConfigurationError:
                yield
                return
            try:
                yield
            finally:
                await lease.__aexit__(None, None, None)


class _Warm:
    """The histories of the threads that were used last.

    Args:
        limit: the largest number of histories to keep.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[str, History] = OrderedDict()

    def get(self, thread_id: str) -> History:
        """Return the history of a thread; an empty one if none is kept."""
        history = self._held.get(thread_id)
        if history is None:
            return History(thread_id)
        self._held.move_to_end(thread_id)
        return history

    def keep(self, thread_id: str, history: History) -> None:
        """Keep a thread's history. If there are too many histories, drop the least recently used one."""
        self._held[thread_id] = history
        self._held.move_to_end(thread_id)
        while len(self._held) > self._limit:
            self._held.popitem(last=False)

    def forget(self, thread_id: str) -> None:
        """Drop the history of a thread."""
        self._held.pop(thread_id, None)


def client_metadata(info: ThreadInfo) -> dict[str, str]:
    """Return the client's own metadata of a conversation."""
    kept = info.metadata.get(METADATA)
    return cast("dict[str, str]", kept) if isinstance(kept, dict) else {}


def _stamp(info: ThreadInfo | None) -> object:
    return None if info is None else info.metadata.get(STAMP)


def _view(tenancy: Tenancy, found: ThreadSlice, thread_id: str) -> View:
    if found.info is None or found.info.user_id != tenancy.tenant:
        return View(None)
    turns = tuple(stored_turn(record, thread_id) for record in found.records if record.kind == "turn")
    return View(found.info, turns, None if found.found is None else stored_turn(found.found, thread_id))
