"""A handle on the messages of one thread.

`ChatMessageStore` works on any storage. It turns messages into the bytes that a storage keeps, and remembers the turns
that it has read, so that a later read fetches only new turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self

import msgspec

from recuerda.errors import CorruptTurn, InvalidInput, StateError, TurnDropped
from recuerda.ids import check_id, check_limit, new_id
from recuerda.json_value import Json, JsonObject
from recuerda.messages.files import turn_with_files
from recuerda.messages.message import ChatMessage, Turn
from recuerda.storage.contract import Storage
from recuerda.storage.operations import Appended
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import NO_BLOBS, NewTurn, TurnRecord
from recuerda.storage.registry import open_storage
from recuerda.storage.thread_info import Expected, ThreadInfo
from recuerda.threads.conflicts import append_checked, version_after_summaries, version_after_turns
from recuerda.threads.forking import ForkPlace, TurnReference, fork_thread, forks_of
from recuerda.threads.history import History, StoredTurn, readable_turns, stored_turn, title_of
from recuerda.threads.new_turn import new_turn
from recuerda.threads.pins import PinnedTurns
from recuerda.threads.store_state import add_missing, read_store_state, write_turns
from recuerda.threads.transfer import export_lines, import_lines
from recuerda.threads.turn_metadata import update_turn
from recuerda.threads.warm import read_on
from recuerda.threads.warm_histories import WarmHistories
from recuerda.window.window import ContextWindow, turn_of


class ChatMessageStore:
    """The messages of one thread, on a storage; in RAM when no storage is given.

    Args:
        messages: the first messages of a store in RAM; for a storage use `add_messages`.
        storage: a storage or its URL.
        thread_id: the thread's id; a new random id by default.
        max_messages: the largest number of messages to keep, as whole turns. Older turns are deleted when a new turn is
            added. None keeps all turns.
        user_id: the user to whom the thread belongs. Reading, changing or deleting a thread of another user raises
            `ThreadOwnershipError`. None opens the thread of any user.

    A store that was created from a URL owns its storage: closing the store closes the storage.

    Attributes:
        warm: the histories from which runs on the thread continue, and which get the history of each run; None for
            none. The agent that opens the thread gives its own.
        appended: the turn that this store appended last, if it is known in the form in which it is read; otherwise
            None. The thread may have changed since.
    """

    def __init__(
        self,
        messages: Sequence[ChatMessage] | None = None,
        *,
        storage: Storage | str | None = None,
        thread_id: str | None = None,
        max_messages: int | None = None,
        user_id: str | None = None,
    ) -> None:
        if messages and storage is not None:
            raise InvalidInput("messages= is for a store in RAM; with a storage, await store.add_messages(...)")
        self.thread_id: str = new_id() if thread_id is None else check_id(thread_id, "thread id")
        self.max_messages = None if max_messages is None else check_limit(max_messages, "max_messages")
        self.storage: Storage = open_storage(storage) if isinstance(storage, str) else storage or MemoryStorage()
        self._owns_storage = isinstance(storage, str) or storage is None
        self.user_id = user_id
        self._history = History(self.thread_id)
        self._first_messages = tuple(messages or ())
        self.warm: WarmHistories | None = None
        self.appended: StoredTurn | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(thread_id={self.thread_id!r}, storage={self.storage.kind!r})"

    @property
    def user_id(self) -> str | None:
        """The user to whom the thread belongs; None opens the thread of any user."""
        return self._user_id

    @user_id.setter
    def user_id(self, user_id: str | None) -> None:
        self._user_id = user_id
        self._view = self.storage if user_id is None else self.storage.for_user(user_id)

    @property
    def view(self) -> Storage:
        """The storage as the store's user sees it. It refuses the threads of other users."""
        return self._view

    @property
    def owns_storage(self) -> bool:
        """True when the storage was created for this store alone."""
        return self._owns_storage

    def for_thread(self, thread_id: str, *, user_id: str | None = None, storage: Storage | None = None) -> Self:
        """Return a store with the same settings for another thread, on the same storage unless `storage` is given."""
        return type(self)(
            storage=storage or self.storage,
            thread_id=thread_id,
            max_messages=self.max_messages,
            user_id=self.user_id if user_id is None else user_id,
        )

    # -- the protocol --------------------------------------------------------------------------------------------------

    async def add_messages(self, messages: Sequence[ChatMessage]) -> Appended | None:
        """Append messages as one turn; return None when there are no messages.

        Raises:
            EncodeError: a value has no JSON form; nothing was written.
        """
        if not messages:
            return None
        for message in messages:
            if not isinstance(message, ChatMessage):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
                raise InvalidInput(f"a store holds ChatMessage, not {type(message).__name__}")
        return await self.append(turn_of(messages))

    async def list_messages(
        self, *, limit: int | None = None, before: int | None = None, skip_corrupt: bool = False
    ) -> list[ChatMessage]:
        """Return the thread's messages, the oldest first, as a new list.

        Args:
            limit: return only the newest whole turns that together hold at most this number of messages, but at least
                the newest turn. None returns all messages.
            before: return only messages of turns before the turn with this number; see `list_turns`.
            skip_corrupt: True leaves out turns that cannot be read, instead of raising an error.

        Raises:
            CorruptTurn: a turn cannot be read; the error names it.
            InvalidInput: `limit` or `before` is below 1.
        """
        if limit is None and before is None and not skip_corrupt:
            await self.refresh(keep_files=None)
            messages = self._history.messages()
            self._history.files.release(self._history.turns)
            return messages
        if limit is None or before is not None or skip_corrupt:
            turns = await self._page(before=before, last_messages=limit, skip_corrupt=skip_corrupt)
        else:
            turns = await self._newest(limit)
        return [message for turn in turns for message in turn.messages]

    async def serialize(self, **kwargs: Any) -> JsonObject:
        """Return the store's state as JSON data.

        The state of a store in RAM holds the messages. Any other state only says where the messages are. No state holds
        a secret.
        """
        await self._write_first_messages()
        state: JsonObject = {"kind": self.storage.kind, "thread_id": self.thread_id}
        if self.max_messages is not None:
            state["max_messages"] = self.max_messages
        if isinstance(self.storage, MemoryStorage):
            state["turns"] = await write_turns(self._view, self.thread_id)
        return state

    async def update_from_state(self, serialized_store_state: Any, **kwargs: Any) -> None:
        """Take over the state of another store. Turns that the thread already has are not added again.

        The state of a RAM store of Agent Framework's betas is read as well. It names no thread, so this store keeps its
        thread id.

        Raises:
            StateError: the state is not the state of a store, or belongs to a storage of another kind. This store has
                not changed.
        """
        state = read_store_state(serialized_store_state, thread_id=self.thread_id)
        if state.kind == MemoryStorage.kind:
            await add_missing(self._view, state)
        elif state.kind != self.storage.kind:
            raise StateError(
                f"this thread lives in a storage of kind {state.kind!r}, but the given store is on "
                f"{self.storage.kind!r}: restore it with the storage that it was saved with"
            )
        self.thread_id = state.thread_id
        self.max_messages = state.max_messages or self.max_messages
        self._first_messages = ()
        self._history = History(self.thread_id)

    @classmethod
    async def deserialize(
        cls, serialized_store_state: Any, *, storage: Storage | str | None = None, **kwargs: Any
    ) -> Self:
        """Return the store that a state describes.

        Args:
            serialized_store_state: the state that `serialize` returned.
            storage: the storage of the thread, or its URL; not needed for a store in RAM.
            kwargs: further arguments of the class.
        """
        store = cls(storage=storage, **kwargs)
        await store.update_from_state(serialized_store_state)
        return store

    # -- turns ---------------------------------------------------------------------------------------------------------

    async def refresh(
        self,
        window: ContextWindow | None = None,
        *,
        turn_id: str | None = None,
        with_summary: bool = False,
        spare: int = 0,
        keep_files: int | None = 0,
        warm: WarmHistories | None = None,
    ) -> StoredTurn | None:
        """Read the new turns of the thread, or of a window of it, in one trip.

        Args:
            window: the part to read; None for all turns.
            turn_id: the id of a turn to look for and to return; None looks for no turn.
            with_summary: True holds the newest summary (`summary`), if the thread has one, and only the turns that it
                does not cover. A later call with the other value reads the thread again.
            spare: read this number of messages more than the window holds.
            keep_files: also read the files of this number of the newest turns; None reads the files of all turns.
                The other files of `turns` are without their bytes. Files that the store does not hold any more take
                another trip.
            warm: histories of threads. A store that has not read yet continues from its thread's history there. None
                reads the thread anew then.

        Raises:
            ThreadOwnershipError: the thread belongs to another user.
            TurnDropped: the thread held a turn with `turn_id`, and a limit or a trim has deleted it.
        """
        await self._write_first_messages()
        limit = None if window is None else window.last_messages
        self._history, found = await read_on(
            self._view,
            partial(self._known_history, warm),
            last_messages=None if limit is None else limit + spare,
            turn_id=turn_id,
            with_summary=with_summary,
            keep_files=keep_files,
        )
        if found.dropped is not None:
            raise TurnDropped(self.thread_id, turn_id=turn_id or "", number=found.dropped)
        if self._history.has_files and (missing := self._history.missing_files()):
            self._history.files.add(await self._view.read_blobs(self.thread_id, missing))
        return None if found.found is None else await self.whole(found.found)

    def _known_history(self, warm: WarmHistories | None) -> History:
        """Return the history from which a read continues."""
        if warm is None or self._history.info is not None:
            return self._history
        return warm.get(self.thread_id) or self._history

    async def whole(self, record: TurnRecord) -> StoredTurn:
        """Return a turn of this thread with its files, which take a trip if it has any.

        Raises:
            CorruptTurn: the turn cannot be read.
        """
        blobs = await self._view.read_blobs(self.thread_id, record.blobs) if record.blobs else NO_BLOBS
        return stored_turn(record, self.thread_id, blobs)

    async def filled(self, turn: StoredTurn) -> StoredTurn:
        """Return a turn of the last read with its files, which take a trip if the store does not hold them."""
        blobs = self._history.files.of(turn.blobs)
        if len(blobs) < len(turn.blobs):
            blobs = await self._view.read_blobs(self.thread_id, turn.blobs)
        return msgspec.structs.replace(turn, turn=turn_with_files(turn.turn, blobs)) if blobs else turn

    async def list_turns(
        self, *, limit: int | None = None, before: int | None = None, skip_corrupt: bool = False
    ) -> list[StoredTurn]:
        """Return the thread's turns, the oldest first.

        To page backwards, give the number of the first turn of one page as `before` of the next one. Each page is one
        trip to the storage and costs the same, wherever it is in the thread.

        Args:
            limit: return only this number of the newest turns. None returns all turns.
            before: return only turns before the turn with this number.
            skip_corrupt: True leaves out turns that cannot be read, instead of raising an error.

        Raises:
            CorruptTurn: a turn cannot be read; the error names it.
            InvalidInput: `limit` or `before` is below 1.
        """
        if limit is None and before is None and not skip_corrupt:
            await self.refresh(keep_files=None)
            return self._listed()
        return await self._page(before=before, last_turns=limit, skip_corrupt=skip_corrupt)

    def _listed(self) -> list[StoredTurn]:
        """Return the turns of the last read with all their files, of which the store then holds only some."""
        turns = list(self._history.turns_with_files())
        self._history.files.release(self._history.turns)
        return turns

    async def _newest(self, limit: int) -> Sequence[StoredTurn]:
        """Return the newest whole turns that together hold at most this number of messages."""
        window = ContextWindow(max_messages=check_limit(limit, "limit"))
        await self.refresh(window, keep_files=None)
        turns = self._listed()
        return turns[len(turns) - window.count([turn.turn for turn in turns]) :]

    async def _page(
        self,
        *,
        before: int | None,
        last_turns: int | None = None,
        last_messages: int | None = None,
        skip_corrupt: bool,
    ) -> list[StoredTurn]:
        """Read a page without a look at the turns that were read before."""
        for limit in (last_turns, last_messages):
            if limit is not None:
                check_limit(limit, "limit")
        await self._write_first_messages()
        found = await self._view.read(
            self.thread_id, before=before, last_turns=last_turns, last_messages=last_messages, blobs=None
        )
        if skip_corrupt:
            return readable_turns(found.records, self.thread_id, found.blobs)
        return [stored_turn(record, self.thread_id, found.blobs) for record in found.records]

    @property
    def history(self) -> History:
        """The turns of the last read. A later read may add to this object, or replace it."""
        return self._history

    @property
    def turns(self) -> Sequence[StoredTurn]:
        """The turns of the last read, with the files that it read. This does not read again."""
        return self._history.turns_with_files()

    @property
    def summary(self) -> TurnRecord | None:
        """The newest summary, if the last read was `with_summary`; `turns` then has the turns after it."""
        return self._history.summary

    @property
    def version(self) -> Expected:
        """The version at the last read; 0 for a thread that does not exist."""
        return self._history.version

    @property
    def revision(self) -> int:
        """The revision at the last read; 0 for a thread that does not exist."""
        return self._history.revision

    async def append(
        self,
        turn: Turn,
        *,
        turn_id: str | None = None,
        expected: Expected | None = None,
        replaces: int | None = None,
        last_step: str | None = None,
    ) -> Appended:
        """Append one turn atomically, and return the stored turn. If a value has no JSON form, nothing is written.

        Args:
            turn: the turn.
            turn_id: makes a retry safe: if the thread already has a turn with this id, that turn is returned and
                nothing is written. None for a random id.
            expected: the version or the revision that the thread must have; None for any. Summaries after it are
                allowed, because they add nothing to the conversation.
            replaces: the number of a turn that goes in the same atomic step; see `Storage.append`.
            last_step: the last step of the draft that the turn commits; see `Storage.append`.

        Raises:
            EncodeError: a value has no JSON form; the error names its path.
            ThreadOwnershipError: the thread belongs to another user.
            ThreadConflict: the thread is not at `expected`.
            DraftConflict: the draft's last step is not `last_step`.
            TurnGone: the thread does not hold the turn that was to be replaced.
            TurnDropped: the thread held a turn with `turn_id`, and a limit or a trim has deleted it.
        """
        turn = self._noting_pins(turn, replaces)
        new = new_turn(turn, self._view, id=turn_id)
        await self._write_first_messages()
        title = title_of(turn) if self._may_need_title(replaces) else None

        async def append(version: Expected | None) -> Appended:
            return await self._view.append(
                self.thread_id,
                new,
                expected=version,
                keep_messages=self.max_messages,
                title=title,
                replaces=replaces,
                last_step=last_step,
            )

        later = partial(version_after_summaries, self._view, self.thread_id)
        appended = await append_checked(append, later, self._exact(expected))
        self.appended = None
        if not appended.replayed:
            self.appended = self._history.committed(appended.record, turn)
            if new.blobs:
                self._hold_files(turn, new, appended.record.number)
            if self._history.files:
                self._history.files.release(self._history.turns)
        return appended

    def _hold_files(self, turn: Turn, new: NewTurn, number: int) -> None:
        """Hold the files of a turn that was just appended."""
        self._history.files.add({blob.digest: blob.data for blob in new.blobs})
        newest = self._history.turns[-1:]
        if newest and newest[0].number == number:
            self._history.files.learn(turn.messages, newest[0].messages)

    async def summarize(self, body: bytes, *, through: int, expected: Expected | None = None) -> Appended:
        """Append a summary of the turns up to `through`; see `Storage.summarize`.

        Args:
            body: opaque bytes.
            through: the number of the last turn that the summary covers.
            expected: the version or the revision that was summed up; None for any. Later records are allowed, unless a
                covered turn was undone or another summary was appended.

        Raises:
            ThreadConflict: the thread is not at `expected`, and a later record is not allowed.
            ThreadNotFound: the thread does not exist.
            InvalidInput: the thread has no turn with the number `through`.
        """
        await self._write_first_messages()

        async def append(version: Expected | None) -> Appended:
            return await self._view.summarize(self.thread_id, body, through=through, expected=version)

        later = partial(version_after_turns, self._view, self.thread_id, through=through)
        appended = await append_checked(append, later, self._exact(expected))
        self._history.summarized(appended.record)
        return appended

    async def undo(self, *, number: int | None = None) -> StoredTurn | None:
        """Remove the last turn from the thread for good, and return it; None if the thread has no turn.

        The turn comes with its files, and an undo is two trips, whether or not the turn has files. A turn that cannot
        be read is removed as well, and is returned without messages.

        Args:
            number: remove the turn with this number instead of the last turn.
        """
        await self._write_first_messages()
        undone = await self._view.undo(self.thread_id, number=number)
        if undone is None:
            return None
        record = undone.record
        try:
            return stored_turn(record, self.thread_id, undone.blobs)
        except CorruptTurn:
            return StoredTurn(record.number, record.id, record.created_us, Turn(messages=()))

    async def update_turn(self, turn: TurnReference, *, metadata: Mapping[str, Json]) -> JsonObject:
        """Change the metadata of a turn, such as a rating of its answer, and return the metadata after the change.

        Messages and revision stay as they are. Handles and indexes read the thread anew, because a body was rewritten.

        Args:
            turn: the turn, its id or its number.
            metadata: the keys to set; a key with None is removed.

        Raises:
            InvalidInput: the thread does not have the turn.
            EncodeError: a value has no JSON form.
        """
        await self._write_first_messages()
        return await update_turn(self._view, self.thread_id, turn, metadata)

    async def trim(self, *, keep_turns: int | None = None, keep_messages: int | None = None) -> int:
        """Delete the oldest turns for good and return their number; see `Storage.trim`."""
        await self._write_first_messages()
        return await self._view.trim(self.thread_id, keep_turns=keep_turns, keep_messages=keep_messages)

    async def fork(
        self,
        *,
        through: TurnReference | None = None,
        before: TurnReference | None = None,
        thread_id: str | None = None,
    ) -> Self:
        """Return a store on a new thread that starts as a copy of this thread, with its user and its settings.

        The new thread knows its parent (`ThreadInfo.parent`). Its turns keep their ids and times.

        Args:
            through: the last turn to copy: the turn, its id or its number. None for all turns.
            before: copy only the turns before this turn, to say that turn in another way. The new thread has no turn if
                it is the first one. Give at most one of `through` and `before`.
            thread_id: the id of the new thread, which makes a retry safe: if the call is repeated with the same id, the
                copy is completed, and it is returned with whatever was added to it. A random id by default.

        Raises:
            InvalidInput: the thread does not have that turn.
            ThreadNotFound: this thread does not exist.
            ThreadConflict: there is another thread with that id, or a copy that was interrupted cannot be completed
                because this thread has lost turns.
        """
        place = ForkPlace(through=through, before=before)
        into = new_id() if thread_id is None else check_id(thread_id, "thread id")
        await self._write_first_messages()
        fork = await fork_thread(self._view, self.thread_id, place, into=into)
        return self.for_thread(into, user_id=fork.user_id)

    async def list_branches(self) -> list[ThreadInfo]:
        """Return the forks that were begun from this thread, archived ones included, the most recently updated first.

        A fork of a fork is a branch of the first fork. The forks of an earlier thread with the same id are left out.
        SQLite and PostgreSQL find the forks by an index. Other storages compare all threads of the thread's user.
        """
        info = await self.info()
        return [] if info is None else await forks_of(self._view, info)

    async def info(self) -> ThreadInfo | None:
        """Return the storage's description of the thread; None before its first turn."""
        await self._write_first_messages()
        return await self._view.head(self.thread_id)

    async def export_jsonl(self) -> str:
        """Return the thread as JSON Lines: a line about the thread, then a line for each turn."""
        await self._write_first_messages()
        return "".join([line async for line in export_lines(self._view, self.thread_id)])

    async def import_jsonl(self, text: str) -> int:
        """Add the turns of an export to this thread, and return the number of new turns. Repeating it adds nothing.

        Raises:
            StateError: a line is not a line of an export; nothing was added.
        """
        await self._write_first_messages()
        lines = text.split("\n")  # `splitlines` would also cut at other line breaks, which JSON may hold
        imported = await import_lines(self._view, lines, thread_id=self.thread_id, user_id=self.user_id)
        return sum(item.added for item in imported)

    async def clear(self) -> bool:
        """Delete the thread with all its turns; return False if there was no thread."""
        self._first_messages = ()
        self._history = History(self.thread_id)
        return await self._view.delete(self.thread_id)

    async def close(self) -> None:
        """Close the storage if this store opened it. A storage that was passed to it stays open."""
        if self._owns_storage:
            await self.storage.close()

    async def _write_first_messages(self) -> None:
        if self._first_messages:
            messages, self._first_messages = self._first_messages, ()
            await self.add_messages(messages)

    async def read_pins(self, history: History | None = None) -> PinnedTurns:
        """Return the turns with pinned messages. Those that the last read has left out are read by their ids.

        Args:
            history: the turns to look at; by default those of the last read.
        """
        pinned = (history or self._history).pinned()
        missing = pinned.missing()
        if not missing:
            return pinned
        reads = [self._view.read(self.thread_id, last_turns=0, turn_id=id) for id in missing]
        for id, found in zip(missing, await asyncio.gather(*reads), strict=True):
            # A turn that cannot be read is outside of the window, so the run does not need it.
            turns = readable_turns([] if found.found is None else [found.found], self.thread_id)
            pinned.learn(id, turns[0] if turns else None)
        return pinned

    def _noting_pins(self, turn: Turn, replaces: int | None) -> Turn:
        """Return the turn with the ids of the earlier turns that have pinned messages, as far as they are known."""
        pinned = self._history.pinned()
        noted = (pinned if replaces is None else pinned.without(replaces)).noted(self._history.first)
        return msgspec.structs.replace(turn, pins=noted) if noted else turn

    def _exact(self, expected: Expected | None) -> Expected | None:
        """Return the version that was read last if `expected` is its revision; otherwise `expected` itself."""
        return self._history.version if expected == self._history.revision else expected

    def may_have_titled(self, appended: Appended) -> bool:
        """Return False if a turn that this handle has just appended surely gave the thread no title."""
        is_new = appended.created or appended.record.target is not None
        return not appended.replayed and (is_new or self._may_need_title(None))

    def _may_need_title(self, replaces: int | None) -> bool:
        """Return False if the thread surely has a title that the next turn will not delete."""
        info = self._history.info
        if info is None or info.title is None or self.max_messages is not None:
            return True
        return replaces is not None and replaces == info.title_turn
