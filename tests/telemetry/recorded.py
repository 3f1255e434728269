"""What telemetry has recorded, in the words of a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from recuerda.telemetry import instrument
from recuerda.telemetry.contents import Redact


class Recorded:
    """Providers of OpenTelemetry's SDK that keep everything in memory."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader], exemplar_filter=AlwaysOnExemplarFilter())

    def switch_on(
        self, *, content: bool | None = None, redact: Redact | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        instrument(
            tracer_provider=self.tracers,
            meter_provider=self.meters,
            content=content,
            redact=redact,
            environ={} if environ is None else environ,
        )

    def close(self) -> None:
        self.tracers.shutdown()
        self.meters.shutdown()

    @property
    def spans(self) -> list[ReadableSpan]:
        """All ended spans, in the order in which they began."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.spans]

    def span(self, name: str) -> ReadableSpan:
        """The only span of this name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def facts(self, name: str) -> dict[str, Any]:
        """The attributes of the only span of this name."""
        return dict(self.span(name).attributes or {})

    def all_facts(self, name: str) -> list[dict[str, Any]]:
        """The attributes of each span of this name."""
        return [dict(span.attributes or {}) for span in self.spans if span.name == name]

    def parent_of(self, name: str) -> str | None:
        """The name of the parent of the only span of this name; None for a root."""
        parent = self.span(name).parent
        if parent is None:
            return None
        return next(span.name for span in self.spans if context_id(span) == parent.span_id)

    def forget(self) -> None:
        self._exporter.clear()

    def all_metrics(self) -> list[Metric]:
        data = self._reader.get_metrics_data()
        resources = () if data is None else data.resource_metrics
        return [metric for resource in resources for scope in resource.scope_metrics for metric in scope.metrics]

    def metrics(self) -> dict[str, list[Any]]:
        """The data points of each metric, by its name."""
        return {metric.name: list(metric.data.data_points) for metric in self.all_metrics()}

    def points(self, name: str) -> list[Any]:
        return self.metrics().get(name, [])


def context_id(span: ReadableSpan) -> int:
    context = span.get_span_context()
    assert context is not None
    return context.span_id
