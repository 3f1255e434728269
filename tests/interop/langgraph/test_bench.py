"""The benchmark runs, with tiny numbers and our saver alone."""

import pytest

from bench.interop_langgraph import main


def test_the_benchmark_prints_costs_bytes_and_conflicts(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--sizes", "10", "--turns", "1", "--savers", "RecuerdaSaver", "--disk", "4", "--conversations", "2"])
    printed = capsys.readouterr().out
    assert "RecuerdaSaver, kept" in printed
    assert "of 20 turns of two writers, 0 were lost" in printed
