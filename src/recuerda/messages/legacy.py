"""Read threads that the betas of Agent Framework saved (October 2025 to February 2026).

These betas changed their JSON several times, and later betas cannot read the files of earlier ones. One tolerant reader
accepts all forms: roles as strings or objects, extra fields nested or flattened, with or without nulls, and text that a
beta put into `additional_properties.content` by mistake. A part of a kind that does not exist here is kept whole as
`UnknownContent`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import msgspec

from recuerda.errors import StateError
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    HostedFileContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
    Usage,
    UsageContent,
)

_MESSAGE_KEYS = {"type", "role", "contents", "text", "author_name", "message_id", "additional_properties"}


class LegacyState(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a legacy state.

    Attributes:
        service_thread_id: the service's id of the thread, if a service kept it.
        messages: the thread's messages; None when the thread had no store yet.
        id: the id of a session. A thread had no id.
    """

    service_thread_id: str | None
    messages: list[ChatMessage] | None
    id: str | None = None


def is_legacy_state(state: dict[str, Any]) -> bool:
    """Return whether a state was written by Agent Framework and not by recuerda."""
    if "kind" in state or "version" in state:
        return False
    return isinstance(state.get("type"), str) or bool(
        {"service_thread_id", "chat_message_store_state", "messages"} & state.keys()
    )


def read_legacy_state(state: dict[str, Any]) -> LegacyState:
    """Return the content of a saved thread, of a saved session, or of a saved RAM store.

    Raises:
        StateError: the state is damaged, or it comes from a Redis store, whose state holds an address but no messages.
    """
    match state.get("type"):
        case None | "agent_thread_state":
            return _thread(state)
        case "chat_message_store_state":
            return LegacyState(service_thread_id=None, messages=_messages(state))
        case "session":
            return _session(state)
        case "redis_store_state":
            raise StateError(
                "this state is the address of a Redis list and holds no messages: import the list from its key "
                f"{state.get('key_prefix')}:{state.get('thread_id')}"
            )
        case other:
            raise StateError(f'a legacy state must have the type "agent_thread_state", not {str(other)[:40]!r}')


def read_legacy_message(data: object, where: str = "message") -> ChatMessage:
    """Return one message, such as an entry of a legacy Redis list.

    Raises:
        StateError: `data` is not a message. The error names the place.
    """
    fields = _object(data, where)
    role: Any = fields.get("role")
    role = cast("dict[str, Any]", role).get("value") if isinstance(role, dict) else role
    if not isinstance(role, str) or not role:
        raise StateError(f"{where} has no role")
    extra = {**_object(fields.get("additional_properties") or {}, f"{where}.additional_properties")}
    extra.update({key: value for key, value in fields.items() if key not in _MESSAGE_KEYS and value is not None})
    contents: Any = fields.get("contents") or []
    if not contents and fields.get("text"):
        contents = fields["text"]
    if not contents and _is_contents(extra.get("content")):
        # In a beta, `ChatMessage(role=…, content=…)` put the text here and left the message empty.
        contents = extra.pop("content")
    items: list[Any] = [contents] if isinstance(contents, str | dict) else contents
    if not isinstance(items, list):  # pyright: ignore[reportUnnecessaryIsInstance] - outside data
        raise StateError(f"{where}.contents is not a list")
    try:
        return ChatMessage(
            role,
            contents=[_part(item, f"{where}.contents[{i}]") for i, item in enumerate(items)],
            author_name=fields.get("author_name"),
            message_id=fields.get("message_id"),
            additional_properties=extra or None,
        )
    except TypeError as error:
        raise StateError(f"{where} cannot be read: {error}") from None


def _thread(state: dict[str, Any]) -> LegacyState:
    service_thread_id, store = state.get("service_thread_id"), state.get("chat_message_store_state")
    if store is None and "messages" in state:
        store = state
    if service_thread_id is not None and not isinstance(service_thread_id, str):
        raise StateError("service_thread_id must be a string or null")
    messages = None if store is None else _messages(_object(store, "chat_message_store_state"))
    if service_thread_id and messages:
        raise StateError("the state has both a service's thread and messages, but a thread has one owner")
    return LegacyState(service_thread_id=service_thread_id, messages=None if service_thread_id else messages)


def _session(state: dict[str, Any]) -> LegacyState:
    messages: list[ChatMessage] = []
    for part in _object(state.get("state") or {}, "state").values():
        if isinstance(part, dict) and "messages" in part:
            messages.extend(_messages(cast("dict[str, Any]", part)))
    service_id = state.get("service_session_id")
    if service_id is not None and not isinstance(service_id, str):
        raise StateError("service_session_id must be a string or null")
    return LegacyState(
        service_thread_id=service_id, messages=None if service_id else messages, id=state.get("session_id")
    )


