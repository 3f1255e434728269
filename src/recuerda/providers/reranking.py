"""Rerankers: they compare each text with a question, for searches that have found their candidates already.

An embedder sees a text alone. A reranker sees the question and the text together, so it judges better and costs more.
Any class with these two members is a reranker.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from recuerda.errors import RerankerError
from recuerda.providers.foreign import awaited


class Reranker(Protocol):
    """Say how well each of some texts answers a question."""

    @property
    def model_id(self) -> str:
        """The model's name, for messages about it."""
        ...

    async def rerank(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return one score for each text, in the order of the texts. A higher score is a better answer.

        Only the order of the scores counts, so any scale will do.

        Raises:
            RerankerError: the model failed or cannot be reached.
        """
        ...


async def rerank(reranker: Reranker, question: str, texts: Sequence[str]) -> list[float]:
    """Return one score for each text from a reranker, after a check of its answer.

    Args:
        reranker: the reranker. It may return any iterable of numbers, such as an array of numpy.
        question: the question.
        texts: the texts to compare with it.

    Raises:
        RerankerError: as in `Reranker.rerank`; or the number of scores is wrong, or a score is not a finite number; or
            the reranker cancelled its own work, or raised what is no `Exception`.
    """
    if not texts:
        return []
    name = reranker.model_id
    scores = _floats(name, await awaited(reranker.rerank(question, texts), name=name, error=RerankerError))
    if len(scores) != len(texts):
        raise RerankerError(f"{name} returned {len(scores)} scores for {len(texts)} texts; check the reranker")
    if not all(map(math.isfinite, scores)):
        raise RerankerError(f"{name} returned a score that is not a finite number; check the reranker")
    return scores


def _floats(name: str, answer: Iterable[float]) -> list[float]:
    try:
        return list(map(float, answer))
    except (TypeError, ValueError, OverflowError) as error:
        raise RerankerError(
            f"{name} must return a float for each text, but returned {type(answer).__name__}; check the reranker"
        ) from error
