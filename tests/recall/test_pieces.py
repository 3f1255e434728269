"""Long messages: an embedder reads all of them, piece by piece."""

import math

import pytest

from recuerda import ChatMessage
from recuerda.recall import RecallProvider
from recuerda.recall.pieces import mean_vector, pieces_of
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import person, say
from tests.recall.test_meaning import Meanings

TEXTS = {
    "words": "The weather was fine today, and nothing else happened at all. " * 90,
    "lines": "level=info\n" * 300,
    "one word": "x" * 5_001,
    "Chinese": "今天天气很好,没有发生别的事情。" * 200,
    "emoji": "👩‍👩‍👧‍👦" * 400,
    "spaces": "a" + " " * 4_000 + "b",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_pieces_are_short_and_make_up_the_text(kind: str) -> None:
    text = TEXTS[kind]
    pieces = pieces_of(text)
    sizes = [len(piece.encode()) for piece in pieces]
    assert max(sizes) <= 1_000
    assert len(pieces) <= math.ceil(len(text.encode()) / 1_000) + 1
    assert "".join(pieces) == text or kind == "spaces"
    assert all(piece.strip() for piece in pieces)
    if kind in ("words", "lines"):
        assert all(piece[-1].isspace() for piece in pieces[:-1])


def test_a_short_text_is_one_piece() -> None:
    for text in ("", "We got a puppy.", "y" * 1_000):
        assert pieces_of(text) == [text]


def test_the_vector_of_a_text_is_the_mean_of_those_of_its_pieces() -> None:
    assert mean_vector(["a"], [[0.6, 0.8]]) == [0.6, 0.8]
    assert mean_vector(["a", "b"], [[1.0, 0.0], [0.0, 1.0]]) == pytest.approx([math.sqrt(0.5)] * 2)
    assert mean_vector(["aaa", "b"], [[1.0, 0.0], [0.0, 1.0]]) == pytest.approx([3 / math.sqrt(10), 1 / math.sqrt(10)])
    assert mean_vector(["a", "b", "c"], [[], [0.0, 1.0], [1.0]]) == [0.0, 1.0]
    assert mean_vector(["a", "b"], [[], []]) == []


async def test_the_end_of_a_long_message_is_found_by_its_meaning(storage: SQLiteStorage) -> None:
    filler = "The weather was fine today. " * 100
    await say(storage, "one", ChatMessage("user", f"{filler}We also got a puppy."))
    await say(storage, "two", ChatMessage("user", f"{filler}He also built a canoe."))
    for number in range(8):
        await say(storage, f"other {number}", person("Ana", f"It rained on day {number}."))
    recall = RecallProvider(storage=storage, user_id="ana", embedder=Meanings())
    assert (await recall.search("hound?"))[0].text.endswith("puppy.")
    assert (await recall.search("ship?"))[0].text.endswith("canoe.")
    await recall.close()
