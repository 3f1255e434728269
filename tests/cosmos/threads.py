"""Checks that every operation leaves a thread whole, listed, and ready for the next turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TypeAlias

from msgspec.structs import replace

from recuerda.ids import new_id
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.operations import ThreadSlice, UndoneTurn
from recuerda.storage.records import Blob, NewTurn
from recuerda.storage.thread_info import ThreadInfo

Do: TypeAlias = Callable[[Storage, str], Awaitable[object]]

CAT, DOG = Blob.of(b"a picture of a cat"), Blob.of(b"a picture of a dog")

THREAD_OF_PROCESSES = "shared"


def a_turn(id: str | None = None, *, messages: int = 1) -> NewTurn:
    return NewTurn(id=id, body=f"body of {id}".encode(), message_count=messages, created_us=1_000_000)


def a_step(number: int, *, turn_id: str = "running", revision: int = 0) -> DraftStep:
    return DraftStep(turn_id=turn_id, revision=revision, number=number, body=b"step")


@dataclass(frozen=True)
class Write:
    """A write, and the state that it needs before."""

    do: Do
    prepare: tuple[Do, ...] = ()


async def _three(storage: Storage, thread: str) -> None:
    await storage.append_all(thread, [a_turn(f"t{i}") for i in range(1, 4)], user_id="ana", title="Title")


async def _files(storage: Storage, thread: str) -> None:
    await storage.append(thread, replace(a_turn("t1"), blobs=(CAT,)), user_id="ana", title="Title")


async def _draft(storage: Storage, thread: str) -> None:
    for number in (1, 2):
        await storage.save_draft(thread, a_step(number, revision=3))


async def _summaries(storage: Storage, thread: str) -> None:
    for through in (1, 3, 2, 3):
        await storage.summarize(thread, b"so far", through=through)


APPENDS: dict[str, Write] = {
    "first append": Write(lambda storage, thread: storage.append(thread, a_turn("new"), user_id="ana", title="Title")),
    "append": Write(lambda storage, thread: storage.append(thread, a_turn("new"), expected=3), (_three,)),
    "unchecked append": Write(lambda storage, thread: storage.append(thread, a_turn("new")), (_three,)),
    "append with files": Write(
        lambda storage, thread: storage.append(thread, replace(a_turn("new"), blobs=(CAT, DOG)), keep_messages=1),
        (_files,),
    ),
    "append over a draft": Write(lambda storage, thread: storage.append(thread, a_turn("new")), (_three, _draft)),
    "append with a limit": Write(
        lambda storage, thread: storage.append(thread, a_turn("new"), keep_messages=2), (_three,)
    ),
    "append of many": Write(
        lambda storage, thread: storage.append_all(thread, [a_turn("new"), a_turn("newer")]), (_three,)
    ),
    "append to a set thread": Write(
        lambda storage, thread: storage.append(thread, a_turn("new"), user_id="ana", title="Title"),
        (lambda storage, thread: storage.update_thread(thread, metadata={"k": 1}),),
    ),
    "append after an undo": Write(
        lambda storage, thread: storage.append(thread, a_turn("new")),
        (_three, lambda storage, thread: storage.undo(thread)),
    ),
    "append after an undo of what was summarised": Write(
        lambda storage, thread: storage.append(thread, a_turn("new")),
        (_three, _summaries, lambda storage, thread: storage.undo(thread)),
    ),
}
"""The writes that are safe to repeat, because of the turn's id."""

WRITES: dict[str, Write] = {
    **APPENDS,
    "undo": Write(lambda storage, thread: storage.undo(thread), (_three,)),
    "undo of files": Write(lambda storage, thread: storage.undo(thread), (_files,)),
    "undo of what was summarised": Write(lambda storage, thread: storage.undo(thread), (_three, _summaries)),
    "summary": Write(lambda storage, thread: storage.summarize(thread, b"so far", through=2), (_three, _summaries)),
    "trim": Write(lambda storage, thread: storage.trim(thread, keep_turns=1), (_three,)),
    "first update": Write(lambda storage, thread: storage.update_thread(thread, user_id="ana", title="Set")),
    "update": Write(lambda storage, thread: storage.update_thread(thread, user_id="bob", title="Set"), (_three,)),
    "delete": Write(lambda storage, thread: storage.delete(thread), (_three, _draft)),
    "save a draft": Write(lambda storage, thread: storage.save_draft(thread, a_step(1, revision=3)), (_three,)),
    "save a next step": Write(
        lambda storage, thread: storage.save_draft(thread, a_step(3, revision=3)), (_three, _draft)
    ),
    "replace a draft": Write(
        lambda storage, thread: storage.save_draft(thread, a_step(1, turn_id="other", revision=4)),
        (_three, _draft, lambda storage, thread: storage.undo(thread)),
    ),
    "drop a draft": Write(lambda storage, thread: storage.drop_draft(thread), (_three, _draft)),
}


