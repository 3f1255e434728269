"""The format of the lines in a thread's file.

    {"recuerda":1,"whole":1,"rest":…,"thread":"riker","incarnation":"…","created_us":…,"updated_us":…,"title":…,…}
    {"number":1,"count":2,"id":"…","created_us":…,"turns":1,"messages":2,"body":{"messages":[…]}}
    {"gone":2,"id":"…"}

The first line holds the thread's settings. Each later line holds a record, or the settings again after a change, or the
id of a record that was removed. Every line but the last kind also carries the thread's totals after that line, so the
last line alone gives the thread's state. A body that is one JSON object on one line is embedded byte for byte, for
people and `jq`. Any other body, such as an encrypted body, is stored as base64 in `body_base64`.

`first_at`, `settings_at` and `summary_at` are offsets in the same file. They save a search and are checked before use.
`whole`, `rest` and `more` tell which lines were written together; `log.py` says when they count.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal, NamedTuple

import msgspec

from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import RecordKind, TurnRecord
from recuerda.storage.thread_info import ThreadInfo, ThreadParent

FORMAT = 1
SETTINGS_START = b'{"recuerda":'
GONE_START = b'{"gone":'
_NO_RECORD = (SETTINGS_START, GONE_START)

_UNFINISHED = b',"whole":0,'

_NO_BODY = msgspec.Raw()
_NO_METADATA = msgspec.Raw(b"{}")
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Line(NamedTuple):
    """A complete line: its offset in the file, and its bytes without the newline."""

    at: int
    data: bytes

    @property
    def end(self) -> int:
        """The offset of the next line."""
        return self.at + len(self.data) + 1


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a thread after one line of its file.

    Attributes:
        revision, record_id, first, turns, messages, updated_us: see `ThreadInfo`.
        first_at: every record from the number `first` on is at this offset or after it.
        settings_at: the offset of the current settings.
        summary_at: the offset of the newest summary, which may have a lower number than `first`; 0 without a summary.
        last_turn: the number of the newest turn ever appended. A draft that was begun before that turn has ended.
        dead: the number of bytes in dropped turns and former settings. A rewrite would free them.
        end: the offset at which the next line begins.
    """

    revision: int = 0
    record_id: str = ""
    first: int = 1
    turns: int = 0
    messages: int = 0
    updated_us: int = 0
    first_at: int = 0
    settings_at: int = 0
    summary_at: int = 0
    last_turn: int = 0
    dead: int = 0
    end: int = 0


class RecordLine(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True, gc=False):
    """A record, and the thread's state after it.

    `committed_us` and the thread's `updated_us` are 0 if they equal `created_us`. `more` is true if the next line was
    written together with this line. `blobs` has the digests of the blobs that a turn names.
    """

    number: int
    kind: Literal["undo", "trim", "summary"] | None = None
    target: int | None = None
    count: int = 0
    id: str
    created_us: int
    committed_us: int = 0
    updated_us: int = 0
    more: bool = False
    first: int = 1
    first_at: int = 0
    settings_at: int = 0
    summary_at: int = 0
    last_turn: int = 0
    dead: int = 0
    turns: int
    messages: int
    blobs: tuple[str, ...] = ()
    body: msgspec.Raw = _NO_BODY
    body_base64: bytes = b""

    def record(self) -> TurnRecord:
        """Return the record without the thread's state."""
        return TurnRecord(
            number=self.number,
            id=self.id,
            created_us=self.created_us,
            committed_us=self.committed_us or self.created_us,
            message_count=self.count,
            body=bytes(self.body) or self.body_base64,
            kind=self.kind or "turn",
            target=self.target,
            blobs=self.blobs,
        )


class SettingsLine(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True):
    """A thread's settings, and the thread's state after them.

    The first settings of a new thread begin with `whole`, which is 0 until the thread is on the disk, and with `rest`,
    the number of bytes that follow them. `more` is as in `RecordLine`.
    """

    recuerda: int
    whole: int | None = None
    rest: int = 0
    thread: str
    incarnation: str
    created_us: int
    updated_us: int
    user_id: str | None = None
    title: str | None = None
    title_turn: int | None = None
    metadata: msgspec.Raw = _NO_METADATA
    parent: ThreadParent | None = None
    archived: bool = False
    tags: tuple[str, ...] = ()
    edits: int = 0
    rewritten: int = 0
    more: bool = False
    revision: int = 0
    record_id: str = ""
    first: int = 1
    first_at: int = 0
    settings_at: int = 0
    summary_at: int = 0
    last_turn: int = 0
    dead: int = 0
    turns: int = 0
    messages: int = 0


class GoneLine(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True, gc=False):
    """The number and the id of a removed record. `dropped` is true for a turn that a trim or a limit has removed."""

    gone: int
    id: str
    dropped: bool = False


