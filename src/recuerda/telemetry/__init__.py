"""OpenTelemetry for agents, models, tools, storages, memories and the server.

`instrument` switches it on for the whole process, and `uninstrument` switches it off. No other part of recuerda imports
this package. `names.py` has all names, and says from which version of the conventions they are. `instrumentation.py` is
the observer: it begins the spans of `spans.py` and records the metrics of `metrics.py`. `contents.py` gives contents
their form if they are recorded, and `watching.py` counts the open drafts of a storage.
"""

from importlib import import_module

from recuerda.errors import MissingExtraError

try:
    import_module("opentelemetry.trace")
except ImportError:
    raise MissingExtraError(module="recuerda.telemetry", extra="otel") from None

from recuerda.telemetry.contents import Redact
from recuerda.telemetry.switch import instrument, uninstrument
from recuerda.telemetry.watching import watch_drafts

__all__ = ["Redact", "instrument", "uninstrument", "watch_drafts"]
