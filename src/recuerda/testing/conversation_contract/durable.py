"""Tests of a store on a disk: killed processes, bytes that are written, bytes that a deletion leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from recuerda.testing.conversation_contract.runs import CONVERSATION, ContractBase, go_on

_MEASURED = 10
_BETWEEN = 50
_FLAT = 1.5
_LONG = 300


class Killed(NamedTuple):
    """What a killed process has left.

    Attributes:
        place: the folder of its store.
        acknowledged: the names of the runs whose writes had returned.
        next: the name of the run in which it was killed, or of the run after that.
    """

    place: Path
    acknowledged: Sequence[str]
    next: str


class _KilledContract(ContractBase):
    @pytest.fixture
    def killed(self, tmp_path_factory: pytest.TempPathFactory) -> list[Killed]:
        """Return what processes have left that were killed at several moments of a run."""
        kind = type(self.adapter)
        name = f"{kind.__module__}:{kind.__qualname__}"
        if name not in _killed:
            _killed[name] = kill_processes(name, tmp_path_factory.mktemp("killed"))
        return _killed[name]


_killed: dict[str, list[Killed]] = {}
"""What the processes of an adapter's class have left. They take seconds to start, so several tests share them."""


class DurableContract(_KilledContract):
    """Tests of a store that keeps conversations on a disk."""

    async def test_a_killed_process_loses_no_run_that_was_acknowledged(self, killed: list[Killed], place: Path) -> None:
        for number, one in enumerate(killed):
            begun = self.run(one.next)
            async with self.adapter.open(_copied(one, place / f"{number}")) as store:
                found = await self.dumps(store, CONVERSATION)
            whole = self.run(*one.acknowledged)
            assert found[: len(whole)] == whole, one.place.name
            # The process was killed in the next run, which may have been written in part.
            left = found[len(whole) :]
            assert left == begun[: len(left)], one.place.name

    async def test_after_a_killed_process_another_goes_on(self, killed: list[Killed], place: Path) -> None:
        for number, one in enumerate(killed):
            async with self.adapter.open(_copied(one, place / f"{number}")) as store:
                await self.add(store, CONVERSATION, "later")
                found = await self.dumps(store, CONVERSATION)
            assert found[-len(self.run("later")) :] == self.run("later"), one.place.name

    async def test_a_run_writes_as_many_bytes_in_a_long_conversation_as_in_a_short_one(self, place: Path) -> None:
        async with self.adapter.open(place) as store:
            await self._write(store, range(_MEASURED))
            early = await self._written(store, place, range(_MEASURED, 2 * _MEASURED))
            await self._write(store, range(2 * _MEASURED, _BETWEEN))
            late = await self._written(store, place, range(_BETWEEN, _BETWEEN + _MEASURED))
        assert late <= _FLAT * early, f"{_MEASURED} runs wrote {early} bytes at first, and {late} bytes later"

    async def _written(self, store: object, place: Path, numbers: range) -> int:
        before = _written(place)
        await self._write(store, numbers)
        return _written(place) - before

    async def _write(self, store: object, numbers: range) -> None:
        for number in numbers:
            items = [self.adapter.make(part, f"{number} {'m' * _LONG}") for part in ("question", "answer")]
            await self.adapter.add_run(store, "t", items, pause=go_on, run_id=f"{number}")

    async def test_a_deleted_conversation_leaves_no_bytes(self, place: Path) -> None:
        async with self.adapter.open(place) as store:
            await self.add(store, "t", *(f"secret-{number}" for number in range(4)))
            await self.add(store, "kept", "0")
            await self.adapter.delete(store, "t")
        assert _files_with(b"secret-", place) == []


class DurableRetryContract(_KilledContract):
    """Tests of a store on a disk that knows a run by its id."""

    async def test_a_killed_run_that_is_repeated_is_stored_once_and_whole(
        self, killed: list[Killed], place: Path
    ) -> None:
        for number, one in enumerate(killed):
            async with self.adapter.open(_copied(one, place / f"{number}")) as store:
                await self.add(store, CONVERSATION, one.next)
                found = await self.dumps(store, CONVERSATION)
            assert found == self.run(*one.acknowledged, one.next), one.place.name


def kill_processes(adapter: str, folder: Path) -> list[Killed]:
    """Let processes write to stores in a folder until they are killed, and return what each has left.

    Args:
        adapter: the adapter's class, as `module:class`.
        folder: an empty folder.
    """
    program = [sys.executable, "-m", "recuerda.testing.conversation_contract.killed", adapter, str(folder)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    return [
        Killed(folder / place, [f"{number}" for number in range(int(count))], f"{int(count)}") for place, count in lines
    ]


def _copied(killed: Killed, place: Path) -> Path:
    """Copy what a process has left, because opening a store may mend it."""
    return Path(shutil.copytree(killed.place, place))


def _files_with(text: bytes, place: Path) -> list[str]:
    return [path.name for path in place.rglob("*") if path.is_file() and text in path.read_bytes()]


def _written(place: Path) -> int:
    """Return the number of bytes that this process has written. Not every system counts them."""
    counted = Path("/proc/self/io")
    if counted.exists():
        return int(counted.read_text().split("wchar: ")[1].split()[0])
    # The size of the files does not show that a file was rewritten.
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