async def prepare(storage: Storage, write: Write, thread: str) -> None:
    for step in write.prepare:
        await step(storage, thread)


def seen(found: ThreadSlice) -> tuple[ThreadInfo | None, list[tuple[int, str, bytes]]]:
    """Return the relevant part of a read: without random ids, and without the position of `first` in a gap."""
    info = found.info and replace(
        found.info,
        id="",
        incarnation="",
        record_id=_named(found.info),
        edits=min(found.info.edits, 1),
        first=0,
        created_us=0,
        updated_us=0,
    )
    return info, [(record.number, record.id, record.body) for record in found.records]


def _named(info: ThreadInfo) -> str:
    """Return the id of the newest record, without an id that was drawn at random."""
    return info.record_id if len(info.record_id) < len(new_id()) else "random"


async def check_whole(storage: Storage, thread: str) -> ThreadSlice:
    """Check a thread, and return it."""
    found = await storage.read(thread, blobs=None)
    info = found.info
    assert await storage.head(thread) == info
    assert found.blobs.keys() == {digest for record in found.records for digest in record.blobs}
    if info is None:
        assert found.records == ()
        return found
    numbers = [record.number for record in found.records]
    assert numbers == sorted(set(numbers))
    assert all(info.first <= number <= info.revision for number in numbers)
    assert (info.turns, info.messages) == (len(numbers), sum(record.message_count for record in found.records))
    assert len({record.id for record in found.records}) == len(numbers)
    assert all(record.body == f"body of {record.id}".encode() for record in found.records)
    await _check_summary(storage, thread, found)
    return found


async def _check_summary(storage: Storage, thread: str, found: ThreadSlice) -> None:
    """Check that no summary covers a turn that was undone, and that a look with the newest one has the others."""
    assert found.info is not None
    view = await storage.read(thread, with_summary=True)
    covered = view.summary.target or 0 if view.summary else 0
    assert view.records == tuple(record for record in found.records if record.number > covered)
    later = await storage.read(thread, after=1)
    summaries = [record for record in later.records if record.kind == "summary"]
    assert view.summary == (summaries[-1] if summaries else None)
    # What a trim has taken stays covered, although it is not there.
    last = max([found.info.first - 1, *(record.number for record in found.records)])
    assert all((one.target or 0) <= last for one in summaries)


async def check_listed(storage: Storage, found: Mapping[str, ThreadSlice], *, settled: AbstractSet[str]) -> None:
    """Check the place of threads in the listings.

    Args:
        storage: the storage of the threads.
        found: what `check_whole` has found of each thread.
        settled: the threads in which no write was cut off, so that listings tell exactly what these threads do.
    """
    for user in (None, "ana", "bob"):
        page = await storage.list_threads(user_id=user, archived=None, limit=1000)
        for thread, one in found.items():
            listed = [info for info in page.threads if info.id == thread]
            assert len(listed) == (one.info is not None and user in (None, one.info.user_id)), (thread, user)
            assert thread not in settled or listed in ([], [one.info]), (thread, user)


async def check_goes_on(storage: Storage, thread: str) -> None:
    """Check that a thread takes turns as ever."""
    before = await storage.read(thread)
    revision = before.info.revision if before.info else 0
    appended = await storage.append(thread, a_turn("next"), expected=revision)
    assert (appended.revision, appended.replayed, appended.created) == (revision + 1, False, revision == 0)
    assert await storage.load_draft(thread) is None
    assert (await storage.append(thread, a_turn("next"), expected=0)).record == appended.record
    assert await storage.undo(thread) == UndoneTurn(appended.record)
    assert (await storage.read(thread)).records == before.records
