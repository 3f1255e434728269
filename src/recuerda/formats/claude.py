"""The archive that Claude gives to its users: `conversations.json` in a zip file.

Anthropic does not describe the format. The archive names the files that a user has uploaded, and holds only the text
that was extracted from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from recuerda.formats.archived_files import ArchivedFiles
from recuerda.formats.branches import threads_of
from recuerda.formats.cited import page_text, with_sources
from recuerda.formats.claude_writing import WRITER
from recuerda.formats.conversation_files import conversations, first_object
from recuerda.formats.documents import understood
from recuerda.formats.format import Format
from recuerda.formats.moved import MovedThread
from recuerda.formats.source import Source
from recuerda.formats.steps import steps
from recuerda.formats.supplement import supplements_in
from recuerda.formats.times import to_us
from recuerda.formats.turns import Conversation, Said
from recuerda.json_value import JsonObject
from recuerda.messages.message import (
    AnyContent,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
)

_Data = dict[str, Any]

_ROLES = {"human": "user", "assistant": "assistant"}
_SAY_NOTHING = ("token_budget", "flag")


class _Message(msgspec.Struct):
    uuid: str
    sender: str
    text: str | None = None
    content: list[_Data] | None = None
    created_at: str | None = None
    attachments: list[_Data] | None = None
    files: list[_Data] | None = None
    files_v2: list[_Data] | None = None
    parent_message_uuid: str | None = None


class _Conversation(msgspec.Struct):
    uuid: str
    chat_messages: list[_Message]
    name: str | None = None
    summary: str | None = None
    model: str | None = None
    is_starred: bool | None = None
    current_leaf_message_uuid: str | None = None
    recuerda: _Data | None = None


def _read(source: Source) -> Iterator[MovedThread]:
    for document, files in conversations(source):
        found = document.as_type(_Conversation)
        with understood(document.where):
            about = Conversation(id=found.uuid, title=found.name, metadata=_metadata(found))
            said = _said(found.chat_messages, files)
            shown = found.current_leaf_message_uuid or _last(found.chat_messages)
            yield from threads_of(about, said, shown=shown, facts=supplements_in(found.recuerda))


def _metadata(found: _Conversation) -> JsonObject:
    known: JsonObject = {"summary": found.summary, "model": found.model, "pinned": found.is_starred or None}
    return {name: value for name, value in known.items() if value}


def _last(messages: Sequence[_Message]) -> str | None:
    return messages[-1].uuid if messages else None


def _said(messages: Sequence[_Message], files: ArchivedFiles) -> list[Said]:
    is_tree = any(message.parent_message_uuid for message in messages)
    said: list[Said] = []
    for message in messages:
        reader = _Reader(files, message.uuid)
        parts = [*reader.parts(message), *reader.files_of(message)]
        before = said[-1].id if said else None
        said.append(
            Said(
                id=message.uuid,
                messages=steps(
                    _ROLES.get(message.sender, message.sender),
                    parts,
                    message_id=message.uuid,
                    properties=with_sources({}, _cited(message.content or ())),
                ),
                parent=message.parent_message_uuid if is_tree else before,
                created_us=to_us(message.created_at),
                losses=reader.losses,
            )
        )
    return said


@dataclass
class _Reader:
    """Converts the parts of one message, and counts the parts that it cannot convert."""

    files: ArchivedFiles
    message_id: str
    losses: dict[str, int] = field(default_factory=dict[str, int])
    open_calls: list[str] = field(default_factory=list[str])

    def parts(self, message: _Message) -> Iterator[AnyContent]:
        if not message.content:
            if message.text:
                yield TextContent(message.text)
            return
        for number, block in enumerate(message.content):
            yield from self._part(block, number)

    def files_of(self, message: _Message) -> Iterator[AnyContent]:
        for one in message.attachments or ():
            name, text = one.get("file_name"), one.get("extracted_content")
            if isinstance(text, str) and text:
                yield DataContent(text.encode(), "text/plain", str(name) if name else None)
            else:
                yield self._file(one, name)
        seen = [one.get("file_uuid") for one in message.files or ()]
        new = [one for one in message.files_v2 or () if one.get("file_uuid") not in seen]
        for one in (*(message.files or ()), *new):
            yield self._file(one, one.get("file_name"))

    def _part(self, block: _Data, number: int) -> Iterator[AnyContent]:
        match block:
            case {"type": "text", "text": str(text)}:
                if text:
                    yield TextContent(text)
            case {"type": "thinking", "thinking": str(text)}:
                summaries = cast("list[_Data]", block.get("summaries") or [])
                yield TextReasoningContent(text or "\n".join(str(one.get("summary") or "") for one in summaries))
            case {"type": "voice_note", "text": str(text)}:
                yield TextContent(text)
            case {"type": "tool_use", "name": str(name)}:
                call_id = str(block.get("id") or f"{self.message_id}:{number}")
                self.open_calls.append(call_id)
                given = block.get("input")
                arguments = cast("_Data", given) if isinstance(given, dict) else {}
                yield FunctionCallContent(call_id, name, arguments)
            case {"type": "tool_result"}:
                yield from self._result(block, number)
            case {"type": str(kind)} if kind in _SAY_NOTHING:
                pass
            case _:
                yield self._lost(UnknownContent({**block, "type": f"claude/{block.get('type')}"}), "unknown part")

    def _result(self, block: _Data, number: int) -> Iterator[AnyContent]:
        """Yield a result. Older archives do not say to which call it belongs: then it is the oldest open call."""
        call_id = block.get("tool_use_id")
        if not isinstance(call_id, str):
            call_id = self.open_calls[0] if self.open_calls else None
        if call_id is None:
            call_id = f"{self.message_id}:{number}"
            yield FunctionCallContent(call_id, str(block.get("name") or "tool"), {})
        if call_id in self.open_calls:
            self.open_calls.remove(call_id)
        content = block.get("content")
        result = _joined(content or block.get("display_content") or content)
        yield FunctionResultContent(call_id, result, is_error=block.get("is_error") is True)

    def _file(self, about: _Data, name: object) -> AnyContent:
        text = name if isinstance(name, str) and name else None
        media_type = about.get("media_type")  # in an archive that recuerda wrote
        found = self.files.find(
            [about.get("file_uuid"), text], text, media_type if isinstance(media_type, str) else None
        )
        return found or self._lost(UnknownContent({**about, "type": "claude/file"}), "file")

    def _lost(self, part: UnknownContent, kind: str) -> UnknownContent:
        self.losses[kind] = self.losses.get(kind, 0) + 1
        return part


def _joined(content: object) -> Any:
    """Return the result of a tool: the text, if it has nothing else. A page is its title, its link and its text."""
    blocks = cast("list[object]", content) if isinstance(content, list) else []
    pages = [cast("_Data", one) for one in blocks if isinstance(one, dict) and "text" in one]
    texts = [page_text(one, "title", "url", "text") if "url" in one else str(one["text"]) for one in pages]
    return "\n".join(texts) if blocks and len(texts) == len(blocks) else cast("object", content)


def _cited(blocks: Sequence[_Data]) -> Iterator[tuple[object, object]]:
    """Yield the title and the link of each page that a text cites."""
    for block in blocks:
        for one in cast("list[_Data]", block.get("citations") or []):
            details = cast("_Data", one.get("details") or {})
            yield one.get("title") or details.get("title"), one.get("url") or details.get("url")


def _is_like(values: Sequence[object]) -> bool:
    return first_object(values, lambda one: isinstance(one.get("chat_messages"), list) and "uuid" in one)


FORMAT = Format(name="claude", read=_read, writer=WRITER, is_like=_is_like)
