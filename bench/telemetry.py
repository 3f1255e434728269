"""Measure what telemetry costs in a turn on SQLite: `python -m bench.telemetry [TURNS]`.

The cost is split by stages that take turns, so that a slow moment of the machine affects all of them: telemetry off;
on, with OpenTelemetry's interface alone, which does nothing, so only recuerda's part is left; then with the SDK's spans
and an exporter in memory; then with the SDK's metrics too. A further stage has a sampler that takes no run. All threads
of the process count for the time of the processor. Each figure is the time that one of ten turns keeps below.

The last stage is the floor: telemetry is off, and after each turn the SDK makes the same number of spans and
measurements, one after the other and without attributes. No library that records so many can cost less.

The time of a commit depends on the disk, and the cost of telemetry does not. So the last lines reckon the part of
telemetry on disks that wait longer for each commit.

`python -m bench.telemetry --instructions` counts instructions with valgrind, which a busy machine does not disturb.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, NamedTuple

from opentelemetry.metrics import MeterProvider, NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider as SdkMeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, TracerProvider, set_span_in_context

from bench.instructions import SETTLED_S, count
from recuerda import Agent, ContextWindow, Usage, _observing
from recuerda.agent import observing
from recuerda.sqlite import SQLiteStorage
from recuerda.telemetry import instrument, uninstrument
from recuerda.testing import ScriptedChatClient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

STAGES = ("off", "ours", "spans", "all", "unsampled", "floor")
SPANS, MEASUREMENTS = 4, 6
"""The spans of a turn: the run, the read, the call of the model and the append; and their measurements."""

WAITS_MS = (1, 5, 10)
"""Waits for a commit, in milliseconds: a fast disk of a server, an ordinary one, and a turning one."""

WARM_UP = 50
USAGE = Usage(input_tokens=900, output_tokens=75, total_tokens=975)


class Cost(NamedTuple):
    """The time of a turn, by the clock and of the processor, in milliseconds."""

    clock_ms: float
    processor_ms: float

    def beyond(self, other: Cost) -> Cost:
        """Return the cost without another cost."""
        return Cost(self.clock_ms - other.clock_ms, self.processor_ms - other.processor_ms)


def main() -> None:
    """Print the figures, or run one stage for valgrind: `STAGE TURNS`."""
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] in STAGES:
        asyncio.run(_take_turns(arguments[0], int(arguments[1])))
    elif arguments == ["--instructions"]:
        _count_instructions()
    else:
        asyncio.run(_measure(int(arguments[0]) if arguments else 500))


def _count_instructions() -> None:
    counts = {stage: count("bench.telemetry", stage) for stage in STAGES}
    print(f"a turn without telemetry: {counts['off']:,} instructions")
    for text, stage, before in PARTS:
        more = counts[stage] - counts[before]
        print(f"{text:36} {more:+10,}, {more / counts['off']:+.1%}")


PARTS = (
    ("recuerda's part", "ours", "off"),
    (f"the SDK's {SPANS} spans", "spans", "ours"),
    (f"the SDK's {MEASUREMENTS} measurements", "all", "spans"),
    ("together", "all", "off"),
    ("with a sampler that takes no run", "unsampled", "off"),
    ("the floor: the SDK alone, empty", "floor", "off"),
)
"""The text of each part, the stage that has it, and the stage without it."""


class Providers:
    """The providers of all stages, and the observers that write to them."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.reader = InMemoryMetricReader()
        tracers, meters = SdkTracerProvider(), SdkMeterProvider([self.reader])
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self._observers = {
            "off": (None, None),
            "ours": _observers(NoOpTracerProvider(), NoOpMeterProvider()),
            "spans": _observers(tracers, NoOpMeterProvider()),
            "all": _observers(tracers, meters),
            "unsampled": _observers(SdkTracerProvider(sampler=ALWAYS_OFF), SdkMeterProvider([InMemoryMetricReader()])),
            "floor": (None, None),
        }
        self._tracer = tracers.get_tracer("bench")
        self._histogram = SdkMeterProvider([InMemoryMetricReader()]).get_meter("bench").create_histogram("bench")
        uninstrument()

    async def take(self, stage: str, take_turn: Callable[[], Awaitable[None]]) -> None:
        """Take a turn in a stage."""
        _observing.observer, observing.observer = self._observers[stage]
        await take_turn()
        if stage == "floor":
            self._record_nothing()

    def _record_nothing(self) -> None:
        run = self._tracer.start_span("run")
        inside = set_span_in_context(run)
        for _ in range(SPANS - 1):
            self._tracer.start_span("step", inside).end()
        run.end()
        for _ in range(MEASUREMENTS):
            self._histogram.record(1)

    def check(self, turns: int) -> None:
        """Check that a turn with telemetry makes as many spans and measurements as the floor."""
        data = self.reader.get_metrics_data()
        points = [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        ]
        taken = sum(point.count for point in points if isinstance(point, HistogramDataPoint))
        found = len(self.exporter.get_finished_spans()), taken
        if found != (SPANS * turns, MEASUREMENTS * turns):
            raise RuntimeError(f"{turns} turns made {found[0]} spans and {found[1]} measurements")


