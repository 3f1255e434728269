"""Modules that run in processes of their own, forked by one that has started (`forker.py`)."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

FORKER = (sys.executable, "-W", "error", "-m", "tests.forker")
ROOT = Path(__file__).parents[1]
TIMEOUT_S = 50
_ASKING = threading.Lock()


def run_module(
    module: str,
    *arguments: object,
    input: str = "",
    folder: Path = ROOT,
    environ: Mapping[str, str] = os.environ,
    timeout_s: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a module as `python -m` does, and return its exit code and its output."""
    words = [module, *map(str, arguments)]
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        standard = (reader, output.fileno(), errors.fileno())
        process = ForkedProcess(words, folder=folder, environ=environ, standard=standard)
        os.close(reader)
        speaking = threading.Thread(target=_say, args=(writer, input.encode()))
        speaking.start()
        code = process.wait(timeout_s)
        speaking.join()
        return subprocess.CompletedProcess(words, code, _all_of(output), _all_of(errors))


class ForkedProcess:
    """A module that runs.

    Args:
        words: the module's name and its arguments.
        folder: the process's working directory.
        environ: the process's whole environment.
        standard: the descriptors that become its standard input, output and error; they stay open here.
        prepared: modules that are slow to import, which the next run of the same modules finds imported.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        folder: Path,
        environ: Mapping[str, str],
        standard: tuple[int, int, int],
        prepared: Sequence[str] = (),
    ) -> None:
        self._report, report = os.pipe()
        module, *arguments = words
        run = {
            "module": module,
            "arguments": arguments,
            "folder": str(folder),
            "environ": dict(environ),
            "prepared": list(prepared),
        }
        with _ASKING:
            socket.send_fds(_forker(), [json.dumps(run).encode() + b"\n"], [*standard, report])
        os.close(report)
        self.pid = self._told(TIMEOUT_S)
        self._code: int | None = None

    @property
    def has_ended(self) -> bool:
        """Say whether it has ended."""
        if self._code is None and select.select([self._report], [], [], 0)[0]:
            self.wait()
        return self._code is not None

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self._code is None:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                self.wait()

    def kill(self) -> None:
        """End it with SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for its end, and return the exit code. After `timeout_s` it is killed."""
        if self._code is None:
            try:
                self._code = self._told(timeout_s)
            except TimeoutError:
                os.kill(self.pid, signal.SIGKILL)
                raise
            os.close(self._report)
        return self._code

    def _told(self, timeout_s: float | None) -> int:
        ready, _, _ = select.select([self._report], [], [], timeout_s)
        if not ready:
            raise TimeoutError(f"the module still runs after {timeout_s} s")
        digits = b""
        while (digit := os.read(self._report, 1)) not in (b"\n", b""):
            digits += digit
        return int(digits)


@cache
def _forker() -> socket.socket:
    """Return the way to the process that forks; it ends with this one."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(FORKER, stdin=theirs.fileno(), cwd=ROOT)

    def stop() -> None:
        ours.close()
        process.wait(TIMEOUT_S)

    atexit.register(stop)
    return ours


def _say(writer: int, text: bytes) -> None:
    """Write to a pipe that nobody may read to its end, and close it."""
    with suppress(BrokenPipeError), open(writer, "wb") as pipe:
        pipe.write(text)


def _all_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()
