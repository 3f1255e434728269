"""Threads as Markdown, for people to read."""

from __future__ import annotations

import re
from collections.abc import Iterator

from recuerda.formats.calls import shown_json
from recuerda.formats.facts import facts_of, message_facts, turn_losses
from recuerda.formats.format import Departure, Family, Format, Writer, Written
from recuerda.formats.losses import counted, files_in_results
from recuerda.formats.moved import MovedThread, MovedTurn, added_up
from recuerda.formats.times import shown_duration
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    HostedFileContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
    UsageContent,
    file_mark,
)
from recuerda.storage.records import from_microseconds

_NAMES = {"user": "User", "assistant": "Assistant", "system": "Instructions", "developer": "Instructions"}
_NOT_SHOWN = (DataContent, HostedFileContent, UnknownContent)
_SPECIAL = re.compile(r"([\\`*_\[\]<>#|])")

_HOLDS = ("title", "time", "duration", "parent")
"""The facts that the page shows."""


def _write(family: Family) -> Written:
    (thread,) = family
    lines = [f"# {_plain(thread.title or thread.id)}", ""]
    lines += [f"Thread `{_code(thread.id)}`{_branch(thread)}", ""]
    for turn in thread.turns:
        lines += _turn(turn)
    parts = [part for message in thread.messages for part in message.contents]
    lost = counted(part for part in (*parts, *files_in_results(parts)) if isinstance(part, _NOT_SHOWN))
    losses = added_up([lost, facts_of(thread, _HOLDS), turn_losses(thread), message_facts(thread.messages, ("name",))])
    departure = Departure(thread_id=thread.id, losses=losses)
    return Written(text="\n".join(lines) + "\n", departures=(departure,))


def _branch(thread: MovedThread) -> str:
    return f", a branch of `{_code(thread.parent.thread_id)}`" if thread.parent else ""


def _turn(turn: MovedTurn) -> Iterator[str]:
    when = "" if turn.created_us is None else f" · {from_microseconds(turn.created_us):%Y-%m-%d %H:%M} UTC"
    when += "" if turn.turn.duration is None else f" · took {shown_duration(turn.turn.duration)}"
    for number, message in enumerate(turn.turn.messages):
        if message.role != "tool":
            yield f"## {_speaker(message)}{when if number == 0 else ''}"
            yield ""
        for part in message.contents:
            yield from _part(part)


def _speaker(message: ChatMessage) -> str:
    name = _NAMES.get(message.role, message.role.capitalize())
    return _plain(f"{message.author_name} ({name.lower()})" if message.author_name else name)


def _part(part: AnyContent) -> Iterator[str]:
    match part:
        case TextContent():
            yield from (part.text, "")
        case TextReasoningContent():
            if part.text:
                yield from (*(f"> {line}" for line in ("*Reasoning*", "", *part.text.splitlines())), "")
        case FunctionCallContent():
            yield from (f"**Call of `{_code(part.name)}`**", "", *_fenced(shown_json(part.arguments), "json"), "")
        case FunctionResultContent():
            yield from ("**Error**" if part.is_error else "**Result**", "", *_fenced(shown_json(part.result), ""), "")
        case RefusalContent():
            yield from (f"*Refusal:* {part.refusal}", "")
        case UriContent():
            sign = "!" if part.media_type.startswith("image/") else ""
            yield from (f"{sign}[{_plain(part.media_type)}](<{_link(part.uri)}>)", "")
        case DataContent() | HostedFileContent():
            yield from (_plain(file_mark(part)), "")
        case UsageContent():
            pass
        case _:
            yield from ("*[a part of an unknown kind]*", "")


def _fenced(text: str, language: str) -> list[str]:
    # The fence is longer than every fence in the text.
    longest = max((len(found) for found in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", text, fence]


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    return " ".join(text.split()).replace("`", "'")


def _link(uri: str) -> str:
    return uri.replace("<", "%3C").replace(">", "%3E").replace("\n", "")


FORMAT = Format(name="markdown", writer=Writer(write=_write, is_json=False))
