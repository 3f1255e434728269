"""A turn that is not over, on the command line: shown, gone on with, dropped."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from recuerda import ChatClientError, FunctionTool, open_storage
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.cli.processes import CommandLine, Terminal

URL = "sqlite:///threads.db"


def look_up(what: str) -> str:
    """Look something up."""
    return f"{what} is 42"


def interrupt(folder: Path, *, waits: bool = False, thread: str = "t") -> None:
    """Leave a turn after its tool, or before one that has to be allowed."""

    async def run() -> None:
        async with open_storage(f"sqlite:///{folder}/threads.db") as storage:
            tool = FunctionTool.of(look_up, needs_approval=waits)
            client = ScriptedChatClient([call("look_up", {"what": "it"}), ChatClientError("the service is down")])
            agent = client.create_agent(storage=storage, tools=tool, durability="steps")
            if waits:
                await agent.run("My name is Riker.", thread=thread)
            else:
                with pytest.raises(ChatClientError):
                    await agent.run("My name is Riker.", thread=thread)

    asyncio.run(run())


def test_chat_says_that_a_turn_is_not_over_and_goes_on_with_it(
    terminal: Callable[..., Terminal], recuerda: CommandLine
) -> None:
    interrupt(recuerda.folder)
    on = terminal("chat", "--thread", "t", "--storage", URL, "--model", "offline", NO_COLOR="1")
    on.expect("A turn of this thread was interrupted after step 2")
    on.expect("(Enter)? ")
    on.send("r\n")
    on.expect("assistant: Noted. Your name is Riker.")
    on.expect("you: ")
    on.send("/quit\n")
    assert on.wait() == 0
    shown = json.loads(recuerda.ok("show", "t", "--storage", URL, "--json"))
    assert (shown["draft"], [len(turn["messages"]) for turn in shown["turns"]]) == (None, [4])


def test_chat_drops_it_when_told(terminal: Callable[..., Terminal], recuerda: CommandLine) -> None:
    interrupt(recuerda.folder)
    on = terminal("chat", "--thread", "t", "--storage", URL, "--model", "offline", NO_COLOR="1")
    on.expect("(Enter)? ")
    on.send("d\n")
    on.expect("(the interrupted turn is deleted")
    on.expect("you: ")
    on.send("hello\n")
    on.expect("assistant: ")
    on.expect("you: ")
    on.send("\x04")
    assert on.wait() == 0
    turns = json.loads(recuerda.ok("show", "t", "--storage", URL, "--json"))["turns"]
    assert [turn["messages"][0]["content"] for turn in turns] == ["hello"]


def test_chat_leaves_it_when_nothing_is_said(terminal: Callable[..., Terminal], recuerda: CommandLine) -> None:
    interrupt(recuerda.folder)
    on = terminal("chat", "--thread", "t", "--storage", URL, "--model", "offline", NO_COLOR="1")
    on.expect("(Enter)? ")
    on.send("\n")
    on.expect("you: ")
    on.send("/quit\n")
    assert on.wait() == 0
    assert json.loads(recuerda.ok("show", "t", "--storage", URL, "--json"))["draft"]["steps"] == 2


def test_piped_chat_notes_it_and_obeys_commands(recuerda: CommandLine) -> None:
    interrupt(recuerda.folder)
    options = ("chat", "--thread", "t", "--storage", URL, "--model", "offline")
    done = recuerda(*options, input="/resume\nWhat is my name?\n")
    assert (done.returncode, done.stdout) == (0, "Noted. Your name is Riker.\nYour name is Riker.\n")
    assert "interrupted after step 2" in done.stderr
    assert "no interrupted turn" in recuerda.refused(*options, input="/drop\n")
    assert "no interrupted turn" in recuerda.refused(*options, input="/resume\n")


def test_a_call_that_waits_to_be_allowed_is_left_to_its_program(recuerda: CommandLine) -> None:
    interrupt(recuerda.folder, waits=True)
    done = recuerda("chat", "--thread", "t", "--storage", URL, "--model", "offline", input="/resume\n")
    assert done.returncode == 0
    assert "waits for approval of its calls (look_up)" in done.stderr
    assert json.loads(recuerda("show", "t", "--storage", URL, "--json").stdout)["draft"]["steps"] == 1


def test_show_marks_it(recuerda: CommandLine) -> None:
    interrupt(recuerda.folder, waits=True)
    page = recuerda.ok("show", "t", "--storage", URL)
    assert "t · no turn yet" in page
    assert "unfinished turn: waiting for approval of look_up" in page
    assert "user: My name is Riker." in page
    shown = json.loads(recuerda.ok("show", "t", "--storage", URL, "--json"))
    assert (shown["thread"]["revision"], shown["turns"]) == (0, [])
    assert [(one["name"], one["arguments"], one["is_started"]) for one in shown["draft"]["calls"]] == [
        ("look_up", {"what": "it"}, False)
    ]
    assert "no thread" in recuerda.refused("show", "another", "--storage", URL)
