"""Copies of threads from one storage to another. A copy can be resumed and repeated, and it is verified.

A thread is copied turn by turn with the same ids and times. An interrupted copy therefore continues where it stopped,
and a repeated copy adds nothing. Afterwards both sides are read and their digests are compared. When the target already
has other turns in a thread, or the thread belongs to another user there, the copy leaves the thread unchanged and
reports it. Every write expects the version of the target that was read, so two histories never mix.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from recuerda.errors import InvalidInput, ThreadConflict, ThreadNotFound, ThreadOwnershipError, TurnDropped
from recuerda.json_value import JsonObject
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.portions import portions
from recuerda.storage.records import SEAL, TurnRecord
from recuerda.storage.thread_info import Expected, ThreadInfo, ThreadParent, Version

__all__ = ["Copied", "copy_thread", "copy_threads"]

CHUNK = 500
"""The number of turns in one append. It is small enough to show progress and to keep requests small."""

_OTHER_TURNS = "the target has other turns in this thread: copy it under another id, or delete it at the target"
_OTHER_USER = "the thread belongs to another user at the target: copy it under another id, or delete it at the target"
_DROPPED = "the target has deleted turns of this thread by a trim or a limit: delete it at the target to copy it anew"
_SEALED = "its encrypted turns are bound to numbers that would change: copy it through EncryptedStorage"
_MOVED = "another writer changed the thread at the target meanwhile: copy it again"
_LOST = "a file that a turn names is not there: copy the thread again, or let `recuerda doctor` examine it"
_DIFFERS = "the copy differs from the original: copy it again"


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


class _Changes(TypedDict, total=False):
    user_id: str
    title: str | None
    metadata: JsonObject
    parent: ThreadParent
    archived: bool
    tags: tuple[str, ...]


def digest_turns(records: Sequence[TurnRecord]) -> str:
    """Return the SHA-256 of the ids, times, message counts, bodies and digests of blobs of turns, in order.

    Numbers are left out, because they may differ between storages.
    """
    digest = hashlib.sha256()
    for record in records:
        head = f"{len(record.id)}:{record.id}:{record.created_us}:{record.message_count}:{len(record.body)}:"
        head += "".join(f"{digest}:" for digest in record.blobs)
        digest.update(head.encode())
        digest.update(record.body)
    return digest.hexdigest()


async def copy_thread(source: Storage, target: Storage, thread_id: str) -> Copied:
    """Copy one thread with its settings, and return the outcome. The source stays unchanged.

    The turns keep their times of `created_us`, and their blobs. The thread keeps the time of its last change. Metadata
    is set key by key, so further keys at the target stay. A title that was made from a turn is the title of that turn's
    copy, and goes with it. A fork keeps its parent.

    Raises:
        ThreadNotFound: the source has no such thread.
        StorageError: one of the storages failed. The same call continues the copy.
    """
    found = await source.read(thread_id)
    if found.info is None:
        raise ThreadNotFound(thread_id)
    there = await target.read(thread_id)
    missing = _missing(found, there)
    problem = _OTHER_TURNS if missing is None else _refusal(found.info, there, missing)
    if missing is None or problem is not None:
        return Copied(thread_id=thread_id, turns=len(found.records), added=0, digest=None, problem=problem)
    try:
        is_same = await _copy(found, found.info, there, missing, source=source, target=target)
    except ThreadConflict:
        problem = _MOVED
    except ThreadOwnershipError:
        problem = _OTHER_USER
    except TurnDropped:
        problem = _DROPPED
    except InvalidInput:
        problem = _LOST
    else:
        problem = None if is_same else _DIFFERS
    return Copied(
        thread_id=thread_id,
        turns=len(found.records),
        added=len(missing),
        digest=None if problem else digest_turns(found.records),
        problem=problem,
    )


async def copy_threads(
    source: Storage, target: Storage, *, thread_ids: Sequence[str] | None = None, user_id: str | None = None
) -> AsyncIterator[Copied]:
    """Copy threads one after the other, and yield the outcome of each.

    Every thread that the source holds during the whole copy is copied, even if threads are used meanwhile. A thread
    that is deleted meanwhile is left out, unless `thread_ids` names it.

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
        try:
            copied = await copy_thread(source, target, info.id)
        except ThreadNotFound:
            continue  # it was deleted meanwhile
        yield copied


def _missing(found: ThreadSlice, there: ThreadSlice) -> Sequence[TurnRecord] | None:
    """Return the turns that the target lacks; None if the target's turns are not the first turns of the source."""
    present = [record.id for record in there.records]
    if present != [record.id for record in found.records[: len(present)]]:
        return None
    return found.records[len(present) :]


def _refusal(info: ThreadInfo, there: ThreadSlice, missing: Sequence[TurnRecord]) -> str | None:
    """Return the reason why the missing turns cannot be appended at the target; None if they can."""
    if info.user_id is not None and there.info is not None and there.info.user_id not in (None, info.user_id):
        return _OTHER_USER
    revision = there.info.revision if there.info else 0
    if any(record.body.startswith(SEAL) and record.number != revision + i for i, record in enumerate(missing, 1)):
        return _SEALED
    return None


async def _copy(
    found: ThreadSlice,
    info: ThreadInfo,
    there: ThreadSlice,
    missing: Sequence[TurnRecord],
    *,
    source: Storage,
    target: Storage,
) -> bool:
    """Append the missing turns, copy the settings, and return whether both sides have the same turns."""
    expected: Expected = there.info.version if there.info else 0
    title = info.title_of_first(missing)
    async for chunk in portions(source, info.id, missing, most_turns=CHUNK):
        appended = await target.append_all(info.id, chunk, expected=expected, user_id=info.user_id, title=title)
        last = appended[-1]
        if last.record.id != missing[-1].id:
            expected = await _version(target, info.id, last.revision, last.record.id)
    copied = await target.read(info.id) if missing else there
    changes = _changes(info, copied.info)
    if changes or copied.info is None or copied.info.updated_us < info.updated_us:
        expected = copied.info.version if copied.info else 0
        await target.update_thread(
            info.id, **changes, changed_us=info.updated_us, expected=expected, expected_user_id=info.user_id
        )
    return digest_turns(copied.records[: len(found.records)]) == digest_turns(found.records)


async def _version(target: Storage, thread_id: str, revision: int, record_id: str) -> Version:
    """Return the version of the target after an append, even if another writer has changed the thread since."""
    info = await target.head(thread_id)
    return Version(info.incarnation if info else "", revision, record_id)


def _changes(info: ThreadInfo, there: ThreadInfo | None) -> _Changes:
    """Return the settings that the target has to change."""
    changes = _Changes()
    if info.user_id is not None and (there is None or there.user_id is None):
        changes["user_id"] = info.user_id
    is_made = info.title is not None and info.set_title is None
    if not is_made and info.title != (there and there.title):
        changes["title"] = info.title
    held = there.metadata if there else {}
    if metadata := {key: value for key, value in info.metadata.items() if held.get(key) != value}:
        changes["metadata"] = metadata
    if info.parent is not None and (there is None or there.parent is None):
        changes["parent"] = info.parent.in_any_life()
    if info.archived != (there is not None and there.archived):
        changes["archived"] = info.archived
    if info.tags != (there.tags if there else ()):
        changes["tags"] = info.tags
    return changes
