"""Show messages of any content to people, in a line or two each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime

from rich.text import Text

from recuerda.cli.output import clean, clean_line, counted
from recuerda.formats.times import shown_duration
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
    UsageContent,
)
from recuerda.threads.history import StoredTurn

SHORT = 160
"""The number of characters that are shown of a call's arguments or result."""

_STYLES = {"user": "bold cyan", "assistant": "bold green", "tool": "magenta", "system": "yellow"}


def shown_time(when: datetime) -> str:
    """Return a time in the local time zone, as text."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M")


def shown_turn(turn: StoredTurn) -> Iterable[Text]:
    """Yield a turn's heading and its messages."""
    mark = "" if turn.duration is None else f" · took {shown_duration(turn.duration)}"
    mark += f" in {counted(turn.run_count, 'run')}" if turn.run_count > 1 else ""
    mark += " · interrupted" if turn.turn.is_interrupted else ""
    mark += f" · {clean_line(turn.turn.error)}" if turn.turn.error else ""
    yield Text(f"turn {turn.number} · {shown_time(turn.created_at)}{mark}", style="dim")
    for message in turn.messages:
        yield shown_message(message)


def shown_message(message: ChatMessage) -> Text:
    """Return a message with its role in front. Lines after the first are indented."""
    role = clean_line(message.author_name or message.role)
    body = "\n".join(line for part in message.contents if (line := _shown(part)))
    return Text.assemble((f"{role}: ", _STYLES.get(message.role, "bold")), body.replace("\n", "\n  "))


def _shown(part: AnyContent) -> str:
    match part:
        case TextContent():
            return clean(part.text)
        case TextReasoningContent():
            return f"(reasoning) {clean(part.text)}" if part.text else "(reasoning, sealed)"
        case FunctionCallContent():
            given = (
                part.arguments if isinstance(part.arguments, str) else json.dumps(part.arguments, ensure_ascii=False)
            )
            return f"→ {clean_line(part.name)}({_short(given)})"
        case FunctionResultContent():
            result = part.result if isinstance(part.result, str) else json.dumps(part.result, ensure_ascii=False)
            return f"← {'(failed) ' if part.is_error else ''}{_short(result)}"
        case UriContent():
            return f"[{clean_line(part.media_type)}: {clean_line(part.uri)}]"
        case DataContent():
            name = f" {clean_line(part.name)}" if part.name else ""
            return f"[{clean_line(part.media_type)}{name}, {len(part.data):,} bytes]"
        case RefusalContent():
            return f"(refused) {clean(part.refusal)}"
        case UsageContent():
            return ""
        case UnknownContent():
            return f"[{clean_line(str(part.data.get('type', 'unknown')))}]"
        case _:
            return f"[{type(part).__name__}]"


def _short(text: str) -> str:
    line = clean_line(text)
    return line if len(line) <= SHORT else line[: SHORT - 1] + "…"
