"""A thread of ChatKit as a log: what its server adds in one response is one turn.

The server does not say when a response ends. So the items are steps of the thread's draft until the response shows
something to the user; that commits the turn. What the same response shows later joins its turn: the longer turn is
appended, names the turn that it replaces, and then that turn is removed.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from chatkit.types import ThreadItem, UserMessageItem
from msgspec import structs

from recuerda.agent.resuming import running_turn
from recuerda.agent.steps import Step, encode_step
from recuerda.errors import ThreadConflict, ThreadNotFound
from recuerda.ids import new_id
from recuerda.interop.chatkit.form import dump, dump_into
from recuerda.interop.chatkit.lines import (
    Line,
    blanked,
    has_question,
    is_answered,
    is_input,
    lines_of,
    spliced,
    turn_id_of,
)
from recuerda.interop.retries import insist
from recuerda.messages.codec import encode_json, message_to_json
from recuerda.messages.message import ChatMessage, Turn
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.operations import Appended, ThreadSlice
from recuerda.storage.thread_info import ThreadInfo
from recuerda.threads.history import StoredTurn, stored_turn, title_of
from recuerda.threads.new_turn import new_turn, rewritten_body
from recuerda.window.window import turn_of

_SEARCHED = 256
"""The number of messages that a search for an item reads at once."""


class Position(msgspec.Struct, frozen=True, order=True):
    """The place of an item: the number of its turn, and the position of its first message there."""

    number: int
    start: int


class Begun(msgspec.Struct, frozen=True):
    """The turn that a response has begun.

    Attributes:
        turn_id: the turn's id.
        is_done: True if the turn is committed.
    """

    turn_id: str
    is_done: bool


class End(msgspec.Struct, frozen=True):
    """The end of a thread.

    Attributes:
        info: the thread.
        last: its last turn.
        messages: the messages of the turn that is under way.
        turn_id: the id of that turn, or of the next one.
        steps: the number of its saved steps.
        last_id: the id of the last step of the thread's draft; "" without a draft. The draft may be one that was begun
            on an earlier revision, whose items the next step takes.
        draft_id: the id under which that turn was begun. It differs from `turn_id` if the thread has changed since.
    """

    info: ThreadInfo
    last: StoredTurn | None
    messages: Sequence[ChatMessage]
    turn_id: str
    steps: int
    last_id: str
    draft_id: str | None

    @property
    def lines(self) -> list[Line]:
        """The items of the turn that is under way."""
        return lines_of(self.messages, self.turn_id)

    def is_at(self, turn_id: str) -> bool:
        """Return whether nothing has followed a turn that a response has begun."""
        if self.messages:
            return turn_id in {self.turn_id, self.draft_id}
        return self.last is not None and self.last.id == turn_id


class ThreadLog:
    """The items of one thread.

    Args:
        storage: the storage.
        thread_id: the thread's id.
        user_id: the user for whom the thread is used; None for any user.
        numbers: the numbers of the turns in which items are, as far as they are known, by the ids of the items.
            A number of 0 says that the item is new.
    """

    def __init__(self, storage: Storage, thread_id: str, user_id: str | None, numbers: dict[str, int]) -> None:
        self._storage = storage
        self._thread_id = thread_id
        self._user_id = user_id
        self._numbers = numbers

    async def read(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        last_turns: int | None = None,
        last_messages: int | None = None,
        turn_id: str | None = None,
    ) -> ThreadSlice:
        """Read the thread, as `Storage.read` does.

        Raises:
            ThreadNotFound: there is no such thread.
        """
        found = await self._storage.read(
            self._thread_id,
            after=after,
            before=before,
            last_turns=last_turns,
            last_messages=last_messages,
            turn_id=turn_id,
            blobs=None,
            user_id=self._user_id,
        )
        if found.info is None:
            raise ThreadNotFound(self._thread_id)
        return found

    async def end(self, found: ThreadSlice | None = None) -> End:
        """Return the thread's end, by a read of its last turn and of its draft."""
        found = found or await self.read(last_turns=1)
        info = found.info
        if info is None:
            raise ThreadNotFound(self._thread_id)
        last = stored_turn(found.records[-1], self._thread_id, found.blobs) if found.records else None
        draft = await self._storage.load_draft(self._thread_id, user_id=self._user_id) if found.has_draft else None
        if draft is None:
            return End(info, last, (), turn_id_of(info.revision + 1), 0, "", None)
        turn = running_turn(draft)
        messages = turn.messages
        if draft.revision != info.revision:
            return End(info, last, messages, turn_id_of(info.revision + 1), 0, draft.steps[-1].id, draft.turn_id)
        return End(info, last, messages, draft.turn_id, len(draft.steps), draft.steps[-1].id, draft.turn_id)

    # -- changes -------------------------------------------------------------------------------------------------------

    async def add(self, item: ThreadItem, begun: Begun | None) -> Begun:
        """Add an item and return its turn. An item that is there already is replaced.

        Args:
            item: the item.
            begun: the turn that the same response has begun; None if it has not begun one.

        Raises:
            ThreadConflict: another writer has continued the thread after the turn that the response has begun.
        """
        return await insist(lambda: self._add(item, begun), but=(_Overtaken,))

    async def save(self, item: ThreadItem, begun: Begun | None) -> Begun | None:
        """Replace the item with the same id, or add it. Return the turn if the item was added."""
        return await insist(lambda: self._save(item, begun), but=(_Overtaken,))

    async def delete(self, item_id: str) -> bool:
        """Delete an item, if it is there. Return whether its turn is gone with it."""
        return await insist(lambda: self._delete(item_id))

    async def _add(self, item: ThreadItem, begun: Begun | None) -> Begun:
        end = await self.end()
        if _find(end.lines, item.id) or (end.last and _find(lines_of(end.last.messages, end.last.id), item.id)):
            await self._save(item, begun, end)
            return (
                Begun(end.turn_id, is_done=False) if end.messages or not end.last else Begun(end.last.id, is_done=True)
            )
        return await self._add_new(item, begun, end)

    async def _add_new(self, item: ThreadItem, begun: Begun | None, end: End) -> Begun:
        is_question = isinstance(item, UserMessageItem)
        if begun is not None and not is_question and not end.is_at(begun.turn_id):
            if not begun.is_done:
                raise _Overtaken(self._thread_id, end.info.revision)
            begun = None
        if is_question and has_question(end.lines):
            await self._commit(end, end.messages, is_interrupted=not is_answered(end.lines))
            end = await self.end()
        messages = dump(item)
        if not end.messages and not is_question and end.last is not None and _is_open(end.last, begun):
            return await self._prolong(end, end.last, messages)
        messages = [*end.messages, *messages]
        is_done = is_answered(lines_of(messages, ""))
        await (self._commit(end, messages) if is_done else self._save_draft(end, messages))
        self._numbers[item.id] = end.info.revision + 1
        return Begun(end.turn_id, is_done=is_done)

    async def _save(self, item: ThreadItem, begun: Begun | None, end: End | None = None) -> Begun | None:
        end = end or await self.end()
        line = _find(end.lines, item.id)
        if line is not None:
            await self._save_draft(end, spliced(end.messages, line, dump(item)))
            return None
        found = await self._turn_with(item.id, end)
        if found is None:
            return await self._add_new(item, begun, end)
        turn, line = found
        await self._rewrite(end, turn, spliced(turn.messages, line, dump_into(item, line.count)))
        return None

    async def _delete(self, item_id: str) -> bool:
        end = await self.end()
        line = _find(end.lines, item_id)
        if line is not None:
            return await self._shorten(end, spliced(end.messages, line, []))
        found = await self._turn_with(item_id, end)
        if found is None:
            return False
        turn, line = found
        self._numbers.pop(item_id, None)
        if len(lines_of(turn.messages, turn.id)) > 1:
            await self._rewrite(end, turn, blanked(turn.messages, line))
            return False
        expected = end.info.version
        await self._storage.undo(self._thread_id, number=turn.number, expected=expected, user_id=self._user_id)
        return True

    async def _shorten(self, end: End, messages: Sequence[ChatMessage]) -> bool:
        if messages:
            await self._save_draft(end, messages)
        else:
            await self._storage.drop_draft(
                self._thread_id,
                turn_id=end.draft_id,
                expected=end.info.version,
                user_id=self._user_id,
                last_step=end.last_id,
            )
        return not messages

    # -- finding -------------------------------------------------------------------------------------------------------

    async def find(self, item_id: str) -> tuple[Position, ThreadItem] | None:
        """Return an item with its place; None if the thread does not have it."""
        end = await self.end()
        line = _find(end.lines, item_id)
        if line is not None:
            created_us = self._storage.clock()
            return Position(end.info.revision + 1, line.start), line.item(self._thread_id, created_us)
        found = await self._turn_with(item_id, end)
        if found is None:
            return None
        turn, line = found
        return Position(turn.number, line.start), line.item(self._thread_id, turn.created_us)

    async def _turn_with(self, item_id: str, end: End) -> tuple[StoredTurn, Line] | None:
        number = self._numbers.get(item_id)
        turn = end.last
        if turn is not None and (line := _find(lines_of(turn.messages, turn.id), item_id)) is not None:
            return turn, line
        if number:
            turn = await self.turn(turn_id_of(number))
            if turn is not None and (line := _find(lines_of(turn.messages, turn.id), item_id)) is not None:
                return turn, line
        if number == 0 or end.last is None:
            return None
        return await self._other_turn_with(item_id) or await self._search(item_id)

    async def _other_turn_with(self, item_id: str) -> tuple[StoredTurn, Line] | None:
        """Return the turn of an item that another program has written: the item's id has the id of the turn."""
        turn_id, _, start = item_id.rpartition(":")
        turn = await self.turn(turn_id) if turn_id and start.isdecimal() else None
        line = None if turn is None else _find(lines_of(turn.messages, turn.id), item_id)
        return None if turn is None or line is None else (turn, line)

    async def _search(self, item_id: str) -> tuple[StoredTurn, Line] | None:
        before: int | None = None
        while True:
            found = await self.read(last_messages=_SEARCHED, before=before)
            turns = self.turns(found)
            for turn in reversed(turns):
                if (line := _find(lines_of(turn.messages, turn.id), item_id)) is not None:
                    self._numbers[item_id] = turn.number
                    return turn, line
            if found.info is None or not turns or turns[0].number <= found.info.first:
                return None
            before = turns[0].number

    async def turn(self, turn_id: str) -> StoredTurn | None:
        """Return the turn with an id, by one read that costs the same however long the thread is.

        The files of the turn take another one.
        """
        found = (await self.read(last_turns=0, turn_id=turn_id)).found
        if found is None or found.kind != "turn":
            return None
        files = await self._storage.read_blobs(self._thread_id, found.blobs, user_id=self._user_id)
        return stored_turn(found, self._thread_id, files)

    def turns(self, found: ThreadSlice) -> list[StoredTurn]:
        """Return the turns of a read."""
        return [stored_turn(record, self._thread_id, found.blobs) for record in found.records if record.kind == "turn"]

    # -- writing -------------------------------------------------------------------------------------------------------

    async def _commit(self, end: End, messages: Sequence[ChatMessage], *, is_interrupted: bool = False) -> None:
        await self._append(end, structs.replace(turn_of(messages), is_interrupted=is_interrupted))

    async def _prolong(self, end: End, last: StoredTurn, messages: Sequence[ChatMessage]) -> Begun:
        """Put messages at the end of the last turn: its new form replaces it in one step."""
        live = [m for line in lines_of(last.messages, last.id) for m in last.messages[line.start :][: line.count]]
        whole = turn_of([*live, *messages])
        # The undo of the last turn has the number before.
        end = structs.replace(end, turn_id=turn_id_of(end.info.revision + 2))
        appended = await self._append(end, whole, replaces=last.number)
        for line in lines_of(whole.messages, ""):
            self._numbers[line.id] = appended.revision
        # Another question may have cut the turn off in the middle of its response, which then still goes on.
        return Begun(end.turn_id, is_done=is_answered(lines_of(whole.messages, "")))

    async def _append(self, end: End, turn: Turn, *, replaces: int | None = None) -> Appended:
        new = new_turn(turn, self._storage, id=end.turn_id)
        appended = await self._storage.append(
            self._thread_id,
            new,
            expected=end.info.version,
            user_id=self._user_id,
            title=title_of(turn),
            replaces=replaces,
            last_step=end.last_id,
        )
        if appended.replayed and appended.record.body != new.body:
            raise ThreadConflict(self._thread_id, expected=end.info.revision, actual=appended.revision)
        return appended

    async def _rewrite(self, end: End, turn: StoredTurn, messages: Sequence[ChatMessage]) -> None:
        changed = structs.replace(turn.turn, messages=tuple(messages))
        body, gone = rewritten_body(changed, kept=turn.blobs)
        await self._storage.rewrite(
            self._thread_id,
            {turn.number: body},
            released={turn.number: gone},
            expected=end.info.version,
            user_id=self._user_id,
        )

    async def _save_draft(self, end: End, messages: Sequence[ChatMessage]) -> None:
        step = _step(end.messages if end.steps else (), messages)
        draft = DraftStep(
            turn_id=end.turn_id,
            revision=end.info.revision,
            number=end.steps + 1,
            body=encode_step(structs.replace(step, claim=new_id())),
            id=new_id(),
            previous=end.last_id,
        )
        expected = None if end.steps else end.info.version
        await self._storage.save_draft(self._thread_id, draft, expected=expected, user_id=self._user_id)


class _Overtaken(ThreadConflict):
    """Raised when another response has continued the thread."""

    def __init__(self, thread_id: str, revision: int) -> None:
        super().__init__(thread_id, expected=revision, actual=revision)


def _find(lines: Sequence[Line], item_id: str) -> Line | None:
    return next((line for line in lines if line.id == item_id), None)


def _is_open(last: StoredTurn, begun: Begun | None) -> bool:
    """Return whether the next item joins the last turn: its response goes on, or its answer was deleted."""
    if begun is not None and last.id == begun.turn_id:
        return True
    return begun is None and is_input(lines_of(last.messages, last.id))


def _step(old: Sequence[ChatMessage], new: Sequence[ChatMessage]) -> Step:
    """Return the step that makes the new messages of the old ones."""
    same = 0
    while same < min(len(old), len(new)) and _json(old[same]) == _json(new[same]):
        same += 1
    count = max(same, turn_of(new).input_count)
    return Step(removed=len(old) - same, input=tuple(new[same:count]), messages=tuple(new[count:]))


def _json(message: ChatMessage) -> bytes:
    return encode_json(message_to_json(message))
