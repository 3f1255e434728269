"""LangGraph's store over any storage: items in namespaces, found by key, by filter and by query."""

from __future__ import annotations

import asyncio
import copy
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from threading import Lock
from typing import Any, TypeVar

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
    validate_op_namespace,
)

from recuerda.agent.background import run_in_background
from recuerda.errors import InvalidInput
from recuerda.interop.langgraph.life import ClosedBothWays
from recuerda.interop.langgraph.namespaces import Namespace, thread_of
from recuerda.interop.langgraph.searching import Found, best_first, matches, newest_first, texts_of
from recuerda.interop.shelf import Contents, Shelf, StoredItem, Use
from recuerda.interop.shelves import Shelves
from recuerda.json_value import to_json_object
from recuerda.providers.embedding import Embedder, embed
from recuerda.recall.vectors import pack, unit
from recuerda.storage import Storage
from recuerda.storage.records import from_microseconds

T = TypeVar("T")

_HELD_SHELVES = 256
_AT_ONCE = 16
_MICROSECOND = timedelta(microseconds=1)


class RecuerdaStore(ClosedBothWays, BaseStore):
    """Keep the items of LangGraph's store in a storage, each namespace in a thread of its own.

    The methods without an `a` in front run in an event loop of their own. One store can be used by any number of graphs
    and event loops.

    Args:
        storage: the storage, or its URL. The store closes a storage that it opened by a URL.
        embedder: makes the vectors for queries by meaning; None finds items by their words alone.
        fields: the paths of the texts by which items are found, as LangGraph writes them; "$" is the whole value.
        ttl: how long items stay. `omit_expired` is always true; call `asweep` to delete what has ended.
        user_id: the user to whom the namespaces belong; None for no user.
    """

    supports_ttl = True

    def __init__(
        self,
        storage: Storage | str,
        *,
        embedder: Embedder | None = None,
        fields: Sequence[str] = ("$",),
        ttl: TTLConfig | None = None,
        user_id: str | None = None,
    ) -> None:
        self._open(storage)
        self.ttl_config = ttl
        self._embedder = embedder
        self._fields = tuple(fields)
        self._shelves = Shelves(self.storage, user_id=user_id)
        self._held: OrderedDict[Namespace, Shelf] = OrderedDict()
        self._mutex = Lock()

    # -- LangGraph's interface -----------------------------------------------------------------------------------------

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations. What is read is the state before the puts; puts into one namespace are atomic."""
        given = list(ops)
        for op in given:
            validate_op_namespace(op)
        limit = asyncio.Semaphore(_AT_ONCE)
        results = await asyncio.gather(*(_within(limit, self._answer(op)) for op in given))
        puts: dict[Namespace, dict[str, PutOp]] = {}
        for op in given:
            if isinstance(op, PutOp):
                puts.setdefault(op.namespace, {})[op.key] = op
        await asyncio.gather(*(_within(limit, self._put(namespace, one)) for namespace, one in puts.items()))
        return results

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        return run_in_background(self.abatch(ops))

    # -- upkeep --------------------------------------------------------------------------------------------------------

    async def asweep(self) -> int:
        """Delete the items that have ended, and return their number. This reads every namespace."""
        swept = 0
        for shelf in await self._below(()):
            if self._ended(shelf):
                swept += await self._shelves.delete(shelf, self._ended)
        return swept

    def sweep(self) -> int:
        """Delete the items that have ended, and return their number."""
        return run_in_background(self.asweep())

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _answer(self, op: Op) -> Result:
        if isinstance(op, GetOp):
            return await self._get(op)
        if isinstance(op, SearchOp):
            return await self._search(op)
        if isinstance(op, ListNamespacesOp):
            return await self._list(op)
        if isinstance(op, PutOp):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
            return None
        raise InvalidInput(f"a store has no operation {type(op).__name__}")

    async def _get(self, op: GetOp) -> Item | None:
        shelf = await self._read(op.namespace)
        item = shelf.find(op.key, self.storage.clock())
        if item is None:
            return None
        if op.refresh_ttl:
            await self._use([(op.namespace, item)])
        return Item(**_fields(Found(op.namespace, item)))

    async def _search(self, op: SearchOp) -> list[SearchItem]:
        found = [
            Found(shelf.namespace, item)
            for shelf in await self._below(tuple(op.namespace_prefix))
            for item in shelf.living(self.storage.clock())
            if matches(item.value, op.filter)
        ]
        ordered = await self._best(found, op.query) if op.query else newest_first(found)
        chosen = ordered[op.offset : op.offset + op.limit]
        if op.refresh_ttl:
            await self._use([(one.namespace, one.item) for one in chosen])
        return [SearchItem(**_fields(one), score=one.score) for one in chosen]

    async def _best(self, found: Sequence[Found], query: str) -> list[Found]:
        vector = None
        if self._embedder is not None:
            (given,) = await embed(self._embedder, [query])
            vector = unit(given)
        return best_first(
            found, query, fields=self._fields, vector=vector, model=self._model, now_us=self.storage.clock()
        )

    async def _list(self, op: ListNamespacesOp) -> list[Namespace]:
        conditions = op.match_conditions or ()
        found = [one for one in await self._namespaces(_common_start(conditions)) if _is_match(one, conditions)]
        cut = sorted({one[: op.max_depth] for one in found}) if op.max_depth is not None else sorted(found)
        return cut[op.offset : op.offset + op.limit]

    async def _namespaces(self, prefix: Namespace) -> list[Namespace]:
        """Return the namespaces that hold an item, from a prefix downwards."""
        now_us = self.storage.clock()
        return [shelf.namespace for shelf in await self._below(prefix) if shelf.living(now_us)]

    async def _below(self, prefix: Namespace) -> list[Shelf]:
        """Return a namespace and all namespaces below it, after a read of each."""
        found: list[Shelf] = []
        level = [prefix]
        limit = asyncio.Semaphore(_AT_ONCE)
        while level:
            shelves = await asyncio.gather(*(_within(limit, self._read(namespace)) for namespace in level))
            found += shelves
            level = [(*shelf.namespace, label) for shelf in shelves for label in shelf.below]
        return found

    async def _read(self, namespace: Namespace) -> Shelf:
        """Return a namespace after a read of its new records."""
        return await self._shelves.read(self._shelf(namespace))

    # -- writing -------------------------------------------------------------------------------------------------------

    async def _put(self, namespace: Namespace, ops: Mapping[str, PutOp]) -> None:
        gone = [key for key, op in ops.items() if op.value is None]
        if gone:
            await self._shelves.delete(self._shelf(namespace), lambda _shelf: gone)
        items = [await self._item(op, op.value) for op in ops.values() if op.value is not None]
        if items:
            await self._link(namespace)
            await self._append(namespace, Contents(items=items))

    async def _item(self, op: PutOp, value: Mapping[str, Any]) -> StoredItem:
        path = f"value of {op.key!r}"
        plain = to_json_object(value, path)
        ttl_us = None if op.ttl is None else timedelta(minutes=op.ttl) // _MICROSECOND
        texts = [] if self._embedder is None else texts_of(plain, op.index, self._fields)
        vectors = await embed(self._embedder, texts) if self._embedder is not None and texts else []
        return StoredItem(
            key=op.key,
            value=dict(plain),
            index=op.index,
            ttl_us=ttl_us,
            expires_us=None if ttl_us is None else self.storage.clock() + ttl_us,
            vectors=[pack(unit(vector)) for vector in vectors],
            model=self._model if vectors else "",
        )

    async def _link(self, namespace: Namespace) -> None:
        """Make a namespace known to those above it, from the top down, before it has its first item."""
        if self._shelf(namespace).info is not None or (await self._read(namespace)).info is not None:
            return
        for depth, label in enumerate(namespace):
            above = namespace[:depth]
            if label not in (await self._read(above)).below:
                await self._append(above, Contents(below=[label]))

    async def _append(self, namespace: Namespace, contents: Contents) -> None:
        title = "Store: " + " / ".join(namespace)
        await self._shelves.append(self._shelf(namespace), contents, title=title)

    async def _use(self, used: Sequence[tuple[Namespace, StoredItem]]) -> None:
        """Put off the end of items that have been read."""
        now_us = self.storage.clock()
        uses: dict[Namespace, list[Use]] = {}
        for namespace, item in used:
            if item.ttl_us is not None:
                uses.setdefault(namespace, []).append(Use(item.key, now_us + item.ttl_us))
        await asyncio.gather(*(self._append(namespace, Contents(uses=one)) for namespace, one in uses.items()))

    def _ended(self, shelf: Shelf) -> list[str]:
        """Return the keys of the items that have ended."""
        living = {item.key for item in shelf.living(self.storage.clock())}
        return [key for key in shelf.items if key not in living]

    # -- shared --------------------------------------------------------------------------------------------------------

    @property
    def _model(self) -> str:
        return "" if self._embedder is None else self._embedder.model_id

    def _shelf(self, namespace: Namespace) -> Shelf:
        with self._mutex:
            shelf = self._held.get(namespace)
            if shelf is None:
                shelf = self._held[namespace] = Shelf(thread_of(namespace), namespace)
            self._held.move_to_end(namespace)
            if len(self._held) > _HELD_SHELVES:
                self._held.popitem(last=False)
            return shelf


async def _within(limit: asyncio.Semaphore, work: Awaitable[T]) -> T:
    async with limit:
        return await work


def _fields(found: Found) -> dict[str, Any]:
    item = found.item
    return {
        "namespace": found.namespace,
        "key": item.key,
        "value": copy.deepcopy(item.value),
        "created_at": from_microseconds(item.created_us),
        "updated_at": from_microseconds(item.updated_us),
    }


def _common_start(conditions: Sequence[MatchCondition]) -> Namespace:
    """Return the labels with which every matching namespace begins."""
    starts = [one.path for one in conditions if one.match_type == "prefix"]
    start: list[str] = []
    for label in max(starts, key=len, default=()):
        if label == "*":
            break
        start.append(label)
    return tuple(start)


def _is_match(namespace: Namespace, conditions: Sequence[MatchCondition]) -> bool:
    return all(_CONDITIONS[one.match_type](namespace, one.path) for one in conditions)


def _begins(namespace: Namespace, path: Sequence[str]) -> bool:
    return len(namespace) >= len(path) and all(
        wanted in ("*", label) for label, wanted in zip(namespace, path, strict=False)
    )


def _ends(namespace: Namespace, path: Sequence[str]) -> bool:
    return _begins(namespace[::-1], path[::-1])


_CONDITIONS: dict[str, Callable[[Namespace, Sequence[str]], bool]] = {"prefix": _begins, "suffix": _ends}
