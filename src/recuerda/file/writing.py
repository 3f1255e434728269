"""Functions that add records and settings to a thread's file. The caller holds the thread's lock.

Everything that one operation adds is written at the end of the file in one write and one sync. The thread's first lines
make the file. Removals need the next version of the file instead; see `rewrite.py`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from recuerda.file.disk import Disk
from recuerda.file.lines import (
    FINISHED,
    FINISHED_AT,
    FORMAT,
    SettingsLine,
    State,
    first_line,
    record_line,
    settings_line,
)
from recuerda.file.log import Log, without_lost_title
from recuerda.file.names import ThreadFiles
from recuerda.file.tails import START_BYTES, Tail, mark_of
from recuerda.ids import new_id
from recuerda.storage.operations import NewRecord, ThreadChanges
from recuerda.storage.records import TurnRecord
from recuerda.storage.rules import edits_after, metadata_after, owner_after, parent_after, title_after, updated_after


def add_records(
    files: ThreadFiles,
    disk: Disk,
    *,
    log: Log | None,
    thread_id: str,
    records: Sequence[NewRecord],
    user_id: str | None,
) -> tuple[list[TurnRecord], Tail]:
    """Add turns or a summary. Return them with their numbers, and the end of the file after them.

    The first record of a thread gives it this user. A record may give it a title.
    """
    start = log.state if log else State(updated_us=records[0].created_us)
    first = records[0].numbered(start.revision + 1)
    state = added(start, first)
    lines: list[bytes] = []
    settings: SettingsLine | None = None
    if log is not None:
        state = _cut_oldest(log, state, records[0])
        settings = _renamed(log, thread_id, state.first, records[0], user_id)
        if settings is not None:
            lines.append(settings_line(settings, replace(start, settings_at=start.end), more=True))
            state = _moved(state, start, len(lines[0]))
    committed = [first]
    lines.append(record_line(first, state, more=len(records) > 1))
    for place, record in enumerate(records[1:], 2):
        committed.append(record.numbered(state.revision + 1))
        state = added(state, committed[-1])
        lines.append(record_line(committed[-1], state, more=place < len(records)))
    data = b"".join(lines)
    if log is None:
        settings = named(new_settings(thread_id, first.created_us), 0, records[0], user_id)
        found, content = _begin(files, disk, settings, data)
        beginning, end = content[:START_BYTES], len(content)
    else:
        if settings is None and state.first == start.first:
            settings = log.known_settings
        found, end = _extend(log, disk, data)
        beginning = log.start
    return committed, Tail(mark_of(found), beginning, replace(state, end=end), settings)


def add_settings(files: ThreadFiles, disk: Disk, *, log: Log | None, settings: SettingsLine) -> State:
    """Add new settings, or make a thread with them. Return the thread's state after them."""
    if log is None:
        _begin(files, disk, settings)
        return State(updated_us=settings.updated_us)
    state = replace(log.state, updated_us=settings.updated_us, settings_at=log.state.end)
    state = replace(state, dead=state.dead + len(settings_line(settings, state)))
    line = settings_line(settings, state)
    _extend(log, disk, line)
    return replace(state, end=state.end + len(line))


def new_settings(thread_id: str, now_us: int) -> SettingsLine:
    """Return the settings of a new thread."""
    return SettingsLine(recuerda=FORMAT, thread=thread_id, incarnation=new_id(), created_us=now_us, updated_us=now_us)


def changed_settings(settings: SettingsLine, changes: ThreadChanges, *, now_us: int, changed_us: int) -> SettingsLine:
    """Return the settings after a change. `changed_us` is the time that the thread shows for it."""
    unset = msgspec.UNSET
    return replace(
        settings,
        updated_us=changed_us,
        edits=edits_after(settings.edits, now_us),
        user_id=settings.user_id if changes.user_id is unset else changes.user_id,
        title=settings.title if changes.title is unset else changes.title,
        title_turn=settings.title_turn if changes.title is unset else changes.title_turn,
        metadata=_merged(settings.metadata, changes),
        parent=parent_after(settings.parent, changes, owner=settings.user_id),
        archived=settings.archived if changes.archived is unset else changes.archived,
        tags=settings.tags if changes.tags is unset else changes.tags,
    )


