"""The model on this machine: its vectors mean something, whatever else is asked at the same time."""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recuerda import ConfigurationError, EmbedderError
from recuerda.errors import InvalidInput
from recuerda.fastembed import FastEmbedEmbedder
from recuerda.fastembed.models import prefixes_of
from recuerda.providers.embedding import embed, embed_question
from tests.small_model import DIMENSIONS, MODEL, write_small_model


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def embedder(folder: Path) -> FastEmbedEmbedder:
    return FastEmbedEmbedder(MODEL, folder=folder)


async def test_paraphrases_are_nearer_than_texts_about_something_else(embedder: FastEmbedEmbedder) -> None:
    pairs = [
        ("A man is eating food.", "Somebody has a meal."),
        ("She bought a house in Lisbon last year.", "Last year she purchased a home in Portugal's capital."),
        ("The train was late again.", "Once more the railway had a delay."),
        ("My dog is called Rex.", "The name of my puppy is Rex."),
    ]
    firsts = await embed(embedder, [first for first, _ in pairs], dimensions=DIMENSIONS)
    seconds = await embed(embedder, [second for _, second in pairs], dimensions=DIMENSIONS)
    for number, first in enumerate(firsts):
        near = [cosine(first, second) for second in seconds]
        assert near.index(max(near)) == number
        assert max(near) > 0.4
        assert sorted(near)[-2] < 0.35


async def test_any_text_has_a_vector(embedder: FastEmbedEmbedder) -> None:
    for vector in await embed(embedder, ["", " ", "a", "x" * 5000, "\x00", "日本語", "one " * 1000]):
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)
        assert len(vector) == DIMENSIONS


async def test_each_text_of_a_long_list_gets_its_own_vector(embedder: FastEmbedEmbedder) -> None:
    texts = [f"{'word ' * (number * 7 % 40)}number {number}" for number in range(50)]
    together = await embed(embedder, texts)
    for number in (0, 1, 13, 49):
        (alone,) = await embed(embedder, [texts[number]])
        # The weights are rounded to eight bits, so that a text's neighbours move its vector a little.
        assert cosine(alone, together[number]) > 0.98


async def test_words_behind_the_models_limit_have_no_effect(embedder: FastEmbedEmbedder) -> None:
    long, longer, shorter = await embed(embedder, ["tea " * 254, "tea " * 254 + "and coffee " * 5000, "tea and coffee"])
    assert cosine(long, longer) == pytest.approx(1, abs=1e-3)
    assert cosine(long, shorter) < 0.99


async def test_a_lone_surrogate_is_embedded_as_a_replacement(embedder: FastEmbedEmbedder) -> None:
    broken, replaced = await embed(embedder, ["a \ud800 b", "a ? b"])
    assert cosine(broken, replaced) == pytest.approx(1, abs=1e-5)


async def test_no_texts_give_no_vectors(embedder: FastEmbedEmbedder) -> None:
    assert await embedder.embed([]) == []


async def test_several_callers_at_once_get_their_own(folder: Path) -> None:
    fresh = FastEmbedEmbedder(MODEL, folder=folder)
    texts = [["red"], ["green", "blue"], ["a long and winding road"]]
    found = await asyncio.gather(*(embed(fresh, some) for some in texts * 3))
    for some, vectors in zip(texts * 3, found, strict=True):
        expected = await embed(fresh, some)
        for vector, other in zip(vectors, expected, strict=True):
            assert cosine(vector, other) == pytest.approx(1, abs=1e-4)


async def test_the_event_loop_goes_on_meanwhile(embedder: FastEmbedEmbedder) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await embed(embedder, ["many words " * 100] * 4)
    counting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await counting
    assert turns > 10


def test_one_embedder_serves_several_event_loops(embedder: FastEmbedEmbedder) -> None:
    (first,), (second,) = (asyncio.run(embed(embedder, ["hello"])) for _ in range(2))
    assert cosine(first, second) == pytest.approx(1, abs=1e-5)


