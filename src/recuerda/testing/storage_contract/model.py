"""A test with random sequences of operations, which compares each result with the result of the RAM storage.

A sequence is plain data and is drawn before it runs, so that hypothesis can make a failing sequence smaller and show it
as a list. Two values are not compared, because each storage has its own: incarnations, and the times of the storage's
clock. `first` may be any number above the numbers of all removed turns, up to the number of the first remaining turn.
Records of undos, trims and summaries below `first` may be gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from recuerda.errors import RecuerdaError
from recuerda.ids import new_id
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import Draft, DraftStep
from recuerda.storage.operations import Appended, ThreadSlice, UndoneTurn
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import Blob, TurnRecord
from recuerda.storage.thread_info import ThreadInfo, Version
from recuerda.testing.storage_contract.base import ContractBase, a_turn

Options: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of a storage.

    Attributes:
        name: the name of the operation.
        thread: "a" or "b".
        options: the arguments of the call.
        ahead: the difference of `expected` from the true revision; None for a call without `expected`.
        life: the version after which a read asks: "any" for a number alone, "same" for the thread's own incarnation,
            "other" for a past one.
    """

    name: str
    thread: str
    options: Options = field(default_factory=dict[str, Any])
    ahead: int | None = None
    life: str = "any"


_IDS = ("t1", "t2", "t3", "t4")
_BLOBS = tuple(Blob.of(data) for data in (b"", b"cat", b"dog"))


def operations() -> st.SearchStrategy[Operation]:
    """Draw one operation. Appends and reads are the most likely."""
    thread, turn_id, count = st.sampled_from(["a", "b"]), st.sampled_from(_IDS), st.integers(1, 6)
    ahead = st.sampled_from([0, -1, 1])
    user, title = st.sampled_from(["ana", "bob"]), st.none() | st.text("ab", max_size=2)

    def one(names: str, *, ahead: st.SearchStrategy[int] | None = None, **options: Any) -> st.SearchStrategy[Operation]:
        lives = st.sampled_from(["any", "same", "other"])
        some_options = st.fixed_dictionaries({}, optional=options)
        some_ahead = st.none() if ahead is None else st.none() | ahead | st.just(0)
        return st.builds(Operation, st.sampled_from(names.split()), thread, some_options, some_ahead, lives)

    append = one(
        "append",
        ahead=ahead,
        body=st.binary(max_size=4),
        messages=count,
        id=turn_id,
        keep_messages=count,
        user_id=user,
        title=title,
        replaces=st.integers(-1, 3),
        blobs=st.lists(st.sampled_from(_BLOBS), max_size=2),
    )
    read = one(
        "read",
        after=st.integers(0, 12),
        before=st.integers(1, 12),
        last_messages=count,
        last_turns=st.integers(0, 4),
        turn_id=turn_id,
        with_summary=st.booleans(),
        blobs=st.none() | st.integers(0, 3),
    )
    return st.one_of(
        append,
        append,
        append,
        read,
        read,
        one("undo", ahead=ahead),
        one("summarize", ahead=ahead, body=st.binary(max_size=4), back=st.integers(-1, 6)),
        one("trim", ahead=ahead, keep_turns=count),
        one("trim", ahead=ahead, keep_messages=count),
        one(
            "update",
            title=title,
            user_id=st.none() | user,
            metadata=st.dictionaries(st.text("ab"), count),
            archived=st.booleans(),
            tags=st.sets(st.sampled_from("xyz")),
        ),
        one("save", ahead=ahead, turn_id=turn_id, body=st.sampled_from([b"", b"1"]), back=st.integers(-1, 2)),
        one("save", ahead=ahead, body=st.sampled_from([b"", b"1"]), back=st.just(0)),
        one("walk", user_id=user),
        one(
            "list",
            user_id=user,
            title=st.text("ab ", max_size=2),
            metadata=st.dictionaries(st.sampled_from("ab"), st.none() | count, max_size=1),
            tags=st.sets(st.sampled_from("xyz"), max_size=2),
            archived=st.none() | st.booleans(),
        ),
        one("head load drop delete"),
    )


