"""The instruments of all metrics, with the bounds that the conventions give.

A measurement of the SDK costs some microseconds. So only durations and sizes whose distribution matters are histograms.
Everything else is a `Count`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation
from opentelemetry.metrics import _Gauge as Gauge

from recuerda.telemetry import names


class Count:
    """Sums for one counter. To add is cheap, because the SDK reads the sums only when it collects.

    Args:
        meter: makes the counter.
        name: the name of the metric.
        unit: its unit.
        text: its description.
        attributes: the names of the attributes by which the sums are kept apart.
    """

    def __init__(self, meter: Meter, name: str, unit: str, text: str, attributes: Sequence[str]) -> None:
        self._attributes = attributes
        self._sums: dict[tuple[str | None, ...], int] = {}
        self._lock = Lock()  # event loops in several OS threads add to the same sums
        meter.create_observable_counter(name, [self._observe], unit, text)

    def add(self, number: int, *values: str | None) -> None:
        """Add a number to the sum for these values of the attributes, in their order. None leaves an attribute out."""
        with self._lock:
            self._sums[values] = self._sums.get(values, 0) + number

    def _observe(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        with self._lock:
            sums = list(self._sums.items())
        for values, number in sums:
            named = zip(self._attributes, values, strict=True)
            yield Observation(number, {name: value for name, value in named if value is not None})


class Metrics:
    """The instruments of one meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.operations: Histogram = self._histogram(
            names.OPERATION_DURATION, "s", names.OPERATION_S, "GenAI operation duration."
        )
        self.tokens: Histogram = self._histogram(
            names.TOKEN_USAGE, "{token}", names.TOKENS, "Number of input and output tokens used."
        )
        self.first_chunks: Histogram = self._histogram(
            names.FIRST_CHUNK_DURATION, "s", names.OPERATION_S, "Time until the first piece of a streamed answer."
        )
        self.storages: Histogram = self._histogram(
            names.DB_DURATION, "s", names.DB_S, "Duration of database client operations."
        )
        self.requests: Histogram = self._histogram(
            names.SERVER_DURATION, "s", names.HTTP_S, "Duration of HTTP server requests."
        )
        self.hits: Histogram = self._histogram(
            names.RECALL_HITS, "{memory}", names.COUNTS, "Memories that one search has found."
        )
        self.lease_waits: Histogram = self._histogram(
            names.LEASE_WAITS, "s", names.HTTP_S, "Time for which a run has waited for the lease of its thread."
        )
        self.turns: Count = Count(
            meter,
            names.TURNS,
            "{turn}",
            "Turns that were committed, replayed or refused.",
            (names.DB_SYSTEM, names.TURN_OUTCOME),
        )
        self.trips: Count = Count(
            meter, names.TRIPS, "{operation}", "Operations of the storage in runs.", (names.AGENT_NAME,)
        )
        self.window: Count = Count(
            meter,
            names.WINDOW_TOKENS,
            "{token}",
            "Tokens of threads that runs have sent or left out.",
            (names.WINDOW_PART,),
        )
        self.drafts_open: Gauge = meter.create_gauge(
            names.DRAFTS_OPEN, "{draft}", "Turns that were begun and have not ended."
        )
        self.drafts_age: Gauge = meter.create_gauge(names.DRAFTS_AGE, "s", "Age of the oldest open draft.")

    def _histogram(self, name: str, unit: str, bounds: Sequence[float], text: str) -> Histogram:
        return self._meter.create_histogram(name, unit, text, explicit_bucket_boundaries_advisory=bounds)
