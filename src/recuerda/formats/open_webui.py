"""Open WebUI's export of chats: an array of chats, each with a tree of messages.

Newer versions keep the steps of an answer as items of OpenAI's Responses. Older versions write reasoning and calls as
HTML into the text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, cast

import msgspec

from recuerda.formats.branches import after_instructions, threads_of
from recuerda.formats.cited import with_sources
from recuerda.formats.conversation_files import first_object
from recuerda.formats.documents import documents, understood
from recuerda.formats.files import ANY_IMAGE, linked
from recuerda.formats.format import Format
from recuerda.formats.losses import counted
from recuerda.formats.moved import MovedThread, added_up
from recuerda.formats.open_webui_writing import WRITER
from recuerda.formats.source import Source
from recuerda.formats.steps import steps
from recuerda.formats.supplement import supplements_in
from recuerda.formats.times import to_us
from recuerda.formats.turns import Conversation, Said
from recuerda.interop.responses_items import ResponsesForm
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

_DETAILS = re.compile(
    r'<details type="(reasoning|tool_calls|code_interpreter)"([^>]*)>\s*'
    r"(?:<summary>.*?</summary>)?(.*?)</details>\s*",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')


class _Message(msgspec.Struct, rename="camel"):
    id: str
    role: str
    content: Any = ""
    parent_id: str | None = None
    children_ids: list[str] = []
    timestamp: Any = None
    model: str | None = None
    files: list[_Data] | None = None
    output: list[_Data] | None = None
    error: Any = None
    sources: list[_Data] | None = None
    code_executions: list[_Data] | None = msgspec.field(default=None, name="code_executions")
    merged: _Data | None = None
    annotation: _Data | None = None


class _History(msgspec.Struct, rename="camel"):
    messages: dict[str, _Message] = {}
    current_id: str | None = None


class _Chat(msgspec.Struct):
    title: str | None = None
    history: _History | None = None
    messages: list[_Message] | None = None
    system: str | None = None
    params: _Data | None = None
    models: list[str] | None = None


class _Record(msgspec.Struct):
    id: str
    chat: _Chat
    title: str | None = None
    user_id: str | None = None
    archived: bool | None = None
    pinned: bool | None = None
    meta: _Data | None = None
    recuerda: _Data | None = None


def _read(source: Source) -> Iterator[MovedThread]:
    for document in documents(source.text()):
        found = document.as_type(_Record)
        with understood(document.where):
            chat = found.chat
            about = Conversation(
                id=found.id,
                title=found.title or chat.title,
                user_id=found.user_id or None,
                metadata=_metadata(found),
                archived=bool(found.archived),
                tags=_tags(found),
            )
            if chat.history and chat.history.messages:
                messages, shown = list(chat.history.messages.values()), chat.history.current_id
            else:
                messages, shown = _chained(chat.messages or []), None
            said = after_instructions(_said(messages), chat.system or (chat.params or {}).get("system"))
            yield from threads_of(about, said, shown=shown, facts=supplements_in(found.recuerda))


def _tags(found: _Record) -> list[str]:
    tags = (found.meta or {}).get("tags")
    return [tag for tag in cast("list[object]", tags) if isinstance(tag, str)] if isinstance(tags, list) else []


def _metadata(found: _Record) -> JsonObject:
    metadata: JsonObject = {}
    if found.pinned:
        metadata["pinned"] = True
    if found.chat.models:
        metadata["models"] = [*found.chat.models]
    return metadata


def _chained(messages: Sequence[_Message]) -> list[_Message]:
    for before, message in pairwise(messages):
        message.parent_id = before.id
    return list(messages)


def _said(messages: Sequence[_Message]) -> list[Said]:
    places = {child: place for message in messages for place, child in enumerate(message.children_ids)}
    said: list[Said] = []
    for message in sorted(messages, key=lambda one: places.get(one.id, 0)):
        parts = [*_parts(message), *map(_file, message.files or ()), *_beside(message)]
        properties = with_sources(_known(message), _cited(message.sources or ()))
        said.append(
            Said(
                id=message.id,
                messages=steps(message.role, parts, message_id=message.id, properties=properties),
                parent=message.parent_id,
                created_us=to_us(message.timestamp),
                losses=added_up(
                    [counted(part for part in parts if isinstance(part, UnknownContent)), _unsaid(message)]
                ),
            )
        )
    return said


def _unsaid(message: _Message) -> dict[str, int]:
    """Return the number of texts that were found for an answer and are beside it. Only their sources are kept."""
    found = sum(len(one.get("document") or ()) for one in message.sources or ())
    return {"found text": found} if found else {}


def _known(message: _Message) -> JsonObject:
    """Return the facts about a message: the model, the user's rating, and the error after a part of an answer."""
    rating = (message.annotation or {}).get("rating")
    known: JsonObject = {
        "model": message.model if message.role == "assistant" else None,
        "rating": rating if isinstance(rating, int) else None,
        "error": _error(message.error) if message.content or message.output else None,
    }
    return {name: value for name, value in known.items() if value}