class ModelContract(ContractBase):
    """A test with random sequences of operations."""

    @settings(
        deadline=None,
        # All examples use one storage, each with threads of its own, and the tests of all storages inherit this test.
        suppress_health_check=[
            HealthCheck.function_scoped_fixture,
            HealthCheck.differing_executors,
            HealthCheck.too_slow,
        ],
    )
    @given(sequence=st.lists(operations(), min_size=1, max_size=25))
    async def test_any_sequence_of_operations_gives_what_the_ram_storage_gives(
        self, storage: Storage, another: Storage, sequence: list[Operation]
    ) -> None:
        oracle = MemoryStorage()
        prefix = f"{new_id()} "
        newest_cut = dict[str, int]()
        for i, operation in enumerate(sequence):
            thread = prefix + operation.thread
            before = await _turn_numbers(oracle, thread)
            resolved = await _resolve(operation, oracle, thread, keeps_blobs=storage.max_blob_bytes != 0)
            wanted = await _outcome(oracle, resolved, thread)
            got = await _outcome((storage, another)[i % 2], resolved, thread)
            _check_same(got, wanted, resolved, held=await _turn_numbers(oracle, thread))
            if operation.name == "delete":
                newest_cut.pop(thread, None)
            elif operation.name in ("append", "trim"):
                gone = before - await _turn_numbers(oracle, thread) - {resolved.options.get("replaces", 0)}
                newest_cut[thread] = max(newest_cut.get(thread, 0), *gone, 0)
            await _check_whole(another, oracle, thread, newest_cut.get(thread, 0))


async def _resolve(operation: Operation, oracle: Storage, thread: str, *, keeps_blobs: bool) -> Operation:
    """Return the operation with its real arguments. Some drawn arguments are relative to the thread's state."""
    options = dict(operation.options)
    if not keeps_blobs:
        options.pop("blobs", None)
    info = await oracle.head(thread)
    if operation.ahead is not None:
        options["expected"] = max(0, (info.revision if info else 0) + operation.ahead)
    if operation.name == "trim" and not options.keys() & {"keep_turns", "keep_messages"}:
        options["keep_turns"] = 2
    revision = info.revision if info else 0
    if "replaces" in options:
        options["replaces"] = max(1, revision - options["replaces"])
    if operation.name == "summarize":
        options["through"] = max(0, revision - options.pop("back", 0))
        options.setdefault("body", b"")
    if operation.name == "save":
        options = {"step": _step(await oracle.load_draft(thread), options, revision)}
    return Operation(operation.name, operation.thread, options, operation.ahead, operation.life)


def _step(draft: Draft | None, options: Options, revision: int) -> DraftStep:
    """Return the draft's next step, or an earlier step, or a step that comes too soon."""
    turn_id = options.get("turn_id", draft.turn_id if draft else "t1")
    number = 1 if draft is None or "back" not in options else max(1, len(draft.steps) + 1 - options["back"])
    begun_on = draft.revision if draft is not None and number > 1 else options.get("expected", revision)
    return DraftStep(turn_id=turn_id, revision=begun_on, number=number, body=options.get("body", b""))


async def _outcome(storage: Storage, operation: Operation, thread: str) -> object:
    try:
        return await _call(storage, operation, thread)
    except RecuerdaError as error:
        return type(error), str(error)


async def _call(storage: Storage, operation: Operation, thread: str) -> object:
    options = dict(operation.options)
    match operation.name:
        case "append":
            turn = a_turn(options.pop("body", b""), messages=options.pop("messages", 1), id=options.pop("id", None))
            turn = replace(turn, blobs=tuple(options.pop("blobs", ())))
            return await storage.append(thread, turn, **options)
        case "read":
            return await storage.read(thread, **(options | await _after(storage, operation, thread)))
        case "list":
            return await _listed(storage, thread[: -len(operation.thread)], options)
        case "walk":
            prefix = thread[: -len(operation.thread)]
            return {info.id async for info in storage.threads(**options) if info.id.startswith(prefix)}
        case "save":
            await storage.save_draft(thread, **options)  # the incarnation is drawn at random
            return None
        case _:
            method = {"load": "load_draft", "drop": "drop_draft", "update": "update_thread"}
            return await getattr(storage, method.get(operation.name, operation.name))(thread, **options)


