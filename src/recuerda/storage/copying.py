"""Moving threads between storages: resumable, idempotent, and verified.

A thread is copied turn by turn under the same ids and times, so a copy that broke off goes on where it stopped, and a
copy that is done again adds nothing. Afterwards both sides are read and their digests compared. A thread that has other
turns at the target is left alone and reported: two histories are never mixed.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from recuerda.errors import ThreadNotFound
from recuerda.storage.contract import Storage
from recuerda.storage.records import SEAL, NewTurn, ThreadInfo, ThreadSlice, TurnRecord

CHUNK = 500
"""Turns in one append: few enough to show progress and to bound memory on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What became of one thread.

    Attributes:
        thread_id: which thread.
        turns: how many turns the source has.
        added: how many of them were not at the target yet.
        digest: SHA-256 over the ids, times and bodies of the turns, equal on both sides; None when it was not copied.
        problem: why it was not copied, or None.
    """

    thread_id: str
    turns: int
    added: int
    digest: str | None
    problem: str | None = None


def digest_turns(records: Sequence[TurnRecord]) -> str:
    """Return the SHA-256 of turns: ids, times, counts and bodies, in order. Numbers may differ between storages."""
    digest = hashlib.sha256()
    for record in records:
        head = f"{len(record.id)}:{record.id}:{record.created_us}:{record.message_count}:{len(record.body)}:"
        digest.update(head.encode())
        digest.update(record.body)
    return digest.hexdigest()


async def copy_thread(source: Storage, target: Storage, thread_id: str) -> Copied:
    """Copy one thread, its settings included; the source stays as it is.

    Raises:
        ThreadNotFound: the source has no such thread.
        StorageError: either side fails; doing it again goes on.
    """
    found = await source.read(thread_id)
    if found.info is None:
        raise ThreadNotFound(thread_id)
    there = await target.read(thread_id)
    missing = _missing(found, there)
    if missing is None:
        problem = "the target has other turns in this thread; copy it under another id, or delete it there"
        return Copied(thread_id=thread_id, turns=len(found.records), added=0, digest=None, problem=problem)
    revision = there.info.revision if there.info else 0
    if any(record.body.startswith(SEAL) and record.number != revision + i for i, record in enumerate(missing, 1)):
        problem = "its turns are sealed to their numbers, which would change: copy it through EncryptedStorage"
        return Copied(thread_id=thread_id, turns=len(found.records), added=0, digest=None, problem=problem)
    if there.info is None or _settings(there.info) != _settings(found.info):
        await target.update_thread(
            thread_id, user_id=found.info.user_id, title=found.info.title, metadata=found.info.metadata
        )
    for start in range(0, len(missing), CHUNK):
        chunk = [_new(record) for record in missing[start : start + CHUNK]]
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
        problem=None if is_same else "the copy differs from the original; copy it again",
    )


async def copy_threads(
    source: Storage, target: Storage, *, thread_ids: Sequence[str] | None = None, user_id: str | None = None
) -> AsyncIterator[Copied]:
    """Copy threads one after the other, and report each.

    Args:
        source: where from.
        target: where to.
        thread_ids: which; None for all.
        user_id: with None above, only this user's.
    """
    if thread_ids is not None:
        for thread_id in thread_ids:
            yield await copy_thread(source, target, thread_id)
        return
    async for info in source.threads(user_id=user_id):
        yield await copy_thread(source, target, info.id)


def _missing(found: ThreadSlice, there: ThreadSlice) -> Sequence[TurnRecord] | None:
    """Return what the target lacks; None when what it has is no beginning of the source."""
    present = [record.id for record in there.records]
    if present != [record.id for record in found.records[: len(present)]]:
        return None
    return found.records[len(present) :]


def _new(record: TurnRecord) -> NewTurn:
    return NewTurn(body=record.body, message_count=record.message_count, id=record.id, created_us=record.created_us)


def _settings(info: ThreadInfo) -> tuple[object, ...]:
    return info.user_id, info.title, info.metadata
