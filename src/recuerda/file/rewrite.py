"""The next version of a thread's file: made beside it, synced, then put in its place in one step.

That is how a thread begins, how an undo and a trim delete for good, and how the space of dropped turns is freed once
it is more than what the thread holds. A crash before the last step leaves a `.new` file that means nothing and is
overwritten by the next one. Whatever is kept is copied line by line, damaged lines included: somebody may still mend
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
"""Below this it is not worth freeing."""


def is_worth_it(state: State) -> bool:
    """Tell whether more than half of a file is dead: then a rewrite costs no more than what was appended since."""
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
        path: of the new file.
        disk: syncs it.
        settings: its first line.
        old: the version before, or None for a new thread.
        stays: says which of the old one's records are copied.
        last_line: makes the line after those, given the state that they leave; it carries the thread's new state. None
            when there are no records: the settings carry it.
        bodies: other bodies for some of the records that are copied, by number.
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
