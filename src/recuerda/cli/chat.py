"""`recuerda chat`: talk to a model in a thread that lasts.

One event loop lives as long as the conversation, and lines are read between its runs. So Ctrl-C at the prompt only
interrupts the prompt. Ctrl-C during an answer stops that answer: the part that was said stays in the thread, marked as
interrupted. On a terminal, a question whose answer failed stays as well, so that `/retry` can ask it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
from typing import Annotated

import typer
from rich.text import Text

from recuerda.cli.conversation import Conversation
from recuerda.cli.model import choose_client
from recuerda.cli.options import JsonOption, StorageOption, UserOption, opened
from recuerda.cli.output import console, fail, print_line, warn
from recuerda.errors import InvalidInput, RecuerdaError
from recuerda.ids import new_id
from recuerda.providers.context import ContextProvider
from recuerda.window.window import ContextWindow

HELP = """\
/history   show the whole thread
/retry     answer the last question again
/undo      remove the last turn
/resume    continue an interrupted turn
/drop      delete an interrupted turn
/allow     run the calls that wait for your approval
/refuse    refuse the calls that wait for your approval
/help      show these commands
/quit      leave the chat (or Ctrl-D); Ctrl-C stops an answer"""

EXAMPLES = (
    "recuerda chat",
    'recuerda chat --thread trip --instructions "You are a travel agent."',
    'echo "What is my name?" | recuerda chat --thread trip',
    'recuerda chat --mcp "npx -y @modelcontextprotocol/server-filesystem notes"',
)


def chat(
    *,
    thread: Annotated[
        str | None,
        typer.Option(
            "--thread",
            "-t",
            metavar="ID",
            help="The thread's id; its first turn creates the thread. The default is `default`.",
        ),
    ] = None,
    is_new: Annotated[bool, typer.Option("--new", help="Begin a new thread with a random id.")] = False,
    storage: StorageOption = None,
    user: UserOption = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID", help="The model's id, or `offline` for the stand-in.")
    ] = None,
    instructions: Annotated[
        str | None, typer.Option("--instructions", metavar="TEXT", help="The system prompt.")
    ] = None,
    window: Annotated[
        int | None,
        typer.Option("--window", min=1, metavar="N", help="Send at most N messages of the thread to the model."),
    ] = None,
    mcp: Annotated[
        list[str] | None,
        typer.Option(
            "--mcp",
            metavar="SERVER",
            help="Give the model the tools of an MCP server: an address, or a command in quotes. May be repeated.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Talk to a model, in a thread that is still there tomorrow.

    OPENAI_API_KEY and OPENAI_MODEL choose the model, in the environment or in a .env file in this folder. Set
    OPENAI_BASE_URL for a compatible server, or AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY and AZURE_OPENAI_DEPLOYMENT
    for Azure. `recuerda init` writes such a file. Without a model, an offline stand-in answers.

    With --mcp, the model may use the tools of MCP servers. A call that may destroy something waits for /allow or
    /refuse.

    Piped input is answered line by line, and the first failure ends the command with exit code 1. If a turn of the
    thread was interrupted, here or in a program, the chat first offers to continue it or to drop it.

    With --json, each answer is a line {"thread_id", "turn_id", "text", "usage", "warnings"}.
    """
    if is_new and thread is not None:
        raise typer.BadParameter("give --thread or --new, not both")
    client, note = choose_client(model)
    if note is not None:
        warn(note)
    is_interactive = sys.stdin.isatty() and not as_json
    with asyncio.Runner() as runner:
        conversation = Conversation(
            client,
            opened(storage),
            thread_id=new_id() if is_new else thread or "default",
            user_id=user,
            instructions=instructions,
            window=None if window is None else ContextWindow(max_messages=window),
            tools=[_tools_of(server) for server in mcp or ()],
            label="assistant: " if is_interactive else "",
            as_json=as_json,
            keeps_failed=is_interactive,
        )
        try:
            if is_interactive:
                _talk(runner, conversation)
            else:
                _answer_lines(runner, conversation)
        finally:
            runner.run(conversation.close())


def _tools_of(server: str) -> ContextProvider:
    from recuerda.mcp import MCPTools

    is_address = server.startswith(("http://", "https://"))
    return MCPTools(server if is_address else shlex.split(server), approval="destructive")


def _answer_lines(runner: asyncio.Runner, conversation: Conversation) -> None:
    if (unfinished := runner.run(conversation.pending())) is not None:
        warn(f"a turn of this thread was {unfinished.told}. {unfinished.next_step}.")
    for line in sys.stdin:
        if line.strip() and not _act(runner, conversation, line.strip()):
            return


def _talk(runner: asyncio.Runner, conversation: Conversation) -> None:
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401  # pyright: ignore[reportUnusedImport] - the import makes `input` editable

    runner.run(conversation.greet())
    if not _offer_to_resume(runner, conversation):
        return
    while True:
        try:
            line = input("you: ").strip()
        except EOFError:
            console().print()
            return
        except KeyboardInterrupt:
            console().print("\n(Ctrl-D or /quit leaves the chat)", style="dim")
            continue
        if line and not _act_safely(runner, conversation, line):
            return


def _offer_to_resume(runner: asyncio.Runner, conversation: Conversation) -> bool:
    """Ask what to do with an interrupted turn, if there is one. Returns False at the end of the input."""
    unfinished = runner.run(conversation.pending())
    if unfinished is None:
        return True
    print_line(console(), Text(f"A turn of this thread was {unfinished.told}.", style="yellow"))
    if unfinished.waits_for_approval:
        print_line(console(), Text(f"({unfinished.next_step})", style="dim"))
        return True
    try:
        wanted = input("Resume it (r), drop it (d), or leave it for now (Enter)? ").strip().lower()
    except EOFError:
        console().print()
        return False
    except KeyboardInterrupt:
        console().print()
        return True
    command = {"r": "/resume", "d": "/drop"}.get(wanted[:1])
    return command is None or _act_safely(runner, conversation, command)


def _act_safely(runner: asyncio.Runner, conversation: Conversation, line: str) -> bool:
    """Carry out a line as `_act` does, but print an error and continue."""
    try:
        return _act(runner, conversation, line)
    except KeyboardInterrupt:
        runner.run(conversation.say_what_was_kept())
    except RecuerdaError as error:
        fail(str(error))
    return True


def _act(runner: asyncio.Runner, conversation: Conversation, line: str) -> bool:
    """Carry out a line, which is a command or a message. Returns False when the chat ends."""
    match line:
        case "/quit" | "/exit":
            return False
        case "/help":
            console().print(HELP)
        case "/history":
            runner.run(conversation.show_history())
        case "/retry":
            runner.run(conversation.retry())
        case "/undo":
            runner.run(conversation.undo())
        case "/resume":
            runner.run(conversation.resume())
        case "/drop":
            runner.run(conversation.drop())
        case "/allow" | "/refuse":
            runner.run(conversation.decide(is_allowed=line == "/allow"))
        case _ if line.startswith("/") and line[1:].isalpha():
            raise InvalidInput(f"there is no command {line}; /help lists them")
        case _:
            runner.run(conversation.answer(line))
    return True
