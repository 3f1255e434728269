"""The vectors of a search by meaning: messages get theirs ahead of time, and a question when it is asked.

A search never waits long. If many vectors are missing, or the embedder took too long a moment ago, it is by words only,
because messages without a vector would lose to messages with one. The missing vectors are made in the background.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from weakref import WeakValueDictionary

from recuerda._events import fields
from recuerda.errors import EmbedderError, StorageError
from recuerda.providers.embedding import Embedder, embed, embed_question
from recuerda.recall.index import RecallIndex, ScopeInfo, Unembedded
from recuerda.recall.patience import Patience
from recuerda.recall.pieces import mean_vector, pieces_of
from recuerda.recall.text import without_names
from recuerda.recall.vectors import unit
from recuerda.storage.run_lock import RunLock

EMBED_S = 5.0
"""The largest number of seconds that a search waits for the embedder."""

EMBED_AT_ONCE = 32
"""The largest number of pieces of messages that are embedded at once, and that a search waits for."""

_BATCH_S = 60.0
"""The number of seconds after which an embedder that makes vectors in the background is given up."""

_DRAWN = 4 * EMBED_AT_ONCE
_NEWEST = 8 * _DRAWN
"""The number of messages of which some get their vectors next. They are drawn by lot, so that two processes rarely
draw the same."""

_HARMLESS = "Hello."
"""A text that every model accepts, which tells a refused text from an embedder that does not work."""

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
            `embed_later` for them.
    """

    def __init__(self, index: RecallIndex, embedder: Embedder | None, *, embed_s: float = EMBED_S) -> None:
        self.embedder: Embedder | None = embedder
        self.lacks_vectors: set[str] = set()
        self._index = index
        self._patience = Patience(embed_s)
        self._locks: WeakValueDictionary[str, RunLock] = WeakValueDictionary()
        self._is_failing = False
        self._at_once = EMBED_AT_ONCE

    @property
    def model_id(self) -> str:
        """The embedder's model; "" without an embedder."""
        return self.embedder.model_id if self.embedder is not None else ""

    async def embed_later(self, scope: str) -> None:
        """Do the same as `embed_missing`, as work after a reply. A failure of the embedder is logged."""
        try:
            await self.embed_missing(scope)
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - an embedder may raise anything
            self._tell(error)

    async def embed_missing(self, scope: str, note: Callable[[int], None] | None = None) -> int:
        """Give a vector to each message of a scope that has none from the embedder's model; return their number.

        Within a process, the messages of a scope get their vectors one batch after the other, so none is embedded
        twice. A text that the embedder refuses gets an empty vector, which is similar to nothing. `note` gets the
        number of messages after each batch.

        Raises:
            EmbedderError: the embedder failed. The messages are still found by their words.
        """
        if self.embedder is None:
            return 0
        done = 0
        async with self._lock(scope):
            while waiting := await self._index.unembedded(scope, self.embedder.model_id, _NEWEST):
                drawn = random.sample(waiting, min(len(waiting), _DRAWN))
                for start in range(0, len(drawn), self._at_once):
                    some = drawn[start : start + self._at_once]
                    await self._embed(scope, self.embedder, some)
                    done += len(some)
                    if note is not None:
                        note(len(some))
        return done

    async def _embed(self, scope: str, embedder: Embedder, messages: Sequence[Unembedded]) -> None:
        keys = [message.key for message in messages]
        by_key = await self._index.copied_vectors(scope, embedder.model_id, keys)
        by_key |= await self._embedded(embedder, [message for message in messages if message.key not in by_key])
        await self._index.add_vectors(scope, embedder.model_id, by_key)
        self._patience.resume()

    def _lock(self, scope: str) -> RunLock:
        return self._locks.setdefault(scope, RunLock())

    async def _embedded(self, embedder: Embedder, waiting: Sequence[Unembedded]) -> dict[int, Sequence[float]]:
        """Return a vector for each message. Equal pieces are embedded once."""
        pieces = {item.key: pieces_of(item.text) for item in waiting}
        different = list(dict.fromkeys(chain.from_iterable(pieces.values())))
        of_pieces: dict[str, Sequence[float]] = {}
        for start in range(0, len(different), self._at_once):
            of_pieces |= await self._vectors_of(embedder, different[start : start + self._at_once])
        return {key: mean_vector(of, [of_pieces[piece] for piece in of]) for key, of in pieces.items()}

    async def _vectors_of(self, embedder: Embedder, texts: Sequence[str]) -> Mapping[str, Sequence[float]]:
        if not texts:
            return {}
        try:
            async with asyncio.timeout(_BATCH_S):
                return dict(zip(texts, map(unit, await embed(embedder, texts)), strict=True))
        except TimeoutError:
            self._at_once = max(1, self._at_once // 4)
            raise EmbedderError(
                f"{embedder.model_id} gave no vectors for {len(texts)} texts within {_BATCH_S:g} s"
            ) from None
        except Exception:  # an embedder may raise anything
            if (found := await self._accepted(embedder, texts)) is None:
                raise
        if refused := len(texts) - len(found):
            _logger.warning(
                "%d texts are remembered without a vector, because %s refuses them",
                refused,
                embedder.model_id,
                extra=fields("text_not_embedded", count=refused),
            )
        return {text: found.get(text, ()) for text in texts}

    async def _accepted(self, embedder: Embedder, texts: Sequence[str]) -> dict[str, list[float]] | None:
        """Return the vectors of those texts that an embedder accepts, one by one; None if it does not work at all."""
        found: dict[str, list[float]] = {}
        works = await _vector(embedder, _HARMLESS) is not None
        for text in texts if works else ():
            vector = await _vector(embedder, text)
            if vector is None:
                # The embedder may have failed for another reason, so the text gets a second chance.
                works = await _vector(embedder, _HARMLESS) is not None
                vector = await _vector(embedder, text) if works else None
            if not works:
                return None
            if vector is not None:
                found[text] = vector
        return found if works else None

    async def query_vector(self, text: str, scopes: Sequence[str], info: ScopeInfo) -> list[float] | None:
        """Return the vector of a question; None if the search has to do without it.

        A few missing vectors are made first. If many are missing, or if that takes too long, the search does not
        compare vectors: messages without a vector would lose to messages with one.
        """
        if self.embedder is None or not text.strip() or self._patience.is_paused:
            return None
        try:
            async with asyncio.timeout(self._patience.limit_s):
                if await self._has_most(scopes, self.embedder.model_id):
                    for scope in scopes:
                        await self.embed_missing(scope)
                    vector = await embed_question(self.embedder, without_names(text, info.speakers))
                    self._is_failing = False
                    return unit(vector)
                reason = None
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - an embedder may raise anything, and a search needs it not
            if isinstance(error, TimeoutError):
                self._patience.pause()
            reason = error
        self._tell(reason)
        self.lacks_vectors.update(scopes)
        return None

    async def _has_most(self, scopes: Sequence[str], model_id: str) -> bool:
        """Return True if what lacks a vector is so little that a search may wait for it.

        If it is more, messages of forks get the vectors of the messages that they are copies of.
        """
        left = self._at_once
        for scope in scopes:
            missing = await self._missing_pieces(scope, model_id, left)
            if missing > left:
                keys = [message.key for message in await self._index.unembedded(scope, model_id, _NEWEST)]
                copied = await self._index.copied_vectors(scope, model_id, keys)
                await self._index.add_vectors(scope, model_id, copied)
                missing = await self._missing_pieces(scope, model_id, left) if copied else missing
            left -= missing
            if left < 0:
                return False
        return True

    async def _missing_pieces(self, scope: str, model_id: str, limit: int) -> int:
        """Return the number of the pieces that lack a vector, or a higher number than the limit if that is exceeded."""
        missing = await self._index.unembedded(scope, model_id, limit + 1)
        return sum(len(pieces_of(message.text)) for message in missing)

    def _tell(self, error: Exception | None) -> None:
        """Log why searches are by words only: once, and again after a search by meaning in between."""
        if not self._is_failing:
            _logger.warning(
                "memories are searched by words only, because %s",
                self._reason(error),
                extra=fields("searched_by_words_only", error="" if error is None else type(error).__name__),
            )
        self._is_failing = True

    def _reason(self, error: Exception | None) -> str:
        if error is None:
            return "many have no vector yet; the vectors are made in the background"
        if isinstance(error, TimeoutError):
            return f"the embedder gave no vectors within {self._patience.limit_s:g} s"
        # Only our own error is known to hold no secret.
        return f"the embedder failed: {error if isinstance(error, EmbedderError) else type(error).__name__}"


async def _vector(embedder: Embedder, text: str) -> list[float] | None:
    try:
        async with asyncio.timeout(_BATCH_S):
            return unit((await embed(embedder, [text]))[0])
    except Exception:  # noqa: BLE001 - None says so
        return None
