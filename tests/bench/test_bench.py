import io
import os
import sqlite3
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.__main__ import main
from bench.conversation import TEXT_BYTES, Conversation, text_bytes
from bench.imports import FIRST_PROGRAM
from bench.measures import judge
from bench.results import Environment, ImportCost, Report

TINY = ["--sizes", "10,40", "--turns", "2", "--conversations", "3", "--disk-sizes", "20", "--storages", "sqlite,memory"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("bench")
    text = io.StringIO()
    with redirect_stdout(text), redirect_stderr(io.StringIO()):
        assert main([*TINY, "--dir", str(folder), "--json", str(folder / "report.json")]) == 0
    assert [path.name for path in folder.iterdir()] == ["report.json"]
    return text.getvalue(), msgspec.json.decode((folder / "report.json").read_bytes())


def test_every_part_has_a_table_and_the_measures_come_last(run: tuple[str, dict[str, Any]]) -> None:
    titles = [line.split()[0] for line in run[0].splitlines() if line and not line.startswith(" ")]
    assert titles == ["Python", "A", "3", "3", "Bytes", "Imports", "Measures"]


def test_every_cell_has_a_ratio_to_the_floor_of_the_same_run(run: tuple[str, dict[str, Any]]) -> None:
    cells = run[1]["turns"]
    assert {(cell["storage"], cell["messages"], cell["window"], cell["handle"]) for cell in cells} == {
        (storage, size, window, handle)
        for storage in ("sqlite", "memory")
        for size in (10, 40)
        for window in (20, None)
        for handle in ("floor", "cold", "warm")
    }
    floors = {(c["storage"], c["messages"], c["window"]): c["turn_ms"] for c in cells if c["handle"] == "floor"}
    for cell in cells:
        floor = floors[cell["storage"], cell["messages"], cell["window"]]
        assert cell["ratio"] == pytest.approx(cell["turn_ms"] / floor)


def test_peers_are_measured_beside_the_raw_driver(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only = ["--only", "turns", "--storages", "sqlite,memory", "--sizes", "10", "--turns", "2"]
    assert main([*only, "--peers", "--dir", str(tmp_path), "--json", "-"]) == 0
    cells = msgspec.json.decode(capsys.readouterr().out)["turns"]
    handles = ["floor", "cold", "warm", "openai-agents", "agent-framework"]
    assert [(cell["storage"], cell["window"], cell["handle"]) for cell in cells] == [
        *(("sqlite", window, handle) for window in (20, None) for handle in handles),
        *(("memory", window, handle) for window in (20, None) for handle in handles[:3]),
    ]
    assert all(cell["load_ms"] > 0 and cell["append_ms"] > 0 for cell in cells)


def test_every_measure_is_judged(run: tuple[str, dict[str, Any]]) -> None:
    measures = run[1]["measures"]
    assert len(measures) == 12
    for measure in measures:
        met = (
            measure["figure"] <= measure["limit"]
            if measure["relation"] == "<="
            else measure["figure"] >= measure["limit"]
        )
        assert measure["is_met"] is met


def test_a_part_alone_gives_only_its_own_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["--only", "size", "--storages", "sqlite", "--disk-sizes", "10", "--dir", str(tmp_path), "--json", "-"])
        == 0
    )
    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert [measure.unit for measure in report.measures] == ["bytes"]
    assert report.turns == []
    assert report.imports == []


@pytest.mark.parametrize("fsync", [True, False])
def test_files_are_synced_unless_no_fsync_is_given(
    fsync: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    synced: list[int] = []
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, synced.append, raising=False)
    parts = ["--only", "turns,many", "--storages", "file", "--sizes", "10", "--turns", "2", "--conversations", "2"]
    assert main([*parts, *([] if fsync else ["--no-fsync"]), "--dir", str(tmp_path), "--json", "-"]) == 0
    report = msgspec.json.decode(capsys.readouterr().out, type=Report)
    assert report.fsync is bool(synced) is fsync
    assert [many.storage for many in report.many] == ["file"]


@pytest.mark.parametrize("fsync", [True, False])
def test_sqlite_is_synced_as_the_floor_is(fsync: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[str] = []
    connect = sqlite3.connect

    def traced(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    parts = ["--only", "many", "--storages", "sqlite", "--turns", "1", "--conversations", "2"]
    assert main([*parts, *([] if fsync else ["--no-fsync"]), "--dir", str(tmp_path)]) == 0
    levels = [text.partition("=")[2].strip() for text in statements if text.startswith("PRAGMA synchronous")]
    assert len(levels) == 3  # the floor, and the storage's reader and writer
    assert set(levels) == {"FULL" if fsync else "NORMAL"}


def test_a_heavy_module_fails_its_measure() -> None:
    where = Environment(python="3", msgspec="0", sqlite="3", system="any", processors=1)
    imports = ImportCost(
        statement=FIRST_PROGRAM, rounds=1, floor_ms=10, recuerda_ms=13, ratio=1.3, modules=200, heavy=["openai"]
    )
    verdicts = judge(Report(environment=where, imports=[imports]))
    assert [verdict.is_met for verdict in verdicts] == [True, False]


def test_texts_have_the_size_that_is_promised() -> None:
    messages = Conversation(1).messages(2_000)
    assert text_bytes(messages) / len(messages) == pytest.approx(TEXT_BYTES, abs=3)
    assert messages[:4] == Conversation(1).messages(4)


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "speed"])
    assert "turns, many, size, imports" in capsys.readouterr().err
