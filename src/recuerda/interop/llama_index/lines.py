"""The messages of a thread as the lines of a chat store, each of them active or archived.

An archive would be expensive if it changed the messages. So the thread's metadata has one mark, behind the newest
archived message. A message before the mark is archived, and so is a message that was archived on its own. A change in
the middle writes the lines anew, as a batch of turns. The last turn of a batch says that the batch is whole: from then
on, the earlier turns are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec
from llama_index.core.base.llms.types import ChatMessage as LlamaMessage

from recuerda.agent.resuming import running_turn
from recuerda.errors import StateError
from recuerda.ids import new_id
from recuerda.interop.copies import Original
from recuerda.interop.forms import grouped, keep, restored
from recuerda.interop.llama_index.form import LlamaForm
from recuerda.interop.warm_threads import warm_threads
from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage, with_properties
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import Draft
from recuerda.storage.records import NewTurn
from recuerda.storage.thread_info import Expected, ThreadInfo
from recuerda.threads.history import History, StoredTurn
from recuerda.threads.new_turn import new_turn
from recuerda.threads.store import ChatMessageStore
from recuerda.window.window import ContextWindow, turn_of

MARK = "llama-index"
"""The key of a thread's metadata with its `Mark`."""

BATCH = "llama-index.batch"
"""The additional property of a turn's first message with its `Batch`."""

STATUS = "llama-index.status"
"""The additional property of a message that was archived on its own, and the key of its item."""

ARCHIVED = "archived"

FORM = LlamaForm()

_AT_FIRST = 256
"""The number of the newest messages that are read before the mark is known."""

_MORE = 8
"""If the mark is farther back, each further read takes this number of times as many messages."""


class Mark(msgspec.Struct, frozen=True):
    """The place behind the newest archived message.

    Attributes:
        turn: the id of its turn, which a copy of the thread keeps.
        number: the number of that turn, or of the turn before it while that turn is a draft.
        lines: the number of archived lines in that turn.
    """

    turn: str
    number: int
    lines: int


