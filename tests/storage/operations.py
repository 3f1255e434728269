"""Every public operation of a storage, with the state that it needs before, and an oracle for its outcome.

An outcome is a plain value: random ids and clocks are taken out, so that the outcomes of two storages can be compared.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias, cast

from recuerda import ChatMessage, ChatMessageStore
from recuerda.copying import Copied, copy_thread
from recuerda.errors import RecuerdaError, StorageError, ThreadConflict
from recuerda.ids import new_id
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import Turn
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import Draft, DraftStep
from recuerda.storage.erasure import Erasure
from recuerda.storage.operations import Appended, ThreadSlice, UndoneTurn
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import NewTurn, TurnRecord
from recuerda.storage.thread_info import ThreadInfo, ThreadPage, Version

Do: TypeAlias = Callable[[Storage, str], Awaitable[object]]

OLD_US = 1_000_000
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Operation:
    """An operation, and the steps that prepare a thread for it.

    Attributes:
        do: the operation. It gets the version of the prepared thread if `expects`.
        prepare: the steps.
        expects: True if the operation expects a version.
        parts: the beginnings of an operation that makes several writes, at which it may stop when it fails.
    """

    do: Callable[[Storage, str, Version | None], Awaitable[object]]
    prepare: tuple[Do, ...] = ()
    expects: bool = False
    parts: tuple[Do, ...] = ()


def owner_of(thread: str) -> str:
    return f"ana of {thread}"


def a_turn(id: str | None = None, *, created_us: int | None = OLD_US) -> NewTurn:
    body = encode_turn(Turn(messages=(ChatMessage("user", f"say {id or 'something'}"),), input_count=1))
    return NewTurn(id=id, body=body, message_count=1, created_us=created_us)


def a_step(number: int, *, revision: int = 3) -> DraftStep:
    return DraftStep(turn_id="running", revision=revision, number=number, body=b"step %d" % number, created_us=OLD_US)


async def _three(storage: Storage, thread: str) -> None:
    for number in range(1, 4):
        await storage.append(thread, a_turn(f"t{number}"), user_id=owner_of(thread), title="Title")


async def _draft(storage: Storage, thread: str) -> None:
    for number in (1, 2):
        await storage.save_draft(thread, a_step(number))


async def _summary(storage: Storage, thread: str) -> None:
    await storage.summarize(thread, b"so far", through=2)


async def _lease(storage: Storage, thread: str) -> None:
    await storage.take_lease(thread, "me", MINUTE)


async def _held(storage: Storage, thread: str) -> bool:
    async with storage.lease(thread, MINUTE):
        return await storage.take_lease(thread, "another", MINUTE)


async def _walk(storage: Storage, thread: str) -> list[object]:
    return [outcome_of(info) async for info in storage.threads(user_id=owner_of(thread))]


async def _heads(storage: Storage, thread: str) -> list[object]:
    return [outcome_of(info) for info in (await storage.heads([thread, f"{thread} absent"])).values()]


async def _has_draft(storage: Storage, thread: str) -> bool:
    return thread in (await storage.list_drafts(10_000)).thread_ids


def _store(storage: Storage, thread: str) -> ChatMessageStore:
    return ChatMessageStore(storage=storage, thread_id=thread)


async def _import(storage: Storage, thread: str) -> int:
    source = MemoryStorage()
    await _three(source, thread)
    return await _store(storage, thread).import_jsonl(await _store(source, thread).export_jsonl())


async def _copy(storage: Storage, thread: str) -> object:
    source = MemoryStorage()
    await _three(source, thread)
    return await copy_thread(source, storage, thread)


async def _fork(storage: Storage, thread: str) -> object:
    fork = await _store(storage, thread).fork(through=2, thread_id=f"{thread} fork")
    return [turn.id for turn in await fork.list_turns()]


async def _fork_without_turns(storage: Storage, thread: str) -> object:
    """Begin a fork as `_fork` does. It gets its turns in further writes, and the same call completes it."""
    return await storage.update_thread(f"{thread} fork", user_id=owner_of(thread), title="Title", title_turn=1)


async def _erase(storage: Storage, thread: str) -> object:
    return await storage.erase_user(owner_of(thread))


async def _rewrite(storage: Storage, thread: str, version: Version | None) -> bool:
    edits = await storage.rewrite(thread, {2: a_turn("rewritten").body}, expected=version)
    info = await storage.head(thread)
    return info is not None and edits == info.edits


_SET = {"k": 1, "gone": None}

OPERATIONS: dict[str, Operation] = {
    "begin a thread": Operation(
        lambda storage, thread, _: storage.append(thread, a_turn("new"), user_id=owner_of(thread), title="T")
    ),
    "begin a thread with a random id": Operation(lambda storage, thread, _: storage.append(thread, a_turn())),
    "append": Operation(lambda storage, thread, v: storage.append(thread, a_turn("new"), expected=v), (_three,), True),
    "append now": Operation(
        lambda storage, thread, _: storage.append(thread, a_turn("new", created_us=None)), (_three,)
    ),
    "append with a random id": Operation(
        lambda storage, thread, v: storage.append(thread, a_turn(created_us=None), expected=v), (_three,), True
    ),
    "append again": Operation(lambda storage, thread, _: storage.append(thread, a_turn("t2"), expected=1), (_three,)),
    "append with a limit": Operation(
        lambda storage, thread, v: storage.append(thread, a_turn("new"), keep_messages=2, expected=v), (_three,), True
    ),
    "replace": Operation(
        lambda storage, thread, v: storage.append(thread, a_turn("new"), replaces=3, expected=v), (_three, _draft), True
    ),
    "replace with a random id": Operation(
        lambda storage, thread, _: storage.append(thread, a_turn(), replaces=2, keep_messages=2), (_three, _summary)
    ),
    "append over a draft": Operation(
        lambda storage, thread, _: storage.append(thread, a_turn("new")), (_three, _draft)
    ),
    "append for a user": Operation(
        lambda storage, thread, _: storage.for_user(owner_of(thread)).append(thread, a_turn("new")), (_three,)
    ),
    "append many": Operation(
        lambda storage, thread, v: storage.append_all(thread, [a_turn("new"), a_turn("new"), a_turn("t1")], expected=v),
        (_three,),
        True,
    ),
    "append many with random ids": Operation(
        lambda storage, thread, v: storage.append_all(thread, [a_turn(), a_turn()], expected=v), (_three,), True
    ),
    "read": Operation(lambda storage, thread, _: storage.read(thread, last_messages=2, turn_id="t1"), (_three,)),
    "read with the summary": Operation(
        lambda storage, thread, _: storage.read(thread, with_summary=True), (_three, _summary)
    ),
    "head": Operation(lambda storage, thread, _: storage.head(thread), (_three,)),
    "heads": Operation(lambda storage, thread, _: _heads(storage, thread), (_three,)),
    "undo": Operation(lambda storage, thread, v: storage.undo(thread, expected=v), (_three,), True),
    "undo a summarized turn": Operation(
        lambda storage, thread, v: storage.undo(thread, expected=v),
        (_three, lambda storage, thread: storage.summarize(thread, b"all", through=3)),
        True,
    ),
    "trim": Operation(lambda storage, thread, v: storage.trim(thread, keep_turns=1, expected=v), (_three,), True),
    "trim by age": Operation(
        lambda storage, thread, _: storage.trim(thread, before=datetime.fromtimestamp(OLD_US, UTC)),
        (_three, _summary),
        parts=(lambda storage, thread: storage.rewrite(thread, {4: b""}),),
    ),
    "summarize": Operation(
        lambda storage, thread, v: storage.summarize(thread, b"so far", through=2, expected=v), (_three,), True
    ),
    "list": Operation(lambda storage, thread, _: storage.list_threads(user_id=owner_of(thread)), (_three,)),
    "walk": Operation(lambda storage, thread, _: _walk(storage, thread), (_three,)),
    "set up a thread": Operation(lambda storage, thread, _: storage.update_thread(thread, title="Set", metadata=_SET)),
    "update": Operation(
        lambda storage, thread, v: storage.update_thread(thread, metadata=_SET, expected=v), (_three,), True
    ),
    "hand over": Operation(
        lambda storage, thread, v: storage.update_thread(
            thread, user_id="bob", expected=v, expected_user_id=owner_of(thread)
        ),
        (_three,),
        True,
    ),
    "rewrite": Operation(_rewrite, (_three,), True),
    "begin a draft": Operation(
        lambda storage, thread, v: storage.save_draft(thread, a_step(1), expected=v), (_three,), True
    ),
    "begin a draft of a new thread": Operation(
        lambda storage, thread, _: storage.save_draft(thread, a_step(1, revision=0), user_id=owner_of(thread))
    ),
    "save a step": Operation(lambda storage, thread, _: storage.save_draft(thread, a_step(3)), (_three, _draft)),
    "load a draft": Operation(lambda storage, thread, _: storage.load_draft(thread), (_three, _draft)),
    "list drafts": Operation(lambda storage, thread, _: _has_draft(storage, thread), (_three, _draft)),
    "drop a draft": Operation(
        lambda storage, thread, v: storage.drop_draft(thread, expected=v), (_three, _draft), True
    ),
    "delete": Operation(lambda storage, thread, _: storage.delete(thread), (_three, _draft)),
    "delete a version": Operation(lambda storage, thread, v: storage.delete(thread, expected=v), (_three,), True),
    "delete no thread": Operation(lambda storage, thread, _: storage.delete(thread)),
    "erase a user": Operation(lambda storage, thread, _: _erase(storage, thread), (_three,)),
    "take a lease": Operation(lambda storage, thread, _: storage.take_lease(thread, "me", MINUTE), (_three,)),
    "renew a lease": Operation(lambda storage, thread, _: storage.take_lease(thread, "me", MINUTE), (_three, _lease)),
    "release a lease": Operation(lambda storage, thread, _: storage.release_lease(thread, "me"), (_three, _lease)),
    "work under a lease": Operation(lambda storage, thread, _: _held(storage, thread), (_three,)),
    "import": Operation(lambda storage, thread, _: _import(storage, thread)),
    "copy": Operation(lambda storage, thread, _: _copy(storage, thread)),
    "fork": Operation(lambda storage, thread, _: _fork(storage, thread), (_three,), parts=(_fork_without_turns,)),
}
"""By name, every operation."""


async def prepared(storage: Storage, operation: Operation, thread: str) -> Version | None:
    """Prepare a thread, and return its version if the operation expects one."""
    for step in operation.prepare:
        await step(storage, thread)
    info = await storage.head(thread) if operation.expects else None
    return None if info is None else info.version


async def outcome(storage: Storage, operation: Operation, thread: str, version: Version | None) -> object:
    """Do an operation, and return its outcome; an error's outcome is its type. Only errors of ours have one."""
    try:
        found = await operation.do(storage, thread, version)
        return "an incarnation" if isinstance(found, str) else outcome_of(found)
    except RecuerdaError as error:
        return type(error)


