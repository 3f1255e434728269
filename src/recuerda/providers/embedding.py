"""Embedders: they turn texts into vectors, for memories that are searched by meaning.

Any class with these two members is an embedder. The vectors of two models cannot be compared, so a stored vector needs
the model's id with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

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
    vectors = await embedder.embed(texts) if texts else []
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
