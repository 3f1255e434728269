"""Embedders: they turn texts into vectors, for memories that are searched by meaning.

Any class with these two members is an embedder. The vectors of two models cannot be compared, so a stored vector needs
the model's id with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from recuerda.errors import EmbedderError


class Embedder(Protocol):
    """Turn texts into vectors."""

    @property
    def model_id(self) -> str:
        """The model's name. Models that give different vectors have different names."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector for each text, in order, all of one length.

        Raises:
            EmbedderError: the model failed or cannot be reached.
        """
        ...


@runtime_checkable
class QuestionEmbedder(Embedder, Protocol):
    """An embedder whose model reads a question in another way than a text that may answer it.

    `embed` is for the texts that are searched, and `embed_questions` is for the questions.
    """

    async def embed_questions(self, questions: Sequence[str]) -> list[list[float]]:
        """Return one vector for each question, in order, to be compared with the vectors that `embed` returns.

        Raises:
            EmbedderError: as in `Embedder.embed`.
        """
        ...


async def embed(embedder: Embedder, texts: Sequence[str], *, dimensions: int | None = None) -> list[list[float]]:
    """Return one vector for each text from an embedder, after a check of its answer.

    Args:
        embedder: the embedder.
        texts: the texts to embed.
        dimensions: the required dimensions of each vector; None for any, but the same for all.

    Raises:
        EmbedderError: as in `Embedder.embed`; or the number of vectors is wrong, or a vector has other dimensions or a
            value that is not a finite number.
    """
    return _checked(embedder, texts, await embedder.embed(texts) if texts else [], dimensions)


async def embed_question(embedder: Embedder, question: str, *, dimensions: int | None = None) -> list[float]:
    """Return the vector of a question from an embedder, after a check of its answer.

    Args:
        embedder: the embedder. If it is no `QuestionEmbedder`, it reads the question as any other text.
        question: the question.
        dimensions: the required dimensions of the vector; None for any.

    Raises:
        EmbedderError: as in `embed`.
    """
    is_told = isinstance(embedder, QuestionEmbedder)
    vectors = await (embedder.embed_questions([question]) if is_told else embedder.embed([question]))
    return _checked(embedder, [question], vectors, dimensions)[0]


def _checked(
    embedder: Embedder, texts: Sequence[str], vectors: list[list[float]], dimensions: int | None
) -> list[list[float]]:
    if len(vectors) != len(texts):
        raise EmbedderError(
            f"{embedder.model_id} returned {len(vectors)} vectors for {len(texts)} texts; check the embedder"
        )
    for vector in vectors:
        wanted = dimensions or len(vectors[0])
        if not vector or len(vector) != wanted:
            raise EmbedderError(
                f"{embedder.model_id} returned a vector of {len(vector)} dimensions, but {wanted} are needed; if the "
                "model has changed, rebuild the index"
            )
        if not all(map(math.isfinite, vector)):
            raise EmbedderError(
                f"{embedder.model_id} returned a vector with a value that is not a finite number; check the embedder"
            )
    return vectors
