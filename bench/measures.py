"""The promises about speed and size, and whether a run of the benchmark kept them.

Only measured figures are judged. A run of some parts, or of other sizes, gives fewer measures.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Literal

from bench.imports import ALONE, FIRST_PROGRAM, FLOOR
from bench.results import DiskSize, Handle, ImportCost, Measure, Report, TurnCost
from bench.turns import WINDOW

_RELATIONS = {"<=": operator.le, ">=": operator.ge}
_MANY_MESSAGES = 10_000
_MANY = {"sqlite": 5.0, "redis": 3.0, "postgresql": 3.0}
_MANY_WITHOUT_FSYNC: dict[str, float] = {}
_TURN: dict[Handle, float] = {"cold": 2.0, "warm": 2.0}
_TURN_WITHOUT_FSYNC: dict[Handle, float] = {"cold": 2.2, "warm": 1.6}


def judge(report: Report) -> list[Measure]:
    """Return the measures for which the report has figures."""
    costs = [cost for cost in report.turns if cost.storage == "sqlite"]
    return [
        *_windowed(costs, _TURN if report.fsync else _TURN_WITHOUT_FSYNC),
        *_flat(costs, 1.2 if report.fsync else 1.1),
        *_whole(costs),
        *_many(report),
        *_size(report.size),
        *_imports(report.imports),
        *_servers(report),
        *_windows(report),
        *_recall(report),
        *_listing(report),
    ]


def _listing(report: Report) -> Iterator[Measure]:
    for cost in report.listing:
        if cost.name.startswith("a user"):
            yield _measure(f"{cost.storage}, {cost.name}, {cost.threads:,} threads", [cost.median_ms], "<=", 10.0, "ms")


def _recall(report: Report) -> Iterator[Measure]:
    if report.recall is not None:
        yield _measure("memories, recall@10", [report.recall.overall.recall[10]], ">=", 0.75, "")
    if report.recall_cost is not None:
        cost = report.recall_cost
        where = f"memories, a search among {cost.memories:,} of {cost.users} users"
        yield _measure(f"{where}, median", [cost.search_ms[0]], "<=", 10.0, "ms")
        yield _measure(f"{where}, p95", [cost.search_ms[1]], "<=", 30.0, "ms")
        yield _measure("memories, a turn in addition to its commit", [cost.remembered_ms], "<=", 1.0, "ms")


def _windowed(costs: list[TurnCost], limits: dict[Handle, float]) -> Iterator[Measure]:
    for handle, limit in limits.items():
        ratios = [cost.ratio for cost in _pick(costs, handle, WINDOW)]
        if ratios:
            name = f"SQLite, turn with a window of {WINDOW}, {handle}, worst size / raw driver"
            yield _measure(name, ratios, "<=", limit)


def _flat(costs: list[TurnCost], limit: float) -> Iterator[Measure]:
    for handle in ("cold", "warm"):
        by_size = sorted(_pick(costs, handle, WINDOW), key=lambda cost: cost.messages)
        if len(by_size) > 1:
            small, large = by_size[0], by_size[-1]
            name = f"SQLite, the same turn, {handle}, at {large.messages:,} messages / at {small.messages:,}"
            yield _measure(name, [large.turn_ms / small.turn_ms], "<=", limit)


def _whole(costs: list[TurnCost]) -> Iterator[Measure]:
    limits: tuple[tuple[Handle, float], ...] = (("warm", 1 / 40), ("cold", 1.0))
    for handle, limit in limits:
        found = min(_pick(costs, handle, None), key=lambda cost: abs(cost.messages - _MANY_MESSAGES), default=None)
        if found is not None:
            name = f"SQLite, loading all of {found.messages:,} messages, {handle} / raw driver"
            yield _measure(name, [found.load_ratio], "<=", limit)


def _many(report: Report) -> Iterator[Measure]:
    limits = _MANY if report.fsync else _MANY_WITHOUT_FSYNC
    for many in report.many:
        if many.storage in limits:
            name = f"{many.storage}, {many.conversations} conversations at once, turns/s / raw commits one by one"
            yield _measure(name, [many.ratio], ">=", limits[many.storage])


def _size(sizes: list[DiskSize]) -> Iterator[Measure]:
    found = max((size for size in sizes if size.storage == "sqlite"), key=lambda size: size.messages, default=None)
    if found is not None:
        name = f"SQLite, a message with {found.text_bytes:.0f} bytes of text, of {found.messages:,}"
        yield _measure(name, [found.recuerda_bytes], "<=", 440.0, "bytes")


def _imports(imports: list[ImportCost]) -> Iterator[Measure]:
    limits = {ALONE: 1.15, FIRST_PROGRAM: 1.4}
    for cost in imports:
        yield _measure(f"{cost.statement} / {FLOOR}", [cost.ratio], "<=", limits[cost.statement])
        yield _measure(f"heavy modules loaded by {cost.statement}", [len(cost.heavy)], "<=", 0.0, "modules")


def _windows(report: Report) -> Iterator[Measure]:
    for cost in report.windows:
        if cost.messages == max(each.messages for each in report.windows):
            name = f"planning a window of {cost.window} over a warm thread of {cost.messages:,} messages"
            yield _measure(name, [cost.warm_ms * 1e3], "<=", 1_000.0, "µs")
    if report.histories:
        name = f"of {report.histories.histories:,} generated histories, refused by the rules of chat completions"
        yield _measure(name, [report.histories.refused], "<=", 0.0, "histories")


def _servers(report: Report) -> Iterator[Measure]:
    for kind, limit in (("redis", 1.3), ("postgresql", 1.5)):
        costs = [cost for cost in report.turns if cost.storage == kind]
        for handle in ("cold", "warm"):
            ratios = [cost.ratio for cost in _pick(costs, handle, WINDOW)]
            if ratios:
                name = f"{kind}, turn with a window of {WINDOW}, {handle}, worst size / raw client"
                yield _measure(name, ratios, "<=", limit)


def _pick(costs: list[TurnCost], handle: str, window: int | None) -> list[TurnCost]:
    return [cost for cost in costs if cost.handle == handle and cost.window == window]


def _measure(name: str, figures: list[float], relation: Literal["<=", ">="], limit: float, unit: str = "x") -> Measure:
    figure = max(figures)
    is_met = bool(_RELATIONS[relation](figure, limit))
    return Measure(name=name, figure=figure, relation=relation, limit=limit, unit=unit, is_met=is_met)
