"""OpenAI's items, and the messages that recuerda keeps for them.

Each item is kept as one `ChatMessage`, so that a conversation reads like any other thread in `recuerda show`, in an
export and in the model's window. Each item also comes back exactly as it was sent. If the item cannot
be rebuilt from the message alone, it is kept with the message. This is checked for every item, so fields that are
unknown today are kept as well. Images and files are parts of the message, and are never kept a second time.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from operator import is_
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, cast
from urllib.parse import urlsplit

import msgspec

from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    HostedFileContent,
    RefusalContent,
    ResultPart,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
    with_contents,
    with_properties,
)
from recuerda.server.compacting import notes_in
from recuerda.server.faults import bad_request
from recuerda.server.kept_files import lifted, put_back
from recuerda.server.kinds import check_tool_item, is_tool_item, tool_content
from recuerda.server.names import TurnName, is_item_id, parse_item_id
from recuerda.server.requests import Item, check_parts, convert
from recuerda.server.tools import wire_name

ITEM = "item"
"""The additional property of a message that holds its item, if the item cannot be rebuilt from the message alone.

The item's parts are left out if the message alone gives them."""

RESPONSE = "response"
"""The additional property of a turn's last message that holds the response of the turn."""

REQUEST = "request"
"""The additional property of a turn's last message that holds the fingerprint of a request with an idempotency key."""

_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
_SENDABLE = {*_TEXTS, "refusal", "input_image", "input_file"}
_SENDABLE_OUTPUTS = {"input_text", "output_text", "text", "input_image", "input_file"}
_BARE = {"file_data": "base64"}  # marks a file whose item holds only the base64 text and no data: URL
_FIELDS = ("filename", "detail", "file_data")
_IMAGE_SCHEMES = ("http://", "https://", "data:image/")
_PARTS = {"message": "content", "function_call_output": "output", "custom_tool_call_output": "output"}
_OUTPUTS = ("function_call_output", "custom_tool_call_output")


UPLOAD = "upload"
"""The additional property of a part that holds the fields by which its item names an uploaded file."""

Uploaded: TypeAlias = Mapping[str, DataContent]
"""Uploaded files with their bytes, by their ids."""

NO_UPLOADS: Uploaded = MappingProxyType({})
"""No uploaded files."""


class _Part(msgspec.Struct, frozen=True):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None
    detail: str | None = None


