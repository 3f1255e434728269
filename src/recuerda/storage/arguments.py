"""The arguments of a storage's methods: their checks, and the values that a hook gets of them.

`Storage` (in `contract.py`) calls these functions before it calls a hook, so an argument that cannot be used is refused
before anything is written. `recuerda.ids` has the checks of ids and numbers. A value such as a `NewTurn` checks itself
when it is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from recuerda.errors import ConfigurationError, EncodeError, InvalidInput
from recuerda.ids import check_id, check_limit, new_call, new_turn_id
from recuerda.json_value import check_text
from recuerda.storage.operations import NO_GUARD, Guard, NewBodies, NewRecord, Released
from recuerda.storage.records import MAX_NUMBER, NewTurn, RecordKind, check_digest
from recuerda.storage.thread_info import Expected, Version

_MOST = 2**63 - 2
"""The largest limit that every backend accepts, also with one more than the caller asked for. No storage holds more."""


def to_guard(
    expected: Expected | None, user_id: str | None, *, with_edits: bool = False, last_step: str | None = None
) -> Guard:
    """Return the conditions of an operation.

    Args:
        expected: the version or the revision that the thread must have; None for any.
        user_id: the user for whom the operation is; None for any.
        with_edits: True also checks the version's `edits`. An append ignores them.
        last_step: the id that the draft's last step must have; None for any.

    Raises:
        InvalidInput: the user id or the id of the step cannot be used.
    """
    if last_step:
        check_id(last_step, "draft step's id")
    if user_id is not None:
        check_id(user_id, "user id")
    elif expected is None and last_step is None:
        return NO_GUARD
    if not isinstance(expected, Version):
        return Guard(user_id=user_id, revision=expected, last_step=last_step)
    return Guard(
        user_id=user_id,
        revision=expected.revision,
        incarnation=expected.incarnation,
        record_id=expected.record_id,
        edits=expected.edits if with_edits else None,
        last_step=last_step,
    )


def to_record(
    turn: NewTurn,
    *,
    now_us: int,
    max_body_bytes: int | None,
    keep_messages: int | None = None,
    title: str | None = None,
    replaces: int | None = None,
) -> NewRecord:
    """Return the record of a turn; see `Storage.append`. Its blobs are checked by `check_blobs`.

    Raises:
        InvalidInput: an id, a limit, the title or `replaces` cannot be used.
        EncodeError: the body is longer than the storage accepts.
    """
    if replaces is not None and check_limit(replaces, "replaces") > MAX_NUMBER:
        raise InvalidInput(f"no turn has the number {replaces}, so it cannot be replaced")
    if keep_messages is not None:
        check_limit(keep_messages, "keep_messages")
    if title is not None:
        check_title(title)
    check_body(turn.body, max_body_bytes)
    return NewRecord(
        id=new_turn_id() if turn.id is None else check_id(turn.id, "turn id"),
        is_new_id=turn.id is None,
        created_us=now_us if turn.created_us is None else turn.created_us,
        committed_us=now_us,
        message_count=turn.message_count,
        body=turn.body,
        target=replaces,
        undo_id="" if replaces is None else new_turn_id(),
        keep_messages=keep_messages,
        title=title,
        call=0 if turn.id is None else new_call(),
        blobs=tuple({blob.digest: blob for blob in turn.blobs}.values()) if turn.blobs else (),
    )


def to_other_record(kind: RecordKind, target: int, *, now_us: int, body: bytes = b"") -> NewRecord:
    """Return an undo, a trim or a summary."""
    return NewRecord(
        id=new_turn_id(),
        is_new_id=True,
        created_us=now_us,
        committed_us=now_us,
        message_count=0,
        body=body,
        kind=kind,
        target=target,
    )


def to_new_bodies(bodies: Mapping[int, bytes], released: Released | None, *, max_body_bytes: int | None) -> NewBodies:
    """Return the change that `Storage.rewrite` asks for.

    Raises:
        InvalidInput: a digest cannot be used, or a turn is to release blobs and has no new body.
        EncodeError: a body is longer than the storage accepts.
    """
    for body in bodies.values():
        check_body(body, max_body_bytes)
    change = NewBodies(bodies, released or {})
    for digest in (digest for digests in change.released.values() for digest in digests):
        check_digest(digest)
    if not change.released.keys() <= bodies.keys():
        raise InvalidInput("a turn that releases blobs needs a new body that does not name them")
    return change


def to_limit(limit: int) -> int:
    """Return the limit of a list, as small as every backend needs it.

    Raises:
        InvalidInput: the limit is below 1.
    """
    return min(check_limit(limit, "limit"), _MOST)


def check_body(body: bytes, max_body_bytes: int | None) -> None:
    """Check the length of a body.

    Raises:
        EncodeError: it is longer than the storage accepts.
    """
    if max_body_bytes is not None and len(body) > max_body_bytes:
        raise EncodeError("the turn", f"it has {len(body):,} bytes, and this storage keeps at most {max_body_bytes:,}")


async def check_blobs(turns: Iterable[NewTurn], *, max_blob_bytes: int | None, storage: str) -> None:
    """Check the blobs of turns. The digests are computed in an OS thread, because a file may be large.

    Args:
        turns: the turns; at least one of them has blobs.
        max_blob_bytes: the length of the longest blob that the storage accepts; 0 if it keeps none, None for any.
        storage: the name of the storage's class, for the error.

    Raises:
        ConfigurationError: the storage keeps no blobs.
        EncodeError: a blob is longer than the storage accepts.
        InvalidInput: a blob has another digest than it says.
    """
    blobs = [blob for turn in turns for blob in turn.blobs]
    if max_blob_bytes == 0:
        raise ConfigurationError(f"{storage} keeps no blobs: keep the bytes in the turn's body")
    for blob in blobs:
        if max_blob_bytes is not None and len(blob.data) > max_blob_bytes:
            raise EncodeError(
                "a blob", f"it has {len(blob.data):,} bytes, and this storage keeps at most {max_blob_bytes:,}"
            )
    await asyncio.to_thread(lambda: [blob.check() for blob in blobs])


def check_title(title: object) -> None:
    """Check that a title is a text that every backend keeps unchanged.

    Raises:
        InvalidInput: it is not.
    """
    # Storages would keep another value in different forms: as it is, as a text, or not at all.
    if not isinstance(title, str):
        raise InvalidInput(f"a title is a text, or None for no title, not {type(title).__name__}")
    check_text(title, "title")
