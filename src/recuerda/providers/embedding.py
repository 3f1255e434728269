"""Embedders: they turn texts into vectors, for memories that are searched by meaning.

Any class with these two members is an embedder. The vectors of two models cannot be compared, so a stored vector needs
the model's id with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Protocol, cast, runtime_checkable

from recuerda.errors import EmbedderError
from recuerda.providers.foreign import awaited


class Embedder(Protocol):
    """Turn texts into vectors."""

    @property
    def model_id(self) -> str:
        """The model's name. Models that give different vectors have different names."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector for each text, in order, all of one length.

        Raises:
            EmbedderError: the model failed or cannot be reached. Give it the `status` of a service: a text that gets
                400, 413 or 422 is taken for refused, and with another status it is sent again later. With
                `retry_after_s`, work in the background waits that long.
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
        embedder: the embedder. It may return any iterables of numbers, such as an array of numpy.
        texts: the texts to embed.
        dimensions: the required dimensions of each vector; None for any, but the same for all.

    Raises:
        EmbedderError: as in `Embedder.embed`; or the number of vectors is wrong, or a vector has other dimensions or a
            value that is not a finite number; or the embedder cancelled its own work, or raised what is no `Exception`.
    """
    if not texts:
        return []
    name = embedder.model_id
    return _checked(name, texts, await awaited(embedder.embed(texts), name=name, error=EmbedderError), dimensions)


async def embed_question(embedder: Embedder, question: str, *, dimensions: int | None = None) -> list[float]:
    """Return the vector of a question from an embedder, after a check of its answer.

    Args:
        embedder: the embedder. If it is no `QuestionEmbedder`, it reads the question as any other text.
        question: the question.
        dimensions: the required dimensions of the vector; None for any.

    Raises:
        EmbedderError: as in `embed`.
    """
    asked = embedder.embed_questions if isinstance(embedder, QuestionEmbedder) else embedder.embed
    name = embedder.model_id
    vectors = await awaited(asked([question]), name=name, error=EmbedderError)
    return _checked(name, [question], vectors, dimensions)[0]


def _checked(name: str, texts: Sequence[str], answer: object, dimensions: int | None) -> list[list[float]]:
    vectors = _lists(name, answer)
    if len(vectors) != len(texts):
        raise EmbedderError(f"{name} returned {len(vectors)} vectors for {len(texts)} texts; check the embedder")
    for vector in vectors:
        wanted = dimensions or len(vectors[0])
        if not vector or len(vector) != wanted:
            raise EmbedderError(
                f"{name} returned a vector of {len(vector)} dimensions, but {wanted} are needed; if the model has "
                "changed, rebuild the index"
            )
        if not all(map(math.isfinite, vector)):
            raise EmbedderError(
                f"{name} returned a vector with a value that is not a finite number; check the embedder"
            )
    return vectors


def _lists(name: str, answer: object) -> list[list[float]]:
    """Return an embedder's answer as lists of floats, whatever iterables and kinds of numbers it has."""
    vectors: Iterable[Iterable[float]] = answer  # pyright: ignore[reportAssignmentType] - a wrong one is refused here
    try:
        return [list(map(float, vector)) for vector in vectors]
    except (TypeError, ValueError, OverflowError) as error:
        raise EmbedderError(
            f"{name} must return a list of floats for each text, but returned {_shape(answer)}; check the embedder"
        ) from error


def _shape(answer: object) -> str:
    """Return the types of an answer, without its contents."""
    kind = type(answer).__name__
    parts = cast("Sequence[object]", answer) if isinstance(answer, list | tuple) else ()
    return f"{kind} of {type(parts[0]).__name__}" if parts else kind