class _Message(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[dict[str, Any]]


class _Call(msgspec.Struct, frozen=True):
    call_id: str
    name: str
    arguments: str


class _Output(msgspec.Struct, frozen=True):
    call_id: str
    output: str | list[dict[str, Any]]


class _Reasoning(msgspec.Struct, frozen=True):
    summary: list[dict[str, Any]] = []
    content: list[dict[str, Any]] | None = None
    encrypted_content: str | None = None


_SHAPES: dict[str, type[msgspec.Struct]] = {
    "message": _Message,
    "function_call": _Call,
    "function_call_output": _Output,
    "reasoning": _Reasoning,
}


def checked_items(items: Sequence[Item], name: TurnName, *, at: str) -> list[Item]:
    """Return a client's items in their complete form: with ids, types and statuses, and with contents as lists.

    An id that the client chose stays. An id that this service gave earlier names another item, so it is replaced.

    Args:
        items: the items of the request.
        name: the thread and the turn that will hold them.
        at: the path of the list in the request.

    Raises:
        ApiFault: an item is invalid; the fault names the path of the value. Or the items have too many parts.
    """
    check_parts(items, at=at)
    return [_checked(item, name, index, f"{at}[{index}]") for index, item in enumerate(items)]


def text_item(text: str, name: TurnName) -> Item:
    """Return the item for an input that is a plain text."""
    content = [{"type": "input_text", "text": text}]
    return {
        "id": name.item_id("message", 0),
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": content,
    }


def _checked(item: Item, name: TurnName, index: int, path: str) -> Item:
    kind = item.get("type", "message" if "role" in item else None)
    if not isinstance(kind, str) or not kind:
        raise bad_request(f"Missing required parameter: '{path}.type'.", param=f"{path}.type")
    if (shape := _SHAPES.get(kind)) is not None:
        convert(item, shape, at=path)
    elif is_tool_item(kind):
        check_tool_item(item, kind, at=path)
    given = item.get("id")
    if given is not None and not (isinstance(given, str) and is_item_id(given)):
        raise bad_request(
            f"Invalid value for '{path}.id': an id has up to 128 letters, digits, and -_.: characters.",
            param=f"{path}.id",
        )
    keeps_id = given is not None and parse_item_id(given) is None
    whole: Item = {"id": given if keeps_id else name.item_id(kind, index), "type": kind}
    whole |= {field: value for field, value in item.items() if field not in ("id", "type")}
    if kind in ("message", "function_call", "function_call_output"):
        whole["status"] = whole.get("status") or "completed"
    if kind == "message":
        whole["content"] = _content(whole, path)
    if kind in _OUTPUTS and isinstance(whole["output"], list):
        _check_parts(cast("list[Item]", whole["output"]), f"{path}.output", sendable=_SENDABLE_OUTPUTS)
    return whole


def _content(item: Item, path: str) -> list[dict[str, Any]]:
    content = cast("str | list[dict[str, Any]]", item["content"])
    if isinstance(content, str):
        return [_text_part(item["role"], content)]
    _check_parts(content, f"{path}.content", sendable=_SENDABLE)
    return content


def _check_parts(parts: list[Item], path: str, *, sendable: Collection[str]) -> None:
    for index, part in enumerate(convert(parts, list[_Part], at=path)):
        if part.type not in _TEXTS or part.type not in sendable or part.text is None:
            _check_part(part, f"{path}[{index}]", sendable)


def _check_part(part: _Part, path: str, sendable: Collection[str]) -> None:
    if part.type not in sendable:
        raise bad_request(f"A part of type '{part.type[:40]}' is not supported.", param=f"{path}.type")
    if part.type in _TEXTS and part.text is None:
        raise bad_request(f"Missing required parameter: '{path}.text'.", param=f"{path}.text")
    if part.type == "refusal" and part.refusal is None:
        raise bad_request(f"Missing required parameter: '{path}.refusal'.", param=f"{path}.refusal")
    if part.type == "input_image":
        _check_image(part, path)
    if part.type == "input_file":
        _check_file(part, path)


def _check_image(part: _Part, path: str) -> None:
    if part.image_url is None and part.file_id is not None:
        return
    if part.image_url is None:
        raise bad_request("Give the image as 'image_url' or as 'file_id'.", param=f"{path}.image_url")
    if not part.image_url.startswith(_IMAGE_SCHEMES):
        raise bad_request(
            "Give 'image_url' as an address that starts with http:// or https://, or as a data: URL of an image.",
            param=f"{path}.image_url",
        )


def _check_file(part: _Part, path: str) -> None:
    if part.file_data is None and part.file_url is None and part.file_id is not None:
        return
    if part.file_data is None and part.file_url is None:
        raise bad_request("Give the file as 'file_data' or as 'file_id'.", param=f"{path}.file_data")
    if part.file_data is None and not _is_sent_by_address(part.file_url or ""):
        raise bad_request(
            "Give the file as 'file_data': the model's server cannot open a file by its 'file_url'.",
            param=f"{path}.file_url",
            code="unsupported_value",
        )


def _is_sent_by_address(url: str) -> bool:
    """Return whether chat completions can carry a file that is given by its address: only images can be sent so."""
    return url.startswith("data:") or (url.startswith(_IMAGE_SCHEMES) and _guessed(url).startswith("image/"))


def _text_part(role: str, text: str) -> Item:
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "input_text", "text": text}


# -- as messages -------------------------------------------------------------------------------------------------------


def to_message(item: Item) -> ChatMessage:
    """Return the message that keeps a whole item."""
    message = _plain_message(item)
    plain = _plain_item(message)
    if plain == item:
        return message
    parts = _PARTS.get(item["type"])
    kept = {name: value for name, value in item.items() if name != parts or plain.get(name) != value}
    if not _is_kept_whole(message):
        return with_properties(message, {ITEM: kept})
    rest, files = lifted(kept)
    return with_properties(with_contents(message, [*message.contents, *files]), {ITEM: rest})


def from_message(message: ChatMessage) -> Item | None:
    """Return the item that a message keeps; None for a message that keeps no item."""
    if message.message_id is None:
        return None
    found = (message.additional_properties or {}).get(ITEM)
    if not isinstance(found, dict):
        return _plain_item(message)
    kept = cast("Item", found)
    if _is_kept_whole(message):
        return put_back(kept, message.contents[1:])
    parts = _PARTS.get(kept["type"])
    return kept if parts is None or parts in kept else {**kept, parts: _plain_item(message)[parts]}


def _is_kept_whole(message: ChatMessage) -> bool:
    """Return whether a message says only the kind of its item."""
    return isinstance(next(iter(message.contents), None), UnknownContent)


