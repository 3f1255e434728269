"""`recuerda mcp` as a client starts it: a process of its own that speaks on standard input and output, line by line."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.forking import ForkedProcess

TIMEOUT_S = 30
_PREPARED = ("recuerda.mcp_server.protocol", "mcp.server.stdio", "recuerda.sqlite", "recuerda.recall")


class StdioServer:
    """A running `recuerda mcp`, and the plainest client that there can be; ended with its block.

    Args:
        storage_url: the storage.
        options: further options.
        user: the user.
    """

    def __init__(self, storage_url: str, *options: str, user: str = "ana") -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI", "RECUERDA_"))}
        reader, self._input = os.pipe()
        output, writer = os.pipe()
        with Path(os.devnull).open("w") as nothing:
            self._process = ForkedProcess(
                ["recuerda", "mcp", "--storage", storage_url, "--user", user, *options],
                folder=Path.cwd(),
                environ=kept,
                standard=(reader, writer, nothing.fileno()),
                prepared=_PREPARED,
            )
        os.close(reader)
        os.close(writer)
        self._output = os.fdopen(output, "rb")
        self._number = 0
        client = {"name": "plain", "version": "1"}
        self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client})
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def ask(self, method: str, params: dict[str, Any]) -> Any:
        """Send a request, and return its result.

        Raises:
            EOFError: the process has ended.
        """
        number = self.send(method, params)
        while (answer := self.read())["id"] != number:
            pass
        return answer["result"]

    def call(self, tool: str, **arguments: Any) -> Any:
        """Call a tool, and return the structured answer."""
        result = self.ask("tools/call", {"name": tool, "arguments": arguments})
        assert not result["isError"], result["content"]
        return result["structuredContent"]

    def send(self, method: str, params: dict[str, Any]) -> int:
        """Send a request without a wait for its answer, and return its number."""
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return self._number

    def read(self) -> dict[str, Any]:
        """Return the next answer.

        Raises:
            EOFError: the process has ended.
        """
        while line := self._output.readline():
            if "id" in (message := json.loads(line)):
                return message
        raise EOFError

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send it a signal that ends it."""
        self._process.send_signal(number)

    def vanish(self) -> int:
        """Close both pipes as a client does that has crashed, and return the exit code of the server."""
        self._close()
        return self._process.wait(TIMEOUT_S)

    def _send(self, message: dict[str, Any]) -> None:
        self.write(json.dumps(message).encode())

    def write(self, line: bytes) -> None:
        """Send a line, which may be no message.

        Raises:
            EOFError: the process has ended.
        """
        try:
            os.write(self._input, line + b"\n")
        except BrokenPipeError:
            raise EOFError from None

    def _close(self) -> None:
        if not self._output.closed:
            self._output.close()
            os.close(self._input)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
        self._process.wait(TIMEOUT_S)


class HTTPServer:
    """A running `recuerda mcp --http`; ended with its block.

    Args:
        storage_url: the storage.
    """

    def __init__(self, storage_url: str) -> None:
        reader, writer = os.pipe()
        self._output = os.fdopen(reader)
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - the block closes it
        with Path(os.devnull).open() as nothing:
            self._process = ForkedProcess(
                ["recuerda", "mcp", "--http", "--port", "0", "--user", "ana", "--storage", storage_url],
                folder=Path.cwd(),
                environ={name: value for name, value in os.environ.items() if not name.startswith("RECUERDA_")},
                standard=(nothing.fileno(), writer, self._errors.fileno()),
                prepared=_PREPARED,
            )
        os.close(writer)
        self.url = self._output.readline().split()[1]

    def stop(self) -> tuple[int, str]:
        """Send it SIGTERM, and return its exit code and its standard error."""
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(TIMEOUT_S)
        self._errors.seek(0)
        return code, self._errors.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(TIMEOUT_S)
        self._output.close()
        self._errors.close()
