"""Calls to Mem0's platform and to its open-source library, in versions 1 and 2.

Both editions have `add` and `search`, which may be asynchronous. They differ in the arguments for the scope and the
limit. A client is recognized by the signature of its `search` and not by its class, so that a wrapped or subclassed
client works.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from recuerda.errors import ConfigurationError, ProviderError
from recuerda.mem0.scope import APPLICATION_KEY, Mem0Scope
from recuerda.mem0.texts import memories_in
from recuerda.providers.foreign import contained

T = TypeVar("T")

_LISTED_AT_ONCE = 100
_NEW_OPTIONS = ("delete_linked", "show_expired")


class Mem0Client(Protocol):
    """The methods that every client of Mem0 has."""

    # Properties, because the keywords of the two methods differ from edition to edition.
    @property
    def add(self) -> Callable[..., Any]:
        """Learn from messages."""
        ...

    @property
    def search(self) -> Callable[..., Any]:
        """Find memories."""
        ...


class Memories(Protocol):
    """One edition of Mem0, with its client."""

    def check(self, scope: Mem0Scope) -> None:
        """Raise `ConfigurationError` if the edition cannot store memories of this scope."""
        ...

    async def search(self, query: str, *, scope: Mem0Scope, limit: int) -> object:
        """Return the answer of a search unchanged."""
        ...

    async def add(self, messages: Sequence[Mapping[str, str]], *, scope: Mem0Scope) -> None:
        """Learn from messages."""
        ...

    async def erase(self, scope: Mem0Scope, *, wild: AbstractSet[str] = frozenset()) -> int:
        """Delete all memories of a scope, and return their number.

        Args:
            scope: the scope.
            wild: names of ids, such as "run_id", that a memory of the scope may have with any value.
        """
        ...


def memories_of(client: Mem0Client) -> Memories:
    """Return the edition to which a client belongs.

    Raises:
        ConfigurationError: the object is not a client of Mem0.
    """
    search = getattr(client, "search", None)
    if not callable(search) or not callable(getattr(client, "add", None)):
        raise ConfigurationError(
            "mem0_client must be a client of Mem0 (AsyncMemory, AsyncMemoryClient, Memory or MemoryClient), but it is "
            f"of type {type(client).__name__}"
        )
    parameters = inspect.signature(inspect.unwrap(search)).parameters
    if "user_id" in parameters:
        return OpenSourceMemories(client, version=1)
    if "top_k" in parameters:
        return OpenSourceMemories(client, version=2)
    return PlatformMemories(lambda: _ready(client))


class PlatformMemories:
    """Mem0's platform.

    Args:
        get: returns the client for the running event loop.
    """

    def __init__(self, get: Callable[[], Awaitable[Mem0Client]]) -> None:
        self._get = get

    def check(self, scope: Mem0Scope) -> None:
        """Accept every scope."""

    async def search(self, query: str, *, scope: Mem0Scope, limit: int) -> object:
        conditions: list[dict[str, object]] = [{name: value} for name, value in _entities(scope).items()]
        if scope.metadata:
            conditions.append({"metadata": scope.metadata})
        client = await self._get()
        return await call(client.search, query, filters={"AND": conditions}, top_k=limit)

    async def add(self, messages: Sequence[Mapping[str, str]], *, scope: Mem0Scope) -> None:
        client = await self._get()
        await call(client.add, list(messages), **_entities(scope), metadata=scope.metadata or None)

    async def erase(self, scope: Mem0Scope, *, wild: AbstractSet[str] = frozenset()) -> int:
        conditions = [{name: value} for name, value in {**_entities(scope), **dict.fromkeys(wild, "*")}.items()]
        if scope.metadata:
            conditions.append({"metadata": scope.metadata})  # pyright: ignore[reportArgumentType]  # JSON of two shapes
        client = await self._get()
        return await _erase_all(client, scope, wild, filters={"AND": conditions}, page=1, page_size=_LISTED_AT_ONCE)


class OpenSourceMemories:
    """Mem0's library.

    Args:
        client: a `Memory` or `AsyncMemory`.
        version: the library's major version, 1 or 2.
    """

    def __init__(self, client: Mem0Client, *, version: int) -> None:
        self._client = client
        self._version = version

    def check(self, scope: Mem0Scope) -> None:
        if not scope.entity and scope.thread_id is None:
            raise ConfigurationError(
                "open-source Mem0 cannot store memories for an application_id alone; give a user_id, agent_id or "
                "thread_id as well"
            )

    async def search(self, query: str, *, scope: Mem0Scope, limit: int) -> object:
        search = self._client.search
        if self._version == 1:
            return await call(search, query, **_sessions(scope), filters=_marks(scope) or None, limit=limit)
        return await call(search, query, filters={**_sessions(scope), **_marks(scope)}, top_k=limit)

    async def add(self, messages: Sequence[Mapping[str, str]], *, scope: Mem0Scope) -> None:
        await call(self._client.add, list(messages), **_sessions(scope), metadata=_marks(scope) or None)

    async def erase(self, scope: Mem0Scope, *, wild: AbstractSet[str] = frozenset()) -> int:
        if self._version == 1:
            ids, marks = _sessions(scope), _marks(scope) or None
            return await _erase_all(self._client, scope, wild, **ids, filters=marks, limit=_LISTED_AT_ONCE)
        filters = {**_sessions(scope), **_marks(scope)}
        return await _erase_all(self._client, scope, wild, filters=filters, top_k=_LISTED_AT_ONCE, show_expired=True)


async def call(method: Callable[..., Any], *args: object, **kwargs: object) -> object:
    """Call a method of a client and return its result. A blocking method runs in a thread of its own.

    Raises:
        ProviderError: the client cancelled its own work, or raised what is no `Exception`.
    """
    return await contained(_called(partial(method, *args, **kwargs)), name="Mem0's client", error=ProviderError)


async def _called(method: partial[object]) -> object:
    # Version 1 wraps its asynchronous methods in plain functions, and so do applications.
    is_asynchronous = inspect.iscoroutinefunction(inspect.unwrap(method.func))
    result = method() if is_asynchronous else await in_thread(method)
    return await cast("Awaitable[object]", result) if inspect.isawaitable(result) else result


async def in_thread(work: Callable[[], T]) -> T:
    """Return the result of blocking work that is done in a thread of its own.

    Neither a cancellation nor the end of the event loop or the program waits for this thread. They would wait for the
    event loop's own threads, and some of Mem0's requests have no time limit.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if not done.cancelled():
            done.set_exception(error) if error is not None else done.set_result(cast("T", result))

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as caught:  # noqa: BLE001 - it is raised where the work is awaited
            error = caught
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="recuerda-mem0", daemon=True).start()
    return await done


