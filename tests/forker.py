"""A process that has imported what tests run, and forks for each run: an interpreter starts once, and not each time.

Run as `python -W error -m tests.forker`, with a socket as its standard input. A line on the socket is one run, as JSON:
a module, its arguments, a folder, an environment, and modules that are imported before the fork. Four descriptors come
with it: the run's standard input, output and error, and a pipe. The pipe is told the run's process id, and then its
exit code.

A run is a process of its own. It starts without threads, and runs the module to the end of its interpreter.
"""

from __future__ import annotations

import gc
import io
import json
import os
import runpy
import signal
import socket
import sys
import tempfile
import time
from importlib import import_module
from typing import Any, TypeAlias

PREPARED = (
    *("recuerda.cli.app", "recuerda.offline", "recuerda.openai", "recuerda.testing.scripted", "rich.console"),
    *("recuerda.server", "uvicorn", "tests.storage.matrix"),
)
"""The modules that most runs import. Importing them opens no file and starts no thread."""

Run: TypeAlias = dict[str, Any]


def serve(requests: socket.socket) -> str:
    """Start runs until the other side goes away. Returns in the process of each run: the module to run there."""
    while request := _next(requests):
        run, descriptors = request
        for name in run["prepared"]:
            import_module(name)
        if os.fork() == 0:
            requests.close()
            _stand_by(run, descriptors)
            return str(run["module"])
        for descriptor in descriptors:
            os.close(descriptor)
    os._exit(0)


def _next(requests: socket.socket) -> tuple[Run, list[int]] | None:
    text, descriptors, _, _ = socket.recv_fds(requests, 1 << 16, 4)
    while text and not text.endswith(b"\n"):
        text += requests.recv(1 << 16)
    return (json.loads(text), descriptors) if text else None


def _stand_by(run: Run, descriptors: list[int]) -> None:
    """Fork the run, report its process id and its exit code. Only the run's own process returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *standard, report = descriptors
    if child := os.fork():
        for descriptor in (0, *standard):
            os.close(descriptor)
        os.write(report, b"%d\n" % child)
        os.write(report, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os._exit(0)
    os.close(report)
    _become(run, standard)


def _become(run: Run, standard: list[int]) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(run["folder"])
    os.environ.clear()
    os.environ.update(run["environ"])
    time.tzset()
    tempfile.tempdir = None  # found anew, in the run's own environment
    sys.argv = [run["module"], *run["arguments"]]
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    sys.stdout = sys.__stdout__ = _writer(1, line_buffering=os.isatty(1))
    sys.stderr = sys.__stderr__ = _writer(2, line_buffering=True)


def _writer(number: int, *, line_buffering: bool) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
    return io.TextIOWrapper(buffer, encoding="utf-8", line_buffering=line_buffering)


if __name__ == "__main__":
    for name in PREPARED:
        import_module(name)
    gc.freeze()  # so that a collection in a run does not copy every page of memory
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes that stand by
    runpy.run_module(serve(socket.socket(fileno=os.dup(0))), run_name="__main__", alter_sys=True)