class DraftLine(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True):
    """A step of a draft, and the revision of its thread when the step was saved.

    The first step also holds the thread's id, because the id cannot be read from the name of the file.
    """

    turn_id: str
    revision: int
    number: int
    thread_revision: int
    thread_incarnation: str = ""
    thread: str = ""
    id: str = ""
    created_us: int
    body: msgspec.Raw = _NO_BODY
    body_base64: bytes = b""

    def step(self) -> DraftStep:
        """Return the step without its thread's revision."""
        body = bytes(self.body) or self.body_base64
        return DraftStep(
            turn_id=self.turn_id,
            revision=self.revision,
            number=self.number,
            body=body,
            created_us=self.created_us,
            id=self.id,
        )


_encode = msgspec.json.Encoder().encode
_decode_record = msgspec.json.Decoder(RecordLine).decode
_decode_settings = msgspec.json.Decoder(SettingsLine).decode
_decode_gone = msgspec.json.Decoder(GoneLine).decode
_decode_metadata = msgspec.json.Decoder().decode
_decode_draft = msgspec.json.Decoder(DraftLine).decode


def record_line(record: TurnRecord, state: State, *, more: bool = False) -> bytes:
    """Return the line of a record. `state` is the thread's state after it."""
    is_turn, body = record.kind == "turn", record.body
    is_embedded = _may_be_embedded(body)
    line = RecordLine(
        number=record.number,
        kind=None if record.kind == "turn" else record.kind,
        target=record.target,
        count=record.message_count,
        id=record.id,
        created_us=record.created_us,
        committed_us=0 if record.committed_us == record.created_us else record.committed_us,
        updated_us=0 if state.updated_us == record.created_us else state.updated_us,
        more=more,
        first=state.first,
        first_at=state.first_at,
        settings_at=state.settings_at,
        summary_at=state.summary_at,
        last_turn=0 if is_turn else state.last_turn,
        dead=state.dead,
        turns=state.turns,
        messages=state.messages,
        blobs=record.blobs,
        body=msgspec.Raw(body) if is_embedded else _NO_BODY,
        body_base64=b"" if is_embedded else body,
    )
    return _checked(line, body) if is_embedded else _encode(line) + b"\n"


def line_with_body(data: bytes, body: bytes, *, released: Collection[str] = ()) -> bytes:
    """Return a record's line with another body, or a damaged line unchanged. Neither line ends with a newline.

    The new line does not name the blobs with the digests in `released`.
    """
    line = parse_record(data)
    if line is None:
        return data
    blobs = tuple(digest for digest in line.blobs if digest not in released)
    bare = msgspec.structs.replace(line, body=_NO_BODY, body_base64=b"", blobs=blobs)
    return _with_body(bare, body).removesuffix(b"\n")


def line_with_blob(data: bytes, old: str, new: str) -> bytes:
    """Return a record's line in which one blob has another digest, or a damaged line unchanged."""
    line = parse_record(data)
    if line is None:
        return data
    names = dict.fromkeys(new if name == old else name for name in line.blobs)
    return _encode(msgspec.structs.replace(line, blobs=tuple(names)))


def settings_line(settings: SettingsLine, state: State, *, more: bool = False) -> bytes:
    """Return the line of a thread's settings. `state` is the thread's state after it."""
    return _encode(_with_state(settings, state, more=more)) + b"\n"


def first_line(settings: SettingsLine, state: State, *, rest: int) -> bytes:
    """Return the first line of a new thread, of which `rest` bytes follow. It does not count yet; see `FINISHED`."""
    return _encode(msgspec.structs.replace(_with_state(settings, state), whole=0, rest=rest)) + b"\n"


FINISHED_AT = len(SETTINGS_START) + len(f"{FORMAT}") + len(_UNFINISHED) - 2
FINISHED = b"1"
"""The byte that makes a new thread's first line count, and its offset in the file."""


def gone_line(gone: GoneLine) -> bytes:
    """Return the line that remembers a removed record."""
    return _encode(gone) + b"\n"


def draft_line(thread_id: str, step: DraftStep, *, revision: int, incarnation: str) -> bytes:
    """Return the line of a draft's step. `revision` and `incarnation` are the thread's values at the time of saving."""
    return _with_body(
        DraftLine(
            turn_id=step.turn_id,
            revision=step.revision,
            number=step.number,
            thread_revision=revision,
            thread_incarnation=incarnation,
            thread=thread_id if step.number == 1 else "",
            id=step.id,
            created_us=step.created_us,
        ),
        step.body,
    )


def parse_record(data: bytes) -> RecordLine | None:
    """Return the record line in `data`; None if `data` is another kind of line or damaged."""
    try:
        return _decode_record(data)
    except _UNREADABLE:
        return None


def parse_settings(data: bytes) -> SettingsLine | None:
    """Return the settings in `data`; None if `data` is another kind of line or damaged."""
    if not is_settings(data):
        return None
    try:
        return _decode_settings(data)
    except _UNREADABLE:
        return None


