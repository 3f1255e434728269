"""The instruments of all metrics, with the bounds that the conventions give."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.metrics import Counter, Histogram, Meter
from opentelemetry.metrics import _Gauge as Gauge

from recuerda.telemetry import names


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
        self.trips: Histogram = self._histogram(
            names.TRIPS, "{operation}", names.COUNTS, "Operations of the storage in one run."
        )
        self.window: Histogram = self._histogram(
            names.WINDOW_TOKENS, "{token}", names.TOKENS, "Tokens of a thread that a run sends or leaves out."
        )
        self.hits: Histogram = self._histogram(
            names.RECALL_HITS, "{memory}", names.COUNTS, "Memories that one search has found."
        )
        self.lease_waits: Histogram = self._histogram(
            names.LEASE_WAITS, "s", names.HTTP_S, "Time for which a run has waited for the lease of its thread."
        )
        self.turns: Counter = meter.create_counter(
            names.TURNS, "{turn}", "Turns that were committed, replayed or refused."
        )
        self.drafts_open: Gauge = meter.create_gauge(
            names.DRAFTS_OPEN, "{draft}", "Turns that were begun and have not ended."
        )
        self.drafts_age: Gauge = meter.create_gauge(names.DRAFTS_AGE, "s", "Age of the oldest open draft.")

    def _histogram(self, name: str, unit: str, bounds: Sequence[float], text: str) -> Histogram:
        return self._meter.create_histogram(name, unit, text, explicit_bucket_boundaries_advisory=bounds)
