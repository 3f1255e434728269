"""`recuerda serve`: a service with OpenAI's wire format on the storage at hand."""

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
            help="The chat-completions server behind this one, such as http://localhost:11434/v1; `offline` for a "
            "stand-in that needs no model. Its key, if it wants one, is taken from RECUERDA_UPSTREAM_KEY.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID", help="The model of requests that name none.")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Where to listen; without keys on this machine only.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for a free one.")] = 8787,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            metavar="FILE",
            help="Whose requests are answered: a TOML file with hashes of keys. RECUERDA_SERVER_KEYS=tenant=key,... "
            "adds to it.",
        ),
    ] = None,
    new_key: Annotated[
        str | None,
        typer.Option(
            "--new-key", metavar="TENANT", help="Print a new key, and the line for the key file; serve nothing."
        ),
    ] = None,
    window_messages: Annotated[
        int | None,
        typer.Option("--window-messages", min=1, metavar="N", help="Send at most so many messages of a conversation."),
    ] = None,
    window_tokens: Annotated[
        int | None,
        typer.Option(
            "--window-tokens", min=1, metavar="N", help="Send at most about so many tokens; 100,000 unless told."
        ),
    ] = None,
    rate: Annotated[
        int | None, typer.Option("--rate", min=1, metavar="N", help="At most so many requests of a tenant a minute.")
    ] = None,
    max_body: Annotated[int, typer.Option("--max-body", min=1, metavar="MB", help="The longest request.")] = 16,
    max_in_flight: Annotated[
        int, typer.Option("--max-in-flight", min=1, metavar="N", help="At most so many calls of the model at once.")
    ] = 256,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, metavar="S", help="Seconds to wait for the model's next word.")
    ] = 600.0,
    stop: Annotated[
        float, typer.Option("--stop-after", min=1, metavar="S", help="Seconds that running requests get at a stop.")
    ] = 30.0,
) -> None:
    """Serve OpenAI's Responses and Conversations on your own storage.

    Any OpenAI client, in any language, gets conversations that last: point its base URL here. The answers come from
    the chat-completions server that --upstream names; conversations and responses are threads of the storage, which
    `recuerda threads` and `recuerda show` list and show.

    A response is one turn, there whole or not at all. A request with an Idempotency-Key header can be sent again
    without being paid for again. SIGTERM and Ctrl-C let running requests finish.
    """
    command: Any = import_module("recuerda.server.command")  # a surface of the same rank, and an extra of its own
    if new_key is not None:
        key, line = command.make_key(new_key)
        console().print(Text(f"key, to be given to {new_key} and kept nowhere else:\n  {key}"), soft_wrap=True)
        console().print(Text(f"in the key file, below [tenants]:\n  {line}"), soft_wrap=True)
        return
    if upstream == OFFLINE and not model:
        model = OFFLINE
    if not upstream or not model:
        raise ConfigurationError("say which model answers: --upstream URL and --model ID")

    def announce(url: str, behind: str, keys: str) -> None:
        page = console()
        for name, value in (
            ("serving", f"{url}/v1"),
            ("storage", public_url(storage)),
            ("model", f"{model} at {behind}"),
            ("keys", keys),
            ("clients", f"OPENAI_BASE_URL={url}/v1 OPENAI_API_KEY={'KEY' if not keys.startswith('none') else 'none'}"),
            ("more", f"{url}/openapi.json, /health, /ready, /metrics; Ctrl-C stops"),
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
        max_in_flight=max_in_flight,
        timeout_s=timeout,
        stop_s=stop,
        announce=announce,
    )
    if not has_served:
        fail(f"{host} port {port} cannot be listened on; is another server there?")
        raise typer.Exit(1)
