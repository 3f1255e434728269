"""`recuerda serve` as people run it: in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

COMMAND = (sys.executable, "-W", "error", "-m", "recuerda", "serve")
TIMEOUT_S = 30


class ServerProcess:
    """A running `recuerda serve`; ended with its block, however that is left."""

    def __init__(self, storage_url: str, model_url: str, *options: str, **environ: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "RECUERDA_"))}
        self._process = subprocess.Popen(
            [*COMMAND, "--storage", storage_url, "--upstream", model_url, "--model", "m", "--port", "0", *options],
            env={**kept, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.greeting = [self._process.stdout.readline().strip()]
        if not self.greeting[0].startswith("serving"):
            raise RuntimeError(f"the server did not start: {self._process.communicate()}")
        while not self.greeting[-1].startswith("more"):
            self.greeting.append(self._process.stdout.readline().strip())
        self.url = self.greeting[0].split()[1].removesuffix("/v1")

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait(TIMEOUT_S)

    def interrupt(self, number: int = signal.SIGTERM) -> None:
        """Ask it to stop."""
        self._process.send_signal(number)

    def wait(self) -> tuple[int, str]:
        """Wait for its end; return the exit code, and what it said on standard error."""
        _, errors = self._process.communicate(timeout=TIMEOUT_S)
        return self._process.returncode, errors

    @property
    def has_ended(self) -> bool:
        """Say whether it has ended."""
        return self._process.poll() is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.has_ended:
            self._process.kill()
        self._process.communicate()
