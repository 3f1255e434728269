"""One stored turn as JSON: the form of a turn in exports and in the state of a store in RAM.

The stored bytes of the turn are copied, so parts that this version does not know are not lost. The turn keeps its id,
so importing it twice adds nothing. Files that the storage keeps beside the turn are in `blobs`, as base64 by digest.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from recuerda.errors import CorruptTurn, InvalidInput, StateError
from recuerda.ids import check_id
from recuerda.messages.codec import decode_turn
from recuerda.storage.records import NO_BLOBS, Blob, NewTurn, TurnRecord


class _TurnLine(msgspec.Struct, omit_defaults=True):
    id: str
    turn: msgspec.Raw
    created_us: int | None = None
    blobs: dict[str, bytes] = {}


def encode_turn_line(record: TurnRecord, thread_id: str, blobs: Mapping[str, bytes] = NO_BLOBS) -> bytes:
    """Return a stored turn as JSON bytes.

    Args:
        record: the turn.
        thread_id: the thread's id, for the error.
        blobs: the bytes of the turn's files by digest. There may be more.

    Raises:
        CorruptTurn: the turn cannot be read.
    """
    decode_turn(record.body, thread_id=thread_id, number=record.number)
    held = {digest: blobs[digest] for digest in record.blobs if digest in blobs}
    return encode_turn_body(record.id, record.body, record.created_us, held)


def encode_turn_body(turn_id: str, body: bytes, created_us: int | None, blobs: Mapping[str, bytes] = NO_BLOBS) -> bytes:
    """Return a turn as JSON bytes, made of its id, its body, its time, and the bytes of its files by digest."""
    return msgspec.json.encode(_TurnLine(turn_id, msgspec.Raw(body), created_us, {**blobs}))


def decode_turn_line(line: str | bytes, where: str) -> NewTurn:
    """Return the turn that `encode_turn_line` wrote, ready to be appended.

    Args:
        line: the JSON.
        where: names the line in errors, such as "line 3".

    Raises:
        StateError: the line is not a turn.
    """
    try:
        parsed = msgspec.json.decode(line, type=_TurnLine)
        check_id(parsed.id, "turn id")
        body = bytes(parsed.turn)
        turn = decode_turn(body, thread_id="", number=0)
        blobs = tuple([Blob(digest, data) for digest, data in parsed.blobs.items()])
        for blob in blobs:
            blob.check()
        return NewTurn(
            body=body, message_count=len(turn.messages), id=parsed.id, created_us=parsed.created_us, blobs=blobs
        )
    except (msgspec.DecodeError, UnicodeEncodeError, InvalidInput) as error:
        raise StateError(f"{where} is not a turn: {error}") from None
    except CorruptTurn as error:
        raise StateError(f"{where} is not a turn: {error.reason}") from None
