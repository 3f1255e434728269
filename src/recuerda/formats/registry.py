"""The table of formats. A new format is one module and one line here."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import msgspec

from recuerda.errors import InvalidInput
from recuerda.formats.format import Format


class _Entry(msgspec.Struct, frozen=True):
    module: str
    reads: bool = True
    writes: bool = True


_ENTRIES: dict[str, _Entry] = {
    "anthropic": _Entry("anthropic"),
    "chatgpt": _Entry("chatgpt", writes=False),
    "claude": _Entry("claude", writes=False),
    "langchain": _Entry("langchain"),
    "librechat": _Entry("librechat", writes=False),
    "markdown": _Entry("markdown", reads=False),
    "open-webui": _Entry("open_webui", writes=False),
    "openai-chat": _Entry("openai_chat"),
    "openai-responses": _Entry("openai_responses"),
    "pydantic-ai": _Entry("pydantic_ai"),
    "vercel": _Entry("vercel"),
    "recuerda": _Entry("own_lines", writes=False),
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
    return import_module(f"recuerda.formats.{_ENTRIES[name].module}").FORMAT
