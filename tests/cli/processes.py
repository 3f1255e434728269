"""The command line as people run it: in a process of its own, piped or on a terminal.

An interpreter takes half a second to start, so the processes are forked by one that has started (`tests/forking.py`).
`CommandLine.cold` starts an interpreter, as a shell does: for facts about the start.
"""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.forking import ForkedProcess, run_module

COMMAND = (sys.executable, "-W", "error", "-m", "recuerda")
TIMEOUT_S = 30


@dataclass(frozen=True)
class CommandLine:
    """Runs `recuerda` in a folder of its own, with an environment that names no model and no storage."""

    folder: Path

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "SYSTEMROOT", "LANG")}
        return {**kept, "XDG_DATA_HOME": str(self.folder / "data"), "TZ": "UTC", "TERM": "xterm-256color", **more}

    def __call__(self, *arguments: str, input: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        return run_module(
            "recuerda",
            *arguments,
            input=input,
            folder=self.folder,
            environ=self.environment(environ),
            timeout_s=TIMEOUT_S,
        )

    def cold(self, *arguments: str, input: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        """Run it in an interpreter that is started for it."""
        return subprocess.run(
            [*COMMAND, *arguments],
            input=input,
            env=self.environment(environ),
            cwd=self.folder,
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
            check=False,
        )

    def ok(self, *arguments: str, input: str = "", **environ: str) -> str:
        """Run what has to succeed, and return what it printed."""
        done = self(*arguments, input=input, **environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str, input: str = "", code: int = 1, **environ: str) -> str:
        """Run what has to fail, and return its one line on standard error."""
        done = self(*arguments, input=input, **environ)
        assert done.returncode == code, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stderr


class Terminal:
    """A running command on a pseudo terminal."""

    def __init__(self, arguments: Sequence[str], *, folder: Path, environ: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        self._process = ForkedProcess(
            ["recuerda", *arguments], folder=folder, environ=environ, standard=(slave, slave, slave)
        )
        os.close(slave)
        self.seen = ""
        self._read_until = 0

    def expect(self, text: str) -> None:
        """Wait until the text comes, behind what was waited for before."""
        deadline = time.monotonic() + TIMEOUT_S
        while (at := self.seen.find(text, self._read_until)) < 0:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.seen!r}"
            assert self._read(), f"{text!r} did not come before the end: {self.seen!r}"
        self._read_until = at + len(text)

    def send(self, text: str) -> None:
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        """Do what the terminal does for Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def interrupt_until(self, text: str) -> None:
        """Press Ctrl-C until the text comes: readline loses a signal that comes just before it begins to wait."""
        deadline = time.monotonic() + TIMEOUT_S
        while (at := self.seen.find(text, self._read_until)) < 0:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.seen!r}"
            self.interrupt()
            self._read(wait_s=0.3)
        self._read_until = at + len(text)

    def wait(self) -> int:
        """Read to the end, and return the exit code."""
        while self._read():
            pass
        return self._process.wait(TIMEOUT_S)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def _read(self, *, wait_s: float = TIMEOUT_S) -> bool:
        ready, _, _ = select.select([self._master], [], [], wait_s)
        if not ready:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux's way of saying that the other side has been closed
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)
