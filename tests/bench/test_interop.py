"""The benchmark of the adapters runs, with tiny numbers, and our adapters have no faults in it."""

import json

import pytest

from bench import interop
from bench.interop import FRAMEWORKS, main


@pytest.fixture(autouse=True)
def few_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interop, "MESSAGES", 20)


@pytest.mark.parametrize("framework", ["agents", "chatkit"])
def test_the_benchmark_of_the_adapters_prints_costs_and_faults(
    framework: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--only", framework, "--sizes", "10", "--turns", "1", "--conversations", "2"])
    printed = capsys.readouterr().out
    assert all(backend.name in printed for backend in FRAMEWORKS[framework])


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_no_adapter_of_ours_loses_anything(framework: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--only", framework, "--sizes", "10", "--turns", "1", "--conversations", "5", "--json"])
    ours = json.loads(capsys.readouterr().out)[-1]
    assert ours["name"].startswith("Recuerda")
    assert (ours["lost"], ours["killed_lost"], ours["killed_half"], ours["repeated"] or 1) == (0, 0, 0, 1)
    assert ours["killed"] > 0
