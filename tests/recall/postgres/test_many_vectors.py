"""The vectors of a user with many memories: they are counted, and their signs are compared first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from random import Random

import pytest
from psycopg.sql import SQL, Identifier

from recuerda.recall import vectors
from recuerda.recall.index import CandidateQuery, Candidates, ThreadUpdate
from recuerda.recall.postgres import PostgresRecallIndex, following, searching
from tests.recall.postgres.memories import Connection, counts, position, remember
from tests.recall.test_many_vectors import cone


@pytest.fixture(params=["numpy", "without numpy"])
async def any_index(
    request: pytest.FixtureRequest, index: PostgresRecallIndex, monkeypatch: pytest.MonkeyPatch
) -> PostgresRecallIndex:
    """Return an index that compares vectors with or without numpy; more than 100 vectors are many."""
    for module in (following, searching):
        monkeypatch.setattr(module, "MAX_COMPARED", 100)
    if request.param != "numpy":
        monkeypatch.setattr(vectors, "_numpy", lambda: None)
    return index


async def keys_of(index: PostgresRecallIndex, model_id: str = "m") -> list[int]:
    """Return the keys of all documents that lack a vector."""
    return sorted(one.key for one in await index.unembedded("user:ana", model_id, 10_000))


async def fill(index: PostgresRecallIndex, model_id: str, near: Mapping[int, Sequence[float]]) -> None:
    """Store vectors, a few at once."""
    keys = list(near)
    for start in range(0, len(keys), 60):
        await index.add_vectors("user:ana", model_id, {key: near[key] for key in keys[start : start + 60]})


async def asked(
    index: PostgresRecallIndex, model_id: str, vector: Sequence[float], *, terms: tuple[str, ...] = (), limit: int = 1
) -> Candidates:
    """Return what is found near a vector."""
    query = CandidateQuery(scope="user:ana", terms=terms, model_id=model_id, vector=vector, limit=limit, neighbours=())
    return await index.candidates(query)


async def test_the_nearest_of_many_vectors_are_found(any_index: PostgresRecallIndex) -> None:
    random = Random(3)
    await remember(any_index, "one", [f"number {n}" for n in range(400)])
    keys = await keys_of(any_index)
    near = {key: cone(random) for key in keys}
    await fill(any_index, "m", near)
    assert await keys_of(any_index) == []
    for key in keys[::20]:
        query = vectors.unit([value + random.gauss(0, 0.01) for value in near[key]])
        found = (await asked(any_index, "m", query)).found
        assert set(found) == {key}
        exact = sum(a * b for a, b in zip(query, near[key], strict=True))
        assert found[key].similarity == pytest.approx(exact, abs=3e-3)


async def test_what_its_words_find_is_compared_too(any_index: PostgresRecallIndex) -> None:
    random = Random(4)
    await remember(any_index, "one", [f"number {n}" for n in range(150)] + ["a lantern"])
    near = {key: cone(random) for key in await keys_of(any_index)}
    await fill(any_index, "m", near)
    lantern = max(near)
    query = vectors.unit([-value for value in near[lantern]])
    found = (await asked(any_index, "m", query, terms=("lantern",), limit=3)).found
    assert lantern in found
    assert {one.similarity is None for one in found.values()} == {False}
    assert found[lantern].similarity == pytest.approx(-1, abs=3e-3)


async def test_signs_follow_another_model_and_go_with_their_documents(
    any_index: PostgresRecallIndex, db: Connection, schema: str
) -> None:
    random = Random(5)

    async def rows() -> tuple[int, int, int]:
        found = await counts(db, schema)
        return found["vectors"], found["models"], found["signs"]

    await remember(any_index, "one", [f"number {n}" for n in range(150)])
    await remember(any_index, "two", [f"number {n}" for n in range(50)])
    keys = await keys_of(any_index)
    old, new = {key: cone(random) for key in keys}, {key: cone(random, 96) for key in keys}
    await fill(any_index, "old", dict(list(old.items())[:100]))
    assert await rows() == (100, 1, 0)  # few are all compared
    await fill(any_index, "old", old)
    assert await rows() == (200, 1, 200)
    refused: list[float] = []
    await fill(any_index, "new", dict(list(new.items())[:90]))
    assert await rows() == (200, 2, 110)
    assert len(await keys_of(any_index, "new")) == 110
    await fill(any_index, "new", new | {keys[0]: refused})
    assert await rows() == (200, 1, 199)
    assert set((await asked(any_index, "new", new[keys[7]])).found) == {keys[7]}
    assert (await asked(any_index, "old", old[keys[7]])).found == {}
    await any_index.apply(ThreadUpdate(thread_id="one", expected=position(150), position=None))
    assert await rows() == (50, 1, 50)
    await any_index.apply(ThreadUpdate(thread_id="two", expected=position(50), position=None))
    assert await rows() == (0, 0, 0)


async def test_vectors_that_are_added_while_threads_go_are_counted_right(index: PostgresRecallIndex) -> None:
    random = Random(6)
    for name in ("one", "two", "three"):
        await remember(index, name, [f"number {n}" for n in range(40)])
    keys = await keys_of(index)
    jobs = [index.add_vectors("user:ana", "m", {key: cone(random, 8)}) for key in keys]
    gone = [
        index.apply(ThreadUpdate(thread_id=name, expected=position(40), position=None)) for name in ("one", "three")
    ]
    await asyncio.gather(*jobs[:60], *gone, *jobs[60:])
    await remember(index, "four", ["a lantern", "a ribbon"])
    left = await keys_of(index)
    assert len(left) == 2 + 40 - (await index.stats()).vectors
    await index.add_vectors("user:ana", "m", {key: cone(random, 8) for key in left})
    assert await keys_of(index) == []
    assert (await index.stats()).vectors == 42


async def test_the_server_reads_a_stored_vector_as_a_process_does(
    index: PostgresRecallIndex, db: Connection, schema: str
) -> None:
    await remember(index, "one", ["a lantern"])
    (key,) = await keys_of(index)
    vector = vectors.unit([0.5, -1.0, 0.0, 0.25, 1e-9])
    await index.add_vectors("user:ana", "m", {key: vector})
    statement = SQL("SELECT {}(scale, data), length(data) FROM {}").format(
        Identifier(schema, "recall_values_of"), Identifier(schema, "recall_vectors")
    )
    ((values, size),) = await (await db.execute(statement)).fetchall()
    assert size == 5
    assert values == pytest.approx(vectors.unpacked(vectors.pack(vector)), abs=1e-7)
