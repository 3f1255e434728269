"""The input of a run that repeats messages of its thread, as clients send it that hold the whole conversation.

A message is known by its id, never by its words: the same "yes" twice is two messages. A browser gives its own messages
ids. It often has other ids for the answers than the thread has, so an answer behind a known message is known as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from recuerda.errors import InvalidInput
from recuerda.messages.files import offloaded
from recuerda.messages.message import ChatMessage
from recuerda.threads.history import StoredTurn
from recuerda.threads.loading import LoadedThread
from recuerda.threads.thread import AgentThread

InputChoice: TypeAlias = Literal["new", "last", "all"]
"""The messages of a run's input that count: those that the thread does not have yet, those behind the last answer, or
all."""

_OF_A_TURN = ("assistant", "tool")
"""The roles of messages that follow a question in its turn."""


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an input that the thread does not have.

    Attributes:
        messages: the new messages.
        answered: the turn that already answered the input; None if there are new messages.
    """

    messages: tuple[ChatMessage, ...] = ()
    answered: StoredTurn | None = None


def may_repeat(messages: Sequence[ChatMessage], choice: InputChoice) -> bool:
    """Return whether some of the messages may not be new, so that `incoming` has to look."""
    for message in messages:
        if message.message_id or message.role == "assistant":
            return choice != "all"
    return choice == "last"


async def incoming(
    messages: tuple[ChatMessage, ...], choice: InputChoice, thread: AgentThread, loaded: LoadedThread
) -> Incoming:
    """Return the part of an input that the thread does not have, if `may_repeat` says that some of it may be there.

    Raises:
        InvalidInput: no message is new. Or the messages have no ids, hold answers, and the thread has turns, so that
            nobody can tell which messages are new.
    """
    if choice == "last":
        return Incoming(messages=_behind_the_last_answer(messages))
    if loaded.history is None or not loaded.history.turns:
        return Incoming(messages=messages)
    given = {message.message_id for message in messages if message.message_id}
    known = _holders(given, loaded.history.turns)
    if given and not known and _has_answer(messages):
        # The client holds the whole conversation, and other messages have filled the window since its last one.
        turns = await thread.list_turns(skip_corrupt=True)
        replaced = loaded.replaced and loaded.replaced.number
        known = _holders(given, [turn for turn in turns if turn.number != replaced])
    if not given:
        raise InvalidInput(_WITHOUT_IDS)
    return _after_the_known(messages, known) if known else Incoming(messages=messages)


_WITHOUT_IDS = (
    "the input holds answers, its messages have no ids, and the thread has turns: say which messages are new. "
    'run(…, input="last") takes the messages behind the last answer, and input="all" takes all of them; messages with '
    "a message_id are recognized"
)


def _has_answer(messages: Iterable[ChatMessage]) -> bool:
    return any(message.role == "assistant" for message in messages)


def _behind_the_last_answer(messages: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...]:
    new = messages[_last_answer(messages) + 1 :]
    if not new:
        raise InvalidInput('the input ends with an answer, so input="last" finds no new message behind it')
    return new


def _last_answer(messages: Sequence[ChatMessage]) -> int:
    return max((i for i, message in enumerate(messages) if message.role == "assistant"), default=-1)


def _holders(ids: set[str], turns: Sequence[StoredTurn]) -> dict[str, StoredTurn]:
    """Return the newest turns that hold messages with these ids, by id."""
    held = [(message.message_id, turn) for turn in turns for message in turn.messages]
    return {message_id: turn for message_id, turn in held if message_id and message_id in ids}


def _holds(turn: StoredTurn, message: ChatMessage) -> bool:
    """Return whether a message is among the input of a turn. Files are compared by their digests."""
    (given,), _ = offloaded([message])
    return given in offloaded(turn.messages[: turn.turn.input_count])[0]


def _after_the_known(messages: tuple[ChatMessage, ...], known: dict[str, StoredTurn]) -> Incoming:
    last = max(i for i, message in enumerate(messages) if message.message_id in known)
    rest = messages[last + 1 :]
    questions = (i for i, message in enumerate(rest) if message.role not in _OF_A_TURN)
    # Without a question, results of tools behind the last answer are new: the client has run the tools.
    new = next(questions, _last_answer(rest) + 1)
    if new < len(rest):
        return Incoming(messages=rest[new:])
    turn = known[messages[last].message_id or ""]
    if rest or not _holds(turn, messages[last]):
        raise InvalidInput(
            f"the thread has all of these messages, and turn {turn.number} holds the answer: send a new message, or "
            "answer again with regenerate()"
        )
    return Incoming(answered=turn)