def _observers(
    tracers: TracerProvider, meters: MeterProvider
) -> tuple[_observing.Observer | None, observing.RunObserver | None]:
    instrument(tracer_provider=tracers, meter_provider=meters, environ={})
    return _observing.observer, observing.observer


@asynccontextmanager
async def _turns() -> AsyncGenerator[Callable[[], Awaitable[None]]]:
    """Return a function that takes a turn: it reads, calls a model that answers at once, and appends."""
    client = ScriptedChatClient(default="y" * 300, usage=USAGE)
    with tempfile.TemporaryDirectory() as folder:
        async with SQLiteStorage(Path(folder) / "threads.db") as storage:
            agent = Agent(client, storage=storage, window=ContextWindow(max_messages=20))
            thread = agent.get_thread("a")

            async def take_turn() -> None:
                await agent.run("x" * 300, thread=thread)
                client.requests.clear()  # otherwise they would be kept for a test

            yield take_turn


async def _take_turns(stage: str, turns: int) -> None:
    providers = Providers()
    async with _turns() as take_turn:
        await take_turn()
        await asyncio.sleep(SETTLED_S)
        for _ in range(turns):
            await providers.take(stage, take_turn)
            providers.exporter.clear()


async def _measure(turns: int) -> None:
    providers = Providers()
    samples: dict[str, list[tuple[float, float]]] = {stage: [] for stage in STAGES}
    async with _turns() as take_turn:
        await providers.take("all", take_turn)
        providers.check(turns=1)
        for turn in range(turns + WARM_UP):
            for stage, taken in samples.items():
                started, processor = time.perf_counter(), time.process_time()
                await providers.take(stage, take_turn)
                sample = (time.perf_counter() - started) * 1e3, (time.process_time() - processor) * 1e3
                providers.exporter.clear()
                if turn >= WARM_UP:
                    taken.append(sample)
    uninstrument()
    costs = {stage: Cost(*(_undisturbed(one) for one in zip(*taken, strict=True))) for stage, taken in samples.items()}
    _print(costs)
    started = time.perf_counter()
    providers.reader.get_metrics_data()
    print(f"the SDK collects all metrics, such as once a minute, in {(time.perf_counter() - started) * 1e3:.2f} ms")


def _undisturbed(times: Sequence[float]) -> float:
    """Return the time that one of ten turns keeps below. Other programs disturb it less than the median."""
    return quantiles(times, n=10)[0]


def _print(costs: dict[str, Cost]) -> None:
    off = costs["off"]
    print(f"a turn without telemetry: {off.clock_ms:.3f} ms, {off.processor_ms:.3f} ms of the processor")
    for text, stage, before in PARTS:
        more = costs[stage].beyond(costs[before])
        print(
            f"{text:36} {more.clock_ms:+7.3f} ms, {more.clock_ms / off.clock_ms:+.1%} of the turn;"
            f" {more.processor_ms:+7.3f} ms of the processor"
        )
    added_ms = costs["all"].beyond(off).processor_ms
    for wait_ms in WAITS_MS:
        whole_ms = off.processor_ms + wait_ms
        print(
            f"reckoned for a disk that waits {wait_ms} ms for a commit: {added_ms / whole_ms:.1%} of {whole_ms:.1f} ms"
        )


if __name__ == "__main__":
    main()
