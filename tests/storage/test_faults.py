"""What survives: killed writers, and two processes on one thread. Nothing acknowledged is lost, half or twice."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from recuerda.storage.contract import Storage
from recuerda.storage.records import NewTurn
from recuerda.threads.forking import ForkPlace, fork_thread
from tests.forking import run_module
from tests.storage.matrix import STORAGES, SURVIVING
from tests.storage.processes import STEPS, THREADS, body_of

KILLS, KILLS_AT_LENGTH = 16, 500
"""How many writers are killed. By hand: `python -m tests.storage.processes kill SCHEME COUNT FOLDER`."""
TURNS = {"cosmos": 15}
"""How many turns each of four processes appends, 50 elsewhere. By hand: the same command with `contend`."""
STORAGES_MADE, STORAGES_MADE_AT_LENGTH = 2, 20
"""How many storages are made, each by eight processes at once."""

survivors = pytest.mark.parametrize("scheme", SURVIVING)


async def run_processes(mode: str, scheme: str, count: int, *folders: Path) -> list[list[str]]:
    """Run a mode of `processes.py` and return what its writers were told in each folder."""
    # This starts the server here, where the processes find it: one of their own would end with them.
    STORAGES[scheme](folders[0])
    done = await asyncio.to_thread(run_module, "tests.storage.processes", mode, scheme, count, *folders)
    assert done.returncode == 0, done.stderr
    return cast("list[list[str]]", json.loads(done.stdout))


@pytest.fixture
async def storage(scheme: str, tmp_path: Path) -> AsyncIterator[Storage]:
    async with STORAGES[scheme](tmp_path) as storage:
        yield storage


@pytest.mark.chaos
@survivors
async def test_after_many_kills_every_acknowledged_turn_is_there_once_in_order_and_whole(
    scheme: str, tmp_path: Path, storage: Storage, *, is_long: bool
) -> None:
    kills = KILLS_AT_LENGTH if is_long else KILLS
    [acknowledged] = await run_processes("kill", scheme, kills, tmp_path)
    stored: list[str] = []
    for thread in THREADS:
        found = await storage.read(thread)
        assert found.info is not None
        ids = [record.id for record in found.records]
        assert [record.number for record in found.records] == list(range(1, len(ids) + 1))
        assert (found.info.revision, found.info.turns) == (len(ids), len(ids))
        assert found.info.messages == sum(record.message_count for record in found.records)
        assert all(record.body == body_of(record.id) for record in found.records)
        assert all(one.startswith(f"{thread}.") for one in ids)
        stored.extend(ids)
    assert len(stored) == len(set(stored)), "a turn is there twice"
    assert set(acknowledged) <= set(stored), "an acknowledged turn is lost"
    assert len(acknowledged) >= kills // 2
    # Each killed writer had four appends under way, of which nobody knows; each is there whole or not at all.
    assert len(stored) - len(acknowledged) <= 4 * kills
    order = {turn_id: place for place, turn_id in enumerate(stored)}
    for told in _by_task(acknowledged).values():
        assert sorted(told, key=order.__getitem__) == told


@survivors
async def test_a_writer_that_is_killed_while_it_replaces_a_turn_leaves_one_of_both(
    scheme: str, tmp_path: Path, storage: Storage
) -> None:
    [acknowledged] = await run_processes("replace", scheme, 2 if scheme == "cosmos" else 6, tmp_path)
    found = await storage.read("x")
    assert found.info is not None
    (turn,) = found.records
    assert (found.info.turns, found.info.messages, found.info.record_id) == (1, 1, turn.id)
    assert turn.body == body_of(turn.id)
    # The last writer may have replaced its last acknowledged turn before it was killed.
    *_, life, number = acknowledged[-1].split(".")
    assert turn.id in (acknowledged[-1], f"x.{life}.{int(number) + 1}")
    assert found.info.revision % 2 == 1


@pytest.mark.parametrize("scheme", sorted({*SURVIVING} - {"cosmos"}))  # its writes are several requests each
async def test_a_fork_whose_process_was_killed_is_completed_by_the_same_call(
    scheme: str, tmp_path: Path, storage: Storage
) -> None:
    turns = [NewTurn(body=b"{}", message_count=1, id=f"t{number}") for number in range(450)]
    await storage.append_all("x", turns)
    [forks] = await run_processes("fork", scheme, 4, tmp_path)
    for fork in forks:
        for _ in range(2):
            await fork_thread(storage, "x", ForkPlace(), into=fork)
            found = await storage.read(fork)
            assert [record.id for record in found.records] == [turn.id for turn in turns]
            assert found.info is not None
            assert found.info.parent is not None
            assert (found.info.revision, found.info.parent.turns) == (len(turns), len(turns))


@survivors
async def test_a_killed_writers_thread_goes_on_without_repair(scheme: str, tmp_path: Path, storage: Storage) -> None:
    await run_processes("kill", scheme, 8, tmp_path)
    info = await storage.head("x")
    revision = info.revision if info else 0
    appended = await storage.append("x", NewTurn(body=b"after", message_count=1), expected=revision)
    assert (await storage.read("x", last_turns=1)).records == (appended.record,)


@survivors
async def test_four_processes_on_one_thread_lose_mix_and_double_nothing(
    scheme: str, tmp_path: Path, storage: Storage
) -> None:
    turns = TURNS.get(scheme, 50)
    [lines] = await run_processes("contend", scheme, turns, tmp_path)
    told = [line.split(" ") for line in lines]
    found = await storage.read("x")
    assert len(told) == 4 * turns
    assert {record.number: record.id for record in found.records} == {int(number): name for number, name in told}
    assert sorted(record.number for record in found.records) == list(range(1, 4 * turns + 1))
    assert all(record.body == body_of(record.id) for record in found.records)
    for process in range(4):
        mine = [record.id for record in found.records if record.id.startswith(f"x.{process}.")]
        assert mine == [f"x.{process}.{n}" for n in range(turns)]


@pytest.mark.chaos
@survivors
async def test_after_many_kills_a_turn_goes_on_from_its_last_step_and_saves_none_twice(
    scheme: str, tmp_path: Path, storage: Storage, *, is_long: bool
) -> None:
    kills = KILLS_AT_LENGTH if is_long else KILLS
    [told] = await run_processes("resume", scheme, kills, tmp_path)
    assert len(told) == len(set(told)), "a step or a turn was saved twice"
    found = await storage.read("x")
    ids = [record.id for record in found.records]
    assert ids == [f"turn {number}" for number in range(len(ids))]
    assert all(record.body == body_of(record.id) for record in found.records)
    draft = await storage.load_draft("x")
    steps = [f"{step.turn_id}.{step.number}" for step in draft.steps] if draft else []
    assert draft is None or draft.turn_id == f"turn {len(ids)}"
    assert draft is None or all(step.body == body_of(name) for step, name in zip(draft.steps, steps, strict=True))
    known = {*ids, *steps, *(f"{turn}.{number}" for turn in ids for number in range(1, STEPS + 1))}
    assert set(told) <= known, "an acknowledged step is lost"
    assert len(told) >= kills // 2


@survivors
async def test_of_four_processes_that_go_on_with_one_turn_one_saves_each_step(
    scheme: str, tmp_path: Path, storage: Storage
) -> None:
    [lines] = await run_processes("steps", scheme, 30, tmp_path)
    told = [line.split(" ") for line in lines]
    draft = await storage.load_draft("x")
    assert draft is not None
    assert sorted([str(step.number), step.body.decode()] for step in draft.steps) == sorted(told)
    assert [step.number for step in draft.steps] == list(range(1, 31))


@pytest.mark.chaos
@survivors
async def test_processes_that_make_a_storage_in_the_same_moment_all_succeed(
    scheme: str, tmp_path: Path, *, is_long: bool
) -> None:
    count = STORAGES_MADE_AT_LENGTH if is_long else STORAGES_MADE
    folders = [tmp_path / str(number) for number in range(count)]
    for folder in folders:
        folder.mkdir()
    for folder, told in zip(folders, await run_processes("open", scheme, 8, *folders), strict=True):
        async with STORAGES[scheme](folder) as storage:
            assert sorted(record.id for record in (await storage.read("x")).records) == sorted(told)
        assert len(told) == 8


def _by_task(acknowledged: list[str]) -> dict[str, list[str]]:
    tasks: dict[str, list[str]] = defaultdict(list)
    for turn_id in acknowledged:
        tasks[turn_id.rpartition(".")[0]].append(turn_id)
    return tasks
