"""A reranker orders memories better, and never costs one: whatever it returns, raises or waits for."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from recuerda import RerankerError
from recuerda.providers.reranking import rerank
from recuerda.recall import RecallProvider
from recuerda.recall.reranking import RERANKED
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import pair, person, say

TREES = ["The oak fell.", "The birch fell.", "The elm fell.", "The fir fell."]


class Judge:
    """A reranker that prefers texts with a word, and notes what it was asked."""

    model_id = "judge"

    def __init__(self, word: str = "") -> None:
        self.word = word
        self.asked: list[tuple[str, list[str]]] = []
        self.failure: BaseException | None = None
        self.scores: Any = None
        self.hangs = False
        self.is_asked = asyncio.Event()

    async def rerank(self, question: str, texts: Sequence[str]) -> list[float]:
        self.asked.append((question, list(texts)))
        self.is_asked.set()
        if self.hangs:
            await asyncio.Event().wait()
        if self.failure is not None:
            raise self.failure
        return [float(self.word in text) for text in texts] if self.scores is None else self.scores


async def found(storage: SQLiteStorage, judge: Judge | None, query: str = "What fell?", limit: int = 10) -> list[str]:
    """Return the texts that a search finds."""
    timeout = timedelta(seconds=0.2) if judge is not None and judge.hangs else timedelta(seconds=10)
    recall = RecallProvider(storage=storage, user_id="ana", reranker=judge, timeout=timeout)
    memories = await recall.search(query, limit=limit, roles=["user"])
    await recall.close()
    return [memory.text for memory in memories]


async def tell_of_trees(storage: SQLiteStorage) -> None:
    for tree in TREES:
        await say(storage, tree, *pair(tree))


async def test_a_better_score_raises_a_memory(storage: SQLiteStorage) -> None:
    await tell_of_trees(storage)
    plain = await found(storage, None)
    for tree in ("oak", "birch", "elm", "fir"):
        judge = Judge(tree)
        texts = await found(storage, judge)
        assert texts[0] == f"The {tree} fell."
        assert sorted(texts) == sorted(plain)
        assert [question for question, _ in judge.asked] == ["What fell?"]


async def test_equal_scores_keep_the_order(storage: SQLiteStorage) -> None:
    await tell_of_trees(storage)
    plain = await found(storage, None)
    assert await found(storage, Judge()) == plain
    assert [text for text in await found(storage, Judge("oak")) if "oak" not in text] == [
        text for text in plain if "oak" not in text
    ]


async def test_a_memory_behind_the_limit_can_rise_into_it(storage: SQLiteStorage) -> None:
    await tell_of_trees(storage)
    last = (await found(storage, None))[-1]
    assert await found(storage, Judge(last), limit=1) == [last]


async def test_the_reranker_gets_the_first_memories_with_their_speakers(storage: SQLiteStorage) -> None:
    for number in range(RERANKED + 20):
        await say(storage, "long", person("Ben", f"Tree {number} fell."))
    await say(storage, "longer", person("Ana", "It fell " + "x" * 9_000))
    judge = Judge()
    assert len(await found(storage, judge, limit=3)) == 3
    ((_, texts),) = judge.asked
    assert len(texts) == RERANKED
    assert {text.split(":")[0] for text in texts} <= {"Ben", "Ana"}
    assert max(map(len, texts)) < 2_100
    assert len(await found(storage, Judge(), limit=60)) == 60


async def test_a_much_better_memory_keeps_its_place(storage: SQLiteStorage) -> None:
    await say(storage, "one", *pair("The ancient oak toppled onto the Marlborough cottage."))
    await say(storage, "two", *pair("Rain fell on a cottage."))
    question = "Which ancient oak toppled onto a Marlborough cottage?"
    assert (await found(storage, Judge("Rain"), question))[0].startswith("The ancient oak")


async def test_nothing_is_asked_if_nothing_is_found(storage: SQLiteStorage) -> None:
    await tell_of_trees(storage)
    judge = Judge()
    assert await found(storage, judge, "xylophone") == []
    assert judge.asked == []


@pytest.mark.parametrize(
    ("failure", "scores", "reason"),
    [
        (RerankerError("the model is down"), None, "the reranker failed: the model is down"),
        (RuntimeError("key sk-1234"), None, "the reranker failed: RuntimeError"),
        (None, [1.0], "judge returned 1 scores for 4 texts"),
        (None, [1.0, math.nan, 0.0, 2.0], "judge returned a score that is not a finite number"),
        (asyncio.CancelledError(), None, "the reranker failed: judge cancelled its own work; try again"),
        (None, ["high"] * 4, "judge must return a float for each text, but returned list"),
        (None, None, "the reranker gave no scores within 0.05 s"),
    ],
)
async def test_a_failing_reranker_leaves_the_order_and_is_logged_once(
    storage: SQLiteStorage,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    *,
    failure: BaseException | None,
    scores: Any,
    reason: str,
) -> None:
    await tell_of_trees(storage)
    judge = Judge()
    judge.failure, judge.scores, judge.hangs = failure, scores, failure is None and scores is None
    timeout = timedelta(seconds=0.2) if judge.hangs else timedelta(seconds=10)
    recall = RecallProvider(storage=storage, user_id="ana", reranker=judge, timeout=timeout)
    for _ in range(2):
        memories = await recall.search("What fell?", roles=["user"])
        assert [memory.text for memory in memories] == await found(storage, None)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"memories keep the order of the search, because {reason}"
        if not reason.startswith("judge")
        else f"memories keep the order of the search, because the reranker failed: {reason}; check the reranker"
    ]
    assert len(judge.asked) == (1 if judge.hangs else 2)  # a reranker that hangs gets a pause
    later = time.monotonic() + 1
    monkeypatch.setattr("recuerda.recall.patience.time.monotonic", lambda: later)
    judge.failure, judge.scores, judge.hangs, judge.word = None, None, False, "elm"
    assert (await recall.search("What fell?", roles=["user"]))[0].text == "The elm fell."
    judge.failure = RerankerError("again")
    await recall.search("What fell?")
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 2
    await recall.close()


@pytest.mark.parametrize("form", [np.array, tuple, iter], ids=["array", "tuple", "iterator"])
async def test_scores_may_come_in_any_form(storage: SQLiteStorage, form: Callable[[list[float]], Any]) -> None:
    await tell_of_trees(storage)
    judge = Judge()
    judge.scores = form([0.0, 0.0, 0.0, 9.0])
    plain = await found(storage, None)
    assert await found(storage, judge) == [plain[3], *plain[:3]]


async def test_the_largest_differences_of_scores_keep_the_order(storage: SQLiteStorage) -> None:
    await tell_of_trees(storage)
    plain = await found(storage, None)
    judge = Judge()
    judge.scores = [-1.7e308, -0.5e308, 0.5e308, 1.7e308]
    assert await found(storage, judge) == plain[::-1]


async def test_a_single_memory_needs_no_reranker(storage: SQLiteStorage) -> None:
    await say(storage, "one", person("Ana", "The oak fell."))
    judge = Judge()
    assert await found(storage, judge) == ["The oak fell."]
    assert judge.asked == []


async def test_a_cancelled_search_cancels_the_reranker(storage: SQLiteStorage) -> None:
    await tell_of_trees(storage)
    judge = Judge()
    judge.hangs = True
    recall = RecallProvider(storage=storage, user_id="ana", reranker=judge, timeout=None)
    searching = asyncio.create_task(recall.search("What fell?"))
    await judge.is_asked.wait()
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    await recall.close()


async def test_no_texts_need_no_reranker() -> None:
    judge = Judge()
    assert await rerank(judge, "What?", []) == []
    assert judge.asked == []