def is_failure(found: object) -> bool:
    """Return True for the outcome of an operation that failed and may be repeated."""
    return isinstance(found, type) and issubclass(found, StorageError) and not issubclass(found, ThreadConflict)


async def state_of(storage: Storage, thread: str) -> object:
    """Return everything that a thread and its fork hold, and who has its lease."""
    return (
        outcome_of(await storage.read(thread)),
        outcome_of(await storage.load_draft(thread)),
        outcome_of(await storage.list_threads(user_id=owner_of(thread))),
        outcome_of(await storage.read(f"{thread} fork")),
        await _is_free(storage, thread),
    )


async def _is_free(storage: Storage, thread: str) -> bool:
    """Tell whether nobody but "me" has the lease, and leave it as it was."""
    is_free = await storage.take_lease(thread, "probe", MINUTE)
    if is_free:
        await storage.release_lease(thread, "probe")
    return is_free


@dataclass(frozen=True)
class Oracle:
    """The states and outcomes of an operation on a storage in RAM, where no answer is lost.

    Attributes:
        before: the state before the operation.
        between: the states in which an operation of several writes may end when it fails.
        first: the outcome, and the state after the operation.
        second: the same, after the operation was done once more.
    """

    before: object
    between: list[object]
    first: tuple[object, object]
    second: tuple[object, object]


