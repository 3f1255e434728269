"""`recuerda studio`: a page on a storage, to look inside and to decide."""

from __future__ import annotations

import re
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from recuerda.cli.inbox import login_name
from recuerda.cli.options import StorageOption, opened, opened_to_read, public_url
from recuerda.cli.output import clean_line, console, fail
from recuerda.errors import ConfigurationError
from recuerda.storage.registry import URL_SCHEMES, scheme_of

EXAMPLES = (
    "recuerda studio",
    "recuerda studio sqlite:///memory.db --allow-changes",
    "recuerda studio postgresql://db/app --user ana",
    "recuerda studio app:agent",
)

_IMPORT_PATH = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")


def studio(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[STORAGE|AGENT]",
            help="The URL of a storage, such as sqlite:///memory.db, or the import path of an agent,"
            " such as app:agent, for which the studio has a chat pane.",
        ),
    ] = None,
    *,
    storage: StorageOption = None,
    host: Annotated[
        str,
        typer.Option("--host", help="The address to listen on. Without a token of yours, it must be on this machine."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port to listen on; 0 for a free port.")
    ] = 8788,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TEXT",
            envvar="RECUERDA_STUDIO_TOKEN",
            show_envvar=True,
            help="The token that opens the studio: 16 characters or more. By default, each start makes a random one.",
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            metavar="NAME",
            help="Answer under this name too, such as the name of a proxy in front. Repeat it for more.",
        ),
    ] = None,
    allow_changes: Annotated[
        bool,
        typer.Option(
            "--allow-changes", help="Let people change and delete threads. Without it, the studio refuses each change."
        ),
    ] = False,
    user: Annotated[
        str | None, typer.Option("--user", metavar="ID", help="Show the threads and memories of this user alone.")
    ] = None,
    acting_as: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="NAME", help="The name that stands for you in decisions and in the audit; your login name."
        ),
    ] = None,
    recall_index: Annotated[
        str | None,
        typer.Option(
            "--recall-index",
            metavar="PLACE",
            help="The index of memories, a path or a postgresql:// URL. By default the index beside the storage, if "
            "there is one.",
        ),
    ] = None,
    redact: Annotated[
        list[str] | None,
        typer.Option(
            "--redact",
            metavar="PATTERN",
            help="Also hide texts with this form, a regular expression. Keys, passwords and card numbers of known "
            "forms are hidden anyway. Repeat it for more.",
        ),
    ] = None,
    audit_file: Annotated[
        Path | None,
        typer.Option("--audit-file", metavar="FILE", help="Append a line of JSON for each change to this file."),
    ] = None,
    is_opened: Annotated[bool, typer.Option("--open", help="Open the studio in your browser.")] = False,
) -> None:
    """Look into a storage in your browser, and decide about the turns that wait for you.

    The studio shows threads and their turns, the part of a thread that a model saw, memories, unfinished turns and the
    health of a storage. Each page has its data as JSON below /api.

    It listens on this machine alone, and the link that it prints holds a token, so other users of this machine cannot
    open it. It changes nothing unless you give --allow-changes. Ctrl-C stops it.
    """
    command: Any = import_module("recuerda.studio.command")  # imported here because it needs an extra of its own
    url, agent = _parsed(target, storage)
    source = context.get_parameter_source("storage")
    if agent is not None and source is not None and source.name == "ENVIRONMENT":
        url = None  # the agent has a storage of its own

    def announce(address: str, link: str) -> None:
        page = console()
        for name, value in (
            ("studio", link),
            ("storage", public_url(url) if url or agent is None else agent),
            ("changes", "allowed" if allow_changes else "none: the studio is read-only"),
            ("programs", f"{address}/api/threads with the token as a bearer token; Ctrl-C stops"),
        ):
            page.print(Text.assemble((f"{name:9}", "bold"), clean_line(value)), soft_wrap=True)
        page.file.flush()
        if is_opened:
            typer.launch(link)

    has_run = command.run_studio(
        # The storage is opened behind the checks of the other options, so a wrong option is told before a missing file.
        open_storage=None if agent and url is None else partial(opened if allow_changes else opened_to_read, url),
        storage_name=public_url(url) if url or agent is None else "",
        agent=agent,
        host=host,
        port=port,
        token=token,
        allow_hosts=allow_host or (),
        allow_changes=allow_changes,
        user=user,
        acting_as=acting_as or login_name(),
        recall_index=recall_index,
        redactions=redact or (),
        audit_file=audit_file,
        announce=announce,
    )
    if not has_run:
        fail(f"the studio cannot listen on {host} port {port}: check whether another program uses it, or give --port 0")
        raise typer.Exit(1)


def _parsed(target: str | None, storage: str | None) -> tuple[str | None, str | None]:
    """Return the storage's URL and the agent's import path of the command's argument.

    Raises:
        ConfigurationError: the argument is neither of them.
    """
    if target is None:
        return storage, None
    if scheme_of(target) in URL_SCHEMES:
        return target, None
    if _IMPORT_PATH.fullmatch(target):
        return storage, target
    raise ConfigurationError(
        f"{target!r} is neither the URL of a storage, such as sqlite:///memory.db, nor the import path of an agent, "
        "such as app:agent"
    )
