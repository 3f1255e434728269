"""The last means of `recuerda doctor --repair`: a thread is deleted, and its turns are appended again.

Other programs may use the thread meanwhile. The deletion expects the version of the copy, so the copy holds each turn
that was acknowledged before. If a program begins the thread anew between the deletion and the append, its turns are
copied as well and come after the old ones. If the command is stopped in between, the copy is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypedDict

import msgspec

from recuerda.cli.copies import Backup
from recuerda.cli.output import warn
from recuerda.errors import ThreadConflict
from recuerda.examination import Examined, examine, load_files
from recuerda.storage.contract import Storage
from recuerda.storage.records import Blob, NewTurn
from recuerda.storage.thread_info import ThreadInfo, ThreadParent

MAX_TRIES = 8
"""The number of tries after which the command no longer waits for a moment without other writers."""


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The thread as it is to be made again."""

    info: ThreadInfo
    turns: list[NewTurn]
    metadata: dict[str, Any]
    made_title: str | None  # the title, if it was made from the first turn


class _Changes(TypedDict, total=False):
    title: str
    metadata: dict[str, Any]
    archived: bool
    tags: tuple[str, ...]
    parent: ThreadParent


async def make_again(storage: Storage, thread: Examined, bodies: Mapping[int, bytes], copies: Backup) -> None:
    """Delete a thread that was copied, and append its turns again, with their ids and times and the thread's settings.

    Args:
        storage: the storage of the thread.
        thread: the thread in the version of its copy.
        bodies: new bodies of turns by number.
        copies: the folder with the copy.

    Raises:
        ThreadConflict: another program changed the thread since it was copied. Nothing was changed.
    """
    info = thread.info
    if info is None:
        return
    turns = [
        NewTurn(
            body=bodies.get(record.number, record.body),
            message_count=max(1, record.message_count),
            id=record.id or None,
            created_us=record.created_us,
            blobs=tuple([Blob(one, thread.blobs[one]) for one in record.blobs if one in thread.blobs]),
        )
        for record in thread.records
    ]
    title = info.title_of_first(thread.records)
    wanted = _Wanted(info=info, turns=turns, metadata=info.metadata, made_title=title)
    copies.say_how_to_restore()
    await _keep_branches(storage, info)
    if not await storage.delete(info.id, expected=info.version):
        return  # another program has deleted it, so it stays deleted
    try:
        await _begin(storage, wanted, copies)
    except BaseException:
        warn(
            f"thread {info.id!r} was deleted to be made again, and this was interrupted; `recuerda import FILE` brings "
            f"its missing turns back: {', '.join(map(str, copies.exports_of(info.id)))}"
        )
        raise


async def _keep_branches(storage: Storage, info: ThreadInfo) -> None:
    """Let the forks of a thread accept another life of it as their parent."""
    cursor: str | None = None
    while True:
        page = await storage.list_threads(parent=info.id, archived=None, limit=1000, cursor=cursor)
        for fork in page.threads:
            if fork.parent is not None and fork.parent.is_life_of(info):
                with suppress(ThreadConflict):  # another program has changed it, and perhaps given it to another user
                    await storage.update_thread(
                        fork.id,
                        parent=fork.parent.in_any_life(),
                        changed_us=fork.updated_us,
                        expected=fork.version,
                    )
        if (cursor := page.cursor) is None:
            return


async def _begin(storage: Storage, wanted: _Wanted, copies: Backup) -> None:
    for _ in range(MAX_TRIES):
        try:
            await _append(storage, wanted, expected=0)
            break
        except ThreadConflict:
            newer = await _with_newer(storage, wanted, copies)
            if newer is None:
                return
            wanted = newer
    else:
        # A program uses the thread all the time. Then the order of the turns matters less than their presence. An
        # interrupted turn, which the append removes, is kept in a copy.
        found = await examine(storage, wanted.info.id, user_id=wanted.info.user_id)
        copies.keep(await load_files(storage, found))
        await _append(storage, wanted, expected=None)
    await _set_missing(storage, wanted)


async def _append(storage: Storage, wanted: _Wanted, *, expected: int | None) -> None:
    info = wanted.info
    if wanted.turns:
        await storage.append_all(
            info.id, wanted.turns, expected=expected, user_id=info.user_id, title=wanted.made_title
        )


async def _with_newer(storage: Storage, wanted: _Wanted, copies: Backup) -> _Wanted | None:
    """Copy and delete the thread that another program has begun anew, and add its turns to the wanted turns.

    Return None if a program has deleted that thread. Then it stays deleted.
    """
    newer = await examine(storage, wanted.info.id, user_id=wanted.info.user_id)
    if newer.info is None:
        return None
    if newer.draft is not None:
        return wanted
    copies.keep(await load_files(storage, newer))
    try:
        if not await storage.delete(newer.info.id, expected=newer.info.version, user_id=wanted.info.user_id):
            return None
    except ThreadConflict:
        return wanted
    known = {turn.id for turn in wanted.turns}
    turns = [record.as_new_turn(newer.blobs) for record in newer.records if record.id not in known]
    metadata = wanted.metadata | newer.info.metadata
    return msgspec.structs.replace(wanted, turns=[*wanted.turns, *turns], metadata=metadata)


def _missing_marks(wanted: ThreadInfo, info: ThreadInfo | None) -> _Changes:
    changes = _Changes()
    if wanted.archived and (info is None or not info.edits):
        changes["archived"] = True
    if wanted.tags and not (info and info.tags):
        changes["tags"] = wanted.tags
    if wanted.parent and not (info and info.parent):
        changes["parent"] = wanted.parent
    return changes


async def _set_missing(storage: Storage, wanted: _Wanted) -> None:
    """Set the settings that the new thread does not have yet."""
    for _ in range(MAX_TRIES):
        info = await storage.head(wanted.info.id)
        held = info.metadata if info else {}
        changes = _Changes()
        if metadata := {key: value for key, value in wanted.metadata.items() if key not in held}:
            changes["metadata"] = metadata
        if wanted.info.set_title is not None and (info is None or info.title is None):
            changes["title"] = wanted.info.set_title
        changes |= _missing_marks(wanted.info, info)
        if not changes and info is not None:
            return
        try:
            await storage.update_thread(
                wanted.info.id,
                **changes,
                changed_us=wanted.info.updated_us,
                expected=info.version if info else 0,
                expected_user_id=wanted.info.user_id,
            )
        except ThreadConflict:
            continue
        return
    raise ThreadConflict(wanted.info.id, expected=wanted.info.revision, actual=wanted.info.revision)
