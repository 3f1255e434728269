"""The command line as people run it: in a process of its own, piped or on a terminal.

An interpreter takes half a second to start, so the processes are forked by one that has started (`forking.py`).
`CommandLine.cold` starts an interpreter, as a shell does: for facts about the start.
"""

from __future__ import annotations

import atexit
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

COMMAND = (sys.executable, "-W", "error", "-m", "recuerda")
FORKER = (sys.executable, "-W", "error", "-m", "tests.cli.forking")
ROOT = Path(__file__).parents[2]
TIMEOUT_S = 30


class Process:
    """A command that runs.

    Args:
        arguments: the words behind `recuerda`.
        folder: the process's working directory.
        environ: the process's whole environment.
        standard: the descriptors that become its standard input, output and error; they stay open here.
    """

    def __init__(
        self, arguments: Sequence[str], *, folder: Path, environ: Mapping[str, str], standard: tuple[int, int, int]
    ) -> None:
        self._report, report = os.pipe()
        command = {"arguments": list(arguments), "folder": str(folder), "environ": dict(environ)}
        socket.send_fds(_forker(), [json.dumps(command).encode() + b"\n"], [*standard, report])
        os.close(report)
        self.pid = self._told(TIMEOUT_S)
        self._code: int | None = None

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

    def wait(self, timeout_s: float = TIMEOUT_S) -> int:
        """Wait for its end, and return the exit code; kill it when it takes too long."""
        if self._code is None:
            try:
                self._code = self._told(timeout_s)
            except TimeoutError:
                os.kill(self.pid, signal.SIGKILL)
                raise
            os.close(self._report)
        return self._code

    def _told(self, timeout_s: float) -> int:
        ready, _, _ = select.select([self._report], [], [], timeout_s)
        if not ready:
            raise TimeoutError(f"the command still runs after {timeout_s} s")
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


@dataclass(frozen=True)
class CommandLine:
    """Runs `recuerda` in a folder of its own, with an environment that names no model and no storage."""

    folder: Path

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "SYSTEMROOT", "LANG")}
        return {**kept, "XDG_DATA_HOME": str(self.folder / "data"), "TZ": "UTC", "TERM": "xterm-256color", **more}

    def __call__(self, *arguments: str, input: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        reader, writer = os.pipe()
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            standard = (reader, output.fileno(), errors.fileno())
            process = Process(arguments, folder=self.folder, environ=self.environment(environ), standard=standard)
            os.close(reader)
            speaking = threading.Thread(target=_say, args=(writer, input.encode()))
            speaking.start()
            code = process.wait()
            speaking.join()
            told = [_all_of(file) for file in (output, errors)]
        return subprocess.CompletedProcess(["recuerda", *arguments], code, *told)

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
        self._process = Process(arguments, folder=folder, environ=environ, standard=(slave, slave, slave))
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
        return self._process.wait()

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


def _say(writer: int, text: bytes) -> None:
    """Write to a pipe that nobody may read to its end, and close it."""
    with suppress(BrokenPipeError), open(writer, "wb") as pipe:
        pipe.write(text)


def _all_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()
