"""Spans and metrics reach a collector over OTLP, and `opentelemetry-instrument` needs no change to the program."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from recuerda import Agent, Storage, _observing
from recuerda.telemetry import instrument, uninstrument
from recuerda.telemetry.instrumentation import Instrumentation
from recuerda.testing import ScriptedChatClient

ROOT = Path(__file__).parents[2]


class Collector(ThreadingHTTPServer):
    """Keeps the bodies of all requests by their paths."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: list[tuple[str, bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert isinstance(self.server, Collector)
        self.server.bodies.append((self.path, body))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_a_collector_gets_spans_and_metrics_over_otlp(collector: Collector, storage: Storage) -> None:
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{collector.url}/v1/traces")))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{collector.url}/v1/metrics"))
    meters = MeterProvider([reader])
    instrument(tracer_provider=tracers, meter_provider=meters, environ={})
    await Agent(ScriptedChatClient(["Yes."]), name="Guide", storage=storage).run("Well?", thread="t")
    uninstrument()
    tracers.shutdown()
    meters.shutdown()
    scopes = [
        scope
        for path, body in collector.bodies
        if path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
    ]
    assert {(scope.scope.name, scope.schema_url) for scope in scopes} == {
        ("recuerda", "https://opentelemetry.io/schemas/1.41.1")
    }
    spans = {span.name: span for scope in scopes for span in scope.spans}
    assert set(spans) == {"invoke_agent Guide", "read", "chat", "append"}
    assert spans["chat"].parent_span_id == spans["invoke_agent Guide"].span_id
    metrics = {
        metric.name
        for path, body in collector.bodies
        if path == "/v1/metrics"
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    assert {"gen_ai.client.operation.duration", "db.client.operation.duration", "recuerda.turns"} <= metrics


def test_the_entry_point_switches_telemetry_on_and_off() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["opentelemetry_instrumentor"]["recuerda"].partition(":")
    instrumentor = getattr(import_module(module), name)()
    instrumentor.instrument(skip_dep_check=True)
    assert isinstance(_observing.observer, Instrumentation)
    instrumentor.uninstrument()
    assert _observing.observer is None
