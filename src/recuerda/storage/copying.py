"""Copies of threads from one storage to another. A copy can be resumed and repeated, and it is verified.

A thread is copied turn by turn with the same ids and times. An interrupted copy therefore continues where it stopped,
and a repeated copy adds nothing. Afterwards both sides are read and their digests are compared. When the target already
has other turns in a thread, the copy leaves the thread unchanged and reports it, so that two histories never mix.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from recuerda.errors import ThreadNotFound
from recuerda.storage.contract import Storage
from recuerda.storage.records import SEAL, ThreadInfo, ThreadSlice, TurnRecord

CHUNK = 500
"""The number of turns in one append. It is small enough to show progress and to keep requests small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """The outcome for one thread.

    Attributes:
        thread_id: the thread.
        turns: the number of turns at the source.
        added: the number of turns that the target did not have yet.
        digest: the SHA-256 of the turns' ids, times and bodies, equal on both sides; None when the copy failed.
        problem: the reason why the copy failed; None if it succeeded.
    """

    thread_id: str
    turns: int
    added: int
    digest: str | None
    problem: str | None = None


def digest_turns(records: Sequence[TurnRecord]) -> str:
    """Return the SHA-256 of the ids, times, message counts and bodies of turns, in order.

    Numbers are left out, because they may differ between storages.
    """
    digest = hashlib.sha256()
    for record in records:
        head = f"{len(record.id)}:{record.id}:{record.created_us}:{record.message_count}:{len(record.body)}:"
        digest.update(head.encode())
        digest.update(record.body)
    return digest.hexdigest()


async def copy_thread(source: Storage, target: Storage, thread_id: str) -> Copied:
    """Copy one thread with its settings, and return the outcome. The source stays unchanged.

    Raises:
        ThreadNotFound: the source has no such thread.
        StorageError: one of the storages failed. The same call continues the copy.
    """
    found = await source.read(thread_id)
    if found.info is None:
        raise ThreadNotFound(thread_id)
    there = await target.read(thread_id)
    missing = _missing(found, there)
    if missing is None:
        problem = "the target has other turns in this thread: copy it under another id, or delete it at the target"
        return Copied(thread_id=thread_id, turns=len(found.records), added=0, digest=None, problem=problem)
    revision = there.info.revision if there.info else 0
    if any(record.body.startswith(SEAL) and record.number != revision + i for i, record in enumerate(missing, 1)):
        problem = "its encrypted turns are bound to numbers that would change: copy it through EncryptedStorage"
        return Copied(thread_id=thread_id, turns=len(found.records), added=0, digest=None, problem=problem)
    if there.info is None or _settings(there.info) != _settings(found.info):
        await target.update_thread(
            thread_id, user_id=found.info.user_id, title=found.info.title, metadata=found.info.metadata
        )
    for start in range(0, len(missing), CHUNK):
        chunk = [record.as_new_turn() for record in missing[start : start + CHUNK]]
        appended = await target.append_all(thread_id, chunk, expected=revision)
        revision = appended[-1].revision
    digest = digest_turns(found.records)
    copied = await target.read(thread_id)
    is_same = digest_turns(copied.records[: len(found.records)]) == digest
    return Copied(
        thread_id=thread_id,
        turns=len(found.records),
        added=len(missing),
        digest=digest if is_same else None,
        problem=None if is_same else "the copy differs from the original: copy it again",
    )


async def copy_threads(
    source: Storage, target: Storage, *, thread_ids: Sequence[str] | None = None, user_id: str | None = None
) -> AsyncIterator[Copied]:
    """Copy threads one after the other, and yield the outcome of each.

    Args:
        source: the storage to copy from.
        target: the storage to copy to.
        thread_ids: the threads to copy; None for all threads, or for all threads of `user_id`.
        user_id: the user whose threads are copied. It has no effect when `thread_ids` is given.
    """
    if thread_ids is not None:
        for thread_id in thread_ids:
            yield await copy_thread(source, target, thread_id)
        return
    async for info in source.threads(user_id=user_id):
        yield await copy_thread(source, target, info.id)


def _missing(found: ThreadSlice, there: ThreadSlice) -> Sequence[TurnRecord] | None:
    """Return the turns that the target lacks; None if the target's turns are not the first turns of the source."""
    present = [record.id for record in there.records]
    if present != [record.id for record in found.records[: len(present)]]:
        return None
    return found.records[len(present) :]


def _settings(info: ThreadInfo) -> tuple[object, ...]:
    return info.user_id, info.title, info.metadata
