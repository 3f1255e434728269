"""The items of ChatKit: their JSON without the thread's id and without empty fields.

An item of one kind always becomes the same number of messages. So an item of a committed turn can be changed in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from chatkit.types import ThreadItem, UserMessageItem, WidgetItem
from chatkit.widgets import DynamicWidgetRoot
from pydantic import TypeAdapter

from recuerda.interop.forms import Form, keep
from recuerda.json_value import Json, JsonObject
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
)

NO_RESULT = "Error: there is no result yet"
"""The result of a call that the client has not answered."""

_Data = dict[str, Any]

_items: TypeAdapter[ThreadItem] = TypeAdapter(ThreadItem)


class ChatKitForm(Form):
    """Convert items of ChatKit."""

    name = "chatkit"

    def to_messages(self, item: JsonObject) -> Sequence[ChatMessage]:
        """See `Form`."""
        return _messages(cast("_Data", item))

    def to_items(self, message: ChatMessage) -> Sequence[JsonObject]:
        """See `Form`. Calls of tools and their results are no items of ChatKit, unless the client runs the tool."""
        texts = [part.text for part in message.contents if isinstance(part, TextContent)]
        texts += [part.refusal for part in message.contents if isinstance(part, RefusalContent)]
        if not any(texts):
            return []
        if message.role == "user":
            said: list[Json] = [{"type": "input_text", "text": text} for text in texts]
            return [{"type": "user_message", "content": said}]
        if message.role == "assistant":
            answered: list[Json] = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
            return [{"type": "assistant_message", "content": answered}]
        return []


class _Whole(ChatKitForm):
    """Convert an item into one message that says only which kind of item it is."""

    def to_messages(self, item: JsonObject) -> Sequence[ChatMessage]:
        """See `Form`."""
        return [ChatMessage("tool", _unknown(str(item["type"])))]


FORM = ChatKitForm()


def dump(item: ThreadItem) -> list[ChatMessage]:
    """Return the messages that keep an item.

    Raises:
        EncodeError: the item is not JSON.
    """
    return keep([_slim(item)], FORM)


def dump_into(item: ThreadItem, count: int) -> list[ChatMessage]:
    """Return exactly `count` messages that keep an item."""
    messages = dump(item)
    if len(messages) > count:
        messages = keep([_slim(item)], _Whole())
    return [*messages, *(deleted() for _ in range(count - len(messages)))]


def deleted() -> ChatMessage:
    """Return the message that stands in the place of a deleted one."""
    return ChatMessage("tool", _unknown("deleted"))


def load(data: JsonObject, thread_id: str, *, other_id: str, created_us: int) -> ThreadItem:
    """Return the item of its JSON.

    Args:
        data: the JSON.
        thread_id: the thread that holds it.
        other_id: the id of an item that another program has written.
        created_us: the time of such an item.
    """
    whole: _Data = {"id": other_id, "thread_id": thread_id, **data}
    if "created_at" not in whole:
        whole["created_at"] = datetime.fromtimestamp(created_us / 1e6, UTC)
    if whole["type"] == "user_message":
        whole.setdefault("inference_options", {})
    item = _items.validate_python(whole)
    if isinstance(item, WidgetItem) and item.widget.model_dump(mode="json") != whole["widget"]:
        # A widget of a template may have fields that the strict class of its type does not know.
        item.widget = DynamicWidgetRoot.model_validate(whole["widget"])
    return item


def _slim(item: ThreadItem) -> JsonObject:
    data: _Data = item.model_dump(mode="json", exclude={"thread_id"})
    for name, field in type(item).model_fields.items():
        if name != "type" and data.get(name) is None and not field.is_required():
            data.pop(name, None)
    if isinstance(item, UserMessageItem):
        if not item.attachments:
            del data["attachments"]
        if data["inference_options"] == {"tool_choice": None, "model": None}:
            del data["inference_options"]
    return data


# -- as messages -------------------------------------------------------------------------------------------------------


def _messages(item: _Data) -> list[ChatMessage]:
    item_id = str(item.get("id"))
    match item:
        case {"type": "user_message"}:
            return [ChatMessage("user", _said(item), message_id=item_id)]
        case {"type": "assistant_message"}:
            parts = [TextContent(part["text"]) for part in item["content"]]
            return [ChatMessage("assistant", parts, message_id=item_id)]
        case {"type": "client_tool_call"}:
            return _called(item, item_id)
        case {"type": "hidden_context_item" | "sdk_hidden_context"}:
            return [ChatMessage("system", _text(item["content"]), message_id=item_id)]
        case _:
            return [ChatMessage("assistant", _shown(item), message_id=item_id)]


def _said(item: _Data) -> list[AnyContent]:
    parts: list[AnyContent] = []
    if item.get("quoted_text"):
        quote = "\n".join(f"> {line}" for line in item["quoted_text"].splitlines())
        parts.append(TextContent(f"{quote}\n\n"))
    parts += [
        TextContent(part["text"] if part["type"] == "input_text" else f"@{part['text']}") for part in item["content"]
    ]
    for attachment in item.get("attachments", ()):
        if attachment["type"] == "image":
            parts.append(UriContent(attachment["preview_url"], attachment["mime_type"]))
        else:
            parts.append(_unknown("attachment"))
    return parts


def _called(item: _Data, item_id: str) -> list[ChatMessage]:
    call_id, is_done = item["call_id"], item["status"] == "completed"
    result = FunctionResultContent(call_id, item.get("output") if is_done else NO_RESULT, is_error=not is_done)
    call = FunctionCallContent(call_id, item["name"], item["arguments"])
    return [ChatMessage("assistant", call, message_id=item_id), ChatMessage("tool", result)]


def _shown(item: _Data) -> list[AnyContent]:
    match item:
        case {"type": "widget", "copy_text": str(text)}:
            return [TextContent(text)]
        case {"type": "generated_image", "image": {"url": str(url)}}:
            return [UriContent(url, "image/*")]
        case {"type": "structured_input", "inputs": list()}:
            return [TextContent("\n".join(_question(one) for one in item["inputs"]))]
        case {"type": "workflow", "workflow": {"tasks": list()}}:
            thoughts = [task["content"] for task in item["workflow"]["tasks"] if task["type"] == "thought"]
            return [TextReasoningContent(text) for text in thoughts] or [_unknown("workflow")]
        case {"type": "task", "task": {"type": "thought", "content": str(text)}}:
            return [TextReasoningContent(text)]
        case _:
            return [_unknown(item["type"])]


def _question(question: _Data) -> str:
    answer = question.get("answer")
    if not answer:
        return question["question"]
    return f"{question['question']} {', '.join(answer['values']) if answer['values'] else '(skipped)'}"


def _text(content: object) -> str:
    return content if isinstance(content, str) else msgspec.json.encode(content).decode()


def _unknown(kind: str) -> UnknownContent:
    return UnknownContent({"type": f"chatkit/{kind}"})
