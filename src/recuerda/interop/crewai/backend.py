"""`RecuerdaStorageBackend`: where the memory of CrewAI keeps its records, on any storage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from recuerda.agent.background import run_in_background
from recuerda.ids import check_id
from recuerda.interop.crewai.records import (
    MemoryRecord,
    ScopeInfo,
    created,
    dimension_mismatch,
    dimensions,
    in_utc,
    to_item,
    to_record,
    to_scope_info,
)
from recuerda.interop.own_storage import OpenedStorage
from recuerda.interop.shelf import Contents, Shelf, StoredItem, Use
from recuerda.interop.shelves import Shelves
from recuerda.recall.vectors import most_similar, unit
from recuerda.storage.contract import Storage


class RecuerdaStorageBackend(OpenedStorage):
    """Keep the records of CrewAI's `Memory` in a thread, on any storage.

    A save is one atomic append, whatever the number of its records. What is deleted is gone from the storage. Each call
    reads what other processes have written since the last one. The vectors of all records of the memory are compared
    in this process, so a memory of ten thousands of records belongs into a vector database.

    The methods without an `a` in front run in an event loop of their own.

    Args:
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
        memory_id: the id of the thread that holds the records.
        user_id: the user to whom the records belong; `Storage.erase_user` erases them. None for no user.
    """

    def __init__(self, storage: Storage | str, memory_id: str = "crewai", *, user_id: str | None = None) -> None:
        self._open(storage)
        self._shelves = Shelves(self.storage, user_id=user_id)
        self._shelf = Shelf(check_id(memory_id, "memory id"))

    def __deepcopy__(self, memo: dict[int, Any]) -> RecuerdaStorageBackend:
        # CrewAI copies a crew for each input of `kickoff_for_each`. All copies have one memory.
        return self

    # -- writing -------------------------------------------------------------------------------------------------------

    async def asave(self, records: list[MemoryRecord]) -> None:
        """Store records, in one atomic step. A record whose id is stored already is replaced.

        Raises:
            EmbeddingDimensionMismatchError: an embedding has another number of dimensions than the others; nothing was
                stored.
            EncodeError: the metadata of a record is not JSON; nothing was stored.
        """
        items = [to_item(record) for record in records]
        if not items:
            return
        self._check(items, await self._items())
        await self._shelves.append(self._shelf, Contents(items=items), title="Memories of CrewAI")

    async def adelete(
        self,
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        record_ids: list[str] | None = None,
        older_than: datetime | None = None,
        metadata_filter: dict[str, Any] | None = None,
    ) -> int:
        """Delete the records that meet all criteria, and return their number. Without a criterion, delete all records.

        Args:
            scope_prefix: a scope; the scopes below it count as well.
            categories: at least one of these categories.
            record_ids: one of these ids. An empty list counts as no criterion.
            older_than: records that were made before this time.
            metadata_filter: fields of the metadata that must be equal.
        """

        def is_wanted(item: StoredItem) -> bool:
            return (
                _is_in(item, scope_prefix)
                and _has(item, categories, metadata_filter)
                and (not record_ids or item.key in record_ids)
                and (older_than is None or in_utc(created(item)) < in_utc(older_than))
            )

        return await self._shelves.delete(self._shelf, lambda shelf: [one.key for one in _all(shelf) if is_wanted(one)])

    async def _touch(self, record_ids: Sequence[str]) -> None:
        used_us = self.storage.clock()
        known = {item.key for item in await self._items()}
        uses = [Use(id, used_us=used_us) for id in record_ids if id in known]
        if uses:
            await self._shelves.append(self._shelf, Contents(uses=uses), title="Memories of CrewAI")

    # -- reading -------------------------------------------------------------------------------------------------------

    async def asearch(  # noqa: PLR0917 - CrewAI's signature
        self,
        query_embedding: list[float],
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        metadata_filter: dict[str, Any] | None = None,
        limit: int = 10,
        min_score: float = 0.0,
    ) -> list[tuple[MemoryRecord, float]]:
        """Return the records that are most similar to a query, the most similar one first, with the cosines.

        Args:
            query_embedding: the query's vector.
            scope_prefix: a scope; the scopes below it count as well.
            categories: at least one of these categories.
            metadata_filter: fields of the metadata that must be equal.
            limit: the largest number of records.
            min_score: the smallest cosine.

        Raises:
            EmbeddingDimensionMismatchError: the query's vector has another number of dimensions than the records.
        """
        items = await self._items(scope_prefix)
        for stored in map(dimensions, items):
            if stored is not None and stored != len(query_embedding):
                raise dimension_mismatch(stored, len(query_embedding))
        found = [item for item in items if item.vectors and _has(item, categories, metadata_filter)]
        rows = [(number, item.vectors[0]) for number, item in enumerate(found)]
        cosines = most_similar(unit(query_embedding), rows)
        best = sorted(cosines.items(), key=lambda pair: -pair[1])[: max(0, limit)]
        return [(to_record(found[number]), cosine) for number, cosine in best if cosine >= min_score]

    async def _records(self, scope_prefix: str | None, limit: int, offset: int) -> list[MemoryRecord]:
        newest = sorted(await self._items(scope_prefix), key=lambda item: in_utc(created(item)), reverse=True)
        return [to_record(item) for item in newest[max(0, offset) : max(0, offset) + max(0, limit)]]

    async def _record(self, record_id: str) -> MemoryRecord | None:
        found = [item for item in await self._items() if item.key == record_id]
        return to_record(found[0]) if found else None

    async def _items(self, scope_prefix: str | None = None) -> list[StoredItem]:
        shelf = await self._shelves.read(self._shelf)
        return [item for item in _all(shelf) if _is_in(item, scope_prefix)]

    def _check(self, items: Sequence[StoredItem], stored: Sequence[StoredItem]) -> None:
        new = [size for size in map(dimensions, items) if size is not None]
        replaced = {item.key for item in items}
        known = [size for item in stored if item.key not in replaced and (size := dimensions(item)) is not None]
        for size in new:
            if size != (first := [*known, *new][0]):
                raise dimension_mismatch(first, size)

    # -- CrewAI's interface without an event loop ----------------------------------------------------------------------

    def save(self, records: list[MemoryRecord]) -> None:
        """See `asave`."""
        run_in_background(self.asave(records))

    def update(self, record: MemoryRecord) -> None:
        """Replace the record with the same id. See `asave`."""
        run_in_background(self.asave([record]))

    def touch_records(self, record_ids: list[str]) -> None:
        """Note that records were used now."""
        run_in_background(self._touch(record_ids))

    def search(  # noqa: PLR0917 - CrewAI's signature
        self,
        query_embedding: list[float],
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        metadata_filter: dict[str, Any] | None = None,
        limit: int = 10,
        min_score: float = 0.0,
    ) -> list[tuple[MemoryRecord, float]]:
        """See `asearch`."""
        return run_in_background(
            self.asearch(query_embedding, scope_prefix, categories, metadata_filter, limit, min_score)
        )

    def delete(
        self,
        scope_prefix: str | None = None,
        categories: list[str] | None = None,
        record_ids: list[str] | None = None,
        older_than: datetime | None = None,
        metadata_filter: dict[str, Any] | None = None,
    ) -> int:
        """See `adelete`."""
        return run_in_background(self.adelete(scope_prefix, categories, record_ids, older_than, metadata_filter))

    def get_record(self, record_id: str) -> MemoryRecord | None:
        """Return a record by its id; None if there is none."""
        return run_in_background(self._record(record_id))

    def list_records(self, scope_prefix: str | None = None, limit: int = 200, offset: int = 0) -> list[MemoryRecord]:
        """Return the records of a scope and of the scopes below it, the newest first."""
        return run_in_background(self._records(scope_prefix, limit, offset))

    def get_scope_info(self, scope: str) -> ScopeInfo:
        """Return what a scope holds, with the scopes below it."""
        path = _path(scope)
        items = run_in_background(self._items(path))
        return to_scope_info(path, items, _children(path, items))

    def list_scopes(self, parent: str = "/") -> list[str]:
        """Return the paths of the scopes directly below a scope."""
        path = _path(parent)
        return _children(path, run_in_background(self._items(path)))

    def list_categories(self, scope_prefix: str | None = None) -> dict[str, int]:
        """Return the number of records of each category."""
        items = run_in_background(self._items(scope_prefix))
        return dict(Counter(category for item in items for category in item.value["categories"]))

    def count(self, scope_prefix: str | None = None) -> int:
        """Return the number of records in a scope and in the scopes below it."""
        return len(run_in_background(self._items(scope_prefix)))

    def reset(self, scope_prefix: str | None = None) -> None:
        """Delete the records of a scope and of the scopes below it; all records if it is None."""
        run_in_background(self.adelete(scope_prefix))

    def close(self) -> None:
        """Close the storage if it was opened by its URL."""
        run_in_background(self._close_storage())


def _all(shelf: Shelf) -> list[StoredItem]:
    return [placed.item for placed in shelf.items.values()]


def _path(scope: str | None) -> str:
    """Return a scope's path with a slash in front and none behind; "/" for the topmost one."""
    return "/" + "/".join(part for part in (scope or "").split("/") if part)


def _is_in(item: StoredItem, scope: str | None) -> bool:
    """Return whether an item is in a scope, or in one below it."""
    path = _path(scope)
    return path == "/" or f"{_path(item.value['scope'])}/".startswith(f"{path}/")


def _has(item: StoredItem, categories: Sequence[str] | None, metadata: Mapping[str, Any] | None) -> bool:
    value = item.value
    is_of_category = not categories or any(category in value["categories"] for category in categories)
    return is_of_category and all(value["metadata"].get(name) == wanted for name, wanted in (metadata or {}).items())


def _children(path: str, items: Sequence[StoredItem]) -> list[str]:
    start = "/" if path == "/" else f"{path}/"
    below = {_path(item.value["scope"]) for item in items}
    return sorted({start + scope.removeprefix(start).split("/")[0] for scope in below if scope not in {path, "/"}})
