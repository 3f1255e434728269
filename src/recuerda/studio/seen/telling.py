"""The messages of a preview, in the short form in which a page lists them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from recuerda.messages.message import (
    FILES,
    AnyContent,
    ChatMessage,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    file_mark,
)
from recuerda.studio.cutting import beginning
from recuerda.studio.paths import link
from recuerda.window.explaining import MessageReport, TurnReport
from recuerda.window.summary import is_pinned
from recuerda.window.tokens import as_text

CUT = 600
"""The number of characters of a message that the page shows. The page of the turn shows the rest."""


class SeenMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message, and the form in which it is sent.

    Attributes:
        role: the speaker.
        author: the speaker's name; None if there is none.
        text: the beginning of the message as it is stored.
        sent_text: the beginning of the form in which it is sent, if that is another one.
        changes: how the form differs; see `recuerda.window.Change`.
        left_out: why the message is not sent; see `recuerda.window.LeftOut`. None if it is sent.
        is_pinned: whether it is pinned.
    """

    role: str
    author: str | None
    text: str
    sent_text: str | None = None
    changes: tuple[str, ...] = ()
    left_out: str | None = None
    is_pinned: bool = False


class SeenTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn, and whether it is sent.

    Attributes:
        number: the number of the turn.
        href: the address of the page of the turn.
        tokens: the tokens that it costs in this form, or would cost.
        left_out: why it is not sent; None if it is sent.
        messages: its messages.
        difference: "more" if only the chosen window sends it, "less" if only the other one does, otherwise "".
    """

    number: int
    href: str
    tokens: int
    left_out: str | None
    messages: tuple[SeenMessage, ...]
    difference: str = ""


def seen_turn(turn: TurnReport, thread_id: str, *, was_sent: bool | None) -> SeenTurn:
    """Return a turn as the page lists it. `was_sent` says whether the other window sends it; None without another."""
    is_sent = turn.left_out is None
    return SeenTurn(
        number=turn.number,
        href=link("threads", thread_id, "turns", turn.number),
        tokens=turn.tokens,
        left_out=turn.left_out,
        messages=seen_messages(turn.messages),
        difference="" if was_sent in (None, is_sent) else "more" if is_sent else "less",
    )


def seen_messages(reports: Sequence[MessageReport]) -> tuple[SeenMessage, ...]:
    """Return reported messages as the page lists them."""
    return tuple(map(_seen, reports))


def plain_messages(messages: Sequence[ChatMessage]) -> tuple[SeenMessage, ...]:
    """Return messages that are sent unchanged as the page lists them."""
    return tuple(_seen(MessageReport(message=message, sent=message)) for message in messages)


def _seen(report: MessageReport) -> SeenMessage:
    message, sent = report.message, report.sent
    return SeenMessage(
        role=message.role,
        author=message.author_name,
        text=told(message),
        sent_text=told(sent) if sent is not None and report.changes else None,
        changes=report.changes,
        left_out=report.left_out,
        is_pinned=is_pinned(message),
    )


def told(message: ChatMessage) -> str:
    """Return the beginning of a message as one text: its words, calls, results and the names of its files.

    Reasoning is left out, because it is not sent again.
    """
    if isinstance(message.content, str):
        return beginning(message.content, CUT)
    return beginning("\n".join(filter(None, map(_told_part, message.contents))), CUT)


def _told_part(part: AnyContent) -> str:
    match part:
        case TextContent():
            return beginning(part.text, CUT)
        case RefusalContent():
            return beginning(part.refusal, CUT)
        case FunctionCallContent():
            return f"{part.name}({beginning(as_text(part.arguments), CUT)})"
        case FunctionResultContent():
            files = [file_mark(one) for one in part.parts if isinstance(one, FILES)]
            return "\n".join(["→ " + beginning(as_text(part.result), CUT), *files])
        case _:
            return file_mark(part) if isinstance(part, FILES) else ""
