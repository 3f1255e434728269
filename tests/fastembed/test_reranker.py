"""The cross-encoder on this machine: each text gets its own score, and faults are told."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from recuerda import ConfigurationError, Reranker, RerankerError
from recuerda.errors import InvalidInput
from recuerda.fastembed import FastEmbedReranker
from recuerda.providers.reranking import rerank
from tests.fastembed.stand_in import write_cross_encoder

MODEL = "Xenova/ms-marco-MiniLM-L-6-v2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cross_encoder(tmp_path_factory.mktemp("rerankers") / "small")


@pytest.fixture(scope="module")
def reranker(folder: Path) -> FastEmbedReranker:
    return FastEmbedReranker(MODEL.upper(), folder=folder)


async def test_each_text_gets_its_own_score_in_order(reranker: Reranker) -> None:
    words = ["the", "zebra", "of", "quartz"]
    texts = [f"{word} " * (number % 7 + 1) for number, word in enumerate(words * 10)]
    scores = await rerank(reranker, "?", texts)
    alone = {word: (await rerank(reranker, "?", [word]))[0] for word in words}
    assert scores == [alone[word] for word in words * 10]
    assert len(set(alone.values())) == len(words)
    assert all(type(score) is float for score in scores)


async def test_the_question_reaches_the_model(reranker: Reranker) -> None:
    plain, rare = [await rerank(reranker, question, ["of", "the"]) for question in ("?", "quartz")]
    assert rare[0] == rare[1] > max(plain)


async def test_any_text_has_a_score(reranker: Reranker) -> None:
    texts = ["", "\x00", "a \ud800 b", "日本語", "one " * 100_000]
    assert len(await rerank(reranker, "\ud800", texts)) == len(texts)
    assert await rerank(reranker, "?", []) == []


def test_one_reranker_serves_several_event_loops(reranker: FastEmbedReranker) -> None:
    first, second = (asyncio.run(rerank(reranker, "?", ["zebra"])) for _ in range(2))
    assert first == second


def test_its_name_is_the_models(reranker: FastEmbedReranker) -> None:
    assert reranker.model_id == MODEL
    assert repr(reranker) == f"FastEmbedReranker({MODEL!r})"


def test_wrong_arguments_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"TextCrossEncoder\.list_supported_models"):
        FastEmbedReranker("nobody/nothing")
    with pytest.raises(ConfigurationError, match="there is no folder"):
        FastEmbedReranker(MODEL, folder=tmp_path / "nothing")
    with pytest.raises(InvalidInput, match="threads"):
        FastEmbedReranker(MODEL, folder=folder, threads=0)


async def test_a_damaged_file_is_told_with_its_folder_and_may_be_mended(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "my-model"
    shutil.copytree(folder, own)
    (own / "onnx" / "model.onnx").write_bytes(b"{}")
    damaged = FastEmbedReranker(MODEL, folder=own)
    with pytest.raises(RerankerError, match="my-model"):
        await damaged.rerank("?", ["zebra"])
    shutil.copytree(folder, own, dirs_exist_ok=True)
    await damaged.load()
    assert len(await damaged.rerank("?", ["zebra"])) == 1


async def test_a_model_that_fails_is_a_rerankers_error(
    reranker: FastEmbedReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise MemoryError

    monkeypatch.setattr("recuerda.fastembed.reranker.TextCrossEncoder.rerank", fail)
    with pytest.raises(RerankerError, match=r"failed \(MemoryError\)"):
        await reranker.rerank("?", ["zebra"])
