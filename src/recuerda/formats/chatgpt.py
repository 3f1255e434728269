"""The archive that ChatGPT gives to its users: `conversations.json`, and the files of the conversations.

A conversation is a tree of messages, with a branch for each message that was edited or generated again. OpenAI does not
describe the format. This module reads the fields that archives of 2023 to 2026 have, and counts the parts that it does
not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from recuerda.errors import StateError
from recuerda.formats.archived_files import ArchivedFiles
from recuerda.formats.branches import threads_of
from recuerda.formats.chatgpt_writing import WRITER
from recuerda.formats.cited import page_text, with_sources
from recuerda.formats.conversation_files import conversations, first_object
from recuerda.formats.documents import understood
from recuerda.formats.format import Format
from recuerda.formats.moved import MovedThread, added_up
from recuerda.formats.source import Source
from recuerda.formats.supplement import supplements_in
from recuerda.formats.times import to_us
from recuerda.formats.turns import Conversation, Said, thread_of
from recuerda.json_value import JsonObject
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
)

_Data = dict[str, Any]

_MARKS = re.compile("[\ue200-\ue2ff]")
"""Private characters around the marks that stand for citations."""

_SHOWN = (
    *("code", "execution_output", "system_error", "citable_code_output"),
    *("tether_quote", "tether_browsing_display", "sonic_webpage"),
)
"""The kinds of contents that are texts under the names in `_TEXTS`."""

_TEXTS = ("title", "url", "name", "text", "result", "summary", "output_str")

_CONTEXTS = ("user_editable_context", "model_editable_context")


class _Author(msgspec.Struct):
    role: str
    name: str | None = None


class _Message(msgspec.Struct):
    author: _Author
    content: _Data | None = None
    id: str | None = None
    create_time: Any = None
    metadata: _Data | None = None
    recipient: str | None = None


class _Node(msgspec.Struct):
    message: _Message | None = None
    parent: str | None = None
    children: list[str] = []


class _Conversation(msgspec.Struct):
    id: str | None = None
    conversation_id: str | None = None
    title: str | None = None
    mapping: dict[str, _Node] | None = None
    current_node: str | None = None
    is_archived: bool | None = None
    is_starred: bool | None = None
    pinned_time: Any = None
    default_model_slug: str | None = None
    gizmo_id: str | None = None
    recuerda: _Data | None = None


def _read(source: Source) -> Iterator[MovedThread]:
    for document, files in conversations(source):
        found = document.as_type(_Conversation)
        with understood(document.where):
            if found.conversation_id is None and found.id is None and found.mapping is None:
                raise StateError(f"{document.where} is not a conversation: it has no id and no messages")
            about = _about(found, document.where)
            if found.mapping is None:  # archives have such entries
                yield thread_of(about, [Said(messages=(), losses={"list of messages": 1})])
            else:
                facts = supplements_in(found.recuerda)
                yield from threads_of(about, _said(found.mapping, files), shown=found.current_node, facts=facts)


def _about(found: _Conversation, where: str) -> Conversation:
    metadata: JsonObject = {}
    if found.default_model_slug:
        metadata["model"] = found.default_model_slug
    if found.gizmo_id:
        metadata["gizmo_id"] = found.gizmo_id
    if found.is_starred or found.pinned_time:
        metadata["pinned"] = True
    name = found.conversation_id or found.id or where
    return Conversation(id=name, title=found.title, metadata=metadata, archived=bool(found.is_archived))


def _said(mapping: Mapping[str, _Node], files: ArchivedFiles) -> list[Said]:
    """Return the messages. Of two versions of a message, the older one comes first."""
    places = {child: place for node in mapping.values() for place, child in enumerate(node.children)}
    said: list[Said] = []
    for node_id, node in sorted(mapping.items(), key=lambda item: places.get(item[0], 0)):
        reader = _Reader(files)
        messages = reader.messages(node_id, node, mapping) if node.message else []
        said.append(
            Said(
                id=node_id,
                messages=messages,
                parent=node.parent,
                created_us=to_us(node.message.create_time) if node.message else None,
                losses=added_up([reader.losses]),
            )
        )
    return said


class _Reader:
    """Converts one message, and counts the parts that it cannot convert."""

    def __init__(self, files: ArchivedFiles) -> None:
        self._files = files
        self.losses: dict[str, int] = {}

    def messages(self, node_id: str, node: _Node, mapping: Mapping[str, _Node]) -> list[ChatMessage]:
        message = cast("_Message", node.message)
        role, parts = message.author.role, self._parts(message)
        about, content = message.metadata or {}, message.content or {}
        if content.get("content_type") in _CONTEXTS:
            role = "system"
        if role == "tool":
            return _results(node_id, message, parts, _open_call(node, mapping))
        if role == "assistant" and message.recipient not in (None, "", "all"):
            parts = [_call(node_id, message)]
        if not parts:
            return []
        model, name = about.get("model_slug"), message.author.name
        known: JsonObject = {"model": model} if role == "assistant" and isinstance(model, str) else {}
        if about.get("is_visually_hidden_from_conversation"):
            known["hidden"] = True
        properties = with_sources(known, _cited(about))
        return [
            ChatMessage(role, parts, author_name=name or None, message_id=node_id, additional_properties=properties)
        ]

    def _parts(self, message: _Message) -> list[AnyContent]:
        content, about = message.content or {}, message.metadata or {}
        attached = cast("list[_Data]", about.get("attachments") or [])
        match content.get("content_type"):
            case None:
                parts = []
            case "text" | "multimodal_text":
                parts = [part for one in content.get("parts") or () for part in self._part(one, attached)]
            case "thoughts":
                thoughts = cast("list[_Data]", content.get("thoughts") or [])
                texts = [text for one in thoughts for text in (one.get("summary"), one.get("content")) if text]
                parts = [TextReasoningContent("\n\n".join(texts))] if texts else []
            case "reasoning_recap":
                parts = [TextReasoningContent(str(content.get("content") or ""))]
            case str(kind) if kind in _SHOWN:
                parts = [*_texts(content, *_TEXTS), *self._pictures(content, about)]
            case "computer_output":
                state = content.get("state")
                seen = _texts(cast("_Data", state), "title", "url") if isinstance(state, dict) else []
                parts = [*seen, *self._pictures(content, about)]
            case "user_editable_context" | "model_editable_context":
                parts = _texts(content, "user_profile", "user_instructions", "model_set_context")
            case kind:
                parts = [self._lost(UnknownContent({**content, "type": f"chatgpt/{kind}"}), "unknown part")]
        parts = [self._without_marks(part, about) for part in parts] or _beside(about)
        shown = {_file_id(cast("_Data", one)) for one in content.get("parts") or () if isinstance(one, dict)}
        return [*parts, *(self._attached(one) for one in attached if one.get("id") not in shown)]

    def _part(self, part: object, attached: Sequence[_Data]) -> Iterator[AnyContent]:
        match part:
            case str():
                if part:
                    yield TextContent(part)
            case {"content_type": str(kind)} if kind.endswith("asset_pointer"):
                yield from self._asset(cast("_Data", part), attached)
            case {"content_type": str(kind), "text": str()} if kind in _SHOWN:
                yield TextContent(page_text(cast("_Data", part), "title", "url", "text"))
            case {"text": str(text)}:
                yield TextContent(text)
            case dict():
                data = cast("_Data", part)
                unknown = UnknownContent({**data, "type": f"chatgpt/{data.get('content_type')}"})
                yield self._lost(unknown, "unknown part")
            case _:
                yield TextContent(str(part))

    def _asset(self, part: _Data, attached: Sequence[_Data]) -> Iterator[AnyContent]:
        """Yield the file of a part, or the sound, the video and the pictures of a part for a call with video."""
        frames = cast("list[_Data]", part.get("frames_asset_pointers") or [])
        inner = [part.get("audio_asset_pointer"), part.get("video_container_asset_pointer"), *frames]
        for one in (part, *(cast("_Data", found) for found in inner if isinstance(found, dict))):
            if (file_id := _file_id(one)) is None:
                continue
            about = next((other for other in attached if other.get("id") == file_id), _Data())
            found = self._files.find([file_id], about.get("name"), _media_type(about))
            yield found or self._lost(UnknownContent({**one, "type": f"chatgpt/{one.get('content_type')}"}), _kind(one))

    def _pictures(self, content: _Data, about: _Data) -> Iterator[AnyContent]:
        """Yield the picture of a screen, and the pictures that code has drawn."""
        drawn = cast("list[_Data]", cast("_Data", about.get("aggregate_result") or {}).get("messages") or [])
        pointers = [one["image_url"] for one in drawn if isinstance(one.get("image_url"), str)]
        shown = [_Data(content_type="image_asset_pointer", asset_pointer=pointer) for pointer in pointers]
        if isinstance(screen := content.get("screenshot"), dict):
            shown.append(cast("_Data", screen))
        for one in shown:
            yield from self._asset(one, ())

    def _attached(self, about: _Data) -> AnyContent:
        name, media_type = about.get("name"), _media_type(about)
        found = self._files.find([about.get("id"), name], name, media_type)
        kind = "image" if (media_type or "").startswith("image/") else "file"
        return found or self._lost(UnknownContent({**about, "type": "chatgpt/attachment"}), kind)

    def _lost(self, part: UnknownContent, kind: str) -> UnknownContent:
        self.losses[kind] = self.losses.get(kind, 0) + 1
        return part

    def _without_marks(self, part: AnyContent, metadata: _Data) -> AnyContent:
        """Return a text with links in place of the marks of citations."""
        if not isinstance(part, TextContent) or not _MARKS.search(part.text):
            return part
        text = part.text
        for reference in cast("list[_Data]", metadata.get("content_references") or []):
            if isinstance(matched := reference.get("matched_text"), str) and _MARKS.search(matched):
                text = text.replace(matched, str(reference.get("alt") or _links(reference)))
        return TextContent(text)


def _texts(content: _Data, *names: str) -> list[AnyContent]:
    texts = [text for name in names if isinstance(text := content.get(name), str) and text]
    return [TextContent("\n\n".join(texts))] if texts else []


def _beside(about: _Data) -> list[AnyContent]:
    """Return the texts of a message that has none of its own: the user's instructions, or the results of a search."""
    told = _texts(
        cast("_Data", about.get("user_context_message_data") or {}), "about_user_message", "about_model_message"
    )
    queries = cast("list[str]", cast("_Data", about.get("search_model_queries") or {}).get("queries") or [])
    groups = cast("list[_Data]", about.get("search_result_groups") or [])
    pages = [cast("_Data", page) for group in groups for page in group.get("entries") or ()]
    found = [*map(str, queries), *(page_text(page, "title", "url", "snippet") for page in pages)]
    return told or ([TextContent("\n\n".join(found))] if found else [])


