"""The count of instructions."""

import pytest

from bench import instructions


def test_without_valgrind_the_count_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("sys.argv", ["instructions"])
    assert instructions.main() == 1
    assert "valgrind is not installed" in capsys.readouterr().err
