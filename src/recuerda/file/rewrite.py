"""The next version of a thread's file, made beside the file. The caller then puts it in place in one operation.

An undo, a trim, a turn that replaces another one, and a change of bodies write a new version. So does a writer after
whose work the bytes of dropped turns and former settings outweigh the other bytes. A crash before the file is in place
leaves a `.new` file, which has no meaning and is overwritten by the next version. Lines that stay are copied unchanged.
This includes damaged lines, because somebody may still repair them. Of a removed record, only the id stays, among the
newest `REMEMBERED` numbers.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from recuerda._drivers.private_files import open_private
from recuerda.file.disk import Disk
from recuerda.file.lines import (
    GoneLine,
    SettingsLine,
    State,
    gone_line,
    line_with_blob,
    line_with_body,
    record_line,
    settings_line,
)
from recuerda.file.log import Log, without_lost_title
from recuerda.file.names import ThreadFiles
from recuerda.file.writing import added, named
from recuerda.storage.operations import NewBodies, NewRecord
from recuerda.storage.records import REMEMBERED, TurnRecord
from recuerda.storage.rules import edits_after

MIN_DEAD_BYTES = 64 * 1024
"""The number of dead bytes up to which a rewrite is not worth its cost."""


def is_worth_it(state: State) -> bool:
    """Return whether more than half of a file is dead.

    In that case a rewrite costs no more than the appends since the last rewrite.
    """
    return state.dead > MIN_DEAD_BYTES and state.dead * 2 > state.end


_NO_BODIES = NewBodies({})


class _Plan(Struct, frozen=True, kw_only=True):
    """The difference between two versions of a file.

    Attributes:
        first: records with a lower number are removed.
        undone: the number of a turn to remove, with the summaries that cover it; None for none.
        horizon: the ids of removed records after this number stay.
        change: new bodies of records, and the blobs that these records no longer name.
        renamed: the digest of a blob that gets another one, and the new digest.
    """

    first: int
    undone: int | None = None
    horizon: int
    change: NewBodies = _NO_BODIES
    renamed: tuple[str, str] | None = None

    def keeps(self, record: TurnRecord) -> bool:
        if record.number < self.first or record.number == self.undone:
            return False
        return self.undone is None or record.kind != "summary" or (record.target or 0) < self.undone


def write_removal(files: ThreadFiles, disk: Disk, *, log: Log, thread_id: str, record: NewRecord) -> TurnRecord:
    """Write a version after an undo, a trim or a turn that replaces another one. Return the record with its number."""
    number = log.state.revision + 1
    undo = None if record.replaced is None else record.undo(number)
    committed = record.numbered(number if undo is None else number + 1)
    undone = None if committed.kind == "trim" else committed.target
    plan = _Plan(first=log.state.first, undone=undone, horizon=committed.number - REMEMBERED)
    if committed.kind == "trim":
        plan = replace(plan, first=max(plan.first, committed.target or 1))
    if record.keep_messages is not None:
        plan = replace(plan, first=_first_kept(log, plan, record, record.keep_messages))
    settings = without_lost_title(log.settings_of(thread_id), plan.first)
    if plan.undone and settings.title_turn == plan.undone:
        settings = replace(settings, title=None, title_turn=0)
    settings = named(settings, committed.number - 1, record, None)

    def last_lines(kept: State) -> bytes:
        if undo is None:
            return record_line(committed, added(kept, committed))
        then = added(kept, undo)
        return record_line(undo, then) + record_line(committed, added(then, committed))

    _write(files, disk, log=log, settings=settings, plan=plan, last_lines=last_lines)
    return committed


def _first_kept(log: Log, plan: _Plan, record: NewRecord, keep_messages: int) -> int:
    """Return the number of the first record that a limit leaves, beside a record that replaces a turn."""
    kept = [old for _, old in log.records() if plan.keeps(old)]
    messages = sum(old.message_count for old in kept) + record.message_count
    enough = max(keep_messages, record.message_count)
    if messages <= enough:
        return plan.first
    for old in kept:
        if messages <= enough:
            return old.number
        messages -= old.message_count
    return log.state.revision + 1


def write_bodies(files: ThreadFiles, disk: Disk, *, log: Log, thread_id: str, change: NewBodies, now_us: int) -> int:
    """Write a version in which some records have other bodies, and return its `edits`."""
    settings = log.settings_of(thread_id)
    edits = edits_after(settings.edits, now_us)
    _write_same(files, disk, log=log, settings=replace(settings, edits=edits, rewritten=edits), change=change)
    return edits


def write_names(files: ThreadFiles, disk: Disk, *, log: Log, thread_id: str, old: str, new: str) -> None:
    """Write a version in which the turns that name a blob name another one."""
    _write_same(files, disk, log=log, settings=log.settings_of(thread_id), renamed=(old, new))


def write_without_dead(files: ThreadFiles, disk: Disk, *, log: Log, thread_id: str) -> None:
    """Write a version without the bytes of dropped turns and former settings."""
    _write_same(files, disk, log=log, settings=log.settings_of(thread_id))


def _write_same(
    files: ThreadFiles,
    disk: Disk,
    *,
    log: Log,
    settings: SettingsLine,
    change: NewBodies = _NO_BODIES,
    renamed: tuple[str, str] | None = None,
) -> None:
    def last_lines(kept: State) -> bytes:
        return settings_line(settings, replace(kept, settings_at=kept.end))

    plan = _Plan(
        first=log.state.first,
        horizon=log.state.revision - REMEMBERED,
        change=change,
        renamed=renamed,
    )
    _write(files, disk, log=log, settings=settings, plan=plan, last_lines=last_lines)


def _write(
    files: ThreadFiles,
    disk: Disk,
    *,
    log: Log,
    settings: SettingsLine,
    plan: _Plan,
    last_lines: Callable[[State], bytes],
) -> None:
    """Write the next version, synced. The last line, which `last_lines` makes, carries the thread's state."""
    path = files.new_log
    try:
        with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as out:
            # A person may have shared the thread's file on purpose.
            path.chmod(stat.S_IMODE(os.fstat(log.fd).st_mode))
            header = settings_line(
                settings, State(revision=plan.first - 1, first=plan.first, updated_us=log.state.updated_us)
            )
            out.write(header)
            out.write(last_lines(_copy(log, out, plan, len(header))))
            out.flush()
            disk.sync(out.fileno())
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def _copy(log: Log, out: BinaryIO, plan: _Plan, end: int) -> State:
    """Copy the lines that stay, and return the thread's state after them. `end` is the offset of the first of them."""
    old = log.state
    turns = messages = summary_at = first_at = 0
    for line, record in log.history():
        data = _next_version(line.data, record, old, plan)
        if isinstance(record, TurnRecord) and record.number >= old.first and plan.keeps(record):
            turns += record.kind == "turn"
            messages += record.message_count
            summary_at = end if record.kind == "summary" else summary_at
            first_at = end if record.number == plan.first else first_at
        out.write(data)
        end += len(data)
    return State(
        revision=old.revision,
        record_id=old.record_id,
        first=plan.first,
        first_at=first_at,
        turns=turns,
        messages=messages,
        updated_us=old.updated_us,
        summary_at=summary_at,
        last_turn=old.last_turn,
        end=end,
    )


def _next_version(data: bytes, record: TurnRecord | GoneLine, old: State, plan: _Plan) -> bytes:
    """Return a record's line in the next version: the same line, the line of a removed record, or nothing."""
    if isinstance(record, GoneLine):
        return gone_line(record) if record.gone > plan.horizon else b""
    if record.number >= old.first and plan.keeps(record):
        if plan.renamed and plan.renamed[0] in record.blobs:
            return line_with_blob(data, *plan.renamed) + b"\n"
        body = plan.change.bodies.get(record.number)
        if body is None:
            return data + b"\n"
        return line_with_body(data, body, released=plan.change.released_by(record.number)) + b"\n"
    if record.number <= plan.horizon:
        return b""
    is_dropped = record.kind == "turn" and record.number != plan.undone
    return gone_line(GoneLine(gone=record.number, id=record.id, dropped=is_dropped))
