"""The order of memories after a reranker has compared them with the question.

A reranker sees one message at a time. The search also knows who spoke, when, and what was said before and after. So the
scores of both count: the search's score relative to the best one, and the reranker's score by its place between the
lowest and the highest one. Therefore any scale will do.

A reranker never costs a memory: if it fails or takes too long, the search's own order stands.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from recuerda._events import fields
from recuerda.errors import RerankerError
from recuerda.providers.reranking import Reranker, rerank
from recuerda.recall.memory import Memory
from recuerda.recall.patience import Patience

RERANKED = 50
"""The number of memories that a reranker compares with a question."""

RERANK_S = 2.0
"""The largest number of seconds that a search waits for the reranker."""

_READ_CHARACTERS = 2_000
"""The number of a message's first characters that the reranker reads. Most cross-encoders read 512 tokens."""

WEIGHT = 0.75
"""The weight of the reranker's best score, relative to the search's best score.

With this weight, a weak reranker does no harm, and a strong one has nearly its full effect; see docs/decisions/20.
"""

_logger = logging.getLogger("recuerda.recall")


def reranking_s(timeout: timedelta | None) -> float:
    """Return the seconds that a search waits for the reranker. It has a quarter of a run's time at most."""
    return RERANK_S if timeout is None else min(RERANK_S, timeout.total_seconds() / 4)


class Reranking:
    """Reorders memories with a reranker, within a time limit.

    Args:
        reranker: compares the memories with the question.
        limit_s: the seconds that one search waits for the reranker.
    """

    def __init__(self, reranker: Reranker, limit_s: float = RERANK_S) -> None:
        self._reranker = reranker
        self._patience = Patience(limit_s)
        self._is_failing = False

    async def order(
        self, question: str, memories: Sequence[Memory], note: Callable[[Sequence[float]], None] | None = None
    ) -> list[Memory]:
        """Return the memories in their new order; in the old one if the reranker fails or takes too long.

        `note` gets the scores of the reranker, if it gives any.

        A failure is logged once, and again after the reranker has worked in between. After a reranker took too long,
        searches do without it for a while; see `Patience`.
        """
        if self._patience.is_paused or len(memories) < 2:
            return list(memories)
        try:
            async with asyncio.timeout(self._patience.limit_s):
                scores = await rerank(self._reranker, question, [_read(memory) for memory in memories])
            ordered = mixed(memories, scores)
            if note is not None:
                note(scores)
        except Exception as error:  # noqa: BLE001 - a reranker may raise anything, and a search does not need it
            if not self._is_failing:
                _logger.warning(
                    "memories keep the order of the search, because %s",
                    self._reason(error),
                    extra=fields("not_reranked", error=type(error).__name__),
                )
            self._is_failing = True
            if isinstance(error, TimeoutError):
                self._patience.pause()
            return list(memories)
        self._is_failing = False
        return ordered

    def _reason(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"the reranker gave no scores within {self._patience.limit_s:g} s"
        # Only our own error is known to hold no secret.
        return f"the reranker failed: {error if isinstance(error, RerankerError) else type(error).__name__}"


def mixed(memories: Sequence[Memory], scores: Sequence[float], weight: float = WEIGHT) -> list[Memory]:
    """Return memories in the order of their own scores and a reranker's scores together.

    Memories with equal scores from the reranker keep their order among themselves.
    """
    best = max((memory.score for memory in memories), default=0.0) or 1.0
    halves = [score / 2 for score in scores]  # so that no difference is too large for a float
    lowest = min(halves, default=0.0)
    span = max(halves, default=0.0) - lowest or 1.0
    worth = [
        memory.score / best + weight * (half - lowest) / span for memory, half in zip(memories, halves, strict=True)
    ]
    return [memories[place] for place in sorted(range(len(worth)), key=lambda place: (-worth[place], place))]


def _read(memory: Memory) -> str:
    """Return a memory as the reranker reads it: with the speaker's name, and without the end of a long text."""
    said = memory.text[:_READ_CHARACTERS]
    return f"{memory.speaker}: {said}" if memory.speaker else said
