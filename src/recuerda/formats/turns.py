"""The grouping of single messages into whole turns.

A turn begins with a message of the user, or with instructions, after an answer. It does not end while the result of one
of its calls is still to come. A turn gets the id of its first message, so it keeps its id when it grows. A source
without ids gives ids that are made of everything the user has said so far.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import structs

from recuerda.errors import EncodeError, InvalidInput, StateError
from recuerda.formats.moved import MovedThread, MovedTurn, added_up
from recuerda.formats.supplement import Supplement, TurnMark
from recuerda.ids import check_id
from recuerda.json_value import JsonObject
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import ChatMessage, FunctionResultContent, Turn
from recuerda.storage.thread_filter import to_tags
from recuerda.window.window import turn_of

_ASKING = ("user", "system", "developer")


@dataclass(frozen=True, kw_only=True)
class Said:
    """One message of a source, as our messages.

    Attributes:
        id: the source's id of the message; None if it has none.
        messages: our messages; empty for a message that says nothing.
        parent: the id of the message before it, in a source that keeps a tree; otherwise None.
        created_us: the time of the message in microseconds since 1970 (UTC); None if the source has no time.
        losses: the parts that could not be read.
        begins_branch: True if another version of this message is older.
    """

    id: str | None = None
    messages: Sequence[ChatMessage]
    parent: str | None = None
    created_us: int | None = None
    losses: Mapping[str, int] = field(default_factory=dict[str, int])
    begins_branch: bool = False


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """The facts about a conversation of a source.

    Attributes:
        id: see `MovedThread`.
        title: see `MovedThread`.
        user_id: see `MovedThread`.
        metadata: see `MovedThread`.
        archived: see `MovedThread`.
        tags: the tags as the source has them.
    """

    id: str
    title: str | None = None
    user_id: str | None = None
    metadata: JsonObject = field(default_factory=JsonObject)
    archived: bool = False
    tags: Sequence[str] = ()


def thread_of(about: Conversation, said: Iterable[Said], marks: Sequence[TurnMark] = ()) -> MovedThread:
    """Return the thread of a plain list of messages.

    Args:
        about: the conversation.
        said: the messages.
        marks: the first turns as an export of ours has marked them. If there are fewer messages than they count, they
            are ignored.

    Raises:
        StateError: a message cannot be stored, or an id cannot be used.
    """
    told = list(said)
    try:
        check_id(about.id, "thread id")
        if about.user_id is not None:
            check_id(about.user_id, "user id")
        tags = to_tags(about.tags)
        turns = tuple(_turns(told, marks))
    except InvalidInput as error:
        where = error.path if isinstance(error, EncodeError) else None
        reason = f"{where} cannot be stored: {error.reason}" if isinstance(error, EncodeError) else str(error)
        raise StateError(f"the conversation {about.id[:100]!r} cannot be imported: {reason}") from None
    return MovedThread(
        id=about.id,
        turns=turns,
        title=about.title or None,
        user_id=about.user_id,
        metadata=about.metadata,
        archived=about.archived,
        tags=tags,
        losses=added_up(one.losses for one in told),
    )


def marked_thread(about: Conversation, said: Iterable[Said], facts: Supplement | None) -> MovedThread:
    """Return the thread of a list of messages, with the facts that an export of ours has put beside it.

    Args:
        about: the facts that stand in the source itself.
        said: the messages.
        facts: the facts beside them; None if there are none.

    Raises:
        StateError: a message cannot be stored, or an id cannot be used.
    """
    if facts is None:
        return thread_of(about, said)
    known = Conversation(
        id=facts.id or about.id,
        title=facts.title,
        user_id=facts.user_id,
        metadata={**facts.metadata, **about.metadata},
        archived=facts.archived,
        tags=facts.tags,
    )
    return structs.replace(thread_of(known, said, facts.turns), parent=facts.parent)


def _turns(said: Sequence[Said], marks: Sequence[TurnMark]) -> Iterable[MovedTurn]:
    made = _MadeIds()
    used: set[str] = set()
    for group, mark in _marked_groups(list(_with_branches(said)), marks):
        turn = turn_of([message for one in group for message in one.messages])
        if mark is not None:
            turn = mark.applied_to(turn)
        encode_turn(turn)  # this refuses values that cannot be stored
        made.add(turn)
        turn_id = _source_id(group) if mark is None else mark.id
        if turn_id is None or turn_id in used:
            turn_id = made.newest()
        used.add(turn_id)
        times = (one.created_us for one in group if one.created_us is not None)
        created_us = next(times, None) if mark is None else mark.created_us
        yield MovedTurn(id=check_id(turn_id, "turn id"), turn=turn, created_us=created_us)


def _source_id(group: Sequence[Said]) -> str | None:
    """Return the id of a turn: of its first message, or of the message at which a branch begins."""
    branched = [one.id for one in group[1:] if one.begins_branch]
    return branched[-1] if branched else group[0].id


def _marked_groups(said: Sequence[Said], marks: Sequence[TurnMark]) -> Iterator[tuple[Sequence[Said], TurnMark | None]]:
    """Yield the messages of each turn, with its mark if it has one."""
    at = 0
    if sum(mark.entries for mark in marks) <= len(said):
        for mark in marks:
            group = [one for one in said[at : at + mark.entries] if one.messages]
            at += mark.entries
            if group:
                yield group, mark
    for group in _groups([one for one in said[at:] if one.messages]):
        yield group, None


class _MadeIds:
    """Ids for turns without an id. Each id is made of everything that was asked so far, and so the same every time."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._waiting: list[Turn] = []

    def add(self, turn: Turn) -> None:
        """Add the next turn of the conversation."""
        self._waiting.append(turn)

    def newest(self) -> str:
        """Return the id of the turn that was added last."""
        for turn in self._waiting:
            self._digest.update(encode_turn(Turn(messages=turn.messages[: max(turn.input_count, 1)])))
        self._waiting.clear()
        return self._digest.hexdigest()[:24]


def _with_branches(said: Iterable[Said]) -> Iterable[Said]:
    """Yield the messages. The beginning of a branch moves from an empty message to the next message."""
    begins = False
    for one in said:
        begins = begins or one.begins_branch
        yield one if begins == one.begins_branch else _begun(one)
        begins = begins and not one.messages


def _begun(one: Said) -> Said:
    return Said(id=one.id, messages=one.messages, parent=one.parent, created_us=one.created_us, begins_branch=True)


def begins_turn(said: Sequence[Said]) -> list[bool]:
    """Return for each message whether a turn begins with it. Each of the messages says something."""
    answered = {
        part.call_id: number
        for number, one in enumerate(said)
        for message in one.messages
        for part in message.contents
        if isinstance(part, FunctionResultContent)
    }
    begins: list[bool] = []
    last_result = -1
    for number, one in enumerate(said):
        is_asking = one.messages[0].role in _ASKING
        is_answered = number > 0 and said[number - 1].messages[-1].role not in _ASKING
        begins.append(number == 0 or (is_asking and is_answered and last_result < number))
        calls = [call.call_id for message in one.messages for call in message.function_calls]
        last_result = max([last_result, *(answered.get(call, -1) for call in calls)])
    return begins


def _groups(said: Sequence[Said]) -> list[list[Said]]:
    groups: list[list[Said]] = []
    for one, begins in zip(said, begins_turn(said), strict=True):
        if begins:
            groups.append([])
        groups[-1].append(one)
    return groups
