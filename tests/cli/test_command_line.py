"""What holds for every command: help, version, errors, exit codes, and the environment."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from recuerda import ConfigurationError
from recuerda.cli.app import app
from recuerda.cli.environment import default_storage_url, load_env_file, read_env
from recuerda.cli.output import clean, clean_line, inert_json
from tests.cli.processes import CommandLine

COMMANDS = [command.name for command in app.registered_commands if command.name is not None]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_example(recuerda: CommandLine, command: str) -> None:
    page = recuerda.ok(command, "--help")
    assert f"\n  Examples:\n    recuerda {command}" in page


def test_help_lists_every_command(recuerda: CommandLine) -> None:
    page = recuerda.ok("--help")
    assert all(f"\n  {command} " in page for command in COMMANDS)


def test_the_version_is_the_packages(recuerda: CommandLine) -> None:
    assert recuerda.cold("--version").stdout == f"recuerda {version('recuerda')}\n"


def test_the_installed_command_is_the_module(recuerda: CommandLine) -> None:
    script = "import sys; from recuerda.cli import main; sys.argv = ['recuerda', '--version']; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == recuerda.ok("--version")


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("show",), ("threads", "--limit", "0"), ("threads", "--nope")]
)
def test_a_call_that_cannot_be_understood_exits_with_2(recuerda: CommandLine, arguments: tuple[str, ...]) -> None:
    assert "Usage: recuerda" in recuerda.refused(*arguments, code=2)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "use one of "),
        ("mysql://ana:secret@host/db", "use one of "),
        ("sqlite://", "sqlite:///relative.db"),
        ("sqlite:////dev/null/memory.db", "/dev/null/memory.db"),
        ("file:////dev/null/folder", "/dev/null/folder"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_one_clear_line(recuerda: CommandLine, url: str, told: str) -> None:
    said = recuerda.refused("threads", "--storage", url)
    assert said.startswith("error: ")
    assert told in said
    assert said.count("\n") == 1
    assert "secret" not in said


def test_a_database_that_is_none_is_one_clear_line(recuerda: CommandLine) -> None:
    (recuerda.folder / "memory.db").write_text("this is no database " * 100)
    assert recuerda.refused("threads", "--storage", "sqlite:///memory.db").startswith("error: ")


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_without_the_extra_one_line_says_what_to_install(module: str) -> None:
    script = (
        f"import sys; sys.modules[{module!r}] = None; import runpy; runpy.run_module('recuerda', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script, "tour"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == 'error: recuerda.cli needs an optional dependency: pip install "recuerda[cli]"\n'


def test_importing_recuerda_loads_nothing_of_the_command_line() -> None:
    script = "import sys, recuerda.cli; print([name for name in ('typer', 'rich', 'openai') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "[]\n"


def test_output_is_utf_8_whatever_the_locale_says(recuerda: CommandLine) -> None:
    done = recuerda.cold(
        "chat", "--model", "offline", input="Me llamo Íñigo.\n", LC_ALL="POSIX", PYTHONIOENCODING="ascii"
    )
    assert (done.returncode, done.stdout) == (0, "Anotado. Te llamas Íñigo.\n")


def test_a_dotenv_file_gives_only_our_settings() -> None:
    text = (
        "OPENAI_API_KEY=abc\n# OPENAI_MODEL=no\n export OPENAI_BASE_URL = 'http://x/#y' # z\n"
        'AZURE_OPENAI_ENDPOINT="a b"\nRECUERDA_STORAGE=sqlite:///a.db # here\nPATH=/evil\nOPENAI_ORG_ID=\nnonsense\n'
    )
    assert read_env(text) == {
        "OPENAI_API_KEY": "abc",
        "OPENAI_BASE_URL": "http://x/#y",
        "AZURE_OPENAI_ENDPOINT": "a b",
        "RECUERDA_STORAGE": "sqlite:///a.db",
        "OPENAI_ORG_ID": "",
    }


def test_the_environment_wins_over_the_dotenv_file(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("OPENAI_API_KEY=file\nOPENAI_MODEL=file\n")
    environ = {"OPENAI_API_KEY": "environment"}
    load_env_file(path, environ)
    assert environ == {"OPENAI_API_KEY": "environment", "OPENAI_MODEL": "file"}
    load_env_file(tmp_path / "missing", environ)
    load_env_file(tmp_path, environ)


def test_a_dotenv_file_cannot_send_a_key_of_the_environment_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("OPENAI_BASE_URL=http://elsewhere\nAZURE_OPENAI_ENDPOINT=http://elsewhere\nOPENAI_MODEL=m\n")
    environ = {"OPENAI_API_KEY": "mine", "AZURE_OPENAI_API_KEY": "mine"}
    load_env_file(path, environ)
    assert environ == {"OPENAI_API_KEY": "mine", "AZURE_OPENAI_API_KEY": "mine", "OPENAI_MODEL": "m"}


@pytest.mark.parametrize(
    ("platform", "environ", "end"),
    [
        ("linux", {"XDG_DATA_HOME": "/data #1"}, "sqlite:////data%20%231/recuerda/memory.db"),
        ("linux", {}, "/.local/share/recuerda/memory.db"),
        ("darwin", {}, "/Library/Application%20Support/recuerda/memory.db"),
        ("win32", {"LOCALAPPDATA": "/local"}, "sqlite:////local/recuerda/memory.db"),
    ],
)
def test_the_default_storage_is_in_the_users_data_folder(platform: str, environ: dict[str, str], end: str) -> None:
    assert default_storage_url(environ, platform).endswith(end)


def test_without_a_home_folder_a_storage_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(ConfigurationError, match="--storage"):
        default_storage_url({}, "linux")


def test_what_could_act_on_a_terminal_is_spelled_out() -> None:
    assert clean("a\x1b[0m\tb\n\x9b\u202e\ud800é😀") == "a\\x1b[0m\tb\n\\x9b\\u202e\\ud800é😀"
    assert clean_line("a\nb\tc\r") == "a\\nb c\\x0d"
    assert inert_json('"\x9b\x7f"') == '"\\u009b\\u007f"'


def test_the_shell_completes_commands_and_options(recuerda: CommandLine) -> None:
    for words, position, expected in (("recuerda thr", "1", "threads"), ("recuerda pending appro", "2", "approve")):
        shell = {"COMP_WORDS": words, "COMP_CWORD": position, "_RECUERDA_COMPLETE": "complete_bash"}
        assert recuerda(**shell).stdout.split() == [expected]
