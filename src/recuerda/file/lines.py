"""The format of the lines in a thread's file.

    {"recuerda":1,"thread":"riker","incarnation":"…","created_us":…,"updated_us":…,"user_id":…,"title":…,"metadata":{…},…}
    {"number":1,"count":2,"id":"…","created_us":…,"turns":1,"messages":2,"body":{"messages":[…]}}

The first line holds the thread's settings. Each later line holds a record, or the settings again after a change. Every
line also carries the thread's totals after that line, so the last line alone gives the thread's state. A body that is
one JSON object on one line is embedded byte for byte, for people and `jq`. Any other body, such as an encrypted body,
is stored as base64 in `body_base64`.

`first_at`, `settings_at` and `summary_at` are offsets in the same file. They save a search and are checked before use.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

import msgspec

from recuerda.storage.records import DraftStep, RecordKind, ThreadInfo, TurnRecord

FORMAT = 1
SETTINGS_START = b'{"recuerda":'

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
        revision, first, turns, messages, updated_us: see `ThreadInfo`.
        first_at: every record from the number `first` on is at this offset or after it.
        settings_at: the offset of the current settings.
        summary_at: the offset of the newest summary, which may have a lower number than `first`; 0 without a summary.
        last_turn: the number of the newest turn ever appended. A draft that was begun before that turn has ended.
        dead: the number of bytes in dropped turns and former settings. A rewrite would free them.
        end: the offset at which the next line begins.
    """

    revision: int = 0
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
    """A record, and the thread's state after it."""

    number: int
    kind: Literal["undo", "trim", "summary"] | None = None
    target: int | None = None
    count: int = 0
    id: str
    created_us: int
    first: int = 1
    first_at: int = 0
    settings_at: int = 0
    summary_at: int = 0
    last_turn: int = 0
    dead: int = 0
    turns: int
    messages: int
    body: msgspec.Raw = _NO_BODY
    body_base64: bytes = b""

    def record(self) -> TurnRecord:
        """Return the record without the thread's state."""
        return TurnRecord(
            number=self.number,
            id=self.id,
            created_us=self.created_us,
            message_count=self.count,
            body=bytes(self.body) or self.body_base64,
            kind=self.kind or "turn",
            target=self.target,
        )


class SettingsLine(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True):
    """A thread's settings, and the thread's state after them."""

    recuerda: int
    thread: str
    incarnation: str
    created_us: int
    updated_us: int
    user_id: str | None = None
    title: str | None = None
    metadata: msgspec.Raw = _NO_METADATA
    revision: int = 0
    first: int = 1
    first_at: int = 0
    settings_at: int = 0
    summary_at: int = 0
    last_turn: int = 0
    dead: int = 0
    turns: int = 0
    messages: int = 0


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
    created_us: int
    body: msgspec.Raw = _NO_BODY
    body_base64: bytes = b""

    def step(self) -> DraftStep:
        """Return the step without its thread's revision."""
        body = bytes(self.body) or self.body_base64
        return DraftStep(
            turn_id=self.turn_id, revision=self.revision, number=self.number, body=body, created_us=self.created_us
        )


_encode = msgspec.json.Encoder().encode
_decode_record = msgspec.json.Decoder(RecordLine).decode
_decode_settings = msgspec.json.Decoder(SettingsLine).decode
_decode_draft = msgspec.json.Decoder(DraftLine).decode


def record_line(record: TurnRecord, state: State) -> bytes:
    """Return the line of a record. `state` is the thread's state after it."""
    line = RecordLine(
        number=record.number,
        kind=None if record.kind == "turn" else record.kind,
        target=record.target,
        count=record.message_count,
        id=record.id,
        created_us=record.created_us,
        **_totals(state, last_turn=0 if record.kind == "turn" else state.last_turn),
    )
    return _with_body(line, record.body)


def line_with_body(data: bytes, body: bytes) -> bytes:
    """Return a record's line with another body, or a damaged line unchanged. Neither line ends with a newline."""
    line = parse_record(data)
    if line is None:
        return data
    return _with_body(msgspec.structs.replace(line, body=_NO_BODY, body_base64=b""), body).removesuffix(b"\n")


def settings_line(settings: SettingsLine, state: State) -> bytes:
    """Return the line of a thread's settings. `state` is the thread's state after it."""
    line = msgspec.structs.replace(
        settings,
        recuerda=FORMAT,
        updated_us=state.updated_us,
        revision=state.revision,
        **_totals(state, last_turn=state.last_turn),
    )
    return _encode(line) + b"\n"


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


def is_settings(data: bytes) -> bool:
    """Return whether a line holds settings, by its first bytes."""
    return data.startswith(SETTINGS_START)


def read_record(data: bytes, fallback: int) -> TurnRecord:
    """Return the record of a line that holds no settings.

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
    return TurnRecord(number=number, id=f"damaged-{number}", created_us=0, message_count=count, body=data, kind=kind)


def thread_info(settings: SettingsLine, state: State) -> ThreadInfo:
    """Return the information about a thread, from its settings and the state after its last line."""
    return ThreadInfo(
        id=settings.thread,
        revision=state.revision,
        incarnation=settings.incarnation,
        first=state.first,
        turns=state.turns,
        messages=state.messages,
        user_id=settings.user_id,
        title=settings.title,
        metadata=msgspec.json.decode(settings.metadata),
        created_us=settings.created_us,
        updated_us=state.updated_us,
    )


def _totals(state: State, *, last_turn: int) -> dict[str, Any]:
    """Return the fields that every line carries."""
    return {
        "first": state.first,
        "first_at": state.first_at,
        "settings_at": state.settings_at,
        "summary_at": state.summary_at,
        "last_turn": last_turn,
        "dead": state.dead,
        "turns": state.turns,
        "messages": state.messages,
    }


def _find(pattern: bytes, data: bytes, default: int) -> int:
    found = re.search(pattern, data)
    return default if found is None else int(found[1])


def _with_body(line: RecordLine | DraftLine, body: bytes) -> bytes:
    if body.startswith(b"{") and b"\n" not in body and _is_utf8(body):
        embedded = _encode(msgspec.structs.replace(line, body=msgspec.Raw(body)))
        # The line is parsed before it is written, because only that proves that the body is one whole JSON object.
        again = parse_record(embedded) if isinstance(line, RecordLine) else parse_draft(embedded)
        if again is not None and bytes(again.body) == body:
            return embedded + b"\n"
    return _encode(msgspec.structs.replace(line, body_base64=body)) + b"\n"


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
