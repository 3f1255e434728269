"""The vectors of a search by meaning: messages get theirs ahead of time, and a question when it is asked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from recuerda._events import fields
from recuerda.errors import EmbedderError, StorageError
from recuerda.providers.embedding import Embedder, embed, embed_question
from recuerda.recall.index import RecallIndex, ScopeInfo, Unembedded
from recuerda.recall.text import without_names
from recuerda.recall.vectors import unit

EMBED_S = 5.0
"""The largest number of seconds that a search waits for the embedder."""

_BATCH_S = 60.0
"""The number of seconds after which an embedder that makes vectors in the background is given up."""

_EMBED_AT_ONCE = 32
_EMBEDDED_CHARACTERS = 2_000

_logger = logging.getLogger("recuerda.recall")


class Meaning:
    """The vectors of an index.

    Args:
        index: the index of the memories.
        embedder: turns texts into vectors. If None, there are no vectors, and searches are by words only.
        embed_s: the seconds that a search waits for the embedder. After that, it searches by words only.

    Attributes:
        embedder: as above.
        lacks_vectors: the scopes in which a search did not wait for the vectors of all messages. The owner calls
            `embed_missing` for them later.
    """

    def __init__(self, index: RecallIndex, embedder: Embedder | None, *, embed_s: float = EMBED_S) -> None:
        self.embedder: Embedder | None = embedder
        self.lacks_vectors: set[str] = set()
        self._index = index
        self._embed_s = embed_s

    @property
    def model_id(self) -> str:
        """The embedder's model; "" without an embedder."""
        return self.embedder.model_id if self.embedder is not None else ""

    async def embed_missing(self, scope: str) -> int:
        """Give a vector to each message of a scope that has none from the embedder's model; return their number.

        Raises:
            EmbedderError: the embedder failed. The messages are still found by their words.
        """
        if self.embedder is None:
            return 0
        done = 0
        while waiting := await self._index.unembedded(scope, self.embedder.model_id, _EMBED_AT_ONCE):
            keys = [item.key for item in waiting]
            by_key = await self._index.copied_vectors(scope, self.embedder.model_id, keys)
            by_key |= await self._embedded(self.embedder, [item for item in waiting if item.key not in by_key])
            await self._index.add_vectors(scope, self.embedder.model_id, by_key)
            done += len(waiting)
        return done

    async def _embedded(self, embedder: Embedder, waiting: Sequence[Unembedded]) -> dict[int, Sequence[float]]:
        """Return a vector for each message. Equal texts are embedded once."""
        texts = {item.key: item.text[:_EMBEDDED_CHARACTERS] for item in waiting}
        different = list(dict.fromkeys(texts.values()))
        if not different:
            return {}
        try:
            async with asyncio.timeout(_BATCH_S):
                vectors = await embed(embedder, different)
        except TimeoutError:
            raise EmbedderError(
                f"{embedder.model_id} gave no vectors for {len(different)} texts within {_BATCH_S:g} s"
            ) from None
        of_texts = dict(zip(different, map(unit, vectors), strict=True))
        return {key: of_texts[text] for key, text in texts.items()}

    async def query_vector(self, text: str, scopes: Sequence[str], info: ScopeInfo) -> list[float] | None:
        """Return the vector of a question; None if the search has to do without it.

        The vectors of messages that have none are made first. If that takes too long, the search does not compare
        vectors: messages without a vector would lose to messages with one.
        """
        if self.embedder is None or not text.strip():
            return None
        try:
            async with asyncio.timeout(self._embed_s):
                for scope in scopes:
                    await self.embed_missing(scope)
                vector = await embed_question(self.embedder, without_names(text, info.speakers))
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - an embedder may raise anything, and a search needs it not
            _logger.warning(
                "memories are searched by words only, because %s",
                self._reason(error),
                extra=fields("searched_by_words_only", error=type(error).__name__),
            )
            self.lacks_vectors.update(scopes)
            return None
        return unit(vector)

    def _reason(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return f"the embedder gave no vectors within {self._embed_s:g} s"
        # Only our own error is known to hold no secret.
        return f"the embedder failed: {error if isinstance(error, EmbedderError) else type(error).__name__}"
