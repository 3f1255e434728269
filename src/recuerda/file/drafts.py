"""A thread's draft: a separate file beside the thread's own, with one line for each finished step.

The append of a turn must remove the draft in the same atomic operation, but two files cannot change in one. So every
step holds the thread's revision at the time of saving. Once the thread has a later turn, the draft no longer counts,
whether or not its file still exists.

Saving a step writes one line. Of the earlier steps, it reads only the first line and the last line. As in a thread's
file, a line counts once its newline is there, or once no writer is at work (see `log.py`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from recuerda._events import fields
from recuerda.errors import StorageError
from recuerda.file.disk import Disk, opened, write_at
from recuerda.file.lines import DraftLine, Line, draft_line, parse_draft
from recuerda.file.log import Log, backward_lines, forward_lines, last_piece, line_at, open_log
from recuerda.file.names import DRAFT_SUFFIX, ThreadFiles, files_of
from recuerda.file.os_locks import shared
from recuerda.storage.drafts import DraftInfo, DraftStep
from recuerda.storage.records import MAX_NUMBER
from recuerda.storage.rules import is_new_step

_log = logging.getLogger("recuerda.storage.file")


class _Place(NamedTuple):
    """The facts about the thread by which a draft is judged."""

    revision: int = 0
    incarnation: str = ""
    last_turn: int = 0
    user_id: str | None = None


class _Saved(NamedTuple):
    """The facts about the current draft that are needed to save one more step."""

    first: DraftStep | None = None
    same: DraftStep | None = None
    newest: int = 0
    newest_id: str = ""
    end: int = 0


def save_step(
    files: ThreadFiles, disk: Disk, thread_id: str, step: DraftStep, *, log: Log | None, begin: Callable[[], str]
) -> str:
    """Save a step if `is_new_step` returns True for it, and return the thread's incarnation.

    The caller holds the thread's lock.

    Args:
        files: the thread's files.
        disk: the disk.
        thread_id: the thread.
        step: the step.
        log: the thread's file; None if there is no thread.
        begin: is called before a draft begins. It makes the thread if necessary, and returns its incarnation.
    """
    place = _place_in(log)
    saved = _look_up(files, disk, place, step.number)
    if not is_new_step(
        thread_id,
        step,
        first=saved.first,
        same=saved.same,
        newest=saved.newest,
        newest_id=saved.newest_id,
        revision=place.revision,
    ):
        return place.incarnation
    if step.number > 1:
        line = draft_line(thread_id, step, revision=place.revision, incarnation=place.incarnation)
        with opened(files.draft, os.O_RDWR) as fd:
            os.ftruncate(fd, saved.end)
            disk.extend(files.draft, fd, saved.end, line)
        return place.incarnation
    incarnation = begin()
    line = draft_line(thread_id, step, revision=place.revision, incarnation=incarnation)
    try:
        with opened(files.new_draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC) as fd:
            write_at(fd, 0, line)
            disk.sync(fd)
    except BaseException:
        with suppress(OSError):
            files.new_draft.unlink()
        raise
    disk.put_in_place(files.new_draft, files.draft)
    return incarnation


def load_steps(
    files: ThreadFiles, disk: Disk, *, check: Callable[[str | None], None] = lambda _: None
) -> list[DraftStep]:
    """Return the steps of the draft, or an empty list if there is no draft or it has ended.

    `check` is called with the thread's user.
    """
    # The draft is read first, so an append between the two reads shows in the thread's revision.
    lines: list[tuple[Line, DraftLine]] = []
    with suppress(FileNotFoundError), opened(files.draft, os.O_RDONLY) as fd, shared(fd) as is_settled:
        lines = _readable(fd, with_tail=is_settled)
        if lines and lines[-1][0].end > os.fstat(fd).st_size:
            disk.sync_file(files.draft)
    with open_log(files.log_name, disk) as log:
        place = _place_in(log)
    check(place.user_id)
    return [found.step() for _, found in lines] if lines and _is_fresh(lines[0][1], place) else []


def last_step(files: ThreadFiles, disk: Disk, log: Log | None) -> str:
    """Return the id of the draft's last step; "" if there is no draft or it has ended. The caller holds the lock."""
    return _look_up(files, disk, _place_in(log), MAX_NUMBER + 1).newest_id


