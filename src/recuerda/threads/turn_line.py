"""One stored turn as JSON: the form of a turn in exports and in the state of a store in RAM.

The stored bytes of the turn are copied, so parts that this version does not know are not lost. The turn keeps its id,
so importing it twice adds nothing.
"""

from __future__ import annotations

import msgspec

from recuerda.errors import CorruptTurn, InvalidInput, StateError
from recuerda.ids import check_id
from recuerda.messages.codec import decode_turn
from recuerda.storage.records import NewTurn, TurnRecord


class _TurnLine(msgspec.Struct, omit_defaults=True):
    id: str
    turn: msgspec.Raw
    created_us: int | None = None


def encode_turn_line(record: TurnRecord, thread_id: str) -> bytes:
    """Return a stored turn as JSON bytes.

    Raises:
        CorruptTurn: the turn cannot be read.
    """
    decode_turn(record.body, thread_id=thread_id, number=record.number)
    return encode_turn_body(record.id, record.body, record.created_us)


def encode_turn_body(turn_id: str, body: bytes, created_us: int | None) -> bytes:
    """Return a turn as JSON bytes, made of its id, its body and its time."""
    return msgspec.json.encode(_TurnLine(turn_id, msgspec.Raw(body), created_us))


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
        return NewTurn(body=body, message_count=len(turn.messages), id=parsed.id, created_us=parsed.created_us)
    except (msgspec.DecodeError, UnicodeEncodeError, InvalidInput) as error:
        raise StateError(f"{where} is not a turn: {error}") from None
    except CorruptTurn as error:
        raise StateError(f"{where} is not a turn: {error.reason}") from None
