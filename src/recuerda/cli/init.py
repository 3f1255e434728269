"""`recuerda init`: name a model in a `.env` file, after it has answered.

The key is read from a hidden prompt, from a variable or from standard input, and never from the command's arguments,
which every user of the machine can see. It is shown nowhere. The file is private, and no file is overwritten.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from recuerda._drivers.private_files import open_private
from recuerda.cli.asking import ask
from recuerda.cli.model import choose_client
from recuerda.cli.output import clean_line, fail, warn
from recuerda.errors import ConfigurationError, RecuerdaError

QUESTION = "Answer with one word: hello."

EXAMPLES = (
    "recuerda init",
    "recuerda init --service compatible --base-url http://localhost:11434/v1 --model llama3.2 --key-stdin < /dev/null",
    "recuerda init --service openai --model gpt-5-mini --key-from MY_KEY",
    "recuerda init --service azure --base-url https://me.openai.azure.com --model my-deployment",
)


class Service(StrEnum):
    """The services that the command line talks to."""

    OPENAI = "openai"
    COMPATIBLE = "compatible"
    AZURE = "azure"


_VARIABLES = {
    Service.OPENAI: ("OPENAI_API_KEY", "OPENAI_MODEL", None),
    Service.COMPATIBLE: ("OPENAI_API_KEY", "OPENAI_MODEL", "OPENAI_BASE_URL"),
    Service.AZURE: ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_DEPLOYMENT", "AZURE_OPENAI_ENDPOINT"),
}
"""The variables of the key, the model and the address."""


def init(
    *,
    service: Annotated[
        Service | None,
        typer.Option("--service", help="The service of the model; `compatible` is any server with OpenAI's interface."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID", help="The model's id; for Azure, the deployment's name.")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", metavar="URL", help="The server's address; for Azure, the resource's endpoint."),
    ] = None,
    key_from: Annotated[
        str | None,
        typer.Option("--key-from", metavar="NAME", help="Take the key from this variable of the environment."),
    ] = None,
    is_key_piped: Annotated[
        bool, typer.Option("--key-stdin", help="Take the key from the first line of standard input.")
    ] = False,
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="The file to write.")] = Path(".env"),
    is_checked: Annotated[
        bool, typer.Option("--check/--no-check", help="Ask the model something before the file is written.")
    ] = True,
) -> None:
    """Name a model in a .env file, so that `recuerda chat` talks to it.

    On a terminal, the command asks for whatever the options do not say. The key is not shown while you type it. Then
    the command asks the model something, and writes the file if the model answers. The file is readable for you alone,
    and a file that exists is never changed.

    A compatible server may want no key: then leave it empty.

    The exit code is 1 if the file exists or the model does not answer. Then nothing is written.
    """
    if file.exists() or file.is_symlink():
        raise ConfigurationError(f"{file} exists, and is not changed: edit it, or name another file with --file")
    chosen = service or _service(_asked(f"Service ({', '.join(Service)})", "--service", default="openai"))
    key_name, model_name, address_name = _VARIABLES[chosen]
    settings: dict[str, str] = {}
    if address_name is not None:
        settings[address_name] = base_url or _asked("Address of the server", "--base-url")
    elif base_url is not None:
        raise typer.BadParameter("--base-url is for compatible and azure")
    settings[model_name] = model or _asked("Model", "--model")
    if key := _key(key_from, is_piped=is_key_piped):
        settings[key_name] = key
    elif chosen is not Service.COMPATIBLE:
        raise ConfigurationError("this service needs a key: give it at the prompt, with --key-from or with --key-stdin")
    text = _text(settings)
    if is_checked:
        _check(settings)
    with open(file, "x", encoding="utf-8", opener=open_private) as opened:
        opened.write(text)
    typer.echo(f"wrote {file}: `recuerda chat` talks to {clean_line(settings[model_name])}")
    _warn_of(file, settings)


def _service(given: str) -> Service:
    if given not in set(Service):
        raise ConfigurationError(f"there is no service {given!r}: choose one of {', '.join(Service)}")
    return Service(given)


def _asked(question: str, option: str, *, default: str | None = None) -> str:
    """Return an answer from the terminal."""
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"there is no terminal to ask on: give {option}")
    return ask(question, default=default)


def _key(name: str | None, *, is_piped: bool) -> str:
    if name is not None:
        if not (key := os.environ.get(name, "").strip()):
            raise ConfigurationError(f"the variable {name} is not set or empty: --key-from takes the key from it")
        return key
    if is_piped:
        return sys.stdin.readline().strip()
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask for the key: give --key-from or --key-stdin")
    return ask("Key (not shown)", default="", is_hidden=True)


def _text(settings: Mapping[str, str]) -> str:
    """Return the file's text.

    Raises:
        ConfigurationError: a value cannot stand in the file.
    """
    lines: list[str] = []
    for name, value in settings.items():
        quote = "'" if '"' in value else '"'
        if quote in value or not value.isprintable():
            raise ConfigurationError(f"{name} has characters that cannot stand in a .env file: check what you pasted")
        lines.append(f"{name}={quote}{value}{quote}\n")
    return "".join(lines)


def _check(settings: Mapping[str, str]) -> None:
    """Ask the model something, and print its answer."""
    try:
        answer = asyncio.run(_answer(settings))
    except RecuerdaError as error:
        fail(f"the model does not answer, so nothing was written: {error}")
        raise typer.Exit(1) from None
    typer.echo(f"the model answers: {clean_line(answer.strip())[:80]}")


async def _answer(settings: Mapping[str, str]) -> str:
    client, _ = choose_client(None, settings)
    async with client:
        return (await client.create_agent().run(QUESTION)).text


def _warn_of(file: Path, settings: Mapping[str, str]) -> None:
    if file.name != ".env" or file.absolute().parent != Path.cwd():
        warn("`recuerda` reads the file .env in the folder where it is started")
    for name in settings:
        if os.environ.get(name, settings[name]) != settings[name]:
            warn(f"{name} is set in your environment to another value, which wins over the file")
    for key, _, address in _VARIABLES.values():
        if address in settings and key in os.environ:
            warn(f"{key} is set in your environment, so {address} in the file is not used: a key is sent nowhere else")
    folder = file.absolute().parent
    if any((one / ".git").exists() for one in (folder, *folder.parents)) and not _is_ignored(folder, file.name):
        warn(f"add a line with {file.name} to .gitignore, so that the key does not get into the repository")


def _is_ignored(folder: Path, name: str) -> bool:
    ignoring = (one / ".gitignore" for one in (folder, *folder.parents))
    lines = (
        line.strip() for path in ignoring if path.is_file() for line in path.read_text("utf-8", "replace").splitlines()
    )
    return any(line.lstrip("/") in (name, f"{name}*", f"*{name}") for line in lines)
