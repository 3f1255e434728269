"""`recuerda serve`: a server that speaks OpenAI's protocol and keeps its threads on your own storage."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from recuerda.cli.options import StorageOption, public_url, storage_url
from recuerda.cli.output import clean_line, console, fail
from recuerda.errors import ConfigurationError

OFFLINE = "offline"
EXAMPLES = (
    "recuerda serve --upstream offline",
    "recuerda serve --upstream http://localhost:11434/v1 --model llama3.2",
    "recuerda serve --new-key acme",
    "recuerda serve --storage postgresql://db/app --upstream http://vllm:8000/v1 --model qwen3 \\",
    "    --host 0.0.0.0 --key-file keys.toml --rate 600",
)


def serve(
    *,
    storage: StorageOption = None,
    upstream: Annotated[
        str | None,
        typer.Option(
            "--upstream",
            metavar="URL",
            help="The chat-completions server that answers, such as http://localhost:11434/v1, or `offline` "
            "for a stand-in that needs no model. RECUERDA_UPSTREAM_KEY holds that server's key, if it needs one.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID", help="The model for requests that name no model.")
    ] = None,
    host: Annotated[
        str, typer.Option("--host", help="The address to listen on. Without keys, it must be on this machine.")
    ] = ("127.0.0.1"),
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port to listen on; 0 for a free port.")
    ] = 8787,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            metavar="FILE",
            help="A TOML file with the hashes of the keys whose requests are answered. More keys may be "
            "in RECUERDA_SERVER_KEYS=tenant=key,...",
        ),
    ] = None,
    new_key: Annotated[
        str | None,
        typer.Option("--new-key", metavar="TENANT", help="Print a new key and its line for the key file, and exit."),
    ] = None,
    window_messages: Annotated[
        int | None,
        typer.Option(
            "--window-messages", min=1, metavar="N", help="Send at most N messages of a conversation to the model."
        ),
    ] = None,
    window_tokens: Annotated[
        int | None,
        typer.Option(
            "--window-tokens", min=1, metavar="N", help="Send at most about N tokens to the model; by default 100,000."
        ),
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option("--rate", min=1, metavar="N", help="Accept at most N requests per minute from each tenant."),
    ] = None,
    max_body: Annotated[
        int, typer.Option("--max-body", min=1, metavar="MB", help="The size of the longest request, in megabytes.")
    ] = 16,
    max_file: Annotated[
        int,
        typer.Option("--max-file", min=1, metavar="MB", help="The size of the largest uploaded file, in megabytes."),
    ] = 50,
    max_in_flight: Annotated[
        int,
        typer.Option(
            "--max-in-flight", min=1, metavar="N", help="Send at most N requests to the model at the same time."
        ),
    ] = 256,
    max_connections: Annotated[
        int | None,
        typer.Option(
            "--max-connections",
            min=1,
            metavar="N",
            help="Keep at most N connections open; by default half of the files that the process may open.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="S", help="Wait S seconds for the model's next words.")
    ] = 600.0,
    drain: Annotated[
        float,
        typer.Option(
            "--drain-for",
            min=0,
            metavar="S",
            help="After SIGTERM, /readyz says that the server stops, and new requests are still served for S seconds, "
            "in which a proxy notices. Ctrl-C leaves this step out.",
        ),
    ] = 5.0,
    stop: Annotated[
        float,
        typer.Option("--stop-after", min=1, metavar="S", help="Then give running requests S seconds to finish."),
    ] = 30.0,
    hosted_tools: Annotated[
        str,
        typer.Option(
            "--hosted-tools",
            metavar="WAY",
            help="Tools that only OpenAI can run, such as web_search: `refuse` refuses requests with them, `ignore` "
            "leaves them out, `auto` leaves them out beside functions. The metadata of a response names them.",
        ),
    ] = "auto",
    recall: Annotated[
        bool,
        typer.Option(
            "--recall",
            help="Put messages of the user's earlier conversations that may matter into requests, quoted as data. The "
            "user is named by safety_identifier or user. The table [recall] of the key file sets the way of a tenant.",
        ),
    ] = False,
    recall_index: Annotated[
        str | None,
        typer.Option(
            "--recall-index",
            metavar="PLACE",
            help="The index of the memories, a path or a postgresql:// URL; by default beside the storage.",
        ),
    ] = None,
    cors_origin: Annotated[
        list[str] | None,
        typer.Option(
            "--cors-origin",
            metavar="ORIGIN",
            help="Let web pages of this origin, such as https://example.org, call the server. Repeat it for more.",
        ),
    ] = None,
) -> None:
    """Serve OpenAI's Responses and Conversations from your own storage.

    Point the base URL of any OpenAI client at this server, in any language, and its conversations last. The answers
    come from the chat-completions server that --upstream names. Conversations and responses are threads of the storage:
    `recuerda threads` lists them and `recuerda show` shows them.

    A response is one turn, which is stored whole or not at all. A request with an Idempotency-Key header can be sent
    again without a second charge. SIGTERM and Ctrl-C let running requests finish.
    """
    command: Any = import_module("recuerda.server.command")  # imported here because it needs an extra of its own
    if new_key is not None:
        key, line = command.make_key(new_key)
        console().print(Text(f"Give this key to {new_key} and keep it nowhere else:\n  {key}"), soft_wrap=True)
        console().print(Text(f"Add this line to the key file, below [tenants]:\n  {line}"), soft_wrap=True)
        return
    if upstream == OFFLINE and not model:
        model = OFFLINE
    if not upstream or not model:
        raise ConfigurationError("no model is named: give --upstream URL and --model ID")

    def announce(url: str, behind: str, keys: str) -> None:
        page = console()
        for name, value in (
            ("serving", f"{url}/v1"),
            ("storage", public_url(storage)),
            ("model", f"{model} at {behind}"),
            ("keys", keys),
            ("clients", f"OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY={'KEY' if not keys.startswith('none') else 'none'}"),
            ("more", f"{url}/openapi.json, /health, /readyz, /metrics; Ctrl-C stops"),
        ):
            page.print(Text.assemble((f"{name:8}", "bold"), clean_line(value)), soft_wrap=True)
        page.file.flush()

    has_served = command.run_server(
        storage=storage_url(storage),
        upstream=upstream,
        model=model,
        host=host,
        port=port,
        key_file=key_file,
        window_messages=window_messages,
        window_tokens=window_tokens,
        requests_per_minute=rate,
        max_body_bytes=max_body * 1024 * 1024,
        max_file_bytes=max_file * 1024 * 1024,
        max_in_flight=max_in_flight,
        max_connections=max_connections,
        timeout_s=timeout,
        drain_s=drain,
        stop_s=stop,
        hosted_tools=hosted_tools,
        cors_origins=cors_origin or (),
        recall=recall,
        recall_index=recall_index,
        announce=announce,
    )
    if not has_served:
        fail(f"the server cannot listen on {host} port {port}: check whether another server uses it")
        raise typer.Exit(1)
