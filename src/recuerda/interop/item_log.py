"""A thread as a list of a framework's items: read, add, take the newest back, clear.

Frameworks write several times in one run: the input, a call, its result, the answer. What belongs to one run becomes
one turn. Until the answer is there, the items are the steps of the thread's draft: they are stored and can be read
here, and no window of another reader sees half of the turn. The answer commits the turn and removes the draft in one
atomic step. If the process dies before that, the next run continues the draft.
"""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import lru_cache, partial
from itertools import chain
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
from msgspec import structs

from recuerda.agent.resuming import running_turn
from recuerda.agent.steps import RunningTurn, Step, encode_step
from recuerda.errors import DraftConflict, ThreadConflict, TurnGone
from recuerda.ids import new_id, new_turn_id
from recuerda.interop.calls import call_ids, result_ids
from recuerda.interop.forms import Form, grouped, keep, kept, plain, restored
from recuerda.interop.retries import insist
from recuerda.interop.turn_items import TurnItems, items_of, items_of_turn, listed, newest, turn_items
from recuerda.interop.warm_threads import KnownTurns, warm_threads
from recuerda.json_value import JsonObject
from recuerda.messages.message import (
    ChatMessage,
    RefusalContent,
    TextContent,
    Turn,
)
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.operations import Appended
from recuerda.storage.thread_info import Expected, Version, revision_of
from recuerda.threads.conflicts import exact_version
from recuerda.threads.history import StoredTurn
from recuerda.threads.new_turn import new_turn, rewritten_body
from recuerda.threads.store import ChatMessageStore
from recuerda.window.window import ContextWindow

T = TypeVar("T")

_items = msgspec.json.Decoder(list[dict[str, Any]])

_SPARE = 8
"""The number of messages that a limited read reads more, so that a turn at its start seldom needs another read."""

_PAGE = 50
"""The number of turns that a search through a thread reads at once."""


