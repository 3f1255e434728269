"""`recuerda mcp`: a memory for any assistant that speaks the Model Context Protocol."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from recuerda.cli.options import StorageOption, public_url, storage_url
from recuerda.cli.output import clean_line, console, fail, warn
from recuerda.errors import ConfigurationError

EXAMPLES = (
    "recuerda mcp --print-config claude",
    "recuerda mcp --user ana --storage sqlite:///memory.db",
    "recuerda mcp --user ana --import memory.json",
    "recuerda mcp --new-token laptop --user ana >> tokens.toml",
    "recuerda mcp --http --token-file tokens.toml --storage postgresql://db/app",
)


def mcp(
    *,
    storage: StorageOption = None,
    user: Annotated[
        str | None,
        typer.Option(
            "--user",
            metavar="ID",
            envvar="RECUERDA_USER",
            help="Whose memory it is. The default is your name on this computer.",
        ),
    ] = None,
    namespace: Annotated[
        str,
        typer.Option("--namespace", metavar="NAME", help="Keep the memory apart from the user's other namespaces."),
    ] = "default",
    reads: Annotated[
        list[str] | None,
        typer.Option("--reads", metavar="NAME", help="Also recall from this namespace; repeat it for more."),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option("--agent", metavar="NAME", help="The name of the assistant, shown with what it remembers."),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            "--index",
            metavar="PLACE",
            help="The index of the messages: a file or a postgresql:// URL. The default is beside the storage.",
        ),
    ] = None,
    max_tokens: Annotated[
        int,
        typer.Option("--max-tokens", min=200, metavar="N", help="The size of the largest answer, in tokens."),
    ] = 4000,
    print_config: Annotated[
        str | None,
        typer.Option(
            "--print-config",
            metavar="CLIENT",
            help="Print the lines to paste into the configuration of claude, claude-code, vscode or cursor, and exit.",
        ),
    ] = None,
    imported: Annotated[
        Path | None,
        typer.Option(
            "--import",
            metavar="FILE",
            help="Store the memories of another program, and exit: memory.json of the reference server, a list of "
            "memories from Mem0 as JSON, or an export of OpenMemory. Repeating it adds nothing.",
        ),
    ] = None,
    is_http: Annotated[
        bool, typer.Option("--http", help="Serve many clients over HTTP, instead of one on standard input and output.")
    ] = False,
    host: Annotated[
        str, typer.Option("--host", help="The address to listen on. Without tokens, it must be on this machine.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port to listen on; 0 for a free port.")
    ] = 8789,
    is_stateless: Annotated[
        bool,
        typer.Option(
            "--stateless", help="Keep no session between requests, so that any server behind a proxy can answer."
        ),
    ] = False,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="A TOML file with the hash of each token, and with the user and the namespace that it stands for.",
        ),
    ] = None,
    new_token: Annotated[
        str | None,
        typer.Option(
            "--new-token",
            metavar="NAME",
            help="Make a token for --user and --namespace, print its lines for the token file, and exit.",
        ),
    ] = None,
) -> None:
    """Give an assistant a memory that lasts, over the Model Context Protocol.

    A client, such as Claude Desktop, Claude Code, VS Code or Cursor, starts this command itself: --print-config prints
    the lines for its configuration. Then the assistant can recall, remember, correct and forget. Several windows and
    several programs can use one memory at the same time.

    Everything is kept in the storage: `recuerda threads --user ID` lists it, and `recuerda recall --user ID` searches
    it. The user and the namespace are fixed by these options or by the token. No tool can reach another user's
    memories.
    """
    command: Any = import_module("recuerda.mcp_server.command")  # imported here because it needs an extra of its own
    chosen = command.settings(
        storage=storage_url(storage),
        index=index,
        user=user,
        namespace=namespace,
        reads=tuple(reads or ()),
        agent=agent,
        max_tokens=max_tokens,
    )
    if print_config is not None:
        place, text = command.config_of(print_config, chosen)
        warn(place)
        typer.echo(text)
    elif new_token is not None:
        token, lines = command.make_token(new_token, chosen)
        warn(f"give this token to the client and keep it nowhere else: {token}")
        typer.echo(lines)
    elif imported is not None:
        new, known, deleted = command.run_import(chosen, imported)
        gone = f", {deleted:,} left out because they were deleted" if deleted else ""
        typer.echo(f"new memories: {new:,}, already there: {known:,}{gone}")
    elif is_http:
        _serve(command, chosen, host=host, port=port, token_file=token_file, is_stateless=is_stateless)
    elif token_file is not None:
        raise ConfigurationError("--token-file is for --http: on standard input and output there is only one client")
    else:
        if sys.stdin.isatty():
            warn("waiting for an MCP client on standard input; --print-config prints the lines for a client")
        command.run_stdio(chosen)


def _serve(command: Any, chosen: Any, *, host: str, port: int, token_file: Path | None, is_stateless: bool) -> None:
    def announce(url: str, tokens: int | None) -> None:
        page = console()
        who = (
            f"user {chosen.scope.user_id}, for every program on this machine" if tokens is None else f"{tokens} tokens"
        )
        for name, value in (("serving", url), ("storage", public_url(chosen.storage)), ("for", who)):
            page.print(Text.assemble((f"{name:8}", "bold"), clean_line(value)), soft_wrap=True)
        page.file.flush()

    if not command.run_http(
        chosen, host=host, port=port, token_file=token_file, is_stateless=is_stateless, announce=announce
    ):
        fail(f"the server cannot listen on {host} port {port}: check whether another server uses it")
        raise typer.Exit(1)