def _plain_message(item: Item) -> ChatMessage:
    id = item["id"]
    match item["type"]:
        case "message":
            return ChatMessage(
                item["role"], [_kept_part(item["role"], part) for part in item["content"]], message_id=id
            )
        case "function_call":
            call = FunctionCallContent(item["call_id"], _function_name(item), item["arguments"])
            return ChatMessage("assistant", [call], message_id=id)
        case "function_call_output" | "custom_tool_call_output":
            return ChatMessage("tool", [_result(item["call_id"], item["output"])], message_id=id)
        case "reasoning":
            return ChatMessage("assistant", [_reasoning(item)], message_id=id)
        case kind if is_tool_item(kind):
            content = tool_content(item)
            role = "assistant" if isinstance(content, FunctionCallContent) else "tool"
            return ChatMessage(role, [content], message_id=id)
        case "compaction" if (notes := notes_in(item)) is not None:
            return ChatMessage("user", [TextContent(notes)], message_id=id)
        case _:
            # Unknown items are kept for clients and people. A result without a call is never sent to a model.
            return ChatMessage("tool", [UnknownContent({"type": item["type"]})], message_id=id)


def _function_name(item: Item) -> str:
    namespace = item.get("namespace")
    return wire_name(item["name"], namespace if isinstance(namespace, str) else None)


def _reasoning(item: Item) -> TextReasoningContent:
    parts = cast("list[Item]", item.get("content") or item.get("summary") or [])
    text = "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    sealed = item.get("encrypted_content")
    return TextReasoningContent(text, sealed if isinstance(sealed, str) else None)


def _result(call_id: str, output: str | list[Item]) -> FunctionResultContent:
    """Return the result of a call. The parts of its output are parts of the result."""
    if isinstance(output, str) or not output:
        return FunctionResultContent(call_id, output or "")
    parts = [_kept_part("tool", part) for part in output]
    return FunctionResultContent(call_id, parts=tuple(part for part in parts if isinstance(part, ResultPart)))


def _kept_part(role: str, part: Item) -> AnyContent:
    """Return the part of a message that gives the item's part again, with its unknown fields."""
    made = _to_part(part)
    if not isinstance(made, TextContent) or _from_part(role, made) == part:
        return made
    return TextContent(made.text, additional_properties=_without(part, "text"))


def _to_part(part: Item) -> AnyContent:
    kind = part["type"]
    if kind in _TEXTS:
        return TextContent(part["text"])
    if kind == "refusal":
        return RefusalContent(part["refusal"])
    if _is_uploaded(part):
        name, detail = part.get("filename"), part.get("detail")
        rest = _without(part, "file_id", *_named_fields(part))
        return HostedFileContent(part["file_id"], None, name, detail, additional_properties=rest)
    if kind == "input_image":
        return _file(part, "image_url", part["image_url"], _image_type(part["image_url"]))
    if isinstance(data := part.get("file_data"), str):
        if data.startswith("data:"):
            return _file(part, "file_data", data, _data_type(data))
        media_type = _guessed(part.get("filename") or "")
        made = _file(part, "file_data", f"data:{media_type};base64,{data}", media_type)
        return msgspec.structs.replace(made, additional_properties={**_without(part, *_FIELDS), **_BARE})
    return _file(part, "file_url", part["file_url"], _guessed(part["file_url"]))


def _file(part: Item, source: str, uri: str, media_type: str) -> UriContent:
    name, detail = part.get("filename"), part.get("detail")
    rest = _without(part, source, *_named_fields(part))
    return UriContent(uri, media_type, name, detail, additional_properties=rest)


def _named_fields(part: Item) -> list[str]:
    return [field for field in ("filename", "detail") if isinstance(part.get(field), str)]


def _is_uploaded(part: Item) -> bool:
    """Return whether a part of an item names an uploaded file, and has no other source."""
    sources = ("image_url",) if part["type"] == "input_image" else ("file_data", "file_url")
    return isinstance(part.get("file_id"), str) and all(part.get(source) is None for source in sources)


def _without(part: Item, *names: str) -> Item:
    return {name: value for name, value in part.items() if name not in names}


def _image_type(url: str) -> str:
    kind = _data_type(url) if url.startswith("data:") else _guessed(url)
    return kind if kind.startswith("image/") else "image/*"


def _data_type(url: str) -> str:
    return url[5:].partition(",")[0].partition(";")[0] or "text/plain"


def _guessed(url: str) -> str:
    try:
        path = urlsplit(url).path
    except ValueError:
        path = ""
    return mimetypes.guess_type(path)[0] or "application/octet-stream"


# -- uploaded files ----------------------------------------------------------------------------------------------------


