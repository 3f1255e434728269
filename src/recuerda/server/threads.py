"""The service's access to the threads of a storage: a request sees its own tenant's threads and reads only new turns.

Each operation goes through the tenant's view of the storage, so the storage itself refuses the thread of another
tenant. Each change is made on the version that was read. So a late write brings no deleted thread back, and undoes no
change of another server.

The newest turns of recently used threads stay in memory (`History`), so that a request in a long conversation reads
only the turns that were added since. If an item was deleted meanwhile, the storage starts the read anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import msgspec

from recuerda.errors import InvalidInput, ThreadConflict, ThreadNotFound, ThreadOwnershipError
from recuerda.messages.files import has_files
from recuerda.messages.message import Turn
from recuerda.server.faults import key_in_use, locked, not_found
from recuerda.server.names import Tenancy
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.records import NO_BLOBS, NewTurn, TurnRecord
from recuerda.storage.thread_info import Expected, ThreadInfo
from recuerda.threads.conflicts import repeated
from recuerda.threads.forking import ForkPlace, fork_thread
from recuerda.threads.history import History, StoredTurn, stored_turn, title_of
from recuerda.threads.new_turn import new_turn, rewritten_body
from recuerda.threads.warm import read_on
from recuerda.threads.warm_histories import WarmHistories

METADATA = "conversation"
"""The key in a thread's metadata under which the client's own metadata is kept."""

LEASE = timedelta(seconds=4)
"""The time after which the lease of a server that was killed ends. A living server renews its leases in time."""


class View(msgspec.Struct, frozen=True):
    """A thread as one request sees it.

    Attributes:
        info: the thread's data; None when the thread does not exist or belongs to another tenant.
        turns: all turns, or the newest turns that are enough for the window.
        found: the turn that was asked for by its id; None when the thread does not have it.
        is_dropped: True when the thread had that turn, and a trim or a limit has deleted it.
        is_cut: True when the window left out older turns.
    """

    info: ThreadInfo | None
    turns: Sequence[StoredTurn] = ()
    found: StoredTurn | None = None
    is_dropped: bool = False
    is_cut: bool = False

    @property
    def version(self) -> Expected:
        """The thread's version, which a change has to expect; 0 when the thread does not exist."""
        return 0 if self.info is None else self.info.version