def _cited(about: _Data) -> Iterator[tuple[object, object]]:
    """Yield the title and the link of each page that a text cites."""
    for one in cast("list[_Data]", about.get("citations") or []):
        page = cast("_Data", one.get("metadata") or {})
        yield page.get("title") or page.get("name"), page.get("url")
    for one in cast("list[_Data]", about.get("content_references") or []):
        for page in _pages(one):
            yield page.get("title"), page.get("url")


def _pages(reference: _Data) -> list[_Data]:
    pages = cast("list[_Data]", [*(reference.get("items") or ()), *(reference.get("sources") or ())])
    return [one for one in (reference, *pages) if one.get("url")]


def _links(reference: _Data) -> str:
    return " ".join(f"([{page.get('title') or page['url']}]({page['url']}))" for page in _pages(reference))


def _kind(asset: _Data) -> str:
    """Return the name of a file that the archive lacks, for the losses."""
    content_type = str(asset.get("content_type"))
    return "image" if "image" in content_type else "video" if "video" in content_type else "audio file"


def _file_id(part: _Data) -> str | None:
    pointer = part.get("asset_pointer")
    return pointer.rpartition("//")[2].partition("#")[0] if isinstance(pointer, str) else None


def _media_type(about: _Data) -> str | None:
    found = about.get("mime_type") or about.get("mimeType")
    return found if isinstance(found, str) else None


