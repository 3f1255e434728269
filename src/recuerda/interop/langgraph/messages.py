"""LangChain's messages as our own messages, and back.

Our message shows what LangChain's message says, so that every other reader of the thread sees the conversation. Fields
that have no counterpart are kept in `additional_properties`, under `langchain`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, cast

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel

from recuerda.json_value import JsonObject
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    UnknownContent,
)

ROLES: dict[type[BaseMessage], str] = {
    HumanMessage: "user",
    AIMessage: "assistant",
    SystemMessage: "system",
    ToolMessage: "tool",
}
"""The classes that have a counterpart, each with its role."""

_KINDS = {role: kind for kind, role in ROLES.items()}
_KEPT = "langchain"
_HAS_PARTS = "parts"
_SHOWN = {"type", "content", "id", "name", "tool_calls", "tool_call_id", "status"}
_TEMPLATES: dict[type[BaseMessage], BaseMessage] = {
    HumanMessage: HumanMessage(""),
    AIMessage: AIMessage(""),
    SystemMessage: SystemMessage(""),
    ToolMessage: ToolMessage("", tool_call_id=""),
}
_FIXED = frozenset(("content", "example", "id", "name", "status", "tool_call_id", "type"))
_CHANGEABLE = {
    kind: tuple(name for name in message.__dict__ if name not in _FIXED) for kind, message in _TEMPLATES.items()
}
"""The fields of each class whose values can change in place, without `content`."""

_CONTAINERS = (dict, list)
_PLAIN = frozenset((str, int, float, bool, type(None)))
_put = object.__setattr__
_put_given, _put_extra, _put_private = (
    BaseModel.__dict__[name].__set__
    for name in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
_TEXT_KEYS = {"type", "text"}


def to_message(message: BaseMessage) -> ChatMessage:
    """Return our form of a message whose class is in `ROLES`.

    A message with unusual fields may not come back the same; the caller checks that.
    """
    kept = {name: value for name, value in fields_of(message).items() if name not in _SHOWN and value}
    content: object = cast("object", message.content)
    if isinstance(content, list) and not isinstance(message, ToolMessage):
        kept[_HAS_PARTS] = True
    return ChatMessage(
        ROLES[type(message)],
        _contents(message, cast("object", content)),
        author_name=message.name,
        message_id=message.id,
        additional_properties={_KEPT: kept} if kept else None,
    )


def from_message(message: ChatMessage) -> BaseMessage:
    """Return the LangChain message of which `to_message` returned our form.

    Raises:
        KeyError: the message's role has no counterpart.
    """
    kept = dict(cast("JsonObject", (message.additional_properties or {}).get(_KEPT, {})))
    has_parts = bool(kept.pop(_HAS_PARTS, False))
    fields: dict[str, Any] = {"id": message.message_id, "name": message.author_name, **kept}
    fields |= _MAKERS.get(message.role, _plain_fields)(message, has_parts)
    return _made(_KINDS[message.role], fields)


def copied(message: BaseMessage) -> BaseMessage:
    """Return a copy that shares nothing that can change with the original."""
    if message.__pydantic_private__ is not None:
        return copy.deepcopy(message)
    kind = type(message)
    fields = message.__dict__.copy()
    if type(fields["content"]) is not str:
        fields["content"] = copy.deepcopy(fields["content"])
    for name in _CHANGEABLE.get(kind, fields):
        part = fields[name]
        if part is not None:
            # Most messages have several empty objects, and `deepcopy` is slow.
            is_empty = type(part) in _CONTAINERS and not part
            fields[name] = type(part)() if is_empty else copy.deepcopy(part)
    extra = message.__pydantic_extra__
    return _assembled(kind, fields, message.__pydantic_fields_set__.copy(), copy.deepcopy(extra) if extra else {})


def _made(kind: type[BaseMessage], fields: dict[str, Any]) -> BaseMessage:
    """Return a message of a class with these fields, which are those of a valid message."""
    own = copied(_TEMPLATES[kind]).__dict__
    extra = {name: value for name, value in fields.items() if name not in own}
    own |= {name: value for name, value in fields.items() if name in own}
    return _assembled(kind, own, set(fields), extra)


def _assembled(kind: type[BaseMessage], fields: dict[str, Any], given: set[str], extra: dict[str, Any]) -> BaseMessage:
    # Pydantic's own copy, and its validation even more, take several times as long, and a long conversation has
    # thousands of messages.
    message = kind.__new__(kind)
    _put(message, "__dict__", fields)
    _put_given(message, given)
    _put_extra(message, extra)
    _put_private(message, None)
    return message


def is_same_message(one: BaseMessage, other: BaseMessage) -> bool:
    """Return True if two messages are surely the same: of one class, with the same plain data in their fields.

    This takes a tenth of the time of LangGraph's serializer, which tells for all other messages.
    """
    if type(one) is not type(other) or one.__pydantic_private__ is not None or other.__pydantic_private__ is not None:
        return False
    if one.__dict__.keys() != other.__dict__.keys():
        return False
    is_same = all(_is_same(value, other.__dict__[name]) for name, value in one.__dict__.items())
    return is_same and _is_same(one.__pydantic_extra__ or {}, other.__pydantic_extra__ or {})


def _is_same(one: object, other: object) -> bool:
    kind = type(one)
    if kind is not type(other):
        return False
    if kind in _PLAIN:
        return one == other
    if kind is list:
        items, others = cast("list[object]", one), cast("list[object]", other)
        return len(items) == len(others) and all(map(_is_same, items, others))
    if kind is dict:
        fields, others = cast("dict[object, object]", one), cast("dict[object, object]", other)
        is_same = [*fields] == [*others] and all(type(name) is str for name in fields)
        return is_same and all(map(_is_same, fields.values(), others.values()))
    return False


def fields_of(message: BaseMessage) -> Mapping[str, Any]:
    """Return the fields of a message, with the fields that its class does not declare."""
    return {**message.__dict__, **(message.model_extra or {})}


def _contents(message: BaseMessage, content: object) -> list[str | AnyContent]:
    if isinstance(message, ToolMessage):
        return [FunctionResultContent(call_id=message.tool_call_id, result=content, is_error=message.status == "error")]
    parts: list[str | AnyContent] = (
        [_part(part) for part in cast("list[object]", content)] if isinstance(content, list) else []
    )
    if isinstance(content, str) and content:
        parts.append(TextContent(text=str.__str__(content)))
    if isinstance(message, AIMessage):
        parts += [_call(call) for call in message.tool_calls]
    return parts


def _part(part: object) -> str | AnyContent:
    if not isinstance(part, dict):
        return TextContent(text=str(part))
    data = cast("JsonObject", part)
    if data.keys() == _TEXT_KEYS and data["type"] == "text" and isinstance(text := data["text"], str):
        return TextContent(text=text)
    return UnknownContent(data)


def _call(call: Mapping[str, Any]) -> FunctionCallContent:
    return FunctionCallContent(call_id=call["id"] or "", name=call["name"], arguments=call["args"])


def _plain_fields(message: ChatMessage, has_parts: bool) -> dict[str, Any]:  # noqa: FBT001 - one of `_MAKERS`
    return {"content": _content(message, has_parts=has_parts)}


def _assistant_fields(message: ChatMessage, has_parts: bool) -> dict[str, Any]:  # noqa: FBT001 - one of `_MAKERS`
    calls = [
        {"name": call.name, "args": call.arguments, "id": call.call_id or None, "type": "tool_call"}
        for call in message.function_calls
    ]
    return {"content": _content(message, has_parts=has_parts), "tool_calls": calls}


def _tool_fields(message: ChatMessage, _has_parts: bool) -> dict[str, Any]:  # noqa: FBT001 - one of `_MAKERS`
    results = [part for part in message.contents if isinstance(part, FunctionResultContent)]
    if len(results) != 1:
        raise KeyError("a ToolMessage has one result")
    (result,) = results
    return {
        "content": result.result,
        "tool_call_id": result.call_id,
        "status": "error" if result.is_error else "success",
    }


_MAKERS: dict[str, Callable[[ChatMessage, bool], dict[str, Any]]] = {
    "assistant": _assistant_fields,
    "tool": _tool_fields,
}


def _content(message: ChatMessage, *, has_parts: bool) -> str | list[dict[str, Any]]:
    if not has_parts:
        return message.text
    return [
        {"type": "text", "text": part.text} if isinstance(part, TextContent) else part.data
        for part in message.contents
        if isinstance(part, TextContent | UnknownContent)
    ]
