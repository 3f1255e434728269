from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.processes import CommandLine, Terminal


@pytest.fixture
def recuerda(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture
def terminal(recuerda: CommandLine) -> Iterator[Callable[..., Terminal]]:
    """Start commands on a terminal; whatever still runs at the end of the test is stopped."""
    started: list[Terminal] = []

    def start(*arguments: str, **environ: str) -> Terminal:
        started.append(Terminal(arguments, folder=recuerda.folder, environ=recuerda.environment(environ)))
        return started[-1]

    yield start
    for one in started:
        one.close()
