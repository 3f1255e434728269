"""Long-term memory for every client: the messages of a user's earlier conversations that may matter for a request.

Before the model is asked, the last words of the user are looked up among the user's memories. The memories that are
found stand in front of these words, in one message, with the quotes and the limits of `RecallProvider`. They are sent
and never stored. After a response is stored, its turn is added to the index.

A tenant is the owner of all memories of its threads, so no memory crosses tenants. Within a tenant, the namespace of a
thread names the user. The storage is the authority: each memory is compared with it before it is used, so nothing is
quoted that was deleted or undone.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence

import msgspec

from recuerda._events import fields
from recuerda.errors import InvalidInput
from recuerda.messages.message import ChatMessage, Turn
from recuerda.recall.checking import NEWEST_THREADS
from recuerda.recall.erasing import IndexFollower
from recuerda.recall.following import is_current
from recuerda.recall.index import RecallIndex
from recuerda.recall.memory import MIN_RELEVANCE, Filters, Memory
from recuerda.recall.places import index_beside, opened_index
from recuerda.recall.quoting import context_with, quotes_that_fit
from recuerda.recall.recollection import Recollection
from recuerda.recall.scopes import DEFAULT_NAMESPACE, NAMESPACE_KEY, Whose, check_namespace
from recuerda.recall.text import essence
from recuerda.server.names import Tenancy, TurnName, is_thread_name
from recuerda.server.places import Place
from recuerda.server.requests import CreateResponse
from recuerda.server.settings import RecallSettings
from recuerda.server.threads import Threads
from recuerda.server.turns import response_of
from recuerda.storage.contract import system_clock
from recuerda.storage.thread_info import ThreadInfo

NO_TENANT = "(no tenant)"
"""The owner of the memories of a server without keys. No tenant can have this name."""

RECALLED = "recalled_memories"
"""The key in a response's metadata for the ids of the items that were quoted to the model."""

_MAX_NOTE = 512
_COMPARED_AT_ONCE = 500
_logger = logging.getLogger("recuerda.server")


class Recalled(msgspec.Struct, frozen=True):
    """The turns for the model, with a message that quotes memories if there are any.

    Attributes:
        turns: the turns.
        notes: the metadata that say what was quoted.
    """

    turns: list[Turn]
    notes: Mapping[str, str] = {}