@lru_cache(maxsize=32)
def _window(messages: int) -> ContextWindow:
    return ContextWindow(max_messages=messages)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a thread at which a run writes its next items.

    Attributes:
        version: the version of the thread.
        turn_id: the id of the turn that is under way, or of the next turn.
        steps: the number of steps that are saved of it.
        last_id: the id of the last step of the thread's draft; "" without a draft. The draft may be one that was begun
            on an earlier revision, whose items the next step takes.
        draft_id: the id under which that turn was begun. It differs from `turn_id` if the thread has changed since.
        turn: the state of that turn. It is replaced and never changed.
        items: the items of that turn, if this writer has added all of them. Nobody changes them.
        is_own: True if this writer has begun the turn; False if it was found in the thread.
        may_be_known: True if the turn has an id that the caller chose, so the thread may hold the turn already.
    """

    version: Expected = 0
    turn_id: str = msgspec.field(default_factory=new_turn_id)
    steps: int = 0
    last_id: str = ""
    draft_id: str | None = None
    turn: RunningTurn = msgspec.field(default_factory=RunningTurn)
    items: Sequence[JsonObject] | None = ()
    is_own: bool = False
    may_be_known: bool = False


class ItemLog:
    """The items of one thread.

    Args:
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
        thread_id: the thread's id.
        form: the form of the items.
        user_id: the user to whom the thread belongs. Another user's thread raises `ThreadOwnershipError`. None opens
            the thread of any user.
    """

    def __init__(self, storage: Storage | str, thread_id: str, form: Form, *, user_id: str | None = None) -> None:
        self.store: ChatMessageStore = ChatMessageStore(storage=storage, thread_id=thread_id, user_id=user_id)
        self._form = form
        self._warm = warm_threads(self.store.storage)
        self._make = partial(items_of_turn, form)
        self._known: KnownTurns[TurnItems] | None = None
        self.place: Place | None = None

    # -- reading -------------------------------------------------------------------------------------------------------

    async def items(self, limit: int | None = None, *, without: str | None = None) -> list[JsonObject]:
        """Return the newest items, the oldest of them first. They are new objects, because a caller may change them.

        A result without its call at the start of a limited list is left out, because models refuse it.

        Args:
            limit: the largest number of items; None for all. A limited read costs the same however long the thread is.
            without: the id of a turn to leave out, because a retry is about to say it again. None leaves out nothing.
        """
        turns, known = await self._refresh(limit)
        place = await self._end()
        running = () if place.turn_id == without else place.turn.messages
        if limit is not None:
            turns = await self._with_older(turns, limit, without)
        parts = (known.of(stored) for stored in reversed(turns) if stored.id != without)
        newest_first = chain([items_of(running, self._form)] if running else (), parts)
        return _items.decode(listed(newest_first) if limit is None else newest(newest_first, limit, self._form))

    async def _refresh(self, limit: int | None) -> tuple[Sequence[StoredTurn], KnownTurns[TurnItems]]:
        """Read what is new. Return the turns that hold the newest messages, `limit` of them if there are, and items."""
        # Whole turns are read, so the newest turns that fit into the limit may hold fewer messages than the limit.
        window = None if limit is None else _window(limit + _SPARE)
        await self.store.refresh(window, keep_files=None, warm=self._warm.histories)
        # Another log may read on through the same history, so its state is taken before the next `await`.
        history = self.store.history
        turns = [*history.turns_with_files(last=None if limit is None else limit + 1)]
        place, has_draft = Place(version=history.version), history.has_draft
        history.files.release(history.turns)
        known = self._known = self._warm.known(history, self._form.name, self._make)
        self.place = await self._with_draft(place) if has_draft else place
        return turns, known

    async def _with_older(self, held: Sequence[StoredTurn], limit: int, without: str | None) -> Sequence[StoredTurn]:
        """Return turns and older ones, until they hold enough messages without those of one turn."""
        turns = held
        while self._has_older(turns) and (missing := _missing(turns, limit, without)) > 0:
            page = await self.store.list_turns(limit=missing + 1, before=turns[0].number)
            if not page:
                break
            turns = [*page, *turns]
        return turns

    async def _newest_first(self, held: Sequence[StoredTurn]) -> AsyncGenerator[StoredTurn]:
        """Yield turns and then the older ones, the newest first."""
        page = held
        while page:
            for stored in reversed(page):
                yield stored
            page = await self.store.list_turns(limit=_PAGE, before=page[0].number) if self._has_older(page) else ()

    def _has_older(self, turns: Sequence[StoredTurn]) -> bool:
        return bool(turns) and turns[0].number > self.store.history.first

    async def _with_draft(self, place: Place) -> Place:
        """Return the end of the thread's draft, if the thread still has one."""
        draft = await self.store.view.load_draft(self.store.thread_id)
        if draft is None:
            return place
        turn = running_turn(draft)
        if draft.revision != revision_of(place.version):
            # The storage continues a draft only on the revision on which it began. So another draft takes its items.
            return structs.replace(place, last_id=draft.steps[-1].id, draft_id=draft.turn_id, turn=turn, items=None)
        return structs.replace(
            place,
            turn_id=draft.turn_id,
            steps=len(draft.steps),
            last_id=draft.steps[-1].id,
            draft_id=draft.turn_id,
            turn=turn,
            items=None,
        )

    # -- writing -------------------------------------------------------------------------------------------------------

    async def add(self, items: Sequence[JsonObject], *, at: Place | None = None, turn_id: str | None = None) -> Place:
        """Add items at the end of the thread, in one atomic step, and return the new end.

        The items join the turn that is under way. An answer of the model that leaves no call open commits the turn.

        Args:
            items: the items.
            at: the end of the thread that the caller has read; see `place`. None adds the items wherever the end is.
            turn_id: the id of the turn that these items begin, which makes a retry of a whole turn safe. If the turn
                has begun already, it begins anew; if it is committed, nothing is written. None for a random id.

        Raises:
            ThreadConflict: another writer has written behind `at`.
            EncodeError: an item is not JSON; nothing was written.
        """
        added = plain(items)
        messages = kept(added, self._form)
        if not messages:
            return at or await self._end()
        if at is None:
            return await insist(lambda: self._add(added, messages, None, turn_id))
        try:
            return await self._add(added, messages, at, turn_id)
        except (ThreadConflict, DraftConflict):
            raise self._conflict(at) from None

    async def _end(self) -> Place:
        if self.place is None:
            await self._refresh(1)
        return self.place or Place()

    async def _add(
        self, items: Sequence[JsonObject], messages: Sequence[ChatMessage], at: Place | None, turn_id: str | None
    ) -> Place:
        place = at or await self._end()
        self.place = None
        turn, removed, known = place.turn, 0, place.items
        if place.turn_id == turn_id:
            turn, removed, known = RunningTurn(), len(turn.messages), ()
        elif _is_input(messages[0]) and (turn.new or (turn.input and not place.is_own)):
            # Another question belongs to another turn. The run that said the first one may still be at work: it then
            # finds its turn committed, and conflicts.
            if not (is_answered := _is_answered(turn)):
                # A run that is cut off leaves its id free. Otherwise a retry would find the id taken, and be lost.
                place = structs.replace(place, turn_id=new_turn_id(), may_be_known=False)
            place = await self._commit(place, turn, is_interrupted=not is_answered)
            turn, known = place.turn, place.items
        step = _step(turn, messages, removed=removed)
        if turn_id is not None and not place.turn.messages:
            place = structs.replace(place, turn_id=turn_id, may_be_known=True)
        turn = _with(place.turn, step)
        place = structs.replace(place, items=None if known is None else [*known, *items])
        self.place = await (self._commit(place, turn) if _is_answered(turn) else self._save(place, turn, step))
        return self.place

    async def _save(self, place: Place, turn: RunningTurn, step: Step) -> Place:
        """Save a step as a part of the draft. The items of the place are the items of the turn with this step."""
        draft = DraftStep(
            turn_id=place.turn_id,
            revision=revision_of(place.version),
            number=place.steps + 1,
            # Two processes may write the same items at once. Only their claims tell them apart.
            body=encode_step(structs.replace(step if place.steps else turn.whole(), claim=new_id())),
            id=new_id(),
            previous=place.last_id,
        )
        incarnation = await self.store.view.save_draft(self.store.thread_id, draft, expected=place.version)
        version = exact_version(place.version, incarnation)
        return structs.replace(
            place,
            version=version,
            steps=draft.number,
            last_id=draft.id,
            draft_id=draft.turn_id,
            turn=turn,
            is_own=True,
        )

    async def _commit(self, place: Place, state: RunningTurn, *, is_interrupted: bool = False) -> Place:
        turn = structs.replace(state.turn(), is_interrupted=is_interrupted)
        appended = await self.store.append(turn, turn_id=place.turn_id, expected=place.version, last_step=place.last_id)
        if (
            appended.replayed
            and not place.may_be_known
            and appended.record.body != new_turn(turn, self.store.view).body
        ):
            raise self._conflict(place)
        self._note(appended, place)
        if appended.replayed or not isinstance(place.version, Version):
            # A turn that was there already, or the first turn of a thread: only a read tells the thread's version.
            await self._refresh(1)
            return Place(version=self.store.version)
        record = appended.record
        return Place(version=structs.replace(place.version, revision=record.number, record_id=record.id))

    def _note(self, appended: Appended, place: Place) -> None:
        """Keep a turn that was just committed for the next reader, with its items if they are known."""
        history = self.store.history
        self._warm.keep(history)
        if appended.replayed or place.items is None or self._known is None or not history.turns:
            return
        stored = history.turns[-1]
        if stored.number == appended.record.number:
            self._known.put(stored, turn_items(stored.messages, place.items))

    def _conflict(self, place: Place) -> ThreadConflict:
        revision = revision_of(place.version)
        return ThreadConflict(self.store.thread_id, expected=revision, actual=revision)

    # -- replacing -----------------------------------------------------------------------------------------------------

    async def replace(self, is_wanted: Callable[[JsonObject], bool], item: JsonObject) -> bool:
        """Replace the newest item that is wanted, in one atomic step. Return False if there is no such item.

        Raises:
            ThreadConflict: another writer has changed the thread at the same time.
        """
        turns, _ = await self._refresh(1)
        place = await self._end()
        messages = _replaced(place.turn.messages, is_wanted, item, self._form)
        if messages is not None:
            step = structs.replace(_step(RunningTurn(), messages), removed=len(place.turn.messages))
            self.place = await self._save(structs.replace(place, items=None), _with(place.turn, step), step)
            return True
        async with aclosing(self._newest_first(turns)) as newest:
            async for stored in newest:
                messages = _replaced(stored.messages, is_wanted, item, self._form)
                if messages is not None:
                    changed = structs.replace(stored.turn, messages=tuple(messages))
                    body, gone = rewritten_body(changed, kept=stored.blobs)
                    await self.store.view.rewrite(
                        self.store.thread_id,
                        {stored.number: body},
                        released={stored.number: gone},
                        expected=self.store.version,
                    )
                    await self._refresh(1)
                    return True
        return False

    # -- taking back ---------------------------------------------------------------------------------------------------

    async def pop(self) -> JsonObject | None:
        """Remove the newest item and return it; None if there is none."""
        return await insist(self._pop)

    async def _pop(self) -> JsonObject | None:
        turns, _ = await self._refresh(1)
        place = await self._end()
        if not (messages := place.turn.messages):
            return await self._pop_from(turns[-1], place) if turns else None
        *rest, group = grouped(messages)
        if rest:
            step = Step(removed=len(group))
            self.place = await self._save(structs.replace(place, items=None), _with(place.turn, step), step)
        else:
            self.place = None
            thread_id = self.store.thread_id
            if not await self.store.view.drop_draft(thread_id, turn_id=place.draft_id, last_step=place.last_id):
                raise DraftConflict(thread_id, turn_id=place.turn_id, number=0)
            self.place = Place(version=place.version)
        return restored(group, self._form)[-1]

    async def _pop_from(self, last: StoredTurn, place: Place) -> JsonObject | None:
        *rest, group = grouped(last.messages)
        self.place = None
        if rest:
            left = tuple(message for one in rest for message in one)
            turn = Turn(messages=left, input_count=min(last.turn.input_count, len(left)))
            await self.store.append(turn, expected=place.version, replaces=last.number, last_step=place.last_id)
        elif await self.store.undo(number=last.number) is None:
            raise TurnGone(self.store.thread_id, turn=last.number, revision=self.store.revision)
        items = restored(group, self._form)
        return items[-1] if items else None

    async def clear(self) -> None:
        """Delete the thread with all its items."""
        self.place = None
        self._warm.histories.forget(self.store.thread_id)
        await self.store.clear()

    async def close(self) -> None:
        """Close the storage if this log opened it."""
        await self.store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def remember(known: dict[int, T], run: object, value: T) -> None:
    """Note a value for a run, by the run's id, until the run is gone."""
    if id(run) not in known:
        weakref.finalize(run, known.pop, id(run), None)
    known[id(run)] = value