def _beside(message: _Message) -> Iterator[AnyContent]:
    """Yield what stands beside a text and has no part of ours: code that was run, and a merged answer."""
    for one in message.code_executions or ():
        yield UnknownContent({**one, "type": "open-webui/code_execution"})
    if message.merged and message.merged.get("content"):
        yield UnknownContent({**message.merged, "type": "open-webui/merged"})


def _cited(sources: Sequence[_Data]) -> Iterator[tuple[object, object]]:
    """Yield the title and the link of each page or file that an answer was made from."""
    for one in sources:
        source = cast("_Data", one.get("source") or {})
        pages = [page for page in cast("list[_Data]", one.get("metadata") or []) if _is_link(page.get("source"))]
        for page in pages:
            yield page.get("title") or page.get("name"), page["source"]
        if not pages:
            url = source.get("url")
            yield source.get("name") or source.get("id"), url if _is_link(url) else None


def _is_link(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def _parts(message: _Message) -> list[AnyContent]:
    if message.output:
        form = ResponsesForm()
        return [part for item in message.output for one in form.to_messages(item) for part in one.contents]
    if not isinstance(message.content, str):
        return [_block(block) for block in cast("list[object]", message.content or [])]
    if not message.content:
        return [TextContent(error)] if (error := _error(message.error)) else []
    return [*_of_text(message.content, message.id)] if message.role == "assistant" else [TextContent(message.content)]


def _error(error: object) -> str:
    """Return the text of an error that stands in place of an answer."""
    match error:
        case {"content": str(text)} | str(text):
            return text
        case _:
            return ""


def _block(block: object) -> AnyContent:
    match block:
        case {"type": "text", "text": str(text)}:
            return TextContent(text)
        case {"type": "image_url", "image_url": {"url": str(url)}}:
            return linked(url, otherwise=ANY_IMAGE)
        case dict():
            return UnknownContent({**cast("_Data", block), "type": f"open-webui/{cast('_Data', block).get('type')}"})
        case _:
            return TextContent(str(block))


def _of_text(text: str, message_id: str) -> Iterator[AnyContent]:
    """Yield the parts of a text with HTML for reasoning and for calls."""
    end = 0
    for number, found in enumerate(_DETAILS.finditer(text)):
        if before := text[end : found.start()].strip():
            yield TextContent(before)
        end = found.end()
        kind, attributes, body = found.groups()
        fields = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(attributes)}
        yield from _detail(kind, fields, html.unescape(body).strip(), f"{message_id}:{number}")
    if rest := text[end:].strip() if end else text:
        yield TextContent(rest)


def _detail(kind: str, fields: dict[str, str], body: str, otherwise: str) -> Iterator[AnyContent]:
    if kind == "reasoning":
        yield TextReasoningContent("\n".join(line.removeprefix(">").removeprefix(" ") for line in body.splitlines()))
        return
    call_id = fields.get("id") or otherwise
    arguments: str | _Data = {"code": body} if kind == "code_interpreter" else fields.get("arguments") or "{}"
    yield FunctionCallContent(call_id, fields.get("name") or kind, arguments)
    result = fields.get("result") or fields.get("output") or (body if kind == "tool_calls" else "")
    if result:
        yield FunctionResultContent(call_id, _decoded(result))


def _decoded(text: str) -> Any:
    """Return the text of a result. Open WebUI writes a text as JSON."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
    return found if isinstance(found, str) else text


def _file(about: _Data) -> AnyContent:
    url, name = about.get("url"), about.get("name")
    file = cast("_Data", about["file"]) if isinstance(about.get("file"), dict) else {}
    text = cast("_Data", file.get("data") or {}).get("content")
    title = str(name or file.get("filename") or "") or None
    if isinstance(url, str) and url.startswith(("data:", "http://", "https://")):
        return linked(url, about.get("content_type"), otherwise=ANY_IMAGE, name=title)
    if isinstance(text, str) and text:
        return DataContent(text.encode(), "text/plain", title)
    return UnknownContent({**about, "type": "open-webui/file"})


def _is_like(values: Sequence[object]) -> bool:
    return first_object(values, _has_chat)


def _has_chat(record: dict[str, object]) -> bool:
    chat = record.get("chat")
    return isinstance(chat, dict) and bool({"history", "messages"} & cast("_Data", chat).keys())


FORMAT = Format(name="open-webui", read=_read, writer=WRITER, is_like=_is_like)
