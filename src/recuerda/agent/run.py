"""One run of an agent: from its place in the thread's queue to its response.

A run waits in the queue of the thread, reads the thread once, and makes an attempt at one turn. If the thread has an
interrupted turn, and the caller asked for it, that turn is resumed or dropped first. A run is one asynchronous
generator of updates: `run` drains it, `run_stream` hands it out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from typing import Any

from msgspec import structs

from recuerda.agent import observing
from recuerda.agent.attempt import Attempt
from recuerda.agent.beginning import begin_again, begin_new
from recuerda.agent.branching import begun
from recuerda.agent.incoming import incoming, may_repeat
from recuerda.agent.journal import drop_draft, durable_store, load_draft
from recuerda.agent.queue import QueueTicket
from recuerda.agent.reading import Reading, read_thread
from recuerda.agent.replacing import for_replacement, read_for_resumption, read_with_newest
from recuerda.agent.request import Decisions, RunRequest
from recuerda.agent.response import AgentResponse, AgentResponseUpdate, replayed
from recuerda.agent.resuming import expires_by_itself
from recuerda.agent.settings import AgentSettings
from recuerda.messages.codec import encode_turn
from recuerda.messages.files import without_bytes
from recuerda.messages.message import Turn
from recuerda.threads.history import StoredTurn
from recuerda.threads.loading import LoadedThread
from recuerda.threads.stopwatch import Stopwatch

_NOTHING = nullcontext()


class Run:
    """One run; `updates` carries it out, and then `response` is set.

    Args:
        settings: the agent's settings.
        request: the caller's request.
    """

    def __init__(self, settings: AgentSettings, request: RunRequest) -> None:
        self.ticket: QueueTicket = QueueTicket(request.thread, settings.lease)
        self._settings = settings
        self._request = request
        self._replay: AgentResponse[Any] | None = None
        self._attempt: Attempt | None = None
        self._watch = Stopwatch()

    @property
    def response(self) -> AgentResponse[Any] | None:
        """The whole answer; None until the run has ended."""
        return self._replay if self._attempt is None else self._attempt.response

    def updates(self) -> AsyncGenerator[AgentResponseUpdate | None]:
        """Carry the run out. The turn is committed after the last update; closing the generator early cancels it.

        A None comes first, when the thread has been read and checked, before anything is paid for.
        """
        if (observer := observing.observer) is None:
            return self._updates()
        settings, request = self._settings, self._request

        def begin() -> observing.RunWork:
            return observer.run(settings.name, settings.model, thread_id=request.thread.id, said=request.messages)

        def told(work: observing.RunWork) -> None:
            if self.response is not None:
                work.answered(self.response)

        return observing.observed(begin, self._updates(), told)

    async def _updates(self) -> AsyncGenerator[AgentResponseUpdate | None]:
        _check_can_be_stored(self._request)
        branch = self._request.branch
        async with self.ticket, _NOTHING if branch is None else begun(branch, self._request.thread):
            self._watch = Stopwatch()
            request, reading = await self._read_past_an_interrupted_turn()
            request, stored = await _without_known(request, reading.loaded)
            if stored is not None:
                self._replay = replayed(stored, self._request.thread.id, request.form)
                for message in self._replay.messages:
                    yield AgentResponseUpdate(
                        role=message.role, contents=message.contents, author_name=message.author_name
                    )
                return
            self._attempt = await self._begin(request, reading)
            yield None
            async with aclosing(self._attempt.updates()) as updates:
                async for update in updates:
                    yield update

    async def _read_past_an_interrupted_turn(self) -> tuple[RunRequest, Reading]:
        """Read the thread, and return the request with its input.

        If the caller asked for it, resume or drop an interrupted turn, and read the thread again.
        """
        request, settings = self._request, self._settings
        read = read_with_newest if request.is_replacement else read_thread
        reading = await read(request, settings)
        is_in_the_way = reading.loaded.has_draft and reading.loaded.committed is None and request.decisions is None
        if is_in_the_way and await self._clear_the_way(reading):
            reading = await read(request, settings)
        return await for_replacement(request, reading, settings) if request.is_replacement else (request, reading)

    async def _clear_the_way(self, reading: Reading) -> bool:
        """Drop or resume the interrupted turn, as the caller asked for. Return False if it stays.

        A turn whose approvals come too late now is resumed in any case: it waits for nobody.
        """
        request = self._request
        draft = await load_draft(request.thread)
        if draft is None:
            return True
        if request.on_pending == "discard":
            await drop_draft(request.thread, draft.turn_id)
        elif request.on_pending == "raise" and not expires_by_itself(draft, now_us=_now_us(request)):
            return False
        else:
            resumption = RunRequest(
                thread=request.thread, decisions=Decisions(), durability="steps", context=request.context
            )
            await _carried_out(await self._begin(resumption, reading))
        self._watch = Stopwatch()  # the time before was that of the other turn
        return True

    async def _begin(self, request: RunRequest, reading: Reading) -> Attempt:
        if request.decisions is None:
            beginning = await begin_new(request, reading.loaded, self._settings, watch=self._watch)
        else:
            beginning = await begin_again(request, reading.loaded, watch=self._watch)
            if (replaced := beginning.turn.replaces) is not None:
                reading = await read_for_resumption(request, reading, self._settings, replaced)
        return Attempt(self._settings, request, reading=reading, beginning=beginning, ticket=self.ticket)


def _now_us(request: RunRequest) -> int:
    return durable_store(request.thread).view.clock()


async def _without_known(request: RunRequest, loaded: LoadedThread) -> tuple[RunRequest, StoredTurn | None]:
    """Return the request without the messages that the thread has, and the turn that already answered it, if any."""
    if (
        loaded.committed is not None
        or request.decisions is not None
        or not may_repeat(request.messages, request.choice)
    ):
        return request, loaded.committed
    found = await incoming(request.messages, request.choice, request.thread, loaded)
    return structs.replace(request, messages=found.messages), found.answered


def _check_can_be_stored(request: RunRequest) -> None:
    """Refuse input that cannot be stored before anything is paid for.

    Raises:
        EncodeError: a message has a value without a JSON form.
    """
    encode_turn(Turn(messages=without_bytes(request.messages), input_count=len(request.messages)))


async def _carried_out(attempt: Attempt) -> None:
    async with aclosing(attempt.updates()) as updates:
        async for _ in updates:
            pass
