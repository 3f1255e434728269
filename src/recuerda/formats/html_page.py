"""Threads as one HTML page, for people to read.

The page needs nothing else: it has its style and its pictures, and no script. Everything that somebody said is escaped.
The content security policy allows the style by its digest and pictures that are in the page, and nothing more. So the
page loads nothing when it is opened, also not a picture to which a message links.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from importlib.resources import files

from recuerda.formats.calls import shown_json
from recuerda.formats.facts import facts_of, message_facts, turn_losses
from recuerda.formats.format import Departure, Family, Format, Writer, Written
from recuerda.formats.losses import counted, files_in_results
from recuerda.formats.moved import MovedThread, MovedTurn, added_up
from recuerda.formats.times import shown_duration
from recuerda.interop.encoded import data_uri
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
    file_mark,
)
from recuerda.storage.records import from_microseconds

_STYLE = files("recuerda.formats").joinpath("page.css").read_text(encoding="utf-8")
_DIGEST = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src data:; base-uri 'none'; form-action 'none'"
_START = f"""<!doctype html>
<html lang="und">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="recuerda">
<title>Threads</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
"""
_END = """</main>
</body>
</html>
"""
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif")
_NAMES = {"user": "User", "assistant": "Assistant", "system": "Instructions", "developer": "Instructions"}
_FENCE = re.compile(r"^```[^\n`]*\n(.*?)(?:^```[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)

_HOLDS = ("title", "time", "duration", "parent", "user")
"""The facts that the page shows."""


def _write(family: Family) -> Written:
    (thread,) = family
    lines = ["<article>", "<header>", f"<h1>{_escaped(thread.title or thread.id)}</h1>", f"<p>{_facts(thread)}</p>"]
    lines += ["</header>", *(line for turn in thread.turns for line in _turn(turn)), "</article>"]
    parts = [part for message in thread.messages for part in message.contents]
    lost = counted(part for part in (*parts, *files_in_results(parts)) if not _is_shown(part))
    losses = added_up([lost, facts_of(thread, _HOLDS), turn_losses(thread), message_facts(thread.messages, ("name",))])
    departure = Departure(thread_id=thread.id, losses=losses)
    return Written(text="\n".join(lines) + "\n", departures=(departure,))


def _is_shown(part: AnyContent) -> bool:
    if isinstance(part, DataContent):
        return part.media_type in _PICTURES
    return not isinstance(part, UnknownContent | HostedFileContent)


def _facts(thread: MovedThread) -> str:
    facts = [f"Thread <code>{_escaped(thread.id)}</code>"]
    if thread.user_id is not None:
        facts.append(f"user <code>{_escaped(thread.user_id)}</code>")
    if thread.parent is not None:
        facts.append(f"a branch of <code>{_escaped(thread.parent.thread_id)}</code>")
    times = [turn.created_us for turn in thread.turns if turn.created_us is not None]
    if times:
        facts.append(_time(times[0]))
    return " · ".join(facts)


def _time(created_us: int) -> str:
    moment = from_microseconds(created_us)
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M} UTC</time>'


def _turn(turn: MovedTurn) -> Iterator[str]:
    said_by = ""
    for number, message in enumerate(turn.turn.messages):
        shown = [line for part in message.contents for line in _part(part)]
        if not shown:
            continue
        kind = message.role if message.role in ("user", "assistant", "tool") else "other"
        yield f'<section class="{kind}">'
        if message.role != "tool" and _speaker(message) != said_by:
            said_by = _speaker(message)
            when = "" if number else _when(turn)
            yield f"<h2>{_escaped(_speaker(message))}{when}</h2>"
        yield from shown
        yield "</section>"


def _when(turn: MovedTurn) -> str:
    """Return the time of a turn, and how long it took."""
    at = "" if turn.created_us is None else f" {_time(turn.created_us)}"
    return at if turn.turn.duration is None else f"{at} · took {shown_duration(turn.turn.duration)}"


def _speaker(message: ChatMessage) -> str:
    return message.author_name or _NAMES.get(message.role, message.role.capitalize())


def _part(part: AnyContent) -> Iterator[str]:
    match part:
        case TextContent():
            yield from _text(part.text)
        case RefusalContent():
            yield from _text(part.refusal)
        case TextReasoningContent() if part.text:
            yield _folded("Reasoning", f"<p>{_escaped(part.text)}</p>")
        case FunctionCallContent():
            yield _folded(f"Call of <code>{_escaped(part.name)}</code>", _code(shown_json(part.arguments)))
        case FunctionResultContent():
            yield _folded("Error" if part.is_error else "Result", _code(shown_json(part.result)))
            for one in part.parts:
                yield from _file(one)
        case _:
            yield from _file(part)


def _file(part: AnyContent) -> Iterator[str]:
    match part:
        case DataContent() if part.media_type in _PICTURES:
            yield f'<p><img src="{_escaped(data_uri(part))}" alt="{_escaped(part.name or "picture")}"></p>'
        case DataContent() | HostedFileContent():
            yield f'<p class="note">{_escaped(file_mark(part))}</p>'
        case UriContent():
            yield f"<p>{_link(part)}</p>"
        case UnknownContent():
            yield '<p class="note">A part of a kind that cannot be shown</p>'
        case _:
            pass


def _text(text: str) -> Iterator[str]:
    """Yield the paragraphs of a text, with blocks of code as blocks."""
    end = 0
    for found in _FENCE.finditer(text):
        if before := text[end : found.start()].strip():
            yield f"<p>{_escaped(before)}</p>"
        yield _code(found[1])
        end = found.end()
    if rest := text[end:].strip():
        yield f"<p>{_escaped(rest)}</p>"


def _code(text: str) -> str:
    return f"<pre><code>{_escaped(text.rstrip())}</code></pre>"


def _folded(summary: str, content: str) -> str:
    return f"<details><summary>{summary}</summary>{content}</details>"


def _link(part: UriContent) -> str:
    uri = _escaped(part.uri)
    if part.uri.lower().startswith(("http://", "https://")):
        return f'<a href="{uri}" rel="noopener noreferrer">{uri}</a>'
    return f"<code>{uri}</code>"


def _escaped(text: str) -> str:
    # HTML has no place for control characters.
    return escape(re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f]", "\ufffd", text))


FORMAT = Format(name="html", writer=Writer(write=_write, start=_START, end=_END, is_json=False))