class Memories:
    """The memories of all tenants.

    Args:
        threads: the threads of the service.
        settings: the memories that the requests of each tenant get.

    Raises:
        ConfigurationError: the storage needs an index of its own, and the settings name none.
    """

    def __init__(self, threads: Threads, settings: RecallSettings) -> None:
        self._threads = threads
        self._settings = settings
        self._index: RecallIndex = index_beside(threads.storage) if settings.index is None else _opened(settings.index)
        self._recollection = Recollection(self._index, threads.storage, None, system_clock)
        self._has_caught_up = False
        self._follower = IndexFollower("Memories", self._recollection)
        threads.storage.follow(self._follower)

    async def recalled(self, tenancy: Tenancy, request: CreateResponse, place: Place, turns: list[Turn]) -> Recalled:
        """Return the turns for the model with the memories of the request's user. A failure gives no memories.

        Args:
            tenancy: the tenant of the request.
            request: names the user.
            place: the place of the response.
            turns: the turns that the model reads; the last turn is the request's input.
        """
        owner = self._owner(tenancy, request)
        messages = [message for turn in turns for message in turn.messages]
        asked = _last_said(messages)
        if owner is None or asked is None:
            return Recalled(turns)
        query = essence(messages[asked].text.strip())
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                if tenancy.tenant is None:
                    await self._catch_up()
                filters = _beside(tenancy, place, sent=len(turns) - 1)
                found = await self._recollection.search(query, owner, limit=self._settings.limit, filters=filters)
        except Exception as error:  # noqa: BLE001 - a memory that fails must not keep the user from an answer
            _logger.warning(
                "a request got no memories: %s",
                type(error).__name__,
                extra=fields("memories_missing", error=type(error).__name__),
            )
            return Recalled(turns)
        return self._quoted(tenancy, found, messages, asked=asked, query=query, thread=place.name.thread) or Recalled(
            turns
        )

    def _quoted(
        self,
        tenancy: Tenancy,
        memories: list[Memory],
        messages: list[ChatMessage],
        *,
        asked: int,
        query: str,
        thread: str,
    ) -> Recalled | None:
        """Return the messages with the memories in front of the one that asks; None if there are no memories."""
        quotes = quotes_that_fit(
            memories,
            query=query,
            thread_id=tenancy.thread_id(thread),
            max_characters=self._settings.max_characters,
            max_quote_characters=self._settings.max_quote_characters,
        )
        if (context := context_with(quotes)) is None:
            return None
        whole = (*messages[:asked], *context.messages, *messages[asked:])
        used = [memory for memory, _ in quotes]
        return Recalled([Turn(messages=whole, input_count=len(whole))], {RECALLED: _named(tenancy, used)})

    async def claim(self, tenancy: Tenancy, request: CreateResponse, place: Place) -> Place:
        """Give a thread to the user whom the request names, if this is the thread's first response.

        The thread is the user's before it has the response, so that no other user gets the response as a memory.

        Raises:
            ThreadConflict: the thread is not at the version that the place expects.
        """
        owner = self._owner(tenancy, request)
        is_first = place.copy_of is None and not place.has_older_turns
        is_first = is_first and all(response_of(stored.turn) is None for stored in place.turns)
        if owner is None or not is_first or owner.namespaces == (DEFAULT_NAMESPACE,):
            return place
        info = await self._threads.storage_of(tenancy).update_thread(
            tenancy.thread_id(place.name.thread),
            metadata={NAMESPACE_KEY: owner.namespaces[0]},
            expected=place.expected,
        )
        return msgspec.structs.replace(place, expected=info.version)

    async def learn(self, tenancy: Tenancy, request: CreateResponse, thread: str) -> None:
        """Add the newest turns of a thread to the index. If this fails, the next search adds them."""
        owner = self._owner(tenancy, request)
        if owner is None:
            return
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await self._recollection.follow(tenancy.thread_id(thread), user_id=owner.user_id, has_grown=True)
                if self._recollection.count_turn():
                    await self._recollection.check()
        except Exception as error:  # noqa: BLE001 - the response is stored, and the client must get it
            _logger.warning(
                "a response is not remembered yet: %s",
                type(error).__name__,
                extra=fields("response_not_remembered", error=type(error).__name__),
            )

    async def _catch_up(self) -> None:
        """Add the turns of threads without a tenant that this process has not seen. They are nobody's in the storage.

        The first time, all threads are compared with the index, and then only the threads that changed last.
        """
        storage = self._threads.storage
        if self._has_caught_up:
            await self._follow_all((await storage.list_threads(archived=None, limit=NEWEST_THREADS)).threads)
            return
        await self._follow_all([info async for info in storage.threads()])
        self._has_caught_up = True

    async def _follow_all(self, infos: Sequence[ThreadInfo]) -> None:
        ours = [info for info in infos if info.user_id is None and is_thread_name(info.id)]
        for start in range(0, len(ours), _COMPARED_AT_ONCE):
            part = ours[start : start + _COMPARED_AT_ONCE]
            known = await self._index.positions([info.id for info in part])
            for info in part:
                if not is_current(info, known.get(info.id)):
                    await self._recollection.follow(info.id, user_id=NO_TENANT)

    async def close(self) -> None:
        """Close the index."""
        self._threads.storage.followers.discard(self._follower)
        await self._index.close()

    def _owner(self, tenancy: Tenancy, request: CreateResponse) -> Whose | None:
        """Return the owner of the memories for a request; None if it gets none."""
        way = self._settings.tenants.get(tenancy.tenant or "", self._settings.way)
        named = request.safety_identifier or request.user
        if way == "off" or (way == "user" and not named):
            return None
        namespace = DEFAULT_NAMESPACE if way == "tenant" or not named else namespace_of(named)
        return Whose(user_id=tenancy.tenant or NO_TENANT, namespaces=(namespace,))


def namespace_of(user: str) -> str:
    """Return the namespace of a user's memories. A name that cannot be one is replaced by its hash."""
    try:
        return check_namespace(f"user:{user}")
    except InvalidInput:
        return f"user-sha256:{hashlib.sha256(user.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _opened(place: str) -> RecallIndex:
    index, _ = opened_index(place)
    return index


def _last_said(messages: Sequence[ChatMessage]) -> int | None:
    """Return the place of the user's last message with text; None without such a message."""
    places = (index for index in range(len(messages) - 1, -1, -1) if messages[index].role == "user")
    return next((index for index in places if messages[index].text.strip()), None)


def _beside(tenancy: Tenancy, place: Place, *, sent: int) -> Filters:
    """Return the filters that leave out the turns that the model reads anyway."""
    turns = place.turns[len(place.turns) - sent :] if sent else ()
    source = place.name.thread if place.copy_of is None else place.copy_of[0]
    return Filters(
        min_relevance=MIN_RELEVANCE,
        recent_thread=tenancy.thread_id(source) if turns else None,
        recent_turn=turns[0].number if turns else 0,
        recent_times={turn.id: turn.created_us for turn in turns},
    )


def _named(tenancy: Tenancy, memories: Sequence[Memory]) -> str:
    """Return the ids of the items of some memories, as many as fit.

    The items of a thread that was given to the tenant have no id here, because its name is another tenant's.
    """
    before = tenancy.thread_id("")
    names = [
        TurnName(one.thread_id.removeprefix(before), one.turn_id).item_id("message", one.position)
        for one in memories
        if one.thread_id.startswith(before)
    ]
    text = ""
    for name in names:
        if len(text) + 1 + len(name) > _MAX_NOTE:
            break
        text = f"{text} {name}".strip()
    return text