def _call(node_id: str, message: _Message) -> FunctionCallContent:
    content = message.content or {}
    parts = [part for part in content.get("parts") or () if isinstance(part, str)]
    text = content["text"] if isinstance(content.get("text"), str) else "".join(parts)
    try:
        arguments: str | _Data = msgspec.json.decode(text, type=_Data)
    except (msgspec.DecodeError, RecursionError):
        arguments = {"input": text}
    return FunctionCallContent(node_id, str(message.recipient), arguments)


def _open_call(node: _Node, mapping: Mapping[str, _Node]) -> str | None:
    """Return the id of the call that a result answers: of the message before it, if that is a call."""
    at, seen = node.parent, 0
    while at is not None and at in mapping and seen <= len(mapping):
        message = mapping[at].message
        if message is not None:
            is_call = message.author.role == "assistant" and message.recipient not in (None, "", "all")
            return at if is_call else None
        at, seen = mapping[at].parent, seen + 1
    return None


def _results(node_id: str, message: _Message, parts: Sequence[AnyContent], call_id: str | None) -> list[ChatMessage]:
    """Return the result of a tool, with a call of its own if it is not the first result of its call.

    The pictures of a result are shown by the assistant, in a message of their own.
    """
    text = "".join(part.text for part in parts if isinstance(part, TextContent))
    name = message.author.name or "tool"
    is_error = (message.content or {}).get("content_type") == "system_error"
    result = ChatMessage("tool", FunctionResultContent(call_id or node_id, text, is_error=is_error))
    messages = [result] if call_id else [ChatMessage("assistant", FunctionCallContent(node_id, name, {})), result]
    files = [part for part in parts if isinstance(part, DataContent | UnknownContent)]
    return [*messages, ChatMessage("assistant", files)] if files else messages


def _is_like(values: Sequence[object]) -> bool:
    return first_object(values, lambda one: isinstance(one.get("mapping"), dict) and "title" in one)


FORMAT = Format(name="chatgpt", read=_read, writer=WRITER, is_like=_is_like)
