"""Processes that are killed at random moments."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.forking import ROOT, ForkedProcess

KILLED = -9


async def run_and_kill(words: Sequence[str], *, after_s: float | None) -> tuple[int, str]:
    """Run a module in a process, and kill it after some time. Return its exit code and the text of its errors.

    Args:
        words: the module's name and its arguments.
        after_s: the time; None lets the process finish.
    """
    return await asyncio.to_thread(_run, words, after_s)


def _run(words: Sequence[str], after_s: float | None) -> tuple[int, str]:
    with tempfile.TemporaryFile() as errors, Path(os.devnull).open("r+b") as nothing:
        standard = (nothing.fileno(), nothing.fileno(), errors.fileno())
        process = ForkedProcess(words, folder=ROOT, environ=os.environ, standard=standard)
        if after_s is not None:
            time.sleep(after_s)
            process.kill()
        code = process.wait(timeout_s=50)
        errors.seek(0)
        return code, errors.read().decode()
