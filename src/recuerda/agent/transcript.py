"""A conversation as plain text, for a model that writes a summary or a title of it."""

from __future__ import annotations

from collections.abc import Sequence

from recuerda.messages.message import (
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    UriContent,
)

RESULT_CHARACTERS = 1_000
"""The longest part of a tool's result that the model is shown, in characters."""

TEXT_CHARACTERS = 8_000
"""The longest part of a message's text that the model is shown, in characters."""

URI_CHARACTERS = 200
"""The longest part of a file's address that the model is shown, in characters."""


INDENT = "    "


def transcript(messages: Sequence[ChatMessage]) -> str:
    """Return messages as text: a line for each message, with its speaker."""
    return "\n".join(line for message in messages if (line := _line(message)))


def indented(text: str) -> str:
    """Return a text whose further lines are indented, so that it cannot pass for another message or for a heading."""
    return f"\n{INDENT}".join(text.splitlines())


def _line(message: ChatMessage) -> str:
    """Return a message as a line with its speaker."""
    said: list[str] = []
    for part in message.contents:
        match part:
            case TextContent():
                said.append(_cut(part.text, TEXT_CHARACTERS))
            case FunctionCallContent():
                said.append(f"[calls {part.name} with {_cut(str(part.arguments), RESULT_CHARACTERS)}]")
            case FunctionResultContent():
                said.append(f"[result: {_cut(str(part.result), RESULT_CHARACTERS)}]")
            case DataContent():
                said.append(f"[file: {part.media_type}]")
            case UriContent():
                said.append(f"[file: {part.media_type}, {_cut(part.uri, URI_CHARACTERS)}]")
            case _:
                pass
    name = " ".join((message.author_name or "").split())
    speaker = f"{message.role} ({name})" if name else message.role
    return indented(f"{speaker}: {' '.join(said)}") if any(said) else ""


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]} […{len(text) - length} more characters]"
