"""Measure what telemetry costs in a turn on SQLite: `python -m bench.telemetry [TURNS]`.

Runs without telemetry, runs with it, and the bare work of OpenTelemetry's SDK take turns, so that a slow moment of the
machine affects all of them. The bare work is the same number of spans, attributes and measurements, made with the SDK
alone. All exporters are in memory. On a busy machine, trust the time of the processor. The time of the clock also
includes the wait for the disk.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import cast

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from recuerda import Agent, ContextWindow, _observing
from recuerda.agent import observing
from recuerda.sqlite import SQLiteStorage
from recuerda.telemetry import instrument, uninstrument
from recuerda.telemetry.instrumentation import Instrumentation
from recuerda.testing import ScriptedChatClient

SPANS, ATTRIBUTES, MEASUREMENTS = 4, 6, 4
"""The numbers in one run that reads, calls the model once and appends."""


def main() -> None:
    """Print the medians."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_measure(Path(folder), turns))
    off_ms, off_cpu_ms = found["off"]
    for name, (ms, cpu_ms) in found.items():
        more = (
            ""
            if name == "off"
            else f" (+{ms / off_ms:.0%} of a turn; of its processor's time: {cpu_ms / off_cpu_ms:.0%})"
        )
        print(f"{name:10} {ms:7.3f} ms, {cpu_ms:7.3f} ms of the processor{more}")


async def _measure(folder: Path, turns: int) -> dict[str, tuple[float, float]]:
    exporter, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([InMemoryMetricReader()])
    instrument(tracer_provider=tracers, meter_provider=meters, environ={})
    observer = cast("Instrumentation", _observing.observer)
    tracer, histogram = tracers.get_tracer("bench"), meters.get_meter("bench").create_histogram("bench")
    client = ScriptedChatClient(default="y" * 300)
    async with SQLiteStorage(folder / "threads.db") as storage:
        agent = Agent(client, storage=storage, window=ContextWindow(max_messages=20))
        thread = agent.get_thread("a")

        async def run() -> None:
            await agent.run("x" * 300, thread=thread)

        async def bare() -> None:
            for _ in range(SPANS):
                tracer.start_span("bench", attributes={f"name{i}": "value" for i in range(ATTRIBUTES)}).end()
            for i in range(MEASUREMENTS):
                histogram.record(1.5, {"name": f"value{i}"})

        samples: dict[str, list[tuple[float, float]]] = {"off": [], "on": [], "bare SDK": []}
        for turn in range(turns + 50):
            for name, work in (("off", run), ("on", run), ("bare SDK", bare)):
                # Another `instrument` would make new instruments, whose first measurements cost more.
                _observing.observer = observing.observer = observer if name == "on" else None
                sample = await _time(work)
                exporter.clear()
                client.requests.clear()
                if turn >= 50:
                    samples[name].append(sample)
    uninstrument()
    off, on, sdk = (tuple(median(one) * 1e3 for one in zip(*found, strict=True)) for found in samples.values())
    return {
        "off": (off[0], off[1]),
        "telemetry": (on[0] - off[0], on[1] - off[1]),
        "bare SDK": (sdk[0], sdk[1]),
    }


async def _time(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    started, processor = time.perf_counter(), time.process_time()
    await work()
    return time.perf_counter() - started, time.process_time() - processor


if __name__ == "__main__":
    main()