class Batch(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a turn says about the batch to which it belongs.

    Attributes:
        id: the batch.
        is_last: True in the last turn of the batch.
    """

    id: str
    is_last: bool = False


class Line(msgspec.Struct, frozen=True):
    """One message.

    Attributes:
        turn: the id of its turn.
        number: the number of its turn, or of the newest turn if its turn is a draft.
        position: its place in the turn.
        group: the messages that stand for it.
        message: the message of LlamaIndex; None if LlamaIndex cannot say it, or if it is not in a thread yet.
        is_archived: True if it was archived.
    """

    turn: str
    number: int
    position: int
    group: Sequence[ChatMessage]
    message: Original[LlamaMessage] | None
    is_archived: bool


class TurnLines(msgspec.Struct, frozen=True):
    """The lines of a turn.

    Attributes:
        lines: the lines, archived only if they were archived on their own.
        batch: the batch to which the turn belongs; None for a turn that was not written in one.
    """

    lines: Sequence[Line]
    batch: Batch | None


class Lines(msgspec.Struct, frozen=True):
    """The lines of a thread, and its version.

    Attributes:
        info: the information about the thread; None if there is no thread.
        lines: the lines, the oldest first.
        draft: the id of the turn that is under way, if there is one.
    """

    info: ThreadInfo | None
    lines: list[Line]
    draft: str | None = None

    @property
    def version(self) -> Expected:
        """The version of the thread."""
        return 0 if self.info is None else self.info.version


async def read_lines(
    storage: Storage, key: str, *, user_id: str | None, is_whole: bool, without: str | None = None
) -> Lines:
    """Return the lines of a thread.

    Args:
        storage: the storage.
        key: the thread's id.
        user_id: the user for whom the thread is read.
        is_whole: False may leave out archived lines, so the read costs the same however long the thread is.
        without: the id of a committed turn to leave out.
    """
    warm = warm_threads(storage)
    store = ChatMessageStore(storage=storage, thread_id=key, user_id=user_id)
    messages = None if is_whole else _AT_FIRST
    while True:
        window = None if messages is None else ContextWindow(max_messages=messages)
        await store.refresh(window, keep_files=None, warm=warm.histories)
        # Another call may read on through the same history, so what it holds is taken before the next `await`.
        history = store.history
        if history.info is None:
            return Lines(None, [])
        mark = _mark_of(history.info)
        count = len(history.turns) if is_whole else _count(history, mark)
        if count is not None:
            break
        messages = None if messages is None or mark is None else _MORE * messages
    info, turns = history.info, history.turns_with_files(last=count)
    known = warm.known(history, "llama-index.lines", _turn_lines)
    made = [(stored.id, known.of(stored)) for stored in turns]
    history.files.release(history.turns)
    draft = await storage.load_draft(key, user_id=user_id) if history.has_draft else None
    lines = [line for turn_id, one in _current(made) if turn_id != without for line in one.lines]
    lines += _drafted(draft, info.revision)
    return Lines(info, _marked(lines, mark), draft and draft.turn_id)


def _count(history: History, mark: Mark | None) -> int | None:
    """Return the number of the newest turns that hold all lines which are not archived; None if more must be read."""
    if mark is not None:
        for count, stored in enumerate(reversed(history.turns), 1):
            if stored.id == mark.turn:
                return count
    return len(history.turns) if history.start <= history.first else None


def _mark_of(info: ThreadInfo) -> Mark | None:
    try:
        return msgspec.convert(info.metadata.get(MARK), Mark | None)
    except msgspec.ValidationError:
        raise StateError(
            f"thread {info.id!r} has metadata under {MARK!r} that no RecuerdaChatStore wrote: remove that key"
        ) from None


def _marked(lines: Sequence[Line], mark: Mark | None) -> list[Line]:
    """Return the lines with their status."""
    if mark is None:
        return [*lines]
    places = [place for place, line in enumerate(lines) if line.turn == mark.turn]
    # If the turn was undone or is retried, the lines of the earlier turns are still archived.
    end = (
        places[: mark.lines][-1] + 1
        if places and mark.lines
        else sum(line.number <= mark.number and line.turn != mark.turn for line in lines)
    )
    return [msgspec.structs.replace(line, is_archived=True) for line in lines[:end]] + [*lines[end:]]


def _turn_lines(stored: StoredTurn) -> TurnLines:
    return TurnLines([*_of_messages(stored.id, stored.number, stored.messages)], _batch_of(stored))


def _drafted(draft: Draft | None, revision: int) -> Iterator[Line]:
    if draft is None:
        return iter(())
    return _of_messages(draft.turn_id, revision, running_turn(draft).messages)


def _of_messages(turn_id: str, number: int, messages: Sequence[ChatMessage]) -> Iterator[Line]:
    position = 0
    for group in grouped(messages):
        is_archived = (group[0].additional_properties or {}).get(STATUS) == ARCHIVED
        items = restored(group, FORM) or [None]
        for item in items:
            status = None if item is None else item.pop(STATUS, None)
            # A message of another program may be several messages here, of which each can be deleted alone.
            own = group if item is None or len(items) == 1 else keep([item], FORM)
            message = None if item is None else Original(LlamaMessage.model_validate(item))
            yield Line(turn_id, number, position, own, message, is_archived or status == ARCHIVED)
            position += 1


# -- batches -----------------------------------------------------------------------------------------------------------


def _current(turns: Sequence[tuple[str, TurnLines]]) -> list[tuple[str, TurnLines]]:
    """Return the turns without the turns that a batch has replaced, and without batches that are not whole."""
    whole = next((one.batch.id for _, one in reversed(turns) if one.batch and one.batch.is_last), None)
    ids = [one.batch and one.batch.id for _, one in turns]
    start = ids.index(whole) if whole else 0
    return [turn for turn, batch in zip(turns[start:], ids[start:], strict=True) if batch is None or batch == whole]


def _batch_of(stored: StoredTurn) -> Batch | None:
    found = (stored.messages[0].additional_properties or {}).get(BATCH) if stored.messages else None
    return None if found is None else msgspec.convert(found, Batch)


def new_lines(items: Sequence[JsonObject], *, is_archived: bool) -> list[Line]:
    """Return lines of messages that are not in a thread yet. A turn begins with each question."""
    lines: list[Line] = []
    turn, previous = 0, ""
    for item in items:
        role = str(item["role"])
        turn += lines != [] and role == "user" and previous != "user"
        lines.append(Line(str(turn), 0, 0, keep([item], FORM), None, is_archived))
        previous = role
    return lines


def batch_of(lines: Sequence[Line], storage: Storage) -> list[NewTurn]:
    """Return the turns that replace the turns of a thread in `storage` by lines."""
    turns = [_messages([*some]) for _, some in groupby(lines, key=lambda line: line.turn)]
    batch = new_id()
    made: list[NewTurn] = []
    for number, (first, *others) in enumerate(turns, 1):
        mark = msgspec.to_builtins(Batch(batch, is_last=number == len(turns)))
        turn = turn_of((with_properties(first, {BATCH: mark}), *others))
        made.append(new_turn(turn, storage, id=f"{batch}.{number}"))
    return made


def _messages(lines: Sequence[Line]) -> list[ChatMessage]:
    messages: list[ChatMessage] = []
    for line in lines:
        properties: dict[str, Any] = {STATUS: ARCHIVED if line.is_archived else None, BATCH: None}
        messages += [with_properties(line.group[0], properties), *line.group[1:]]
    return messages
