"""The bench of hostile clients measures what it says, in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.hostile import ATTACKS, main


def test_it_measures_beside_every_kind_of_attack(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--idle", "4", "--hostile", str(len(ATTACKS)), "--seconds", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert "before the attack" in printed
    assert "during the attack" in printed
    assert "whole machine" in printed or not Path("/proc/stat").exists()
