"""recuerda's own export: one line for each thread, and one for each of its turns (see `threads/transfer.py`).

An import copies these lines as they are, so that parts which this version does not know are not lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO, TextIOWrapper

from recuerda.errors import InvalidInput
from recuerda.formats.format import Format
from recuerda.formats.moved import MovedThread, MovedTurn
from recuerda.formats.source import Source
from recuerda.messages.codec import decode_turn
from recuerda.messages.files import turn_with_files
from recuerda.storage.records import NewTurn
from recuerda.threads.transfer import FORMAT as TAG
from recuerda.threads.transfer import parse_lines


def lines_of(source: Source) -> list[str]:
    """Return the lines of an export. Only a newline ends a line, because a message may hold other separators.

    Raises:
        InvalidInput: the source is not UTF-8 text.
    """
    try:
        return list(TextIOWrapper(BytesIO(source.text()), encoding="utf-8", newline="\n"))
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{source.path or 'the file'} is not an export: it is not UTF-8 text ({error.reason})"
        ) from None


def _read(source: Source) -> Iterator[MovedThread]:
    for line, turns in parse_lines(lines_of(source), None):
        title = None if line.title_turn is not None else line.title
        moved = tuple(_turn(turn) for turn in turns)
        yield MovedThread(
            id=line.id,
            turns=moved,
            title=title,
            user_id=line.user_id,
            metadata=line.metadata,
            parent=line.parent,
            archived=line.archived,
            tags=line.tags,
        )


def _turn(turn: NewTurn) -> MovedTurn:
    decoded = decode_turn(turn.body, thread_id="", number=0)
    decoded = turn_with_files(decoded, {blob.digest: blob.data for blob in turn.blobs})
    return MovedTurn(id=turn.id or "", turn=decoded, created_us=turn.created_us)


def _is_like(values: Sequence[object]) -> bool:
    match values:
        case [{"format": str(tag)}, *_]:
            return tag == TAG
        case _:
            return False


FORMAT = Format(name="recuerda", read=_read, lines=lines_of, is_like=_is_like)
