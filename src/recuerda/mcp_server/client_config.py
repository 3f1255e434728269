"""The configuration that a client needs to start `recuerda mcp`, in the form of the client's own file."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence

from recuerda.errors import ConfigurationError

NAME = "recuerda"


def _claude_desktop(command: Sequence[str], variables: Mapping[str, str]) -> tuple[str, str]:
    return (
        "Claude Desktop: Settings, Developer, Edit Config. Put this into claude_desktop_config.json, and restart it.",
        _json({"mcpServers": {NAME: _entry(command, variables)}}),
    )


def _claude_code(command: Sequence[str], variables: Mapping[str, str]) -> tuple[str, str]:
    named = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    return (
        "Claude Code: run this. With --scope project, it is for one project and is written into .mcp.json.",
        shlex.join(["claude", "mcp", "add", "--scope", "user", *named, NAME, "--", *command]),
    )


def _vscode(command: Sequence[str], variables: Mapping[str, str]) -> tuple[str, str]:
    return (
        "VS Code: put this into .vscode/mcp.json, or into the file that `MCP: Open User Configuration` opens.",
        _json({"servers": {NAME: {"type": "stdio", **_entry(command, variables)}}}),
    )


def _cursor(command: Sequence[str], variables: Mapping[str, str]) -> tuple[str, str]:
    return (
        "Cursor: put this into ~/.cursor/mcp.json, or into .cursor/mcp.json of one project.",
        _json({"mcpServers": {NAME: _entry(command, variables)}}),
    )


_CLIENTS: Mapping[str, Callable[[Sequence[str], Mapping[str, str]], tuple[str, str]]] = {
    "claude": _claude_desktop,
    "claude-code": _claude_code,
    "code": _claude_code,
    "vscode": _vscode,
    "cursor": _cursor,
}

CLIENTS: tuple[str, ...] = tuple(name for name in _CLIENTS if name != "code")
"""The clients whose configuration is known. The shorter name "code" stands for Claude Code, too."""


def client_config(client: str, command: Sequence[str], variables: Mapping[str, str]) -> tuple[str, str]:
    """Return the configuration of a client: the place to put it, as a sentence, and the text to put there.

    Args:
        client: one of `CLIENTS`.
        command: the command that starts the server, with its arguments.
        variables: the variables of its environment. A URL with a password is here, because every user of a computer
            can see the arguments of a process.

    Raises:
        ConfigurationError: the client is not known.
    """
    written = _CLIENTS.get(client)
    if written is None:
        raise ConfigurationError(f"the configuration of {client!r} is not known: choose one of {', '.join(CLIENTS)}")
    return written(command, variables)


def _entry(command: Sequence[str], variables: Mapping[str, str]) -> dict[str, object]:
    return {"command": command[0], "args": list(command[1:]), "env": dict(variables)}


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
