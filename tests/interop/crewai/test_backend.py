"""`RecuerdaStorageBackend` keeps CrewAI's contract of a storage backend. See `stand_in` for what runs here."""

import asyncio
import copy
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest

from recuerda import EncodeError, MemoryStorage, Storage, ThreadOwnershipError
from recuerda.interop.crewai import RecuerdaStorageBackend

types = import_module("crewai.memory.types")
Mismatch: type[Exception] = import_module("crewai.memory.storage.backend").EmbeddingDimensionMismatchError

NOON = datetime(2026, 1, 1, 12)  # noqa: DTZ001 - CrewAI's times are in UTC and do not say so


@pytest.fixture
def backend(storage: Storage) -> RecuerdaStorageBackend:
    return RecuerdaStorageBackend(storage, "ship")


def record(id: str, *, vector: list[float] | None = None, hours: int = 0, **fields: Any) -> Any:
    at = NOON + timedelta(hours=hours)
    fields = {"content": f"text of {id}", "created_at": at, "last_accessed": at, "embedding": vector} | fields
    return types.MemoryRecord(id=id, **fields)


def ids(records: list[Any]) -> list[str]:
    return [one.id for one in records]


async def test_a_record_comes_back_with_every_field(backend: RecuerdaStorageBackend, another: Storage) -> None:
    saved = record(
        "a",
        vector=[3.0, 4.0],
        scope="/ship/bridge",
        categories=["orders", "crew"],
        metadata={"deck": 7, "of": {"who": ["Riker", None]}},
        importance=0.9,
        source="riker",
        private=True,
    )
    backend.save([saved])
    for reader in (backend, RecuerdaStorageBackend(another, "ship")):
        found: Any = reader.get_record("a")
        assert found.model_dump() == saved.model_dump()
        assert found.embedding == pytest.approx([0.6, 0.8], abs=0.01)
    assert backend.get_record("b") is None


async def test_times_stay_as_they_were_given(backend: RecuerdaStorageBackend) -> None:
    aware = NOON.replace(tzinfo=UTC)
    backend.save([record("naive"), record("aware", created_at=aware, last_accessed=aware)])
    found: list[Any] = [backend.get_record("naive"), backend.get_record("aware")]
    assert [(one.created_at, one.last_accessed) for one in found] == [(NOON, NOON), (aware, aware)]
    backend.touch_records(["naive", "aware", "unknown"])
    touched: list[Any] = [backend.get_record("naive"), backend.get_record("aware")]
    assert all(now.last_accessed > before.last_accessed for now, before in zip(touched, found, strict=True))
    assert [one.created_at for one in touched] == [NOON, aware]
    assert backend.count() == 2


async def test_a_save_of_many_records_is_one_append(backend: RecuerdaStorageBackend, storage: Storage) -> None:
    backend.save([record(f"{number}") for number in range(20)])
    info = await storage.head("ship")
    assert info is not None
    assert (info.turns, info.title) == (1, "Memories of CrewAI")
    backend.save([])
    assert (await storage.head("ship")) == info


async def test_a_record_that_is_saved_again_is_replaced(backend: RecuerdaStorageBackend) -> None:
    backend.save([record("a", vector=[1.0, 0.0]), record("b")])
    backend.save([record("a", content="new", vector=[0.0, 1.0])])
    assert backend.count() == 2
    (match,) = backend.search([0.0, 1.0], min_score=0.5)
    assert (match[0].content, match[1]) == ("new", pytest.approx(1.0, abs=0.01))
    backend.update(record("b", content="newer"))
    found: Any = backend.get_record("b")
    assert found.content == "newer"


async def test_a_search_gives_the_most_similar_records_first(backend: RecuerdaStorageBackend) -> None:
    vectors = {"same": [2.0, 0.0], "near": [0.9, 0.3], "far": [0.0, 1.0], "against": [-1.0, 0.0]}
    backend.save([*(record(id, vector=vector) for id, vector in vectors.items()), record("silent")])
    found = await backend.asearch([1.0, 0.0])
    assert [one.id for one, _ in found] == ["same", "near", "far"]
    assert [score for _, score in found] == pytest.approx([1.0, 0.949, 0.0], abs=0.01)
    assert [one.id for one, _ in backend.search([1.0, 0.0], limit=1)] == ["same"]
    assert [one.id for one, _ in backend.search([1.0, 0.0], min_score=0.9)] == ["same", "near"]
    assert backend.search([1.0, 0.0], limit=0) == []


