"""The vectors of a search by meaning: messages get theirs ahead of time, and a question when it is asked.

A search never waits long. If many vectors are missing, or the embedder took too long a moment ago, it is by words only,
because messages without a vector would lose to messages with one. The missing vectors are made in the background.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import chain
from operator import mul

from recuerda._events import fields
from recuerda.errors import EmbedderError, StorageError
from recuerda.providers.embedding import Embedder, embed_question
from recuerda.recall.comparability import Comparability, IncomparableVectors
from recuerda.recall.index import RecallIndex, ScopeInfo, Unembedded
from recuerda.recall.patience import Patience
from recuerda.recall.pieces import mean_vector, pieces_of
from recuerda.recall.text import without_names
from recuerda.recall.text_vectors import EMBED_AT_ONCE, TextVectors
from recuerda.recall.vectors import unit
from recuerda.storage.run_lock import RunLocks

EMBED_S = 5.0
"""The largest number of seconds that a search waits for the embedder."""

_DRAWN = 4 * EMBED_AT_ONCE
_NEWEST = 8 * _DRAWN
"""The number of messages of which some get their vectors next. They are drawn by lot, so that two processes rarely
draw the same."""

_KEPT = 1_000
"""The number of texts that are in no message whose vectors are kept."""

_LONG_FAILURE = 0.2
"""The share of the time limit from which on a failure was a wait in vain."""

_logger = logging.getLogger("recuerda.recall")


def embedding_s(timeout: timedelta | None) -> float:
    """Return the seconds that a search waits for the embedder. At least half of a run's time is left for the words."""
    return EMBED_S if timeout is None else min(EMBED_S, timeout.total_seconds() / 2)


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
        self._locks = RunLocks()
        self._is_failing = False
        self._texts = None if embedder is None else TextVectors(embedder, self._patience.pause)
        self._comparability = Comparability(index)
        self._told: set[str] = set()
        self._kept: dict[str, Sequence[float]] = {}

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

    def begin_anew(self, scope: str) -> None:
        """Let `embed_missing` replace vectors of another model, also if another process replaced those of this one."""
        self._comparability.begin_anew(scope, self.model_id)

    def end(self) -> None:
        """Leave only a short time for the vectors that are being made. The next process makes the others."""
        if self._texts is not None:
            self._texts.end()

    async def embed_missing(self, scope: str, note: Callable[[int], None] | None = None, *, waits: bool = True) -> int:
        """Give a vector to each message of a scope that has none from the embedder's model; return their number.

        Within a process, the messages of a scope get their vectors one batch after the other, so none is embedded
        twice. A text that the embedder refuses gets an empty vector, which is similar to nothing.

        Args:
            scope: the scope.
            note: called with the number of messages after each batch.
            waits: True if a service that wants to be asked later is asked later. Otherwise that is a failure.

        Raises:
            EmbedderError: the embedder failed, or another process replaces the vectors by those of another model. The
                messages are still found by their words.
        """
        if self._texts is None:
            return 0
        done = 0
        async with self._locks.of(scope):
            while not self._texts.has_ended:
                # The index may be emptied while texts are embedded. Then their keys name other messages.
                generation = self._index.generation
                waiting = await self._index.unembedded(scope, self.model_id, _NEWEST)
                if not waiting:
                    break
                await self._comparability.check_models(scope, self.model_id)
                drawn = random.sample(waiting, min(len(waiting), _DRAWN))
                while drawn:
                    some, drawn = drawn[: self._texts.at_once], drawn[self._texts.at_once :]
                    by_key = await self._embedded(scope, self._texts, some, waits=waits)
                    await self._index.add_vectors(scope, self.model_id, by_key, generation=generation)
                    self._patience.resume()
                    done += len(some)
                    if note is not None:
                        note(len(some))
        return done

    async def _embedded(
        self, scope: str, texts: TextVectors, messages: Sequence[Unembedded], *, waits: bool
    ) -> dict[int, Sequence[float]]:
        keys = [message.key for message in messages]
        by_key = await self._index.copied_vectors(scope, self.model_id, keys)
        pieces = {one.key: pieces_of(one.text) for one in messages if one.key not in by_key}
        made = await texts.of(list(chain.from_iterable(pieces.values())), waits=waits)
        return by_key | {key: mean_vector(of, [made[piece] for piece in of]) for key, of in pieces.items()}

    async def query_vector(self, text: str, scopes: Sequence[str], info: ScopeInfo) -> list[float] | None:
        """Return the vector of a question; None if the search has to do without it.

        A few missing vectors are made first. If many are missing, or if that takes too long, the search does not
        compare vectors: messages without a vector would lose to messages with one.
        """
        if self._texts is None or not text.strip() or self._patience.is_paused:
            return None
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._patience.limit_s):
                if await self._has_most(scopes, self._texts):
                    for scope in scopes:
                        await self.embed_missing(scope, waits=False)
                    vector = await embed_question(self._texts.embedder, without_names(text, info.speakers))
                    for scope in scopes:
                        await self._comparability.check_dimensions(scope, self.model_id, len(vector))
                    self._is_failing = False
                    return unit(vector)
                reason = None
        except StorageError:
            raise
        except IncomparableVectors as error:
            self._tell(error)
            return None
        except Exception as error:  # noqa: BLE001 - an embedder may raise anything, and a search needs it not
            if isinstance(error, TimeoutError) or time.monotonic() - began > _LONG_FAILURE * self._patience.limit_s:
                self._patience.pause()
            reason = error
        self._tell(reason)
        self.lacks_vectors.update(scopes)
        return None

    async def similarities(self, vector: Sequence[float], texts: Sequence[str]) -> dict[str, float]:
        """Return the cosines between a question's vector and those of texts that are in no message.

        The vectors are kept in this process. A few missing ones are made first. The result lacks texts without one.
        """
        if self._texts is None or not texts:
            return {}
        missing = [text for text in dict.fromkeys(texts) if text not in self._kept]
        if missing and not self._patience.is_paused:
            try:
                async with asyncio.timeout(self._patience.limit_s / 2):  # the question's vector took its time, too
                    made = await self._texts.of(missing[: self._texts.at_once], waits=False)
                self._kept = dict(list((self._kept | made).items())[-_KEPT:])
            except Exception as error:  # noqa: BLE001 - as above
                if isinstance(error, TimeoutError):
                    self._patience.pause()
                self._tell(error)
        vectors = [(text, self._kept[text]) for text in texts if text in self._kept]
        return {text: sum(map(mul, vector, of)) for text, of in vectors if len(of) == len(vector)}

    async def _has_most(self, scopes: Sequence[str], texts: TextVectors) -> bool:
        """Return True if what lacks a vector is so little that a search may wait for it.

        If it is more, messages of forks get the vectors of the messages that they are copies of.

        Raises:
            EmbedderError: another process replaces the vectors of this one.
        """
        left, model_id = texts.at_once, self.model_id
        for scope in scopes:
            await self._comparability.check_models(scope, model_id, is_search=True)
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
        reason = self._reason(error)
        is_known = reason in self._told if isinstance(error, IncomparableVectors) else self._is_failing
        if not is_known:
            _logger.warning(
                "memories are searched by words only, because %s",
                reason,
                extra=fields("searched_by_words_only", error="" if error is None else type(error).__name__),
            )
        if isinstance(error, IncomparableVectors):
            self._told.add(reason)
        else:
            self._is_failing = True

    def _reason(self, error: Exception | None) -> str:
        match error:
            case None:
                return "many have no vector yet; the vectors are made in the background"
            case IncomparableVectors():
                return str(error)
            case TimeoutError():
                return f"the embedder gave no vectors within {self._patience.limit_s:g} s"
            case _:
                # Only our own error is known to hold no secret.
                return f"the embedder failed: {error if isinstance(error, EmbedderError) else type(error).__name__}"
