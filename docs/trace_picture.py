"""Draw `trace.svg`: the spans of one long turn, which waits for an approval. Run by `make picture`."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from recuerda import Agent, ChatRequest, ChatResponse, tool
from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from recuerda.telemetry import instrument, uninstrument
from recuerda.testing import ScriptedChatClient, call

WIDTH, LEFT, ROW = 960, 330, 26
COLOURS = {
    "invoke_agent": "#3b6ea5",
    "chat": "#b0672c",
    "execute_tool": "#5a8a4a",
    "search_memory": "#7d5a9c",
    "create_memory": "#7d5a9c",
}
STORAGE = "#8a8a8a"


class SlowModel(ScriptedChatClient):
    """Answers a script, and thinks for a while first."""

    def __init__(self, *answers: object, thinks_s: float) -> None:
        super().__init__(answers)  # pyright: ignore[reportArgumentType] - the answers below are of the right types
        self._thinks_s = thinks_s

    async def respond(self, request: ChatRequest) -> ChatResponse:
        await asyncio.sleep(self._thinks_s)
        return await super().respond(request)


async def long_turn(folder: Path, *, thinks_s: float) -> Sequence[ReadableSpan]:
    """Return the spans of a turn that looks for flights, waits for an approval, and books."""
    exporter, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))

    @tool
    async def find_flights(to: str) -> str:
        """Find flights to a city."""
        await asyncio.sleep(thinks_s / 2)
        return f"two flights to {to}"

    @tool(needs_approval=True)
    async def book(flight: str) -> str:
        """Book a flight."""
        await asyncio.sleep(thinks_s / 2)
        return f"{flight} is booked"

    model = SlowModel(
        call("find_flights", {"to": "Lima"}, call_id="call_1"),
        call("book", {"flight": "LH 530"}, call_id="call_2"),
        "Your flight is booked.",
        thinks_s=thinks_s,
    )
    async with SQLiteStorage(folder / "threads.db") as storage, RecallProvider(user_id="ana") as recall:
        tools = [find_flights, book]
        agent = Agent(model, "Travel", storage=storage, tools=tools, context_providers=recall, durability="steps")
        instrument(tracer_provider=tracers)
        try:
            await agent.run("Book me a flight to Lima.", thread="trip")
            await agent.resume("trip", approvals={"call_2": True})
        finally:
            uninstrument()
    spans = sorted(exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
    tracers.shutdown()
    return spans


def draw(spans: Sequence[ReadableSpan]) -> str:
    """Return the SVG of two traces, one below the other."""
    traces: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        context = span.get_span_context()
        traces.setdefault(context.trace_id if context else 0, []).append(span)
    rows: list[str] = []
    y = 8
    for number, trace in enumerate(traces.values()):
        if number:
            rows.append(_text(12, y + 17, "the approval comes, perhaps days later: a new trace, with a link", "note"))
            y += ROW + 6
        for span in trace:
            rows.append(_row(span, trace, y))
            y += ROW
        y += 10
    style = (
        "text{font:14px system-ui,sans-serif;fill:#222}.note{font-style:italic;fill:#555}"
        "@media(prefers-color-scheme:dark){text{fill:#ddd}.note{fill:#aaa}}"
    )
    title = "<title>The spans of one long turn</title>"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img">'
    return f"{head}{title}<style>{style}</style>\n" + "\n".join(rows) + "\n</svg>\n"


def _row(span: ReadableSpan, trace: Sequence[ReadableSpan], y: int) -> str:
    began, ended = trace[0].start_time or 0, max(one.end_time or 0 for one in trace)
    scale = (WIDTH - LEFT - 60) / (ended - began)
    x = LEFT + ((span.start_time or 0) - began) * scale
    length = max(2.0, ((span.end_time or 0) - (span.start_time or 0)) * scale)
    milliseconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
    colour = COLOURS.get(span.name.partition(" ")[0], STORAGE)
    bar = f'<rect x="{x:.1f}" y="{y + 5}" width="{length:.1f}" height="16" rx="3" fill="{colour}"/>'
    name = _text(12 + 20 * _depth(span, trace), y + 18, span.name)
    return name + bar + _text(min(x + length + 6, WIDTH - 56), y + 18, f"{milliseconds:.0f} ms")


def _depth(span: ReadableSpan, trace: Sequence[ReadableSpan]) -> int:
    ids = {one.get_span_context().span_id: one for one in trace}  # pyright: ignore[reportOptionalMemberAccess] - an ended span has a context
    depth = 0
    while span.parent is not None and span.parent.span_id in ids:
        span, depth = ids[span.parent.span_id], depth + 1
    return depth


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    mark = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{mark}>{escape(text)}</text>'


def main() -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        spans = asyncio.run(long_turn(Path(folder), thinks_s=0.4))
    (Path(__file__).parent / "trace.svg").write_text(draw(spans), encoding="utf-8")


if __name__ == "__main__":
    main()
