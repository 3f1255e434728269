"""The table of formats. A new format is one module and one line here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec

import msgspec

from recuerda.errors import InvalidInput, MissingExtraError
from recuerda.formats.format import Format


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the table.

    Attributes:
        module: the module in this package.
        reads: True if the format can be imported.
        writes: True if the format can be exported.
        extra: the extra with the package that the format needs, or None.
        package: this package.
        tables: the tables of a SQLite database by which the format is known.
    """

    module: str
    reads: bool = True
    writes: bool = True
    extra: str | None = None
    package: str = ""
    tables: frozenset[str] = frozenset()


_ENTRIES: dict[str, _Entry] = {
    "agent-framework": _Entry(module="agent_framework"),
    "agent-framework-files": _Entry(module="agent_framework_files", reads=False),
    "agent-framework-sessions": _Entry(module="agent_framework_sessions", reads=False),
    "anthropic": _Entry(module="anthropic"),
    "chatgpt": _Entry(module="chatgpt"),
    "claude": _Entry(module="claude"),
    "google-adk": _Entry(
        module="google_adk",
        extra="google-adk",
        package="google.adk",
        tables=frozenset({"sessions", "events", "app_states"}),
    ),
    "html": _Entry(module="html_page", reads=False),
    "langchain": _Entry(module="langchain"),
    "langgraph": _Entry(
        module="langgraph",
        extra="langgraph",
        package="langgraph",
        tables=frozenset({"checkpoints", "writes"}),
    ),
    "librechat": _Entry(module="librechat"),
    "markdown": _Entry(module="markdown", reads=False),
    "open-webui": _Entry(module="open_webui"),
    "openai-agents": _Entry(module="openai_agents", tables=frozenset({"agent_sessions", "agent_messages"})),
    "openai-chat": _Entry(module="openai_chat"),
    "openai-responses": _Entry(module="openai_responses"),
    "pydantic-ai": _Entry(module="pydantic_ai"),
    "vercel": _Entry(module="vercel"),
    "recuerda": _Entry(module="own_lines", writes=False),
}

READABLE: Sequence[str] = tuple(sorted(name for name, entry in _ENTRIES.items() if entry.reads))
"""The names of the formats that can be imported."""

WRITABLE: Sequence[str] = tuple(sorted(name for name, entry in _ENTRIES.items() if entry.writes))
"""The names of the formats that can be exported."""


def format_of(name: str, among: Sequence[str]) -> Format:
    """Return the format of a name. The module of a format is imported when the format is used.

    Args:
        name: the name.
        among: `READABLE` or `WRITABLE`.

    Raises:
        InvalidInput: there is no such format.
        MissingExtraError: the format needs a package that is not installed.
    """
    if name not in among:
        verb = "import from" if among is READABLE else "export to"
        raise InvalidInput(f"recuerda cannot {verb} the format {name!r}: give one of {', '.join(among)}")
    entry = _ENTRIES[name]
    if entry.extra is not None and not _is_installed(entry.package):
        raise MissingExtraError(module=f"the format {name}", extra=entry.extra)
    return import_module(f"recuerda.formats.{entry.module}").FORMAT


def formats_of_files() -> Iterator[Format]:
    """Yield the formats of files that need no package: the formats that are guessed from the content of a file."""
    for name in READABLE:
        if _ENTRIES[name].extra is None:
            yield format_of(name, READABLE)


def format_of_tables(tables: frozenset[str]) -> Format | None:
    """Return the format of a SQLite database with these tables; None if it is not known."""
    found = (name for name in READABLE if _ENTRIES[name].tables and _ENTRIES[name].tables <= tables)
    name = next(found, None)
    return None if name is None else format_of(name, READABLE)


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # a package around it is missing
        return False