def _messages(store: dict[str, Any]) -> list[ChatMessage]:
    items: Any = store.get("messages") or []
    if not isinstance(items, list):
        raise StateError("the store's messages are not a list")
    return [read_legacy_message(item, f"messages[{i}]") for i, item in enumerate(cast("list[Any]", items))]


def _is_contents(value: object) -> bool:
    if isinstance(value, list):
        items = cast("list[object]", value)
        return bool(items) and all(
            isinstance(item, str) or (isinstance(item, dict) and "type" in item) for item in items
        )
    return isinstance(value, str) and bool(value)


def _part(data: Any, where: str) -> AnyContent:
    if isinstance(data, str):
        return TextContent(data)
    fields = {key: value for key, value in _object(data, where).items() if value is not None}
    reader = _READERS.get(str(fields.get("type")))
    if reader is None:
        return UnknownContent(fields)
    try:
        part, used = reader(fields)
    except (KeyError, TypeError, ValueError):
        return UnknownContent(fields)
    extra: dict[str, Any] = {**(fields.pop("additional_properties", None) or {})}
    extra.update({key: value for key, value in fields.items() if key not in used and key != "type"})
    return part(additional_properties=extra or None)


# A reader returns a function that makes the part, and the names of the fields that it used. The others are extras.
_Reader = Callable[[dict[str, Any]], tuple[Callable[..., AnyContent], set[str]]]


def _text(fields: dict[str, Any]) -> tuple[Callable[..., AnyContent], set[str]]:
    text = _string(fields.get("text", ""))
    return partial(TextContent, text), {"text"}


def _reasoning(fields: dict[str, Any]) -> tuple[Callable[..., AnyContent], set[str]]:
    text, data = _string(fields.get("text", "")), fields.get("protected_data")
    return partial(TextReasoningContent, text, data), {"text", "protected_data"}


def _uri(fields: dict[str, Any]) -> tuple[Callable[..., AnyContent], set[str]]:
    uri, media_type = _string(fields["uri"]), fields.get("media_type", "application/octet-stream")
    return partial(UriContent, uri, media_type, _name(fields)), {"uri", "media_type", "name"}


def _data(fields: dict[str, Any]) -> tuple[Callable[..., AnyContent], set[str]]:
    head, comma, payload = _string(fields["uri"]).partition(",")
    if not head.startswith("data:") or not comma:
        return _uri(fields)
    from urllib.parse import unquote_to_bytes  # heavier than the rest of this module, and rarely needed

    declared = head.removeprefix("data:").partition(";")[0]
    try:
        data = base64.b64decode(payload, validate=True) if head.endswith(";base64") else unquote_to_bytes(payload)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    media_type = fields.get("media_type") or declared or "application/octet-stream"
    return partial(DataContent, data, media_type, _name(fields)), {"uri", "media_type", "name"}


def _hosted(fields: dict[str, Any]) -> tuple[Callable[..., AnyContent], set[str]]:
    made = partial(HostedFileContent, _string(fields["file_id"]), fields.get("media_type"), _name(fields))
    return made, {"file_id", "media_type", "name"}


def _name(fields: dict[str, Any]) -> str | None:
    return _string(fields["name"]) if "name" in fields else None


def _call(fields: dict[str, Any]) -> tuple[Callable[..., AnyContent], set[str]]:
    call_id, name, arguments = _string(fields["call_id"]), _string(fields["name"]), fields.get("arguments", "{}")
    return partial(FunctionCallContent, call_id, name, arguments), {"call_id", "name", "arguments"}


def _result(fields: dict[str, Any]) -> tuple[Callable[..., AnyContent], set[str]]:
    call_id, result, problem = _string(fields["call_id"]), fields.get("result"), fields.get("exception")
    value = problem if result is None else result
    return partial(FunctionResultContent, call_id, value, problem is not None), {
        "call_id",
        "result",
        "exception",
    }


def _usage(fields: dict[str, Any]) -> tuple[Callable[..., AnyContent], set[str]]:
    details = _object(fields.get("usage_details") or fields["details"], "usage")
    usage = Usage(
        input_tokens=details.get("input_token_count") or 0,
        output_tokens=details.get("output_token_count") or 0,
        total_tokens=details.get("total_token_count") or 0,
        reasoning_tokens=details.get("openai.reasoning_tokens") or 0,
    )
    return partial(UsageContent, usage), {"usage_details", "details"}


_READERS: dict[str, _Reader] = {
    "text": _text,
    "text_reasoning": _reasoning,
    "uri": _uri,
    "data": _data,
    "hosted_file": _hosted,
    "function_call": _call,
    "function_result": _result,
    "usage": _usage,
}


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise StateError(f"{where} is not an object")
    return cast("dict[str, Any]", value)