async def _erase_all(client: Mem0Client, scope: Mem0Scope, wild: AbstractSet[str], **listing: object) -> int:
    """List memories and delete them one by one, until a list has none that is new. Return their number.

    Only memories that name the scope's own ids are deleted, even if a list has others.
    """
    get_all, delete = (_method(client, name) for name in ("get_all", "delete"))
    wanted = _sessions(scope).items()
    deleted: set[str] = set()
    while True:
        found = memories_in(await call(get_all, **_accepted(get_all, listing)))
        own = [memory for memory in found if scope.owns(memory, wild=wild) and wanted <= memory.items()]
        ids = [str(memory["id"]) for memory in own]
        new = [memory_id for memory_id in ids if memory_id not in deleted]
        if not new:
            return len(deleted)
        for memory_id in new:
            # The platform keeps the older memories that this one replaced.
            await call(delete, memory_id, **_accepted(delete, {"delete_linked": True}))
        deleted.update(new)


def _method(client: Mem0Client, name: str) -> Callable[..., Any]:
    method = getattr(client, name, None)
    if not callable(method):
        raise ProviderError(
            f"Mem0's memories cannot be deleted, because the client of type {type(client).__name__} has no {name}; "
            "delete them in Mem0"
        )
    return method


def _accepted(method: Callable[..., Any], options: Mapping[str, object]) -> dict[str, object]:
    """Return the options without those that only other versions of a method know."""
    known = inspect.signature(inspect.unwrap(method)).parameters
    return {name: value for name, value in options.items() if name in known or name not in _NEW_OPTIONS}


def _entities(scope: Mem0Scope) -> dict[str, str]:
    named = {"app_id": scope.application_id, "run_id": scope.thread_id}
    return {**scope.entity, **{name: value for name, value in named.items() if value is not None}}


def _sessions(scope: Mem0Scope) -> dict[str, str]:
    return {**scope.entity, **({} if scope.thread_id is None else {"run_id": scope.thread_id})}


def _marks(scope: Mem0Scope) -> dict[str, str]:
    application = {} if scope.application_id is None else {APPLICATION_KEY: scope.application_id}
    return {**application, **scope.metadata}


async def _ready(client: Mem0Client) -> Mem0Client:
    return client
