"""A turn in the form in which a storage keeps it: its body, and the bytes of its larger files beside the body."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from recuerda.messages.codec import decode_turn, encode_turn
from recuerda.messages.files import LARGEST_INLINE, digests_in, has_files, offloaded, turn_with_files, with_files
from recuerda.messages.message import Turn
from recuerda.storage.contract import Storage
from recuerda.storage.records import Blob, NewTurn


def new_turn(turn: Turn, storage: Storage, *, id: str | None = None) -> NewTurn:
    """Return a turn ready to be appended to a thread in `storage`.

    The bytes of larger files are beside the body, unless the storage keeps no bytes there.

    Raises:
        EncodeError: a value has no JSON form.
    """
    count = max(1, len(turn.messages))
    if storage.max_blob_bytes == 0 or not has_files(turn.messages):
        return NewTurn(body=encode_turn(turn), message_count=count, id=id)
    messages, blobs = offloaded(turn.messages)
    stored = msgspec.structs.replace(turn, messages=messages)
    kept = tuple([Blob(digest, data) for digest, data in blobs.items()])
    return NewTurn(body=encode_turn(stored), message_count=count, id=id, blobs=kept)


def rewritten_body(turn: Turn, *, kept: Collection[str]) -> tuple[bytes, list[str]]:
    """Return the new body of a stored turn, and the digests of the files that it releases.

    The files with the `kept` digests, which the stored turn names, stay beside it. A rewrite cannot add files beside a
    turn, so other files are in the body.

    Raises:
        EncodeError: a value has no JSON form.
    """
    messages, blobs = offloaded(turn.messages)
    added = {digest: data for digest, data in blobs.items() if digest not in kept}
    named = digests_in(messages)
    body = encode_turn(msgspec.structs.replace(turn, messages=with_files(messages, added)))
    return body, [digest for digest in kept if digest not in named]


def fitted_to(new: NewTurn, storage: Storage) -> NewTurn:
    """Return a turn that was encoded elsewhere, with its files where `storage` keeps them.

    The body stays as it is if it has no file in another place, so parts that this version does not know are not lost.
    """
    is_beside = storage.max_blob_bytes != 0
    if bool(new.blobs) == is_beside or (is_beside and len(new.body) <= LARGEST_INLINE):
        return new
    turn = turn_with_files(
        decode_turn(new.body, thread_id="", number=0), {blob.digest: blob.data for blob in new.blobs}
    )
    made = new_turn(turn, storage)
    if is_beside and not made.blobs:
        return new
    return msgspec.structs.replace(new, body=made.body, blobs=made.blobs)