def owned(settings: SettingsLine, revision: int, user_id: str | None) -> SettingsLine:
    """Return the settings with this user, if the thread has no record and no user yet."""
    return replace(settings, user_id=owner_after(user_id, owner=settings.user_id, revision=revision))


def _merged(metadata: msgspec.Raw, changes: ThreadChanges) -> msgspec.Raw:
    if changes.metadata is msgspec.UNSET:
        return metadata
    held = msgspec.json.decode(metadata, type=dict[str, object])
    return msgspec.Raw(msgspec.json.encode(metadata_after(held, changes.metadata)))


def _begin(files: ThreadFiles, disk: Disk, settings: SettingsLine, rest: bytes = b"") -> tuple[os.stat_result, bytes]:
    """Make a thread's file. Return the facts about it, and its content."""
    content = first_line(settings, State(updated_us=settings.updated_us), rest=len(rest)) + rest
    found = disk.begin(files.log_name, content, mark_at=FINISHED_AT, mark=FINISHED)
    return found, content[:FINISHED_AT] + FINISHED + content[FINISHED_AT + len(FINISHED) :]


def _extend(log: Log, disk: Disk, lines: bytes) -> tuple[os.stat_result, int]:
    """Add lines to a thread's file. Return the facts about it, and its end."""
    end = log.state.end
    if log.size > end:
        os.ftruncate(log.fd, end)  # removes a write that never finished
    return disk.extend(log.path, log.fd, end, lines), end + len(lines)


def added(state: State, record: TurnRecord) -> State:
    """Return the thread's state after a record, which is the next one."""
    return replace(
        state,
        revision=record.number,
        record_id=record.id,
        turns=state.turns + (record.kind == "turn"),
        messages=state.messages + record.message_count,
        updated_us=updated_after(record, updated_us=state.updated_us),
        summary_at=state.end if record.kind == "summary" else state.summary_at,
        last_turn=record.number if record.kind == "turn" else state.last_turn,
    )


def _cut_oldest(log: Log, state: State, record: NewRecord) -> State:
    """Return the state without the oldest turns above the record's limit.

    Their lines stay in the file until a rewrite.
    """
    if record.keep_messages is None or state.messages <= record.keep_messages:
        return state
    keep_messages = max(record.keep_messages, record.message_count)
    turns, messages, dead = state.turns, state.messages, state.dead
    first, first_at = state.revision, log.state.end
    for line, old in log.records():
        if messages <= keep_messages:
            first, first_at = old.number, line.at
            break
        turns -= old.kind == "turn"
        messages -= old.message_count
        dead += len(line.data) + 1
    return replace(state, first=first, first_at=first_at, turns=turns, messages=messages, dead=dead)


def _renamed(log: Log, thread_id: str, first: int, record: NewRecord, user_id: str | None) -> SettingsLine | None:
    """Return the settings with the user and the title that a record gives its thread; None if they do not change."""
    if log.state.revision and record.title is None:
        return None
    settings = log.settings_of(thread_id)
    after = named(without_lost_title(settings, first), log.state.revision, record, user_id)
    return None if after == settings else after


def named(settings: SettingsLine, revision: int, record: NewRecord, user_id: str | None) -> SettingsLine:
    """Return the settings with the user and the title that a new record gives its thread."""
    settings = owned(settings, revision, user_id)
    title, title_turn = title_after(
        record.title, title=settings.title, title_turn=settings.title_turn, revision=revision
    )
    return replace(settings, title=title, title_turn=title_turn)


def _moved(state: State, start: State, size: int) -> State:
    """Return the state after a record before which a line of settings of this size was added."""
    return replace(
        state,
        settings_at=start.end,
        first_at=start.end + size if state.first_at == start.end else state.first_at,
        summary_at=start.end + size if state.summary_at == start.end else state.summary_at,
        dead=state.dead + size,
    )
