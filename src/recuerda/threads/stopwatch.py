"""The time of one run. It follows the monotonic clock, because nobody can set that clock back."""

from __future__ import annotations

from time import perf_counter_ns


class Stopwatch:
    """Measure the time since the stopwatch was made."""

    __slots__ = ("_start_ns",)

    def __init__(self) -> None:
        self._start_ns = perf_counter_ns()

    @property
    def elapsed_us(self) -> int:
        """The time so far, in whole microseconds."""
        return (perf_counter_ns() - self._start_ns) // 1000
