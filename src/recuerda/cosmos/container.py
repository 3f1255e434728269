"""The few kinds of requests that are sent to a Cosmos DB container, over azure-cosmos's asynchronous client.

A refusal that callers expect (a duplicate id, a changed or missing item) is a return value here, not an exception.
Single items are looked up by a query. For a missing item, a query gives an empty result, while a point read fails.
Within one partition, both cost about the same.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar, cast

from azure.core import MatchConditions
from azure.core.exceptions import ServiceResponseError
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError

from recuerda.cosmos.calls import from_azure
from recuerda.cosmos.items import DirectoryItem, HeadItem, Item, LeaseItem, parse
from recuerda.errors import StorageBusy
from recuerda.storage.contract import Clock

MAX_BATCH = 90
"""The number of items that a batch may change besides the head and a new record. The service takes 100 operations."""

AT_ONCE = 16
"""The largest number of requests that one operation sends at the same time when it changes many items."""

_ANSWER_S = 5.0
"""Seconds that a query may take in addition to the time for which the service may defer it."""

_LEASE_KEPT_S = 86_400
"""Seconds for which the item of a lease that has run out is kept, so that it does not stay forever."""

_MAX_HINTS = 4096

T = TypeVar("T")


class Pages(Protocol):
    """The results of a query."""

    def by_page(self) -> AsyncIterator[AsyncIterable[dict[str, Any]]]:
        """Iterate over the results in the pages that the service sends."""
        ...


class Proxy(Protocol):
    """The part of azure-cosmos's `ContainerProxy` that is used."""

    async def read(self, **options: Any) -> Mapping[str, Any]:
        """Return the container's properties."""
        ...

    async def create_item(self, body: dict[str, Any], **options: Any) -> Mapping[str, Any]:
        """Create an item."""
        ...

    async def replace_item(self, item: str, body: dict[str, Any], **options: Any) -> Mapping[str, Any]:
        """Replace an item."""
        ...

    async def delete_item(self, item: str, *, partition_key: str, **options: Any) -> object:
        """Delete an item."""
        ...

    async def execute_item_batch(
        self, batch_operations: Sequence[tuple[Any, ...]], partition_key: str, **options: Any
    ) -> Sequence[Mapping[str, Any]]:
        """Execute several operations on the items of one partition, all or none."""
        ...

    def query_items(self, query: str, **options: Any) -> Pages:
        """Begin a query."""
        ...


class Container:
    """Create, replace, delete and query items.

    Args:
        proxy: the container, by azure-cosmos.
        ttl_s: seconds after which a record expires; None if it never does.
        busy_timeout_s: seconds for which a write is retried while other writers keep changing the same items first.
        clock: gives the time in microseconds since 1970.
    """

    def __init__(self, proxy: Proxy, *, ttl_s: int | None, busy_timeout_s: float, clock: Clock) -> None:
        self.ttl_s = ttl_s
        self.clock = clock
        self.busy_timeout_s = busy_timeout_s
        self.entries: Hints[DirectoryItem] = Hints[DirectoryItem]()
        self.leases: Hints[tuple[str, float]] = Hints[tuple[str, float]]()
        self._proxy = proxy

    async def create(self, item: Item) -> str | None:
        """Create an item and return its ETag; None if an item with this id already exists."""
        try:
            made = await from_azure(self._proxy.create_item(self._document(item)))
        except CosmosHttpResponseError as error:
            if error.status_code == 409:
                return None
            raise
        return str(made["_etag"])

    async def replace(self, item: Item, *, etag: str | None) -> str | None:
        """Replace an item and return its new ETag; None if it is gone or no longer has the ETag `etag`."""
        condition: dict[str, Any] = {}
        if etag is not None:
            condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        try:
            made = await from_azure(self._proxy.replace_item(item.id, self._document(item), **condition))
        except CosmosHttpResponseError as error:
            if _is_missing(error) or error.status_code == 412:
                return None
            raise
        return str(made["_etag"])

    async def delete(self, partition: str, item_id: str, *, etag: str | None = None) -> bool:
        """Delete an item; return False if it is already gone or no longer has the ETag `etag`."""
        condition: dict[str, Any] = {}
        if etag is not None:
            condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        try:
            await from_azure(self._proxy.delete_item(item_id, partition_key=partition, **condition))
        except CosmosHttpResponseError as error:
            if _is_missing(error) or error.status_code == 412:
                return False
            raise
        return True

    async def commit(
        self,
        head: HeadItem,
        *,
        create: Item | None = None,
        put: Sequence[Item] = (),
        delete: Sequence[str] = (),
    ) -> str | None:
        """Replace a thread's head, and change other items of the thread, all or nothing.

        Args:
            head: the new head. Its ETag is the ETag that the present head must have.
            create: a new item.
            put: items that replace items of the same ids.
            delete: the ids of items to delete. An item that has expired is no error.

        Returns:
            The head's new ETag. None if the head has been changed since it was read, or if the connection broke before
            the answer came. Then nothing is known, and the head must be read again.
        """
        operations: list[tuple[Any, ...]] = [
            ("replace", (head.id, self._document(head)), {"if_match_etag": head.etag}),
            *((("create", (self._document(create),)),) if create is not None else ()),
            *(("upsert", (self._document(item),)) for item in put),
        ]
        try:
            if len(operations) + len(delete) == 1:
                return await self.replace(head, etag=head.etag)
            return await self._batch(head.partition, [*operations, *(("delete", (item_id,)) for item_id in delete)])
        except CosmosBatchOperationError as error:
            if error.status_code == 404 and cast("int", error.error_index) >= len(operations):
                # A draft's step has expired. The others are younger, and will expire by themselves.
                return await self._batch(head.partition, operations)
            if error.status_code in (404, 409, 412):
                return None
            raise
        except ServiceResponseError:
            return None

    async def _batch(self, partition: str, operations: Sequence[tuple[Any, ...]]) -> str:
        answers = await from_azure(self._proxy.execute_item_batch(operations, partition))
        return str(answers[0]["eTag"])

    async def query(
        self,
        partition: str | None,
        where: str,
        values: Mapping[str, object] | None = None,
        *,
        page: int,
        fields: str = "*",
        order: str = "",
    ) -> AsyncGenerator[list[Item]]:
        """Yield the items of a partition that meet a condition, page by page.

        Args:
            partition: the partition key; None for all partitions, which costs a request to each server that the
                container is on.
            where: a condition on `c` with the names of `values` as its parameters. It is a fixed text, never built from
                data.
            values: the parameters.
            page: the largest number of items in one page.
            fields: the fields to select.
            order: `c.… ASC` or `DESC`.
        """
        text = f"SELECT {fields} FROM c WHERE ({where})"  # noqa: S608 - constants only
        parameters, place = dict(values or {}), dict[str, Any]()
        if partition is not None:
            text += " AND c.partition = @partition"
            parameters["partition"] = place["partition_key"] = partition
        found = self._proxy.query_items(
            f"{text} ORDER BY {order}" if order else text,
            parameters=[{"name": f"@{name}", "value": value} for name, value in parameters.items()],
            max_item_count=page,
            **place,
        )
        pages = found.by_page()
        while (items := await self._next_page(pages)) is not None:
            yield items

    async def _next_page(self, pages: AsyncIterator[AsyncIterable[dict[str, Any]]]) -> list[Item] | None:
        # When the service defers a query, the SDK nests one retry loop in another: the waits multiply, up to an hour.
        limit_s = self.busy_timeout_s + _ANSWER_S
        try:
            async with asyncio.timeout(limit_s):
                documents = await from_azure(anext(pages, None))
                return None if documents is None else [parse(document) async for document in documents]
        except TimeoutError as error:
            raise StorageBusy(
                f"Cosmos DB has not answered a query for {limit_s:g} s: the container's request units are used up, or "
                "the service cannot be reached; try again later, or give the container more throughput"
            ) from error

    async def query_all(
        self, partition: str | None, where: str, values: Mapping[str, object] | None = None, *, fields: str = "*"
    ) -> list[Item]:
        """Return all items that meet a condition, in no particular order."""
        pages = self.query(partition, where, values, page=1000, fields=fields)
        return [item async for items in pages for item in items]

    def is_older_than_ttl(self, item: Item) -> bool:
        """Return True if records as old as this item have expired by now."""
        return self.ttl_s is not None and self.clock() > (item.changed_s + self.ttl_s) * 1_000_000

    def _document(self, item: Item) -> dict[str, Any]:
        document = item.document()
        if (life_s := _life_s(item, self.ttl_s)) is not None:
            document["ttl"] = life_s
        return document


