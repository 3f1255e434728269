"""The results of a run of the benchmark, as data. The tables and the JSON are made from them."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from bench.locomo import Quality

Handle: TypeAlias = Literal["floor", "cold", "warm", "openai-agents", "agent-framework"]
"""The way to do a turn: with the raw driver, a new handle on the thread, a handle that has read it, or a peer."""


class TurnCost(msgspec.Struct, frozen=True, kw_only=True):
    """The medians of one way to do a turn, in milliseconds.

    Attributes:
        storage: the kind of storage.
        messages: the number of messages in the thread.
        window: the number of newest messages that are loaded; None for all.
        handle: the way to do the turn.
        rounds: the number of timed turns.
        load_ms: the time for reading the context.
        append_ms: the time for writing two messages.
        turn_ms: the time for both.
        ratio: `turn_ms` divided by that of the floor.
        load_ratio: `load_ms` divided by that of the floor.
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
    """The medians for many conversations at once, in turns per second.

    `floor_cpu_us` and `recuerda_cpu_us` are the least processor time of a turn, which depends less on other programs.
    They are None if another process does a part of the work.
    """

    storage: str
    conversations: int
    turns_each: int
    rounds: int
    floor_per_s: float
    recuerda_per_s: float
    ratio: float
    floor_cpu_us: float | None = None
    recuerda_cpu_us: float | None = None


class DiskSize(msgspec.Struct, frozen=True, kw_only=True):
    """The size of one conversation on the disk after its storage is closed, in bytes per message."""

    storage: str
    messages: int
    text_bytes: float
    floor_bytes: float
    recuerda_bytes: float


class ImportCost(msgspec.Struct, frozen=True, kw_only=True):
    """The processor time of an import in a new interpreter, in milliseconds: the least of `rounds` runs.

    Attributes:
        statement: the import.
        heavy: the loaded modules that it must not load.
    """

    statement: str
    rounds: int
    floor_ms: float
    recuerda_ms: float
    ratio: float
    modules: int
    heavy: list[str]


class WindowCost(msgspec.Struct, frozen=True, kw_only=True):
    """The milliseconds to plan a window over a thread: the first plan, and the median of `rounds` later ones."""

    window: str
    messages: int
    rounds: int
    cold_ms: float
    warm_ms: float


class HistoryCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The number of generated histories, and the number of those that a service would refuse."""

    histories: int
    refused: int
    processor_s: float


class RecallQuality(msgspec.Struct, frozen=True, kw_only=True):
    """The quality of the memories that were found in a file of conversations.

    Attributes:
        overall: the quality over all questions.
        categories: the quality for each kind of question.
        conversations: the quality for each conversation.
        search_ms: the median and the 95th percentile of a search, with the embedder's time.
        embedder_ms: the median time in which the embedder turns a question into a vector; None without an embedder.
        added_per_s: the number of messages that the index took in each second.
        thresholds: for each `min_relevance`, the share of the right answers that are still found, and the share of
            questions about another conversation that find nothing.
    """

    overall: Quality
    categories: dict[str, Quality]
    conversations: dict[str, Quality]
    search_ms: tuple[float, float]
    embedder_ms: float | None
    added_per_s: float
    thresholds: dict[float, tuple[float, float]]


class RecallCost(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of the memories of many users.

    Attributes:
        memories: the number of messages.
        users: the number of users.
        search_ms: the median and the 95th percentile of a search in one user's memories.
        commit_ms: the median time to append a turn.
        remembered_ms: the median time to take the turn into the index, in addition.
        added_per_s: the number of messages that the index took in each second while it was built.
        bytes_each: the bytes of a message in the index, right after the index was built.
        text_bytes: the bytes of the text of a message.
        search_processor_ms: the mean processor time of a search in this process, which other work does not change.
        compact_bytes_each: the bytes of a message in the index without free space; None if that was not measured.
        meaning_ms: the median and the 95th percentile of a search that compares vectors, too, without the embedder's
            time; None if that was not measured.
    """

    memories: int
    users: int
    search_ms: tuple[float, float]
    commit_ms: float
    remembered_ms: float
    added_per_s: float
    bytes_each: float
    text_bytes: float
    search_processor_ms: float
    compact_bytes_each: float | None = None
    meaning_ms: tuple[float, float] | None = None


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A promise, and whether the run kept it.

    Attributes:
        name: the name of the promise.
        figure: the measured figure.
        relation: the relation that the figure must have to the limit.
        limit: the promised limit.
        unit: the unit of figure and limit; "x" for ratios.
        is_met: whether the promise was kept.
    """

    name: str
    figure: float
    relation: Literal["<=", ">="]
    limit: float
    unit: str
    is_met: bool


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The machine of the run, with enough facts to tell whether two runs can be compared."""

    python: str
    msgspec: str
    sqlite: str
    system: str
    processors: int


class ListingCost(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of one list of threads.

    Attributes:
        storage: the kind of storage.
        threads: the number of threads in the storage.
        name: the list.
        found: the mean number of threads on the page.
        median_ms: the median time, in milliseconds.
    """

    storage: str
    threads: int
    name: str
    found: float
    median_ms: float


class Report(msgspec.Struct, kw_only=True):
    """All results of a run. Parts that were not run are empty. Without `fsync`, no commit was synced to the disk."""

    version: int = 1
    environment: Environment
    fsync: bool = True
    turns: list[TurnCost] = []
    many: list[Throughput] = []
    size: list[DiskSize] = []
    imports: list[ImportCost] = []
    recall: RecallQuality | None = None
    recall_cost: RecallCost | None = None
    windows: list[WindowCost] = []
    listing: list[ListingCost] = []
    histories: HistoryCheck | None = None
    measures: list[Measure] = []
