"""Limits on requests: a rate for each tenant, and limits for running model calls and for long bodies in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from recuerda.server.faults import ApiFault

_MANY_BUCKETS = 10_000
_SMALL_BODY_BYTES = 64 * 1024


class RateLimit:
    """Limit the number of requests that each caller makes in a minute.

    A caller that has made no requests for a minute may make a minute's requests at once.

    Args:
        per_minute: the number of requests in a minute; None for no limit.
        clock: returns a time in seconds that never decreases.
    """

    def __init__(self, per_minute: int | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: dict[str | None, tuple[float, float]] = {}

    def take(self, caller: str | None) -> None:
        """Count a request of a caller.

        Raises:
            ApiFault: the caller made too many requests; the fault says how long to wait.
        """
        if self._per_minute is None:
            return
        left = self._left(caller)
        if left < 1:
            raise ApiFault(
                429,
                f"Rate limit reached: {self._per_minute} requests a minute. Wait and try again.",
                kind="rate_limit_error",
                code="rate_limit_exceeded",
                retry_after_s=(1 - left) * 60 / self._per_minute,
            )
        self._keep(caller, left - 1)

    def take_elsewhere(self, caller: str | None, count: int) -> None:
        """Count requests of a caller that another node has admitted."""
        if self._per_minute is not None and count:
            self._keep(caller, max(0.0, self._left(caller) - count))

    @property
    def is_set(self) -> bool:
        """True if there is a limit."""
        return self._per_minute is not None

    def _left(self, caller: str | None) -> float:
        """Return the number of requests that a caller may make now."""
        per_minute, now = float(self._per_minute or 0), self._clock()
        left, since = self._buckets.get(caller, (per_minute, now))
        return min(per_minute, left + (now - since) * per_minute / 60)

    def _keep(self, caller: str | None, left: float) -> None:
        if len(self._buckets) > _MANY_BUCKETS:
            self._buckets.clear()
        self._buckets[caller] = (left, self._clock())


class InFlight:
    """Count the model calls that are running, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.count: int = 0

    @property
    def is_full(self) -> bool:
        """True if no further call may run."""
        return self.count >= self._limit

    @contextmanager
    def one_more(self) -> Generator[None]:
        """Count one more call while the block runs.

        Raises:
            ApiFault: the limit is reached.
        """
        if self.is_full:
            raise ApiFault(
                503,
                f"The server is already answering {self._limit} requests, its limit. Wait and try again.",
                code="server_overloaded",
                retry_after_s=1,
            )
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1


class Buffered:
    """Count the bytes of the long bodies that are in memory, up to a limit. Small bodies are always accepted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.count: int = 0

    @contextmanager
    def one_more(self) -> Generator[BufferedBody]:
        """Yield the count of one more body. At the end of the block, its bytes no longer count."""
        body = BufferedBody(self)
        try:
            yield body
        finally:
            self.count -= body.counted

    def add(self, size: int) -> None:
        """Count more bytes.

        Raises:
            ApiFault: the limit is reached.
        """
        if self.count + size > self._limit:
            raise ApiFault(
                503,
                f"The server is already reading requests of {self._limit:,} bytes, its limit. Wait and try again.",
                code="server_overloaded",
                retry_after_s=1,
            )
        self.count += size


class BufferedBody:
    """The bytes of one body that are in memory.

    Attributes:
        counted: the bytes that count towards the limit.
    """

    def __init__(self, total: Buffered) -> None:
        self._total = total
        self._size = 0
        self.counted: int = 0

    def grow(self, size: int) -> None:
        """Add bytes that have arrived.

        Raises:
            ApiFault: too many bytes of long bodies are in memory.
        """
        self._size += size
        if self._size > _SMALL_BODY_BYTES:
            more = self._size - self.counted
            self._total.add(more)
            self.counted += more
