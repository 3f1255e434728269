"""The switch: it puts the observer in its places, and takes it out again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from weakref import WeakKeyDictionary

from opentelemetry.metrics import MeterProvider, get_meter_provider
from opentelemetry.trace import TracerProvider, get_tracer_provider

from recuerda import _observing
from recuerda.agent import observing
from recuerda.telemetry import names
from recuerda.telemetry.contents import Contents, Redact
from recuerda.telemetry.instrumentation import Instrumentation
from recuerda.telemetry.metrics import Metrics
from recuerda.telemetry.settings import wants_content, wants_newest
from recuerda.telemetry.spans import Recorder

_METRICS: WeakKeyDictionary[MeterProvider, Metrics] = WeakKeyDictionary()
"""The metrics of each provider. The SDK keeps an instrument for good, so they are not made again."""


def instrument(
    *,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    content: bool | None = None,
    redact: Redact | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Record spans and metrics of everything that recuerda does in this process, from now on.

    A second call takes the place of the first. Work that runs already is finished as it was begun.

    Args:
        tracer_provider: makes the spans; None for the provider that the application has set.
        meter_provider: makes the metrics; None for the provider that the application has set.
        content: True also records contents: messages, instructions, the arguments and results of tools, queries and
            memories. None asks the environment variable `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`, which is
            off without a value. `true`, `SPAN_ONLY` and `SPAN_AND_EVENT` switch it on. The bytes of files are never
            recorded.
        redact: returns a text without its secrets. It is called with each text before the text is recorded. If it
            raises, the text is left out.
        environ: the environment; None for that of the process. With `gen_ai_latest_experimental` in its
            `OTEL_SEMCONV_STABILITY_OPT_IN`, only the newest names are recorded. Without it, `gen_ai.system` is recorded
            beside `gen_ai.provider.name`, because this was its name up to version 1.36 of the conventions.
    """
    variables = os.environ if environ is None else environ
    is_recorded = wants_content(variables) if content is None else content
    tracers = get_tracer_provider() if tracer_provider is None else tracer_provider
    meters = get_meter_provider() if meter_provider is None else meter_provider
    recorder = Recorder(
        tracers.get_tracer(names.SCOPE, schema_url=names.SCHEMA_URL),
        _metrics_of(meters),
        Contents(redact) if is_recorded else None,
    )
    observer = Instrumentation(recorder, is_newest=wants_newest(variables))
    _observing.observer = observer
    observing.observer = observer


def _metrics_of(meters: MeterProvider) -> Metrics:
    if meters not in _METRICS:
        _METRICS[meters] = Metrics(meters.get_meter(names.SCOPE, schema_url=names.SCHEMA_URL))
    return _METRICS[meters]


def uninstrument() -> None:
    """Record nothing from now on. The providers stay as they are: the application shuts them down."""
    _observing.observer = None
    observing.observer = None


class Instrumentor:
    """The entry point of `opentelemetry-instrument`, which switches telemetry on without a change to the program."""

    def instrument(self, **options: object) -> None:
        """Call `instrument` with the providers and the environment of the process. Other options are for others."""
        del options
        instrument()

    def uninstrument(self, **options: object) -> None:
        """Call `uninstrument`."""
        del options
        uninstrument()
