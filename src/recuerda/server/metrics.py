"""The counts of the service, in Prometheus' text format.

The labels are the route, the method and the status. The route stands in for the path, because the path holds ids. No
label names a tenant, a model or an id.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

from recuerda import _observing
from recuerda.messages.message import Usage

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The counts since the process started."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._durations: dict[str, list[int]] = {}
        self._sums: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        self.running = 0

    def finished(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered, under its route."""
        self._requests[route, method, status] += 1
        counts = self._durations.setdefault(route, [0] * (len(BUCKETS_S) + 1))
        counts[bisect_left(BUCKETS_S, seconds)] += 1
        self._sums[route] += seconds  # pyright: ignore[reportArgumentType] - a Counter of floats adds up as well

    def used(self, usage: Usage | None) -> None:
        """Count the tokens of a response."""
        if usage is not None:
            if (observer := _observing.observer) is not None:
                observer.used(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
            self._tokens["input"] += usage.input_tokens
            self._tokens["output"] += usage.output_tokens
            self._tokens["cached_input"] += usage.cached_input_tokens
            self._tokens["reasoning"] += usage.reasoning_tokens

    def text(self, *, model_calls: int) -> str:
        """Return all counts in Prometheus' text format. `model_calls` are the calls that are running now."""
        return "".join(f"{line}\n" for line in self._lines(model_calls))

    def _lines(self, model_calls: int) -> Iterator[str]:
        yield from _head("recuerda_requests_total", "counter", "Requests that were answered.")
        for (route, method, status), count in sorted(self._requests.items()):
            yield f'recuerda_requests_total{{route="{route}",method="{method}",status="{status}"}} {count}'
        yield from _head(
            "recuerda_request_duration_seconds",
            "histogram",
            "Seconds that requests took; a stream counts until its end.",
        )
        for route, counts in sorted(self._durations.items()):
            yield from self._histogram(route, counts)
        yield from _head("recuerda_tokens_total", "counter", "Tokens of responses, counted by the model's server.")
        for kind in ("input", "output", "cached_input", "reasoning"):
            yield f'recuerda_tokens_total{{kind="{kind}"}} {self._tokens[kind]}'
        yield from _head("recuerda_requests_in_flight", "gauge", "Requests that are being answered.")
        yield f"recuerda_requests_in_flight {self.running}"
        yield from _head("recuerda_model_calls_in_flight", "gauge", "Model calls that are running.")
        yield f"recuerda_model_calls_in_flight {model_calls}"

    def _histogram(self, route: str, counts: list[int]) -> Iterator[str]:
        total = 0
        for limit, count in zip((*BUCKETS_S, "+Inf"), counts, strict=True):
            total += count
            yield f'recuerda_request_duration_seconds_bucket{{route="{route}",le="{limit}"}} {total}'
        yield f'recuerda_request_duration_seconds_sum{{route="{route}"}} {self._sums[route]:.6f}'
        yield f'recuerda_request_duration_seconds_count{{route="{route}"}} {total}'


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"
