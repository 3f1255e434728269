"""The count of instructions."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench import instructions, steps, storage_steps


def test_without_valgrind_the_count_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("sys.argv", ["instructions"])
    assert instructions.main() == 1
    assert "valgrind is not installed" in capsys.readouterr().err


def test_a_count_beside_a_base_fails_if_a_mode_needs_much_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def count(module: str, mode: str, *, source: Path | None = None) -> int:
        assert (module, source in (None, Path("base/src"))) == ("bench.instructions", True)
        return 1000 if source else costs.get(mode, 1040)

    monkeypatch.setattr(instructions, "count", count)
    monkeypatch.setattr(shutil, "which", str)
    monkeypatch.setattr("sys.argv", ["instructions", "--base", "base"])
    costs: dict[str, int] = {}
    assert instructions.main() == 0
    costs["cold"] = 1060
    assert instructions.main() == 1
    assert "cold  1,060 instructions, 1.060 x the base" in capsys.readouterr().out


def test_the_steps_of_a_turn_add_up_to_the_run() -> None:
    cost = dict.fromkeys(steps.STEPS, 10) | {"hop": 2, "commit": 3, "decode": 4}
    rows = steps.table(cost, first_run=200, warm_run=100)
    assert sum(first for _, first, _ in rows[:-1]) == rows[-1][1] == 200
    assert sum(warm for _, _, warm in rows[:-1]) == rows[-1][2] == 100


def test_the_steps_of_a_turn_without_an_agent_add_up_to_the_turn() -> None:
    cost = dict.fromkeys(steps.STEPS, 10) | {"hop": 2, "commit": 3, "decode": 4, "new store": 80, "store": 70, "raw": 9}
    *rows, turn, raw = steps.store_table(cost)
    assert (sum(first for _, first, _ in rows), sum(warm for _, _, warm in rows)) == turn[1:] == (80, 70)
    assert raw[1:] == (9, 9)


@pytest.mark.parametrize("step", steps.STEPS)
async def test_each_step_runs(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "SETTLED_S", 0)
    await steps.repeat(step, 3)


def test_the_steps_of_a_turn_on_another_storage_add_up_to_the_run() -> None:
    modes = dict.fromkeys((*storage_steps.MODES, "encode", "follow"), 20)
    cost = modes | {"plan": 9, "decode": 4, "first-run": 200, "run": 150}
    for hop in (0, 2):
        rows = storage_steps.table(cost, hop=hop)
        assert sum(first for _, first, _ in rows[:-1]) == rows[-1][1] == 200
        assert sum(warm for _, _, warm in rows[:-1]) == rows[-1][2] == 150


@pytest.mark.parametrize("mode", [*storage_steps.MODES, storage_steps.HOP])
async def test_each_step_on_another_storage_runs(mode: str, tmp_path: Path) -> None:
    await storage_steps.repeat(mode, 3, url=(tmp_path / "threads").as_uri())