async def test_a_search_keeps_to_scope_category_and_metadata(backend: RecuerdaStorageBackend) -> None:
    near = [1.0, 0.0]
    backend.save(
        [
            record("root", vector=near),
            record("ship", vector=near, scope="/ship", categories=["crew"]),
            record("bridge", vector=near, scope="/ship/bridge/", categories=["orders", "crew"], metadata={"deck": 1}),
            record("shipyard", vector=near, scope="/shipyard", metadata={"deck": 1}),
        ]
    )

    async def found(**wanted: Any) -> set[str]:
        return {one.id for one, _ in await backend.asearch(near, **wanted)}

    for scope in (None, "", "/"):
        assert len(await found(scope_prefix=scope)) == 4
    assert await found(scope_prefix="/ship") == await found(scope_prefix="ship/") == {"ship", "bridge"}
    assert await found(categories=["crew", "other"]) == {"ship", "bridge"}
    assert await found(metadata_filter={"deck": 1}) == {"bridge", "shipyard"}
    assert await found(scope_prefix="/ship", metadata_filter={"deck": 1}, categories=["orders"]) == {"bridge"}


async def test_an_embedding_of_another_model_is_refused_and_nothing_is_stored(backend: RecuerdaStorageBackend) -> None:
    with pytest.raises(Mismatch):
        backend.save([record("a", vector=[1.0, 0.0]), record("b", vector=[1.0, 0.0, 0.0])])
    assert backend.count() == 0
    backend.save([record("a", vector=[1.0, 0.0])])
    for refused in (lambda: backend.save([record("b", vector=[1.0] * 3)]), lambda: backend.search([1.0] * 3)):
        with pytest.raises(Mismatch):
            refused()
    assert backend.count() == 1
    backend.update(record("a", vector=[1.0] * 3))  # the only one, so the memory may change its model
    assert len(backend.search([1.0] * 3)) == 1


async def test_metadata_that_is_not_json_is_refused_with_its_place(backend: RecuerdaStorageBackend) -> None:
    with pytest.raises(EncodeError, match=r"memory 'b'.*when"):
        backend.save([record("a"), record("b", metadata={"when": object()})])
    assert backend.count() == 0


async def test_records_are_listed_with_the_newest_first(backend: RecuerdaStorageBackend) -> None:
    backend.save([record("old", hours=1), record("new", hours=3, scope="/ship"), record("middle", hours=2)])
    assert ids(backend.list_records()) == ["new", "middle", "old"]
    assert ids(backend.list_records(limit=1, offset=1)) == ["middle"]
    assert ids(backend.list_records("/ship")) == ["new"]
    assert backend.list_records(limit=0) == []


async def test_scopes_and_categories_are_described(backend: RecuerdaStorageBackend) -> None:
    backend.save(
        [
            record("a", scope="/ship/bridge", categories=["crew"], hours=1),
            record("b", scope="/ship/decks/7", categories=["crew", "safety"], hours=2),
            record("c", scope="/ship", hours=3),
            record("d", scope="/home", categories=["family"]),
            record("e"),
        ]
    )
    assert backend.list_scopes() == ["/home", "/ship"]
    assert backend.list_scopes("/ship") == ["/ship/bridge", "/ship/decks"]
    assert backend.list_scopes("/ship/bridge") == []
    info: Any = backend.get_scope_info("/ship/")
    assert (info.path, info.record_count, info.categories) == ("/ship", 3, ["crew", "safety"])
    assert (info.oldest_record, info.newest_record) == (NOON + timedelta(hours=1), NOON + timedelta(hours=3))
    assert info.child_scopes == ["/ship/bridge", "/ship/decks"]
    empty: Any = backend.get_scope_info("/nowhere")
    assert (empty.record_count, empty.oldest_record, empty.child_scopes) == (0, None, [])
    assert backend.list_categories() == {"crew": 2, "safety": 1, "family": 1}
    assert backend.list_categories("/home") == {"family": 1}
    assert (backend.count(), backend.count("/ship"), backend.count("/")) == (5, 3, 5)


