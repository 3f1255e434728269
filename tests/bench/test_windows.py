from pathlib import Path

import msgspec
import pytest

from bench.__main__ import main
from bench.results import Report
from bench.windows import WINDOWS


def test_windows_are_measured_and_histories_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--only", "windows", "--sizes", "10,40", "--turns", "2", "--histories", "50", "--dir", str(tmp_path)]
    assert main([*arguments, "--json", "-"]) == 0
    shown = capsys.readouterr()
    report = msgspec.json.decode(shown.out, type=Report)
    assert [(cost.window, cost.messages) for cost in report.windows] == [(w, n) for n in (10, 40) for w in WINDOWS]
    assert report.histories is not None
    assert (report.histories.histories, report.histories.refused) == (50, 0)
    assert len(report.measures) == len(WINDOWS) + 1
    assert "128,000 tokens, results of 8 turns" in shown.err
