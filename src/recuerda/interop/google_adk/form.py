"""The events of ADK, and the messages that recuerda keeps for them.

An event is kept as messages of ours, so that every other reader of the thread sees the conversation. The first message
also holds the rest of the event: its id, its actions, and the fields of a part that our content does not say. Together
they give exactly the same event back. A part is not kept twice: only its difference from our content is.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
from google.adk.events.event import Event

from recuerda.interop.encoded import urlsafe_decoded
from recuerda.interop.forms import grouped, is_same
from recuerda.json_value import to_json_object
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
    with_properties,
)

EVENT = "google-adk.event"
"""The additional property of the first message of an event: a `_Rest` as JSON."""

_WHOLE = "="
"""The only key of a difference that holds the part itself, because our content does not lead to it."""

_Data = dict[str, Any]


class _Rest(msgspec.Struct, omit_defaults=True):
    """The rest of an event, beside its messages.

    Attributes:
        event: the event's fields without its content.
        content: the content's fields without its parts; None if the event has no content.
        parts: the differences of the parts from our contents; None if the content has no parts.
        messages: the number of messages of the event.
    """

    event: _Data
    content: _Data | None = None
    parts: list[_Data] | None = None
    messages: int = 1


def dump(event: Event) -> _Data:
    """Return an event as JSON, without the fields that it gets back without them.

    Raises:
        EncodeError: the event is not JSON.
    """
    for without_none in (True, False):
        item = to_json_object(
            event.model_dump(mode="json", exclude_defaults=True, exclude_none=without_none), "the event"
        )
        # Not the objects are compared: a content of a subclass comes back as a plain content.
        if is_same_event(load(item), event):
            return item
    return to_json_object(event.model_dump(mode="json"), "the event")


def is_same_event(one: Event, other: Event) -> bool:
    """Return whether two events say the same."""
    if one.id != other.id:
        return False
    # The same text is the same event. Another text may be the same event too, with keys of a state in another order.
    is_same_text = one.model_dump_json() == other.model_dump_json()
    return is_same_text or is_same(one.model_dump(mode="json"), other.model_dump(mode="json"))


def load(item: _Data) -> Event:
    """Return the event of its JSON form."""
    return Event.model_validate_json(msgspec.json.encode(item))


def keep(item: _Data) -> list[ChatMessage]:
    """Return the messages of an event; at least one."""
    rest = {name: value for name, value in item.items() if name != "content"}
    mark = _Rest(rest)
    messages: list[ChatMessage] = []
    author = item.get("author")
    content: _Data | None = item.get("content")
    if content is not None:
        mark.content = {name: value for name, value in content.items() if name != "parts"}
        parts: list[_Data] | None = content.get("parts")
        if parts is not None:
            said = [_content(part) for part in parts]
            mark.parts = [_difference(part, _part(one)) for part, one in zip(parts, said, strict=True)]
            role = "user" if content.get("role", "user") == "user" else "assistant"
            messages = _messages(said, role, None if author == "user" else author)
    messages = messages or [ChatMessage("assistant", UnknownContent({"type": "google-adk/event"}))]
    mark.messages = len(messages)
    messages[0] = with_properties(messages[0], {EVENT: msgspec.to_builtins(mark)})
    return messages


def events_of(messages: Sequence[ChatMessage], turn_id: str, created_us: int) -> Iterator[Event]:
    """Yield the events of a turn. Messages of other writers become events with ids that are made of the turn's id."""
    names: dict[str, str] = {}
    start = 0
    while start < len(messages):
        if (rest := _rest(messages[start])) is not None:
            yield load(_restored(rest, messages[start : start + rest.messages]))
            start += rest.messages
            continue
        message = next(iter(grouped(messages[start:])))[0]
        names.update({call.call_id: call.name for call in message.function_calls})
        if (content := _foreign(message, names)) is not None:
            author = "user" if message.role == "user" else message.author_name or message.role
            about = {"id": f"{turn_id}:{start}", "invocation_id": turn_id, "timestamp": created_us / 1e6}
            yield load({**about, "author": author, "content": content})
        start += 1


def fields_of(message: ChatMessage) -> _Data | None:
    """Return the fields of the event that begins with a message, without its content; None for any other message."""
    rest = _rest(message)
    return None if rest is None else rest.event


def event_ids(messages: Sequence[ChatMessage]) -> Iterator[str]:
    """Yield the ids of the events in messages that ADK has written."""
    for message in messages:
        if (event := fields_of(message)) is not None and isinstance(event_id := event.get("id"), str):
            yield event_id


def says_something(message: ChatMessage) -> bool:
    """Return False for the message of an event without content."""
    rest = _rest(message)
    return rest is None or bool(rest.parts)


def delta_of(messages: Sequence[ChatMessage]) -> _Data:
    """Return the changes of state of all events in a turn."""
    changes: _Data = {}
    for message in messages:
        if (event := fields_of(message)) is not None:
            changes.update(event.get("actions", {}).get("state_delta", {}))
    return changes


def _rest(message: ChatMessage) -> _Rest | None:
    found = (message.additional_properties or {}).get(EVENT)
    if found is None:
        return None
    try:
        rest = msgspec.convert(found, _Rest)
    except msgspec.ValidationError:
        return None
    return rest if rest.messages >= 1 else None


def _restored(rest: _Rest, messages: Sequence[ChatMessage]) -> _Data:
    if rest.content is None:
        return rest.event
    content = dict(rest.content)
    if rest.parts is not None:
        said = [part for message in messages for part in message.contents]
        content["parts"] = [_whole(_part(one), change) for one, change in zip(said, rest.parts, strict=False)]
    return {**rest.event, "content": content}


