"""A thread's draft: a file of its own beside the thread's, a line per finished step.

An append has to remove the draft in the same atomic step, and two files can't change in one. So every step says where
the thread was when it was saved: once the thread has moved on the draft means nothing, whether or not its file is
still there.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from recuerda.file.disk import Disk, opened, write_at
from recuerda.file.lines import DraftLine, draft_line, parse_draft
from recuerda.file.log import forward_lines, open_log
from recuerda.file.names import ThreadFiles
from recuerda.records import DraftStep


class _Saved(NamedTuple):
    lines: list[DraftLine]
    end: int


def save_step(files: ThreadFiles, disk: Disk, step: DraftStep) -> None:
    """Add a step; the thread's lock is held. Step 1, and a step after a draft that is stale, begin a new draft."""
    place = _place(files)
    saved = _saved(files)
    line = draft_line(step, revision=place[0], incarnation=place[1])
    if saved is not None and step.number > 1 and _is_fresh(saved.lines, place):
        with opened(files.draft, os.O_RDWR) as fd:
            os.ftruncate(fd, saved.end)
            disk.extend(fd, saved.end, line)
        return
    try:
        with opened(files.new_draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC) as fd:
            write_at(fd, 0, line)
            disk.sync(fd)
    except BaseException:
        with suppress(OSError):
            files.new_draft.unlink()
        raise
    disk.put_in_place(files.new_draft, files.draft)


def load_steps(files: ThreadFiles) -> list[DraftStep]:
    """Return the steps of the draft; none when it is stale."""
    # The draft first: an append that comes in between then shows in the thread's place.
    saved = _saved(files)
    if saved is None or not _is_fresh(saved.lines, _place(files)):
        return []
    return [line.step() for line in saved.lines]


def drop_draft(files: ThreadFiles, disk: Disk) -> bool:
    """Delete the draft; False when there is none. The thread's lock is held."""
    was_there = bool(load_steps(files))
    disk.remove(files.draft)
    return was_there


def _saved(files: ThreadFiles) -> _Saved | None:
    lines: list[DraftLine] = []
    end = 0
    with suppress(FileNotFoundError), opened(files.draft, os.O_RDONLY) as fd:
        for line in forward_lines(fd, 0, os.fstat(fd).st_size):
            found = parse_draft(line.data)
            if found is None:
                break  # what comes after a damaged step can't be resumed
            lines.append(found)
            end = line.end
    return _Saved(lines, end) if lines else None


def _place(files: ThreadFiles) -> tuple[int, str]:
    with open_log(files.log) as log:
        if log is None:
            return 0, ""
        settings = log.settings()
        return log.state.revision, settings.incarnation if settings else ""


def _is_fresh(lines: list[DraftLine], place: tuple[int, str]) -> bool:
    # A draft may be older than its thread, when settings made the thread meanwhile.
    last = lines[-1]
    return last.thread_revision == place[0] and last.thread_incarnation in ("", place[1])
