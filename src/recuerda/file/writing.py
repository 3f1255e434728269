"""Functions that write records and settings to a thread's file. The caller holds the thread's lock.

A turn or a summary is nearly always one line at the end. An undo, a trim, a new thread and the freeing of space need a
new file instead. The functions return whether they wrote a new file. If so, the caller closes the old file and then
puts the new file in place. Windows requires this order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from recuerda.file.disk import Disk
from recuerda.file.lines import FORMAT, SettingsLine, State, record_line, settings_line
from recuerda.file.log import Log
from recuerda.file.names import ThreadFiles
from recuerda.file.rewrite import is_worth_it, write_new_log
from recuerda.ids import new_id
from recuerda.storage.records import Appended, NewRecord, ThreadChanges, TurnRecord


def write_record(
    files: ThreadFiles, disk: Disk, *, thread_id: str, log: Log | None, record: NewRecord
) -> tuple[TurnRecord, bool]:
    """Write a record after the last record. Return it with its number, and whether it is in a new file."""
    if log is None:
        committed = record.numbered(1)
        settings = _named(new_settings(thread_id, record.created_us), record)
        _write_new(files, disk, settings=settings, log=None, committed=committed, first=1)
        return committed, True
    committed = record.numbered(log.state.revision + 1)
    state = _added(log.state, committed)
    if record.keep_messages is not None and state.messages > record.keep_messages:
        state = _cut_oldest(log, state, max(record.keep_messages, record.message_count))
    settings = _new_name(log, thread_id, record)
    if settings is None and (committed.kind in ("undo", "trim") or is_worth_it(state)):
        settings = log.settings_of(thread_id)
    if settings is None:
        _extend(log, disk, record_line(committed, state))
    else:
        _write_new(files, disk, settings=settings, log=log, committed=committed, first=state.first)
    return committed, settings is not None


def write_records(
    log: Log, disk: Disk, *, records: Sequence[NewRecord], find: Callable[[str], TurnRecord | None]
) -> list[Appended]:
    """Write several turns to a thread that exists, in one write. Turns whose ids `find` finds are replayed."""
    done: list[Appended] = []
    lines: list[bytes] = []
    by_id: dict[str, TurnRecord] = {}
    state = log.state
    for record in records:
        there = None if record.is_new_id else by_id.get(record.id) or find(record.id)
        if there is not None:
            done.append(Appended(revision=there.number, replayed=True, record=there))
            continue
        committed = record.numbered(state.revision + 1)
        state = _added(state, committed)
        lines.append(record_line(committed, state))
        by_id[committed.id] = committed
        done.append(Appended(revision=committed.number, replayed=False, record=committed))
    if lines:
        _extend(log, disk, b"".join(lines))
    return done


def write_settings(files: ThreadFiles, disk: Disk, *, log: Log | None, settings: SettingsLine) -> tuple[State, bool]:
    """Write new settings. Return the thread's state, and whether they are in a new file."""
    if log is None:
        write_new_log(files.new_log, disk=disk, settings=settings, old=None, stays=_every, last_line=None)
        return State(updated_us=settings.updated_us), True
    state = replace(log.state, updated_us=settings.updated_us, settings_at=log.state.end)
    line = settings_line(settings, state)
    state = replace(state, dead=state.dead + len(line))
    if not is_worth_it(state):
        _extend(log, disk, settings_line(settings, state))
        return state, False

    def last_line(kept: State) -> bytes:
        return settings_line(settings, replace(kept, updated_us=settings.updated_us))

    write_new_log(files.new_log, disk=disk, settings=settings, old=log, stays=_every, last_line=last_line)
    return state, True


def write_bodies(files: ThreadFiles, disk: Disk, *, log: Log, thread_id: str, bodies: Mapping[int, bytes]) -> None:
    """Write a new file in which some turns have other bodies. The thread's state does not change."""
    settings = log.settings_of(thread_id)

    def last_line(kept: State) -> bytes:
        return settings_line(settings, replace(kept, updated_us=log.state.updated_us))

    write_new_log(
        files.new_log, disk=disk, settings=settings, old=log, stays=_every, last_line=last_line, bodies=bodies
    )


def new_settings(thread_id: str, now_us: int) -> SettingsLine:
    """Return the settings of a new thread."""
    return SettingsLine(recuerda=FORMAT, thread=thread_id, incarnation=new_id(), created_us=now_us, updated_us=now_us)


def changed_settings(settings: SettingsLine, changes: ThreadChanges, now_us: int) -> SettingsLine:
    """Return the settings after a change."""
    unset = msgspec.UNSET
    return replace(
        settings,
        updated_us=now_us,
        user_id=settings.user_id if changes.user_id is unset else changes.user_id,
        title=settings.title if changes.title is unset else changes.title,
        metadata=(
            settings.metadata if changes.metadata is unset else msgspec.Raw(msgspec.json.encode(changes.metadata))
        ),
    )


def _write_new(
    files: ThreadFiles, disk: Disk, *, settings: SettingsLine, log: Log | None, committed: TurnRecord, first: int
) -> None:
    if committed.kind == "trim":
        first = max(first, committed.target or 1)
    undone = committed.target if committed.kind == "undo" else None

    def stays(record: TurnRecord) -> bool:
        is_undone = record.number == undone or (
            undone is not None and record.kind == "summary" and (record.target or 0) >= undone
        )
        return record.number >= first and not is_undone

    def last_line(kept: State) -> bytes:
        return record_line(committed, _added(replace(kept, first=first), committed))

    write_new_log(files.new_log, disk=disk, settings=settings, old=log, stays=stays, last_line=last_line)


def _extend(log: Log, disk: Disk, line: bytes) -> None:
    if log.size > log.state.end:
        os.ftruncate(log.fd, log.state.end)  # removes a write that never finished
    disk.extend(log.fd, log.state.end, line)


def _added(state: State, record: TurnRecord) -> State:
    return replace(
        state,
        revision=record.number,
        turns=state.turns + (record.kind == "turn"),
        messages=state.messages + record.message_count,
        updated_us=record.created_us,
        summary_at=state.end if record.kind == "summary" else state.summary_at,
        last_turn=record.number if record.kind == "turn" else state.last_turn,
    )


def _cut_oldest(log: Log, state: State, keep_messages: int) -> State:
    """Return the state without the oldest turns above the limit. Their lines stay in the file until a rewrite."""
    turns, messages, dead = state.turns, state.messages, state.dead
    first, first_at = state.revision, log.state.end
    for line, record in log.records():
        if messages <= keep_messages:
            first, first_at = record.number, line.at
            break
        turns -= record.kind == "turn"
        messages -= record.message_count
        dead += len(line.data) + 1
    return replace(state, first=first, first_at=first_at, turns=turns, messages=messages, dead=dead)


def _new_name(log: Log, thread_id: str, record: NewRecord) -> SettingsLine | None:
    """Return the settings with the user and title of a thread's first record; None if they do not change."""
    if log.state.revision:
        return None
    settings = log.settings_of(thread_id)
    named = _named(settings, record)
    return None if (named.user_id, named.title) == (settings.user_id, settings.title) else named


def _named(settings: SettingsLine, record: NewRecord) -> SettingsLine:
    return replace(
        settings,
        user_id=record.user_id if settings.user_id is None else settings.user_id,
        title=record.title if settings.title is None else settings.title,
    )


def _every(_record: TurnRecord) -> bool:
    return True
