"""The records of a thread as a page shows them: turns, summaries, and the marks of undone and deleted turns."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, TypeAlias

import msgspec

from recuerda.errors import CorruptTurn, DecryptionError, StateError
from recuerda.json_value import JsonObject
from recuerda.messages.message import Usage
from recuerda.storage.records import SEAL, TurnRecord, to_microseconds
from recuerda.studio.cutting import cut
from recuerda.studio.paths import link
from recuerda.studio.threads.parts import CUT, ShownMessage, shown_messages
from recuerda.threads.history import StoredTurn, stored_turn
from recuerda.window.summary import decode_summary

EntryKind: TypeAlias = Literal["turn", "summary", "undo", "trim"]
EntryState: TypeAlias = Literal["", "interrupted", "failed", "damaged", "sealed"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A record of a thread.

    Attributes:
        kind: "turn", "summary", "undo" or "trim".
        number: the record's number, which is the thread's revision after it.
        id: the record's id, which makes a retry safe.
        href: the address of the turn's page.
        at_us: the time at which the turn was said, in microseconds since 1970 (UTC).
        committed_us: the time at which the storage wrote the record.
        state: "interrupted", "failed", "damaged", "sealed" or "".
        reason: the text of the error of a turn that failed or cannot be read.
        messages: the messages of a turn.
        usage: the tokens that the turn, or the summary, cost.
        started_us: the time at which the turn's first run began, in microseconds since 1970 (UTC). None for a turn that
            no run has made.
        duration_us: the time that the turn's runs worked on it, in microseconds; None as above.
        runs: the number of runs that worked on the turn; 0 as above.
        metadata: the application's metadata of the turn.
        target: the turn that this turn replaced, the last turn that a summary covers, the turn that an undo removed,
            or the first turn that a trim kept.
        text: the text of a summary.
        left_out: the number of characters of the summary that were cut.
        model: the model that wrote the summary.
        service_thread_id: in the mirror of a service's thread, the service's id of the thread after this turn.
    """

    kind: EntryKind
    number: int
    id: str
    href: str
    at_us: int
    committed_us: int
    state: EntryState = ""
    reason: str = ""
    messages: tuple[ShownMessage, ...] = ()
    usage: Usage | None = None
    started_us: int | None = None
    duration_us: int | None = None
    runs: int = 0
    metadata: JsonObject = {}
    target: int | None = None
    text: str = ""
    left_out: int = 0
    model: str | None = None
    service_thread_id: str | None = None

    @property
    def is_cut(self) -> bool:
        """Whether a text of a message is cut."""
        return any(part.left_out for message in self.messages for part in message.parts)

    @property
    def key(self) -> str:
        """The key of the entry in the list of a page."""
        return str(self.number)


def entry_of(record: TurnRecord, thread_id: str, *, is_whole: bool = False) -> Entry:
    """Return a record as a page shows it. A record that cannot be read says why."""
    entry = Entry(
        kind=record.kind,
        number=record.number,
        id=record.id,
        href=link("threads", thread_id, "turns", record.number),
        at_us=record.created_us,
        committed_us=record.committed_us,
        target=record.target,
    )
    if record.kind == "summary":
        return _with_summary(entry, record.body, is_whole=is_whole)
    if record.kind != "turn":
        return entry
    try:
        stored = stored_turn(record, thread_id)
    except CorruptTurn as error:
        is_sealed = record.body.startswith(SEAL)
        return msgspec.structs.replace(
            entry, state="sealed" if is_sealed else "damaged", reason="" if is_sealed else error.reason
        )
    return _with_turn(entry, stored, is_whole=is_whole)


def sealed_entry(error: DecryptionError, number: int, thread_id: str) -> Entry:
    """Return the entry of a record that a storage could not decrypt."""
    return Entry(
        kind="turn",
        number=number,
        id="",
        href=link("threads", thread_id, "turns", number),
        at_us=0,
        committed_us=0,
        state="sealed",
        reason=str(error),
    )


def _with_turn(entry: Entry, stored: StoredTurn, *, is_whole: bool) -> Entry:
    turn = stored.turn
    state: EntryState = "interrupted" if turn.is_interrupted else "failed" if turn.error else ""
    return msgspec.structs.replace(
        entry,
        state=state,
        reason=turn.error or "",
        messages=shown_messages(turn.messages, files=f"{entry.href}/files", is_whole=is_whole),
        usage=turn.usage,
        started_us=stored.started_at and to_microseconds(stored.started_at),
        duration_us=None if stored.duration is None else stored.duration // timedelta(microseconds=1),
        runs=stored.run_count,
        metadata=turn.metadata or {},
        service_thread_id=turn.service_thread_id,
    )


def _with_summary(entry: Entry, body: bytes, *, is_whole: bool) -> Entry:
    if body.startswith(SEAL):
        return msgspec.structs.replace(entry, state="sealed")
    if not body:
        return entry  # a trim by age has emptied it
    try:
        summary = decode_summary(body)
    except StateError as error:
        return msgspec.structs.replace(entry, state="damaged", reason=str(error))
    text, left_out = cut(summary.text, None if is_whole else CUT)
    return msgspec.structs.replace(entry, text=text, left_out=left_out, model=summary.model, usage=summary.usage)
