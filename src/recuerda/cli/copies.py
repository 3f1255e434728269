"""The copies of threads that `recuerda doctor --repair` writes before it changes a thread.

A copy is an export that `recuerda import` reads. An export cannot hold unreadable turns and summaries or the steps of
an interrupted turn, so these are kept beside it, byte for byte. The copy holds exactly the version of the thread that
was examined.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections import Counter
from pathlib import Path

import msgspec

from recuerda._drivers.private_files import make_private_folder, open_private
from recuerda.cli.output import warn
from recuerda.examination import Examined
from recuerda.threads.transfer import lines_of


class Backup:
    """Copies of threads in a folder. The first copy creates the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._copies: Counter[str] = Counter()
        self._is_said = False

    def keep(self, thread: Examined) -> None:
        """Write a copy of an examined thread to the disk, before the thread is changed."""
        make_private_folder(self.folder)
        self._copies[thread.thread_id] += 1
        number = self._copies[thread.thread_id]
        if thread.info is not None:
            lines = lines_of(thread.info, thread.records, blobs=thread.blobs, skip_corrupt=True)
            _write(self._path(thread.thread_id, "jsonl", number), "".join(lines).encode())
        unreadable = [record for record in thread.records if record.number not in thread.turns]
        summary = [thread.summary] if thread.summary is not None else []
        for record in [*unreadable, *summary]:
            _write(self._path(thread.thread_id, f"{record.kind}-{record.number}.bin", number), record.body)
        if thread.draft is not None:
            _write(self._path(thread.thread_id, "draft.jsonl", number), _draft_lines(thread))

    def exports_of(self, thread_id: str) -> list[Path]:
        """Return the files of the thread's copies that `recuerda import` can read, the oldest first."""
        return [self._path(thread_id, "jsonl", number) for number in range(1, self._copies[thread_id] + 1)]

    def say_how_to_restore(self) -> None:
        """Say once, before a thread is deleted, how it comes back if the command is interrupted."""
        if not self._is_said:
            self._is_said = True
            warn(
                "threads are deleted and made again; if this is interrupted, `recuerda import FILE` brings a thread "
                f"back from its copy in {self.folder}"
            )

    def _path(self, thread_id: str, ending: str, number: int) -> Path:
        return self.folder / f"{_file_name(thread_id)}{f'.{number}' if number > 1 else ''}.{ending}"


def _draft_lines(thread: Examined) -> bytes:
    steps = thread.draft.steps if thread.draft is not None else ()
    return b"".join(
        msgspec.json.encode(
            {
                "thread_id": thread.thread_id,
                "turn_id": step.turn_id,
                "revision": step.revision,
                "number": step.number,
                "created_us": step.created_us,
                "body_base64": base64.b64encode(step.body).decode(),
            }
        )
        + b"\n"
        for step in steps
    )


def _file_name(thread_id: str) -> str:
    """Return a readable name for the thread's files. Two threads never have the same name."""
    digest = hashlib.sha256(thread_id.encode()).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', thread_id)[:60]}-{digest}"


def _write(path: Path, data: bytes) -> None:
    with open(path, "xb", opener=open_private) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
