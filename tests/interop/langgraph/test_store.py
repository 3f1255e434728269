"""The store keeps what LangGraph's contract says, on every storage."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)

from recuerda import EncodeError, InvalidInput, MemoryStorage, Storage, ThreadOwnershipError
from recuerda.interop.langgraph import RecuerdaSaver, RecuerdaStore
from recuerda.interop.langgraph.namespaces import thread_of
from tests.interop.langgraph.graphs import RIKER, CountedStorage, said

WILL = ("memories", "will")
TOM = ("memories", "tom")
MINUTE_US = 60_000_000


class Clock:
    now_us = 1_800_000_000_000_000

    def __call__(self) -> int:
        self.now_us += 1
        return self.now_us


async def keys(store: RecuerdaStore, prefix: tuple[str, ...], **options: Any) -> list[str]:
    return [item.key for item in await store.asearch(prefix, **options)]


async def test_items_are_put_replaced_found_and_deleted(storage: Storage, another: Storage) -> None:
    store, other = RecuerdaStore(storage), RecuerdaStore(another)
    assert await store.aget(WILL, "tea") is None
    await store.aput(WILL, "tea", {"text": "Earl Grey", "rank": 3})
    first = await other.aget(WILL, "tea")
    assert first is not None
    assert (first.namespace, first.key, first.value) == (WILL, "tea", {"text": "Earl Grey", "rank": 3})
    await other.aput(WILL, "tea", {"text": "green", "rank": 4})
    await other.aput(WILL, "food", {"text": "gagh"})
    second = await store.aget(WILL, "tea")
    assert second is not None
    assert (second.value, second.created_at) == ({"text": "green", "rank": 4}, first.created_at)
    assert second.updated_at >= first.updated_at
    await store.adelete(WILL, "tea")
    await store.adelete(WILL, "never there")
    assert await other.aget(WILL, "tea") is None
    assert await keys(other, WILL) == ["food"]
    # Nothing of a deleted item is left, also not of its earlier values.
    kept = b"".join(record.body for record in (await storage.read(thread_of(WILL))).records)
    assert b"green" not in kept
    assert b"Earl Grey" not in kept
    await store.adelete(WILL, "food")
    assert await storage.head(thread_of(WILL)) is None
    await other.aput(WILL, "tea", {"text": "again"})
    assert await keys(store, ("memories",)) == ["tea"]


async def test_a_batch_reads_before_it_writes_and_gives_results_in_order() -> None:
    store = RecuerdaStore(MemoryStorage())
    await store.aput(WILL, "a", {"n": 1})
    results = await store.abatch(
        [
            PutOp(WILL, "a", {"n": 2}),
            GetOp(WILL, "a"),
            SearchOp(("memories",)),
            PutOp(TOM, "b", {"n": 3}),
            PutOp(TOM, "b", {"n": 4}),
            ListNamespacesOp(),
            PutOp(WILL, "c", None),
        ]
    )
    assert [type(one).__name__ for one in results] == [
        "NoneType",
        "Item",
        "list",
        "NoneType",
        "NoneType",
        "list",
        "NoneType",
    ]
    item: Any = results[1]
    assert item.value == {"n": 1}
    assert results[5] == [WILL]
    assert {one.key: one.value["n"] for one in await store.asearch(())} == {"a": 2, "b": 4}


async def test_a_search_filters_orders_and_pages() -> None:
    store = RecuerdaStore(MemoryStorage(clock=Clock()))
    for number in range(6):
        where = WILL if number % 2 else (*WILL, "old")
        await store.aput(where, f"k{number}", {"n": number, "tag": {"even": number % 2 == 0}, "list": [1, number]})
    await store.aput(TOM, "other", {"n": 1})
    await store.aput(("memoriesX",), "stranger", {"n": 1})
    assert await keys(store, WILL) == ["k5", "k4", "k3", "k2", "k1", "k0"]
    assert await keys(store, WILL, limit=2, offset=1) == ["k4", "k3"]
    for wanted, found in [
        ({"n": 3}, ["k3"]),
        ({"n": {"$gte": 2, "$lt": 4}}, ["k3", "k2"]),
        ({"n": {"$ne": 3}, "tag": {"even": False}}, ["k5", "k1"]),
        ({"list": [1, 4]}, ["k4"]),
        ({"absent": {"$gt": 1}}, []),
        ({"tag": {"$gt": 1}}, []),
        ({"n": {"$eq": 0}}, ["k0"]),
    ]:
        assert await keys(store, WILL, filter=wanted) == found, wanted
    with pytest.raises(InvalidInput, match=r"\$in"):
        await store.asearch(WILL, filter={"n": {"$in": [1]}})
    assert sorted(await keys(store, ("memories",), filter={"n": 1})) == ["k1", "other"]


async def test_namespaces_are_listed_as_far_as_they_hold_items() -> None:
    store = RecuerdaStore(MemoryStorage())
    for namespace in [("a", "b", "v1"), ("a", "c", "v1"), ("a", "c", "v2"), ("d",)]:
        await store.aput(namespace, "k", {})
    await store.aput(("gone", "v1"), "k", {})
    await store.adelete(("gone", "v1"), "k")
    assert await store.alist_namespaces() == [("a", "b", "v1"), ("a", "c", "v1"), ("a", "c", "v2"), ("d",)]
    assert await store.alist_namespaces(prefix=("a", "c")) == [("a", "c", "v1"), ("a", "c", "v2")]
    assert await store.alist_namespaces(prefix=("a", "*", "v2")) == [("a", "c", "v2")]
    assert await store.alist_namespaces(suffix=("v1",)) == [("a", "b", "v1"), ("a", "c", "v1")]
    assert await store.alist_namespaces(max_depth=2) == [("a", "b"), ("a", "c"), ("d",)]
    assert await store.alist_namespaces(limit=1, offset=1) == [("a", "c", "v1")]
    (found,) = await store.abatch(
        [ListNamespacesOp((MatchCondition("prefix", ("a",)), MatchCondition("suffix", ("v2",))))]
    )
    assert found == [("a", "c", "v2")]


async def test_items_end_after_their_last_use() -> None:
    clock = Clock()
    storage = CountedStorage()
    storage.clock = clock
    store = RecuerdaStore(storage, ttl={"default_ttl": 10, "refresh_on_read": True})
    await store.aput(WILL, "default", {"n": 1})
    await store.aput(WILL, "short", {"n": 2}, ttl=1)
    await store.aput(WILL, "ever", {"n": 3}, ttl=None)
    clock.now_us += 2 * MINUTE_US
    assert await keys(store, WILL, refresh_ttl=False) == ["ever", "default"]
    clock.now_us += 7 * MINUTE_US
    assert await store.aget(WILL, "default") is not None  # used: ten more minutes
    clock.now_us += 9 * MINUTE_US
    other = RecuerdaStore(storage)
    assert await other.aget(WILL, "default", refresh_ttl=False) is not None
    clock.now_us += 2 * MINUTE_US
    assert await other.aget(WILL, "default") is None
    assert await store.asweep() == 2
    assert await store.asweep() == 0
    assert await keys(store, ()) == ["ever"]
    assert b"default" not in b"".join(record.body for record in (await storage.read(thread_of(WILL))).records)


async def test_a_sweep_deletes_what_has_ended_where_nothing_else_is_left() -> None:
    storage = CountedStorage()
    storage.clock = clock = Clock()
    store = RecuerdaStore(storage, ttl={"default_ttl": 1})
    await store.aput(WILL, "tea", {"text": "Earl Grey"})
    await store.aput(("deep", "down", "below"), "tea", {"text": "Earl Grey"})
    clock.now_us += 2 * MINUTE_US
    assert await store.alist_namespaces() == []
    assert await store.asweep() == 2
    assert await storage.head(thread_of(WILL)) is None
    await store.aput(WILL, "tea", {"text": "green"})
    assert await keys(store, ("memories",)) == ["tea"]


async def test_a_namespace_is_told_by_whole_labels_in_which_every_character_counts(storage: Storage) -> None:
    store = RecuerdaStore(storage)
    labels = ["user", "users", "User", "us%r", "us_r", "us*r", "us[e]r", "user\n", "üser", "user'; --"]
    for number, label in enumerate(labels):
        await store.aput(("top", label), "k", {"n": number})
    for number, label in enumerate(labels):
        assert [item.value["n"] for item in await store.asearch(("top", label))] == [number], label
        assert await store.alist_namespaces(prefix=("top", label)) == [("top", label)], label
        assert await store.alist_namespaces(suffix=(label,)) == [("top", label)], label
    assert await store.asearch(("to",)) == []
    assert len(await store.asearch(["top"], limit=20)) == len(labels)  # pyright: ignore[reportArgumentType] - as JSON has it


async def test_the_names_in_a_filter_are_data() -> None:
    store = RecuerdaStore(MemoryStorage())
    for name in ("access-level", "1st", "a.b", "x') OR 1=1 --", "größe"):
        await store.aput(WILL, name, {name: "public", "flag": name == "1st", "price": -1.5})
        assert await keys(store, WILL, filter={name: "public"}) == [name]
        assert await keys(store, WILL, filter={name: "' OR '1'='1"}) == []
    assert await keys(store, WILL, filter={"flag": True}) == ["1st"]
    assert len(await keys(store, WILL, filter={"price": {"$lt": 0}})) == 5


async def test_a_query_finds_words_in_their_forms_and_the_best_item_first() -> None:
    store = RecuerdaStore(MemoryStorage(), fields=["text", "tags[*]"])
    await store.aput(WILL, "trombone", {"text": "Will plays the trombone in a jazz band."})
    await store.aput(WILL, "poker", {"text": "The officers play poker on Thursdays.", "tags": ["games"]})
    await store.aput(WILL, "hidden", {"text": "the trombone is in the cabin"}, index=False)
    await store.aput(WILL, "beard", {"note": "trombone", "text": "has a beard"}, index=["note"])
    assert (await keys(store, WILL, query="who is playing jazz on a trombone?"))[0] == "trombone"
    assert await keys(store, WILL, query="game") == ["poker"]
    assert await keys(store, WILL, query="warp core") == []
    assert sorted(await keys(store, WILL, query="trombone")) == ["beard", "trombone"]
    (best,) = await store.asearch(WILL, query="poker", limit=1)
    assert best.score is not None
    assert best.score > 0


class Letters:
    """An embedder whose vectors count letters."""

    model_id = "letters"
    calls = 0

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.calls += 1
        return [[text.count(letter) + 0.01 for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]


async def test_a_query_finds_meanings_with_an_embedder(storage: Storage) -> None:
    embedder = Letters()
    store = RecuerdaStore(storage, embedder=embedder, fields=["text"])
    await store.abatch([PutOp(WILL, text, {"text": text}) for text in ("zzzz yyyy", "aaaa bbbb", "cccc aaab")])
    await store.aput(WILL, "unindexed", {"text": "aaaa"}, index=False)
    puts = embedder.calls
    for one in (store, RecuerdaStore(storage, embedder=embedder, fields=["text"])):
        assert await keys(one, WILL, query="bbaa") == ["aaaa bbbb", "cccc aaab", "zzzz yyyy"]
    assert embedder.calls == puts + 2  # one for each query; the vectors of items are stored


async def test_a_put_is_one_append_and_a_get_reads_only_new_records() -> None:
    storage = CountedStorage()
    store = RecuerdaStore(storage)
    await store.aput(WILL, "k", {"n": 0})
    costs: set[tuple[int, int, int]] = set()
    for number in range(200):
        storage.forget()
        await store.aput(WILL, f"k{number}", {"n": number})
        assert await store.aget(WILL, f"k{number}") is not None
        costs.add((storage.appends, storage.reads, storage.records_read))
    assert costs == {(1, 1, 0)}


async def test_an_item_that_is_often_replaced_does_not_fill_the_storage() -> None:
    storage = MemoryStorage()
    store = RecuerdaStore(storage)
    await store.aput(WILL, "stays", {"n": "old"})
    for number in range(300):
        await store.aput(WILL, "counter", {"n": number})
    assert len((await storage.read(thread_of(WILL))).records) < 45
    for one in (store, RecuerdaStore(storage)):
        assert {item.key: item.value["n"] for item in await one.asearch(())} == {"stays": "old", "counter": 299}
    stays, counter = await store.aget(WILL, "stays"), await store.aget(WILL, "counter")
    assert stays is not None
    assert counter is not None
    assert stays.created_at == stays.updated_at < counter.created_at < counter.updated_at


async def test_writers_of_several_processes_lose_nothing(storage: Storage, another: Storage) -> None:
    stores = [RecuerdaStore(storage), RecuerdaStore(another)]
    await asyncio.gather(
        *(stores[i % 2].aput(("crew", f"{i % 3}"), f"k{i}", {"n": i}) for i in range(24)),
        *(stores[i % 2].aput(("crew", "same"), "k", {"n": i}) for i in range(40)),
    )
    for store in stores:
        assert len(await store.asearch(("crew",), limit=100)) == 25
        assert len(await store.alist_namespaces()) == 4


async def test_what_is_returned_can_be_changed_without_effect() -> None:
    store = RecuerdaStore(MemoryStorage())
    value = {"list": [1]}
    await store.aput(WILL, "k", value)
    value["list"].append(2)
    found = await store.aget(WILL, "k")
    assert found is not None
    found.value["list"].append(3)
    again = await store.aget(WILL, "k")
    assert again is not None
    assert again.value == {"list": [1]}


async def test_what_cannot_be_stored_is_refused() -> None:
    store = RecuerdaStore(MemoryStorage())
    with pytest.raises(EncodeError, match="value of 'k'"):
        await store.aput(WILL, "k", {"x": object()})
    for namespace in [(), ("a.b",), ("",)]:
        with pytest.raises(InvalidNamespaceError):
            await store.aput(namespace, "k", {})
    with pytest.raises(InvalidNamespaceError):
        await store.abatch([GetOp(("a.b",), "k")])
    long = ("x" * 600, "y")
    await store.aput(long, "k", {"n": 1})
    assert await store.alist_namespaces() == [long]


async def test_a_user_s_store_is_closed_to_other_users_and_erased_with_the_user() -> None:
    storage = MemoryStorage()
    await RecuerdaStore(storage, user_id="will").aput(WILL, "k", {"n": 1})
    with pytest.raises(ThreadOwnershipError):
        await RecuerdaStore(storage, user_id="tom").aget(WILL, "k")
    assert (await storage.erase_user("will")).threads == 3
    assert await RecuerdaStore(storage).asearch(()) == []


def test_a_graph_without_an_event_loop_uses_the_store() -> None:
    def remember(state: MessagesState, *, store: BaseStore) -> dict[str, Any]:
        store.put(WILL, "last", {"text": str(state["messages"][-1].text)})
        return {"messages": []}

    storage = MemoryStorage()
    with RecuerdaStore(storage) as store, RecuerdaSaver(storage) as saver:
        builder = StateGraph(MessagesState)
        builder.add_node("remember", remember)  # pyright: ignore[reportUnknownMemberType]
        builder.add_edge(START, "remember")
        graph: Any = builder.compile(checkpointer=saver, store=store)  # pyright: ignore[reportUnknownMemberType]
        graph.invoke(said("hello"), RIKER)
        (found,) = store.search(WILL)
        assert found.value == {"text": "hello"}
        store.delete(WILL, "last")
        assert store.list_namespaces() == []
        assert store.sweep() == 0