async def _listed(storage: Storage, prefix: str, options: Options) -> set[str]:
    """Return the ids of the listed threads that have a prefix. Other examples have left threads in the storage."""
    found: set[str] = set()
    cursor: str | None = None
    while True:
        page = await storage.list_threads(**options, limit=1_000, cursor=cursor)
        found |= {info.id for info in page.threads if info.id.startswith(prefix)}
        if (cursor := page.cursor) is None:
            return found


async def _after(storage: Storage, operation: Operation, thread: str) -> Options:
    """Return the argument `after` of a read, with the version that the drawn number had or never had."""
    after = operation.options.get("after", 0)
    info = await storage.head(thread)
    if operation.life == "any" or info is None or not after:
        return {"after": after}
    if operation.life == "other":
        return {"after": Version("another life", after, "another record", info.edits)}
    if after == info.revision:
        return {"after": info.version}
    held = {record.number: record.id for record in (await storage.read(thread)).records}
    return {"after": Version(info.incarnation, after, held.get(after, "never there"), info.edits)}


def _check_same(got: object, wanted: object, operation: Operation, *, held: set[int]) -> None:
    first = 0
    if isinstance(got, ThreadSlice) and isinstance(wanted, ThreadSlice) and got.info and wanted.info:
        first = max(got.info.first, wanted.info.first)
        covered = wanted.summary.target or 0 if wanted.summary else 0
        after = operation.options.get("after", 0) if wanted.is_continued else 0
        shown = [record.number for record in got.records]
        highest = operation.options.get("before", got.info.revision + 1) - 1
        left_out = [number for number in held - set(shown) if max(after, covered) < number <= highest]
        assert got.start > max(left_out, default=max(after, covered)), operation
        assert got.start <= min(shown, default=got.start), operation
    assert _comparable(got, first) == _comparable(wanted, first), operation


def _comparable(value: object, first: int = 0) -> object:
    match value:
        case ThreadSlice():
            records = tuple(_record(one) for one in value.records if one.kind == "turn" or one.number >= first)
            found = value.found and _record(value.found)
            summary = value.summary and _record(value.summary)
            info = value.info and _info(value.info)
            return replace(value, records=records, start=0, found=found, info=info, summary=summary)
        case Draft():
            return replace(value, steps=tuple(replace(step, created_us=0) for step in value.steps))
        case ThreadInfo():
            return _info(value)
        case Appended():
            return replace(value, record=_record(value.record))
        case TurnRecord():
            return _record(value)
        case UndoneTurn():
            return UndoneTurn(_record(value.record), dict(value.blobs))
        case _:
            return value


def _info(info: ThreadInfo) -> ThreadInfo:
    record_id = info.record_id if info.record_id in (*_IDS, "") else "drawn at random"
    edits = min(info.edits, 1)  # a time, and 0 before the first change
    return replace(info, incarnation="", record_id=record_id, edits=edits, first=0, created_us=0, updated_us=0)


def _record(record: TurnRecord) -> TurnRecord:
    return replace(record, created_us=0, committed_us=0, id=record.id if record.id in _IDS else "drawn at random")


async def _check_whole(storage: Storage, oracle: Storage, thread: str, newest_cut: int) -> None:
    got, wanted = await storage.read(thread, blobs=None), await oracle.read(thread, blobs=None)
    assert _comparable(got) == _comparable(wanted)
    assert _comparable(await storage.load_draft(thread)) == _comparable(await oracle.load_draft(thread))
    summarised = await storage.read(thread, with_summary=True), await oracle.read(thread, with_summary=True)
    assert _comparable(summarised[0]) == _comparable(summarised[1])
    if got.info is not None:
        assert newest_cut < got.info.first <= min((record.number for record in got.records), default=got.info.first)
        assert got.info.turns == len(got.records)
        assert got.info.messages == sum(record.message_count for record in got.records)


async def _turn_numbers(storage: Storage, thread: str) -> set[int]:
    return {record.number for record in (await storage.read(thread)).records}
