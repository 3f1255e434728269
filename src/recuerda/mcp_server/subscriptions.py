"""Subscriptions: a client hears when a thread changes that it watches, also if another process has changed it.

The versions of the protocol have two ways: `resources/subscribe` on a connection, and the stream of
`subscriptions/listen`. Both are served. A change by this process is told at once. For changes by other processes, the
versions of the watched threads are compared with the storage every two seconds, and only while somebody watches.

A connection hears only about its own threads. To watch a thread of another user is the same as to watch a thread that
does not exist: nothing is ever heard of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from weakref import WeakKeyDictionary

import msgspec
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourcesListChanged, ResourceUpdated
from mcp_types import SubscriptionsListenRequestParams, SubscriptionsListenResult

from recuerda._events import fields
from recuerda.errors import InvalidInput, RecuerdaError
from recuerda.mcp_server.references import thread_of
from recuerda.mcp_server.scope import Scope
from recuerda.storage.contract import Storage

MAX_WATCHED = 500
"""The largest number of resources that one connection, or one stream, watches. Each costs a look every two seconds."""

_UPDATED = "notifications/resources/updated"
_logger = logging.getLogger("recuerda.mcp")


class _Subscriber(msgspec.Struct, kw_only=True):
    scope: Scope
    uris: set[str]


class Subscriptions:
    """The subscriptions of all connections of a server.

    Args:
        storage: the storage of the threads.
        poll_s: the seconds between two looks for changes by other processes.
    """

    def __init__(self, storage: Storage, *, poll_s: float) -> None:
        self._storage = storage
        self._poll_s = poll_s
        self._buses: dict[Scope, InMemorySubscriptionBus] = {}
        self._listeners: dict[Scope, ListenHandler] = {}
        self._connections: WeakKeyDictionary[Connection, _Subscriber] = WeakKeyDictionary()
        self._listened: Counter[tuple[Scope, str]] = Counter()
        self._seen: dict[tuple[Scope, str], object] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def listen(
        self, scope: Scope, context: ServerRequestContext[None], params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Serve one stream of `subscriptions/listen` until its client leaves."""
        handler = self._listeners.get(scope)
        if handler is None:
            handler = self._listeners[scope] = ListenHandler(self._bus(scope))
        watched = [(scope, uri) for uri in params.notifications.resource_subscriptions or ()]
        _check_number(len(watched))
        for key in watched:
            await self._look(key)
        self._listened.update(watched)
        self._watch()
        try:
            return await handler(context, params)
        finally:
            self._listened -= Counter(watched)  # and this drops what nobody watches any more

    async def subscribe(self, scope: Scope, connection: Connection, uri: str) -> None:
        """Tell a connection about changes of a resource, in the protocol's versions up to 2025-11-25."""
        subscriber = self._connections.get(connection) or _Subscriber(scope=scope, uris=set())
        _check_number(len(subscriber.uris | {uri}))
        await self._look((scope, uri))
        self._connections.setdefault(connection, subscriber).uris.add(uri)
        self._watch()

    def unsubscribe(self, connection: Connection, uri: str) -> None:
        """End a subscription. It is no error if there is none."""
        if (subscriber := self._connections.get(connection)) is not None:
            subscriber.uris.discard(uri)

    async def changed(self, scope: Scope, uri: str) -> None:
        """Tell all connections of a scope's user that a resource has changed."""
        for other in self._scopes():
            if other.user_id == scope.user_id:
                await self._look((other, uri))
                await self._tell(other, uri)

    async def list_changed(self, scope: Scope) -> None:
        """Tell the streams of a scope's user that there are other threads now."""
        for other, bus in list(self._buses.items()):
            if other.user_id == scope.user_id:
                await bus.publish(ResourcesListChanged())

    async def close(self) -> None:
        """End all streams, and look for changes no more."""
        for handler in self._listeners.values():
            handler.close()
        if (watcher := self._watcher) is not None:
            watcher.cancel()
            await asyncio.wait([watcher])

    def _bus(self, scope: Scope) -> InMemorySubscriptionBus:
        return self._buses.setdefault(scope, InMemorySubscriptionBus())

    def _scopes(self) -> set[Scope]:
        return {*self._buses, *(subscriber.scope for subscriber in self._connections.values())}

    def _watched(self) -> set[tuple[Scope, str]]:
        named = {(one.scope, uri) for one in self._connections.values() for uri in one.uris}
        return named | {key for key, count in self._listened.items() if count > 0}

    def _watch(self) -> None:
        if self._watched() and (self._watcher is None or self._watcher.done()):
            self._watcher = asyncio.create_task(self._follow_others())

    async def _follow_others(self) -> None:
        """Look for changes by other processes until nobody watches any more."""
        while watched := self._watched():
            await asyncio.sleep(self._poll_s)
            self._seen = {key: version for key, version in self._seen.items() if key in watched}
            for scope, uri in watched:
                try:
                    if await self._look((scope, uri)):
                        await self._tell(scope, uri)
                except RecuerdaError as error:
                    event = fields("thread_not_watched", error=type(error).__name__)
                    _logger.warning("a watched thread could not be compared: %s", type(error).__name__, extra=event)

    async def _look(self, key: tuple[Scope, str]) -> bool:
        """Note the version of a thread, and return True if another version was known."""
        scope, uri = key
        thread_id = thread_of(uri)
        if thread_id is None:
            return False
        try:
            info = await self._storage.head(thread_id)
        except ValueError:
            return False  # No thread can have this id.
        version = None if info is None or not scope.may_read(info) else info.version
        is_other = self._seen.get(key, version) != version
        self._seen[key] = version
        return is_other

    async def _tell(self, scope: Scope, uri: str) -> None:
        if (bus := self._buses.get(scope)) is not None:
            await bus.publish(ResourceUpdated(uri=uri))
        for connection, subscriber in list(self._connections.items()):
            if subscriber.scope == scope and uri in subscriber.uris:
                await connection.outbound.notify(_UPDATED, {"uri": uri})


def _check_number(number: int) -> None:
    if number > MAX_WATCHED:
        raise InvalidInput(f"one connection can watch at most {MAX_WATCHED} resources: end some subscriptions first")
