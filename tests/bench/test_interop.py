"""The benchmark of the adapters runs, with tiny numbers, and our adapters have no faults in it."""

import json

import pytest

from bench import interop
from bench.interop import FRAMEWORKS, main


@pytest.fixture(autouse=True)
def few_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interop, "MESSAGES", 20)
    monkeypatch.setattr(interop, "SETTLED_S", 0.0)


@pytest.mark.parametrize("framework", ["agents", "chatkit"])
def test_the_benchmark_of_the_adapters_prints_costs_and_faults(
    framework: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--only", framework, "--sizes", "10", "--turns", "1", "--conversations", "2"])
    printed = capsys.readouterr().out
    assert all(backend.name in printed for backend in FRAMEWORKS[framework])


def test_a_framework_that_is_not_measured_is_refused_with_the_names_of_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "agents,unknown"])
    error = capsys.readouterr().err
    assert "'unknown'" in error
    assert all(name in error for name in FRAMEWORKS)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_item_that_is_made_from_its_bytes_is_the_same(framework: str) -> None:
    adapter = FRAMEWORKS[framework][0].adapter()
    items = [adapter.make(part, "12") for part in ("question", "call", "result", "answer")]
    dumps = [adapter.dump(item) for item in items]
    assert [adapter.dump(item) for item in adapter.load(dumps)] == dumps


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_no_adapter_of_ours_loses_anything(framework: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--only", framework, "--sizes", "10", "--turns", "1", "--conversations", "5", "--json"])
    ours = json.loads(capsys.readouterr().out)[-1]
    assert ours["name"].startswith("Recuerda")
    assert (ours["lost"], ours["killed_lost"], ours["killed_half"], ours["repeated"] or 1) == (0, 0, 0, 1)
    assert ours["killed"] > 0
