"""Commands to one server from one event loop. Commands that wait at the same time share a trip.

If no command is under way, a command is sent at once. Otherwise commands collect until the event loop's next iteration
and then share a trip. For the client library, most of a command's cost is the trip, and a server that syncs its log to
the disk syncs once per trip. So hundreds of conversations need few connections, and their commands wait in a queue
instead of failing.

A connection may lead to a server that was the primary and is a replica now. Such a server keeps its connections open
and refuses every write. So a refusal of this kind closes all connections that were opened before it. The caller sends
the command once more, over a new connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Protocol, TypeAlias

from redis.exceptions import NoScriptError

from recuerda.redis import faults
from recuerda.redis.renewal import Renewal
from recuerda.redis.scripts import Script

Argument: TypeAlias = bytes | str | int

MAX_GROUP = 128
"""The largest number of commands in one trip. This limits how long the first command waits for the others."""


class Pipeline(Protocol):
    """The part of redis-py's pipeline that is used."""

    def execute_command(self, *args: Argument, **options: object) -> object:
        """Queue a command."""
        ...

    def execute(self, *, raise_on_error: bool) -> Awaitable[list[object]]:
        """Send the queued commands and return their replies."""
        ...


class RedisClient(Protocol):
    """The methods of redis-py's clients that are used, for a server or a cluster."""

    def initialize(self) -> Awaitable[object]:
        """Discover the nodes of a cluster. A second call does nothing."""
        ...

    def execute_command(self, *args: Argument, **options: object) -> Awaitable[object]:
        """Send a command and return its reply."""
        ...

    def pipeline(self, *, transaction: bool) -> Pipeline:
        """Return a new pipeline."""
        ...

    def aclose(self) -> Awaitable[None]:
        """Close the client."""
        ...


class RedisCall(NamedTuple):
    """A command or a script with its keys and arguments.

    `node` is the node of a cluster that runs a command without keys.
    """

    command: str | Script
    keys: Sequence[str]
    arguments: Sequence[Argument] = ()
    node: object = None

    def wire(self, *, in_full: bool = False) -> tuple[Argument, ...]:
        """Return the words of the command. A script is named by its hash; `in_full` sends its source instead."""
        if isinstance(self.command, str):
            return (self.command, *self.keys, *self.arguments)
        how = ("EVAL", self.command.source) if in_full else ("EVALSHA", self.command.sha)
        return (*how, len(self.keys), *self.keys, *self.arguments)


_Waiting: TypeAlias = "tuple[RedisCall, asyncio.Future[Any]]"


