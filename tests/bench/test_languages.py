"""Recall in other languages, with a real multilingual model beside the words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench.languages import SETS, Language, PackagedEmbedder, answered, asked_in, load, places
from recuerda.recall import SQLiteRecallIndex

LANGUAGES = load(SETS.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def embedder() -> PackagedEmbedder:
    return PackagedEmbedder()


async def found(language: Language, embedder: PackagedEmbedder) -> Sequence[int | None]:
    async with SQLiteRecallIndex(":memory:") as index:
        return await places(language, "ana", index, embedder=embedder)


async def test_with_a_multilingual_model_each_answer_is_among_the_first_three(embedder: PackagedEmbedder) -> None:
    some = {name: await found(LANGUAGES[name], embedder) for name in ("German", "Japanese", "Arabic")}
    assert set(answered(some).values()) == {9}


async def test_a_question_in_another_language_finds_the_answer(embedder: PackagedEmbedder) -> None:
    some = {
        name: await found(asked_in(LANGUAGES[name], LANGUAGES["English"]), embedder) for name in ("Spanish", "Russian")
    }
    assert min(answered(some).values()) >= 8