def _messages(said: Sequence[AnyContent], role: str, author: str | None) -> list[ChatMessage]:
    """Return messages with these contents in order: results of tools in messages of their own."""
    groups: list[tuple[str, list[AnyContent]]] = []
    for one in said:
        of = "tool" if isinstance(one, FunctionResultContent) else role
        if not groups or groups[-1][0] != of:
            groups.append((of, []))
        groups[-1][1].append(one)
    return [ChatMessage(of, contents, author_name=author) for of, contents in groups]


# -- parts -------------------------------------------------------------------------------------------------------------


def _content(part: _Data) -> AnyContent:
    match part:
        case {"text": str(text), "thought": True}:
            return TextReasoningContent(text)
        case {"text": str(text)}:
            return TextContent(text)
        case {"function_call": {"name": str(name)} as call}:
            return FunctionCallContent(str(call.get("id") or name), name, _object(call.get("args")))
        case {"function_response": {"name": str(name)} as response}:
            return _result(str(response.get("id") or name), response.get("response"), response.get("parts"))
        case {"inline_data": {"data": str(), "mime_type": str()} as blob}:
            return _file(blob)
        case {"file_data": {"file_uri": str(uri), "mime_type": str(media_type)}}:
            return UriContent(uri, media_type)
        case _:
            return UnknownContent({"type": f"google-adk/{next(iter(part), 'part')}"})


def _file(blob: _Data) -> DataContent:
    name = blob.get("display_name")
    return DataContent(urlsafe_decoded(blob["data"]), blob["mime_type"], name if isinstance(name, str) else None)


def _result(call_id: str, response: object, parts: object) -> FunctionResultContent:
    """Return a result. Its files follow the text that other readers send to a model."""
    data: _Data = cast("_Data", response) if isinstance(response, dict) else {}
    is_error = data.keys() == {"error"}
    result: Any = next(iter(data.values())) if is_error or data.keys() == {"result"} else cast("Any", response)
    said = TextContent(result if isinstance(result, str) else msgspec.json.encode(result).decode())
    files = [
        _file(part["inline_data"])
        for part in (cast("list[_Data]", parts) if isinstance(parts, list) else ())
        if isinstance(blob := part.get("inline_data"), dict) and {"data", "mime_type"} <= cast("_Data", blob).keys()
    ]
    return FunctionResultContent(call_id, result, is_error=is_error, parts=(said, *files) if files else ())


def _part(content: AnyContent, name: str | None = None) -> _Data:
    """Return the part that says the same as a content; an empty one if there is none."""
    match content:
        case TextContent():
            return {"text": content.text}
        case TextReasoningContent():
            return {"text": content.text, "thought": True}
        case FunctionCallContent():
            call = {"id": content.call_id, "name": content.name, "args": _object(content.arguments)}
            return {"function_call": call}
        case FunctionResultContent():
            response: _Data = {"id": content.call_id, "response": _response(content)}
            files = [_part(part) for part in content.parts if isinstance(part, DataContent)]
            response |= {"parts": files} if files else {}
            return {"function_response": {**response, "name": name} if name else response}
        case DataContent():
            blob = {"data": urlsafe_b64encode(content.data).decode(), "mime_type": content.media_type}
            return {"inline_data": blob if content.name is None else {**blob, "display_name": content.name}}
        case RefusalContent():
            return {"text": content.refusal}
        case UriContent():
            return {"file_data": {"file_uri": content.uri, "mime_type": content.media_type}}
        case _:
            return {}


def _response(content: FunctionResultContent) -> _Data:
    if content.is_error:
        return {"error": content.result}
    result = content.result
    # An object with one of these keys alone was not kept as itself; see `_result`.
    if isinstance(result, dict) and set(cast("_Data", result)) not in ({"result"}, {"error"}):
        return cast("_Data", result)
    return {"result": result}


def _foreign(message: ChatMessage, names: Mapping[str, str]) -> _Data | None:
    """Return the content of another writer's message; None for what ADK cannot say, such as a system message."""
    if message.role not in {"user", "assistant", "tool"}:
        return None
    parts = [
        part
        for one in message.contents
        if (part := _part(one, names.get(one.call_id, "tool") if isinstance(one, FunctionResultContent) else None))
    ]
    return {"role": "model" if message.role == "assistant" else "user", "parts": parts} if parts else None


def _difference(part: _Data, made: _Data) -> _Data:
    """Return what has to be put on a made part to get the part."""
    change = _changes(part, made)
    return change if is_same(_whole(made, change), part) else {_WHOLE: part}


def _changes(part: _Data, made: _Data) -> _Data:
    change: _Data = {}
    for name, value in part.items():
        other = cast("object", made.get(name))
        if isinstance(value, dict) and isinstance(other, dict):
            if inner := _changes(cast("_Data", value), cast("_Data", other)):
                change[name] = inner
        elif name not in made or not is_same(cast("object", value), other):
            change[name] = value
    return change


def _whole(made: _Data, change: _Data) -> _Data:
    if len(change) == 1 and _WHOLE in change:
        return change[_WHOLE]
    whole = dict(made)
    for name, value in change.items():
        other = made.get(name)
        both = isinstance(value, dict) and isinstance(other, dict)
        whole[name] = _whole(cast("_Data", other), cast("_Data", value)) if both else value
    return whole


def _object(value: object) -> _Data:
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return {"arguments": value}
    return cast("_Data", value) if isinstance(value, dict) else {}