# -- the state of a turn -----------------------------------------------------------------------------------------------


def _with(turn: RunningTurn, step: Step) -> RunningTurn:
    return RunningTurn([turn.whole(), step] if turn.messages or turn.metadata is not None else [step])


def _step(turn: RunningTurn, messages: Sequence[ChatMessage], *, removed: int = 0) -> Step:
    """Return the step that adds messages: the messages before the first answer are the turn's input."""
    count = 0
    while not turn.new and count < len(messages) and _is_input(messages[count]):
        count += 1
    return Step(removed=removed, input=tuple(messages[:count]), messages=tuple(messages[count:]))


def _is_input(message: ChatMessage) -> bool:
    return message.role not in {"assistant", "tool"}


def _open_calls(turn: RunningTurn) -> set[str]:
    return call_ids(turn.new) - result_ids(turn.new)


def _is_answered(turn: RunningTurn) -> bool:
    """Return whether the model has said something last, and no call waits for its result."""
    if not turn.new or turn.new[-1].role != "assistant" or _open_calls(turn):
        return False
    return any(isinstance(part, TextContent | RefusalContent) for part in turn.new[-1].contents)


def _missing(turns: Sequence[StoredTurn], limit: int, without: str | None) -> int:
    """Return how many messages of a limit the turns do not hold; 0 or less if they hold all of them."""
    for stored in reversed(turns):
        if stored.id != without:
            limit -= len(stored.messages)
        if limit <= 0:
            break
    return limit


def _replaced(
    messages: Sequence[ChatMessage], is_wanted: Callable[[JsonObject], bool], item: JsonObject, form: Form
) -> list[ChatMessage] | None:
    """Return messages with another item in place of the newest item that is wanted; None if there is none."""
    groups = list(grouped(messages))
    for number in range(len(groups) - 1, -1, -1):
        if any(is_wanted(one) for one in restored(groups[number], form)):
            groups[number] = keep([item], form)
            return [message for group in groups for message in group]
    return None
