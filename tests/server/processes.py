"""`recuerda serve` as people run it: in a process of its own."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.forking import ForkedProcess

TIMEOUT_S = 30


class ServerProcess:
    """A running `recuerda serve`; ended with its block, however that is left."""

    def __init__(self, storage_url: str, model_url: str, *options: str, **environ: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "RECUERDA_"))}
        names = ["--storage", storage_url, "--upstream", model_url, "--model", "m", "--port", "0", "--drain-for", "0"]
        reader, writer = os.pipe()
        self._files = ExitStack()
        self._output = self._files.enter_context(os.fdopen(reader))
        self._errors = self._files.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115 - the stack closes it
        with Path(os.devnull).open() as nothing:
            self._process = ForkedProcess(
                ["recuerda", "serve", *names, *options],
                folder=Path.cwd(),
                environ={**kept, **environ},
                standard=(nothing.fileno(), writer, self._errors.fileno()),
            )
        os.close(writer)
        self.greeting = [self._output.readline().strip()]
        if not self.greeting[0].startswith("serving"):
            with self._files:
                raise RuntimeError(f"the server did not start: {self.wait()}")
        while not self.greeting[-1].startswith("more"):
            self.greeting.append(self._output.readline().strip())
        self.url = self.greeting[0].split()[1].removesuffix("/v1")

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait(TIMEOUT_S)

    def interrupt(self, number: int = signal.SIGTERM) -> None:
        """Ask it to stop."""
        self._process.send_signal(number)

    def wait(self) -> tuple[int, str]:
        """Wait for its end; return the exit code, and its standard error."""
        code = self._process.wait(TIMEOUT_S)
        self._errors.seek(0)
        return code, self._errors.read()

    @property
    def has_ended(self) -> bool:
        """Say whether it has ended."""
        return self._process.has_ended

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._files.close()