async def test_a_deletion_meets_all_criteria(backend: RecuerdaStorageBackend) -> None:
    backend.save(
        [
            record("a", scope="/ship", categories=["crew"], hours=1),
            record("b", scope="/ship", categories=["crew"], hours=2, metadata={"deck": 7}),
            record("c", scope="/ship/bridge", hours=3),
            record("d", scope="/home", categories=["crew"]),
        ]
    )
    assert backend.delete(scope_prefix="/nowhere") == 0
    assert await backend.adelete(scope_prefix="/ship", categories=["crew"], metadata_filter={"deck": 7}) == 1
    assert await backend.adelete(record_ids=["a", "d"], scope_prefix="/home") == 1
    assert backend.delete(older_than=(NOON + timedelta(hours=2)).replace(tzinfo=UTC)) == 1
    assert ids(backend.list_records()) == ["c"]
    backend.save([record("e", scope="/home")])
    backend.reset("/ship")
    assert ids(backend.list_records()) == ["e"]
    assert backend.delete() == 1
    backend.reset()
    assert backend.list_records() == []


async def test_what_is_deleted_or_replaced_and_deleted_is_gone_from_the_storage(
    backend: RecuerdaStorageBackend, storage: Storage
) -> None:
    backend.save([record("a", content="secret one"), record("b")])
    backend.update(record("a", content="secret two"))
    backend.delete(record_ids=["a"])
    kept = b"".join(one.body for one in (await storage.read("ship")).records)
    assert b"secret" not in kept
    assert b"text of b" in kept
    backend.reset()
    assert await storage.head("ship") is None


async def test_two_processes_see_each_others_records(storage: Storage, another: Storage) -> None:
    here, there = RecuerdaStorageBackend(storage, "ship"), RecuerdaStorageBackend(another, "ship")
    await asyncio.gather(
        *(backend.asave([record(f"{name}{n}")]) for n in range(8) for name, backend in (("a", here), ("b", there)))
    )
    assert here.count() == there.count() == 16
    deleted = await asyncio.gather(here.adelete(record_ids=["a0", "b0"]), there.adelete(record_ids=["a0", "b1"]))
    assert sum(deleted) in (3, 4)  # both may have seen a0
    assert {one.id for one in there.list_records()} == {f"{name}{n}" for n in range(8) for name in "ab"} - {
        "a0", "b0", "b1"
    }  # fmt: skip


async def test_many_touches_do_not_let_the_thread_grow(backend: RecuerdaStorageBackend, storage: Storage) -> None:
    backend.save([record("a", vector=[1.0, 0.0]), record("b")])
    backend.touch_records(["a"])
    touched: Any = backend.get_record("a")
    for _ in range(100):
        backend.touch_records(["b"])
    assert len((await storage.read("ship")).records) < 45
    found: Any = RecuerdaStorageBackend(storage, "ship").get_record("a")
    assert found.last_accessed == touched.last_accessed
    assert found.embedding == touched.embedding


async def test_a_memory_belongs_to_its_user(storage: Storage) -> None:
    ana = RecuerdaStorageBackend(storage, "ana's", user_id="ana")
    ana.save([record("a")])
    with pytest.raises(ThreadOwnershipError):
        RecuerdaStorageBackend(storage, "ana's", user_id="bo").count()
    await storage.erase_user("ana")
    assert ana.count() == 0


async def test_the_copy_of_a_crew_has_the_same_memory() -> None:
    backend = RecuerdaStorageBackend(MemoryStorage())
    copy.deepcopy(backend).save([record("a")])
    assert backend.count() == 1


def test_it_works_without_an_event_loop_and_closes_its_storage(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'memory.db'}"
    first = RecuerdaStorageBackend(url)
    first.save([record("a", vector=[1.0, 0.0])])
    first.close()
    again = RecuerdaStorageBackend(url)
    assert [one.id for one, _ in again.search([1.0, 0.0])] == ["a"]
    again.close()