async def oracle_of(operation: Operation, thread: str) -> Oracle:
    """Return the oracle for one thread."""
    storage = MemoryStorage()
    version = await prepared(storage, operation, thread)
    before = await state_of(storage, thread)
    first = await outcome(storage, operation, thread, version)
    after = await state_of(storage, thread)
    second = await outcome(storage, operation, thread, version)
    return Oracle(before, await _between(operation, thread), (first, after), (second, await state_of(storage, thread)))


async def _between(operation: Operation, thread: str) -> list[object]:
    states: list[object] = []
    for step in operation.parts:
        storage = MemoryStorage()
        await prepared(storage, operation, thread)
        await step(storage, thread)
        states.append(await state_of(storage, thread))
    return states


def outcome_of(found: object) -> object:
    """Return a value without random ids and without clocks."""
    match found:
        case Appended():
            return ("appended", found.revision, found.replayed, found.created, outcome_of(found.record))
        case UndoneTurn(record=record) | (TurnRecord() as record):
            return (record.number, _named(record.id), record.kind, record.target, record.message_count, record.body)
        case ThreadInfo():
            return (
                found.id,
                found.revision,
                _named(found.record_id),
                found.edits > 0,  # it is made of a clock
                found.rewritten > 0,
                found.turns,
                found.messages,
                found.user_id,
                found.title,
                found.title_turn,
                found.metadata,
            )
        case ThreadSlice():
            return (outcome_of(found.info), outcome_of(found.records), outcome_of(found.summary), found.has_draft)
        case ThreadPage():
            return outcome_of(found.threads)
        case Draft():
            return (found.turn_id, found.revision, [(step.number, step.body) for step in found.steps])
        case Erasure():
            return (found.threads, found.turns, found.messages)
        case Copied():
            return (found.turns, found.added, found.problem)
        case list() | tuple():
            return [outcome_of(one) for one in cast("list[object]", found)]
        case _:
            return found


def _named(id: str) -> str:
    """Return an id, or "random" for an id that was drawn at random."""
    return id if len(id) < len(new_id()) else "random"
