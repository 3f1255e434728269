"""Messages as a page shows them: texts that are cut, calls together with their results, files with an address.

A message may be 5 MB long, so every text is cut here, before secrets are looked for, and the page of the turn shows the
whole text when it is asked to.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any, Literal, TypeAlias

import msgspec

from recuerda.agent.decisions import decision_on
from recuerda.json_value import Json
from recuerda.messages.files import bytes_of_url
from recuerda.messages.message import (
    FILES,
    AnyContent,
    AnyFile,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    HostedFileContent,
    RefusalContent,
    StoredFile,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
    UsageContent,
)
from recuerda.studio.cutting import cut
from recuerda.window.summary import is_pinned

CUT = 20_000
"""The number of characters of a text that are shown at first."""

PartKind: TypeAlias = Literal["text", "reasoning", "refusal", "call", "file", "unknown"]
CallState: TypeAlias = Literal["done", "error", "none", "waiting"]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a message. The fields that a kind does not have are left out.

    Attributes:
        kind: "text", "reasoning", "refusal", "call", "file" or "unknown".
        text: the text; for an unknown part, its JSON.
        left_out: the number of characters that were cut.
        is_sealed: whether a reasoning is readable by the model's service alone.
        call_id: the id of a call.
        name: the name of the called function, or of the file.
        arguments: the arguments of a call.
        result: the result of a call.
        state: whether a call is "done", failed ("error"), has no result ("none") or waits for a person ("waiting").
        decision: who decided about a call, and how.
        media_type: the media type of a file.
        size: the number of bytes of a file, if it is known.
        href: the address of a file: of the studio, or of another host, which the page does not load.
        is_picture: whether the file is a picture that the studio can show.
    """

    kind: PartKind
    text: str = ""
    left_out: int = 0
    is_sealed: bool = False
    call_id: str = ""
    name: str = ""
    arguments: Json = None
    result: Json = None
    state: CallState = "none"
    decision: str = ""
    media_type: str = ""
    size: int | None = None
    href: str | None = None
    is_picture: bool = False


class ShownMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message of a turn.

    Attributes:
        position: the message's position in the turn, from 0.
        role: the speaker: "system", "user", "assistant", "tool" or another word.
        author: the speaker's name; None if there is none.
        is_pinned: whether the message stays word for word when the thread is summed up.
        parts: the parts. A result stands with its call, so a message that held only results is left out.
    """

    position: int
    role: str
    author: str | None
    is_pinned: bool
    parts: tuple[Part, ...]


def shown_messages(
    messages: Sequence[ChatMessage], *, files: str | None, is_whole: bool = False, waiting: Iterable[str] = ()
) -> tuple[ShownMessage, ...]:
    """Return messages as a page shows them.

    Args:
        messages: the messages of one turn.
        files: the address below which the files of the turn are, by number in the order of the messages; None for
            files that have no address.
        is_whole: True cuts nothing.
        waiting: the ids of the calls that wait for a person.
    """
    showing = _Showing(messages, files=files, cut=None if is_whole else CUT, waiting=frozenset(waiting))
    shown = [showing.message(position, message) for position, message in enumerate(messages)]
    return tuple(one for message, one in zip(messages, shown, strict=True) if one.parts or not _is_result(message))


def _is_result(message: ChatMessage) -> bool:
    return bool(message.contents) and all(isinstance(part, FunctionResultContent) for part in message.contents)


class _Showing:
    """The state of showing one turn: the results that no call has taken, and the number of the next file."""

    def __init__(
        self, messages: Sequence[ChatMessage], *, files: str | None, cut: int | None, waiting: frozenset[str]
    ) -> None:
        self._files = files
        self._cut = cut
        self._waiting = waiting
        self._numbers = count()
        self._results: defaultdict[str, deque[tuple[FunctionResultContent, tuple[Part, ...]]]] = defaultdict(deque)
        called = {call.call_id for message in messages for call in message.function_calls}
        numbers = count()
        for message in messages:
            for part in message.contents:
                if isinstance(part, FunctionResultContent):
                    inner = tuple(self._file(one, next(numbers)) for one in part.parts if isinstance(one, FILES))
                    if part.call_id in called:
                        self._results[part.call_id].append((part, inner))
                elif isinstance(part, FILES):
                    next(numbers)

    def message(self, position: int, message: ChatMessage) -> ShownMessage:
        return ShownMessage(
            position=position,
            role=message.role,
            author=message.author_name,
            is_pinned=is_pinned(message),
            parts=tuple(shown for part in message.contents for shown in self._parts(part)),
        )

    def _parts(self, part: AnyContent) -> Iterator[Part]:
        match part:
            case TextContent():
                yield self._text("text", part.text)
            case TextReasoningContent():
                shown = self._text("reasoning", part.text)
                yield msgspec.structs.replace(shown, is_sealed=not part.text)
            case RefusalContent():
                yield self._text("refusal", part.refusal)
            case FunctionCallContent():
                yield from self._call(part)
            case FunctionResultContent():
                inner = [self._file(one, next(self._numbers)) for one in part.parts if isinstance(one, FILES)]
                if part.call_id not in self._results:
                    yield self._result(part)  # the call of this result is not in the turn
                    yield from inner
            case UriContent() | DataContent() | HostedFileContent() | StoredFile():
                yield self._file(part, next(self._numbers))
            case UsageContent():
                return
            case UnknownContent():
                yield self._text("unknown", _json(part.data))
            case _:
                yield self._text("unknown", type(part).__name__)

    def _text(self, kind: PartKind, text: str) -> Part:
        shown, left_out = cut(text, self._cut)
        return Part(kind=kind, text=shown, left_out=left_out)

    def _call(self, call: FunctionCallContent) -> Iterator[Part]:
        arguments, left_out = cut_json(call.arguments, self._cut)
        found = self._results.get(call.call_id)
        result, inner = found.popleft() if found else (None, ())
        shown = Part(
            kind="call",
            call_id=call.call_id,
            name=call.name,
            arguments=arguments,
            left_out=left_out,
            state="waiting" if call.call_id in self._waiting else "none",
            decision=_decision(call),
        )
        if result is not None:
            value, more = cut_json(result.result, self._cut)
            state: CallState = "error" if result.is_error else "done"
            shown = msgspec.structs.replace(shown, result=value, left_out=left_out + more, state=state)
        yield shown
        yield from inner

    def _result(self, result: FunctionResultContent) -> Part:
        value, left_out = cut_json(result.result, self._cut)
        state: CallState = "error" if result.is_error else "done"
        return Part(kind="call", call_id=result.call_id, result=value, left_out=left_out, state=state)

    def _file(self, part: AnyFile, number: int) -> Part:
        href = None if self._files is None else f"{self._files}/{number}"
        size: int | None = None
        media_type = part.media_type or ""
        if isinstance(part, StoredFile):
            size = part.size
        elif isinstance(part, DataContent):
            size = len(part.data)
        elif isinstance(part, UriContent):
            data = bytes_of_url(part.uri)
            size, href = (None, _outside(part.uri)) if data is None else (len(data), href)
        else:
            href = None
        name = part.name or (part.file_id if isinstance(part, HostedFileContent) else "")
        is_picture = size is not None and href is not None and media_type.lower() in PICTURES
        return Part(kind="file", name=name, media_type=media_type, size=size, href=href, is_picture=is_picture)


PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""The media types that the studio shows as pictures. An SVG may hold a script, so it is a download."""


def _decision(call: FunctionCallContent) -> str:
    # The decision of this call and no other: some services give the calls of one turn the same id.
    found = decision_on(call)
    return "" if found is None else " · ".join(filter(None, (found.kind, found.by, found.reason)))


def _outside(uri: str) -> str | None:
    """Return the address of a file elsewhere, if following it is harmless."""
    return uri if uri.startswith(("https://", "http://")) and len(uri) <= CUT else None


def cut_json(value: Any, limit: int | None) -> tuple[Json, int]:
    """Return a JSON value, or the beginning of its text if it is long, and the number of characters that were cut."""
    if value is None or isinstance(value, bool | int | float):
        return value, 0
    text = value if isinstance(value, str) else _json(value)
    shown, left_out = cut(text, limit)
    return (shown if left_out or isinstance(value, str) else value), left_out


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
