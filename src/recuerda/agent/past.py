"""The reading of a thread as it was before one of its turns, for the preview of that turn.

The storage still has the records before a turn, so the reading of that time can be made again. Turns that were undone,
trimmed or erased since then are gone and are missing here, too.
"""

from __future__ import annotations

import msgspec

from recuerda.agent.earlier_summary import read_past_summary
from recuerda.agent.reading import Reading, reading_of
from recuerda.agent.settings import AgentSettings
from recuerda.errors import InvalidInput
from recuerda.messages.message import ChatMessage
from recuerda.storage.records import TurnRecord
from recuerda.threads.forking import TurnReference
from recuerda.threads.history import History, StoredTurn
from recuerda.threads.loading import LoadedThread
from recuerda.threads.pins import NO_PINS, kept
from recuerda.threads.store import ChatMessageStore


async def read_turn(store: ChatMessageStore, turn: TurnReference) -> StoredTurn:
    """Return a turn of a thread with its files.

    Raises:
        InvalidInput: the thread does not have the turn.
        CorruptTurn: the turn cannot be read.
    """
    named = turn.id if isinstance(turn, StoredTurn) else turn
    record = await _record(store, named)
    if record is None:
        raise InvalidInput(f"thread {store.thread_id!r} has no turn {named!r}; see its list_turns")
    return await store.whole(record)


async def _record(store: ChatMessageStore, named: str | int) -> TurnRecord | None:
    if isinstance(named, str):
        return (await store.view.read(store.thread_id, last_turns=0, turn_id=named)).found
    found = await store.view.read(store.thread_id, before=max(1, named + 1), last_turns=1)
    return next((record for record in found.records if record.number == named), None)


async def read_before(store: ChatMessageStore, number: int, settings: AgentSettings, *, spare: int) -> Reading:
    """Read a thread as it was before the turn with a number, and `spare` messages beyond the window."""
    window = settings.window
    keep_files = None if window is None else window.keep_files
    if settings.summarizer is not None:
        past = await read_past_summary(store, number, keep_files=keep_files)
        if past is not None:
            history, summary = past
            await _add_files(store, history)
            return Reading(loaded=_loaded(history, summary=history.summary), summary=summary)
    limit = None if window is None or window.last_messages is None else window.last_messages + spare
    found = await store.view.read(store.thread_id, before=number, last_messages=limit, blobs=keep_files)
    history = History(store.thread_id, with_summary=settings.summarizer is not None)
    history.take(found, last_messages=limit)
    history.files.keep = keep_files
    history.files.add(found.blobs)
    await _add_files(store, history)
    loaded = _loaded(history)
    if window is not None and settings.summarizer is None:
        pins = await store.read_pins(history)
        loaded = msgspec.structs.replace(loaded, pinned=kept(pins.pins(history.first), window))
    return reading_of(loaded, store.thread_id)


async def _add_files(store: ChatMessageStore, history: History) -> None:
    if missing := history.missing_files():
        history.files.add(await store.view.read_blobs(store.thread_id, missing))


def _loaded(history: History, summary: TurnRecord | None = None) -> LoadedThread:
    return LoadedThread(version=history.version, history=history, summary=summary, pinned=NO_PINS)


def asked_with(turn: StoredTurn, request: int) -> tuple[ChatMessage, ...]:
    """Return the messages of a turn that the model got with one of its requests: the input, and what was said since.

    Raises:
        InvalidInput: the turn did not have this number of requests.
    """
    answers = [place for place, message in enumerate(turn.messages) if message.role == "assistant"]
    inputs = turn.turn.input_count
    answers = [place for place in answers if place >= inputs] or [inputs]
    if not 1 <= request <= len(answers):
        raise InvalidInput(f"turn {turn.number} has the requests 1 to {len(answers)}, so it has no request {request}")
    return turn.messages[: answers[request - 1]]


def requests_of(turn: StoredTurn) -> int:
    """Return how many requests a turn had at least: one for each of its answers."""
    said = turn.messages[turn.turn.input_count :]
    return max(1, sum(message.role == "assistant" for message in said))