def format_of(start: bytes) -> int:
    """Return the number of a file's format, from its first bytes; 0 if they do not contain it."""
    return _find(rb'^\{"recuerda":(\d{1,9}),', start, 0)


def parse_draft(data: bytes) -> DraftLine | None:
    """Return the draft line in `data`, or None when it is damaged."""
    try:
        return _decode_draft(data)
    except _UNREADABLE:
        return None


def parse_gone(data: bytes) -> GoneLine | None:
    """Return the removed record in `data`, or None when the line is damaged."""
    try:
        return _decode_gone(data)
    except _UNREADABLE:
        return None


def is_unfinished(start: bytes) -> bool:
    """Return whether a file with these first bytes holds a new thread that was not on the disk yet."""
    return start.startswith(_UNFINISHED, FINISHED_AT + 2 - len(_UNFINISHED))


def is_settings(data: bytes) -> bool:
    """Return whether a line holds settings, by its first bytes."""
    return data.startswith(SETTINGS_START)


def is_gone(data: bytes) -> bool:
    """Return whether a line holds a removed record, by its first bytes."""
    return data.startswith(GONE_START)


def holds_record(data: bytes) -> bool:
    """Return whether a line holds a record, whole or damaged, by its first bytes."""
    return not data.startswith(_NO_RECORD)


def number_of(data: bytes) -> int:
    """Return the number of a record's line or of a removed record's line, by its first bytes; 0 without a number."""
    return _find(rb'^\{"(?:number|gone)":(\d{1,18}),', data[:40], 0)


def read_record(data: bytes, fallback: int) -> TurnRecord:
    """Return the record of a line that holds neither settings nor a removed record.

    A damaged line becomes a turn whose body is the line itself. No decoder accepts that body, so the reader of the
    thread learns which turn is lost and can still read the other turns. The record keeps the number that the line still
    shows; otherwise it gets `fallback`. A damaged line that is still recognizable as a summary becomes a summary that
    covers no turn.
    """
    line = parse_record(data)
    if line is not None:
        return line.record()
    number = _find(rb'^\{"number":(\d{1,18}),', data, fallback)
    count = _find(rb'"count":(\d{1,18}),', data[:200], 1)
    kind: RecordKind = "turn"
    if re.match(rb'\{"number":\d{1,18},"kind":"summary",', data):
        kind, count = "summary", 0
    return TurnRecord(
        number=number,
        id=f"damaged-{number}",
        created_us=0,
        committed_us=0,
        message_count=count,
        body=data,
        kind=kind,
    )


def thread_info(settings: SettingsLine, state: State) -> ThreadInfo:
    """Return the information about a thread, from its settings and the state after its last line."""
    return ThreadInfo(
        id=settings.thread,
        revision=state.revision,
        incarnation=settings.incarnation,
        record_id=state.record_id,
        edits=settings.edits,
        rewritten=settings.rewritten,
        first=state.first,
        turns=state.turns,
        messages=state.messages,
        user_id=settings.user_id,
        title=settings.title,
        title_turn=settings.title_turn,
        metadata=_decode_metadata(settings.metadata),
        created_us=settings.created_us,
        updated_us=state.updated_us,
        parent=settings.parent,
        archived=settings.archived,
        tags=settings.tags,
    )


def _with_state(settings: SettingsLine, state: State, *, more: bool = False) -> SettingsLine:
    return msgspec.structs.replace(
        settings,
        recuerda=FORMAT,
        whole=None,
        rest=0,
        updated_us=state.updated_us,
        more=more,
        revision=state.revision,
        record_id=state.record_id,
        first=state.first,
        first_at=state.first_at,
        settings_at=state.settings_at,
        summary_at=state.summary_at,
        last_turn=state.last_turn,
        dead=state.dead,
        turns=state.turns,
        messages=state.messages,
    )


def _find(pattern: bytes, data: bytes, default: int) -> int:
    found = re.search(pattern, data)
    return default if found is None else int(found[1])


def _with_body(line: RecordLine | DraftLine, body: bytes) -> bytes:
    """Return the line of a record or a draft's step that has no body yet."""
    if _may_be_embedded(body):
        return _checked(msgspec.structs.replace(line, body=msgspec.Raw(body)), body)
    return _encode(msgspec.structs.replace(line, body_base64=body)) + b"\n"


def _checked(line: RecordLine | DraftLine, body: bytes) -> bytes:
    """Return a line that embeds a body. If the body is not one whole JSON object, the line has it as base64."""
    embedded = _encode(line)
    # The line is parsed before it is written, because only that proves that the body is one whole JSON object.
    again = parse_record(embedded) if isinstance(line, RecordLine) else parse_draft(embedded)
    if again is not None and bytes(again.body) == body:
        return embedded + b"\n"
    return _encode(msgspec.structs.replace(line, body=_NO_BODY, body_base64=body)) + b"\n"


def _may_be_embedded(body: bytes) -> bool:
    return body.startswith(b"{") and b"\n" not in body and _is_utf8(body)


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
