"""Responses in the background: a task of this node makes each one, whoever is connected.

The task saves the fragments of the answer twice a second. A client of this node gets the events from memory as they
come. A client of another node gets them from the storage, and both get the same events with the same numbers. A task
ends when its answer is committed, when it fails, or when a client of any node has cancelled the response.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing, suppress
from functools import partial
from itertools import islice
from typing import Any

from recuerda._events import fields
from recuerda.errors import DraftConflict, StorageError, ThreadConflict
from recuerda.openai.reader import JoinedCall
from recuerda.server.answer import Answer, read_answer
from recuerda.server.events import Frames, closing, failing, opening
from recuerda.server.faults import ApiFault
from recuerda.server.http import known_fault
from recuerda.server.names import Tenancy, TurnName
from recuerda.server.output_items import Event
from recuerda.server.response_object import ResponseObject, failed
from recuerda.server.running_responses import Begun, Outcome, Running, RunningResponses, Step, pieces_of
from recuerda.server.upstream import Upstream

_logger = logging.getLogger("recuerda.server")

SAVE_S = 0.5
"""The seconds between two steps that are saved. Clients of other nodes get the events that much later."""

SAVES_PER_S = 200
"""The largest number of steps that a node saves in a second. Many responses save their steps more rarely."""

KEPT_BYTES = 4 * 1024
"""The size of the events of one response that stay in memory after they were saved, for clients that come back."""

FOLLOW_S = 0.25
"""The seconds between two looks of a client of another node."""

ABANDONED_AFTER_S = 5.0
"""The age of the last step from which on a node checks whether the node that makes the response is alive."""


class Live:
    """A response that a task of this node makes.

    Args:
        tenancy: the tenant of the request.
        name: the thread and the turn of the response.
        begun: the beginning of the response.
        answer: reads the model's answer.

    Attributes:
        first: the number of the oldest event in memory. A client that wants older ones gets them from the storage.
        is_over: True when all events are written.
        changed: set when the next events are written; then another one takes its place.
        last: the number and the id of the last step that was saved.
    """

    def __init__(self, tenancy: Tenancy, name: TurnName, begun: Begun, answer: Answer) -> None:
        self.tenancy = tenancy
        self.name = name
        self.begun = begun
        self.answer = answer
        self.task: asyncio.Task[None] | None = None
        self.has_begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.first: int = 0
        self.is_over: bool = False
        self.changed: asyncio.Event = asyncio.Event()
        self.last: tuple[int, str] = (0, "")
        self._frames = Frames()
        self._written: deque[bytes] = deque()
        self._size = 0
        self._calls: dict[JoinedCall, int] = {}

    @property
    def count(self) -> int:
        """The number of events so far."""
        return self.first + len(self._written)

    def step(self, *, has_ended: bool = False) -> Step:
        """Return the step with the fragments that came since the last one."""
        pieces = pieces_of(self.answer.new_fragments(), self._calls)
        return Step(begun=self.begun if self.last[0] == 0 else None, pieces=pieces, has_ended=has_ended)

    def write(self, events: list[Event], *, is_last: bool = False) -> None:
        """Add events for all clients of this node."""
        for event in events:
            self._written.append(self._frames.write(event))
            self._size += len(self._written[-1])
        self.is_over = is_last
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def forget(self, saved: int) -> None:
        """Drop the oldest of the first `saved` events from the memory. The storage has them."""
        while self._size > KEPT_BYTES and self.first < saved:
            self._size -= len(self._written.popleft())
            self.first += 1

    def after(self, sent: int) -> bytes:
        """Return the events behind the first `sent` events, encoded. Those must be in memory."""
        return b"".join(islice(self._written, sent - self.first, None))


class Background:
    """The background responses that this node makes, and the way to those of other nodes.

    Args:
        running: the background responses in the storage.
        upstream: the model's server.
    """

    def __init__(self, running: RunningResponses, upstream: Upstream) -> None:
        self.running = running
        self._upstream = upstream
        self._live: dict[tuple[Tenancy, str], Live] = {}

    async def start(
        self,
        live: Live,
        body: Mapping[str, Any],
        *,
        held: AsyncExitStack,
        commit: Callable[[Answer], Awaitable[ResponseObject]],
    ) -> None:
        """Begin to make a response. Return as soon as its beginning is stored.

        Args:
            live: the response.
            body: the body of the call of the model.
            held: the resources of the response; they are released at its end.
            commit: adds the answer to its thread and returns the whole response.

        Raises:
            Exception: the beginning could not be stored.
        """
        key = (live.tenancy, live.name.turn)
        live.task = asyncio.create_task(self._make(live, body, held, commit))
        self._live[key] = live
        live.task.add_done_callback(lambda _: self._live.pop(key, None))
        await asyncio.shield(live.has_begun)

    async def close(self, *, grace_s: float = 0.0) -> None:
        """Give the running responses some seconds to end, and then end them as failed."""
        tasks = [live.task for live in self._live.values() if live.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
            self.running.patience.is_over = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await self.running.node.close()

    # -- looking -------------------------------------------------------------------------------------------------------

    async def find(self, tenancy: Tenancy, name: TurnName) -> Running | Outcome | None:
        """Return a response that runs or that came to nothing; None if there is none of this name."""
        running = await self.running.find(tenancy, name.turn)
        if running is None:
            outcome = await self.running.outcome(tenancy, name.turn)
            return outcome if outcome is not None and outcome.response["id"] == name.id else None
        if running.begun.response["id"] != name.id:
            return None
        return await self._settled(tenancy, name, running) or running

    def live(self, tenancy: Tenancy, turn: str) -> Live | None:
        """Return a response that this node makes; None if another node makes it, or none."""
        return self._live.get((tenancy, turn))

    async def _settled(self, tenancy: Tenancy, name: TurnName, running: Running) -> Outcome | None:
        """Settle a response that was cancelled or whose node has died. Return None if the response goes on."""
        response = running.begun.response
        if running.is_cancelled:
            return await self._settle(tenancy, name, cancelled(response), count=_count(running, name))
        is_old = time.time() - running.saved_us / 1_000_000 > ABANDONED_AFTER_S
        if self.live(tenancy, name.turn) or not is_old or not await self.running.node.is_dead(running.begun.node):
            return None
        broken = failed(response, "The server that made this response has stopped.")
        return await self._settle(tenancy, name, broken, count=_count(running, name))

    async def _settle(self, tenancy: Tenancy, name: TurnName, response: ResponseObject, *, count: int) -> Outcome:
        return await self.running.settle(tenancy, name.turn, Outcome(response=response, events=count))

    async def follow(
        self,
        tenancy: Tenancy,
        name: TurnName,
        *,
        after: int,
        live: Live | None,
        replayed: Callable[[int], Awaitable[bytes | None]],
    ) -> AsyncGenerator[bytes]:
        """Yield the events of a response that this node or another node makes.

        Args:
            tenancy: the tenant of the request.
            name: the thread and the turn of the response.
            after: the number of the last event that the client has.
            live: the response, if this node makes it; otherwise None.
            replayed: returns the events behind a number if the response is committed; otherwise None.
        """
        sent = after + 1
        if live is not None:
            async with aclosing(self._follow_live(live, sent)) as pieces:
                async for number, piece in pieces:
                    sent = number
                    yield piece
            if live.is_over and sent >= live.count:
                return
        while (found := await replayed(sent - 1)) is None:
            state = await self.find(tenancy, name)
            if isinstance(state, Outcome):
                yield Frames(max(sent, state.events)).all(_last_events(state.response))
                return
            if state is not None:
                events = [*opening(state.begun.response), *state.events(name)]
                if len(events) > sent:
                    yield Frames(sent).all(events[sent:])
                    sent = len(events)
            elif (found := await replayed(sent - 1)) is not None:
                break
            else:
                return  # The response has been deleted.
            if self._upstream.is_ended:
                return  # This server stops. The client reads on from another one.
            await asyncio.sleep(FOLLOW_S)
        yield found

    async def _follow_live(self, live: Live, sent: int) -> AsyncGenerator[tuple[int, bytes]]:
        """Yield the events of a response of this node, each time with the number of the events so far.

        They end earlier if this node has no older events any more and the storage has none either.
        """
        while True:
            changed = live.changed
            if sent < live.first:
                stored = await self.running.find(live.tenancy, live.name.turn)
                if stored is None:
                    return
                events = [*opening(stored.begun.response), *stored.events(live.name)]
                piece = Frames(sent).all(events[sent:])
                sent = len(events)
                yield sent, piece
            elif piece := live.after(sent):
                sent = live.count
                yield sent, piece
            elif live.is_over:
                return
            else:
                await changed.wait()

    async def cancel(self, tenancy: Tenancy, name: TurnName) -> None:
        """Cancel a response that runs on any node. A response whose answer is whole is not cancelled."""
        running = await self.running.find(tenancy, name.turn)
        if running is not None and running.begun.response["id"] == name.id:
            await self.running.cancel(tenancy, name.turn)
            await self.find(tenancy, name)  # This settles it.

    # -- making --------------------------------------------------------------------------------------------------------

    async def _make(
        self,
        live: Live,
        body: Mapping[str, Any],
        held: AsyncExitStack,
        commit: Callable[[Answer], Awaitable[ResponseObject]],
    ) -> None:
        tenancy, turn = live.tenancy, live.name.turn
        async with held:
            try:
                await self.running.node.show_life()
                live.last = await self.running.save(tenancy, turn, live.step(), last=live.last)
                live.has_begun.set_result(None)
                live.write(list(opening(live.begun.response)))
                await self._answer(live, body, commit)
            except Exception as error:  # noqa: BLE001 - the storage keeps the failure, and the stream reports it
                if not live.has_begun.done():
                    live.has_begun.set_exception(error)
                    return
                await self._fail(live, known_fault(error))
            except asyncio.CancelledError:
                fault = ApiFault(503, "The server that made this response has stopped.", code="server_stopping")
                if live.has_begun.done():
                    await self._fail(live, fault)
                raise

    async def _answer(
        self, live: Live, body: Mapping[str, Any], commit: Callable[[Answer], Awaitable[ResponseObject]]
    ) -> None:
        try:
            await self._read(live, body)
            ending = list(live.answer.end())
            live.last = await self.running.save(live.tenancy, live.name.turn, live.step(has_ended=True), last=live.last)
        except (DraftConflict, ThreadConflict):
            await self._end(live, cancelled(live.begun.response))
            return
        response = await self.running.patience.with_(partial(commit, live.answer))
        with suppress(StorageError):  # The turn is what counts. What is left of its making is never looked at again.
            await self.running.remove(live.tenancy, live.name.turn)
        live.write([*ending, closing(response)], is_last=True)

    async def _read(self, live: Live, body: Mapping[str, Any]) -> None:
        """Read the model's answer, and save its fragments meanwhile."""
        is_over = asyncio.Event()
        saving = asyncio.create_task(self._save_on(live, is_over))
        reading = asyncio.create_task(self._read_on(live, body))
        try:
            await asyncio.wait([saving, reading], return_when=asyncio.FIRST_COMPLETED)
            if not reading.done():
                await saving  # It has failed.
            is_over.set()
            await reading
            await saving
        finally:
            for task in (saving, reading):
                task.cancel()
            await asyncio.gather(saving, reading, return_exceptions=True)

    async def _read_on(self, live: Live, body: Mapping[str, Any]) -> None:
        async with self._upstream.chat(body) as upstream:
            try:
                async with aclosing(upstream.events()) as events:
                    async for data in events:
                        if made := list(live.answer.take(read_answer(data))):
                            live.write(made)
            except ApiFault:
                if not live.answer.is_whole:
                    raise

    async def _save_on(self, live: Live, is_over: asyncio.Event) -> None:
        """Save new fragments until the answer is over. Notice a cancellation, also while there are none.

        Raises:
            DraftConflict: the response was cancelled.
        """
        tenancy, turn = live.tenancy, live.name.turn
        while not is_over.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(is_over.wait(), max(SAVE_S, len(self._live) / SAVES_PER_S))
            if not await self._save_new(live) and not is_over.is_set():
                await self.running.check_uncancelled(tenancy, turn)

    async def _save_new(self, live: Live) -> bool:
        """Save the new fragments. Return False if there are none."""
        step, count = live.step(), live.count
        if not step.pieces:
            return False
        live.last = await self.running.save(live.tenancy, live.name.turn, step, last=live.last)
        live.forget(count)
        return True

    async def _fail(self, live: Live, fault: ApiFault) -> None:
        """Note that the response has failed, unless another end is noted already."""
        await self._end(live, failed(live.begun.response, fault.message))

    async def _end(self, live: Live, response: ResponseObject) -> None:
        try:
            noted = await self._settle(live.tenancy, live.name, response, count=live.count)
        except StorageError as error:
            _logger.warning(
                "the end of a response could not be stored yet: %s",
                type(error).__name__,
                extra=fields("response_not_stored", error=type(error).__name__),
            )
            live.write(_last_events(response), is_last=True)
            await self._settle_later(live, response)
        else:
            live.write(_last_events(noted.response), is_last=True)

    async def _settle_later(self, live: Live, response: ResponseObject) -> None:
        """Note how a response ended as soon as the storage can be used. When this node stops, other nodes do it."""
        while not self.running.patience.is_over:
            await asyncio.sleep(ABANDONED_AFTER_S)
            with suppress(StorageError):
                await self._settle(live.tenancy, live.name, response, count=live.count)
                return


def cancelled(response: ResponseObject) -> ResponseObject:
    """Return the response after its cancellation. No part of its answer is kept."""
    return {**response, "status": "cancelled", "output": []}


def _count(running: Running, name: TurnName) -> int:
    return 2 + len(running.events(name))


def _last_events(response: ResponseObject) -> list[Event]:
    if response["status"] == "cancelled":
        return [closing(response)]
    return list(failing(response, ApiFault(502, response["error"]["message"])))
