"""Calls of one event loop that wait together go to the server in one statement.

While nobody waits, each call is a statement of its own. Once `LANES` are under way, the next calls wait for one of them
to end, or for `PATIENCE_S`. Then one statement makes all of them: one round trip, one transaction and one sync of the
server's disk. This gives many conversations a high throughput, because most of the cost of a call is the cost of its
statement.

No call suffers from the others of its group. A refused call has written nothing, so the others continue. If the
statement fails, it has written nothing for any of them, or its answer was lost; then each call is made alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from types import NoneType
from typing import Any, Protocol, TypeAlias

import msgspec

from recuerda._drivers.postgres.database import Row
from recuerda._drivers.postgres.failures import DRIVER_ERRORS
from recuerda.storage.finishing import until_ended

Call: TypeAlias = Sequence[Any]
"""The values of a call. The first one is the thread's id."""

Answer: TypeAlias = Sequence[Row]
Together: TypeAlias = Callable[[Sequence[Call]], Coroutine[Any, Any, Sequence[Answer | None]]]

LANES = 4
"""The number of statements under way from which on calls wait. A few calls at once do not wait for one another."""

MAX_GROUP = 64
"""The largest number of calls in one statement. It limits how long the first call waits for the others."""

PATIENCE_S = 0.02
"""The longest time for which a call waits for its statement to begin, however long other statements take."""

CANCEL_S = 5.0
"""The seconds for which a group goes on after the caller of a write was cancelled. Then the statement is cancelled."""


class Alone(Protocol):
    """Makes a call alone."""

    async def __call__(self, *, is_again: bool) -> Answer:
        """Make the call. `is_again` is True if a group may have made it, and its answer was lost."""
        ...


class _Waiting(msgspec.Struct, eq=False):
    call: Call
    together: Together
    answer: asyncio.Future[Answer | None]
    group: asyncio.Future[Sequence[Answer | None]] | None = None


class Groups:
    """The calls of one kind in one event loop.

    Args:
        are_writes: True ends a cancelled call when its outcome is certain, False ends it at once.
    """

    def __init__(self, *, are_writes: bool) -> None:
        self._are_writes = are_writes
        self._under_way = 0
        self._waiting: deque[_Waiting] = deque()
        self._groups: set[asyncio.Future[Sequence[Answer | None]]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def make(self, call: Call, *, alone: Alone, together: Together) -> Answer:
        """Make a call, alone or together with others, and return its rows.

        Args:
            call: the values of the call.
            alone: makes this call.
            together: makes several calls in one statement. It returns the rows of each call, or None for a call that
                has to be made alone.
        """
        if self._under_way < LANES and not self._waiting:
            self._under_way += 1
            try:
                return await alone(is_again=False)
            finally:
                self._end()
        found = await self._wait(call, together)
        return await alone(is_again=True) if found is None else found

    async def close(self) -> None:
        """Make the calls that wait, and return when their statements have ended."""
        while self._waiting or self._groups:
            if self._waiting:
                self._begin()
            await asyncio.wait(self._groups)

    async def _wait(self, call: Call, together: Together) -> Answer | None:
        """Return the rows of a call that goes with a group; None if the call has to be made alone."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(call, together, loop.create_future())
        self._waiting.append(waiting)
        if self._timer is None:
            self._timer = loop.call_later(PATIENCE_S, self._overtake)
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            if waiting.group is None:
                self._waiting.remove(waiting)
            elif self._are_writes:
                await until_ended(waiting.group, patience_s=CANCEL_S)
            raise

    def _end(self) -> None:
        """Note the end of a statement, and begin the next one."""
        self._under_way -= 1
        if self._waiting and self._under_way < LANES:
            self._begin()

    def _overtake(self) -> None:
        """Begin a statement beside those that take so long."""
        self._timer = None
        if self._waiting:
            self._begin()
            self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self._overtake)

    def _begin(self) -> None:
        group = [self._waiting.popleft() for _ in range(min(MAX_GROUP, len(self._waiting)))]
        # Each write locks its thread until all of the group are done. If two processes lock their threads in the same
        # order, they cannot wait for each other.
        group.sort(key=lambda waiting: waiting.call[0])
        self._under_way += 1
        running = asyncio.ensure_future(group[0].together([waiting.call for waiting in group]))
        for waiting in group:
            waiting.group = running
        self._groups.add(running)
        running.add_done_callback(partial(self._settle, group))

    def _settle(self, group: Sequence[_Waiting], ended: asyncio.Future[Sequence[Answer | None]]) -> None:
        self._groups.discard(ended)
        self._end()
        failure = None if ended.cancelled() else ended.exception()
        answers = [None] * len(group) if ended.cancelled() or failure is not None else ended.result()
        for waiting, answer in zip(group, answers, strict=True):
            if waiting.answer.done():
                continue  # its caller was cancelled
            if failure is None or isinstance(failure, DRIVER_ERRORS):
                waiting.answer.set_result(answer)
            else:
                waiting.answer.set_exception(failure)


def to_columns(calls: Sequence[Call]) -> list[Any]:
    """Return the values of calls as arrays, one for each place in a call. `unnest` makes rows of them again.

    An array of bytes is a list. Any other array is a text in PostgreSQL's notation, because that text is made in less
    time than the driver needs for a list. A column without any value is an empty array.
    """
    return [_to_array(column) for column in zip(*calls, strict=True)]


def split(rows: Iterable[Row], count: int) -> list[list[Row]]:
    """Return the rows of each call. The first column of a row has the place of its call, from 1 on."""
    answers: list[list[Row]] = [[] for _ in range(count)]
    for row in rows:
        place: int = row[0]
        answers[place - 1].append(row[1:])
    return answers


def _to_array(values: Sequence[Any]) -> str | list[bytes]:
    kinds = set(map(type, values))
    if bytes in kinds:
        return list(values)
    if kinds == {NoneType}:
        return "{}"
    element = _quoted if str in kinds else str
    return "{" + ",".join(["NULL" if value is None else element(value) for value in values]) + "}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{text}"'
