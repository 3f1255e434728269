"""CrewAI's memory records as items of a shelf, and back.

CrewAI's own types are loaded when the first record is made, and named here as protocols: CrewAI needs an older version
of some libraries than other frameworks do, so it is often not installed where this package is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any, Protocol, cast

from recuerda.interop.shelf import StoredItem
from recuerda.json_value import to_json_object
from recuerda.recall.vectors import pack, unit, unpacked


class MemoryRecord(Protocol):
    """A memory: `crewai.memory.types.MemoryRecord`."""

    id: str
    content: str
    scope: str
    categories: list[str]
    metadata: dict[str, Any]
    importance: float
    created_at: datetime
    last_accessed: datetime
    embedding: list[float] | None
    source: str | None
    private: bool


class ScopeInfo(Protocol):
    """What a scope holds: `crewai.memory.types.ScopeInfo`."""

    path: str
    record_count: int
    categories: list[str]
    oldest_record: datetime | None
    newest_record: datetime | None
    child_scopes: list[str]


_SCALE_BYTES = 4


def to_item(record: MemoryRecord) -> StoredItem:
    """Return a record as an item.

    Raises:
        EncodeError: the metadata is not JSON; the error names the place.
    """
    value = {
        "content": record.content,
        "scope": record.scope,
        "categories": record.categories,
        "metadata": record.metadata,
        "importance": record.importance,
        "created_at": record.created_at.isoformat(),
        "last_accessed": record.last_accessed.isoformat(),
        "source": record.source,
        "private": record.private,
    }
    plain = to_json_object(value, f"memory {record.id!r}")
    vectors = [pack(unit(record.embedding))] if record.embedding else []
    return StoredItem(key=record.id, value=dict(plain), vectors=vectors)


def to_record(item: StoredItem) -> MemoryRecord:
    """Return the record of an item. Its embedding has length 1."""
    fields = dict(item.value)
    created_at, last_accessed = created(item), datetime.fromisoformat(fields.pop("last_accessed"))
    if item.used_us:
        used = datetime.fromtimestamp(item.used_us / 1e6, UTC)
        last_accessed = used if last_accessed.tzinfo is not None else used.replace(tzinfo=None)
    embedding = unpacked(item.vectors[0]) if item.vectors else None
    fields |= {"id": item.key, "created_at": created_at, "last_accessed": last_accessed, "embedding": embedding}
    return cast("MemoryRecord", _types().MemoryRecord(**fields))


def to_scope_info(path: str, items: Sequence[StoredItem], child_scopes: Sequence[str]) -> ScopeInfo:
    """Return the description of a scope.

    Args:
        path: the scope's path.
        items: all records in the scope and below.
        child_scopes: the paths of the scopes directly below.
    """
    times = sorted(map(created, items), key=in_utc)
    return cast(
        "ScopeInfo",
        _types().ScopeInfo(
            path=path,
            record_count=len(items),
            categories=sorted({category for item in items for category in item.value["categories"]}),
            oldest_record=times[0] if times else None,
            newest_record=times[-1] if times else None,
            child_scopes=[*child_scopes],
        ),
    )


def dimensions(item: StoredItem) -> int | None:
    """Return the number of dimensions of an item's embedding; None if it has none."""
    return len(item.vectors[0]) - _SCALE_BYTES if item.vectors else None


def dimension_mismatch(stored: int, new: int) -> Exception:
    """Return CrewAI's own error for an embedding that does not fit to the stored ones."""
    backend = import_module("crewai.memory.storage.backend")
    return backend.EmbeddingDimensionMismatchError(stored, new)


def created(item: StoredItem) -> datetime:
    """Return the time at which a record was made, as CrewAI gave it."""
    return datetime.fromisoformat(item.value["created_at"])


def in_utc(time: datetime) -> datetime:
    """Return a time as an aware one. CrewAI's own times are in UTC and do not say so."""
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


@cache
def _types() -> Any:
    return import_module("crewai.memory.types")
