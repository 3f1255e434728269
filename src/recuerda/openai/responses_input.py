"""Messages as input items of the Responses API (https://platform.openai.com/docs/api-reference/responses).

Calls and results without a partner are left out (see `pairing`). Encrypted reasoning of this API is sent back unchanged
and in its original place, because a service that keeps nothing needs it, together with the ids of the items that follow
from it. If the reasoning is left out, those ids are left out too, because the service would ask for the missing
reasoning. Readable reasoning of other services is never sent.

The same messages always give the same items. Contents that the format cannot hold are left out: token usage, files that
an assistant made, and unknown parts of other services. The format has no field for a speaker's name either: the text
of a request that the service does not keep begins with it (see `labelled`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec

from recuerda.agent.chat import ChatRequest
from recuerda.json_value import Json, JsonObject
from recuerda.messages.message import (
    KNOWN_CONTENTS,
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    HostedFileContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
)
from recuerda.openai.input_parts import PartFormat, data_url, file_name, has_files, input_role
from recuerda.openai.pairing import arguments_text, function_name, matching, result_text, results_after, short_call_id
from recuerda.openai.text import mend_text

_MAX_CALL_ID_LENGTH = 64
_ITEM_ID = re.compile(r"[a-z]+_[\w-]+", re.ASCII)
_OWN_TAGS = frozenset(str(kind.__struct_config__.tag) for kind in KNOWN_CONTENTS)


def input_items(
    messages: Sequence[ChatMessage], *, is_continued: bool = False, with_reasoning: bool = True
) -> list[JsonObject]:
    """Return the messages as input items.

    Args:
        messages: the messages in order.
        is_continued: True if the service has the messages before these. Then a result may belong to an earlier call.
        with_reasoning: True to send reasoning back.
    """
    items: list[JsonObject] = []
    seen: set[str] = set()
    called = {call.call_id for message in messages for call in message.function_calls} if is_continued else set[str]()
    for i, message in enumerate(messages):
        if message.role == "assistant":
            if isinstance(message.content, str):  # usual, and cheaper: a plain text has no ids, calls or reasoning
                if message.content:
                    items.append(_said({"type": "output_text", "text": mend_text(message.content)}))
                continue
            ids = _item_ids(message)
            # The service refuses a repeated id, and a thread may hold a copy of a message.
            is_first = seen.isdisjoint(ids)
            seen |= ids
            results = results_after(messages, i)
            items.extend(_assistant(message, results, with_reasoning=with_reasoning and is_first, is_first=is_first))
            continue
        if is_continued:
            items.extend(
                {"type": "function_call_output", "call_id": part.call_id, "output": _output(part)}
                for part in message.contents
                if isinstance(part, FunctionResultContent) and part.call_id not in called
            )
        if message.role != "tool" and (content := _FORMAT.content(message)) is not None:
            items.append({"role": input_role(message), "content": content})
    return items


def answers_earlier_call(messages: Sequence[ChatMessage]) -> bool:
    """Return whether one of the messages has a result for a call that is not among the messages."""
    called = {call.call_id for message in messages for call in message.function_calls}
    parts = (part for message in messages for part in message.contents)
    return any(isinstance(part, FunctionResultContent) and part.call_id not in called for part in parts)


def is_resumed(messages: Sequence[ChatMessage]) -> bool:
    """Return whether the messages begin in the middle of a turn, because the model has called functions in them."""
    return any(message.function_calls for message in messages)


def without_reasoning(request: ChatRequest) -> ChatRequest:
    """Return the request without the reasoning in its messages."""
    return msgspec.structs.replace(request, messages=list(map(_without_reasoning, request.messages)))


def _without_reasoning(message: ChatMessage) -> ChatMessage:
    parts = [part for part in message.contents if not isinstance(part, TextReasoningContent)]
    return ChatMessage(message.role, parts, author_name=message.author_name, message_id=message.message_id)


def _assistant(
    message: ChatMessage, results: Sequence[FunctionResultContent], *, with_reasoning: bool, is_first: bool
) -> Iterator[JsonObject]:
    answers = matching(results, message.function_calls)
    calls = matching(message.function_calls, answers)
    # `matching` may drop one of two equal calls, so the parts are compared by identity.
    kept = {id(call) for call in calls}
    parts = [part for part in message.contents if not isinstance(part, FunctionCallContent) or id(part) in kept]
    if not with_reasoning:
        parts = [part for part in parts if not isinstance(part, TextReasoningContent)]
    if not is_first:
        parts = [part for part in parts if not isinstance(part, UnknownContent)]
    has_ids = any(_is_encrypted(part) for part in parts)
    items = [item for part in parts if (item := _model_item(part, has_ids=has_ids)) is not None]
    if has_ids and (message.message_id or "").startswith("msg_"):
        _name_first(items, str(message.message_id))
    yield from _without_dangling_reasoning(_joined(items))
    for answer in answers:
        call_id = short_call_id(answer.call_id, max_length=_MAX_CALL_ID_LENGTH)
        yield {"type": "function_call_output", "call_id": call_id, "output": _output(answer)}


def _output(result: FunctionResultContent) -> Json:
    return [*_FORMAT.result(result)] if has_files(result) else result_text(result)


def _model_item(part: AnyContent, *, has_ids: bool) -> JsonObject | None:
    match part:
        case TextContent() if part.text:
            text: JsonObject = {"type": "output_text", "text": mend_text(part.text)}
            if annotations := _properties(part).get("annotations"):
                text["annotations"] = annotations
            return _message(text, part, has_ids=has_ids)
        case RefusalContent():
            return _message({"type": "refusal", "refusal": mend_text(part.refusal)}, part, has_ids=has_ids)
        case FunctionCallContent():
            return _call(part, has_ids=has_ids)
        case TextReasoningContent() if _is_encrypted(part):
            return {"type": "reasoning", **_properties(part), "encrypted_content": part.protected_data}
        case UnknownContent() if _is_item(part.data):
            return part.data
        case _:
            return None


def _message(content: JsonObject, part: AnyContent, *, has_ids: bool) -> JsonObject:
    properties = _properties(part)
    item = _said(content)
    if properties.get("phase"):
        item["phase"] = properties["phase"]
    if has_ids and str(properties.get("id")).startswith("msg_"):
        _give_id(item, properties["id"])
    return item


def _said(content: JsonObject) -> JsonObject:
    return {"type": "message", "role": "assistant", "content": [content]}


def _give_id(item: JsonObject, item_id: Json) -> None:
    """Give an output message its id. A message with an id also needs a status and annotations."""
    item |= {"id": item_id, "status": "completed"}
    for part in cast("list[JsonObject]", item["content"]):
        if part["type"] == "output_text":
            part.setdefault("annotations", [])


def _name_first(items: Sequence[JsonObject], message_id: str) -> None:
    """Give the message's id to its first output message. The other output messages have their ids with their texts."""
    for item in items:
        if item.get("type") == "message":
            if "id" not in item and message_id not in (other.get("id") for other in items):
                _give_id(item, message_id)
            return


