"""Commands that do not begin a storage say that a mistyped one is not there, and make no file."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from recuerda.cli.app import app


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("RECUERDA_STORAGE", raising=False)
    return tmp_path


def run(*arguments: str) -> str:
    """Run a command in this process, and return what it printed, or its error."""
    done = CliRunner().invoke(app, arguments, input="hi\n")
    return done.output if done.exception is None else f"error: {done.exception}"


def test_a_mistyped_storage_is_refused_and_nothing_is_made(folder: Path) -> None:
    url = "sqlite:///sub/typo.db"
    for command in (
        ("doctor", url),
        ("doctor", "file:typo", "--repair"),
        ("backup", "copy.db", "--storage", url),
        ("export", "--all", "--storage", url, "--output", "backup.jsonl"),
        ("copy", url, "file:backup", "--all"),
        ("threads", "--storage", url),
        ("show", "one", "--storage", "file:typo"),
        ("recall", "oslo", "--storage", url),
        ("delete", "one", "--yes", "--storage", url),
        ("delete", "--user", "ana", "--yes", "--storage", url),
    ):
        assert run(*command).startswith("error: there is no storage"), command
        assert list(folder.iterdir()) == [], command


def test_before_the_first_thread_the_lists_are_empty_and_nothing_is_made(folder: Path) -> None:
    assert '"threads": []' in run("threads", "--json")
    assert '"memories": []' in run("recall", "oslo", "--json")
    assert run("show", "one").startswith("error: there is no thread 'one'")
    for command in (("export", "--all"), ("doctor",), ("backup", "x"), ("delete", "--user", "ana", "--yes")):
        assert "`recuerda chat` begins one" in run(*command), command
    assert list(folder.iterdir()) == []


def test_urls_without_slashes_do_not_lose_a_letter(folder: Path) -> None:
    for command in (("chat", "--storage"), ("doctor",)):
        assert "sqlite:///relative.db" in run(*command, "sqlite:memory.db")
    assert "sqlite:///relative.db" in run("recall", "oslo", "--index", "sqlite:memory.recall.db")
    assert list(folder.iterdir()) == []
