"""`recuerda init`: a private file that names a model, written after the model has answered."""

from __future__ import annotations

import io
import stat
import sys
from collections.abc import Callable, Iterator

import pytest

from recuerda.cli.asking import ask, confirmed
from recuerda.testing.openai_server import Failure, ScriptedOpenAIServer
from tests.cli.processes import CommandLine, Terminal

KEY = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[ScriptedOpenAIServer]:
    with ScriptedOpenAIServer() as server:
        yield server


def test_init_asks_the_model_and_writes_a_private_file_that_chat_uses(
    recuerda: CommandLine, server: ScriptedOpenAIServer
) -> None:
    server.script.extend(["hello", "Hi."])
    where = ("--service", "compatible", "--base-url", server.base_url, "--model", "m1")
    done = recuerda("init", *where, "--key-stdin", input=f"{KEY}\n")
    assert (done.returncode, done.stdout) == (0, "the model answers: hello\nwrote .env: `recuerda chat` talks to m1\n")
    assert KEY not in done.stdout + done.stderr
    file = recuerda.folder / ".env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert recuerda.ok("chat", input="hello\n") == "Hi.\n"
    before = file.read_bytes()
    assert ".env exists, and is not changed" in recuerda.refused("init", *where, "--key-stdin", input="other\n")
    assert file.read_bytes() == before


def test_a_model_that_does_not_answer_leaves_no_file(recuerda: CommandLine, server: ScriptedOpenAIServer) -> None:
    server.script.append(Failure(401, "the key is wrong"))
    where = ("--service", "compatible", "--base-url", server.base_url, "--model", "m1")
    said = recuerda.refused("init", *where, "--key-from", "MINE", MINE=KEY)
    assert "the model does not answer, so nothing was written" in said
    assert KEY not in said
    assert list(recuerda.folder.glob(".env*")) == []


def test_init_without_a_terminal_names_the_option_that_is_missing(recuerda: CommandLine) -> None:
    openai = ("--service", "openai", "--no-check")
    for arguments, code, told in (
        ((), 2, "give --service"),
        (openai, 2, "give --model"),
        ((*openai, "--model", "m"), 2, "give --key-from or --key-stdin"),
        ((*openai, "--model", "m", "--base-url", "http://x"), 2, "--base-url is for compatible and azure"),
        ((*openai, "--model", "m", "--key-stdin"), 1, "this service needs a key"),
        ((*openai, "--model", "m", "--key-from", "NOT_SET"), 1, "NOT_SET is not set or empty"),
        ((*openai, "--model", "\"'", "--key-from", "MINE"), 1, "cannot stand in a .env file"),
    ):
        said = " ".join(recuerda.refused("init", *arguments, code=code, MINE=KEY, COLUMNS="400").split())
        assert told in said, arguments
    assert list(recuerda.folder.glob(".env*")) == []


def test_init_asks_on_a_terminal_shows_no_key_and_hints_at_gitignore(
    terminal: Callable[..., Terminal], recuerda: CommandLine
) -> None:
    (recuerda.folder / ".git").mkdir()
    page = terminal("init", "--no-check", NO_COLOR="1", OPENAI_MODEL="another")
    page.expect("Service (openai, compatible, azure) [openai]: ")
    page.send("\n")
    page.expect("Model: ")
    page.send("m1\n")
    page.expect("Key (not shown): ")
    page.send(f"{KEY}\n")
    assert page.wait() == 0
    assert KEY not in page.seen
    shown = " ".join(page.seen.split())
    assert "OPENAI_MODEL is set in your environment to another value, which wins over the file" in shown
    assert "add a line with .env to .gitignore" in shown
    assert (recuerda.folder / ".env").read_text() == f'OPENAI_MODEL="m1"\nOPENAI_API_KEY="{KEY}"\n'


class Interrupted(io.StringIO):
    """A standard input at which Ctrl-C is pressed."""

    def readline(self, size: int = -1, /) -> str:
        raise KeyboardInterrupt


def test_ctrl_c_at_a_question_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Interrupted())
    for question in (lambda: ask("Model"), lambda: confirmed("Sure?")):
        with pytest.raises(SystemExit) as ended:
            question()
        assert ended.value.code == 130
