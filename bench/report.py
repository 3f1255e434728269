"""Format a report as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.imports import FLOOR
from bench.recall import cost_lines, quality_lines
from bench.results import (
    DiskSize,
    Environment,
    HistoryCheck,
    ImportCost,
    ListingCost,
    Measure,
    Report,
    Throughput,
    TurnCost,
    WindowCost,
)


def format_report(report: Report) -> str:
    """Return the tables of a report, followed by the list of measures."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield _environment(report.environment)
    if report.turns:
        yield from _turns(report.turns, how="durably" if report.fsync else "without a sync of the disk")
    for many in report.many:
        yield from _many(many)
    if report.size:
        yield from _size(report.size)
    if report.imports:
        yield from _imports(report.imports)
    if report.windows:
        yield from _windows(report.windows)
    if report.histories:
        yield from _histories(report.histories)
    if report.listing:
        yield from _listing(report.listing)
    yield from _memories(report)
    if report.measures:
        yield from _measures(report.measures)


def _listing(costs: list[ListingCost]) -> Iterator[str]:
    yield f"\nLists of threads in a storage of {costs[0].threads:,} threads"
    rows = [(cost.storage, cost.name, f"{cost.found:.1f}", f"{cost.median_ms:.2f}") for cost in costs]
    yield from _table(("storage", "list", "found", "median ms"), rows)


def _memories(report: Report) -> Iterator[str]:
    if report.recall:
        yield "\nMemories: quality"
        yield from quality_lines(report.recall)
    if report.recall_cost:
        yield "\nMemories: cost"
        yield from cost_lines(report.recall_cost)


def _environment(where: Environment) -> str:
    return (
        f"Python {where.python}, msgspec {where.msgspec}, SQLite {where.sqlite}, {where.system}, "
        f"{where.processors} processors"
    )


def _turns(costs: list[TurnCost], *, how: str) -> Iterator[str]:
    yield f"\nA turn: load the context, append two messages {how} (medians in ms; x: to the raw driver)"
    rows = [
        (
            cost.storage,
            "whole" if cost.window is None else f"last {cost.window}",
            f"{cost.messages:,}",
            "raw driver" if cost.handle == "floor" else cost.handle,
            f"{cost.load_ms:.3f}",
            f"{cost.append_ms:.3f}",
            f"{cost.turn_ms:.3f}",
            f"{cost.load_ratio:.3f}",
            f"{cost.ratio:.2f}",
        )
        for cost in costs
    ]
    yield from _table(("storage", "context", "messages", "handle", "load", "append", "turn", "load x", "turn x"), rows)


def _many(many: Throughput) -> Iterator[str]:
    yield f"\n{many.conversations} conversations at once on {many.storage}, {many.turns_each} turns each (turns per s)"
    row = (f"{many.floor_per_s:,.0f}", f"{many.recuerda_per_s:,.0f}", f"{many.ratio:.2f}")
    yield from _table(("raw, one commit a turn", "recuerda", "x"), [row])
    if many.floor_cpu_us and many.recuerda_cpu_us:
        used = (many.floor_cpu_us, many.recuerda_cpu_us)
        row = (f"{used[0]:.0f}", f"{used[1]:.0f}", f"{used[0] / used[1]:.2f}")
        yield from _table(("raw, processor µs a turn", "recuerda", "x"), [row])


def _size(sizes: list[DiskSize]) -> Iterator[str]:
    yield "\nBytes a message on the disk, after close"
    rows = [
        (
            size.storage,
            f"{size.messages:,}",
            f"{size.text_bytes:.0f}",
            f"{size.floor_bytes:.0f}",
            f"{size.recuerda_bytes:.0f}",
        )
        for size in sizes
    ]
    yield from _table(("storage", "messages", "text", "raw driver", "recuerda"), rows)


def _imports(imports: list[ImportCost]) -> Iterator[str]:
    yield "\nImports in a fresh interpreter (processor time in ms)"
    rows = [
        (
            cost.statement,
            f"{cost.floor_ms:.1f}",
            f"{cost.recuerda_ms:.1f}",
            f"{cost.ratio:.2f}",
            ", ".join(cost.heavy) or "none",
        )
        for cost in imports
    ]
    yield from _table(("", FLOOR, "this", "x", "heavy modules"), rows)


def _windows(costs: list[WindowCost]) -> Iterator[str]:
    yield "\nPlanning a window (in ms; warm: medians)"
    rows = [(cost.window, f"{cost.messages:,}", f"{cost.cold_ms:.3f}", f"{cost.warm_ms:.3f}") for cost in costs]
    yield from _table(("window", "messages", "cold", "warm"), rows)


def _histories(check: HistoryCheck) -> Iterator[str]:
    yield "\nGenerated histories, most of them damaged (processor time in s)"
    yield from _table(
        ("histories", "refused", "time"), [(f"{check.histories:,}", str(check.refused), f"{check.processor_s:.1f}")]
    )


def _measures(measures: list[Measure]) -> Iterator[str]:
    yield "\nMeasures"
    rows = [
        (
            "pass" if measure.is_met else "FAIL",
            _figure(measure.figure, measure.unit),
            f"{measure.relation} {_figure(measure.limit, measure.unit)}",
            measure.name,
        )
        for measure in measures
    ]
    yield from _table(("", "figure", "limit", "measure"), rows)


def _figure(value: float, unit: str) -> str:
    return f"{value:.3f} {unit}".rstrip() if unit in ("x", "") else f"{value:,.0f} {unit}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        yield (
            "  "
            + "  ".join(
                cell.rjust(width) if _is_number(cell) else cell.ljust(width)
                for cell, width in zip(row, widths, strict=True)
            ).rstrip()
        )


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit()