def list_drafts(folder: Path, disk: Disk) -> list[DraftInfo]:
    """Return the entries of all threads that have a draft."""
    with suppress(FileNotFoundError):
        names = sorted(path.name for path in folder.iterdir() if path.suffix == DRAFT_SUFFIX)
        return [found for name in names if (found := _info_of(folder, disk, name)) is not None]
    return []


def _info_of(folder: Path, disk: Disk, name: str) -> DraftInfo | None:
    """Return the entry of the draft in this file. None when the draft has ended or cannot be read."""
    try:
        thread_id = _named_in(folder / name)
        if thread_id is None:
            _log.warning(
                "not listed: the draft %s, because its first step cannot be read",
                folder / name,
                extra=fields("draft_not_listed", path=str(folder / name)),
            )
            return None
        files = files_of(folder, thread_id)
        if files.draft.name != name:
            return None  # A copy of a file under another name is not a second draft.
        users: list[str | None] = []
        steps = load_steps(files, disk, check=users.append)
        begun_us = steps[0].created_us if steps else 0
        return DraftInfo(thread_id=thread_id, user_id=users[0], begun_us=begun_us) if steps else None
    except StorageError as error:
        # One bad file must not hide the other files.
        _log.warning("not listed: %s", error, extra=fields("draft_not_listed", error=type(error).__name__))
        return None


def _named_in(draft: Path) -> str | None:
    with suppress(FileNotFoundError), opened(draft, os.O_RDONLY) as fd:
        first = parse_draft(line_at(fd, 0, os.fstat(fd).st_size).data)
        return first.thread if first else None
    return None


def end_draft(files: ThreadFiles, disk: Disk, turn_ids: Collection[str]) -> None:
    """Delete the draft if it belongs to one of these turns, which are in the thread. The caller holds the lock."""
    first = None
    with suppress(FileNotFoundError), opened(files.draft, os.O_RDONLY) as fd:
        first = parse_draft(line_at(fd, 0, os.fstat(fd).st_size).data)
    if first is not None and first.turn_id in turn_ids:
        disk.remove(files.draft)


def _look_up(files: ThreadFiles, disk: Disk, place: _Place, number: int) -> _Saved:
    with suppress(FileNotFoundError), opened(files.draft, os.O_RDWR) as fd:
        _finish(fd, disk)
        size = os.fstat(fd).st_size
        first = parse_draft(line_at(fd, 0, size).data)
        if first is None or not _is_fresh(first, place):
            return _Saved()
        last_line = next(backward_lines(fd, size), Line(0, b""))
        last = parse_draft(last_line.data)
        if last is not None and number > last.number:
            return _Saved(first.step(), None, last.number, last.id, last_line.end)
        # The draft may already hold this step, or its last line may be damaged. This is rare, so reading all lines is
        # acceptable.
        lines = _readable(fd)
        same = next((found.step() for _, found in lines if found.number == number), None)
        end, newest = lines[-1]
        return _Saved(first.step(), same, newest.number, newest.id, end.end)
    return _Saved()


def _finish(fd: int, disk: Disk) -> None:
    """Complete a step whose writer has ended before the newline."""
    size = os.fstat(fd).st_size
    tail = last_piece(fd, size)
    if tail and parse_draft(tail) is not None:
        disk.sync(fd)
        write_at(fd, size, b"\n")


def _readable(fd: int, *, with_tail: bool = False) -> list[tuple[Line, DraftLine]]:
    lines: list[tuple[Line, DraftLine]] = []
    size = os.fstat(fd).st_size
    for line in forward_lines(fd, 0, size):
        found = parse_draft(line.data)
        if found is None or (line.end > size and not with_tail):
            break  # steps after a damaged step cannot be resumed
        lines.append((line, found))
    return lines


def _place_in(log: Log | None) -> _Place:
    if log is None:
        return _Place()
    settings = log.settings()
    return _Place(log.state.revision, settings.incarnation if settings else "", log.state.last_turn, log.user_id)


def _is_fresh(first: DraftLine, place: _Place) -> bool:
    return first.thread_revision >= place.last_turn and first.thread_incarnation == place.incarnation
