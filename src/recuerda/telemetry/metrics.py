"""The instruments of all metrics, with the bounds that the conventions give.

A measurement of the SDK costs some microseconds. So only durations and sizes whose distribution matters are histograms.
Everything else is kept as `Numbers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import TypeAlias

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from recuerda.telemetry import names

_Create: TypeAlias = Callable[[str, Sequence[Callable[[CallbackOptions], Iterable[Observation]]], str, str], object]


class Numbers:
    """The numbers of one metric. To change one is cheap, because the SDK reads them only when it collects.

    The SDK forgets the value of its own gauge with each collection, so that a value which is set less often than it is
    collected has gaps. A number that is kept here has none.

    Args:
        create: makes an observable instrument of a meter.
        name: the name of the metric.
        unit: its unit.
        text: its description.
        attributes: the names of the attributes by which the numbers are kept apart.
    """

    def __init__(self, create: _Create, name: str, unit: str, text: str, attributes: Sequence[str]) -> None:
        self._attributes = attributes
        self._numbers: dict[tuple[str | None, ...], float] = {}
        self._lock = Lock()  # event loops in several OS threads change the same numbers
        create(name, [self._observe], unit, text)

    def add(self, number: int, *values: str | None) -> None:
        """Add to the number for these values of the attributes, in their order. None leaves an attribute out."""
        with self._lock:
            self._numbers[values] = self._numbers.get(values, 0) + number

    def set(self, number: float, *values: str | None) -> None:
        """Set the number for these values of the attributes."""
        with self._lock:
            self._numbers[values] = number

    def remove(self, *values: str | None) -> None:
        """Report no number for these values of the attributes any more."""
        with self._lock:
            self._numbers.pop(values, None)

    def _observe(self, options: CallbackOptions) -> Iterable[Observation]:
        del options
        with self._lock:
            numbers = list(self._numbers.items())
        for values, number in numbers:
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
        self.turns: Numbers = Numbers(
            meter.create_observable_counter,
            names.TURNS,
            "{turn}",
            "Turns that were committed, replayed or refused.",
            (names.DB_SYSTEM, names.TURN_OUTCOME),
        )
        self.trips: Numbers = Numbers(
            meter.create_observable_counter,
            names.TRIPS,
            "{operation}",
            "Operations of the storage in runs.",
            (names.AGENT_NAME,),
        )
        self.window: Numbers = Numbers(
            meter.create_observable_counter,
            names.WINDOW_TOKENS,
            "{token}",
            "Tokens of threads that runs have sent or left out.",
            (names.WINDOW_PART,),
        )
        self.drafts_open: Numbers = Numbers(
            meter.create_observable_gauge,
            names.DRAFTS_OPEN,
            "{draft}",
            "Turns that were begun and have not ended.",
            (names.DB_SYSTEM,),
        )
        self.drafts_age: Numbers = Numbers(
            meter.create_observable_gauge,
            names.DRAFTS_AGE,
            "s",
            "Age of the oldest open draft.",
            (names.DB_SYSTEM,),
        )

    def _histogram(self, name: str, unit: str, bounds: Sequence[float], text: str) -> Histogram:
        return self._meter.create_histogram(name, unit, text, explicit_bucket_boundaries_advisory=bounds)
