"""Processes that die in the middle of a turn of twenty tools: it is in the thread once, and no deed is done twice."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.forking import run_module
from tests.resume.killing import CALLS, Tally
from tests.storage.matrix import STORAGES, SURVIVING

TURNS, TURNS_AT_LENGTH = 3, 120
"""How many turns are killed and go on. By hand: `python -m tests.resume.killing kill SCHEME FOLDER COUNT`."""

survivors = pytest.mark.parametrize("scheme", SURVIVING)


async def run_processes(mode: str, scheme: str, folder: Path, count: int) -> Tally:
    STORAGES[scheme](folder)  # starts its server here, where the processes find it
    done = await asyncio.to_thread(run_module, "tests.resume.killing", mode, scheme, folder, count)
    assert done.returncode == 0, done.stderr
    tally = msgspec.json.decode(done.stdout, type=Tally)
    assert tally.problems == [], done.stderr
    return tally


@pytest.mark.chaos
@survivors
async def test_a_turn_that_is_killed_again_and_again_is_whole_and_no_deed_is_done_twice(
    scheme: str, tmp_path: Path, *, is_long: bool
) -> None:
    count = TURNS_AT_LENGTH if is_long else TURNS
    tally = await run_processes("kill", scheme, tmp_path, count)
    # Two of three die at a boundary for certain, the others at any moment, which may be after their end.
    assert (tally.turns, tally.kills >= count * 2 // 3) == (count + 1, True)
    assert tally.deeds == (count + 1) * len(CALLS) + tally.repeated
    # An answer is asked for again only if its process died before it was saved, and a deed is done again likewise.
    assert tally.paid_again <= tally.kills
    assert tally.unknown <= 4 * tally.kills


@pytest.mark.chaos
@survivors
async def test_of_processes_that_go_on_at_once_one_does_and_no_deed_is_done_twice(
    scheme: str, tmp_path: Path, *, is_long: bool
) -> None:
    count = 20 if is_long else 2
    tally = await run_processes("race", scheme, tmp_path, count)
    assert tally.turns == count