class Trips:
    """Send commands from one event loop.

    Args:
        client: a client of redis-py.
        lanes: the largest number of connections to use at the same time.
        is_grouped: False sends each command alone. A cluster needs this, because each node has its own connections.
    """

    def __init__(self, client: RedisClient, *, lanes: int, is_grouped: bool) -> None:
        self._client = client
        self._free = lanes
        self._lanes = lanes
        self._is_grouped = is_grouped
        self._waiting: deque[_Waiting] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_starting = False
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._renewals = 0
        self._renewal = Renewal(getattr(client, "connection_pool", None))

    async def run(self, call: RedisCall) -> Any:
        """Send a command and return its reply.

        If this call is cancelled, the command is carried out completely or not at all.
        """
        if self._free == self._lanes and not self._waiting:
            self._take()
            try:
                return (await self._send_group([call]))[0]
            finally:
                self._give_back()
        return await self._queue(call)

    async def run_all(self, calls: Sequence[RedisCall]) -> list[Any]:
        """Send commands and return their replies; the reply to a command that failed is its exception.

        They share one trip, except in a cluster. If this call is cancelled, each command is carried out completely or
        not at all.
        """
        return await asyncio.gather(*[self._queue(call) for call in calls], return_exceptions=True)

    def _queue(self, call: RedisCall) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        self._start_soon()
        return future

    async def finish(self) -> None:
        """Wait until no command is under way."""
        await self._is_idle.wait()

    def _take(self) -> None:
        self._free -= 1
        self._is_idle.clear()

    def _give_back(self) -> None:
        self._free += 1
        if self._waiting:
            self._start_soon()
        elif self._free == self._lanes:
            self._is_idle.set()

    def _start_soon(self) -> None:
        if self._free and not self._is_starting:
            self._is_starting = True
            asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        self._is_starting = False
        while self._free and (group := self._next_group()):
            self._take()
            task = asyncio.get_running_loop().create_task(self._carry(group))
            self._tasks.add(task)
            task.add_done_callback(self._carried)

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        while self._waiting and len(group) < (MAX_GROUP if self._is_grouped else 1):
            waiting = self._waiting.popleft()
            if not waiting[1].cancelled():
                group.append(waiting)
        return group

    async def _carry(self, group: list[_Waiting]) -> None:
        try:
            replies = await self._send_group([call for call, _ in group])
        except BaseException as error:
            for _, future in group:
                _settle(future, error)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, future), reply in zip(group, replies, strict=True):
                _settle(future, reply)

    def _carried(self, task: asyncio.Task[None]) -> None:
        # This is not done in the task itself, because a task that is cancelled before its first step never reaches its
        # end.
        self._tasks.discard(task)
        self._give_back()

    async def initialize(self) -> None:
        """Discover the nodes of a cluster. A second call does nothing."""
        with _one_class:
            await self._client.initialize()

    async def _send_group(self, calls: list[RedisCall]) -> list[object]:
        await self._renewal.finish()
        renewals = self._renewals
        try:
            with _one_class:
                replies = await self._pipe_scripts(calls) if len(calls) > 1 else [await self._execute(calls[0])]
        except faults.DRIVER_ERRORS as error:
            await self._leave([error], renewals)
            raise
        await self._leave(replies, renewals)
        return replies

    async def _leave(self, replies: Sequence[object], renewals: int) -> None:
        """Close the connections if a reply shows that they lead to the wrong server.

        `renewals` is the number of renewals before the command. If connections were closed since, the command used an
        old connection, and the connections that are open now are newer.
        """
        if self._is_grouped and renewals == self._renewals and any(map(faults.is_left_behind, replies)):
            self._renewals += 1
            await self._renewal.start()

    async def _pipe_scripts(self, calls: list[RedisCall]) -> list[object]:
        replies = await self._pipe([call.wire() for call in calls])
        unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if unknown:
            again = await self._pipe([calls[i].wire(in_full=True) for i in unknown])
            for i, reply in zip(unknown, again, strict=True):
                replies[i] = reply
        return replies

    async def _pipe(self, commands: list[tuple[Argument, ...]]) -> list[object]:
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command, NEVER_DECODE=True)
        return await pipeline.execute(raise_on_error=False)

    async def _execute(self, call: RedisCall) -> object:
        if not self._is_grouped:
            # A cluster client that does not know its nodes yet sends a script to any node. After too many redirections
            # it closes connections that are in use (redis-py 8.1).
            await self._client.initialize()
        # NEVER_DECODE: replies are bytes even if the application's own client decodes replies.
        try:
            if call.node is not None:
                return await self._client.execute_command(*call.wire(), NEVER_DECODE=True, target_nodes=call.node)
            return await self._client.execute_command(*call.wire(), NEVER_DECODE=True)
        except NoScriptError:
            return await self._client.execute_command(*call.wire(in_full=True), NEVER_DECODE=True)


class _OneClass:
    """Gives each exception of redis-py that is not one of `DRIVER_ERRORS` a class that is."""

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, faults.DRIVER_ERRORS):
            raise faults.ClientFailure(type(error).__name__) from error


_one_class = _OneClass()


def _settle(future: asyncio.Future[Any], outcome: object) -> None:
    if future.done():
        return
    if isinstance(outcome, asyncio.CancelledError):
        future.cancel()
    elif isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
