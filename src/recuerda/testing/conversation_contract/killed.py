"""A program that writes runs and is killed: `python -m …conversation_contract.killed module:class folder`.

For each moment at which a run waits for the model, a forked process writes two runs and is killed in the third one at
that moment. Further processes write runs until they are killed at any moment. The program prints one line for each
process: its folder, and how many runs were acknowledged.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Any

from recuerda.testing.conversation_contract.adapter import ConversationAdapter
from recuerda.testing.conversation_contract.runs import CONVERSATION, go_on, run_items

_WHOLE_RUNS = 2
_ANY_MOMENT = 3
_LONGEST_DELAY_MS = 40
_MOST_RUNS = 1000


def main(name: str, folder: Path) -> None:
    """Kill processes, and print what they acknowledged."""
    module, _, kind = name.partition(":")
    adapter: ConversationAdapter[Any, Any] = getattr(importlib.import_module(module), kind)()
    moment, is_over = 0, False
    while not is_over:
        acknowledged, status = _in_a_fork(adapter, _made(folder / f"{moment}"), killed_at=moment)
        is_over = not os.WIFSIGNALED(status)
        moment += 1
        if not is_over:
            _say(f"{moment - 1} {acknowledged}")
    for number in range(_ANY_MOMENT):
        acknowledged, _ = _in_a_fork(adapter, _made(folder / f"any{number}"), killed_at=None)
        _say(f"any{number} {acknowledged}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _in_a_fork(adapter: ConversationAdapter[Any, Any], place: Path, *, killed_at: int | None) -> tuple[int, int]:
    """Return how many runs a process has acknowledged, and the status with which it ended."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reader)
        asyncio.run(_write(adapter, place, writer, killed_at))
        os._exit(0)
    os.close(writer)
    acknowledged = len(os.read(reader, 1))
    if killed_at is None:
        time.sleep(secrets.randbelow(_LONGEST_DELAY_MS) / 1000)
        os.kill(child, signal.SIGKILL)
    while done := os.read(reader, 4096):
        acknowledged += len(done)
    os.close(reader)
    return acknowledged, os.waitpid(child, 0)[1]


async def _write(
    adapter: ConversationAdapter[Any, Any], place: Path, acknowledgements: int, killed_at: int | None
) -> None:
    async with adapter.open(place) as store:
        for number in range(_MOST_RUNS if killed_at is None else _WHOLE_RUNS):
            items = run_items(adapter, f"{number}")
            await adapter.add_run(store, CONVERSATION, items, pause=go_on, run_id=f"{number}")
            os.write(acknowledgements, b".")
        if killed_at is not None:
            pauses = iter([go_on] * killed_at)

            async def pause() -> None:
                if next(pauses, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)

            items = run_items(adapter, f"{_WHOLE_RUNS}")
            await adapter.add_run(store, CONVERSATION, items, pause=pause, run_id=f"{_WHOLE_RUNS}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
