"""The table of commands, and everything that they share: streams, `.env`, errors and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, NoReturn

from recuerda.errors import MissingExtraError, RecuerdaError, ThreadNotFound

try:
    import rich
    import typer
except ModuleNotFoundError as _error:
    if _error.name not in ("rich", "typer"):
        raise
    raise MissingExtraError(module="recuerda.cli", extra="cli") from _error

from recuerda.cli import (
    backup,
    chat,
    copy_threads,
    delete,
    doctor,
    export_threads,
    import_threads,
    inbox,
    init,
    mcp,
    recall,
    serve,
    show,
    studio,
    threads,
    tour,
)  # need the extra
from recuerda.cli.environment import load_env_file
from recuerda.cli.output import fail, warn

del rich


def _epilog(examples: Sequence[str]) -> str:
    # The backspace character keeps the line breaks of the paragraph behind it.
    return "\n".join(("\b", "Examples:", *(f"  {example}" for example in examples)))


app: typer.Typer = typer.Typer(
    name="recuerda",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help can be piped, and no bracket is read as markup
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _command, _examples in (
    ("tour", tour.tour, tour.EXAMPLES),
    ("init", init.init, init.EXAMPLES),
    ("chat", chat.chat, chat.EXAMPLES),
    ("threads", threads.threads, threads.EXAMPLES),
    ("show", show.show, show.EXAMPLES),
    ("recall", recall.recall, recall.EXAMPLES),
    ("delete", delete.delete, delete.EXAMPLES),
    ("export", export_threads.export, export_threads.EXAMPLES),
    ("import", import_threads.import_, import_threads.EXAMPLES),
    ("copy", copy_threads.copy, copy_threads.EXAMPLES),
    ("backup", backup.backup, backup.EXAMPLES),
    ("doctor", doctor.doctor, doctor.EXAMPLES),
    ("serve", serve.serve, serve.EXAMPLES),
    ("studio", studio.studio, studio.EXAMPLES),
    ("mcp", mcp.mcp, mcp.EXAMPLES),
):
    app.command(_name, epilog=_epilog(_examples))(_command)

_pending: typer.Typer = typer.Typer(invoke_without_command=True, rich_markup_mode=None, epilog=_epilog(inbox.EXAMPLES))
_pending.callback()(inbox.pending)
_pending.command("approve", epilog=_epilog(inbox.APPROVE_EXAMPLES))(inbox.approve)
_pending.command("refuse", epilog=_epilog(inbox.REFUSE_EXAMPLES))(inbox.refuse)
app.add_typer(_pending, name="pending")


def _version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        typer.echo(f"recuerda {version('recuerda')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Durable conversation memory for LLM agents.

    Start with `recuerda tour`, which needs no key. Then name a model with `recuerda init`, and talk to it with
    `recuerda chat`.

    Threads are kept in a SQLite file in your data folder. --storage or RECUERDA_STORAGE names another storage, for
    example sqlite:///memory.db, file:///folder, redis://localhost:6379/0 or postgresql://user@host/database.

    `recuerda COMMAND --help` explains a command and shows examples.
    """


def run() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    _prepare_streams()
    load_env_file(Path(".env"))
    try:
        app(prog_name="recuerda")
    except ThreadNotFound as error:
        fail(f"{error}; `recuerda threads` lists the threads")
    except (RecuerdaError, OSError) as error:
        _end_quietly_when_nobody_reads(error)
        fail(str(error))
        for note in getattr(error, "__notes__", ()):
            warn(note)
    except SystemExit:
        _flush()
        raise
    raise SystemExit(1)


def _prepare_streams() -> None:
    """Make streams that are not a terminal use UTF-8, and let no stream fail on a character."""
    for stream, handler in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors=handler)


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError as error:
        _end_quietly_when_nobody_reads(error)


def _end_quietly_when_nobody_reads(error: Exception) -> None:
    """End the process silently if the reader of the output has gone, as in `recuerda threads | head`."""
    if isinstance(error, BrokenPipeError):
        # The rest of the buffer would be written at exit and fail again:
        # https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1)
