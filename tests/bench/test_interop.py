"""The benchmark of the adapters runs, with tiny numbers."""

import pytest

from bench.interop import main


def test_the_benchmark_of_the_adapters_prints_costs_and_conflicts(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--sizes", "10", "--turns", "1", "--conversations", "2"])
    printed = capsys.readouterr().out
    assert "RecuerdaSession, newest 20" in printed
    assert "RecuerdaConversationStore, whole" in printed
    assert printed.count(" 0 lost;") == 4