class Threads:
    """The threads of one storage.

    Args:
        storage: the storage of the threads.
        last_messages: the number of a thread's newest messages that the window may need; None for all.
        warm_bytes: the number of bytes of threads whose newest messages are kept in memory.
        queue_s: the seconds to wait for a thread that another request is using.
    """

    def __init__(self, storage: Storage, *, last_messages: int | None, warm_bytes: int, queue_s: float) -> None:
        self.storage = storage
        self._last_messages = last_messages
        self._queue_s = queue_s
        self._views: dict[str, Storage] = {}
        self._newest: WarmHistories = WarmHistories(warm_bytes)
        self._whole: WarmHistories = WarmHistories(warm_bytes)

    # -- reading -------------------------------------------------------------------------------------------------------

    async def newest(self, tenancy: Tenancy, name: str, *, turn_id: str | None = None) -> View:
        """Return a thread's newest turns, and the turn of a given id, in one trip to the storage."""
        return await self._read(self._newest, tenancy, name, self._last_messages, turn_id)

    async def whole(self, tenancy: Tenancy, name: str) -> View:
        """Return a thread with all its turns."""
        return await self._read(self._whole, tenancy, name, None, None)

    async def tail(
        self, tenancy: Tenancy, name: str, *, items: int, before: int | None = None, with_files: bool = True
    ) -> View:
        """Return a thread's newest turns: enough turns to hold `items` items, or all turns if they hold fewer items.

        With `before`, only turns before the turn with this number count. `with_files=False` reads no bytes of files.
        """
        turns: Sequence[StoredTurn] = ()
        while True:
            # Most turns have two messages, so one more message often saves another read.
            wanted = items - _size(turns) + 1
            view = await self._look(tenancy, name, with_files=with_files, last_messages=wanted, before=before)
            turns = (*view.turns, *turns)
            if not view.is_cut or _size(turns) >= items:
                return msgspec.structs.replace(view, turns=turns)
            before = turns[0].number

    async def ahead(
        self, tenancy: Tenancy, name: str, *, items: int, first: StoredTurn | None, with_files: bool = True
    ) -> View:
        """Return a thread's turns from a turn on: enough turns to hold `items` items, or all turns from there.

        None as `first` begins with the thread's first turn. `with_files=False` reads no bytes of files.
        """
        turns = () if first is None else (first,)
        number, span = 0 if first is None else first.number, items // 2 + 1
        while True:
            until = number + span + 1
            view = await self._look(tenancy, name, with_files=with_files, after=number, before=until)
            turns = (*turns, *view.turns)
            if view.info is None or number + span >= view.info.revision or _size(turns) >= items:
                return msgspec.structs.replace(view, turns=turns)
            # Numbers may be missing: many of them, if no turn was found.
            number, span = max(number + span, view.info.first - 1), span if view.turns else span * 4

    async def turn(self, tenancy: Tenancy, name: str, turn_id: str, *, with_files: bool = True) -> View:
        """Return a thread with the turn of a given id and no other turn. `with_files=False` reads no bytes of files."""
        return await self._look(tenancy, name, with_files=with_files, last_turns=0, turn_id=turn_id)

    async def head(self, tenancy: Tenancy, name: str) -> ThreadInfo | None:
        """Return a thread's data; None when the thread does not exist or belongs to another tenant."""
        return (await self._look(tenancy, name, last_turns=0)).info

    async def existing(self, tenancy: Tenancy, name: str) -> ThreadInfo:
        """Return the data of a conversation's thread.

        Raises:
            ApiFault: the thread does not exist or belongs to another tenant.
        """
        info = await self.head(tenancy, name)
        if info is None:
            raise not_found("Conversation", name)
        return info

    def storage_of(self, tenancy: Tenancy) -> Storage:
        """Return a tenant's view of the storage. Without tenants, it is the storage itself."""
        if tenancy.tenant is None:
            return self.storage
        if tenancy.tenant not in self._views:
            self._views[tenancy.tenant] = self.storage.for_user(tenancy.tenant)
        return self._views[tenancy.tenant]

    async def _look(self, tenancy: Tenancy, name: str, *, with_files: bool = True, **query: Any) -> View:
        thread_id = tenancy.thread_id(name)
        try:
            found = await self.storage_of(tenancy).read(thread_id, blobs=None if with_files else 0, **query)
        except ThreadOwnershipError:
            return View(None)
        view = _view(tenancy, found, thread_id)
        if view.info is None or found.found is None:
            return view
        committed = (
            await self._whole_turn(tenancy, found.found, thread_id)
            if with_files
            else stored_turn(found.found, thread_id)
        )
        return msgspec.structs.replace(view, found=committed)

    async def _read(
        self, warm: WarmHistories, tenancy: Tenancy, name: str, limit: int | None, turn_id: str | None
    ) -> View:
        thread_id = tenancy.thread_id(name)

        def check(info: ThreadInfo | None) -> None:
            if info is None or info.user_id != tenancy.tenant:
                raise ThreadNotFound(thread_id)

        # A storage looks for a turn that is in memory already more slowly than it says that nothing is new.
        known = warm.get(thread_id)
        is_held = known is not None and _with_id(known.turns, turn_id) is not None
        try:
            history, found = await read_on(
                self.storage_of(tenancy),
                lambda: warm.get(thread_id) or History(thread_id),
                last_messages=limit,
                turn_id=None if is_held else turn_id,
                keep_files=None,
                check=check,
            )
        except (ThreadNotFound, ThreadOwnershipError):
            warm.forget(thread_id)
            return View(None)
        if missing := history.missing_files():
            history.files.add(await self.storage_of(tenancy).read_blobs(thread_id, missing))
        warm.keep(history)
        turns = tuple(history.turns_with_files())
        if is_held:
            if (held := _with_id(turns, turn_id)) is not None:
                return View(found.info, turns, held)
            return await self._read(warm, tenancy, name, limit, turn_id)  # Another server has deleted the turn.
        committed = None if found.found is None else await self._whole_turn(tenancy, found.found, thread_id, history)
        return View(found.info, turns, committed, found.dropped is not None)

    async def _whole_turn(
        self, tenancy: Tenancy, record: TurnRecord, thread_id: str, history: History | None = None
    ) -> StoredTurn:
        """Return a turn with its files, which take a trip if the history does not hold them."""
        files = NO_BLOBS if history is None else history.files.of(record.blobs)
        if len(files) < len(record.blobs):
            files = await self.storage_of(tenancy).read_blobs(thread_id, record.blobs)
        return stored_turn(record, thread_id, files)

    # -- writing -------------------------------------------------------------------------------------------------------

    async def create(self, tenancy: Tenancy, name: str, metadata: Mapping[str, object]) -> ThreadInfo:
        """Create a thread with metadata.

        Raises:
            ThreadConflict: the thread has turns already.
        """
        return await self.storage_of(tenancy).update_thread(tenancy.thread_id(name), metadata=metadata, expected=0)

    async def update(
        self, tenancy: Tenancy, name: str, change: Callable[[ThreadInfo], Mapping[str, object] | None]
    ) -> ThreadInfo:
        """Set the metadata that `change` returns for a thread that exists; None changes nothing. Other metadata stays.

        Raises:
            ApiFault: the thread does not exist, or was deleted meanwhile.
        """

        async def step() -> ThreadInfo:
            info = await self.existing(tenancy, name)
            metadata = change(info)
            if metadata is None:
                return info
            return await self.storage_of(tenancy).update_thread(info.id, metadata=metadata, expected=info.version)

        return await repeated(step)

    async def append(self, tenancy: Tenancy, name: str, turn: Turn, *, turn_id: str, expected: Expected) -> StoredTurn:
        """Append a turn in one atomic step. Return the turn that the thread holds under this id.

        Raises:
            ThreadConflict: the thread is not at the version `expected`.
        """
        thread_id, storage = tenancy.thread_id(name), self.storage_of(tenancy)
        new = await _new_turn(turn, storage, turn_id)
        appended = await storage.append(thread_id, new, expected=expected, title=title_of(turn))
        record = appended.record
        if appended.replayed:
            return await self._whole_turn(tenancy, record, thread_id)
        for warm in (self._newest, self._whole):
            history = warm.get(thread_id)
            if history is not None and history.version == expected:
                history.committed(record, turn)
                history.files.add({blob.digest: blob.data for blob in new.blobs})
                history.files.release(history.turns)
                warm.keep(history)
        return StoredTurn(record.number, record.id, record.created_us, turn, record.blobs)

    async def add(self, tenancy: Tenancy, name: str, turn: Turn, *, turn_id: str) -> StoredTurn:
        """Append a turn to a thread that exists, after any turns that other writers add. Return the stored turn.

        Raises:
            ApiFault: the thread does not exist, or was deleted meanwhile.
        """

        async def step() -> StoredTurn:
            info = await self.existing(tenancy, name)
            return await self.append(tenancy, name, turn, turn_id=turn_id, expected=info.version)

        return await repeated(step)

    async def note(
        self, tenancy: Tenancy, name: str, turn: Turn, *, turn_id: str, keep: int | None
    ) -> tuple[StoredTurn, bool]:
        """Append a turn to a thread that keeps its newest `keep` messages (None: all), after turns of other writers.

        The thread is made if it does not exist. Return the stored turn, and whether the thread had it before.
        """
        thread_id, storage = tenancy.thread_id(name), self.storage_of(tenancy)
        new = await _new_turn(turn, storage, turn_id)
        appended = await storage.append(thread_id, new, keep_messages=keep)
        return stored_turn(appended.record, thread_id), appended.replayed

    async def fork(
        self, tenancy: Tenancy, name: str, *, through: int, into: str, turn: Turn, turn_id: str
    ) -> StoredTurn:
        """Create a new thread from another thread's turns up to the number `through`, followed by one new turn.

        The other thread stays unchanged. A repeated call completes an interrupted copy and adds no turn twice. Return
        the new turn as it is stored.

        Raises:
            ThreadConflict: the other thread does not hold the turn `through` any more.
        """
        storage, copy = self.storage_of(tenancy), tenancy.thread_id(into)
        try:
            await fork_thread(storage, tenancy.thread_id(name), ForkPlace(through=through), into=copy)
        except (InvalidInput, ThreadNotFound):
            raise ThreadConflict(tenancy.thread_id(name), expected=through, actual=0) from None
        appended = await storage.append(copy, await _new_turn(turn, storage, turn_id))
        return await self._whole_turn(tenancy, appended.record, copy)

    async def rewrite(self, tenancy: Tenancy, name: str, turn_id: str, change: Callable[[Turn], Turn | None]) -> bool:
        """Replace a turn by the turn that `change` returns for it.

        Return False, and change nothing, if the thread does not have the turn or `change` returns None. A title that
        was made from the removed text is removed first, so that an interruption leaves the text in the turn alone.
        """

        async def step() -> bool:
            view = await self.turn(tenancy, name, turn_id)
            changed = None if view.found is None else change(view.found.turn)
            if view.found is None or view.info is None or changed is None:
                return False
            storage, info = self.storage_of(tenancy), view.info
            if info.title_turn == view.found.number and title_of(changed) != info.title:
                info = await storage.update_thread(info.id, title=None, expected=info.version)
            number = view.found.number
            body, gone = rewritten_body(changed, kept=view.found.blobs)
            await storage.rewrite(info.id, {number: body}, released={number: gone}, expected=info.version)
            return True

        is_done = await repeated(step)
        self.forget(tenancy, name)
        return is_done

    async def delete(self, tenancy: Tenancy, name: str, *, before: Callable[[ThreadInfo], Awaitable[None]]) -> None:
        """Delete a thread with all its turns. `before` is called with the data of the thread that is deleted next.

        Raises:
            ApiFault: the thread does not exist.
        """

        async def step() -> bool:
            info = await self.existing(tenancy, name)
            await before(info)
            return await self.storage_of(tenancy).delete(info.id, expected=info.version)

        await repeated(step)
        self.forget(tenancy, name)

    async def remove_newest(self, tenancy: Tenancy, name: str, turn_id: str) -> bool:
        """Remove a turn for good, together with the thread if it has no other turn.

        Return False, and change nothing, if the turn is not the newest one.
        """

        async def step() -> bool:
            view = await self.newest(tenancy, name)
            if view.info is None or not view.turns or view.turns[-1].id != turn_id:
                return False
            storage = self.storage_of(tenancy)
            remove = storage.delete if view.info.turns == 1 else storage.undo
            await remove(view.info.id, expected=view.info.version)
            return True

        is_done = await repeated(step)
        self.forget(tenancy, name)
        return is_done

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

    @asynccontextmanager
    async def alone_everywhere(self, tenancy: Tenancy, name: str) -> AsyncGenerator[None]:
        """Keep other requests of all processes away from the work under an idempotency key while the block runs.

        Raises:
            ApiFault: another request did this work for longer than `queue_s` seconds.
        """
        thread_id = tenancy.thread_id(name)
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._queue_s):
                    await held.enter_async_context(self.storage.run_lock(thread_id))
                    await held.enter_async_context(self.storage_of(tenancy).lease(thread_id, LEASE))
            except TimeoutError:
                raise key_in_use() from None
            yield

    def is_busy(self, tenancy: Tenancy, name: str) -> bool:
        """Return whether a request of this process is using a thread."""
        return self.storage.run_lock(tenancy.thread_id(name)).locked()


