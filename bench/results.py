"""What a run of the bench found, as data: the tables and the JSON are made of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from bench.locomo import Quality

Handle: TypeAlias = Literal["floor", "cold", "warm"]
"""Who did a turn: the raw driver, a new handle on the thread, or one that has read it before."""


class TurnCost(msgspec.Struct, frozen=True, kw_only=True):
    """Medians of one way to do a turn, in milliseconds.

    Attributes:
        storage: the kind of storage.
        messages: how many messages the thread has.
        window: how many of the newest are loaded; None for all.
        handle: who did it.
        rounds: how many turns were timed.
        load_ms: reading the context.
        append_ms: writing two messages.
        turn_ms: both.
        ratio: `turn_ms` to the floor's.
        load_ratio: `load_ms` to the floor's.
    """

    storage: str
    messages: int
    window: int | None
    handle: Handle
    rounds: int
    load_ms: float
    append_ms: float
    turn_ms: float
    ratio: float
    load_ratio: float


class Throughput(msgspec.Struct, frozen=True, kw_only=True):
    """Many conversations at once: medians, in turns per second."""

    storage: str = "sqlite"
    conversations: int
    turns_each: int
    rounds: int
    floor_per_s: float
    recuerda_per_s: float
    ratio: float


class DiskSize(msgspec.Struct, frozen=True, kw_only=True):
    """What one conversation takes on the disk once its storage is closed, in bytes a message."""

    storage: str
    messages: int
    text_bytes: float
    floor_bytes: float
    recuerda_bytes: float


class ImportCost(msgspec.Struct, frozen=True, kw_only=True):
    """The processor time of an import in a fresh interpreter, in milliseconds: the least of `rounds` runs.

    Attributes:
        heavy: modules that were loaded and should not have been.
    """

    rounds: int
    floor_ms: float
    recuerda_ms: float
    ratio: float
    modules: int
    heavy: list[str]


class WindowCost(msgspec.Struct, frozen=True, kw_only=True):
    """Planning a window over a thread: the first plan, and the median of the `rounds` after it, in milliseconds."""

    window: str
    messages: int
    rounds: int
    cold_ms: float
    warm_ms: float


class HistoryCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How many generated histories were sent, and how many of them a service would refuse."""

    histories: int
    refused: int
    processor_s: float


class RecallQuality(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a file of conversations.

    Attributes:
        overall: over all questions.
        categories: by kind of question.
        conversations: by conversation.
        search_ms: the median and the 95th percentile of a search.
        added_per_s: messages that were taken into the index a second.
    """

    overall: Quality
    categories: dict[str, Quality]
    conversations: dict[str, Quality]
    search_ms: tuple[float, float]
    added_per_s: float


class RecallCost(msgspec.Struct, frozen=True, kw_only=True):
    """What memories of many users cost.

    Attributes:
        memories: how many messages there are.
        users: of how many users.
        search_ms: the median and the 95th percentile of a search in one user's memories.
        commit_ms: the median of appending a turn.
        remembered_ms: the median of taking it into the index, besides.
        added_per_s: messages that were taken into the index a second, when it was built.
        bytes_each: what a message takes in the index.
    """

    memories: int
    users: int
    search_ms: tuple[float, float]
    commit_ms: float
    remembered_ms: float
    added_per_s: float
    bytes_each: float


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A promise, and what became of it.

    Attributes:
        name: what is promised.
        figure: what was measured.
        relation: how the figure has to lie to the limit.
        limit: the promise.
        unit: of both; "x" for ratios.
        is_met: whether the promise was kept.
    """

    name: str
    figure: float
    relation: Literal["<=", ">="]
    limit: float
    unit: str
    is_met: bool


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured: enough to tell whether two runs can be compared."""

    python: str
    msgspec: str
    sqlite: str
    system: str
    processors: int


class Report(msgspec.Struct, kw_only=True):
    """Everything that a run found; parts that were not asked for are empty."""

    version: int = 1
    environment: Environment
    turns: list[TurnCost] = []
    many: Throughput | None = None
    many_on_servers: list[Throughput] = []
    size: list[DiskSize] = []
    imports: ImportCost | None = None
    recall: RecallQuality | None = None
    recall_cost: RecallCost | None = None
    windows: list[WindowCost] = []
    histories: HistoryCheck | None = None
    measures: list[Measure] = []
