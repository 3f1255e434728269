"""Talking: piped and on a terminal, with the stand-in and with a service."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from recuerda.testing.openai_server import Failure, Reply, ScriptedOpenAIServer
from tests.cli.processes import CommandLine, Terminal

KEY = "sk-secret-of-the-test"


@pytest.fixture
def service() -> Iterator[ScriptedOpenAIServer]:
    with ScriptedOpenAIServer() as server:
        yield server


def test_piped_lines_are_answered_one_by_one(recuerda: CommandLine) -> None:
    done = recuerda("chat", input="My name is Riker.\n\nWhat is my name?")
    assert (done.returncode, done.stdout) == (0, "Noted. Your name is Riker.\nYour name is Riker.\n")


def test_without_a_model_the_stand_in_answers_and_says_so(recuerda: CommandLine) -> None:
    assert "offline stand-in" in recuerda("chat", input="hi\n").stderr
    assert recuerda("chat", "--model", "offline", input="hi\n").stderr == ""


def test_a_thread_is_still_there_in_the_next_process(recuerda: CommandLine) -> None:
    recuerda.ok("chat", input="My name is Riker.\n")
    assert recuerda.ok("chat", input="What is my name?\n") == "Your name is Riker.\n"
    assert "Riker" not in recuerda.ok("chat", "--thread", "other", input="What is my name?\n")
    assert "Riker" not in recuerda.ok("chat", "--new", input="What is my name?\n")


def test_a_named_thread_and_a_new_one_at_once_are_refused(recuerda: CommandLine) -> None:
    done = recuerda("chat", "--new", "--thread", "other", input="hi\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "give --thread or --new, not both" in done.stderr


def test_a_window_limits_what_is_sent(recuerda: CommandLine) -> None:
    recuerda.ok("chat", input="My name is Riker.\nI live in Lima.\n")
    asked = recuerda.ok("chat", "--window", "2", input="What is my name? Where do I live?\n")
    assert asked == "I do not know your name: nothing that I was sent says it. You live in Lima.\n"


def test_json_is_a_line_for_each_answer(recuerda: CommandLine) -> None:
    lines = recuerda.ok("chat", "--thread", "t", "--json", input="My name is Riker.\nWhat is my name?\n").splitlines()
    first, second = map(json.loads, lines)
    assert second["text"] == "Your name is Riker."
    assert first["thread_id"] == second["thread_id"] == "t"
    assert first["turn_id"] != second["turn_id"]
    assert second["usage"] is None


def test_another_users_thread_is_refused(recuerda: CommandLine) -> None:
    recuerda.ok("chat", "--user", "ana", input="My name is Ana.\n")
    assert "another user" in recuerda.refused("chat", "--user", "bob", "--model", "offline", input="Who am I?\n")


def test_commands_work_when_piped(recuerda: CommandLine) -> None:
    page = recuerda.ok("chat", input="My name is Riker.\nI live in Lima.\n/undo\n/history\n/quit\nWhat is my name?\n")
    assert "(removed: I live in Lima.)" in page
    assert page.endswith("user: My name is Riker.\nassistant: Noted. Your name is Riker.\n")
    assert "/help lists them" in recuerda.refused("chat", input="/nonsense\n")
    assert "no turn" in recuerda.refused("chat", "--new", input="/undo\n")


def test_bytes_that_are_no_text_are_no_traceback(recuerda: CommandLine) -> None:
    assert recuerda.ok("chat", input="My name is \x00 \x1b[31mRiker.\nWhat is my name?\n").count("\x1b") == 0


def test_a_service_named_by_the_environment_answers(recuerda: CommandLine, service: ScriptedOpenAIServer) -> None:
    service.script.extend([Reply("Hello Riker"), Reply("\x1b[31mred [bold]loud[/]")])
    settings = {"OPENAI_BASE_URL": service.base_url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "scripted-model"}
    done = recuerda("chat", "--instructions", "Be brief.", input="I am Riker\nmore\n", **settings)
    assert (done.returncode, done.stdout) == (0, "Hello Riker\n\\x1b[31mred [bold]loud[/]\n")
    assert "stand-in" not in done.stderr
    assert service.requests[0].messages[0] == {"role": "system", "content": "Be brief."}
    assert service.requests[1].last_text == "more"
    assert len(service.requests[1].messages) == 4


def test_a_dotenv_file_names_the_service_and_is_never_shown(
    recuerda: CommandLine, service: ScriptedOpenAIServer
) -> None:
    (recuerda.folder / ".env").write_text(
        f'# settings\nexport OPENAI_API_KEY="{KEY}"  # a key\nOPENAI_BASE_URL={service.base_url}\nOPENAI_MODEL=wrong\n'
        "PATH=/nowhere\n"
    )
    service.script.extend([Reply("Hello"), Failure(401, "no entry")])
    done = recuerda("chat", input="hi\nhi again\n", OPENAI_MODEL="scripted-model")
    assert done.returncode == 1
    assert done.stdout == "Hello\n\n"
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert KEY not in done.stdout + done.stderr
    assert service.requests[0].body["model"] == "scripted-model"


def test_half_a_configuration_says_what_is_missing(recuerda: CommandLine) -> None:
    assert "OPENAI_MODEL" in recuerda.refused("chat", input="hi\n", OPENAI_API_KEY=KEY)
    assert "OPENAI_API_KEY" in recuerda.refused("chat", "--model", "some-model", input="hi\n")


def test_a_conversation_on_a_terminal(terminal: Callable[..., Terminal]) -> None:
    on = terminal("chat")
    on.expect("A new thread: default")
    for line, answer in (
        ("My name is Riker.", "Noted. Your name is Riker."),
        ("What is my name?", "Your name is Riker."),
        ("/undo", "(removed: What is my name?)"),
        ("/help", "/history"),
        ("/nonsense", "error: "),
    ):
        on.expect("you: ")
        on.send(f"{line}\n")
        on.expect(answer.split()[0])
    on.expect("you: ")
    on.interrupt_until("Ctrl-D")
    on.expect("you: ")
    on.send("\x04")
    assert on.wait() == 0

    again = terminal("chat", NO_COLOR="1")
    again.expect("Thread default: 1 turn.")
    again.expect("user: My name is Riker.")
    again.expect("assistant: Noted.")
    again.expect("you: ")
    again.send("/quit\n")
    assert again.wait() == 0
    assert "\x1b[1" not in again.seen


def test_ctrl_c_stops_the_answer_and_not_the_program(
    terminal: Callable[..., Terminal], recuerda: CommandLine, service: ScriptedOpenAIServer
) -> None:
    service.script.extend([Reply("one two three four five six seven", chunk_delay_s=0.5), Reply("Still here")])
    settings = {"OPENAI_BASE_URL": service.base_url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "scripted-model"}
    on = terminal("chat", NO_COLOR="1", **settings)
    on.expect("you: ")
    on.send("first\n")
    on.expect("assistant: one")
    on.interrupt()
    on.expect("(stopped; the part of the answer that arrived is kept)")
    on.expect("you: ")
    on.send("second\n")
    on.expect("Still here")
    on.expect("you: ")
    on.send("\x04")
    assert on.wait() == 0
    turns = json.loads(recuerda.ok("show", "default", "--json"))["turns"]
    assert [turn["messages"][0]["content"] for turn in turns] == ["first", "second"]
    assert [turn["is_interrupted"] for turn in turns] == [True, False]
    assert "one two three four five six seven".startswith(turns[0]["messages"][1]["content"])
    assert " · interrupted" in recuerda.ok("show", "default")


def test_a_question_that_failed_is_kept_and_answered_with_retry(
    terminal: Callable[..., Terminal], recuerda: CommandLine, service: ScriptedOpenAIServer
) -> None:
    service.script.extend([Failure(status=503, headers={"x-should-retry": "false"}), Reply("Here I am."), Reply("Me.")])
    settings = {"OPENAI_BASE_URL": service.base_url, "OPENAI_API_KEY": KEY, "OPENAI_MODEL": "scripted-model"}
    on = terminal("chat", NO_COLOR="1", **settings)
    on.expect("you: ")
    on.send("Who is there?\n")
    on.expect("(the question is kept; /retry asks it again)")
    on.expect("status 503")
    on.expect("you: ")
    assert " · interrupted · ChatClientError: model 'scripted-model'" in recuerda.ok("show", "default").replace(
        "\n", ""
    )
    on.send("/retry\n")
    on.expect("assistant: Here I am.")
    on.expect("you: ")
    on.send("/quit\n")
    assert on.wait() == 0
    assert recuerda.ok("chat", input="/retry\n", **settings) == "Me.\n"
    (turn,) = json.loads(recuerda.ok("show", "default", "--json"))["turns"]
    assert [message["content"] for message in turn["messages"]] == ["Who is there?", "Me."]
    assert (turn["is_interrupted"], turn["error"]) == (False, None)
