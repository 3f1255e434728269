"""What turns texts into vectors, for memories that are searched by meaning.

Any class with these two members is an embedder. The vectors of two models cannot be compared, so whoever stores vectors
stores the model's id beside them.
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
        """The model's name; it changes whenever the vectors do."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one vector for each text, in order, all of one length.

        Raises:
            EmbedderError: the model failed or cannot be reached.
        """
        ...


async def embed(embedder: Embedder, texts: Sequence[str], *, dimensions: int | None = None) -> list[list[float]]:
    """Ask an embedder, and check its answer.

    Args:
        embedder: whom to ask.
        texts: what to embed.
        dimensions: how long each vector has to be; None for any length, the same for all.

    Raises:
        EmbedderError: as in `Embedder.embed`; or there are too few vectors, one has another length, or is not finite.
    """
    vectors = await embedder.embed(texts) if texts else []
    if len(vectors) != len(texts):
        raise EmbedderError(f"{embedder.model_id} gave {len(vectors)} vectors for {len(texts)} texts")
    for vector in vectors:
        wanted = dimensions or len(vectors[0])
        if not vector or len(vector) != wanted:
            raise EmbedderError(
                f"{embedder.model_id} gave a vector of {len(vector)} dimensions where {wanted} are needed; "
                "with another model, make the index anew"
            )
        if not all(map(math.isfinite, vector)):
            raise EmbedderError(f"{embedder.model_id} gave a vector with a value that is not a finite number")
    return vectors