async def test_a_loaded_model_is_not_loaded_again(folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(folder, own)
    embedder = FastEmbedEmbedder(MODEL, folder=own)
    await embedder.load()
    shutil.rmtree(own)
    await embedder.load()
    assert len(await embedder.embed(["hello"])) == 1


def test_its_name_is_the_models(folder: Path) -> None:
    embedder = FastEmbedEmbedder(MODEL.upper(), folder=folder)
    assert embedder.model_id == MODEL
    assert repr(embedder) == f"FastEmbedEmbedder({MODEL!r})"


# Questions, and the default model


def e5(folder: Path, tmp_path: Path, *, prefix: str | None = None) -> FastEmbedEmbedder:
    """Return an embedder for the default model. Another model's files stand in for its files."""
    own = tmp_path / "e5"
    if not own.exists():
        shutil.copytree(folder, own)
        (own / "onnx").mkdir()
        (own / "model.onnx").rename(own / "onnx" / "model_quantized.onnx")
    return FastEmbedEmbedder(folder=own, question_prefix=prefix, text_prefix=prefix)


async def test_the_default_model_gets_its_words_before_questions_and_texts(
    folder: Path, tmp_path: Path, embedder: FastEmbedEmbedder
) -> None:
    default = e5(folder, tmp_path)
    assert default.model_id == "intfloat/multilingual-e5-small"
    for text, vector in (
        ("query: hello", await embed_question(default, "hello")),
        ("passage: hello", (await embed(default, ["hello"]))[0]),
    ):
        (expected,) = await embed(embedder, [text])
        assert cosine(vector, expected) == pytest.approx(1, abs=1e-5)
    bare = e5(folder, tmp_path, prefix="")
    assert bare.model_id == "intfloat/multilingual-e5-small after ''"


async def test_a_model_without_prefixes_reads_a_question_as_a_text(embedder: FastEmbedEmbedder) -> None:
    (text,) = await embed(embedder, ["hello"])
    assert cosine(await embed_question(embedder, "hello"), text) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("model_id", "prefixes"),
    [
        ("intfloat/multilingual-e5-large", ("query: ", "passage: ")),
        ("nomic-ai/nomic-embed-text-v1.5-Q", ("search_query: ", "search_document: ")),
        ("BAAI/bge-small-en-v1.5", ("Represent this sentence for searching relevant passages: ", "")),
        ("BAAI/bge-small-zh-v1.5", ("", "")),
        ("minishlab/potion-multilingual-128M", ("", "")),
    ],
)
def test_the_prefixes_of_known_models(model_id: str, prefixes: tuple[str, str]) -> None:
    assert prefixes_of(model_id) == prefixes


async def test_a_default_model_that_cannot_be_downloaded_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EmbedderError, match=r"multilingual-e5-small cannot be loaded from its hub.*give folder="):
        await FastEmbedEmbedder(cache_folder=tmp_path).load()


# What goes wrong


def test_a_model_that_the_library_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="list_supported_models"):
        FastEmbedEmbedder("nobody/nothing")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no folder"):
        FastEmbedEmbedder(MODEL, folder=tmp_path / "nothing")


def test_less_than_one_thread_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="threads"):
        FastEmbedEmbedder(MODEL, folder=folder, threads=0)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
async def test_a_damaged_file_is_told_with_its_folder_and_may_be_mended(
    folder: Path, tmp_path: Path, name: str
) -> None:
    own = tmp_path / "my-model"
    shutil.copytree(folder, own)
    (own / name).write_bytes(b"{}")
    embedder = FastEmbedEmbedder(MODEL, folder=own)
    with pytest.raises(EmbedderError, match="my-model"):
        await embedder.embed(["hello"])
    shutil.copy(folder / name, own)
    assert len(await embedder.embed(["hello"])) == 1


async def test_a_model_that_fails_is_an_embedders_error(
    embedder: FastEmbedEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise MemoryError

    monkeypatch.setattr("recuerda.fastembed.embedder.TextEmbedding.passage_embed", fail)
    with pytest.raises(EmbedderError, match=r"failed \(MemoryError\)"):
        await embedder.embed(["hello"])


def test_a_missing_extra_says_what_to_install() -> None:
    code = "import sys; sys.modules['fastembed'] = None; import recuerda.fastembed"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "recuerda[fastembed]"' in done.stderr


def test_onnxruntime_sends_no_telemetry_unless_asked_to(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    code = "import os, recuerda.fastembed; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    assert printed(code, {**kept, "HOME": str(tmp_path)}) == "1"
    assert list(tmp_path.iterdir()) == []
    assert printed(code, {**kept, "HOME": str(tmp_path), "ORT_DISABLE_TELEMETRY": "0"}) == "0"


def test_telemetry_that_has_begun_is_told() -> None:
    kept = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    code = "import sys; sys.modules['onnxruntime'] = sys; import recuerda.fastembed"
    assert "import recuerda.fastembed first" in printed(code, kept)


def printed(code: str, environment: dict[str, str]) -> str:
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    return (run.stdout + run.stderr).strip()