def uploaded_parts(items: Sequence[Item]) -> Iterator[Item]:
    """Yield the parts of items that name an uploaded file by its id."""
    for item in items:
        parts = item.get(_PARTS.get(item["type"], ""))
        for part in cast("list[Item]", parts) if isinstance(parts, list) else ():
            if part["type"] in ("input_image", "input_file") and _is_uploaded(part):
                yield part


def with_uploads(message: ChatMessage, files: Uploaded) -> ChatMessage:
    """Return a message with the uploaded files themselves in the place of their ids."""

    def held(part: AnyContent) -> AnyContent:
        if not isinstance(part, HostedFileContent) or (file := files.get(part.file_id)) is None:
            return part
        named: Item = {"file_id": part.file_id} | ({} if part.name is None else {"filename": part.name})
        rest = {**(part.additional_properties or {}), UPLOAD: named}
        return msgspec.structs.replace(
            file, name=part.name or file.name, detail=part.detail, additional_properties=rest
        )

    return _with_parts(message, held) if files else message


def as_sent(message: ChatMessage) -> ChatMessage:
    """Return a message with the ids of uploaded files in the place of the files, as its client has sent it."""
    return _with_parts(message, _as_sent)


def _as_sent(part: AnyContent) -> AnyContent:
    rest = part.additional_properties if isinstance(part, DataContent) else None
    if not isinstance(part, DataContent) or rest is None or UPLOAD not in rest:
        return part
    named = cast("Item", rest[UPLOAD])
    return HostedFileContent(
        named["file_id"], None, named.get("filename"), part.detail, additional_properties=_without(rest, UPLOAD)
    )


def _with_parts(message: ChatMessage, change: Callable[[AnyContent], AnyContent]) -> ChatMessage:
    """Return a message with its parts changed, also those of a result."""
    if isinstance(message.content, str):
        return message

    def changed(part: AnyContent) -> AnyContent:
        if not isinstance(part, FunctionResultContent) or not part.parts:
            return change(part)
        parts = [change(one) for one in part.parts]
        if all(map(is_, parts, part.parts)):
            return part
        return FunctionResultContent(part.call_id, parts=tuple(one for one in parts if isinstance(one, ResultPart)))

    parts = [changed(part) for part in message.contents]
    return message if all(map(is_, parts, message.contents)) else with_contents(message, parts)


# -- and back ----------------------------------------------------------------------------------------------------------


def _plain_item(message: ChatMessage) -> Item:
    id = message.message_id
    match message.contents:
        case [FunctionCallContent() as call] if message.role == "assistant":
            kept = {"call_id": call.call_id, "name": call.name, "arguments": call.arguments}
            return {"id": id, "type": "function_call", "status": "completed", **kept}
        case [FunctionResultContent() as result]:
            output = [_from_part("tool", part) for part in result.parts] or result.result
            kept = {"call_id": result.call_id, "output": output}
            return {"id": id, "type": "function_call_output", "status": "completed", **kept}
        case [TextReasoningContent() as reasoning] if message.role == "assistant":
            content = [{"type": "reasoning_text", "text": reasoning.text}]
            return {"id": id, "type": "reasoning", "summary": [], "content": content}
        case parts:
            content = [_from_part(message.role, part) for part in parts]
            return {"id": id, "type": "message", "status": "completed", "role": message.role, "content": content}


def _from_part(role: str, part: AnyContent) -> Item:
    match part:
        case TextContent() if part.additional_properties:
            return {**part.additional_properties, "text": part.text}
        case TextContent():
            return _text_part(role, part.text)
        case RefusalContent():
            return {"type": "refusal", "refusal": part.refusal}
        case UriContent():
            return _file_part(part)
        case DataContent() if (sent := _as_sent(part)) is not part:
            return _from_part(role, sent)
        case HostedFileContent():
            return _uploaded_part(part)
        case UnknownContent():
            return part.data
        case _:
            return cast("Item", msgspec.to_builtins(part))


def _uploaded_part(part: HostedFileContent) -> Item:
    kept = {**(part.additional_properties or {"type": "input_file"}), "file_id": part.file_id}
    return kept | {name: value for name, value in (("filename", part.name), ("detail", part.detail)) if value}


def _file_part(part: UriContent) -> Item:
    kept = {**(part.additional_properties or {"type": "input_image"})}
    kept |= {name: value for name, value in (("filename", part.name), ("detail", part.detail)) if value is not None}
    if kept.get("type") == "input_image":
        return {**kept, "image_url": part.uri}
    if kept.get("file_data") == _BARE["file_data"]:
        return {**kept, "file_data": part.uri.partition(",")[2]}
    return {**kept, "file_data" if part.uri.startswith("data:") else "file_url": part.uri}
