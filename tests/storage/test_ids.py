"""Ids that the library draws: of threads at random, of turns in the order of time."""

import os
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest

from recuerda.ids import new_id, new_turn_id
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.records import NewTurn

Draw: TypeAlias = Callable[[], str]
AT_ONCE = 64
"""The number of ids that are drawn at once, with one time."""


@pytest.mark.parametrize("draw", [new_id, new_turn_id])
def test_ids_are_short_and_safe_in_urls_and_differ(draw: Draw) -> None:
    drawn = [draw() for _ in range(10_000)]
    assert len(set(drawn)) == 10_000
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{16}", one) for one in drawn)


def fresh_turn_id() -> str:
    """Return an id that is drawn now, and not together with earlier ones."""
    return [new_turn_id() for _ in range(AT_ONCE + 1)][-1]


def test_ids_of_turns_sort_by_the_time_of_their_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    for seconds in (1_000_000_000, 1_000_000_001, 1_764_288_000, 1_764_288_063, 1_900_000_000, 4_000_000_000):
        monkeypatch.setattr(time, "time_ns", partial(int, seconds * 10**9))
        drawn.append(fresh_turn_id())
    assert drawn == sorted(drawn)
    assert drawn[2][0].isalnum()  # no option of a command begins like it


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("draw", [new_id, new_turn_id])
def test_a_forked_child_draws_other_ids(draw: Draw) -> None:
    draw()
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, " ".join(draw() for _ in range(100)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        of_child = set(pipe.read().split())
    os.waitpid(child, 0)
    assert len(of_child) == 100
    assert not of_child & {draw() for _ in range(100)}


def pages_in_log(path: Path) -> set[int]:
    """Return the numbers of the pages in a write-ahead log. See https://sqlite.org/fileformat2.html#the_wal_file"""
    log = path.with_name(f"{path.name}-wal").read_bytes()
    return {int.from_bytes(log[at : at + 4]) for at in range(32, len(log), 24 + 4096)}


async def test_turns_of_a_long_thread_write_to_few_pages_of_the_index_of_ids(tmp_path: Path) -> None:
    pages: dict[str, int] = {}
    for name, make_id in {"ours": None, "random": new_id}.items():
        path = tmp_path / name
        for count in (4_000, 30):
            async with SQLiteStorage(path) as storage:
                ids_of_turns = [make_id and make_id() for _ in range(count)]
                turns = [NewTurn(id=one, body=b"x", message_count=1) for one in ids_of_turns]
                await storage.append_all("a", turns)
                pages[name] = len(pages_in_log(path))  # closing the storage removes the log
            fresh_turn_id()
    assert pages["ours"] <= 12
    assert pages["random"] >= pages["ours"] + 12
