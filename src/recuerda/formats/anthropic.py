"""The messages of Anthropic's Messages API (https://docs.anthropic.com/en/api/messages).

Results of tools come in messages of the user there. The system prompt is a field beside the list; it becomes the first
message of the thread.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, cast

from recuerda.formats.calls import arguments_of, text_of_result
from recuerda.formats.files import ANY_FILE, ANY_IMAGE, is_image
from recuerda.formats.format import Format
from recuerda.formats.message_lists import ListFormat, messages_in
from recuerda.interop.encoded import decoded
from recuerda.interop.forms import Form
from recuerda.json_value import Json, JsonObject
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
)

_Data = dict[str, Any]

_BLOCKS = ("tool_use", "tool_result", "thinking", "image", "document", "redacted_thinking", "server_tool_use")


class AnthropicForm(Form):
    """Convert messages of the Messages API."""

    name = "anthropic"

    def to_messages(self, item: JsonObject) -> Sequence[ChatMessage]:
        """See `Form`."""
        role, content = str(item["role"]), item["content"]
        if isinstance(content, str):
            return [ChatMessage(role, content)]
        parts = [_part(block) for block in cast("list[object]", content)]
        results = [part for part in parts if isinstance(part, FunctionResultContent)]
        others = [part for part in parts if not isinstance(part, FunctionResultContent)]
        if role != "user" or not results:
            return [ChatMessage(role, parts)]
        return [ChatMessage("tool", results), *([ChatMessage(role, others)] if others else [])]

    def to_items(self, message: ChatMessage) -> Sequence[JsonObject]:
        """See `Form`."""
        role = {"tool": "user", "developer": "system"}.get(message.role, message.role)
        if isinstance(message.content, str):
            is_result = message.role == "tool"
            return [] if is_result or not message.content else [{"role": role, "content": message.content}]
        blocks = [block for part in message.contents if (block := _block(part, message.role)) is not None]
        return [{"role": role, "content": [*blocks]}] if blocks else []


def _part(block: object) -> AnyContent:
    match block:
        case {"type": "text", "text": str(text)}:
            return TextContent(text)
        case {"type": "thinking", "thinking": str(text)}:
            signature = cast("_Data", block).get("signature")
            return TextReasoningContent(text, signature if isinstance(signature, str) else None)
        case {"type": "redacted_thinking", "data": str(data)}:
            return TextReasoningContent("", data)
        case {"type": "tool_use", "id": str(call_id), "name": str(name), "input": dict()}:
            return FunctionCallContent(call_id, name, cast("_Data", block)["input"])
        case {"type": "tool_result", "tool_use_id": str(call_id)}:
            data = cast("_Data", block)
            return FunctionResultContent(call_id, _joined(data.get("content")), is_error=data.get("is_error") is True)
        case {"type": "image", "source": dict()}:
            return _file(cast("_Data", block), ANY_IMAGE)
        case {"type": "document", "source": dict()}:
            return _file(cast("_Data", block), ANY_FILE)
        case dict():
            return UnknownContent(cast("_Data", block))
        case _:
            return TextContent(str(block))


def _file(block: _Data, otherwise: str) -> AnyContent:
    title = block.get("title")
    match block["source"]:
        case {"type": "base64", "media_type": str(media_type), "data": str(text)} if (
            data := decoded(text)
        ) is not None:
            return DataContent(data, media_type, title if isinstance(title, str) else None)
        case {"type": "url", "url": str(url)}:
            return UriContent(url, "application/pdf" if otherwise == ANY_FILE else otherwise)
        case {"type": "text", "data": str(text)}:
            return DataContent(text.encode(), "text/plain", title if isinstance(title, str) else None)
        case _:
            return UnknownContent(block)


def _joined(content: object) -> Any:
    """Return the result of a tool: the text, if it has nothing else."""
    blocks = cast("list[object]", content) if isinstance(content, list) else []
    texts = [part.text for part in map(_part, blocks) if isinstance(part, TextContent)]
    return "".join(texts) if blocks and len(texts) == len(blocks) else cast("object", content)


# -- and back ----------------------------------------------------------------------------------------------------------


def _block(part: AnyContent, role: str) -> JsonObject | None:
    match part:
        case TextContent():
            return {"type": "text", "text": part.text} if part.text else None
        case RefusalContent():
            return {"type": "text", "text": part.refusal}
        case TextReasoningContent() if role == "assistant" and part.protected_data:
            # The service refuses thinking without its signature.
            if not part.text:
                return {"type": "redacted_thinking", "data": part.protected_data}
            return {"type": "thinking", "thinking": part.text, "signature": part.protected_data}
        case FunctionCallContent() if role == "assistant":
            return {"type": "tool_use", "id": part.call_id, "name": part.name, "input": arguments_of(part)}
        case FunctionResultContent() if role in ("tool", "user"):
            result: JsonObject = {"type": "tool_result", "tool_use_id": part.call_id, "content": text_of_result(part)}
            return {**result, "is_error": True} if part.is_error else result
        case DataContent() | UriContent() if role == "user":
            return _source(part)
        case _:
            return None


def _source(part: DataContent | UriContent) -> JsonObject | None:
    if not is_image(part) and part.media_type not in ("application/pdf", "text/plain"):
        return None
    block: JsonObject = {"type": "image" if is_image(part) else "document"}
    if isinstance(part, UriContent):
        return {**block, "source": {"type": "url", "url": part.uri}} if part.media_type != "text/plain" else None
    if part.name is not None and not is_image(part):
        block["title"] = part.name
    if part.media_type == "text/plain":
        text = part.data.decode("utf-8", "replace")
        return {**block, "source": {"type": "text", "media_type": "text/plain", "data": text}}
    data = b64encode(part.data).decode()
    return {**block, "source": {"type": "base64", "media_type": part.media_type, "data": data}}


def _before(about: JsonObject) -> Sequence[JsonObject]:
    system = about.get("system")
    return [{"role": "system", "content": system}] if system else []


def _after(items: Sequence[JsonObject]) -> JsonObject:
    """Return the fields of the object: the system prompt has one of its own."""
    if items and items[0].get("role") == "system":
        return {"system": items[0]["content"], "messages": [*items[1:]]}
    return {"messages": [*items]}


def _with_results_together(items: Sequence[JsonObject]) -> Sequence[JsonObject]:
    """Return the messages; the results of one answer's calls are in one message."""
    joined: list[JsonObject] = []
    for item in items:
        if joined and _has_results_only(joined[-1]) and _has_results_only(item):
            joined[-1] = {**joined[-1], "content": [*_blocks(joined[-1]), *_blocks(item)]}
        else:
            joined.append(item)
    return joined


def _blocks(item: JsonObject) -> list[Json]:
    content = item.get("content")
    return content if isinstance(content, list) else []


def _has_results_only(item: JsonObject) -> bool:
    blocks = _blocks(item)
    are_results = all(isinstance(block, dict) and block.get("type") == "tool_result" for block in blocks)
    return item.get("role") == "user" and bool(blocks) and are_results


def _is_like(values: Sequence[object]) -> bool:
    found = messages_in(values, "messages")
    first = values[0] if values else None
    if isinstance(first, dict) and isinstance(cast("_Data", first).get("system"), str | list):
        return bool(found) and all("role" in item and "content" in item for item in found)
    return any(isinstance(one, dict) and one.get("type") in _BLOCKS for item in found for one in _blocks(item))


LIST = ListFormat(form=AnthropicForm(), before=_before, after=_after, joined=_with_results_together)

FORMAT = Format(name="anthropic", read=LIST.read, writer=LIST.writer(), is_like=_is_like)