def _with_id(turns: Sequence[StoredTurn], id: str | None) -> StoredTurn | None:
    """Return the newest turn with an id; None if there is none."""
    return None if id is None else next((turn for turn in reversed(turns) if turn.id == id), None)


def client_metadata(info: ThreadInfo) -> dict[str, str]:
    """Return the client's own metadata of a conversation."""
    kept = info.metadata.get(METADATA)
    return cast("dict[str, str]", kept) if isinstance(kept, dict) else {}


async def _new_turn(turn: Turn, storage: Storage, turn_id: str) -> NewTurn:
    """Return a turn to append. Files may be large, so their digests are computed in an OS thread."""
    if not has_files(turn.messages):
        return new_turn(turn, storage, id=turn_id)
    return await asyncio.to_thread(new_turn, turn, storage, id=turn_id)


def _view(tenancy: Tenancy, found: ThreadSlice, thread_id: str) -> View:
    if found.info is None or found.info.user_id != tenancy.tenant:
        return View(None)
    turns = tuple(stored_turn(record, thread_id, found.blobs) for record in found.records if record.kind == "turn")
    return View(found.info, turns, None, found.dropped is not None, is_cut=found.start > found.info.first)


def _size(turns: Sequence[StoredTurn]) -> int:
    return sum(len(turn.messages) for turn in turns)
