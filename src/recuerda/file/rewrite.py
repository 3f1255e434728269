"""Creation of the next version of a thread's file, beside the file. The caller then puts it in place in one operation.

A new thread, an undo and a trim write a new version. So does an append after which the bytes of dropped turns outweigh
the other bytes. A crash before the file is in place leaves a `.new` file, which has no meaning and is overwritten by
the next version. Lines that stay are copied unchanged. This includes damaged lines, because somebody may still repair
them.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from os import fstat
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from msgspec.structs import replace

from recuerda.file.disk import Disk
from recuerda.file.lines import SettingsLine, State, line_with_body, settings_line
from recuerda.file.log import Log
from recuerda.storage.records import TurnRecord

MIN_DEAD_BYTES = 64 * 1024
"""The number of dead bytes up to which a rewrite is not worth its cost."""


def is_worth_it(state: State) -> bool:
    """Return whether more than half of a file is dead.

    In that case a rewrite costs no more than the appends since the last rewrite.
    """
    return state.dead > MIN_DEAD_BYTES and state.dead * 2 > state.end


def write_new_log(
    path: Path,
    *,
    disk: Disk,
    settings: SettingsLine,
    old: Log | None,
    stays: Callable[[TurnRecord], bool],
    last_line: Callable[[State], bytes] | None,
    bodies: Mapping[int, bytes] = MappingProxyType({}),
) -> None:
    """Write the next version of a thread's file, synced, to `path`.

    Args:
        path: the path of the new file.
        disk: the disk that syncs it.
        settings: the settings for the first line.
        old: the present version, or None for a new thread.
        stays: returns True for a record of `old` that is to be copied.
        last_line: returns the last line, given the state after the copied records. The line carries the thread's new
            state. None if there is no record; then the settings carry the state.
        bodies: new bodies for some of the copied records, by number.
    """
    try:
        with path.open("wb") as out:
            if old is not None:
                path.chmod(stat.S_IMODE(fstat(old.fd).st_mode))
            first = old.state.first if old else 1
            header = settings_line(settings, State(revision=first - 1, first=first, updated_us=settings.updated_us))
            out.write(header)
            state = State(first=first, end=len(header))
            if old is not None:
                state = replace(state, revision=old.state.revision, last_turn=old.state.last_turn)
            if old is not None:
                state = _copy(old, out, state, stays, bodies)
            if last_line is not None:
                out.write(last_line(state))
            out.flush()
            disk.sync(out.fileno())
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


def _copy(
    old: Log, out: BinaryIO, state: State, stays: Callable[[TurnRecord], bool], bodies: Mapping[int, bytes]
) -> State:
    turns = messages = summary_at = 0
    end = state.end
    for line, record in old.records():
        if stays(record):
            body = bodies.get(record.number)
            data = line.data if body is None else line_with_body(line.data, body)
            out.write(data + b"\n")
            turns += record.kind == "turn"
            messages += record.message_count
            summary_at = end if record.kind == "summary" else summary_at
            end += len(data) + 1
    return replace(state, turns=turns, messages=messages, end=end, summary_at=summary_at)
