"""The bench of the server measures what it says, in small."""

from __future__ import annotations

import re

import pytest

from bench.server import main


def test_it_measures_load_and_length(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--in-flight", "3", "--each", "2", "--rounds", "1", "--delay", "0.05", "--lengths", "4,40"]) == 0
    printed = capsys.readouterr().out
    assert "3 requests in flight" in printed
    assert re.search(r"added at the median +-?\d+\.\d+ ms", printed)
    assert re.findall(r"one at a time, +(\d+) messages", printed) == ["4", "40"]