class Hints(Generic[T]):
    """The value that was seen last for each of a bounded number of threads.

    A hint saves requests. It need not be right.
    """

    def __init__(self) -> None:
        self._values: OrderedDict[str, T] = OrderedDict()

    def get(self, thread_id: str) -> T | None:
        """Return the noted value, or None."""
        return self._values.get(thread_id)

    def note(self, thread_id: str, value: T | None) -> None:
        """Note a value; None removes the noted value."""
        self._values.pop(thread_id, None)
        if value is not None:
            self._values[thread_id] = value
        if len(self._values) > _MAX_HINTS:
            self._values.popitem(last=False)


class Backoff:
    """Random waits between attempts, so that two writers that collided do not collide again."""

    def __init__(self, container: Container, thread_id: str) -> None:
        self._thread_id = thread_id
        self._timeout_s = container.busy_timeout_s
        self._deadline = time.monotonic() + self._timeout_s
        self._longest_s = 0.004

    async def wait(self) -> None:
        """Wait before the next attempt.

        Raises:
            StorageBusy: the attempts have lasted longer than `busy_timeout_s`.
        """
        if time.monotonic() > self._deadline:
            raise StorageBusy(
                f"other writers kept changing thread {self._thread_id!r} for over {self._timeout_s:g} s; try again"
            )
        await asyncio.sleep(random.uniform(0, self._longest_s))  # noqa: S311 - not a secret
        self._longest_s = min(0.25, self._longest_s * 2)


async def run_all(calls: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Run many requests, up to `AT_ONCE` at a time. Every request runs to its end; then the first failure is raised."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(call: Coroutine[Any, Any, object]) -> object:
        async with gate:
            return await call

    for outcome in await asyncio.gather(*(one(call) for call in calls), return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome


def _life_s(item: Item, ttl_s: int | None) -> int | None:
    """Return the seconds after which the service deletes an item; None if it never does.

    A thread's head is written with each record, so it lives as long as the newest record. A directory entry must
    outlive the thread.
    """
    if isinstance(item, LeaseItem):
        return item.lasts_us // 1_000_000 + _LEASE_KEPT_S
    return ttl_s and ttl_s * (3 if isinstance(item, DirectoryItem) else 1)


def sub_status(error: CosmosHttpResponseError | CosmosBatchOperationError) -> int:
    """Return the number that distinguishes the reasons for one status; 0 if there is none."""
    return cast("int | None", error.sub_status) or 0


def _is_missing(error: CosmosHttpResponseError) -> bool:
    return error.status_code == 404 and not sub_status(error)  # With a sub-status, the missing thing is not the item.