def _joined(items: Sequence[JsonObject]) -> list[JsonObject]:
    """Join items that were one output message: a text and a refusal, or texts that another service separated."""
    joined: list[JsonObject] = []
    for item in items:
        last = joined[-1] if joined else {}
        is_more = item["type"] == "message" == last.get("type") and item.get("phase") == last.get("phase")
        if is_more and item.get("id", last.get("id")) == last.get("id"):
            content = [*cast("list[JsonObject]", last["content"]), *cast("list[JsonObject]", item["content"])]
            joined[-1] = {**last, "content": [*content]}
        else:
            joined.append(item)
    return joined


def _item_ids(message: ChatMessage) -> set[str]:
    found = [_properties(part).get("id") for part in message.contents]
    found.extend(part.data.get("id") for part in message.contents if isinstance(part, UnknownContent))
    return {item_id for item_id in found if isinstance(item_id, str)}


def _call(call: FunctionCallContent, *, has_ids: bool) -> JsonObject:
    item: JsonObject = {
        "type": "function_call",
        "call_id": short_call_id(call.call_id, max_length=_MAX_CALL_ID_LENGTH),
        "name": function_name(call),
        "arguments": arguments_text(call),
    }
    properties = _properties(call)
    item_id = properties.get("id")
    if isinstance(item_id, str) and item_id.startswith("fc_"):
        item |= properties
        if not has_ids:
            del item["id"]
    return item


