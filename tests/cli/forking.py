"""A process that has imported `recuerda`, and forks for each command: an interpreter starts once, and not each time.

Run as `python -W error -m tests.cli.forking`, with a socket as its standard input. A line on the socket is one command:
its arguments, folder and environment as JSON. Four descriptors come with it: the command's standard input, output and
error, and a pipe. The pipe is told the command's process id, and then its exit code.

A command is a process of its own, and runs from the first line of `recuerda/__main__.py` to the end of its interpreter.
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
import time
from importlib import import_module
from typing import Any

PREPARED = (
    "recuerda.cli.app",
    "recuerda.file",
    "recuerda.offline",
    "recuerda.openai",
    "recuerda.sqlite",
    *("recuerda.cosmos", "recuerda.postgres", "recuerda.redis", "rich.console"),
)
"""What the commands import, and what does no work and starts no thread when it is imported."""


def serve(requests: socket.socket) -> None:
    """Start commands until the other side goes away. Returns in each command's process, too, which then runs it."""
    while command := _next(requests):
        arguments, descriptors = command
        if os.fork() == 0:
            requests.close()
            _stand_by(arguments, descriptors)
            return
        for descriptor in descriptors:
            os.close(descriptor)
    os._exit(0)


def _next(requests: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    text, descriptors, _, _ = socket.recv_fds(requests, 1 << 16, 4)
    while text and not text.endswith(b"\n"):
        text += requests.recv(1 << 16)
    return (json.loads(text), descriptors) if text else None


def _stand_by(command: dict[str, Any], descriptors: list[int]) -> None:
    """Fork the command, report its process id and its exit code. Only the command's own process returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *standard, report = descriptors
    if child := os.fork():
        for descriptor in (0, *standard):
            os.close(descriptor)
        os.write(report, b"%d\n" % child)
        os.write(report, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os._exit(0)
    os.close(report)
    _become(command, standard)


def _become(command: dict[str, Any], standard: list[int]) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environ"])
    time.tzset()
    sys.argv = ["recuerda", *command["arguments"]]
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    sys.stdout = sys.__stdout__ = _writer(1, line_buffering=os.isatty(1))
    sys.stderr = sys.__stderr__ = _writer(2, line_buffering=True)


def _writer(number: int, *, line_buffering: bool) -> io.TextIOWrapper:
    buffer = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
    return io.TextIOWrapper(buffer, encoding="utf-8", line_buffering=line_buffering)


if __name__ == "__main__":
    for name in PREPARED:
        import_module(name)
    gc.freeze()  # so that a collection in a command does not copy every page of memory
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes that stand by
    serve(socket.socket(fileno=os.dup(0)))
    runpy.run_module("recuerda", run_name="__main__", alter_sys=True)
