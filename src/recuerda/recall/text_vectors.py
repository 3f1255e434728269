"""The vectors of texts, from an embedder that may hang, fail, refuse a text, or want to be asked later.

One text that the embedder refuses must not cost the other texts their vectors, so the texts of a failed batch are sent
one by one. A service that is down or gets too many requests refuses nothing: its texts wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from math import inf

from recuerda._events import fields
from recuerda.errors import EmbedderError
from recuerda.providers.embedding import Embedder, embed
from recuerda.recall.vectors import unit

EMBED_AT_ONCE = 32
"""The largest number of texts that are embedded at once."""

END_S = 10.0
"""The number of seconds that are left for all texts when the owner closes."""

_BATCH_S = 60.0
"""The number of seconds after which an embedder that makes vectors in the background is given up."""

_WAITS = 10
"""How often one batch waits for a service that wants to be asked later."""
_LONGEST_WAIT_S = 120.0

_HARMLESS = "Hello."
"""A text that every model accepts, which tells a refused text from an embedder that does not work."""
_REFUSALS = (400, 413, 422)
"""The statuses with which a service refuses a text."""

_logger = logging.getLogger("recuerda.recall")


class TextVectors:
    """Makes the vectors of texts.

    Args:
        embedder: turns texts into vectors.
        on_wait: called with the seconds for which a service wants not to be asked.

    Attributes:
        embedder: as above.
        at_once: the number of texts that are embedded at once. It becomes lower if the embedder takes too long.
    """

    def __init__(self, embedder: Embedder, on_wait: Callable[[float], None]) -> None:
        self.at_once: int = EMBED_AT_ONCE
        self.embedder: Embedder = embedder
        self._on_wait = on_wait
        self._ends_at = inf
        self._limits: dict[asyncio.Timeout, asyncio.AbstractEventLoop] = {}

    @property
    def has_ended(self) -> bool:
        """True if no text may be embedded any more, because `end` was called a while ago."""
        return self._left_s <= 0

    def end(self) -> None:
        """Leave only a short time for all texts, also for those that are being embedded, on any event loop."""
        self._ends_at = min(self._ends_at, time.monotonic() + END_S)
        for limit, loop in list(self._limits.items()):
            with suppress(RuntimeError):  # the loop is closed, and the call has ended with it
                loop.call_soon_threadsafe(self._shorten, limit)

    async def of(self, texts: Sequence[str], *, waits: bool) -> dict[str, Sequence[float]]:
        """Return the vector of each text. A text that the embedder refuses has an empty one.

        Args:
            texts: the texts.
            waits: True if a service that wants to be asked later is asked later. Otherwise that is a failure.

        Raises:
            EmbedderError: the embedder failed, or did not answer in time.
        """
        found: dict[str, Sequence[float]] = {}
        left = list(dict.fromkeys(texts))
        while left:
            some = left[: self.at_once]
            found |= await self._of_batch(some, waits=waits)
            left = left[len(some) :]
        return found

    async def _of_batch(self, texts: Sequence[str], *, waits: bool) -> Mapping[str, Sequence[float]]:
        for _ in range(_WAITS):
            try:
                return await self._made(texts)
            except EmbedderError as error:
                seconds = error.retry_after_s
                if not waits or seconds is None or seconds > min(_LONGEST_WAIT_S, self._left_s):
                    raise
            self._on_wait(seconds)
            with suppress(TimeoutError):  # `end` was called
                async with self._limit(inf):
                    await asyncio.sleep(seconds)
        return await self._made(texts)

    async def _made(self, texts: Sequence[str]) -> Mapping[str, Sequence[float]]:
        began = time.monotonic()
        try:
            async with self._limit(_BATCH_S):
                return dict(zip(texts, map(unit, await embed(self.embedder, texts)), strict=True))
        except TimeoutError:
            self.at_once = max(1, self.at_once // 4)
            raise EmbedderError(
                f"{self.embedder.model_id} gave no vectors for {len(texts)} texts within "
                f"{time.monotonic() - began:.0f} s"
            ) from None
        except Exception as error:  # an embedder may raise anything
            if _status(error) not in (None, *_REFUSALS) or (found := await self._accepted(texts)) is None:
                raise
        if refused := len(texts) - len(found):
            _logger.warning(
                "%d texts are remembered without a vector, because %s refuses them",
                refused,
                self.embedder.model_id,
                extra=fields("text_not_embedded", count=refused),
            )
        return {text: found.get(text, ()) for text in texts}

    async def _accepted(self, texts: Sequence[str]) -> dict[str, list[float]] | None:
        """Return the vectors of those texts that the embedder accepts, one by one; None if it does not work at all."""
        found: dict[str, list[float]] = {}
        works = await self._vector(_HARMLESS) is not None
        for text in texts if works else ():
            vector = await self._vector(text)
            if vector is None:
                # The embedder may have failed for another reason, so the text gets a second chance.
                works = await self._vector(_HARMLESS) is not None
                vector = await self._vector(text) if works else None
            if not works:
                return None
            if vector is not None:
                found[text] = vector
        return found if works else None

    async def _vector(self, text: str) -> list[float] | None:
        """Return the vector of a text; None if the embedder fails on it.

        Raises:
            EmbedderError: the service is down, or gets too many requests.
        """
        try:
            async with self._limit(_BATCH_S):
                return unit((await embed(self.embedder, [text]))[0])
        except Exception as error:
            if _status(error) not in (None, *_REFUSALS):
                raise
            return None

    @asynccontextmanager
    async def _limit(self, seconds: float) -> AsyncGenerator[None]:
        """Limit the time of a call, also if `end` is called in the meantime."""
        seconds = min(seconds, self._left_s)
        async with asyncio.timeout(None if seconds == inf else seconds) as limit:
            self._limits[limit] = asyncio.get_running_loop()
            try:
                yield
            finally:
                del self._limits[limit]

    def _shorten(self, limit: asyncio.Timeout) -> None:
        if limit in self._limits and not limit.expired():
            soon = asyncio.get_running_loop().time() + self._left_s
            limit.reschedule(min(limit.when() or inf, soon))

    @property
    def _left_s(self) -> float:
        return self._ends_at - time.monotonic()


def _status(error: BaseException | None) -> int | None:
    """Return the HTTP status of an error, or of an error that it was raised from; None if there is none.

    The errors of most services' libraries have it as `status`, `status_code`, or as that of a `response`.
    """
    while error is not None:
        for holder in (error, getattr(error, "response", None)):
            for name in ("status", "status_code"):
                if isinstance(status := getattr(holder, name, None), int):
                    return status
        error = error.__cause__
    return None
