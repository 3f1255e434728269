"""Stored vectors, and the vectors of a user with many memories, of which the signs are compared first."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import pytest

from recuerda.recall import SQLiteRecallIndex, vectors
from recuerda.recall.index import CandidateQuery, ThreadUpdate
from recuerda.recall.sqlite import meaning
from tests.recall.postgres.memories import position, remember


def test_a_stored_vector_takes_a_byte_for_each_dimension_and_changes_a_cosine_by_about_a_thousandth() -> None:
    random = Random(1)
    query, *others = [vectors.unit([random.gauss(0, 1) for _ in range(384)]) for _ in range(40)]
    packed = [(number, vectors.pack(vector)) for number, vector in enumerate(others)]
    assert {len(data) for _, data in packed} == {388}
    exact = {number: sum(a * b for a, b in zip(query, vector, strict=True)) for number, vector in enumerate(others)}
    assert vectors.most_similar(query, packed) == pytest.approx(exact, abs=3e-3)
    assert [vectors.packed(*vectors.parts(vector)) for vector in others] == [data for _, data in packed]


def no_numpy() -> None:
    return None


def test_the_signs_that_are_most_alike_are_the_same_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(1)
    query, *others = [[random.gauss(0, 1) for _ in range(70)] for _ in range(161)]
    centre = [random.gauss(0, 0.1) for _ in range(70)]
    packs = [(16 * n, b"".join(vectors.signs(one, centre) for one in others[16 * n : 16 * n + 16])) for n in range(10)]
    packs[3] = (48, bytes(len(packs[3][1])))  # a row without vectors
    asked = vectors.signs(query, centre)

    def shared(numbers: Sequence[int]) -> list[int]:
        return sorted(
            sum((a > c) == (b > c) for a, b, c in zip(query, others[n], centre, strict=True)) for n in numbers
        )

    everything = [n for n in range(160) if not 48 <= n < 64]
    fast = [vectors.most_alike(asked, packs, limit) for limit in (5, 1_000)]
    assert vectors.most_alike(asked, [], 5) == []
    mean = vectors.centre_of(others)
    monkeypatch.setattr(vectors, "_numpy", no_numpy)
    slow = [vectors.most_alike(asked, packs, limit) for limit in (5, 1_000)]
    for few, many in (fast, slow):
        assert shared(few) == shared(everything)[-5:]
        assert sorted(many) == everything
    assert vectors.centre_of(others) == pytest.approx(mean)


def cone(random: Random, dimensions: int = 64) -> list[float]:
    """Return a vector of a narrow cone, as the vectors of many models are: most signs of all of them are equal."""
    return vectors.unit([0.5 + random.gauss(0, 0.15) for _ in range(dimensions)])


async def fill(index: SQLiteRecallIndex, model_id: str, near: Mapping[int, Sequence[float]]) -> None:
    """Store vectors, a few at once."""
    keys = list(near)
    for start in range(0, len(keys), 40):
        await index.add_vectors("user:ana", model_id, {key: near[key] for key in keys[start : start + 40]})


async def nearest(index: SQLiteRecallIndex, model_id: str, vector: Sequence[float], limit: int) -> set[int]:
    """Return the keys of the candidates that are nearest by the index."""
    asked = CandidateQuery(scope="user:ana", terms=(), model_id=model_id, vector=vector, limit=limit, neighbours=())
    return set((await index.candidates(asked)).found)


async def test_the_nearest_of_many_vectors_in_a_narrow_cone_are_found(
    index_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning, "MAX_COMPARED", 200)
    random = Random(3)
    async with SQLiteRecallIndex(index_path) as index:
        await remember(index, "one", [f"number {n}" for n in range(1_200)])
        keys = [one.key for one in await index.unembedded("user:ana", "m", 2_000)]
        near = {key: cone(random) for key in keys}
        await fill(index, "m", near)
        for key in keys[::30]:
            query = vectors.unit([value + random.gauss(0, 0.01) for value in near[key]])
            assert await nearest(index, "m", query, 1) == {key}


async def test_signs_follow_another_model_and_go_with_their_documents(
    index_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meaning, "MAX_COMPARED", 100)
    random = Random(4)

    def count(table: str) -> int:
        with contextlib.closing(sqlite3.connect(index_path)) as plain:
            return plain.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    async with SQLiteRecallIndex(index_path) as index:
        await remember(index, "one", [f"number {n}" for n in range(300)])
        keys = [one.key for one in await index.unembedded("user:ana", "m", 2_000)]
        old, new = {key: cone(random) for key in keys}, {key: cone(random, 96) for key in keys}
        await fill(index, "old", dict(list(old.items())[:100]))
        assert count("signs") == 0  # few are all compared
        await fill(index, "old", dict(list(old.items())[100:]))
        assert count("signs") == 3
        refused: list[float] = []
        await fill(index, "new", new | {keys[0]: refused})
        assert count("signs") == 3
        assert count("models") == 1
        for key in keys[1::50]:
            assert await nearest(index, "new", new[key], 1) == {key}
        assert await nearest(index, "old", old[keys[1]], 1) == set()
        await index.apply(ThreadUpdate(thread_id="one", expected=position(300), position=None))
    assert [count(table) for table in ("signs", "models", "vectors")] == [0, 0, 0]


@pytest.mark.parametrize("compared", [1_000, 100], ids=["all compared", "the signs first"])
async def test_many_vectors_are_found_by_their_signs(
    index_path: Path, monkeypatch: pytest.MonkeyPatch, compared: int
) -> None:
    monkeypatch.setattr(meaning, "MAX_COMPARED", compared)
    random = Random(2)
    async with SQLiteRecallIndex(index_path) as index:
        for name in ("one", "two"):
            await remember(index, name, [f"number {n}" for n in range(150)])
        keys = [one.key for one in await index.unembedded("user:ana", "m", 1_000)]
        near = {key: vectors.unit([random.gauss(0, 1) for _ in range(384)]) for key in keys}
        await index.add_vectors("user:ana", "old", {keys[0]: [1.0, 0.0]})
        for key in keys:
            await index.add_vectors("user:ana", "m", {key: near[key]})
        assert await index.unembedded("user:ana", "m", 10) == []
        assert len(await index.unembedded("user:ana", "old", 10)) == 10
        for key in keys[::30]:
            query = vectors.unit([value + random.gauss(0, 0.02) for value in near[key]])
            asked = CandidateQuery(scope="user:ana", terms=(), model_id="m", vector=query, limit=5)
            found = await index.candidates(asked)
            best = max(found.found.values(), key=lambda candidate: candidate.similarity or 0.0)
            assert best.key == key
            for candidate in found.found.values():
                exact = sum(a * b for a, b in zip(query, near[candidate.key], strict=True))
                assert candidate.similarity == pytest.approx(exact, abs=3e-3)
        for name in ("one", "two"):
            await index.apply(ThreadUpdate(thread_id=name, expected=position(150), position=None))
        assert (await index.stats()).vectors == 0
    with contextlib.closing(sqlite3.connect(index_path)) as plain:
        for table in ("signs", "models", "vectors", "blocks"):
            assert plain.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
