"""A run that replaces the newest turn of its thread: an answer given again, or the last question in other words.

The thread is read with the old turn, which must be its newest one. The run then sees the thread without it. The old
turn stays in the thread until the commit, which removes it and appends the new turn in one step.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from recuerda.agent.earlier_summary import read_earlier_summary
from recuerda.agent.reading import Reading, read_thread
from recuerda.agent.request import RunRequest
from recuerda.agent.settings import AgentSettings
from recuerda.errors import ConfigurationError, InvalidInput, ThreadConflict, TurnGone
from recuerda.messages.message import ChatMessage, Turn
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.records import TurnRecord
from recuerda.threads.forking import TurnReference
from recuerda.threads.history import History, StoredTurn
from recuerda.threads.pins import NO_PINS, kept
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread

SPARE = 20
"""The number of messages that are read beyond the window, in place of the replaced turn. A longer turn costs a second
read."""


def store_with_turns(thread: AgentThread) -> ChatMessageStore:
    """Return the store of a thread whose turns can be replaced.

    Raises:
        ConfigurationError: the thread is kept by a service, or by a store that knows no turns.
    """
    if (store := thread.turn_store) is not None:
        return store
    kept_by = "a service" if thread.message_store is None else type(thread.message_store).__name__
    raise ConfigurationError(
        f"thread {thread.id!r} is kept by {kept_by}, which cannot replace a turn: replaces= and regenerate() work on a "
        "ChatMessageStore"
    )


async def read_with_newest(request: RunRequest, settings: AgentSettings) -> Reading:
    """Read the thread with its newest turn, which the run replaces.

    Raises:
        ConfigurationError: the thread is kept by a service, or by a store that knows no turns.
    """
    store_with_turns(request.thread)
    return await read_thread(request, settings, spare=SPARE)


async def for_replacement(request: RunRequest, reading: Reading, settings: AgentSettings) -> tuple[RunRequest, Reading]:
    """Return the request with the run's input, and the reading without the newest turn, which the run replaces.

    Raises:
        InvalidInput: the thread has no turn, the named turn is not the newest one, or the newest turn has no input.
        TurnGone: the named turn is not in the thread.
    """
    store = store_with_turns(request.thread)
    if reading.loaded.committed is not None:
        return request, reading
    reading = await without_newest(request, reading, settings)
    newest = reading.loaded.replaced
    if newest is None:
        raise InvalidInput(f"thread {store.thread_id!r} has no turn, so there is none to answer again or to replace")
    if request.replaces is not None and not _is(newest, request.replaces):
        raise await _not_newest(store, newest, request.replaces)
    if request.is_again:
        request = structs.replace(request, messages=input_of(newest.turn, store.thread_id), choice="all")
    return request, reading


async def without_newest(request: RunRequest, reading: Reading, settings: AgentSettings) -> Reading:
    """Return a reading without the thread's newest turn, and with enough older turns for the window."""
    if reading.loaded.summary is not None and not _turns(reading):
        # The summary tells of the turn that is replaced.
        reading = await _with_earlier_summary(request, reading, reading.loaded.summary, settings)
    if not _turns(reading):
        return reading
    missing = len(_turns(reading)[-1].messages)
    if not _is_enough(reading, settings, spare=missing):
        reading = await read_thread(request, settings, spare=missing, with_summary=reading.loaded.summary is not None)
    history = reading.loaded.history
    if history is None or not history.turns:
        return reading
    return await _without(reading, history, store_with_turns(request.thread), settings)


async def _with_earlier_summary(
    request: RunRequest, reading: Reading, newest: TurnRecord, settings: AgentSettings
) -> Reading:
    """Return a reading with an earlier summary than the newest one, and the turns after it. Without one, with turns."""
    keep_files = None if settings.window is None else settings.window.keep_files
    earlier = await read_earlier_summary(
        store_with_turns(request.thread), newest, keep_files=None if keep_files is None else keep_files + 1
    )
    if earlier is None:
        return await read_thread(request, settings, spare=SPARE, with_summary=False)
    history, summary = earlier
    loaded = structs.replace(
        reading.loaded,
        version=history.version,
        history=history,
        summary=history.summary,
        has_draft=history.has_draft,
    )
    return structs.replace(reading, loaded=loaded, summary=summary)


async def read_for_resumption(request: RunRequest, reading: Reading, settings: AgentSettings, number: int) -> Reading:
    """Return the reading of a resumed run without the turn that its turn replaces.

    Raises:
        ThreadConflict: the turn is not the thread's newest turn any more.
    """
    revision = reading.loaded.revision
    reading = await without_newest(request, reading, settings)
    if reading.loaded.replaced is None or reading.loaded.replaced.number != number:
        raise ThreadConflict(request.thread.id, expected=revision, actual=reading.loaded.revision)
    return reading


def _turns(reading: Reading) -> Sequence[StoredTurn]:
    return () if reading.loaded.history is None else reading.loaded.history.turns


def _is_enough(reading: Reading, settings: AgentSettings, *, spare: int) -> bool:
    """Return True if the turns that were read hold a window and so many messages more."""
    history, window = reading.loaded.history, settings.window
    limit = None if window is None else window.last_messages
    if history is None:
        return True
    return history.covers(None if limit is None else limit + spare, with_summary=history.with_summary)


async def _without(reading: Reading, history: History, store: ChatMessageStore, settings: AgentSettings) -> Reading:
    newest = history.turns[-1]
    rest = history.without(newest)
    newest = await store.filled(newest)
    pinned = NO_PINS
    if settings.window is not None and not history.with_summary:
        pinned = kept((await store.read_pins(rest)).pins(rest.first), settings.window)
    return structs.replace(
        reading, loaded=structs.replace(reading.loaded, history=rest, replaced=newest, pinned=pinned)
    )


def input_of(turn: Turn, thread_id: str) -> tuple[ChatMessage, ...]:
    """Return the messages of a turn that came from the caller.

    Raises:
        InvalidInput: the turn has no such message.
    """
    if not (said := turn.messages[: turn.input_count]):
        raise InvalidInput(f"the newest turn of thread {thread_id!r} holds no message of the user, so give run() one")
    return said


def _is(turn: StoredTurn, wanted: TurnReference) -> bool:
    return (wanted.number if isinstance(wanted, StoredTurn) else wanted) in (turn.number, turn.id)


async def _not_newest(store: ChatMessageStore, newest: StoredTurn, wanted: TurnReference) -> InvalidInput | TurnGone:
    """Return the error for a turn that is not the newest one."""
    named = wanted.number if isinstance(wanted, StoredTurn) else wanted
    found = await _look(store, named)
    if found is None:
        return TurnGone(store.thread_id, turn=named, revision=store.revision)
    return InvalidInput(
        f"turn {named!r} is not the newest turn of thread {store.thread_id!r}, which is turn {newest.number}: only the "
        "newest turn can be replaced. To say an earlier turn in another way, use edit() or fork(before=…)"
    )


async def _look(store: ChatMessageStore, named: int | str) -> object:
    if isinstance(named, str):
        return (await store.view.read(store.thread_id, last_turns=0, turn_id=named)).found
    found: ThreadSlice = await store.view.read(store.thread_id, before=max(1, named + 1), last_turns=1)
    return next((record for record in found.records if record.number == named), None)
