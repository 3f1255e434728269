"""The environment variables of OpenTelemetry's conventions for generative AI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OPT_IN: Final = "OTEL_SEMCONV_STABILITY_OPT_IN"
NEWEST: Final = "gen_ai_latest_experimental"
CAPTURE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

_ON_SPANS = ("true", "1", "span_only", "span_and_event")


def wants_newest(environ: Mapping[str, str]) -> bool:
    """Return True if only the newest conventions are asked for, without the names that they have replaced."""
    return NEWEST in (value.strip() for value in environ.get(OPT_IN, "").split(","))


def wants_content(environ: Mapping[str, str]) -> bool:
    """Return True if contents are to be recorded on spans."""
    return environ.get(CAPTURE, "").strip().lower() in _ON_SPANS