def _is_encrypted(part: AnyContent) -> bool:
    """Return whether a part is encrypted reasoning of this API. The service refuses any other reasoning."""
    properties = _properties(part)
    return (
        isinstance(part, TextReasoningContent)
        and bool(part.protected_data)
        and isinstance(properties.get("summary"), list)
        and str(properties.get("id")).startswith("rs_")
    )


def _is_item(data: dict[str, Any]) -> bool:
    """Return whether an unknown part is an output item of this API, and not a part from a later version of recuerda."""
    item_id, kind = data.get("id"), data.get("type")
    return isinstance(item_id, str) and bool(_ITEM_ID.fullmatch(item_id)) and kind not in _OWN_TAGS


def _without_dangling_reasoning(items: Sequence[JsonObject]) -> Iterator[JsonObject]:
    """Yield the items without reasoning at the end, which the service refuses."""
    last = max((i for i, item in enumerate(items) if item["type"] != "reasoning"), default=-1)
    yield from items[: last + 1]


def _properties(part: AnyContent) -> JsonObject:
    return part.additional_properties or {}


def _linked(part: UriContent) -> JsonObject:
    is_data = part.uri.startswith("data:")
    if part.media_type.startswith("image/") and (is_data or part.uri.startswith(("http://", "https://"))):
        return _image({"image_url": part.uri}, part.detail)
    if is_data and part.media_type.startswith(("audio/", "video/")):
        return _not_accepted(part)
    if is_data:
        return _file({"filename": file_name(part), "file_data": part.uri}, part.detail)
    if part.uri.startswith(("http://", "https://")) and not part.media_type.startswith(("audio/", "video/")):
        # The service takes a file's name only together with its bytes.
        return _file({"file_url": part.uri}, part.detail)
    # The service cannot open other files. The model gets the address as text.
    return _FORMAT.text(f"{part.uri} ({', '.join(filter(None, (part.name, part.media_type)))})")


def _attached(part: DataContent) -> JsonObject:
    if part.media_type.startswith(("audio/", "video/")):
        return _not_accepted(part)
    uri = data_url(part)
    if part.media_type.startswith("image/"):
        return _image({"image_url": uri}, part.detail)
    return _file({"filename": file_name(part), "file_data": uri}, part.detail)


def _not_accepted(part: UriContent | DataContent) -> JsonObject:
    # This API accepts no sound or video. It would refuse the file, and then the thread could never be used again.
    return _FORMAT.text(f"{file_name(part)} ({part.media_type}, which this model does not accept)")


def _hosted(part: HostedFileContent) -> JsonObject:
    write = _image if (part.media_type or "").startswith("image/") else _file
    return write({"file_id": part.file_id}, part.detail)


def _image(source: JsonObject, detail: str | None) -> JsonObject:
    return {"type": "input_image", **source, "detail": mend_text(detail or "auto")}


def _file(source: JsonObject, detail: str | None) -> JsonObject:
    return {"type": "input_file", **source, **({} if detail is None else {"detail": mend_text(detail)})}


_FORMAT = PartFormat("input_text", _linked, _attached, _hosted)
